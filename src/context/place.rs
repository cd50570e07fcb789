//! Where people write for the model, and how it is read.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use crate::workspace::{Location, ReadError, Workspace};

/// Where people write for the model. Beside these, it is always below the roots of the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The user's own folder, with an instruction file, `skills/` and `commands/`.
    pub user: Option<PathBuf>,
    /// What instruction files are called. In each folder, the first of these that is there counts; with none, there
    /// are no instructions.
    pub names: Vec<String>,
}

impl Default for Places {
    /// `AGENTS.md`, and nothing of the user's own.
    fn default() -> Self {
        Self { user: None, names: vec!["AGENTS.md".to_owned()] }
    }
}

impl Places {
    /// The user's own folder. One that lies in a root is the project's like all that is there.
    pub(super) fn of_user(&self, workspace: &Workspace) -> Option<(&Path, Owner)> {
        let path = self.user.as_deref()?;
        let location = path.to_str().and_then(|path| workspace.resolve(path).ok())?;
        Some((path, if location.inside { Owner::Project } else { Owner::User }))
    }
}

/// Who wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The person. Their own links are followed.
    User,
    /// Whoever wrote the project: what leads out of the roots is not read.
    Project,
}

impl Owner {
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Project => "project",
        }
    }
}

/// Bytes of a file that is looked at; the model is given far less. Larger ones are not read: a project may hold many.
const LONGEST: u64 = 256 << 10;

/// A text that was found.
pub struct Text {
    pub location: Location,
    pub text: String,
}

/// The text at this path, as an editor shows it where it is open; `None` if there is none.
///
/// # Errors
/// Why it is there and cannot be read, for the person.
pub async fn read(workspace: &Workspace, path: &Path, owner: Owner) -> Result<Option<Text>, String> {
    let Some(location) = locate(workspace, path, owner)? else { return Ok(None) };
    match workspace.read_within(&location, LONGEST).await {
        Ok(snapshot) => Ok(Some(Text { location, text: snapshot.text.to_string().replace("\r\n", "\n") })),
        Err(ReadError::NotFound(_) | ReadError::Directory(_)) => Ok(None),
        Err(error) => Err(format!("{} is not given to the model: {error}.", path.display())),
    }
}

/// Where this path leads; `None` if it is no path for a workspace.
///
/// # Errors
/// If it is of the project and leads out of the roots.
pub fn locate(workspace: &Workspace, path: &Path, owner: Owner) -> Result<Option<Location>, String> {
    let Some(location) = path.to_str().and_then(|path| workspace.resolve(path).ok()) else { return Ok(None) };
    if owner == Owner::Project && !location.inside {
        let shown = location.path.display();
        return Err(format!("{} is passed over: it leads to {shown}, out of the project.", path.display()));
    }
    Ok(Some(location))
}

/// What is directly in a folder, on the disk or only in an editor, in the order of its name.
///
/// # Errors
/// If it is of the project and leads out of the roots.
pub async fn entries(workspace: &Workspace, folder: &Path, owner: Owner) -> Result<Vec<PathBuf>, String> {
    /// Nobody lists more by hand; chosen by taste.
    const MOST: usize = 1_000;
    let Some(location) = locate(workspace, folder, owner)? else { return Ok(Vec::new()) };
    let path = location.path.clone();
    let listing = || {
        tokio::task::spawn_blocking(move || {
            let entries = path.read_dir().into_iter().flatten().flatten();
            entries.take(MOST).map(|entry| entry.path()).collect::<BTreeSet<_>>()
        })
    };
    // Most of these folders are not there, for which no thread has to be begun.
    let mut entries = if location.path.is_dir() { listing().await.unwrap_or_default() } else { BTreeSet::new() };
    for buffer in workspace.buffers() {
        let below = buffer.location.path.strip_prefix(&location.path).ok().and_then(|rest| rest.components().next());
        entries.extend(below.map(|first| location.path.join(first)));
    }
    Ok(entries.into_iter().collect())
}
