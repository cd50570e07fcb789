//! A conversation as Markdown.

use std::fmt::Write;

use crate::protocol::{
    ApprovalOutcome, ContentBlock, NoticeLevel, PlanStatus, QuestionAnswer, QuestionOutcome, SessionEvent, SessionInfo,
    ToolStatus,
};

/// The whole conversation, in the order in which it happened.
pub fn markdown(session: &SessionInfo, events: impl Iterator<Item = SessionEvent>) -> String {
    let mut page = Page::default();
    let title = if session.title.is_empty() { &session.session_id } else { &session.title };
    page.block(&format!("# {title}"));
    let SessionInfo { session_id, model, roots, .. } = session;
    page.block(&format!("Session `{session_id}` with {model} in {}.", roots.join(", ")));
    for event in events {
        page.event(event);
    }
    page.end_answer();
    page.text
}

/// What a prompt says, in words.
pub fn words(prompt: &[ContentBlock]) -> String {
    let blocks = prompt.iter().map(|block| match block {
        ContentBlock::Text { text } => text.clone(),
        ContentBlock::Comment { path, line, text } => format!("[{path}:{line}] {text}"),
        ContentBlock::Command { name, arguments } => format!("/{name} {arguments}").trim_end().to_owned(),
        ContentBlock::File { path } | ContentBlock::Folder { path } => format!("[{path}]"),
        ContentBlock::Range { path, start_line, end_line }
        | ContentBlock::Selection { path, start_line, end_line, .. } => format!("[{path}:{start_line}-{end_line}]"),
        ContentBlock::Symbol { path, name, .. } => format!("[{name} in {path}]"),
        ContentBlock::Resource { uri, .. } => format!("[{uri}]"),
        ContentBlock::Url { url } => format!("[{url}]"),
        ContentBlock::Diagnostics { problems } => format!("[{} problems]", problems.len()),
        ContentBlock::Image { .. } => "[an image]".to_owned(),
    });
    blocks.collect::<Vec<_>>().join("\n\n")
}

#[derive(Default)]
struct Page {
    text: String,
    /// What the model is saying, which may still be withdrawn.
    answer: String,
    reasoning: String,
    /// The titles of the calls that have no result yet.
    calls: Vec<(String, String)>,
}

impl Page {
    fn block(&mut self, block: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(block.trim_end());
        self.text.push('\n');
    }

    fn end_answer(&mut self) {
        let (reasoning, answer) = (std::mem::take(&mut self.reasoning), std::mem::take(&mut self.answer));
        if !reasoning.trim().is_empty() {
            self.folded("Reasoning", &reasoning);
        }
        if !answer.trim().is_empty() {
            self.block(&answer);
        }
    }

    fn folded(&mut self, title: &str, text: &str) {
        self.block(&format!("<details><summary>{}</summary>", escaped(title)));
        let fence = fence(text);
        self.block(&format!("{fence}text\n{}\n{fence}", text.trim_end()));
        self.block("</details>");
    }

    fn event(&mut self, event: SessionEvent) {
        match event {
            SessionEvent::MessageDelta { text } => return self.answer.push_str(&text),
            SessionEvent::ReasoningDelta { text } => return self.reasoning.push_str(&text),
            SessionEvent::Superseded => {
                self.answer.clear();
                return self.reasoning.clear();
            }
            // Output that is still coming comes whole as the result.
            SessionEvent::ToolProgress { .. } | SessionEvent::ToolPreparing { .. } => return,
            _ => self.end_answer(),
        }
        match event {
            SessionEvent::TurnStarted { prompt, .. } => {
                self.block("## You");
                self.block(&words(&prompt));
                self.block("## Pillion");
            }
            SessionEvent::TurnSteered { prompt, .. } => self.quoted("You", &words(&prompt)),
            SessionEvent::ToolCall { call_id, title, .. } => self.calls.push((call_id, title)),
            SessionEvent::ToolResult { call_id, status, text, diff } => {
                let known = self.calls.iter().position(|(id, _)| *id == call_id);
                let title = known.map_or(call_id, |index| self.calls.remove(index).1);
                let how = match status {
                    ToolStatus::Ok => "",
                    ToolStatus::Failed => " (failed)",
                    ToolStatus::Denied => " (denied)",
                    ToolStatus::Cancelled => " (cancelled)",
                };
                match diff {
                    Some(diff) => {
                        self.block(&format!("**{title}**{how}"));
                        let fence = fence(&diff.unified);
                        self.block(&format!("{fence}diff\n{}\n{fence}", diff.unified.trim_end()));
                    }
                    None => self.folded(&format!("{title}{how}"), &text),
                }
            }
            SessionEvent::ApprovalResolved { outcome: ApprovalOutcome::Denied { reason: Some(reason) }, .. } => {
                self.quoted("You denied it", &reason);
            }
            SessionEvent::ApprovalResolved { outcome: ApprovalOutcome::Nobody { reason }, .. } => {
                self.quoted("Nobody could be asked", &reason);
            }
            SessionEvent::QuestionAsked { question } => self.quoted("Pillion asks", &question.text),
            SessionEvent::QuestionResolved { outcome: QuestionOutcome::Answered { answer }, .. } => {
                let said = match answer {
                    QuestionAnswer::Choice { index } => format!("choice {}", index + 1),
                    QuestionAnswer::Text { text } => text,
                    QuestionAnswer::Decline => "you decide".to_owned(),
                };
                self.quoted("You", &said);
            }
            SessionEvent::Plan { items } => {
                let mut list = String::new();
                for item in items {
                    let mark = if item.status == PlanStatus::Completed { 'x' } else { ' ' };
                    // Writing to a string cannot fail.
                    let _ = writeln!(list, "- [{mark}] {}", item.text);
                }
                self.block(&list);
            }
            SessionEvent::Notice { level, message } => {
                let who = match level {
                    NoticeLevel::Info => "Note",
                    NoticeLevel::Warning => "Warning",
                    NoticeLevel::Error => "Error",
                };
                self.quoted(who, &message);
            }
            SessionEvent::TaskEnded { task, text } => self.folded(&format!("{} ({})", task.title, task.task_id), &text),
            SessionEvent::Compaction { .. } => self.quoted("Note", "The conversation was made shorter for the model."),
            SessionEvent::TurnEnded { error: Some(error), .. } => self.quoted("Error", &error),
            _ => {}
        }
    }

    fn quoted(&mut self, who: &str, text: &str) {
        let lines = text.lines().map(|line| format!("> {line}").trim_end().to_owned());
        let quote = lines.collect::<Vec<_>>().join("\n");
        self.block(&format!("> **{who}:**\n{quote}"));
    }
}

/// Longer than any run of backticks in the text.
fn fence(text: &str) -> String {
    let (mut longest, mut run) = (0, 0);
    for letter in text.chars() {
        run = if letter == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    "`".repeat(3.max(longest + 1))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
