//! One call: proposed, let through the gate, and run.

use std::{
    future::{self, Future},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt, stream::FuturesUnordered};
use serde_json::Value;
use tokio::{select, task::JoinError};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::{
    Answer, ApprovalRequest, CallStatus, Event, Settled,
    batch::beside,
    hook::Heard,
    open::{OpenCall, approval_id},
    progress::Mailbox,
    span,
    turn::Ground,
    turn::said_by,
};
use crate::{
    permission::{self, Decision},
    tool::{Budget, Class, Context, Desk, Excess, Output, Prepared, Progress, Proposal, TimeLimit, Tool, ToolError},
    transcript::{ResultContent, ToolCall, ToolResult},
};

/// What a call would do.
pub(super) struct Proposed {
    tool: Arc<dyn Tool>,
    prepared: Prepared,
    pub proposal: Proposal,
}

/// A call that may run.
struct Cleared {
    tool: Arc<dyn Tool>,
    prepared: Prepared,
    input: Value,
    hunks: Option<Vec<usize>>,
    /// What the person changed, for the model.
    note: Option<String>,
    class: Class,
    /// What the hooks said before.
    heard: Heard,
}

impl<'a> Ground<'a> {
    /// Asks the tool what the call would do.
    pub async fn propose(self, call: &ToolCall) -> Result<Proposed, Settled> {
        let Some(tool) = self.tools.get(&call.name) else {
            let names: Vec<&str> = self.tools.names().collect();
            let known =
                if names.is_empty() { "there are none".into() } else { format!("there are: {}", names.join(", ")) };
            return Err(failed(call, format!("there is no tool `{}`; {known}", call.name)));
        };
        if self.agent.setup.tools.get(&call.name).is_none() {
            let gone = "is not available any more: it went away while you were asking for it. Go on without it";
            return Err(failed(call, format!("the tool `{}` {gone}.", call.name)));
        }
        let (asked, input) = (tool.clone(), call.input.clone());
        let prepared = Prepared::default();
        let (desk, _) = Desk::new(self.agent.setup.tools.clone());
        let context = Context { prepared: prepared.clone(), ..self.context(call, &**tool, desk) };
        let limit = self.time_limit(&**tool);
        let task = async move { asked.propose(&input, &context).await };
        let mut task = tokio::spawn(task);
        let proposed = select! {
            biased;
            () = self.cancel.cancelled() => {
                task.abort();
                return Err(cancelled(call, "not run: the turn was cancelled"));
            }
            proposed = &mut task => proposed,
            () = passed(limit) => {
                task.abort();
                return Err(failed(call, format!("not run: {}", took_too_long(limit))));
            }
        };
        match proposed {
            Ok(Ok(proposal)) => Ok(Proposed { tool: tool.clone(), prepared, proposal }),
            Ok(Err(ToolError(message))) => Err(failed(call, message)),
            Err(error) => Err(failed(call, broke(error))),
        }
    }

    /// Brings the call to its end, and says so.
    pub async fn settle(self, open: OpenCall, proposed: Result<Proposed, Settled>) -> Settled {
        let was_settled = open.settled.is_some();
        let cleared = match proposed {
            Ok(proposed) => self.pass(&open, proposed).await,
            Err(settled) => Err(settled),
        };
        let settled = match cleared {
            Ok(cleared) => {
                let span = span::call(&open.call);
                let settled = self.perform(&open.call, cleared).instrument(span.clone()).await;
                span::call_ended(&span, settled.status);
                settled
            }
            Err(settled) => settled,
        };
        if !was_settled {
            self.emit(Event::Settled(settled.clone())).await;
        }
        settled
    }

    /// The gate: the policy's word, and the person's where the policy wants it.
    async fn pass(self, open: &OpenCall, proposed: Proposed) -> Result<Cleared, Settled> {
        let call = &open.call;
        let Proposed { tool, mut prepared, proposal } = proposed;
        // What the person is looking at: the call as the model asked for it, then as they changed it.
        let mut shown = (open.shown(), proposal);
        // Being asked before a restart counts as one of the times.
        let mut asks = open.asks - u32::from(open.asking.is_some());
        let mut heard = self.hear_before(&shown.0, &shown.1).await.map_err(|reason| denied(call, reason))?;
        match self.decide(&shown.0, &shown.1) {
            // Whoever is being asked is asked, whatever the policy has become.
            Decision::Allow if open.asking.is_none() => {
                let (input, class) = (call.input.clone(), shown.1.class);
                return Ok(Cleared { tool, prepared, input, hunks: None, note: None, class, heard });
            }
            Decision::Deny(reason) => return Err(denied(call, reason)),
            Decision::Allow | Decision::Ask => {}
        }
        loop {
            asks += 1;
            let request = approval(&shown.0, &shown.1, asks);
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
                Answer::Nobody { reason } => {
                    let next = "Go on without it, and say in the end what was left undone.";
                    return Err(denied(call, format!("nobody could be asked, so this was not run: {reason}\n{next}")));
                }
                Answer::CancelTurn => {
                    self.cancel.cancel();
                    return Err(cancelled(call, "not run: the person denied this call and stopped the turn"));
                }
                Answer::Allow { input, hunks } => (input, hunks),
            };
            let Some(input) = input.filter(|input| *input != shown.0.input) else {
                let note = (shown.0.input != call.input).then(|| changed_to(&shown.0.input));
                let (input, class) = (shown.0.input, shown.1.class);
                return Ok(Cleared { tool, prepared, input, hunks, note, class, heard });
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
            heard = self
                .hear_before(&changed, &proposal)
                .await
                .map_err(|reason| denied(call, format!("{note}\n{reason}")))?;
            // Hunks of another diff are not the ones that were chosen.
            let stale_hunks = hunks.is_some() && shown.1.diff != proposal.diff;
            match self.decide(&changed, &proposal) {
                Decision::Deny(reason) => return Err(denied(call, format!("{note}\n{reason}"))),
                _ if stale_hunks => shown = (changed, proposal),
                Decision::Ask if is_riskier(&shown.1, &proposal) => shown = (changed, proposal),
                Decision::Ask | Decision::Allow => {
                    let (input, class) = (changed.input, proposal.class);
                    return Ok(Cleared { tool, prepared, input, hunks, note: Some(note), class, heard });
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
            host: proposal.host.as_deref(),
            roots: &roots,
        };
        permission::decide(&self.host.policy(), &call)
    }

    /// Runs it, passing on what it prints. In a task of its own, so that one that panics or never gives way takes nothing
    /// with it.
    async fn perform(self, call: &'a ToolCall, cleared: Cleared) -> Settled {
        if self.cancel.is_cancelled() {
            return cancelled(call, "not run: the turn was cancelled");
        }
        let Cleared { tool, prepared, input, hunks, note, class, heard } = cleared;
        let ran = ToolCall { input: input.clone(), ..call.clone() };
        let mailbox = Arc::new(Mailbox::default());
        let (desk, mut wishes) = Desk::new(self.agent.setup.tools.clone());
        // Cancelled with the turn, and when the time is up.
        let stop = self.cancel.child_token();
        let context = Context {
            cancel: stop.clone(),
            progress: mailbox.progress(),
            hunks,
            prepared,
            ..self.context(call, &*tool, desk)
        };
        let budget = context.budget;
        let limit = self.time_limit(&*tool);
        let given_up = self.given_up(stop.clone());
        let mut task = tokio::spawn(async move {
            select! {
                biased;
                output = tool.run(input, &context) => Some(output),
                // Even when nobody waits for the turn any more.
                () = given_up => None,
            }
        });
        let (mut time, mut given_up) = (pin!(passed(limit)), pin!(self.given_up(stop.clone())));
        let over = self.cancel.child_token();
        let mut serving = FuturesUnordered::new();
        let ended = loop {
            select! {
                biased;
                ended = &mut task => break ended,
                () = &mut given_up => {
                    task.abort();
                    break Ok(None);
                }
                () = &mut time, if !stop.is_cancelled() => stop.cancel(),
                piece = mailbox.next() => beside(&mut serving, drop, self.print(call, piece)).await,
                Some(wish) = wishes.recv() => serving.push(self.serve(call, wish, over.child_token())),
                Some(()) = serving.next() => {}
            }
        };
        // What it still wants, nobody gets: nothing may come after its result. Nested turns end as turns do.
        drop(wishes);
        over.cancel();
        let all_ended = async { while serving.next().await.is_some() {} };
        let _ = tokio::time::timeout(self.agent.setup.cancel_grace, all_ended).await;
        drop(serving);
        while let Some(piece) = mailbox.take() {
            self.print(call, piece).await;
        }
        let mut settled = match ended {
            Ok(Some(Ok(Output { content, diff }))) => {
                let result = ToolResult { call_id: call.id.clone(), content, is_error: false };
                Settled { result, status: CallStatus::Ok, diff }
            }
            Ok(Some(Err(ToolError(message)))) if self.cancel.is_cancelled() => cancelled(call, message),
            Ok(None) if self.cancel.is_cancelled() => {
                cancelled(call, "cancelled while it ran, and it did not stop. Whether it had an effect is not known.")
            }
            Ok(Some(Err(ToolError(message)))) if stop.is_cancelled() => {
                failed(call, format!("{} and was stopped: {message}", took_too_long(limit)))
            }
            Ok(Some(Err(ToolError(message)))) => failed(call, message),
            Ok(None) => {
                let what = took_too_long(limit);
                failed(call, format!("{what} and did not stop when told to. Whether it had an effect is not known."))
            }
            Err(error) => failed(call, broke(error)),
        };
        self.hold(&mut settled, budget).await;
        self.hear_after(&ran, class, heard, &mut settled).await;
        if let Some(text) = note {
            settled.result.content.insert(0, ResultContent::Text { text });
        }
        settled
    }

    /// Keeps the result within its budget.
    async fn hold(self, settled: &mut Settled, budget: Budget) {
        if budget.has_room_for(&settled.result.content) {
            return;
        }
        // An error is not lost to being too long.
        let budget = match budget.excess {
            Excess::Fail if settled.result.is_error => Budget { excess: Excess::Clip, ..budget },
            _ => budget,
        };
        let content = std::mem::take(&mut settled.result.content);
        let (outputs, id) = (self.scope.outputs.clone(), self.scope.own(&settled.result.call_id));
        // It may have to write a file.
        let held = tokio::task::spawn_blocking(move || budget.hold(content, &outputs, &id)).await;
        match held.unwrap_or_else(|error| Err(ToolError::new(error.to_string()))) {
            Ok(content) => settled.result.content = content,
            Err(ToolError(text)) => {
                settled.result.content = vec![ResultContent::Text { text }];
                settled.result.is_error = true;
                settled.status = CallStatus::Failed;
            }
        }
    }

    /// Resolves when a tool has had its time to end after it was stopped.
    fn given_up(self, stop: CancellationToken) -> impl Future<Output = ()> + Send + 'static {
        let grace = self.agent.setup.cancel_grace;
        async move {
            stop.cancelled().await;
            tokio::time::sleep(grace).await;
        }
    }

    fn time_limit(self, tool: &dyn Tool) -> Option<Duration> {
        match tool.time_limit() {
            TimeLimit::Default => self.agent.setup.tool_time_limit,
            TimeLimit::Of(limit) => Some(limit),
            TimeLimit::Unlimited => None,
        }
    }

    async fn print(self, call: &ToolCall, piece: super::progress::Piece) {
        let event = Event::ToolProgress { call_id: call.id.clone(), offset: piece.offset, text: piece.text };
        self.emit(event).await;
    }

    /// What a tool is given to look only.
    fn context(self, call: &ToolCall, tool: &dyn Tool, desk: Desk) -> Context {
        Context {
            workspace: self.agent.setup.workspace.clone(),
            seen: Arc::new(self.scope.seen.by(&call.id)),
            cancel: self.cancel.clone(),
            progress: Progress::none(),
            ledger: self.scope.ledger.by(&self.scope.own(&call.id)),
            outputs: self.scope.outputs.clone(),
            budget: self.agent.setup.budget_of(tool),
            tasks: self.scope.tasks.clone(),
            call_id: self.scope.own(&call.id),
            hunks: None,
            prepared: Prepared::default(),
            terminals: self.host.terminals(),
            desk,
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

/// Never resolves without a limit.
async fn passed(limit: Option<Duration>) {
    match limit {
        Some(limit) => tokio::time::sleep(limit).await,
        None => future::pending().await,
    }
}

fn took_too_long(limit: Option<Duration>) -> String {
    let seconds = limit.unwrap_or_default().as_secs_f64();
    format!("the call took longer than its time limit of {seconds} s")
}

/// A tool's task that gave nothing.
fn broke(error: JoinError) -> String {
    let said = error.try_into_panic().map_or_else(|error| error.to_string(), |panic| said_by(&*panic));
    format!("the tool broke off because of a mistake in it ({said}). Try another way.")
}

fn changed_to(input: &Value) -> String {
    format!("The person changed the input of this call to {input}.")
}

fn approval(call: &ToolCall, proposal: &Proposal, asks: u32) -> ApprovalRequest {
    let Proposal { class, title, paths, outside, command, host, diff, risk, alone: _ } = proposal.clone();
    ApprovalRequest {
        id: approval_id(&call.id, asks),
        call: call.clone(),
        class,
        title,
        paths,
        command,
        host,
        outside,
        risk,
        diff,
        agent: None,
    }
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
