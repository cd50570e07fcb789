//! What the person has before them, as the editors know it.

use std::path::PathBuf;

use tokio::time::Instant;

use super::{EditorId, Location, Position, SinkError, Workspace, confine::locate, file_of, lock};

/// What an editor shows its person. `D` names a document: by its URI as the editor says it, then by its [`Location`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Focus<D> {
    pub active: Option<Active<D>>,
    /// Once for each window.
    pub visible: Vec<Visible<D>>,
    pub open: Vec<D>,
}

/// The document that the person is in. Columns count as the editor does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Active<D> {
    pub document: D,
    /// The version of the open document that the places are in, if the editor knows.
    pub version: Option<i32>,
    /// True if the document has changed since, so that the places may be others now.
    pub has_moved: bool,
    pub cursor: Position,
    pub selection: Option<Selected>,
}

/// Selected text; the end is right behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selected {
    pub start: Position,
    pub end: Position,
    pub text: String,
}

/// What a window shows: lines from 0, both included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visible<D> {
    pub document: D,
    pub first: u32,
    pub last: u32,
}

impl Workspace {
    /// Asks the editors what their people have before them, and waits for at most [`Limits::focus`](super::Limits). Empty
    /// if there is no editor that can be asked.
    ///
    /// # Errors
    /// If those that can be asked did not answer.
    pub async fn focus(&self) -> Result<Vec<Focus<Location>>, SinkError> {
        let give_up = Instant::now() + self.limits.focus;
        let mut sinks = lock(&self.state).sinks();
        sinks.sort_by_key(|(editor, _)| editor.0);
        let asking = sinks.into_iter().map(|(editor, sink)| async move {
            let late = |_| Err(SinkError("The editor did not answer in time.".to_owned()));
            let said = tokio::time::timeout_at(give_up, sink.focus()).await.unwrap_or_else(late)?;
            Ok(said.map(|said| self.placed(editor, said)))
        });
        let (mut answers, mut failed) = (Vec::new(), None);
        for said in futures::future::join_all(asking).await {
            match said {
                Ok(said) => answers.extend(said),
                Err(error) => failed = Some(error),
            }
        }
        // What one editor shows is worth telling although another one does not answer.
        match failed {
            Some(error) if answers.is_empty() => Err(error),
            _ => Ok(answers),
        }
    }

    fn placed(&self, editor: EditorId, Focus { active, visible, open }: Focus<String>) -> Focus<Location> {
        let roots = lock(&self.roots).clone();
        let place = |uri: String| {
            let buffer = lock(&self.state).buffer_mut(editor, &uri).map(|buffer| (buffer.path.clone(), buffer.version));
            let (path, version) = buffer.unzip();
            let path = path.or_else(|| file_of(&uri)).unwrap_or_else(|| PathBuf::from(uri));
            (locate(&roots, path), version)
        };
        let active = active.map(|active| {
            let (document, now) = place(active.document);
            let has_moved = now.zip(active.version).is_some_and(|(now, then)| then < now);
            let Active { version, cursor, selection, .. } = active;
            Active { document, version, has_moved, cursor, selection }
        });
        let visible = visible.into_iter().map(|Visible { document, first, last }| {
            let document = place(document).0;
            Visible { document, first, last }
        });
        Focus { active, visible: visible.collect(), open: open.into_iter().map(|uri| place(uri).0).collect() }
    }
}
