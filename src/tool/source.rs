//! Where tools come from: catalogues that may change while they are used.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use async_trait::async_trait;
use futures::future::{FutureExt, pending, select_all};
use serde_json::Value;
use tokio::sync::watch;

use super::{Budget, Context, Output, Proposal, TimeLimit, Tool, ToolError, ToolSpec};

/// A catalogue of tools, which may change at any time.
///
/// What is not in [`Source::tools`] is neither offered to a model nor callable: there is no tool that a model may call
/// without having been told of it.
///
/// ```
/// use pillion::tool::{Collision, Dynamic, Registry, Source};
///
/// let tickets = Dynamic::new("tickets");
/// let mut tools = Registry::standard();
/// tools.add_source(tickets.clone().prefixed("tickets_").hidden(["tickets_delete"]), Collision::Refuse)?;
/// // Later, when it is known what there is; the next model call is told.
/// tickets.set(Vec::new());
/// # Ok::<(), pillion::tool::AddError>(())
/// ```
pub trait Source: Send + Sync + 'static {
    /// Says whose tools these are, in logs and before the tools' names where two sources would collide.
    fn name(&self) -> &str;

    /// The tools as they are now.
    fn tools(&self) -> Vec<Arc<dyn Tool>>;

    /// Tells when [`Source::tools`] would say something else from now on. A source that never changes says nothing.
    fn changes(&self) -> Changes {
        Changes::default()
    }

    /// The same tools with this before their names.
    fn prefixed(self, prefix: impl Into<String>) -> View
    where
        Self: Sized,
    {
        let prefix = prefix.into();
        self.renamed(move |name| format!("{prefix}{name}"))
    }

    /// The same tools under other names.
    fn renamed(self, rename: impl Fn(&str) -> String + Send + Sync + 'static) -> View
    where
        Self: Sized,
    {
        View::new(self, move |tool| {
            let name = rename(&tool.spec().name);
            Some(if name == tool.spec().name { tool } else { Renamed::wrap(tool, name) })
        })
    }

    /// The tools that `keep` says yes to.
    fn filtered(self, keep: impl Fn(&dyn Tool) -> bool + Send + Sync + 'static) -> View
    where
        Self: Sized,
    {
        View::new(self, move |tool| keep(&*tool).then_some(tool))
    }

    /// All but the tools of these names, which are neither offered nor callable.
    fn hidden<N: Into<String>>(self, names: impl IntoIterator<Item = N>) -> View
    where
        Self: Sized,
    {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        self.filtered(move |tool| !names.contains(&tool.spec().name))
    }
}

impl<S: Source + ?Sized> Source for Arc<S> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn tools(&self) -> Vec<Arc<dyn Tool>> {
        (**self).tools()
    }

    fn changes(&self) -> Changes {
        (**self).changes()
    }
}

/// Says when something has changed. Clones see the same changes, each for itself.
#[derive(Clone, Default)]
pub struct Changes(Vec<watch::Receiver<()>>);

impl Changes {
    /// A change is whatever is sent.
    pub fn of(sender: &watch::Sender<()>) -> Self {
        Self(vec![sender.subscribe()])
    }

    /// Both together.
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Whether there is anything that could change.
    pub(crate) fn can_come(&self) -> bool {
        !self.0.is_empty()
    }

    /// Resolves at the next change, or at once if there was one since the last time; never if nothing can change any
    /// more. Safe to drop and call again.
    pub async fn next(&mut self) {
        loop {
            if self.0.is_empty() {
                return pending().await;
            }
            let (changed, index, _) = select_all(self.0.iter_mut().map(|receiver| receiver.changed().boxed())).await;
            match changed {
                Ok(()) => return,
                Err(_) => drop(self.0.swap_remove(index)),
            }
        }
    }
}

/// Tools that stay as they are.
pub struct Fixed {
    name: String,
    tools: Vec<Arc<dyn Tool>>,
}

impl Fixed {
    pub fn new(name: impl Into<String>, tools: Vec<Arc<dyn Tool>>) -> Self {
        Self { name: name.into(), tools }
    }
}

impl Source for Fixed {
    fn name(&self) -> &str {
        &self.name
    }

    fn tools(&self) -> Vec<Arc<dyn Tool>> {
        self.tools.clone()
    }
}

/// Tools that whoever holds it may replace.
pub struct Dynamic {
    name: String,
    tools: RwLock<Vec<Arc<dyn Tool>>>,
    changed: watch::Sender<()>,
}

impl Dynamic {
    /// Starts without tools.
    pub fn new(name: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { name: name.into(), tools: RwLock::default(), changed: watch::Sender::default() })
    }

    /// Replaces all tools and says so.
    pub fn set(&self, tools: Vec<Arc<dyn Tool>>) {
        *self.tools.write().unwrap_or_else(PoisonError::into_inner) = tools;
        self.changed.send_replace(());
    }
}

impl Source for Dynamic {
    fn name(&self) -> &str {
        &self.name
    }

    fn tools(&self) -> Vec<Arc<dyn Tool>> {
        self.tools.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn changes(&self) -> Changes {
        Changes::of(&self.changed)
    }
}

/// A source seen through something that leaves tools out or gives them other names; see [`Source::prefixed`],
/// [`Source::renamed`], [`Source::filtered`] and [`Source::hidden`].
pub struct View {
    source: Box<dyn Source>,
    see: Box<See>,
}

type See = dyn Fn(Arc<dyn Tool>) -> Option<Arc<dyn Tool>> + Send + Sync;

impl View {
    fn new(source: impl Source, see: impl Fn(Arc<dyn Tool>) -> Option<Arc<dyn Tool>> + Send + Sync + 'static) -> Self {
        Self { source: Box::new(source), see: Box::new(see) }
    }
}

impl Source for View {
    fn name(&self) -> &str {
        self.source.name()
    }

    fn tools(&self) -> Vec<Arc<dyn Tool>> {
        self.source.tools().into_iter().filter_map(&self.see).collect()
    }

    fn changes(&self) -> Changes {
        self.source.changes()
    }
}

/// A tool under another name.
pub(super) struct Renamed {
    tool: Arc<dyn Tool>,
    spec: ToolSpec,
}

impl Renamed {
    pub(super) fn wrap(tool: Arc<dyn Tool>, name: String) -> Arc<dyn Tool> {
        let spec = ToolSpec { name, ..tool.spec().clone() };
        Arc::new(Self { tool, spec })
    }
}

#[async_trait]
impl Tool for Renamed {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn propose(&self, input: &Value, context: &Context) -> Result<Proposal, ToolError> {
        self.tool.propose(input, context).await
    }

    async fn run(&self, input: Value, context: &Context) -> Result<Output, ToolError> {
        self.tool.run(input, context).await
    }

    fn title(&self, input: &Value) -> String {
        self.tool.title(input)
    }

    fn reads_only(&self) -> bool {
        self.tool.reads_only()
    }

    fn time_limit(&self) -> TimeLimit {
        self.tool.time_limit()
    }

    fn budget(&self) -> Option<Budget> {
        self.tool.budget()
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Changes of {} sources", self.0.len())
    }
}
