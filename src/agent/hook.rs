//! What is asked before and after tools run, and when turns begin and end.
//!
//! A hook is stricter than the gate, never laxer: what it says comes before the policy and the person are asked, and can
//! only stop a call that they might have let through.
//!
//! ```
//! use std::sync::Arc;
//!
//! use pillion::{
//!     agent::{
//!         Agent,
//!         hook::{Moment, Verdict},
//!     },
//!     provider::scripted::Scripted,
//!     transcript::Message,
//! };
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let model = Scripted::parse(r#"["Done.", "It is written."]"#)?;
//! let agent = Agent::builder().provider(Arc::new(model)).model("any").hook(|moment: Moment| async move {
//!     match moment {
//!         Moment::TurnEnd { text, vetoes: 0, .. } if text == "Done." => Verdict::deny("Say what is done."),
//!         _ => Verdict::default(),
//!     }
//! });
//!
//! let result = agent.build()?.run(&[Message::user("Write it.")]).await?;
//! assert_eq!(result.text, "It is written.");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod command;

use std::{future::Future, panic::AssertUnwindSafe, path::PathBuf, time::Duration};

use async_trait::async_trait;
use futures::FutureExt;
use tokio::select;

pub use self::command::{CommandHook, HookPattern, When};
use super::{CallStatus, Event, NoticeLevel, Settled, turn::Ground, turn::said_by};
use crate::{
    tool::{Class, Proposal},
    transcript::{Message, ResultContent, StopReason, ToolCall, ToolResult},
};

/// How often the end of one turn may be vetoed, by all hooks together, so that it ends. Chosen: a check that fails three
/// times needs the person.
pub const MOST_VETOES: u32 = 3;

/// Has a say in what a turn does. A function from a [`Moment`] to a future [`Verdict`] is one.
#[async_trait]
pub trait Hook: Send + Sync + 'static {
    /// How the person and the model know it.
    fn name(&self) -> &str;

    /// Whether it has anything to say then. One that has not is not asked.
    fn wants(&self, moment: &Moment) -> bool {
        let _ = moment;
        true
    }

    /// How long it may take. After it, and when the turn is cancelled, its future is dropped.
    fn time_limit(&self) -> Duration {
        Duration::from_secs(60)
    }

    /// What it says. Where it fails, panics or takes too long, the person gets a notice; a call that it should have
    /// judged is not run, and everything else goes on.
    async fn at(&self, moment: Moment) -> Result<Verdict, HookError>;
}

/// When a hook is asked, and of what.
#[derive(Clone, Debug)]
pub enum Moment {
    /// A turn is to begin with something that the person said since the model's last word or, if it `steers`, a running
    /// turn is to go on with it. Each message is asked about by itself. Denied, it is taken out of the transcript; a
    /// turn that was to begin ends at once with the reason as its error, and one that runs goes on without. Sub-agents'
    /// turns are not told of.
    TurnStart { prompt: Message, steers: bool },
    /// A call is to run, or to be put before the person; asked again if the person changes its input. Denied, it does not
    /// run, nobody is asked, and the model reads the reason.
    BeforeTool { call: ToolCall, class: Class, title: String, paths: Vec<PathBuf>, command: Option<String> },
    /// A call has run. Denied, the model reads the reason in place of the result; what the call did stays done.
    AfterTool { call: ToolCall, class: Class, status: CallStatus, result: ToolResult },
    /// The turn is about to end; not asked if it was cancelled, nor of a sub-agent's. Denied, it goes on with the reason as a message of the
    /// user's, if the model has ended it and `may_veto` says so.
    TurnEnd {
        /// The model's last words.
        text: String,
        stop_reason: StopReason,
        /// How often the end of this turn was vetoed.
        vetoes: u32,
        may_veto: bool,
    },
}

/// What a hook says; by default nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Why not.
    pub deny: Option<String>,
    /// What the model should know: before the next model call, or with the call's result. At the end of a turn
    /// nobody reads it.
    pub context: Option<String>,
}

/// A hook that gave no verdict, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct HookError(pub String);

impl Verdict {
    pub fn deny(reason: impl Into<String>) -> Self {
        Self { deny: Some(reason.into()), context: None }
    }

    pub fn context(text: impl Into<String>) -> Self {
        Self { deny: None, context: Some(text.into()) }
    }
}

#[async_trait]
impl<F, V> Hook for F
where
    F: Fn(Moment) -> V + Send + Sync + 'static,
    V: Future<Output = Verdict> + Send,
{
    fn name(&self) -> &str {
        "hook"
    }

    async fn at(&self, moment: Moment) -> Result<Verdict, HookError> {
        Ok(self(moment).await)
    }
}

/// What all hooks said together.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// The first denial, after which no other hook was asked.
    pub deny: Option<String>,
    pub context: Vec<String>,
}

impl Heard {
    /// Adds what the model should know to a call's result.
    fn note(&self, result: &mut ToolResult) {
        result.content.extend(self.context.iter().map(|text| ResultContent::Text { text: text.clone() }));
    }
}

impl Ground<'_> {
    /// Asks the hooks, one after the other. A cancelled turn asks no further.
    pub async fn hear_hooks(self, moment: Moment) -> Heard {
        let mut heard = Heard::default();
        for hook in self.agent.setup.hooks.iter().filter(|hook| hook.wants(&moment)) {
            let asked = AssertUnwindSafe(async { hook.at(moment.clone()).await }).catch_unwind();
            let limit = hook.time_limit();
            let said = select! {
                biased;
                () = self.cancel.cancelled() => return heard,
                said = tokio::time::timeout(limit, asked) => said,
            };
            let failed = match said {
                Ok(Ok(Ok(Verdict { deny, context }))) => {
                    let name = hook.name();
                    heard.context.extend(context.map(|text| format!("[{name}: {text}]")));
                    if let Some(reason) = deny {
                        heard.deny = Some(format!("{name}: {reason}"));
                        return heard;
                    }
                    continue;
                }
                Ok(Ok(Err(HookError(message)))) => message,
                Ok(Err(panic)) => format!("it broke off ({})", said_by(&*panic)),
                Err(_) => format!("it took longer than {} s", limit.as_secs_f64()),
            };
            let guards = matches!(moment, Moment::BeforeTool { .. });
            let effect = if guards { "The call was not run." } else { "The turn goes on without it." };
            let message = format!("The hook {} failed: {failed}. {effect}", hook.name());
            self.emit(Event::Notice { level: NoticeLevel::Warning, message }).await;
            if guards {
                heard.deny = Some(format!("{} could not judge it: {failed}", hook.name()));
                return heard;
            }
        }
        heard
    }

    /// Asks the hooks whether a call may go on to the gate. The error is the reason why not.
    pub async fn hear_before(self, call: &ToolCall, proposal: &Proposal) -> Result<Heard, String> {
        if self.agent.setup.hooks.is_empty() {
            return Ok(Heard::default());
        }
        let Proposal { class, title, paths, command, .. } = proposal.clone();
        let mut heard = self.hear_hooks(Moment::BeforeTool { call: call.clone(), class, title, paths, command }).await;
        match heard.deny.take() {
            Some(reason) => Err(format!("not run: a hook denied this call: {reason}")),
            None => Ok(heard),
        }
    }

    /// Asks the hooks about what a call gave, and puts what they say with it.
    pub async fn hear_after(self, call: &ToolCall, class: Class, before: Heard, settled: &mut Settled) {
        before.note(&mut settled.result);
        if self.agent.setup.hooks.is_empty() || !matches!(settled.status, CallStatus::Ok | CallStatus::Failed) {
            return;
        }
        let (status, result) = (settled.status, settled.result.clone());
        let mut heard = self.hear_hooks(Moment::AfterTool { call: call.clone(), class, status, result }).await;
        if let Some(reason) = heard.deny.take() {
            let text = format!("the call has run, but a hook withholds its result: {reason}");
            settled.result = ToolResult::text(&call.id, text, true);
            settled.status = CallStatus::Failed;
        }
        heard.note(&mut settled.result);
    }
}
