//! What a person in a terminal sees.

use std::io::{self, IsTerminal, Write};

use crate::protocol::{Approval, ApprovalDecision, ApprovalScope, NoticeLevel, SessionEvent, ToolStatus, Usage};

/// Writes for people: in colour on a terminal, unless `NO_COLOR` is set.
pub struct Screen {
    colour: bool,
    /// True while a line of the model's answer is open.
    in_text: bool,
}

#[derive(Clone, Copy)]
pub enum Style {
    Plain,
    Dim,
    Bold,
    Red,
    Green,
    Yellow,
    Blue,
}

impl Screen {
    pub fn new() -> Self {
        let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { colour, in_text: false }
    }

    /// `text` in a style, for use inside a line.
    pub fn paint(&self, style: Style, text: &str) -> String {
        let code = match style {
            Style::Plain => return text.to_owned(),
            Style::Dim => "2",
            Style::Bold => "1",
            Style::Red => "31",
            Style::Green => "32",
            Style::Yellow => "33",
            Style::Blue => "34",
        };
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Writes whole lines; an open line of the answer is ended first.
    pub fn line(&mut self, style: Style, text: &str) {
        let end = if std::mem::take(&mut self.in_text) { "\n" } else { "" };
        let lines: String = text.lines().map(|line| self.paint(style, line) + "\n").collect();
        // A closed pipe ends what is shown, not the work.
        let _ = write!(io::stdout(), "{end}{lines}");
        let _ = io::stdout().flush();
    }

    /// Writes a piece of the model's answer.
    pub fn text(&mut self, style: Style, text: &str) {
        let _ = write!(io::stdout(), "{}", self.paint(style, text));
        let _ = io::stdout().flush();
        self.in_text = !text.ends_with('\n');
    }

    /// A diff, coloured as people expect.
    pub fn diff(&mut self, unified: &str) {
        for line in unified.lines() {
            let style = match line.as_bytes().first() {
                Some(b'+') => Style::Green,
                Some(b'-') => Style::Red,
                Some(b'@') => Style::Blue,
                _ => Style::Plain,
            };
            self.line(style, &format!("    {line}"));
        }
    }

    pub fn event(&mut self, event: &SessionEvent) {
        match event {
            SessionEvent::MessageDelta { text } => self.text(Style::Plain, text),
            SessionEvent::ReasoningDelta { text } => self.text(Style::Dim, text),
            SessionEvent::ToolCall { title, .. } => self.line(Style::Blue, &format!("● {title}")),
            SessionEvent::ToolProgress { text, .. } => self.text(Style::Dim, text),
            SessionEvent::ToolResult { status, text, .. } => {
                let first = text.lines().next().unwrap_or_default();
                match status {
                    ToolStatus::Ok => self.line(Style::Green, "  ✓ done"),
                    ToolStatus::Failed => self.line(Style::Red, &format!("  ✗ failed: {first}")),
                    ToolStatus::Denied => self.line(Style::Yellow, &format!("  ✗ denied: {first}")),
                    ToolStatus::Cancelled => self.line(Style::Yellow, "  ✗ cancelled"),
                }
            }
            SessionEvent::Retry { attempt, delay_ms, error } => {
                let seconds = *delay_ms as f64 / 1000.0;
                self.line(Style::Yellow, &format!("… {error} Try {attempt} in {seconds:.1} s."));
            }
            SessionEvent::Notice { level, message } => {
                let style = match level {
                    NoticeLevel::Info => Style::Dim,
                    NoticeLevel::Warning => Style::Yellow,
                    NoticeLevel::Error => Style::Red,
                };
                self.line(style, message);
            }
            SessionEvent::TurnEnded { error: Some(error), .. } => self.line(Style::Red, error),
            SessionEvent::TurnEnded { usage, .. } => self.line(Style::Dim, &usage_line(usage)),
            SessionEvent::TurnStarted { .. }
            | SessionEvent::TurnSteered { .. }
            | SessionEvent::ApprovalRequested { .. }
            | SessionEvent::ApprovalResolved { .. }
            | SessionEvent::Usage { .. }
            | SessionEvent::SessionConfigured { .. } => {}
        }
    }

    /// What is asked, with everything that helps to decide.
    pub fn approval(&mut self, approval: &Approval) {
        self.line(Style::Bold, &format!("? {}", approval.title));
        if let Some(command) = &approval.command {
            self.line(Style::Plain, &format!("    $ {command}"));
        }
        if approval.outside {
            self.line(Style::Yellow, &format!("    outside the project: {}", approval.paths.join(", ")));
        }
        if let Some(risk) = &approval.risk {
            self.line(Style::Yellow, &format!("    {risk}"));
        }
        if let Some(diff) = &approval.diff {
            self.diff(&diff.unified);
        }
    }
}

/// Asks on the terminal until the answer is one. Blocks; `None` at the end of the input.
pub fn ask(approval: &Approval) -> Option<ApprovalDecision> {
    let rules = approval.rules.join(", ");
    let session = if rules.is_empty() { String::new() } else { format!(", [s] yes to {rules} in this session") };
    loop {
        let _ = write!(io::stdout(), "  [y] yes, once{session}, [n REASON] no, [c] no, and stop the turn > ");
        let _ = io::stdout().flush();
        let mut line = String::new();
        if io::stdin().read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim();
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let allow = |scope| Some(ApprovalDecision::Allow { scope, input: None, hunks: None });
        match word.to_lowercase().as_str() {
            "y" | "yes" => return allow(ApprovalScope::Once),
            "s" if !rules.is_empty() => return allow(ApprovalScope::Session),
            "n" | "no" => {
                let reason = (!rest.is_empty()).then(|| rest.trim().to_owned());
                return Some(ApprovalDecision::Deny { reason });
            }
            "c" => return Some(ApprovalDecision::CancelTurn),
            _ => {}
        }
    }
}

fn usage_line(usage: &Usage) -> String {
    let count = |tokens: Option<u64>| tokens.map_or("?".to_owned(), |tokens| tokens.to_string());
    let cached = usage.cache_read_tokens.map(|tokens| format!(", {tokens} from cache")).unwrap_or_default();
    format!("{} tokens in{cached}, {} out", count(usage.input_tokens), count(usage.output_tokens))
}
