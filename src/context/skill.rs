//! Skills: folders with a `SKILL.md` that says how to do something, and whatever else that needs.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    clip::clip,
    command::Listed,
    front,
    place::{Owner, Places, entries, locate, read},
};
use crate::{
    tool::{Context, Output, Proposal, Tool, ToolError, Typed, shown_lines, typed},
    workspace::Workspace,
};

/// The name of the tool that reads a skill.
pub const SKILL_TOOL: &str = "skill";

/// The first line of the list of skills.
pub const KEY: &str = "<skills>";

/// Folders of skills below a root. The second is where several agents look.
const PROJECT: [&str; 2] = [".pillion/skills", ".agents/skills"];

const FILE_NAME: &str = "SKILL.md";

/// Bytes of a skill's description in the list.
const DESCRIPTION: usize = 1_024;

/// Bytes of the whole list. Chosen: some 5,000 tokens.
const LIST: usize = 20_000;

/// Bytes of a skill, as much as `read` shows of a file at once.
const TEXT: usize = 80_000;

/// Files of a skill's folder that are named.
const FILES: usize = 100;

/// A way to do something, as it is listed.
pub struct Skill {
    pub name: String,
    pub description: String,
    folder: PathBuf,
    owner: Owner,
    /// What follows the front matter.
    body: String,
}

/// The skills there are: the user's, then those of each root. A name that is taken is left out, with a warning.
pub async fn list(places: &Places, workspace: &Workspace) -> Listed<Skill> {
    let user = places.of_user(workspace).map(|(user, owner)| (user.join("skills"), owner));
    let roots = workspace.resolved_roots();
    let project = roots.iter().flat_map(|root| PROJECT.map(|folder| (root.join(folder), Owner::Project)));
    let mut listed = Listed::default();
    let mut names = HashSet::new();
    for (place, owner) in user.into_iter().chain(project) {
        let folders = match entries(workspace, &place, owner).await {
            Ok(folders) => folders,
            Err(warning) => {
                listed.warnings.push(warning);
                continue;
            }
        };
        for folder in folders {
            match skill_in(&folder, owner, workspace).await {
                Ok(None) => {}
                Ok(Some(skill)) if names.insert(skill.name.clone()) => listed.items.push(skill),
                Ok(Some(skill)) => listed.warnings.push(format!(
                    "The skill in {} is not used: another one is named {:?} too.",
                    folder.display(),
                    skill.name
                )),
                Err(warning) => listed.warnings.push(warning),
            }
        }
    }
    listed
}

async fn skill_in(folder: &Path, owner: Owner, workspace: &Workspace) -> Result<Option<Skill>, String> {
    let file = folder.join(FILE_NAME);
    let Some(found) = read(workspace, &file, owner).await? else { return Ok(None) };
    let wrong = |what: &str| format!("The skill in {} is not used: {what}.", file.display());
    let page = front::parse(&found.text).map_err(|error| wrong(&error))?;
    let folder_name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name = page.fields.get("name").cloned().unwrap_or(folder_name);
    let is_fine = |char: char| char.is_ascii_alphanumeric() || "-_.".contains(char);
    if name.is_empty() || name.len() > 64 || !name.chars().all(is_fine) {
        return Err(wrong(&format!("{name:?} is no name: use up to 64 letters, digits, `-`, `_` and `.`")));
    }
    let description = page.fields.get("description").map(|description| description.trim()).unwrap_or_default();
    if description.is_empty() {
        return Err(wrong("its front matter has no `description`, by which the model would know when to use it"));
    }
    let description =
        clip(&description.split_whitespace().collect::<Vec<_>>().join(" "), DESCRIPTION, |_| "...".into());
    let description = description.replace('\n', " ");
    Ok(Some(Skill { name, description, folder: folder.to_path_buf(), owner, body: page.body.trim().to_owned() }))
}

/// The list as the model reads it.
pub fn described(skills: &[Skill]) -> String {
    let lines = skills.iter().map(|skill| format!("- {}: {}\n", skill.name, skill.description));
    let list: String = lines.collect();
    let list = clip(&list, LIST, |line| format!("{} more are not listed", skills.len() + 1 - line));
    format!(
        "Ways to do something that were written down. Before a task that one fits, read it with `{SKILL_TOOL}`:\n{list}"
    )
}

/// The tool that reads skills, those of `places.user` and of the roots it works in. It reads nothing else, so it asks
/// for nothing.
///
/// ```
/// use pillion::{context::{Places, skill_tool}, tool::Registry};
///
/// let mut tools = Registry::standard();
/// tools.add(skill_tool(Places::default()))?;
/// # Ok::<(), pillion::tool::AddError>(())
/// ```
pub fn skill_tool(places: Places) -> Arc<dyn Tool> {
    typed(Reader { places })
}

struct Reader {
    places: Places,
}

/// Reads a skill: how something is done, written down by the person or the project. The list of skills says which there
/// are. You also get the names of the other files in the skill's folder; give one as `file` to read it.
#[derive(Deserialize, JsonSchema)]
struct Input {
    /// The name, as listed.
    name: String,
    /// A file of the skill's folder, as it was named, instead of the skill itself.
    file: Option<String>,
}

#[async_trait]
impl Typed for Reader {
    const NAME: &'static str = SKILL_TOOL;
    const READS_ONLY: bool = true;
    type Input = Input;

    async fn propose(&self, input: &Input, _: &Context) -> Result<Proposal, ToolError> {
        let file = input.file.as_ref().map(|file| format!(", {file}")).unwrap_or_default();
        Ok(Proposal::harmless(format!("Read the skill {}{file}", input.name)))
    }

    async fn run(&self, input: Input, context: &Context) -> Result<Output, ToolError> {
        let Listed { items, .. } = list(&self.places, &context.workspace).await;
        let Some(skill) = items.iter().find(|skill| skill.name == input.name) else {
            let names: Vec<_> = items.iter().map(|skill| skill.name.as_str()).collect();
            let known =
                if names.is_empty() { "There are none".into() } else { format!("There are {}", names.join(", ")) };
            return Err(ToolError::new(format!("there is no skill {:?}. {known}.", input.name)));
        };
        match &input.file {
            Some(file) => Ok(Output::text(skill.read(file, context).await?)),
            None => Ok(Output::text(skill.told(context).await)),
        }
    }
}

impl Skill {
    async fn told(&self, context: &Context) -> String {
        let rest =
            |line| format!("clipped here: read `{FILE_NAME}` of this skill as `file` for what follows line {line}");
        let mut text = clip(&self.body, TEXT, rest);
        let folder = self.folder.clone();
        let files = tokio::task::spawn_blocking(move || files_in(&folder)).await.unwrap_or_default();
        text += &format!("\n\n[the skill's folder: {}", self.folder.display());
        if !files.is_empty() {
            text += &format!("; its files: {}", files.join(", "));
        }
        if self.owner == Owner::User
            && !context.workspace.resolved_roots().iter().any(|root| self.folder.starts_with(root))
        {
            text += "; it is outside the roots, so read its files with this tool";
        }
        text + "]"
    }

    /// A file of the skill. Nothing that leads out of its folder.
    async fn read(&self, file: &str, context: &Context) -> Result<String, ToolError> {
        let at = |path: &Path| locate(&context.workspace, path, self.owner).map_err(ToolError::new);
        let (folder, location) = (at(&self.folder)?, at(&self.folder.join(file))?);
        let location = location.zip(folder).filter(|(file, folder)| file.path.starts_with(&folder.path));
        let Some((location, _)) = location else {
            return Err(ToolError::new(format!("{file} is not in the folder of the skill {}", self.name)));
        };
        let snapshot = context.workspace.read(&location).await.map_err(|error| ToolError::new(error.to_string()))?;
        Ok(shown_lines(&snapshot, &location, None, TEXT)?.0)
    }
}

/// The files below a skill's folder, relative to it, without `SKILL.md`.
fn files_in(folder: &Path) -> Vec<String> {
    let walk = ignore::WalkBuilder::new(folder).max_depth(Some(4)).standard_filters(false).hidden(true).build();
    let files = walk.flatten().filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()));
    let names = files.filter_map(|entry| entry.path().strip_prefix(folder).ok().map(|name| name.display().to_string()));
    let mut names: Vec<_> = names.filter(|name| name != FILE_NAME).take(FILES + 1).collect();
    names.sort();
    if names.len() > FILES {
        names[FILES] = "and more".to_owned();
    }
    names
}
