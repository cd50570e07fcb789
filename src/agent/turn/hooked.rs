//! What hooks have to say of a turn's beginning and end.

use std::collections::HashSet;

use super::{Content, Event, Message, ProviderError, Role, Staged, StopReason, Turn, TurnError};
use crate::agent::{
    NoticeLevel,
    hook::{MOST_VETOES, Moment},
    said::{HOOKS_SAY, NOT_OVER, is_prompt, said},
};

impl Turn<'_> {
    /// Whether hooks hear what is said in it and how it ends. Of a nested turn, they hear what its calls do.
    pub(super) fn is_heard(&self) -> bool {
        let agent = &self.ground.agent.setup;
        agent.depth == 0 && !agent.hooks.is_empty()
    }

    pub(super) async fn hear_start(&mut self) -> Result<(), TurnError> {
        // More than the prompt, where a former turn ended before the model answered.
        let answered = self.request.messages.iter().rposition(|message| message.role == Role::Assistant);
        self.hear_said(answered.map_or(0, |last| last + 1), false).await.map_err(TurnError::Hook)
    }

    /// The person has said something to the running turn, from this message on. True if the model may read some of it.
    pub(super) async fn hear_steering(&mut self, since: usize) -> bool {
        let Err(reason) = self.hear_said(since, true).await else { return true };
        let message = format!("What you said does not reach the model: a hook denied it: {reason}");
        self.ground.emit(Event::Notice { level: NoticeLevel::Warning, message }).await;
        self.request.messages.iter().skip(since).any(is_prompt)
    }

    /// Asks about each thing that the person said from this message on. What is denied is taken out; the error is the
    /// reason.
    async fn hear_said(&mut self, since: usize, steers: bool) -> Result<(), String> {
        if !self.is_heard() {
            return Ok(());
        }
        let said_by_person = |(index, message): (usize, &Message)| {
            let content = said(message).into_iter().cloned().collect();
            is_prompt(message).then_some((index, Message { role: Role::User, content }))
        };
        let prompts: Vec<_> = self.request.messages.iter().enumerate().skip(since).filter_map(said_by_person).collect();
        let (mut context, mut denied, mut why) = (Vec::new(), Vec::new(), None);
        for (index, prompt) in prompts {
            let heard = self.ground.hear_hooks(Moment::TurnStart { prompt, steers }).await;
            match heard.deny {
                Some(reason) => {
                    denied.push(index);
                    why.get_or_insert(reason);
                }
                None => context.extend(heard.context),
            }
        }
        if !denied.is_empty() {
            self.take_out(&denied).await;
        }
        context.dedup();
        // A turn that does not begin leaves nothing of theirs: they are asked again with the next.
        if !context.is_empty() && (steers || why.is_none()) {
            self.append(Message::user(format!("{HOOKS_SAY}\n{}", context.join("\n")))).await;
        }
        why.map_or(Ok(()), Err)
    }

    /// Takes out what the person said in these messages.
    async fn take_out(&mut self, denied: &[usize]) {
        let mut messages = self.request.messages.clone();
        for index in denied {
            messages[*index].content.retain(|part| matches!(part, Content::ToolResult(_)));
        }
        messages.retain(|message| !message.content.is_empty());
        // Files that a prompt points to are shown by no call.
        self.ground.scope.seen.forget(&HashSet::from([String::new()]));
        self.keep(Staged { messages: Some(messages), ..Staged::default() }).await;
    }

    /// The model has ended its turn. True if a hook wants it to go on, and it can.
    pub(super) async fn hear_veto(&mut self, stop_reason: StopReason) -> bool {
        let may_veto = self.may_go_on() && self.vetoes < MOST_VETOES;
        let Some(reason) = self.hear_of_end(stop_reason, may_veto).await else { return false };
        if !may_veto {
            let message = format!("The turn ends although a hook objects ({reason}): it has gone on for long enough.");
            self.ground.emit(Event::Notice { level: NoticeLevel::Warning, message }).await;
            return false;
        }
        self.vetoes += 1;
        self.append(Message::user(format!("{NOT_OVER} {reason}]"))).await;
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
        if !self.is_heard() {
            return None;
        }
        let last = self.request.messages.iter().rfind(|message| message.role == Role::Assistant);
        let text = last.map(Message::text).unwrap_or_default();
        let moment = Moment::TurnEnd { text, stop_reason, vetoes: self.vetoes, may_veto };
        self.ground.hear_hooks(moment).await.deny
    }
}
