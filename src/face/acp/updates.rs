//! What happens in a session, as `session/update`s.

use agent_client_protocol_schema::v1::{
    AvailableCommand, AvailableCommandInput, AvailableCommandsUpdate, ConfigOptionUpdate, ContentChunk, Cost,
    CurrentModeUpdate, MessageId, Plan, PlanEntry, PlanEntryPriority, PlanEntryStatus, SessionInfoUpdate,
    SessionUpdate, UnstructuredCommandInput, UsageUpdate,
};

use super::{
    calls::Surroundings,
    client::Client,
    content,
    options::{Settings, mode_id},
    talk::Talk,
};
use crate::{
    protocol::{self, CommandInfo, ContentBlock, ContextUse, PlanItem, PlanStatus, SessionEvent, Usage},
    sidecar::LoggedEvent,
    store::title,
};

impl Talk {
    /// Tells the client of an event. Of the past only the conversation is told.
    pub(super) fn tell(&mut self, client: &Client, logged: &LoggedEvent, is_past: bool) {
        match &logged.event {
            SessionEvent::TurnStarted { turn_id, prompt, .. } => self.begin(client, turn_id, prompt, is_past),
            SessionEvent::TurnSteered { prompt, .. } => {
                self.message += 1;
                if !std::mem::take(&mut self.has_steered) {
                    self.tell_prompt(client, prompt);
                }
                self.message += 1;
            }
            SessionEvent::MessageDelta { text } => {
                self.update(client, SessionUpdate::AgentMessageChunk(self.chunk(text, self.message_id(""))));
            }
            SessionEvent::ReasoningDelta { text } => {
                self.update(client, SessionUpdate::AgentThoughtChunk(self.chunk(text, self.message_id("-thought"))));
            }
            // What is withdrawn cannot be taken back here; what follows is another message.
            SessionEvent::Superseded => self.message += 1,
            SessionEvent::Usage { round, context, .. } => {
                self.message += 1;
                self.note_usage(round, context.as_ref());
                if !is_past {
                    self.tell_usage(client);
                }
            }
            SessionEvent::Plan { items } => self.update(client, SessionUpdate::Plan(plan(items))),
            SessionEvent::SessionConfigured { model, mode, limits } if !is_past => {
                self.tell_settings(client, Settings { model: model.clone(), mode: *mode, limits: *limits });
            }
            SessionEvent::SessionRenamed { title } => {
                self.title.clone_from(title);
                let update = SessionInfoUpdate::new().title(title.clone());
                self.update(client, SessionUpdate::SessionInfoUpdate(update));
            }
            SessionEvent::CommandsChanged { commands } if !is_past => self.tell_commands(client, commands),
            SessionEvent::TurnEnded { turn_id, stop_reason, error, .. } => {
                self.end(client, turn_id, *stop_reason, error.as_deref());
            }
            SessionEvent::ToolCall { .. }
            | SessionEvent::ToolProgress { .. }
            | SessionEvent::ToolResult { .. }
            | SessionEvent::ApprovalRequested { .. }
            | SessionEvent::ApprovalResolved { .. }
            | SessionEvent::Nested { .. } => {
                let turn_id = self.turn.clone().unwrap_or_default();
                let around = Surroundings { turn_id: &turn_id, roots: &self.roots, is_past, client };
                if let Some(update) = self.calls.take(&logged.event, &around) {
                    self.update(client, update);
                }
            }
            SessionEvent::Retry { .. }
            | SessionEvent::Fallback { .. }
            | SessionEvent::Notice { .. }
            | SessionEvent::Compaction { .. }
            | SessionEvent::TaskEnded { .. } => {
                if !is_past {
                    self.tell_notice(client, logged);
                }
            }
            SessionEvent::SessionConfigured { .. }
            | SessionEvent::Changes { .. }
            | SessionEvent::CommandsChanged { .. }
            | SessionEvent::ToolPreparing { .. }
            | SessionEvent::QuestionAsked { .. }
            | SessionEvent::QuestionResolved { .. }
            | SessionEvent::TaskStarted { .. }
            | SessionEvent::ToolsChanged { .. } => {}
        }
    }

    fn begin(&mut self, client: &Client, turn_id: &str, prompt: &[ContentBlock], is_past: bool) {
        self.turn = Some(turn_id.into());
        self.message = 0;
        self.calls.clear();
        if !self.is_ours(turn_id) {
            self.tell_prompt(client, prompt);
        }
        self.message += 1;
        if is_past {
            return;
        }
        if self.title.is_empty() {
            self.title = title(prompt);
            let update = SessionInfoUpdate::new().title(self.title.clone());
            self.update(client, SessionUpdate::SessionInfoUpdate(update));
        }
        self.tell_untold(client);
    }

    fn tell_prompt(&self, client: &Client, prompt: &[ContentBlock]) {
        for block in prompt {
            let chunk = ContentChunk::new(content::shown(block, |path| self.roots.uri(path)));
            self.update(client, SessionUpdate::UserMessageChunk(chunk.message_id(self.message_id(""))));
        }
    }

    /// What the running turn's current message is called.
    pub(super) fn message_id(&self, kind: &str) -> MessageId {
        MessageId::new(format!("{}-m{}{kind}", self.turn.as_deref().unwrap_or(&self.id), self.message))
    }

    pub(super) fn tell_commands(&self, client: &Client, commands: &[CommandInfo]) {
        let commands = commands.iter().map(|command| {
            let input = command
                .arguments
                .as_ref()
                .map(|hint| AvailableCommandInput::Unstructured(UnstructuredCommandInput::new(hint.clone())));
            AvailableCommand::new(&command.name, &command.description).input(input)
        });
        let update = AvailableCommandsUpdate::new(commands.collect());
        self.update(client, SessionUpdate::AvailableCommandsUpdate(update));
    }

    /// Tells what is set otherwise than the client knows it.
    pub(super) fn tell_settings(&mut self, client: &Client, settings: Settings) {
        let known = std::mem::replace(&mut self.settings, settings);
        if known.mode != self.settings.mode {
            self.tell_mode(client);
        }
        if known != self.settings {
            self.tell_options(client);
        }
    }

    pub(super) fn tell_mode(&self, client: &Client) {
        let update = CurrentModeUpdate::new(mode_id(self.settings.mode));
        self.update(client, SessionUpdate::CurrentModeUpdate(update));
    }

    pub(super) fn tell_options(&self, client: &Client) {
        let update = ConfigOptionUpdate::new(self.options());
        self.update(client, SessionUpdate::ConfigOptionUpdate(update));
    }

    fn note_usage(&mut self, round: &Usage, context: Option<&ContextUse>) {
        if let Some(protocol::Cost { nano_dollars, at_least }) = round.cost {
            let known = self.cost.get_or_insert(protocol::Cost { nano_dollars: 0, at_least: false });
            known.nano_dollars = known.nano_dollars.saturating_add(nano_dollars);
            known.at_least |= at_least;
        }
        self.context = context.copied().or(self.context);
    }

    /// How full the model's context is, where it is known how much goes in.
    pub(super) fn tell_usage(&self, client: &Client) {
        let Some(ContextUse { tokens, window: Some(window), .. }) = self.context else { return };
        // A cost that is known in part only would be taken for the whole.
        let cost = self.cost.filter(|cost| !cost.at_least);
        let cost = cost.map(|cost| Cost::new(cost.nano_dollars as f64 / 1e9, "USD"));
        self.update(client, SessionUpdate::UsageUpdate(UsageUpdate::new(tokens, window).cost(cost)));
    }
}

fn plan(items: &[PlanItem]) -> Plan {
    let entries = items.iter().map(|PlanItem { text, status }| {
        let status = match status {
            PlanStatus::Pending => PlanEntryStatus::Pending,
            PlanStatus::InProgress => PlanEntryStatus::InProgress,
            PlanStatus::Completed => PlanEntryStatus::Completed,
        };
        PlanEntry::new(text, PlanEntryPriority::Medium, status)
    });
    Plan::new(entries.collect())
}
