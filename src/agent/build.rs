//! Putting an agent together.

use std::{future::Future, sync::Arc, time::Duration};

use futures::{FutureExt, future::BoxFuture, stream::BoxStream};

use super::{Answer, ApprovalRequest};
use crate::{
    permission::Policy,
    provider::{Cache, Provider, ProviderError, Request, StreamEvent, Thinking, retry},
    tool::{Outputs, Registry},
    workspace::{Seen, Workspace},
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
}

/// An agent in the making; see [`Agent::builder`].
#[derive(Clone)]
pub struct Builder {
    provider: Option<Arc<dyn Provider>>,
    pub(super) model: String,
    pub(super) system: Vec<String>,
    pub(super) tools: Arc<Registry>,
    pub(super) workspace: Arc<Workspace>,
    pub(super) policy: Policy,
    pub(super) approver: Option<Approver>,
    pub(super) turn_limit: u32,
    pub(super) max_tokens: Option<u32>,
    pub(super) temperature: Option<f32>,
    pub(super) stop_sequences: Vec<String>,
    pub(super) thinking: Option<Thinking>,
    pub(super) cache: Cache,
    retry: retry::Policy,
    pub(super) cancel_grace: Duration,
}

pub(super) type Approver = Arc<dyn Fn(ApprovalRequest) -> BoxFuture<'static, Answer> + Send + Sync>;

/// What an agent cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    #[error("the agent has no provider: call `.provider(..)` before `.build()`")]
    NoProvider,
    #[error("the agent has no model: call `.model(..)` before `.build()`")]
    NoModel,
}

impl Agent {
    /// Starts with no tools, 50 rounds a turn, and a policy that asks for all but reading inside the workspace's roots.
    pub fn builder() -> Builder {
        Builder {
            provider: None,
            model: String::new(),
            system: Vec::new(),
            tools: Arc::default(),
            workspace: Workspace::new(Vec::new()),
            policy: Policy::default(),
            approver: None,
            turn_limit: 50,
            max_tokens: None,
            temperature: None,
            stop_sequences: Vec::new(),
            thinking: None,
            cache: Cache::default(),
            retry: retry::Policy::default(),
            cancel_grace: Duration::from_secs(1),
        }
    }

    /// One model call, tried again where that may help.
    pub(super) fn ask(&self, request: &Arc<Request>) -> BoxStream<'static, Result<StreamEvent, ProviderError>> {
        retry::stream(self.provider.clone(), request.clone(), self.setup.retry)
    }

    /// A builder that makes this agent again, to change a part of it.
    pub fn to_builder(&self) -> Builder {
        Builder::clone(&self.setup)
    }
}

impl Builder {
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

    pub fn cache(self, cache: Cache) -> Self {
        Self { cache, ..self }
    }

    /// How often a model call that failed before it said anything is tried again.
    pub fn retry(self, retry: retry::Policy) -> Self {
        Self { retry, ..self }
    }

    /// How long a tool may take to end what it started once its turn is cancelled, before it is given up; a second
    /// without.
    pub fn cancel_grace(self, cancel_grace: Duration) -> Self {
        Self { cancel_grace, ..self }
    }

    pub fn build(self) -> Result<Agent, BuildError> {
        let provider = self.provider.clone().ok_or(BuildError::NoProvider)?;
        if self.model.is_empty() {
            return Err(BuildError::NoModel);
        }
        Ok(Agent { provider, setup: Arc::new(self) })
    }
}
