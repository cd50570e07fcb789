//! Instruction files: which hold, what the model was told of them, and what it does not know yet.
//!
//! What a model was told stands in its transcript, so that is where this looks: nothing is told twice, whatever was
//! resumed, forked or restarted, and what a compaction took out is told again when it matters.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use tokio::sync::OnceCell;

use super::{
    clip::clip,
    place::{Owner, Places, read},
    skill,
};
use crate::{
    transcript::{Content, Message, Role},
    workspace::Workspace,
};

/// Bytes of one file that are given to the model. Chosen: some 10,000 tokens, more than anybody follows.
const FILE: usize = 40_000;

const INTRODUCTION: &str = "\
What the person and the project have written for you follows. The instructions of a file hold for everything in its \
folder and below; where two contradict each other, those nearer to the file at hand go first, and what the person says \
goes before all of them. A later note with the same file name takes their place. They say how to work, and never allow \
what the person would be asked for.";

/// Begins each message that tells of instructions.
pub const NOTE: &str = "A note of Pillion, not of the person: what follows was written for you and holds from now on.";

const GONE: &str = "(deleted: what it said holds no more)";

/// What a conversation's model was told at its beginning. Belongs to one conversation, like its
/// [`Scope`](crate::agent::Scope).
#[derive(Debug, Default)]
pub struct Told {
    opening: OnceCell<Vec<Block>>,
    /// What the person was warned of.
    warned: Mutex<HashSet<String>>,
}

/// A piece of text with a first line that says what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Block {
    /// The first line.
    key: String,
    text: String,
}

/// What the model does not know yet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct News {
    /// For the transcript.
    pub message: Option<Message>,
    /// The names of the files that it tells of.
    pub files: Vec<String>,
    /// What could not be read and why, for the person; each once.
    pub warnings: Vec<String>,
}

impl Told {
    /// The system text of this conversation: the user's instructions, those of the roots, and the skills if the model
    /// has a tool for them. Read at the first call, and the same ever after. `None` if there is nothing.
    pub async fn opening(&self, places: &Places, workspace: &Workspace, with_skills: bool) -> (Option<String>, News) {
        let mut news = News::default();
        let opening = self
            .opening
            .get_or_init(|| async {
                let mut search = Search::default();
                for folder in standing(places, workspace) {
                    search.look(&folder, places, workspace).await;
                }
                let mut blocks = search.found;
                if with_skills {
                    let listed = skill::list(places, workspace).await;
                    search.warnings.extend(listed.warnings);
                    blocks.extend(skills_block(&listed.items));
                }
                news.files = blocks.iter().filter_map(|block| file_of(&block.key)).collect();
                news.warnings = self.unwarned(search.warnings);
                blocks
            })
            .await;
        let texts: Vec<_> =
            std::iter::once(INTRODUCTION).chain(opening.iter().map(|block| block.text.as_str())).collect();
        ((!opening.is_empty()).then(|| texts.join("\n\n")), news)
    }

    /// What holds now and is not what the model was told: of the files that were there at the beginning and the notes
    /// since, when a turn begins; and of those on the way to `touched`.
    pub async fn news(
        &self,
        places: &Places,
        workspace: &Workspace,
        messages: &[Message],
        touched: &BTreeSet<PathBuf>,
        beginning: Option<Beginning>,
    ) -> News {
        let known = self.known(messages);
        let mut folders = Vec::new();
        if beginning.is_some() {
            folders.extend(standing(places, workspace));
            folders.extend(known.keys().filter_map(|key| folder_of(&file_of(key)?, places, workspace)));
        }
        let roots = workspace.resolved_roots();
        for path in touched {
            let mut way: Vec<_> = path.ancestors().filter(|folder| is_within(folder, &roots)).collect();
            way.reverse();
            folders.extend(way.into_iter().map(|folder| Folder { path: folder.to_path_buf(), owner: Owner::Project }));
        }
        let mut search = Search::default();
        for folder in folders {
            search.look(&folder, places, workspace).await;
        }
        // What is known of a folder that was looked at, and is there no more.
        let gone = search.missing.iter().filter(|key| known.contains_key(key.as_str()));
        let mut now: Vec<Block> = gone.map(|key| Block::new(key, GONE)).collect();
        now.append(&mut search.found);
        if beginning == Some(Beginning { with_skills: true }) {
            let listed = skill::list(places, workspace).await;
            search.warnings.extend(listed.warnings);
            let block = skills_block(&listed.items);
            now.extend(block.or_else(|| known.contains_key(skill::KEY).then(|| Block::new(skill::KEY, GONE))));
        }
        now.retain(|block| known.get(block.key.as_str()) != Some(&block.text.as_str()));

        let texts = std::iter::once(NOTE.to_owned()).chain(now.iter().map(|block| block.text.clone()));
        let content = texts.map(|text| Content::Text { text }).collect();
        News {
            message: (!now.is_empty()).then_some(Message { role: Role::User, content }),
            files: now.iter().map(|block| file_of(&block.key).unwrap_or_else(|| "the list of skills".into())).collect(),
            warnings: self.unwarned(search.warnings),
        }
    }

    /// The latest that the model was told, by its first line.
    fn known<'a>(&'a self, messages: &'a [Message]) -> HashMap<&'a str, &'a str> {
        let opening = self.opening.get().into_iter().flatten().map(|block| block.text.as_str());
        let parts = messages.iter().filter(|message| message.role == Role::User).flat_map(|message| &message.content);
        let notes = parts.filter_map(|part| if let Content::Text { text } = part { Some(text.as_str()) } else { None });
        let blocks = opening.chain(notes).filter_map(|text| Some((text.split_once('\n')?.0, text)));
        blocks.filter(|(key, _)| file_of(key).is_some() || *key == skill::KEY).collect()
    }

    fn unwarned(&self, warnings: Vec<String>) -> Vec<String> {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        warnings.into_iter().filter(|warning| warned.insert(warning.clone())).collect()
    }
}

/// A turn begins: everything is looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beginning {
    /// Whether the model has a tool for skills.
    pub with_skills: bool,
}

impl Block {
    fn new(key: &str, text: &str) -> Self {
        let tag = key.trim_start_matches('<').split([' ', '>']).next().unwrap_or_default();
        Self { text: format!("{key}\n{}\n</{tag}>", text.trim_end()), key: key.to_owned() }
    }
}

#[derive(Clone)]
struct Folder {
    path: PathBuf,
    owner: Owner,
}

#[derive(Default)]
struct Search {
    found: Vec<Block>,
    /// The keys of what could be there and is not.
    missing: Vec<String>,
    warnings: Vec<String>,
    folders: HashSet<PathBuf>,
    /// One file may go by two names.
    files: HashSet<PathBuf>,
}

impl Search {
    async fn look(&mut self, folder: &Folder, places: &Places, workspace: &Workspace) {
        if !self.folders.insert(folder.path.clone()) {
            return;
        }
        let mut is_found = false;
        for name in &places.names {
            let key = key_of(&folder.path, name, workspace);
            let read = if is_found { Ok(None) } else { read(workspace, &folder.path.join(name), folder.owner).await };
            match read {
                Ok(Some(file)) if !file.text.trim().is_empty() => {
                    is_found = true;
                    if self.files.insert(file.location.path) {
                        let shown = &file.location.shown;
                        let rest = |line| format!("clipped here: read {shown} from line {line} on if it matters");
                        self.found.push(Block::new(&key, &clip(file.text.trim_start_matches('\n'), FILE, rest)));
                    }
                }
                Ok(_) => self.missing.push(key),
                Err(warning) => self.warnings.push(warning),
            }
        }
    }
}

/// The folders whose files hold from the beginning.
fn standing(places: &Places, workspace: &Workspace) -> Vec<Folder> {
    let user = places.of_user(workspace).map(|(path, owner)| Folder { path: path.to_path_buf(), owner });
    let roots = workspace.resolved_roots().into_iter().map(|path| Folder { path, owner: Owner::Project });
    user.into_iter().chain(roots).collect()
}

fn is_within(path: &Path, roots: &[PathBuf]) -> bool {
    roots.iter().any(|root| path.starts_with(root))
}

/// The first line of the block of a file in this folder.
fn key_of(folder: &Path, name: &str, workspace: &Workspace) -> String {
    let shown = folder.to_str().and_then(|folder| workspace.resolve(folder).ok()).map(|location| location.shown);
    let shown = shown.unwrap_or_else(|| folder.display().to_string());
    let file = if shown == "." { name.to_owned() } else { format!("{shown}/{name}") };
    format!("<instructions file=\"{}\">", file.replace('"', "&quot;"))
}

/// The file that a block with this first line is of.
fn file_of(key: &str) -> Option<String> {
    Some(key.strip_prefix("<instructions file=\"")?.strip_suffix("\">")?.replace("&quot;", "\""))
}

/// The folder of an instruction file of the project by that name. What else a transcript says is nothing to go by.
fn folder_of(file: &str, places: &Places, workspace: &Workspace) -> Option<Folder> {
    let (folder, name) = file.rsplit_once('/').unwrap_or((".", file));
    let location = workspace.resolve(folder).ok()?;
    (location.inside && places.names.iter().any(|known| known == name))
        .then_some(Folder { path: location.path, owner: Owner::Project })
}

fn skills_block(skills: &[skill::Skill]) -> Option<Block> {
    (!skills.is_empty()).then(|| Block::new(skill::KEY, &skill::described(skills)))
}
