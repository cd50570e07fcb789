//! The end of a turn: comments that were the prompt, and that no edit of the turn has taken along.

use serde_json::json;
use tokio::select;

use super::TurnHost;
use crate::{
    agent::{self, Answer, ApprovalRequest, CallStatus, Host, approval_id},
    permission::{self, Decision},
    tool::Class,
    transcript::{StopReason, ToolCall, ToolResult},
    workspace::Plan,
};

impl TurnHost {
    /// Takes them out, each by an edit that the gate and the person see as any other. Only a turn that has given its
    /// answer does: after any other, the person may want to say it again. Gives how the turn ends.
    pub(super) async fn close(&self, stop_reason: StopReason) -> StopReason {
        let left = self.prompting.workspace.left_behind().await;
        if !matches!(stop_reason, StopReason::EndTurn | StopReason::StopSequence) {
            return stop_reason;
        }
        for (index, plan) in left.into_iter().enumerate() {
            self.take_out(index, plan).await;
            if self.cancel.is_cancelled() {
                return StopReason::Cancelled;
            }
        }
        stop_reason
    }

    async fn take_out(&self, index: usize, plan: Plan) {
        let (location, diff) = (plan.location().clone(), plan.diff().clone());
        let gone = diff.hunks.iter().flat_map(|hunk| hunk.text.lines()).filter_map(|line| line.strip_prefix('-'));
        let gone = gone.map(|line| format!("{line}\n")).collect::<String>();
        let call = ToolCall {
            id: format!("{}-comment{}", self.turn_id, index + 1),
            name: "edit".to_owned(),
            input: json!({ "path": location.shown, "old_string": gone, "new_string": "" }),
        };
        let title = format!("Take the prompt out of {}", location.shown);
        let class = Class::Edit;
        self.tell(agent::Event::ToolCall { call: call.clone(), class, title: title.clone() }).await;
        let request = ApprovalRequest {
            id: approval_id(&call.id, 1),
            call: call.clone(),
            class,
            title,
            paths: vec![location.path.clone()],
            command: None,
            host: None,
            outside: !location.inside,
            risk: None,
            diff: Some(diff),
            agent: None,
        };
        let (status, text, diff) = match self.may(request).await {
            Err(reason) => (CallStatus::Denied, reason, None),
            Ok(()) => match self.prompting.workspace.apply(plan, None).await {
                Ok(applied) => {
                    self.ledger.by(&call.id).note_edit(&location, &applied).await;
                    (CallStatus::Ok, format!("Edited {}.", location.shown), Some(applied.diff))
                }
                Err(error) => (CallStatus::Failed, error.to_string(), None),
            },
        };
        let result = ToolResult::text(&call.id, text, status != CallStatus::Ok);
        self.tell(agent::Event::ToolResult { result, status, diff }).await;
    }

    /// The gate's word, and the person's where the gate wants it.
    async fn may(&self, request: ApprovalRequest) -> Result<(), String> {
        let roots = self.prompting.workspace.resolved_roots();
        let decision = permission::decide(
            &self.policy(),
            &permission::Call {
                tool: &request.call.name,
                class: request.class,
                paths: &request.paths,
                outside: request.outside,
                command: None,
                host: None,
                roots: &roots,
            },
        );
        match decision {
            Decision::Allow => return Ok(()),
            Decision::Deny(reason) => return Err(reason),
            Decision::Ask => {}
        }
        let answer = select! {
            biased;
            () = self.cancel.cancelled() => Answer::CancelTurn,
            answer = self.approve(request.clone()) => answer,
        };
        match answer {
            Answer::Allow { input, hunks } => {
                let is_changed = input.is_some_and(|input| input != request.call.input);
                let is_partial = hunks.is_some_and(|hunks| hunks.is_empty());
                if is_changed || is_partial { Err("The comment stays.".to_owned()) } else { Ok(()) }
            }
            Answer::Deny { reason } => Err(reason.unwrap_or_else(|| "The comment stays.".to_owned())),
            Answer::CancelTurn => Err("The turn was stopped.".to_owned()),
        }
    }
}
