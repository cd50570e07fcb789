//! The end of a turn: comments that were the prompt, and that no edit of the turn has taken along.

use serde_json::json;

use super::TurnHost;
use crate::{
    agent::{self, CallStatus, Host},
    permission::Mode,
    tool::Class,
    transcript::{StopReason, ToolCall, ToolResult},
    workspace::Plan,
};

impl TurnHost {
    /// Takes them out, each by an edit that the person sees and can take back as any other. Only a turn that has given its
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

    /// The person ran their own comment, and that it goes then is what they were promised: nobody is asked for it. In plan
    /// mode it stays, as everything does.
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
        self.tell(agent::Event::ToolCall { call: call.clone(), class: Class::Edit, title }).await;
        let (status, text, diff) = if self.policy().mode == Mode::Plan {
            (CallStatus::Denied, "plan mode: nothing may be changed, so the comment stays.".to_owned(), None)
        } else {
            match self.prompting.workspace.apply(plan, None).await {
                Ok(applied) => {
                    self.ledger.by(&call.id).note_edit(&location, &applied).await;
                    (CallStatus::Ok, format!("Edited {}.", location.shown), Some(applied.diff))
                }
                Err(error) => (CallStatus::Failed, error.to_string(), None),
            }
        };
        let result = ToolResult::text(&call.id, text, status != CallStatus::Ok);
        self.tell(agent::Event::ToolResult { result, status, diff }).await;
    }
}
