//! What a person in a terminal sees.

use std::io::{self, IsTerminal, Write};

use crate::{
    protocol::{
        Approval, ApprovalDecision, ApprovalScope, Choice, NoticeLevel, PlanStatus, Question, QuestionAnswer,
        SessionEvent, ToolStatus, Usage,
    },
    transcript,
};

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

    /// Writes a line that is about the answer and no part of it.
    fn aside(&mut self, text: &str) {
        if std::mem::take(&mut self.in_text) {
            let _ = writeln!(io::stdout());
        }
        let _ = writeln!(io::stderr(), "{text}");
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
            // What was written cannot be taken back from a terminal that may be a pipe.
            SessionEvent::Superseded => {
                self.line(Style::Yellow, "… the text above is withdrawn: the answer begins anew")
            }
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
            SessionEvent::Fallback { from, to, error } => {
                self.line(Style::Yellow, &format!("… {error} Asks {to} instead of {from}."));
            }
            SessionEvent::Notice { level, message } => {
                let style = match level {
                    NoticeLevel::Info => Style::Dim,
                    NoticeLevel::Warning => Style::Yellow,
                    NoticeLevel::Error => Style::Red,
                };
                self.line(style, message);
            }
            SessionEvent::Plan { items } => {
                for item in items {
                    let mark = match item.status {
                        PlanStatus::Pending => "[ ]",
                        PlanStatus::InProgress => "[~]",
                        PlanStatus::Completed => "[x]",
                    };
                    self.line(Style::Dim, &format!("    {mark} {}", item.text));
                }
            }
            SessionEvent::TaskStarted { task } => {
                self.line(Style::Dim, &format!("  {} runs in the background: {}", task.task_id, task.title));
            }
            SessionEvent::TaskEnded { task, text } => {
                let last = text.lines().next_back().unwrap_or_default();
                self.line(Style::Dim, &format!("  {} has ended: {} {last}", task.task_id, task.title));
            }
            SessionEvent::Nested { event, .. } => {
                // Its own words come as the result of the call it works for.
                if let SessionEvent::ToolCall { title, .. } = &**event {
                    self.line(Style::Dim, &format!("  ● {title}"));
                }
            }
            SessionEvent::Compaction { tokens_before, tokens_after, .. } => {
                let line = format!("… made the conversation shorter: {tokens_before} tokens are {tokens_after} now");
                self.line(Style::Dim, &line);
            }
            SessionEvent::TurnEnded { error, usage, .. } => {
                if let Some(error) = error {
                    self.line(Style::Red, error);
                }
                self.aside(&usage_line(usage));
            }
            SessionEvent::TurnStarted { .. }
            | SessionEvent::TurnSteered { .. }
            | SessionEvent::ToolPreparing { .. }
            | SessionEvent::ApprovalRequested { .. }
            | SessionEvent::ApprovalResolved { .. }
            | SessionEvent::QuestionAsked { .. }
            | SessionEvent::QuestionResolved { .. }
            | SessionEvent::Usage { .. }
            | SessionEvent::CommandsChanged { .. }
            | SessionEvent::ToolsChanged { .. }
            | SessionEvent::SessionConfigured { .. } => {}
        }
    }

    pub fn question(&mut self, question: &Question) {
        let who = question.agent.as_ref().map(|agent| format!("{}: ", agent.name)).unwrap_or_default();
        self.line(Style::Bold, &format!("? {who}{}", question.text));
    }

    /// What is asked, with everything that helps to decide.
    pub fn approval(&mut self, approval: &Approval) {
        let who = approval.agent.as_ref().map(|agent| format!("{}: ", agent.name)).unwrap_or_default();
        self.line(Style::Bold, &format!("? {who}{}", approval.title));
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
        for line in approval.telling_input().iter().flat_map(|input| input.lines()) {
            self.line(Style::Plain, &format!("    {line}"));
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

/// Asks on the terminal until the answer is one. Blocks; declines at the end of the input.
pub fn ask_question(question: &Question) -> QuestionAnswer {
    let mut prompt = String::new();
    for (number, Choice { label, description }) in (1..).zip(&question.choices) {
        let description = description.as_ref().map(|text| format!(" - {text}")).unwrap_or_default();
        prompt += &format!("    [{number}] {label}{description}\n");
    }
    prompt += match (question.choices.is_empty(), question.allows_text) {
        (true, _) => "  your answer, or nothing to leave it to the model > ",
        (false, true) => "  a number, words of your own, or nothing to leave it to the model > ",
        (false, false) => "  a number, or nothing to leave it to the model > ",
    };
    loop {
        let _ = write!(io::stdout(), "{prompt}");
        let _ = io::stdout().flush();
        let mut line = String::new();
        if !io::stdin().read_line(&mut line).is_ok_and(|bytes| bytes > 0) || line.trim().is_empty() {
            return QuestionAnswer::Decline;
        }
        let line = line.trim();
        match line.parse::<usize>() {
            Ok(number) if (1..=question.choices.len()).contains(&number) => {
                return QuestionAnswer::Choice { index: number - 1 };
            }
            _ if question.allows_text => return QuestionAnswer::Text { text: line.to_owned() },
            _ => {}
        }
    }
}

fn usage_line(usage: &Usage) -> String {
    let count = |tokens: Option<u64>| tokens.map_or("?".to_owned(), |tokens| tokens.to_string());
    let cached = usage.cache_read_tokens.map(|tokens| format!(", {tokens} from cache")).unwrap_or_default();
    let cost = usage.cost.map(|cost| format!(", {}", transcript::Cost::from(cost))).unwrap_or_default();
    format!("{} tokens in{cached}, {} out{cost}", count(usage.input_tokens), count(usage.output_tokens))
}
