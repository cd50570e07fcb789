//! One call: proposed, let through the gate, and run.

use std::{future::Future, pin::pin, sync::Arc};

use serde_json::Value;
use tokio::select;
use tokio::task::JoinError;

use super::{Answer, ApprovalRequest, CallStatus, Event, progress::Mailbox, turn::Ground, turn::said_by};
use crate::{
    permission::{self, Decision},
    tool::{Class, Context, Output, Prepared, Progress, Proposal, Tool, ToolError},
    transcript::{ResultContent, ToolCall, ToolResult},
    workspace::FileDiff,
};

/// What a call would do.
pub(super) struct Proposed {
    tool: Arc<dyn Tool>,
    prepared: Prepared,
    pub proposal: Proposal,
}

/// How a call ended.
pub(super) struct Settled {
    pub result: ToolResult,
    pub status: CallStatus,
    pub diff: Option<FileDiff>,
}

/// A call that may run.
struct Cleared {
    tool: Arc<dyn Tool>,
    prepared: Prepared,
    input: Value,
    hunks: Option<Vec<usize>>,
    /// What the person changed, for the model.
    note: Option<String>,
}

impl<'a> Ground<'a> {
    /// Asks the tool what the call would do.
    pub async fn propose(self, call: &ToolCall) -> Result<Proposed, Settled> {
        let Some(tool) = self.agent.setup.tools.get(&call.name) else {
            let names: Vec<&str> = self.agent.setup.tools.names().collect();
            let known =
                if names.is_empty() { "there are none".into() } else { format!("there are: {}", names.join(", ")) };
            return Err(failed(call, format!("there is no tool `{}`; {known}", call.name)));
        };
        let (asked, input) = (tool.clone(), call.input.clone());
        let prepared = Prepared::default();
        let context = self.context(call, Progress::none(), None, prepared.clone());
        let task = async move { asked.propose(&input, &context).await };
        let mut task = tokio::spawn(task);
        let proposed = select! {
            biased;
            () = self.cancel.cancelled() => {
                task.abort();
                return Err(cancelled(call, "not run: the turn was cancelled"));
            }
            proposed = &mut task => proposed,
        };
        match proposed {
            Ok(Ok(proposal)) => Ok(Proposed { tool: tool.clone(), prepared, proposal }),
            Ok(Err(ToolError(message))) => Err(failed(call, message)),
            Err(error) => Err(failed(call, broke(error))),
        }
    }

    /// Brings the call to its end.
    pub async fn settle(self, call: ToolCall, proposed: Result<Proposed, Settled>) -> Settled {
        let cleared = match proposed {
            Ok(proposed) => self.pass(&call, proposed).await,
            Err(settled) => Err(settled),
        };
        match cleared {
            Ok(cleared) => self.perform(&call, cleared).await,
            Err(settled) => settled,
        }
    }

    /// The gate: the policy's word, and the person's where the policy wants it.
    async fn pass(self, call: &ToolCall, proposed: Proposed) -> Result<Cleared, Settled> {
        let Proposed { tool, mut prepared, proposal } = proposed;
        match self.decide(call, &proposal) {
            Decision::Allow => {
                return Ok(Cleared { tool, prepared, input: call.input.clone(), hunks: None, note: None });
            }
            Decision::Deny(reason) => return Err(denied(call, reason)),
            Decision::Ask => {}
        }
        // What the person is looking at: the call as the model asked for it, then as they changed it.
        let mut shown = (call.clone(), proposal);
        loop {
            let request = approval(&shown.0, &shown.1);
            let answer = select! {
                biased;
                () = self.cancel.cancelled() => {
                    return Err(cancelled(call, "not run: the turn was cancelled while the person was asked"));
                }
                answer = self.host.approve(request) => answer,
            };
            let (input, hunks) = match answer {
                Answer::Deny { reason } => {
                    let said = reason
                        .map_or("; no reason was given. Do not try it again unasked.".into(), |r| format!(": {r}"));
                    return Err(denied(call, format!("the person denied this call{said}")));
                }
                Answer::CancelTurn => {
                    self.cancel.cancel();
                    return Err(cancelled(call, "not run: the person denied this call and stopped the turn"));
                }
                Answer::Allow { input, hunks } => (input, hunks),
            };
            let Some(input) = input.filter(|input| *input != shown.0.input) else {
                let note = (shown.0.input != call.input).then(|| changed_to(&shown.0.input));
                return Ok(Cleared { tool, prepared, input: shown.0.input, hunks, note });
            };
            let note = changed_to(&input);
            let changed = ToolCall { input, ..call.clone() };
            let proposal = match self.propose(&changed).await {
                Ok(proposed) => {
                    prepared = proposed.prepared;
                    proposed.proposal
                }
                Err(Settled { mut result, status, diff }) => {
                    result.content.insert(0, ResultContent::Text { text: note });
                    return Err(Settled { result, status, diff });
                }
            };
            // Hunks of another diff are not the ones that were chosen.
            let stale_hunks = hunks.is_some() && shown.1.diff != proposal.diff;
            match self.decide(&changed, &proposal) {
                Decision::Deny(reason) => return Err(denied(call, format!("{note}\n{reason}"))),
                _ if stale_hunks => shown = (changed, proposal),
                Decision::Ask if is_riskier(&shown.1, &proposal) => shown = (changed, proposal),
                Decision::Ask | Decision::Allow => {
                    return Ok(Cleared { tool, prepared, input: changed.input, hunks, note: Some(note) });
                }
            }
        }
    }

    fn decide(self, call: &ToolCall, proposal: &Proposal) -> Decision {
        let roots = self.agent.setup.workspace.resolved_roots();
        let call = permission::Call {
            tool: &call.name,
            class: proposal.class,
            paths: &proposal.paths,
            outside: proposal.outside,
            command: proposal.command.as_deref(),
            roots: &roots,
        };
        permission::decide(&self.host.policy(), &call)
    }

    /// Runs it, passing on what it prints. In a task of its own, so that one that panics or never gives way takes nothing
    /// with it.
    async fn perform(self, call: &ToolCall, cleared: Cleared) -> Settled {
        if self.cancel.is_cancelled() {
            return cancelled(call, "not run: the turn was cancelled");
        }
        let Cleared { tool, prepared, input, hunks, note } = cleared;
        let mailbox = Arc::new(Mailbox::default());
        let context = self.context(call, mailbox.progress(), hunks, prepared);
        let given_up = self.given_up();
        let mut task = tokio::spawn(async move {
            select! {
                biased;
                output = tool.run(input, &context) => Some(output),
                // Even when nobody waits for the turn any more.
                () = given_up => None,
            }
        });
        let mut given_up = pin!(self.given_up());
        let ended = loop {
            select! {
                biased;
                ended = &mut task => break ended,
                () = &mut given_up => {
                    task.abort();
                    break Ok(None);
                }
                piece = mailbox.next() => self.print(call, piece).await,
            }
        };
        while let Some(piece) = mailbox.take() {
            self.print(call, piece).await;
        }
        let mut settled = match ended {
            Ok(Some(Ok(Output { content, diff }))) => {
                let result = ToolResult { call_id: call.id.clone(), content, is_error: false };
                Settled { result, status: CallStatus::Ok, diff }
            }
            Ok(Some(Err(ToolError(message)))) if self.cancel.is_cancelled() => cancelled(call, message),
            Ok(Some(Err(ToolError(message)))) => failed(call, message),
            Ok(None) => {
                cancelled(call, "cancelled while it ran, and it did not stop. Whether it had an effect is not known.")
            }
            Err(error) => failed(call, broke(error)),
        };
        if let Some(text) = note {
            settled.result.content.insert(0, ResultContent::Text { text });
        }
        settled
    }

    /// Resolves when a tool has had its time to end after a cancel.
    fn given_up(self) -> impl Future<Output = ()> + Send + 'static {
        let (cancel, grace) = (self.cancel.clone(), self.agent.setup.cancel_grace);
        async move {
            cancel.cancelled().await;
            tokio::time::sleep(grace).await;
        }
    }

    async fn print(self, call: &ToolCall, piece: super::progress::Piece) {
        let event = Event::ToolProgress { call_id: call.id.clone(), offset: piece.offset, text: piece.text };
        self.host.emit(event).await;
    }

    fn context(self, call: &ToolCall, progress: Progress, hunks: Option<Vec<usize>>, prepared: Prepared) -> Context {
        Context {
            workspace: self.agent.setup.workspace.clone(),
            seen: self.scope.seen.clone(),
            cancel: self.cancel.clone(),
            progress,
            outputs: self.scope.outputs.clone(),
            call_id: call.id.clone(),
            hunks,
            prepared,
        }
    }
}

fn settled(call: &ToolCall, status: CallStatus, text: impl Into<String>) -> Settled {
    Settled { result: ToolResult::text(&call.id, text, true), status, diff: None }
}

fn failed(call: &ToolCall, text: impl Into<String>) -> Settled {
    settled(call, CallStatus::Failed, text)
}

fn denied(call: &ToolCall, text: impl Into<String>) -> Settled {
    settled(call, CallStatus::Denied, text)
}

fn cancelled(call: &ToolCall, text: impl Into<String>) -> Settled {
    settled(call, CallStatus::Cancelled, text)
}

/// A tool's task that gave nothing.
fn broke(error: JoinError) -> String {
    let said = error.try_into_panic().map_or_else(|error| error.to_string(), |panic| said_by(&*panic));
    format!("the tool broke off because of a mistake in it ({said}). Try another way.")
}

fn changed_to(input: &Value) -> String {
    format!("The person changed the input of this call to {input}.")
}

fn approval(call: &ToolCall, proposal: &Proposal) -> ApprovalRequest {
    let Proposal { class, title, paths, outside, command, diff, risk } = proposal.clone();
    ApprovalRequest { call: call.clone(), class, title, paths, command, outside, risk, diff }
}

/// Whether what came of the person's change is more than they could have meant by it.
fn is_riskier(shown: &Proposal, changed: &Proposal) -> bool {
    let rank = |class| match class {
        Class::Read => 0,
        Class::Edit => 1,
        Class::Network => 2,
        Class::Execute => 3,
    };
    let leaves = changed.outside && (!shown.outside || changed.paths.iter().any(|path| !shown.paths.contains(path)));
    rank(changed.class) > rank(shown.class) || leaves || (changed.risk.is_some() && changed.risk != shown.risk)
}
