//! What language servers and linters say about the files, as the editors know it.

use std::{cmp::Reverse, collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use super::{EditorId, Location, Position, SinkError, Workspace, confine::locate, file_of, lock};

/// Between two questions to an editor that has nothing fresh yet. Chosen: short for a person, long for an editor.
const ASK_EVERY: Duration = Duration::from_millis(250);

/// What an editor says about one document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosed {
    pub uri: String,
    /// The version of the open document that all of it is for, if the editor knows.
    pub version: Option<i32>,
    pub items: Vec<Diagnostic>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Where it begins; columns count as the editor does.
    pub start: Position,
    pub end: Position,
    pub severity: Severity,
    pub message: String,
    /// Who says so, for example `rustc`.
    pub source: Option<String>,
    /// What it is called, for example `E0308`.
    pub code: Option<String>,
}

/// From the worst on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Error,
    Warning,
    Information,
    Hint,
}

/// What is known about the files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnosis {
    /// By path, each with the worst first and then in the order of the text.
    pub files: Vec<(Location, Vec<Diagnostic>)>,
    /// Open documents that have changed and were not checked since; what was said of them before is left out.
    pub stale: Vec<Location>,
}

/// A document that diagnostics were got for.
struct Answer {
    editor: EditorId,
    diagnosed: Diagnosed,
}

impl Workspace {
    /// Asks the editors for diagnostics, of these files or of all inside the roots. Where an editor answers for an older
    /// text than the buffer has now, it is asked again for at most [`Limits::diagnose`](super::Limits). `None` if there
    /// is no editor that can be asked.
    ///
    /// # Errors
    /// If those that can be asked did not answer.
    pub async fn diagnostics(&self, locations: Option<&[Location]>) -> Result<Option<Diagnosis>, SinkError> {
        let give_up = Instant::now() + self.limits.diagnose;
        loop {
            let Some(answers) = self.ask_for_diagnostics(locations, give_up).await? else { return Ok(None) };
            let diagnosis = self.judge(answers, locations);
            if diagnosis.stale.is_empty() || Instant::now() + ASK_EVERY > give_up {
                return Ok(Some(diagnosis));
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }

    async fn ask_for_diagnostics(
        &self,
        locations: Option<&[Location]>,
        give_up: Instant,
    ) -> Result<Option<Vec<Answer>>, SinkError> {
        let sinks = lock(&self.state).sinks();
        let asking = sinks.into_iter().map(|(editor, sink)| {
            let state = lock(&self.state);
            let uri = |location: &Location| state.uri_of(editor, &location.path);
            let uris = locations.map(|locations| locations.iter().map(uri).collect());
            async move {
                let late = |_| Err(SinkError("The editor did not answer in time.".to_owned()));
                let said = tokio::time::timeout_at(give_up, sink.diagnostics(uris)).await.unwrap_or_else(late)?;
                let answer = |diagnosed| Answer { editor, diagnosed };
                Ok(said.map(|said| said.into_iter().map(answer).collect::<Vec<_>>()))
            }
        });
        let (mut answers, mut failed) = (None, None);
        for said in futures::future::join_all(asking.collect::<Vec<_>>()).await {
            match said {
                Ok(Some(said)) => answers.get_or_insert_with(Vec::new).extend(said),
                Ok(None) => {}
                Err(error) => failed = Some(error),
            }
        }
        // What one editor knows is worth telling although another one does not answer.
        match (answers, failed) {
            (None, Some(error)) => Err(error),
            (answers, _) => Ok(answers),
        }
    }

    /// Puts what the editors said together, and what of it is for an older text aside.
    fn judge(&self, answers: Vec<Answer>, locations: Option<&[Location]>) -> Diagnosis {
        let roots = lock(&self.roots).clone();
        let mut files: BTreeMap<_, (Location, Vec<Diagnostic>)> = BTreeMap::new();
        let mut stale = BTreeMap::new();
        for Answer { editor, diagnosed } in answers {
            let (path, version) = match lock(&self.state).buffer_mut(editor, &diagnosed.uri) {
                Some(buffer) => (buffer.path.clone(), Some(buffer.version)),
                None => match file_of(&diagnosed.uri) {
                    Some(path) => (path, None),
                    None => continue,
                },
            };
            let location = locate(&roots, path);
            let is_wanted =
                locations.map_or(location.inside, |wanted| wanted.iter().any(|one| one.path == location.path));
            if !is_wanted {
                continue;
            }
            // Without a version nothing tells that it is old.
            if version.zip(diagnosed.version).is_some_and(|(now, then)| then < now) {
                stale.insert(location.path.clone(), location);
                continue;
            }
            let known = files.entry(location.path.clone()).or_insert_with(|| (location, Vec::new()));
            for item in diagnosed.items {
                if !known.1.contains(&item) {
                    known.1.push(item);
                }
            }
        }
        for (_, items) in files.values_mut() {
            items.sort_by_key(|item| (item.severity, item.start, Reverse(item.end)));
        }
        files.retain(|path, _| !stale.contains_key(path));
        Diagnosis { files: files.into_values().collect(), stale: stale.into_values().collect() }
    }
}
