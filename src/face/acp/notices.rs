//! What a person should know beside the conversation.
//!
//! A client that shows notices gets them at once. For another, what matters becomes a message of its own, in a turn:
//! between turns nobody expects one.

use agent_client_protocol_schema::v1::{CompactionStatus, CompactionUpdate, Notice, NoticeSeverity, SessionUpdate};

use super::{client::Client, talk::Talk};
use crate::{
    protocol::{NoticeLevel, SessionEvent},
    sidecar::LoggedEvent,
};

impl Talk {
    pub(super) fn tell_notice(&mut self, client: &Client, logged: &LoggedEvent) {
        let (level, title, more) = match &logged.event {
            SessionEvent::Notice { level, message } => (*level, message.clone(), None),
            SessionEvent::Retry { attempt, error, .. } => {
                (NoticeLevel::Info, format!("The model is asked again (try {attempt})"), Some(error.clone()))
            }
            SessionEvent::Fallback { from, to, error } => {
                (NoticeLevel::Warning, format!("{from} is too busy: {to} goes on"), Some(error.clone()))
            }
            SessionEvent::TaskEnded { task, .. } => {
                (NoticeLevel::Info, format!("Ended in the background: {}", task.title), None)
            }
            SessionEvent::Compaction { tokens_before, tokens_after, .. } if client.abilities.compaction => {
                let id = format!("{}-c{}", self.id, logged.seq);
                let summary = format!("The conversation takes {tokens_after} tokens instead of {tokens_before}.");
                let summary = vec![super::content::text(summary)];
                let update = CompactionUpdate::new(id, CompactionStatus::Completed).summary(summary);
                return self.update(client, SessionUpdate::CompactionUpdate(update));
            }
            SessionEvent::Compaction { tokens_before, tokens_after, .. } => {
                let what = format!("The conversation was made shorter: {tokens_before} tokens to {tokens_after}");
                (NoticeLevel::Info, what, None)
            }
            _ => return,
        };
        self.notify(client, level, title, more);
    }

    /// Tells the person something, at once or with the next turn.
    pub(super) fn notify(&mut self, client: &Client, level: NoticeLevel, title: String, more: Option<String>) {
        if client.abilities.notices {
            let severity = match level {
                NoticeLevel::Info => NoticeSeverity::Info,
                NoticeLevel::Warning => NoticeSeverity::Warning,
                NoticeLevel::Error => NoticeSeverity::Error,
            };
            return self.update(client, SessionUpdate::Notice(Notice::new(severity, title).description(more)));
        }
        if level == NoticeLevel::Info {
            return;
        }
        self.untold.push(more.map_or_else(|| title.clone(), |more| format!("{title}. {more}")));
        if self.is_running() {
            self.tell_untold(client);
        }
    }

    pub(super) fn tell_untold(&mut self, client: &Client) {
        for message in std::mem::take(&mut self.untold) {
            self.message += 1;
            let chunk = self.chunk(format!("> {}\n\n", message.replace('\n', "\n> ")), self.message_id("-notice"));
            self.update(client, SessionUpdate::AgentMessageChunk(chunk));
            self.message += 1;
        }
    }
}
