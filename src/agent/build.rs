//! Putting an agent together.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};

use super::{
    Answer, ApprovalRequest, Hook, Mutator, Observer, QuestionRequest, TranscriptObserver, compaction::Floor,
    estimate::Estimator, observe::OfTranscript,
};
use crate::{
    context::{Places, Told},
    permission::Policy,
    provider::{
        Cache, OutputSchema, Provider, Thinking,
        catalog::{Catalog, Facts},
        fallback::{Choice, Models},
        retry,
    },
    tool::{Answered, Budget, Collision, Fixed, Outputs, Profile, Registry, SubAgent, Tasks, Tool, typed},
    workspace::{Ledger, Seen, Workspace},
};

/// A model and its tools. Cheap to clone; holds nothing of a conversation, so one serves many at once.
#[derive(Clone)]
pub struct Agent {
    pub(super) provider: Arc<dyn Provider>,
    pub(super) setup: Arc<Builder>,
}

/// What belongs to one conversation besides its messages. Clones share it; pass the same one to each of its turns.
#[derive(Clone, Default)]
pub struct Scope {
    /// What the model has read.
    pub seen: Arc<Seen>,
    /// Long outputs, kept for reading back.
    pub outputs: Arc<Outputs>,
    /// What people wrote for the model and it was told at the beginning.
    pub told: Arc<Told>,
    /// What was changed, for the person to take back.
    pub ledger: Ledger,
    /// What runs in the background.
    pub tasks: Arc<Tasks>,
    /// How many tokens things take, learnt from what the provider counts.
    pub estimator: Arc<Estimator>,
    /// Where it stood after it was last made shorter.
    pub compacted: Arc<Floor>,
    /// What is asked of the prompt's cache for the next turn only.
    pub(super) next_cache: Arc<Mutex<Option<Cache>>>,
    /// The call that a nested agent works for, with those around it.
    pub(super) within: String,
}

impl Scope {
    /// Asks this of the prompt's cache in the next turn, instead of what the agent asks for. The turns after it are as
    /// they were.
    ///
    /// ```
    /// use pillion::{agent::Scope, provider::cache::{Cache, Retention}};
    ///
    /// // Nothing that is said now is needed for long, but the next prompt brings a book.
    /// let scope = Scope::default();
    /// scope.cache_next_turn(Cache::kept_for(Retention::Extended));
    /// ```
    pub fn cache_next_turn(&self, cache: Cache) {
        *self.next_cache.lock().unwrap_or_else(PoisonError::into_inner) = Some(cache);
    }

    pub(super) fn next_cache(&self) -> Option<Cache> {
        self.next_cache.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// An agent in the making; see [`Agent::builder`].
#[derive(Clone)]
pub struct Builder {
    pub(super) name: Arc<str>,
    provider: Option<Arc<dyn Provider>>,
    pub(super) model: String,
    pub(super) system: Vec<String>,
    pub(super) instructions: Option<Places>,
    pub(super) tools: Arc<Registry>,
    pub(super) workspace: Arc<Workspace>,
    pub(super) policy: Policy,
    pub(super) approver: Option<Approver>,
    pub(super) asker: Option<Asking>,
    pub(super) turn_limit: u32,
    pub(super) max_tokens: Option<u32>,
    pub(super) temperature: Option<f32>,
    pub(super) stop_sequences: Vec<String>,
    pub(super) thinking: Option<Thinking>,
    pub(super) output_schema: Option<OutputSchema>,
    pub(super) cache: Cache,
    pub(super) catalog: Arc<Catalog>,
    fallback: Vec<Choice>,
    pub(super) retry: retry::Policy,
    pub(super) cancel_grace: Duration,
    pub(super) hooks: Vec<Arc<dyn Hook>>,
    output_budget: Budget,
    output_budgets: BTreeMap<String, Budget>,
    pub(super) tool_time_limit: Option<Duration>,
    pub(super) tool_input_events: bool,
    pub(super) observers: Vec<Arc<dyn Observer>>,
    pub(super) mutators: Vec<Arc<dyn Mutator>>,
    pub(super) sub_agent_depth: u32,
    /// How many agents are around this one.
    pub(super) depth: u32,
    pub(super) sub_agents: Option<Vec<Arc<Profile>>>,
}

pub(super) type Asking = Arc<dyn Fn(QuestionRequest) -> BoxFuture<'static, Answered> + Send + Sync>;

pub(super) type Approver = Arc<dyn Fn(ApprovalRequest) -> BoxFuture<'static, Answer> + Send + Sync>;

/// Why no agent can be made of what was given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    #[error("the agent has no provider: call `.provider(..)` before `.build()`")]
    NoProvider,
    #[error("the agent has no model: call `.model(..)` before `.build()`")]
    NoModel,
    #[error("there are two sub-agents named `{0}`, so that work for one of them would be ambiguous; rename one")]
    TwoSubAgents(String),
    #[error("the sub-agent `{agent}` is to have the tool `{tool}`, which there is not; {known}")]
    UnknownTool { agent: String, tool: String, known: String },
}

impl Agent {
    /// Starts with no tools, 50 rounds a turn, and a policy that asks for all but reading inside the workspace's roots.
    pub fn builder() -> Builder {
        Builder {
            name: "pillion".into(),
            provider: None,
            model: String::new(),
            system: Vec::new(),
            instructions: None,
            tools: Arc::default(),
            workspace: Workspace::new(Vec::new()),
            policy: Policy::default(),
            approver: None,
            asker: None,
            turn_limit: 50,
            max_tokens: None,
            temperature: None,
            stop_sequences: Vec::new(),
            thinking: None,
            output_schema: None,
            cache: Cache::default(),
            catalog: Arc::default(),
            fallback: Vec::new(),
            retry: retry::Policy::default(),
            cancel_grace: Duration::from_secs(1),
            hooks: Vec::new(),
            output_budget: Budget::default(),
            output_budgets: BTreeMap::new(),
            // Chosen: longer than any search, short enough that a turn that hangs goes on while somebody remembers it.
            tool_time_limit: Some(Duration::from_secs(600)),
            tool_input_events: false,
            observers: Vec::new(),
            mutators: Vec::new(),
            sub_agent_depth: 2,
            depth: 0,
            sub_agents: None,
        }
    }

    /// What is known of its model.
    pub fn facts(&self) -> Facts {
        self.setup.catalog.facts(self.provider.name(), &self.setup.model)
    }

    /// What is known of a model that may be asked.
    pub(super) fn facts_of(&self, choice: &Choice) -> Facts {
        self.setup.catalog.facts(choice.provider.name(), &choice.model)
    }

    /// The models of a turn, the first of them to begin with.
    pub(super) fn models(&self) -> Models {
        let first = Choice { provider: self.provider.clone(), model: self.setup.model.clone() };
        Models::new(std::iter::once(first).chain(self.setup.fallback.iter().cloned()))
    }

    /// A builder that makes this agent again, to change a part of it.
    pub fn to_builder(&self) -> Builder {
        Builder::clone(&self.setup)
    }
}

impl Builder {
    /// What it is called where its turns are traced; `pillion` if nobody says.
    pub fn name(self, name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), ..self }
    }

    pub fn provider(self, provider: Arc<dyn Provider>) -> Self {
        Self { provider: Some(provider), ..self }
    }

    /// The provider's own name of the model.
    pub fn model(self, model: impl Into<String>) -> Self {
        Self { model: model.into(), ..self }
    }

    /// Adds a block of system text; the most stable first.
    pub fn system(mut self, text: impl Into<String>) -> Self {
        self.system.push(text.into());
        self
    }

    /// Has the model told what people wrote for it in the workspace's roots and in these places: at the end of the system
    /// text what holds everywhere, fixed for a conversation; as a message of the user what holds for a folder, when the
    /// conversation comes to it, and what has changed since. Nothing is told twice.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use pillion::{
    ///     agent::Agent, context::Places, provider::scripted::Scripted, transcript::Message, workspace::Workspace,
    /// };
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// let folder = tempfile::tempdir()?;
    /// std::fs::write(folder.path().join("AGENTS.md"), "Speak like a rider.")?;
    /// let model = Arc::new(Scripted::parse(r#"["Hold on tight."]"#)?);
    /// let agent = Agent::builder()
    ///     .provider(model.clone())
    ///     .model("any")
    ///     .workspace(Workspace::new(vec![folder.path().to_path_buf()]))
    ///     .instructions(Places::default())
    ///     .build()?;
    /// agent.run(&[Message::user("Any advice?")]).await?;
    /// assert!(model.requests()[0].system.concat().contains("Speak like a rider."));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn instructions(self, places: Places) -> Self {
        Self { instructions: Some(places), ..self }
    }

    pub fn tools(self, tools: impl Into<Arc<Registry>>) -> Self {
        Self { tools: tools.into(), ..self }
    }

    /// Where the tools work. Without one there are no roots: every file is outside.
    pub fn workspace(self, workspace: Arc<Workspace>) -> Self {
        Self { workspace, ..self }
    }

    /// What may run unasked when [`Agent::run`] or [`Agent::stream`] drives; another [`Host`](super::Host) brings its own.
    pub fn policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// Who answers what the policy asks, in [`Agent::run`] and [`Agent::stream`]. Without one, it is denied.
    pub fn approver<F, A>(self, approver: F) -> Self
    where
        F: Fn(ApprovalRequest) -> A + Send + Sync + 'static,
        A: Future<Output = Answer> + Send + 'static,
    {
        Self { approver: Some(Arc::new(move |request| approver(request).boxed())), ..self }
    }

    /// Who answers the questions of tools, in [`Agent::run`] and [`Agent::stream`]. Without one, the model is told that
    /// nobody is there.
    pub fn asker<F, A>(self, asker: F) -> Self
    where
        F: Fn(QuestionRequest) -> A + Send + Sync + 'static,
        A: Future<Output = Answered> + Send + 'static,
    {
        Self { asker: Some(Arc::new(move |request| asker(request).boxed())), ..self }
    }

    /// The most model calls of one turn.
    pub fn turn_limit(self, turn_limit: u32) -> Self {
        Self { turn_limit, ..self }
    }

    /// The most tokens of one answer; the provider's default without.
    pub fn max_tokens(self, max_tokens: impl Into<Option<u32>>) -> Self {
        Self { max_tokens: max_tokens.into(), ..self }
    }

    pub fn temperature(self, temperature: impl Into<Option<f32>>) -> Self {
        Self { temperature: temperature.into(), ..self }
    }

    pub fn stop_sequences(self, stop_sequences: Vec<String>) -> Self {
        Self { stop_sequences, ..self }
    }

    pub fn thinking(self, thinking: impl Into<Option<Thinking>>) -> Self {
        Self { thinking: thinking.into(), ..self }
    }

    /// The shape that each answer's text must have; [`Builder::output`] takes it from a type.
    pub fn output_schema(self, output_schema: impl Into<Option<OutputSchema>>) -> Self {
        Self { output_schema: output_schema.into(), ..self }
    }

    /// What is asked of the provider's prompt cache in every turn; [`Scope::cache_next_turn`] is for one.
    pub fn cache(self, cache: Cache) -> Self {
        Self { cache, ..self }
    }

    /// What is known of models, for costs and the size of the context; the built-in table without.
    pub fn catalog(self, catalog: impl Into<Arc<Catalog>>) -> Self {
        Self { catalog: catalog.into(), ..self }
    }

    /// Adds a model that is asked for the rest of a turn when the one before it is too busy: when its tries are used up and
    /// its provider is overloaded or limits how often it may be asked.
    pub fn fallback(mut self, provider: Arc<dyn Provider>, model: impl Into<String>) -> Self {
        self.fallback.push(Choice { provider, model: model.into() });
        self
    }

    /// How often a model call that failed is tried again.
    pub fn retry(self, retry: retry::Policy) -> Self {
        Self { retry, ..self }
    }

    /// How long a tool may take to end what it started once its turn is cancelled, before it is given up; a second
    /// without.
    pub fn cancel_grace(self, cancel_grace: Duration) -> Self {
        Self { cancel_grace, ..self }
    }

    /// How much of a result reaches the model, for all tools that have no budget of their own.
    pub fn output_budget(self, budget: Budget) -> Self {
        Self { output_budget: budget, ..self }
    }

    /// The same for one tool, over what it says itself.
    pub fn output_budget_of(mut self, tool: impl Into<String>, budget: Budget) -> Self {
        self.output_budgets.insert(tool.into(), budget);
        self
    }

    /// Adds a [`Hook`]; they run in the order in which they were added.
    pub fn hook(mut self, hook: impl Hook) -> Self {
        self.hooks.push(Arc::new(hook));
        self
    }

    pub(super) fn budget_of(&self, tool: &dyn Tool) -> Budget {
        let said_of_it = self.output_budgets.get(&tool.spec().name).copied();
        said_of_it.or_else(|| tool.budget()).unwrap_or(self.output_budget)
    }

    /// Gives the model the tool `sub_agent`, which hands work to nested agents: such as itself, and these by their names.
    ///
    /// A nested agent runs inside the turn of the call that asks for it: with the same tools (or fewer), policy, approvals
    /// and workspace, its events as [`Event::Nested`](super::Event), its tokens counted as the turn's.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use pillion::{agent::Agent, provider::scripted::Scripted, tool::Profile, transcript::Message};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// let model = Scripted::parse(
    ///     r#"[
    ///         {"match": "Is it safe", "steps": [
    ///             {"toolCall": {"name": "sub_agent", "input": {"agent": "reviewer", "task": "Read the brakes."}}}
    ///         ]},
    ///         {"match": "Read the brakes", "steps": [{"text": "They hold."}]},
    ///         {"afterTools": true, "steps": [{"text": "It is."}]}
    ///     ]"#,
    /// )?;
    /// let reviewer = Profile { name: "reviewer".into(), description: "Reads closely.".into(), ..Profile::default() };
    /// let agent = Agent::builder().provider(Arc::new(model)).model("any").sub_agents([reviewer]).build()?;
    /// let result = agent.run(&[Message::user("Is it safe?")]).await?;
    /// assert_eq!(result.text, "It is.");
    /// let reported = result.messages[1].tool_results().next().map(|result| &result.content);
    /// assert!(format!("{reported:?}").contains("They hold."));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn sub_agents(self, profiles: impl IntoIterator<Item = Profile>) -> Self {
        Self { sub_agents: Some(profiles.into_iter().map(Arc::new).collect()), ..self }
    }

    /// How long a call of a tool that names no [limit of its own](crate::tool::TimeLimit) may take; ten minutes without,
    /// and no limit with `None`.
    ///
    /// Such a tool, like one that panics or gives something that is no result of its call, costs its call an error result,
    /// and nothing else:
    ///
    /// ```
    /// use std::{sync::Arc, time::Duration};
    ///
    /// use async_trait::async_trait;
    /// use pillion::{
    ///     agent::Agent,
    ///     provider::scripted::Scripted,
    ///     tool::{Context, Output, Proposal, Registry, ToolError, Typed, typed},
    ///     transcript::Message,
    /// };
    ///
    /// /// Sleeps, and means it.
    /// #[derive(serde::Deserialize, schemars::JsonSchema)]
    /// struct Nothing {}
    ///
    /// struct Sleeper;
    ///
    /// #[async_trait]
    /// impl Typed for Sleeper {
    ///     const NAME: &'static str = "sleep";
    ///     type Input = Nothing;
    ///
    ///     async fn propose(&self, _: &Nothing, _: &Context) -> Result<Proposal, ToolError> {
    ///         Ok(Proposal::harmless("Sleep"))
    ///     }
    ///
    ///     async fn run(&self, _: Nothing, _: &Context) -> Result<Output, ToolError> {
    ///         std::future::pending().await
    ///     }
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// let model = Scripted::parse(r#"[{"steps": [{"toolCall": {"name": "sleep", "input": {}}}]}, "It does not wake."]"#)?;
    /// let mut tools = Registry::new();
    /// tools.add(typed(Sleeper))?;
    /// let agent = Agent::builder()
    ///     .provider(Arc::new(model))
    ///     .model("any")
    ///     .tools(tools)
    ///     .tool_time_limit(Duration::from_millis(5))
    ///     .build()?;
    /// let result = agent.run(&[Message::user("Sleep a little.")]).await?;
    /// assert!(result.messages[1].tool_results().next().is_some_and(|result| result.is_error));
    /// assert_eq!(result.text, "It does not wake.");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn tool_time_limit(self, tool_time_limit: impl Into<Option<Duration>>) -> Self {
        Self { tool_time_limit: tool_time_limit.into(), ..self }
    }

    /// Whether turns tell of the inputs of calls while the model is writing them ([`Event::ToolInput`](super::Event)).
    pub fn tool_input_events(self, tool_input_events: bool) -> Self {
        Self { tool_input_events, ..self }
    }

    /// Adds someone who sees every event.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observers.push(observer);
        self
    }

    /// Adds someone who sees how the transcript grows.
    pub fn transcript_observer(self, observer: Arc<impl TranscriptObserver>) -> Self {
        self.observer(Arc::new(OfTranscript(observer)))
    }

    /// Adds someone who may change the transcript; they come in the order in which they were added.
    pub fn mutator(mut self, mutator: Arc<dyn Mutator>) -> Self {
        self.mutators.push(mutator);
        self
    }

    /// How deep agents may be nested; 2 without, and with 0 there are none.
    pub fn sub_agent_depth(self, sub_agent_depth: u32) -> Self {
        Self { sub_agent_depth, ..self }
    }

    /// Makes the agent.
    ///
    /// # Errors
    /// If it has no provider or no model, or its [sub-agents](Self::sub_agents) share a name or are to have a tool that is
    /// not there and cannot [come](crate::tool::Source::changes).
    pub fn build(mut self) -> Result<Agent, BuildError> {
        let provider = self.provider.clone().ok_or(BuildError::NoProvider)?;
        if self.model.is_empty() {
            return Err(BuildError::NoModel);
        }
        if let Some(profiles) = self.sub_agents.clone().filter(|_| self.sub_agent_depth > 0) {
            let mut tools = Registry::clone(&self.tools);
            let source = Fixed::new("pillion", vec![typed(SubAgent { profiles })]);
            // In the place of one from before.
            if tools.add_source(source, Collision::Last).is_ok() {
                self.tools = Arc::new(tools);
            }
            self.check_sub_agents()?;
        }
        Ok(Agent { provider, setup: Arc::new(self) })
    }

    fn check_sub_agents(&self) -> Result<(), BuildError> {
        let profiles = self.sub_agents.iter().flatten();
        let known: BTreeSet<String> = self.tools.names().collect();
        let mut names = BTreeSet::new();
        for Profile { name, tools, .. } in profiles.map(|profile| &**profile) {
            if !names.insert(name) {
                return Err(BuildError::TwoSubAgents(name.clone()));
            }
            let unknown = tools.iter().flatten().find(|tool| !known.contains(*tool));
            if let Some(tool) = unknown.filter(|_| !self.tools.may_change()) {
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                let known = format!("there are: {}", known.join(", "));
                return Err(BuildError::UnknownTool { agent: name.clone(), tool: tool.clone(), known });
            }
        }
        Ok(())
    }
}
