//! What hooks have to say of a turn's beginning and end.

use super::{Event, Message, ProviderError, Role, StopReason, Turn, TurnError};
use crate::agent::{
    NoticeLevel,
    hook::{MOST_VETOES, Moment},
};

impl Turn<'_> {
    pub(super) async fn hear_start(&mut self) -> Result<(), TurnError> {
        if self.ground.agent.setup.hooks.is_empty() {
            return Ok(());
        }
        let last = self.request.messages.last().filter(|message| message.role == Role::User);
        let prompt = last.cloned().unwrap_or_else(|| Message::user(""));
        let heard = self.ground.hear_hooks(Moment::TurnStart { prompt }).await;
        if let Some(reason) = heard.deny {
            return Err(TurnError::Hook(reason));
        }
        if !heard.context.is_empty() {
            self.append(Message::user(heard.context.join("\n"))).await;
        }
        Ok(())
    }

    /// The model has ended its turn. True if a hook wants it to go on, and it can.
    pub(super) async fn hear_veto(&mut self, stop_reason: StopReason) -> bool {
        let may_veto = self.rounds < self.ground.agent.setup.turn_limit && self.vetoes < MOST_VETOES;
        let Some(reason) = self.hear_of_end(stop_reason, may_veto).await else { return false };
        if !may_veto {
            let message = format!("The turn ends although a hook objects ({reason}): it has gone on for long enough.");
            self.ground.emit(Event::Notice { level: NoticeLevel::Warning, message }).await;
            return false;
        }
        self.vetoes += 1;
        self.append(Message::user(format!("[The turn is not over: {reason}]"))).await;
        true
    }

    /// The turn is over. Ends that the model did not choose are told now.
    pub(super) async fn hear_end(
        &mut self,
        played: Result<StopReason, ProviderError>,
    ) -> Result<StopReason, TurnError> {
        match played.as_ref().copied().unwrap_or(StopReason::Error) {
            StopReason::EndTurn | StopReason::StopSequence | StopReason::ToolCalls | StopReason::Cancelled => {}
            stop_reason => drop(self.hear_of_end(stop_reason, false).await),
        }
        Ok(played?)
    }

    async fn hear_of_end(&mut self, stop_reason: StopReason, may_veto: bool) -> Option<String> {
        if self.ground.agent.setup.hooks.is_empty() {
            return None;
        }
        let last = self.request.messages.iter().rfind(|message| message.role == Role::Assistant);
        let text = last.map(Message::text).unwrap_or_default();
        let moment = Moment::TurnEnd { text, stop_reason, vetoes: self.vetoes, may_veto };
        self.ground.hear_hooks(moment).await.deny
    }
}
