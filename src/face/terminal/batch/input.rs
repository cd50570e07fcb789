//! The file of requests: a JSON object a line.

use std::{
    collections::HashSet,
    fs::File,
    io::{self, BufRead, BufReader, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    provider::{
        Cache, Request, Thinking,
        batch::{Item, LARGEST_BATCH, MOST_ITEMS, check_id},
    },
    transcript::{Content, Message, Role},
};

/// The most mistakes of a file that are told at once.
const MOST_MISTAKES: usize = 10;
/// Room for what is around the items, in bytes.
const WRAPPING: usize = 64;

/// A request as it stands in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    id: String,
    prompt: Option<String>,
    messages: Option<Vec<Said>>,
    model: Option<String>,
    system: Option<String>,
    #[serde(alias = "maxTokens")]
    max_tokens: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    role: Role,
    content: Words,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Words {
    Text(String),
    Parts(Vec<Content>),
}

/// What holds for each request that says nothing else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Options {
    /// `provider/model`.
    pub model: String,
    pub system: Option<String>,
    pub max_tokens: Option<u32>,
    pub temperature: Option<f32>,
    pub thinking_tokens: Option<u32>,
    pub thinking_effort: Option<crate::provider::Effort>,
}

/// Lines that make one batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// Where its first line begins, and how long all are, in bytes.
    pub offset: u64,
    pub bytes: u64,
    pub items: usize,
}

/// What tells one file from another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fingerprint {
    pub bytes: u64,
    pub hash: String,
}

#[derive(Debug, thiserror::Error)]
pub enum InputError {
    #[error("{} cannot be read: {error}", path.display())]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("{} has no requests. Each line is one, for example {{\"id\": \"a\", \"prompt\": \"Hello\"}}.", path.display())]
    Empty { path: PathBuf },
    #[error("Nothing was sent, since {} has mistakes:\n{}", path.display(), mistakes.join("\n"))]
    Mistakes { path: PathBuf, mistakes: Vec<String> },
}

/// The file of requests.
pub struct Input {
    path: PathBuf,
}

impl Options {
    fn thinking(&self) -> Option<Thinking> {
        let effort = self.thinking_effort.map(Thinking::Effort);
        effort.or(self.thinking_tokens.map(Thinking::Budget))
    }

    fn request(&self, line: Line) -> Result<Request, String> {
        let messages = match (line.prompt, line.messages) {
            (Some(prompt), None) if !prompt.trim().is_empty() => vec![Message::user(prompt)],
            (None, Some(said)) if !said.is_empty() => said.into_iter().map(Message::from).collect(),
            (Some(_), Some(_)) => return Err("it has both `prompt` and `messages`".into()),
            _ => return Err("it needs a `prompt` or `messages` that are not empty".into()),
        };
        let (provider, model) = self.model.split_once('/').unwrap_or_default();
        let model = match line.model.as_deref() {
            None => model,
            Some(other) => match other.split_once('/') {
                None => other,
                Some((of, other)) if of == provider => other,
                Some(_) => return Err(format!("`{other}` is no model of {provider}, where all of these go")),
            },
        };
        Ok(Request {
            model: model.to_owned(),
            system: line.system.or_else(|| self.system.clone()).into_iter().collect(),
            messages,
            max_tokens: line.max_tokens.or(self.max_tokens),
            temperature: self.temperature,
            thinking: self.thinking(),
            // Requests of a batch run side by side: none would find what another has written.
            cache: Cache::disabled(),
            ..Request::default()
        })
    }

    fn item(&self, line: &[u8]) -> Result<Item, String> {
        let line: Line = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        check_id(&line.id).map_err(|error| error.to_string())?;
        let id = line.id.clone();
        Ok(Item::new(id, &self.request(line)?))
    }
}

impl From<Said> for Message {
    fn from(Said { role, content }: Said) -> Self {
        let content = match content {
            Words::Text(text) => vec![Content::Text { text }],
            Words::Parts(parts) => parts,
        };
        Self { role, content }
    }
}

impl Input {
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// What the file is now.
    pub fn fingerprint(&self) -> Result<Fingerprint, InputError> {
        let mut hash = Hash::default();
        self.lines(0, u64::MAX, |_, line| {
            hash.take(line);
            Ok(())
        })?;
        Ok(hash.fingerprint())
    }

    /// Checks all lines and divides them into batches of at most `most` requests that the provider will take.
    pub fn plan(&self, options: &Options, most: usize) -> Result<(Fingerprint, Vec<Part>), InputError> {
        let mut hash = Hash::default();
        let mut parts: Vec<Part> = Vec::new();
        let (mut offset, mut size) = (0, 0);
        let mut ids = HashSet::new();
        let mut mistakes = Vec::new();
        self.lines(0, u64::MAX, |number, line| {
            hash.take(line);
            let begin = offset;
            offset += line.len() as u64;
            if line.trim_ascii().is_empty() {
                return Ok(());
            }
            let item = options.item(line).and_then(|item| match ids.insert(item.id().to_owned()) {
                true if item.size() + WRAPPING > LARGEST_BATCH => {
                    Err("it alone is more than a batch may be".to_owned())
                }
                true => Ok(item),
                false => Err(format!("the id `{}` is that of an earlier line", item.id())),
            });
            let item = match item {
                Ok(item) => item,
                Err(mistake) => {
                    mistakes.push(format!("line {number}: {mistake}"));
                    return if mistakes.len() < MOST_MISTAKES { Ok(()) } else { Err(io::ErrorKind::Other.into()) };
                }
            };
            let fits =
                |part: &Part| part.items < most.min(MOST_ITEMS) && size + item.size() + WRAPPING <= LARGEST_BATCH;
            match parts.last_mut().filter(|part| fits(part)) {
                Some(part) => {
                    part.items += 1;
                    part.bytes = offset - part.offset;
                    size += item.size();
                }
                None => {
                    parts.push(Part { offset: begin, bytes: offset - begin, items: 1 });
                    size = item.size();
                }
            }
            Ok(())
        })
        .or_else(|error| if mistakes.is_empty() { Err(error) } else { Ok(()) })?;
        if !mistakes.is_empty() {
            return Err(InputError::Mistakes { path: self.path.clone(), mistakes });
        }
        if parts.is_empty() {
            return Err(InputError::Empty { path: self.path.clone() });
        }
        Ok((hash.fingerprint(), parts))
    }

    /// The requests of one part.
    pub fn items(&self, part: &Part, options: &Options) -> Result<Vec<Item>, InputError> {
        let mut items = Vec::with_capacity(part.items);
        self.lines(part.offset, part.bytes, |_, line| {
            if !line.trim_ascii().is_empty() {
                let changed = |_| io::Error::other("it has changed meanwhile");
                items.push(options.item(line).map_err(changed)?);
            }
            Ok(())
        })?;
        Ok(items)
    }

    /// Calls `each` with the number, from 1, and the bytes of each line of a stretch of the file.
    #[allow(clippy::disallowed_methods, reason = "the person names the file on the command line")]
    fn lines(
        &self,
        offset: u64,
        bytes: u64,
        mut each: impl FnMut(u64, &[u8]) -> io::Result<()>,
    ) -> Result<(), InputError> {
        let read = || {
            let mut file = File::open(&self.path)?;
            file.seek(SeekFrom::Start(offset))?;
            let mut reader = BufReader::with_capacity(1 << 16, io::Read::take(file, bytes));
            let mut line = Vec::new();
            for number in 1.. {
                line.clear();
                if reader.read_until(b'\n', &mut line)? == 0 {
                    break;
                }
                each(number, &line)?;
            }
            Ok(())
        };
        let mut read = read;
        read().map_err(|error| InputError::Unreadable { path: self.path.clone(), error })
    }
}

/// FNV-1a: it has to notice an edit, not an attack.
struct Hash {
    bytes: u64,
    hash: u64,
}

impl Default for Hash {
    fn default() -> Self {
        Self { bytes: 0, hash: 0xcbf2_9ce4_8422_2325 }
    }
}

impl Hash {
    fn take(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        for byte in bytes {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn fingerprint(self) -> Fingerprint {
        Fingerprint { bytes: self.bytes, hash: format!("{:016x}", self.hash) }
    }
}
