//! Tools: what the model can do, each in a file of its own.
//!
//! A tool sees a [`Context`] (the workspace, a cancellation, a progress sink) and never the session. It runs in two
//! steps: [`Tool::propose`] says what the call would do without doing it, which is what the permission gate and the
//! person see; [`Tool::run`] does it.

mod arms;
mod ask;
mod bash;
mod budget;
mod changed;
mod checked;
mod delete;
mod desk;
mod diagnostics;
mod edit;
mod editor;
mod files;
mod glob;
mod grep;
mod lines;
mod list;
mod outputs;
mod page;
mod plan;
mod read;
mod read_output;
mod registry;
mod relocate;
mod schema;
mod shape;
mod source;
mod sub_agent;
mod task;
mod tasks;
mod terminals;
mod title;
mod typed;
mod web_fetch;
mod write;

use std::{
    any::Any,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

pub use self::{
    arms::{arms, below_root},
    bash::Shell,
    budget::{Budget, Excess},
    desk::{Answered, Choice, Desk, Errand, PlanItem, PlanStatus, Profile, Question, Report, Wish},
    outputs::{Cut, Excerpt, GO_ON, Outputs, Recording, Rest},
    read::{checked_image, image_at, shown_lines},
    registry::{AddError, Catalogue, Changed, Collision, Registry, Standard, Watch},
    source::{Changes, Dynamic, Fixed, Source, View},
    sub_agent::SubAgent,
    tasks::{Detached, Movable, Task, TaskChange, TaskStatus, Tasks, TasksSnapshot},
    terminals::{Terminal, TerminalCommand, Terminals},
    title::title,
    typed::{Typed, typed},
    web_fetch::Web,
};
pub use crate::provider::ToolSpec;
use crate::{
    transcript::ResultContent,
    workspace::{FileDiff, Ledger, Seen, Workspace},
};

/// The doc comment of `T`, and its schema as models read it: closed to other fields and without references.
pub fn schema_of<T: schemars::JsonSchema>() -> (String, Value) {
    schema::of::<T>()
}

/// The value with small slips put right, as it is done with the input of every tool of a [`Registry`].
///
/// # Errors
/// What does not fit the schema, all of it at once, in words that a model can act on.
pub fn check_shape(schema: &Value, value: &Value) -> Result<Value, String> {
    shape::check(schema, value)
}

/// Something the model can do.
#[async_trait]
pub trait Tool: Send + Sync + 'static {
    fn spec(&self) -> &ToolSpec;

    /// What this call would do. Reads at most; a wrong input is an error that the model reads, before anybody has allowed the
    /// call: what it says must not be of a file outside the roots. That is for [`Self::run`] to say.
    async fn propose(&self, input: &Value, context: &Context) -> Result<Proposal, ToolError>;

    /// Does it. The world may have changed since the proposal: what the proposal saw is checked again.
    async fn run(&self, input: Value, context: &Context) -> Result<Output, ToolError>;

    /// One line for a person about a call that could not be proposed. Its input may be anything.
    fn title(&self, input: &Value) -> String {
        title(&self.spec().name, input)
    }

    /// How much of its results reaches the model; the agent's own budget if this tool needs none of its own.
    fn budget(&self) -> Option<Budget> {
        None
    }

    /// Whether each of its calls leaves everything as it is, whatever the input: then a sub-agent that must not change
    /// anything may have it.
    fn reads_only(&self) -> bool {
        false
    }

    /// How long a call may take.
    fn time_limit(&self) -> TimeLimit {
        TimeLimit::Default
    }
}

/// How long a call of a tool may take before it is stopped and its result says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeLimit {
    /// As long as the agent gives every tool.
    #[default]
    Default,
    Of(Duration),
    /// The tool sees to it itself, or waits for something that has no limit, a person for example.
    Unlimited,
}

/// What a call may touch, from harmless to not. Decides whether calls may run side by side and whether to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Class {
    /// Looks, changes nothing. Consecutive ones run in parallel.
    Read,
    /// Changes files or buffers, in a way that can be undone.
    Edit,
    /// Runs a program: anything can happen.
    Execute,
    /// Reaches the network.
    Network,
}

/// What a call would do, for the permission gate and the person.
#[derive(Clone, Debug)]
pub struct Proposal {
    pub class: Class,
    /// One line for a person, for example `Edit src/main.rs`.
    pub title: String,
    /// The absolute paths it touches.
    pub paths: Vec<PathBuf>,
    /// True if any of `paths` is outside the session's roots.
    pub outside: bool,
    /// The command line, for `Execute`.
    pub command: Option<String>,
    /// The host it reaches, for `Network`: `docs.rs`, with `:port` unless that is the scheme's own.
    pub host: Option<String>,
    /// What would change, for `Edit`.
    pub diff: Option<FileDiff>,
    /// What makes this call riskier than its class, in a sentence.
    pub risk: Option<String>,
    /// Never beside another call, whatever its class. Calls of another class than `Read` are alone anyway.
    pub alone: bool,
}

/// What a tool is given.
#[derive(Clone)]
pub struct Context {
    pub workspace: Arc<Workspace>,
    /// Which revisions this conversation's model has read.
    pub seen: Arc<Seen>,
    /// Cancelled when the turn is. A tool ends what it started before it returns.
    pub cancel: CancellationToken,
    pub progress: Progress,
    /// Where a tool writes down what it changed.
    pub ledger: Ledger,
    pub outputs: Arc<Outputs>,
    /// How much of the result will reach the model: for tools that page or record.
    pub budget: Budget,
    /// What runs in the background.
    pub tasks: Arc<Tasks>,
    pub call_id: String,
    /// The hunks of the proposal's diff that the person chose, by index; all when absent.
    pub hunks: Option<Vec<usize>>,
    /// What `propose` found out and `run` goes on with. The same for both steps of a call, and of this call only.
    pub prepared: Prepared,
    /// Where commands run that the person is to see; here where there is none.
    pub terminals: Option<Arc<dyn Terminals>>,
    /// Where to ask whoever runs the turn. While a call is proposed, nobody is there.
    pub desk: Desk,
}

/// Carries something from a call's proposal to its run, for example edits that are anchored to the text. A run with
/// another input than the proposal's finds nothing.
#[derive(Clone, Default)]
pub struct Prepared(Arc<Mutex<Slot>>);

#[derive(Default)]
struct Slot {
    input: Value,
    content: Option<Box<dyn Any + Send>>,
}

/// What a tool has to say to the model, and to the person.
#[derive(Clone, Debug, Default)]
pub struct Output {
    pub content: Vec<ResultContent>,
    /// What changed, for the editor to show.
    pub diff: Option<FileDiff>,
}

/// A failure that the model reads as the call's result.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct ToolError(pub String);

impl ToolError {
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl Output {
    pub fn text(text: impl Into<String>) -> Self {
        Self { content: vec![ResultContent::Text { text: text.into() }], diff: None }
    }
}

impl Proposal {
    /// Of a call that touches no file and asks for nothing.
    pub fn harmless(title: impl Into<String>) -> Self {
        Self {
            class: Class::Read,
            title: title.into(),
            paths: Vec::new(),
            outside: false,
            command: None,
            host: None,
            diff: None,
            risk: None,
            alone: false,
        }
    }
}

impl Prepared {
    pub fn keep(&self, content: impl Any + Send) {
        self.lock().content = Some(Box::new(content));
    }

    /// What was kept, once.
    pub fn take<T: Any>(&self) -> Option<T> {
        let content = self.lock().content.take()?;
        content.downcast().ok().map(|content| *content)
    }

    /// A proposal for this input begins: what an earlier one kept is dropped.
    fn begin(&self, input: &Value) {
        *self.lock() = Slot { input: input.clone(), content: None };
    }

    /// Drops what was kept for another input.
    fn only_for(&self, input: &Value) {
        let mut slot = self.lock();
        if slot.input != *input {
            slot.content = None;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Slot> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a tool reports what it has printed so far. `offset` counts bytes of the call's whole output; where it jumps, so
/// much was printed that not all of it is reported.
#[derive(Clone)]
pub struct Progress(Arc<dyn Fn(u64, String) + Send + Sync>);

impl Progress {
    pub fn new(report: impl Fn(u64, String) + Send + Sync + 'static) -> Self {
        Self(Arc::new(report))
    }

    /// Goes nowhere.
    pub fn none() -> Self {
        Self::new(|_, _| {})
    }

    pub fn report(&self, offset: u64, text: impl Into<String>) {
        (self.0)(offset, text.into());
    }
}

/// The call was cancelled before it had anything to say.
fn stopped() -> ToolError {
    ToolError::new("cancelled")
}

/// The first line of a text, cut to so many characters, for a title.
fn shortened(text: &str, characters: usize) -> String {
    let line = text.trim().lines().next().unwrap_or_default();
    let is_whole = line.chars().count() <= characters && text.trim().lines().nth(1).is_none();
    let mut short: String = line.chars().take(characters).collect();
    if !is_whole {
        short.push('…');
    }
    short
}
