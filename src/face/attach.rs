//! Several Pillions as one: a process with a hub can be reached by the others of this user, over a private socket.
//!
//! Such a process listens in a folder that only this user can enter, and looks at who comes: the system must say that it
//! is this user, and no program that a tool has started, of this Pillion or of another, which could otherwise allow itself
//! what it wants. Others find the socket there, introduce themselves by `attach`, and speak the protocol, one message a
//! line, as an attachment like any other: prompts, events and approvals are the hub's business, and the buffers are those
//! of its editor.

#[cfg(unix)]
mod files;
#[cfg(unix)]
mod guest;
#[cfg(unix)]
mod place;
#[cfg(unix)]
mod remote;

use std::{io, path::PathBuf};
#[cfg(unix)]
use std::{io::Write, path::Path};

#[cfg(unix)]
pub use self::{guest::is_welcome, remote::Remote};

use super::link::Link;
use crate::{config::recording, protocol::AttachResponse, sidecar::Sidecar, store::Store, workspace::Workspace};

/// What kind of process listens. Only an editor's is joined unasked: it stays, and its buffers are what counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Editor,
    Server,
    Terminal,
    Chat,
}

/// A hub to work with.
pub struct Joined {
    pub link: Link,
    /// The folders to work in, where they are not just those of the hub.
    pub roots: Option<Vec<String>>,
    /// What lets others in, if the hub is our own.
    _listening: Option<Listening>,
}

/// What was found of editors.
pub struct Search {
    pub editor: Option<Editor>,
    /// For the person to read: what cannot be joined since it speaks another version of the protocol.
    pub mismatches: Vec<String>,
}

/// An editor that can be joined.
pub struct Editor {
    pub link: Link,
    pub host: AttachResponse,
}

impl Editor {
    /// Where it is open, for the person to read.
    pub fn place(&self) -> String {
        format!("{} (process {})", self.host.roots.join(", "), self.host.process_id)
    }

    /// That its Pillion is another than this, for the person to read.
    pub fn other_version(&self) -> Option<String> {
        let (theirs, ours) = (&self.host.version, env!("CARGO_PKG_VERSION"));
        (theirs != ours)
            .then(|| format!("the editor's Pillion is {theirs} and this one {ours}; they understand each other"))
    }
}

/// Lets others attach for as long as it is there.
pub struct Listening {
    #[cfg(unix)]
    _task: tokio_util::task::AbortOnDropHandle<()>,
}

/// Whether editors are to be looked for at all: a recording is of what this process asks.
pub fn is_wanted(stay_alone: bool) -> bool {
    !stay_alone && !recording::is_on()
}

/// Joins the editor that is open in these folders, or starts a hub of our own. The person is told which on the standard
/// error. `name` is what events call us.
///
/// # Errors
/// If there is no place for session logs.
pub async fn join(roots: Vec<PathBuf>, kind: Kind, name: &str, stay_alone: bool) -> anyhow::Result<Joined> {
    if !is_wanted(stay_alone) {
        return alone(roots, kind);
    }
    let Search { editor, mismatches } = search(&roots, name).await;
    for mismatch in mismatches {
        writeln!(io::stderr(), "pillion: {mismatch}")?;
    }
    if let Some(editor) = editor {
        let place = editor.place();
        writeln!(io::stderr(), "pillion: works with the editor that is open in {place}; --no-attach stays alone")?;
        if let Some(other) = editor.other_version() {
            writeln!(io::stderr(), "pillion: {other}")?;
        }
        let roots: Vec<String> = roots.iter().map(|root| root.to_string_lossy().into_owned()).collect();
        return Ok(Joined {
            link: editor.link,
            roots: (roots != editor.host.roots).then_some(roots),
            _listening: None,
        });
    }
    alone(roots, kind)
}

/// Starts a hub of our own that others can attach to.
pub fn alone(roots: Vec<PathBuf>, kind: Kind) -> anyhow::Result<Joined> {
    let sidecar = Sidecar::start(Workspace::new(roots), Store::open(None)?);
    sidecar.configure(None);
    let listening = listen(&sidecar, kind);
    Ok(Joined { link: Link::Own(sidecar), roots: None, _listening: listening })
}

/// Lets others attach to this hub. Without it they go on alone, so a failure is only logged.
pub fn listen(sidecar: &Sidecar, kind: Kind) -> Option<Listening> {
    #[cfg(unix)]
    match place::bind(kind) {
        Ok((listener, place)) => {
            let task = tokio::spawn(guest::accept(listener, place, sidecar.clone()));
            return Some(Listening { _task: tokio_util::task::AbortOnDropHandle::new(task) });
        }
        Err(error) => tracing::warn!(%error, "other programs cannot attach"),
    }
    let _ = (sidecar, kind);
    None
}

/// Looks for the editor whose folders hold all of `roots`, which have no symlinks: the one that knows them most closely.
/// `name` is what events will call us.
#[cfg(unix)]
pub async fn search(roots: &[PathBuf], name: &str) -> Search {
    let mut found: Option<(usize, Remote)> = None;
    let mut mismatches = Vec::new();
    for path in place::sockets(Some(Kind::Editor)) {
        let remote = match Remote::reach(&path, name).await {
            Ok(Some(remote)) => remote,
            Ok(None) => continue,
            Err(mismatch) => {
                mismatches.push(mismatch);
                continue;
            }
        };
        let folders = &remote.host().roots;
        // The shortest of the folders that hold ours says how close they are.
        let held = |root: &PathBuf| {
            let around = folders.iter().filter(|folder| root.starts_with(Path::new(folder))).map(String::len);
            around.max()
        };
        let Some(closeness) = roots.iter().map(held).min().flatten() else { continue };
        if found.as_ref().is_none_or(|(best, _)| closeness > *best) {
            found = Some((closeness, remote));
        }
    }
    let editor = found.map(|(_, remote)| Editor { host: remote.host().clone(), link: Link::Other(remote) });
    Search { editor, mismatches }
}

#[cfg(not(unix))]
pub async fn search(_: &[PathBuf], _: &str) -> Search {
    Search { editor: None, mismatches: Vec::new() }
}

/// The process that has this session open, if there is one.
///
/// # Errors
/// For the person to read: those that were found cannot be spoken to.
#[cfg(unix)]
pub async fn find_session(session_id: &str, name: &str) -> Result<Option<Link>, String> {
    use std::sync::Arc;

    use crate::protocol::{ApprovalListParams, Request};

    let mut mismatched = None;
    for path in place::sockets(None) {
        let remote = match Remote::reach(&path, name).await {
            Ok(Some(remote)) => remote,
            Ok(None) => continue,
            Err(mismatch) => {
                mismatched = Some(mismatch);
                continue;
            }
        };
        let link = Link::Other(remote);
        let asking = link.attach(Arc::new(remote::Silent));
        // Only of a session that is open there.
        let open = Request::ApprovalList(ApprovalListParams { session_id: Some(session_id.to_owned()) });
        let answer = link.call::<serde::de::IgnoredAny>(asking, open).await;
        link.detach(asking);
        if answer.is_ok() {
            return Ok(Some(link));
        }
    }
    mismatched.map_or(Ok(None), Err)
}

#[cfg(not(unix))]
pub async fn find_session(_: &str, _: &str) -> Result<Option<Link>, String> {
    Err("attaching to another process needs a Unix system.".to_owned())
}
