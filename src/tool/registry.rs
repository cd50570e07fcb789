//! The tools that a model may call.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    sync::Arc,
};

use super::{
    Changes, Fixed, Shell, Source, Tool, ToolSpec, Web, ask::Ask, bash::Bash, checked, delete::Delete,
    diagnostics::Diagnostics, edit::Edit, editor::Editor, glob::Glob, grep::Grep, list::List, plan::Plan, read::Read,
    read_output::ReadOutput, relocate::Move, source::Renamed, task::TaskTool, typed, web_fetch::WebFetch, write::Write,
};
use crate::workspace::Bins;

/// What providers take as the name of a tool, in bytes.
const LONGEST_NAME: usize = 64;

/// Tools of many sources, by name. A clone shares the sources; what is added to it stays its own.
///
/// Every tool that comes out of it checks its input against its schema before anything else, see [`Registry::get`].
#[derive(Clone, Default)]
pub struct Registry {
    sources: Vec<(Arc<dyn Source>, Collision)>,
}

/// What the standard tools work with.
#[derive(Clone, Debug, Default)]
pub struct Standard {
    pub shell: Shell,
    /// Where deleted files go.
    pub bins: Bins,
    pub web: Web,
}

impl From<Shell> for Standard {
    fn from(shell: Shell) -> Self {
        Self { shell, ..Self::default() }
    }
}

/// What becomes of a tool whose name is taken by a source that was added earlier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Collision {
    /// The source is refused. Where the names meet only later, the tool is left out, and the log says so.
    #[default]
    Refuse,
    /// The earlier one stays, this one is left out.
    First,
    /// This one takes its place.
    Last,
    /// This one is named `source__tool`; it is left out if that is taken, too, or no name that providers take.
    Prefix,
}

/// The tools at one moment, sorted by name. What a model is offered in one call, and what it may call then.
#[derive(Clone, Default)]
pub struct Catalogue(BTreeMap<String, Arc<dyn Tool>>);

/// Tells what has come and gone; see [`Registry::watch`].
pub struct Watch {
    registry: Registry,
    changes: Changes,
    known: BTreeSet<String>,
}

/// The names of tools that have come and gone, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    pub added: Vec<String>,
    pub removed: Vec<String>,
}

/// Why a tool was not added. With it, no model could be called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddError {
    /// A call of it would be ambiguous.
    #[error("there are two tools named `{0}`; rename or remove one of them")]
    Duplicate(String),
    #[error(
        "{0:?} is no name of a tool that providers take; rename it: 1 to 64 letters of A to Z, digits, `_` and `-`"
    )]
    Name(String),
    #[error(
        "the tool `{0}` takes something else than an object, which providers refuse; make its input a struct with \
         named fields, or its schema one of type `object`"
    )]
    Input(String),
}

impl Registry {
    pub fn new() -> Self {
        Self::default()
    }

    /// Read, write, edit, move, delete, list, glob, grep, bash and its background tasks, web_fetch, read_output, plan,
    /// ask, diagnostics, and editor.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use pillion::{
    ///     agent::Agent, permission::{Mode, Policy}, provider::scripted::Scripted, tool::Registry, transcript::Message,
    ///     workspace::Workspace,
    /// };
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// let folder = tempfile::tempdir()?;
    /// std::fs::write(folder.path().join("draft.md"), "# Bread\n")?;
    /// let model = Scripted::parse(
    ///     r#"[
    ///         {"steps": [{"toolCall": {"name": "move", "input": {"from": "draft.md", "to": "recipes/bread.md"}}}]},
    ///         {"steps": [{"toolCall": {"name": "list", "input": {"path": "recipes"}}}]},
    ///         "It is filed."
    ///     ]"#,
    /// )?;
    /// let agent = Agent::builder()
    ///     .provider(Arc::new(model))
    ///     .model("any")
    ///     .tools(Registry::standard())
    ///     .workspace(Workspace::new(vec![folder.path().to_path_buf()]))
    ///     .policy(Policy { mode: Mode::AcceptEdits, rules: Vec::new() })
    ///     .build()?;
    /// let result = agent.run(&[Message::user("File my draft.")]).await?;
    /// assert!(folder.path().join("recipes/bread.md").exists());
    /// let listed = result.messages[3].tool_results().next().expect("the list is the second call");
    /// assert!(format!("{:?}", listed.content).contains("bread.md"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn standard() -> Self {
        Self::standard_with(Standard::default())
    }

    /// The standard ones, with commands that are run like this, and the like.
    pub fn standard_with(with: impl Into<Standard>) -> Self {
        let Standard { shell, bins, web } = with.into();
        let tools = vec![
            typed(Move),
            typed(Delete { bins }),
            typed(List),
            typed(WebFetch::new(web)),
            typed(ReadOutput),
            typed(Read),
            typed(Write),
            typed(Edit),
            typed(Glob),
            typed(Grep),
            typed(Bash(shell)),
            typed(TaskTool),
            typed(Plan),
            typed(Ask),
            typed(Diagnostics),
            typed(Editor),
        ];
        Self { sources: vec![(Arc::new(Fixed::new("pillion", tools)), Collision::Refuse)] }
    }

    /// Adds a tool.
    ///
    /// # Errors
    /// If its name is taken, or no provider takes it.
    pub fn add(&mut self, tool: Arc<dyn Tool>) -> Result<(), AddError> {
        self.add_source(Fixed::new("pillion", vec![tool]), Collision::Refuse)
    }

    /// Adds a source, whose tools may change from then on. Those that come later and that no provider takes are left
    /// out, and the log says so.
    ///
    /// # Errors
    /// If there is a tool in it that no provider takes; under [`Collision::Refuse`], if one of its names is taken.
    pub fn add_source(&mut self, source: impl Source, collision: Collision) -> Result<(), AddError> {
        let mut names: BTreeSet<String> = self.names().collect();
        for tool in source.tools() {
            let spec = tool.spec();
            check(spec)?;
            if !names.insert(spec.name.clone()) && collision == Collision::Refuse {
                return Err(AddError::Duplicate(spec.name.clone()));
            }
        }
        self.sources.push((Arc::new(source), collision));
        Ok(())
    }

    /// The tools as they are now.
    pub fn catalogue(&self) -> Catalogue {
        Catalogue(self.unchecked().into_iter().map(|(name, tool)| (name, checked::wrap(tool))).collect())
    }

    fn unchecked(&self) -> BTreeMap<String, Arc<dyn Tool>> {
        let mut tools: BTreeMap<String, Arc<dyn Tool>> = BTreeMap::new();
        for (source, collision) in &self.sources {
            for tool in source.tools() {
                let name = tool.spec().name.clone();
                let (source, collision) = (source.name(), *collision);
                if let Err(error) = check(tool.spec()) {
                    tracing::warn!(source, "a tool is left out: {error}");
                    continue;
                }
                match tools.entry(name) {
                    Entry::Vacant(place) => drop(place.insert(tool)),
                    Entry::Occupied(mut place) if collision == Collision::Last => drop(place.insert(tool)),
                    Entry::Occupied(place) if collision == Collision::Prefix => {
                        let name = format!("{source}__{}", place.key());
                        if is_name(&name) {
                            tools.entry(name).or_insert_with_key(|name| Renamed::wrap(tool, name.clone()));
                        }
                    }
                    Entry::Occupied(place) => {
                        tracing::debug!(source, tool = place.key(), "a tool is left out: its name is taken");
                    }
                }
            }
        }
        tools
    }

    /// The tool of this name, as it is now. It checks its input itself: what models get wrong without being unclear is
    /// put right (a number or a list in quotes, a single item for a list of one, null for a field that may be absent);
    /// anything else is an error that names the field and says what it should be.
    pub fn get(&self, name: &str) -> Option<Arc<dyn Tool>> {
        self.catalogue().get(name).cloned()
    }

    pub fn names(&self) -> impl Iterator<Item = String> + use<> {
        self.catalogue().0.into_keys()
    }

    /// What the model is told, sorted by name.
    pub fn specs(&self) -> Vec<ToolSpec> {
        self.catalogue().specs()
    }

    /// Tells of what comes and goes from now on.
    pub fn watch(&self) -> Watch {
        let changes = self.changes();
        Watch { known: self.names().collect(), registry: self.clone(), changes }
    }

    /// Whether other tools may come.
    pub(crate) fn may_change(&self) -> bool {
        self.changes().can_come()
    }

    pub fn is_empty(&self) -> bool {
        self.catalogue().0.is_empty()
    }

    pub fn len(&self) -> usize {
        self.catalogue().0.len()
    }
}

/// Whether every provider takes it.
fn check(ToolSpec { name, input_schema, .. }: &ToolSpec) -> Result<(), AddError> {
    if !is_name(name) {
        return Err(AddError::Name(name.clone()));
    }
    if input_schema["type"] != "object" { Err(AddError::Input(name.clone())) } else { Ok(()) }
}

fn is_name(name: &str) -> bool {
    let is_plain = |letter: u8| letter.is_ascii_alphanumeric() || b"_-".contains(&letter);
    (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(is_plain)
}

/// So that a registry can be a part of another, filtered for example.
impl Source for Registry {
    fn name(&self) -> &str {
        "pillion"
    }

    fn tools(&self) -> Vec<Arc<dyn Tool>> {
        self.unchecked().into_values().collect()
    }

    fn changes(&self) -> Changes {
        self.sources.iter().fold(Changes::default(), |all, (source, _)| all.and(source.changes()))
    }
}

impl Catalogue {
    /// As [`Registry::get`].
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Tool>> {
        self.0.get(name)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// What the model is told, sorted by name, so that a cache of what it was told before holds.
    pub fn specs(&self) -> Vec<ToolSpec> {
        self.0.values().map(|tool| tool.spec().clone()).collect()
    }
}

impl Watch {
    /// Resolves when there are other names than before; never if nothing can change. Safe to drop and call again.
    pub async fn next(&mut self) -> Changed {
        loop {
            let names: BTreeSet<String> = self.registry.names().collect();
            if names != self.known {
                let added = names.difference(&self.known).cloned().collect();
                let removed = self.known.difference(&names).cloned().collect();
                self.known = names;
                return Changed { added, removed };
            }
            self.changes.next().await;
        }
    }
}
