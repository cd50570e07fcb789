//! The tools as the agent uses them: by name, with JSON, on real files, processes and an editor.

mod bash;
mod delete;
mod edit;
mod glob;
mod grep;
mod list;
mod read;
mod registry;
mod relocate;
mod web_fetch;
mod write;
mod wrongs;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime},
};

use async_trait::async_trait;
use pillion::{
    tool::{Context, Desk, Output, Outputs, Prepared, Progress, Proposal, Registry, Standard, ToolError, Web},
    transcript::ResultContent,
    workspace::{
        Bins, BufferEdit, BufferSink, Change, EditorId, Ledger, Limits, PositionEncoding, Seen, SinkError, Workspace,
    },
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// A project with a conversation about it.
struct Project {
    /// Removed in the end.
    _folder: tempfile::TempDir,
    root: PathBuf,
    workspace: Arc<Workspace>,
    editor: EditorId,
    tools: Registry,
    seen: Arc<Seen>,
    outputs: Arc<Outputs>,
    cancel: CancellationToken,
    calls: Mutex<u32>,
    reported: Arc<Mutex<Vec<(u64, String)>>>,
}

/// A call between its two steps.
struct Call<'a> {
    project: &'a Project,
    tool: &'static str,
    input: Value,
    context: Context,
}

impl Project {
    fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    fn with_limits(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap().join("project");
        fs::create_dir(&root).unwrap();
        let workspace = Workspace::with_limits(vec![root.clone()], limits);
        let editor = workspace.attach(PositionEncoding::Utf16, Arc::new(Editor::default()));
        // Nothing of a test belongs into the trash of whoever runs it.
        let bins = Bins { trash: false, kept_in: Some(folder.path().join("bin")) };
        Self {
            _folder: folder,
            root,
            workspace,
            editor,
            tools: Registry::standard_with(Standard { bins, ..Standard::default() }),
            seen: Arc::default(),
            outputs: Arc::default(),
            cancel: CancellationToken::new(),
            calls: Mutex::default(),
            reported: Arc::default(),
        }
    }

    /// The folder that the project is in, outside of its root.
    fn outside(&self) -> &Path {
        self.root.parent().unwrap()
    }

    fn file(&self, path: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn on_disk(&self, path: &str) -> String {
        fs::read_to_string(self.root.join(path)).unwrap()
    }

    fn uri(&self, path: &str) -> String {
        format!("file://{}", self.root.join(path).display())
    }

    /// Opens a file in the editor with this text, which is unsaved if the disk has another.
    fn open(&self, path: &str, text: &str) {
        let uri = self.uri(path);
        let on_disk = fs::read_to_string(self.root.join(path)).unwrap_or_default();
        self.workspace.open(self.editor, &uri, "plaintext", 1, &on_disk);
        self.typed(path, 2, text);
    }

    /// The person changes the whole text in the editor.
    fn typed(&self, path: &str, version: i32, text: &str) {
        let change = Change { range: None, text: text.to_owned() };
        self.workspace.change(self.editor, &self.uri(path), version, &[change]).unwrap();
    }

    async fn in_editor(&self, path: &str) -> String {
        let location = self.workspace.resolve(path).unwrap();
        self.workspace.read(&location).await.unwrap().text.to_string()
    }

    fn call(&self, tool: &'static str, input: Value) -> Call<'_> {
        let mut calls = self.calls.lock().unwrap();
        *calls += 1;
        let reported = Arc::clone(&self.reported);
        let context = Context {
            workspace: Arc::clone(&self.workspace),
            seen: Arc::clone(&self.seen),
            cancel: self.cancel.clone(),
            progress: Progress::new(move |offset, text| reported.lock().unwrap().push((offset, text))),
            ledger: Ledger::default(),
            outputs: Arc::clone(&self.outputs),
            budget: self.tools.get(tool).and_then(|tool| tool.budget()).unwrap_or_default(),
            call_id: format!("call_{calls}"),
            hunks: None,
            prepared: Prepared::default(),
            tasks: Arc::default(),
            terminals: None,
            desk: Desk::unattended(),
        };
        Call { project: self, tool, input, context }
    }

    /// Proposes and runs; the text of the result or the error.
    async fn run(&self, tool: &'static str, input: Value) -> Result<String, String> {
        self.call(tool, input).both().await.map(|output| text(&output)).map_err(|error| error.0)
    }
}

impl Call<'_> {
    async fn propose(&self) -> Result<Proposal, ToolError> {
        self.project.tools.get(self.tool).unwrap().propose(&self.input, &self.context).await
    }

    async fn finish(self) -> Result<Output, ToolError> {
        self.project.tools.get(self.tool).unwrap().run(self.input, &self.context).await
    }

    async fn both(self) -> Result<Output, ToolError> {
        self.propose().await?;
        self.finish().await
    }
}

fn text(output: &Output) -> String {
    let texts = output.content.iter().map(|part| match part {
        ResultContent::Text { text } => text.as_str(),
        ResultContent::Image(_) => panic!("an image where text was expected"),
    });
    texts.collect()
}

/// Waits until the condition holds.
async fn until(what: &str, condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(30), "waited too long until {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Gives a file an age, since two writes may fall into one tick of the clock.
fn make_older(path: &Path, seconds: u64) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
}

/// An editor that makes every edit, and cannot save.
#[derive(Default)]
struct Editor {
    /// Tells the workspace what changed; set by tests whose buffers are edited.
    target: Mutex<Option<(Arc<Workspace>, EditorId)>>,
}

impl Project {
    /// A second editor, whose buffers can be edited; it takes the place of the first.
    fn with_editor(mut self) -> Self {
        let editor = Arc::new(Editor::default());
        self.editor = self.workspace.attach(PositionEncoding::Utf16, editor.clone());
        *editor.target.lock().unwrap() = Some((Arc::clone(&self.workspace), self.editor));
        self
    }
}

#[async_trait]
impl BufferSink for Editor {
    async fn apply(&self, edit: BufferEdit) -> Result<bool, SinkError> {
        let Some((workspace, editor)) = self.target.lock().unwrap().clone() else { return Ok(false) };
        // From the end, so that the positions of the others stay.
        let changes = edit.edits.into_iter().rev().map(|(range, text)| Change { range: Some(range), text });
        workspace.change(editor, &edit.uri, edit.version + 1, &changes.collect::<Vec<_>>()).unwrap();
        Ok(true)
    }

    async fn save(&self, uris: Vec<String>) -> Result<Vec<String>, SinkError> {
        Ok(uris)
    }
}
