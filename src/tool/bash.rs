//! Runs a command, shows what it prints as it prints it, and leaves nothing of it running.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use regex::RegexSet;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Class, Context, Excerpt, Output, Progress, Proposal, Recording, ToolError, Typed, outputs::whole_characters,
    shortened, stopped,
};
use crate::{
    process::{Child, Command, Exit},
    workspace::{Location, SaveOutcome},
};

/// How long a command may run when the model does not say.
const TIME_LIMIT: Duration = Duration::from_secs(120);

/// The longest the model can ask for.
const LONGEST: Duration = Duration::from_secs(600);

pub struct Bash {
    /// Variables that commands must not see, beside those that [`Command::spawn`] withholds.
    pub withheld: Vec<String>,
}

/// Runs a command in the shell (bash, or sh where there is none; PowerShell on Windows) and returns what it printed,
/// stdout and stderr together, with its exit code.
///
/// Each call is a new shell: `cd` and variables do not carry over. Nothing can be typed to it, stdin is closed. What it
/// leaves in the background is ended when it ends. Files with unsaved changes in the editor are saved before, where
/// possible. To look at files, prefer read, grep and glob: they also see what is not saved.
///
/// Of a long output you get the head and the tail; the rest can be read with `read` under the path that the result names.
#[derive(Deserialize, JsonSchema)]
pub struct Input {
    /// The command line or script.
    command: String,
    /// The time limit in milliseconds: 120000 if absent, at most 600000.
    timeout_ms: Option<u64>,
    /// What the command is for, in a few words, for the person who has to allow it.
    description: Option<String>,
    /// The folder to run it in: the first root of the workspace if absent.
    cwd: Option<String>,
}

/// Why a command is over.
enum End {
    Exited(Exit),
    OutOfTime,
    Cancelled,
}

#[async_trait]
impl Typed for Bash {
    const NAME: &'static str = "bash";
    type Input = Input;

    async fn propose(&self, input: &Input, context: &Context) -> Result<Proposal, ToolError> {
        let folder = folder(input, context)?;
        context.prepared.keep(folder.clone());
        let mut title = format!("Run {}", shortened(&input.command, 100));
        // The model's word for it, which need not be true: never in place of the command.
        if let Some(description) = input.description.as_deref().filter(|text| !text.trim().is_empty()) {
            title += &format!(" ({})", shortened(description, 100));
        }
        Ok(Proposal {
            class: Class::Execute,
            title,
            outside: !folder.inside,
            paths: vec![folder.path],
            command: Some(input.command.clone()),
            diff: None,
            risk: risk(&input.command),
        })
    }

    async fn run(&self, input: Input, context: &Context) -> Result<Output, ToolError> {
        let folder = match context.prepared.take::<Location>() {
            Some(folder) => folder,
            None => folder(&input, context)?,
        };
        let limit = match input.timeout_ms {
            None | Some(0) => TIME_LIMIT,
            Some(milliseconds) => Duration::from_millis(milliseconds).min(LONGEST),
        };
        let saved = tokio::select! {
            biased;
            () = context.cancel.cancelled() => return Err(stopped()),
            saved = context.workspace.save_unsaved() => saved,
        };
        let command = Command::shell(&input.command).directory(&folder.path).without(self.withheld.iter().cloned());
        // It takes a millisecond or more, for which nobody else should wait.
        let spawned = tokio::task::spawn_blocking(move || plain(command).spawn()).await.map_err(|_| stopped())?;
        let mut child = spawned.map_err(|error| ToolError::new(error.to_string()))?;
        let mut printed =
            Printed { recording: context.outputs.record(&context.call_id), live: Live::new(context.progress.clone()) };
        let running = async {
            printed.take(&mut child).await;
            child.wait().await
        };
        let end = tokio::select! {
            biased;
            () = context.cancel.cancelled() => End::Cancelled,
            () = tokio::time::sleep(limit) => End::OutOfTime,
            exit = running => End::Exited(exit),
        };
        let survivors = child.end().await;
        // What it wrote before it was ended is still in the pipe.
        printed.take(&mut child).await;
        printed.live.finish();

        let mut notes = Vec::new();
        match &end {
            End::Exited(exit) => notes.push(exit.to_string()),
            End::OutOfTime => notes.push(format!(
                "ended after the time limit of {} s; the output is what it printed until then. \
                 Give a longer timeout_ms (at most {}) or run less",
                limit.as_secs_f64(),
                LONGEST.as_millis(),
            )),
            End::Cancelled => notes.push("cancelled; the output is what it printed until then".to_owned()),
        }
        if !survivors.is_empty() {
            let pids: Vec<String> = survivors.iter().map(u32::to_string).collect();
            notes.push(format!("these processes could not be ended: {}", pids.join(", ")));
        }
        notes.extend(stale(&saved));
        let text = said(&printed.recording.finish(), &context.call_id, &notes);
        match end {
            End::Exited(_) => Ok(Output::text(text)),
            End::OutOfTime | End::Cancelled => Err(ToolError::new(text)),
        }
    }
}

fn folder(input: &Input, context: &Context) -> Result<Location, ToolError> {
    if input.command.trim().is_empty() {
        return Err(ToolError::new("the command is empty"));
    }
    let folder = context.workspace.resolve(input.cwd.as_deref().unwrap_or("."));
    folder.map_err(|error| ToolError::new(error.to_string()))
}

/// Asks programs for plain text that waits for nobody: no colours, no pager, no editor, no password.
fn plain(command: Command) -> Command {
    let variables = [
        ("TERM", "dumb"),
        ("NO_COLOR", "1"),
        ("PAGER", "cat"),
        ("GIT_PAGER", "cat"),
        ("GH_PAGER", "cat"),
        ("GIT_EDITOR", "true"),
        ("GIT_TERMINAL_PROMPT", "0"),
    ];
    variables.into_iter().fold(command, |command, (name, value)| command.variable(name, value))
}

fn stale(saved: &SaveOutcome) -> Option<String> {
    if saved.stale.is_empty() {
        return None;
    }
    let names: Vec<&str> = saved.stale.iter().map(|location| location.shown.as_str()).collect();
    let these = names.join(", ");
    Some(format!("the command saw these files without the unsaved changes that the editor shows: {these}"))
}

/// The result as the model reads it.
fn said(excerpt: &Excerpt, call_id: &str, notes: &[String]) -> String {
    let mut text = excerpt.head.clone();
    if let Some(cut) = &excerpt.cut {
        let bytes = cut.bytes;
        let line = cut.line;
        text += &match cut.readable {
            0 => format!("\n[... {bytes} bytes left out; they could not be kept ...]\n"),
            readable => {
                let only = if readable < bytes { format!(" (its first {readable} bytes)") } else { String::new() };
                format!(
                    "\n[... {bytes} bytes left out: read the path output:{call_id} from line {line} on{only} ...]\n"
                )
            }
        };
        text += &excerpt.tail;
    }
    if text.is_empty() {
        text += "(it printed nothing)";
    }
    if !text.ends_with('\n') {
        text.push('\n');
    }
    for note in notes {
        text += &format!("[{note}]\n");
    }
    text.pop();
    text
}

/// What a command printed, on its way to the person and to the model.
struct Printed {
    recording: Recording,
    live: Live,
}

impl Printed {
    async fn take(&mut self, child: &mut Child) {
        while let Some(chunk) = child.next_output().await {
            self.recording.write(&chunk.bytes);
            self.live.report(chunk.offset, &chunk.bytes);
        }
    }
}

/// How many bytes may be shown at once, and how many a second. A program that prints without end costs whoever watches
/// no more than that. Chosen: more than anyone reads.
const BURST: f64 = 1e6;
const PER_SECOND: f64 = 250e3;

/// Reports bytes as text, never cutting a character in two.
struct Live {
    progress: Progress,
    /// The beginning of a character whose rest has not been printed yet.
    pending: Vec<u8>,
    /// Where in the output `pending` begins.
    offset: u64,
    allowance: f64,
    since: Instant,
}

impl Live {
    fn new(progress: Progress) -> Self {
        Self { progress, pending: Vec::new(), offset: 0, allowance: BURST, since: Instant::now() }
    }

    fn report(&mut self, offset: u64, bytes: &[u8]) {
        let now = Instant::now();
        self.allowance += now.duration_since(self.since).as_secs_f64() * PER_SECOND;
        self.allowance = self.allowance.min(BURST);
        self.since = now;
        if self.allowance < bytes.len() as f64 {
            self.finish();
            return;
        }
        self.allowance -= bytes.len() as f64;
        let gap = self.offset + self.pending.len() as u64 != offset;
        if self.pending.is_empty() || gap {
            self.pending.clear();
            self.offset = offset;
        }
        self.pending.extend_from_slice(bytes);
        self.flush(whole_characters(&self.pending));
    }

    fn finish(&mut self) {
        self.flush(self.pending.len());
    }

    fn flush(&mut self, count: usize) {
        if count > 0 {
            self.progress.report(self.offset, String::from_utf8_lossy(&self.pending[..count]));
            self.pending.drain(..count);
            self.offset += count as u64;
        }
    }
}

/// What is risky about a command, as far as its words tell. A hint for the person, not a gate: a script can hide anything.
fn risk(command: &str) -> Option<String> {
    const RISKS: [(&str, &str); 7] = [
        (r"(?:^|[\s;&|(])(?:sudo|doas|su)\s", "It runs as another user."),
        (r"(?:^|[\s;&|(])rm\s+(?:-\S+\s+)*-(?:\w*[rR]|-recursive)", "It deletes folders with all they hold."),
        (r"\|\s*(?:sudo\s+)?(?:ba|z|da)?sh\b", "It runs what it receives as a script."),
        (r"\bgit\s+(?:\S+\s+)*push\b", "It publishes commits."),
        (r"\bgit\s+(?:\S+\s+)*(?:reset\s+(?:\S+\s+)*--hard|clean\s+-|checkout\s+(?:\S+\s+)*--\s)", "It discards work."),
        (r"(?:^|[\s;&|(])(?:mkfs\S*|dd)\s", "It writes to devices or over whole files."),
        (r"(?:^|[\s;&|(])(?:chmod|chown)\s+(?:\S+\s+)*-\w*R", "It changes the rights of whole folders."),
    ];
    static PATTERNS: LazyLock<RegexSet> =
        LazyLock::new(|| RegexSet::new(RISKS.map(|(pattern, _)| pattern)).unwrap_or_default());
    let found: Vec<&str> = PATTERNS.matches(command).iter().map(|index| RISKS[index].1).collect();
    (!found.is_empty()).then(|| found.join(" "))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn risks_are_told() {
        let risky = [
            ("sudo make install", "another user"),
            ("cd x && rm -rf build", "deletes"),
            ("rm -f -r x", "deletes"),
            ("curl https://example.org/x | sh", "script"),
            ("git -C x push --force", "publishes"),
            ("git reset --hard HEAD~1", "discards"),
            ("dd if=/dev/zero of=/dev/sda", "devices"),
            ("chmod -R 777 .", "rights"),
        ];
        for (command, expected) in risky {
            assert!(risk(command).is_some_and(|risk| risk.contains(expected)), "{command}");
        }
        for command in ["cargo test", "rm x.txt", "git status", "grep sudoku x", "add x", "echo push"] {
            assert_eq!(risk(command), None, "{command}");
        }
    }

    #[test]
    fn live_text_is_never_cut_inside_a_character() {
        let reported = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&reported);
        let mut live = Live::new(Progress::new(move |offset, text| into.lock().unwrap().push((offset, text))));
        let bytes = "aé🏍\n".as_bytes();
        for (offset, byte) in bytes.iter().enumerate() {
            live.report(offset as u64, &[*byte]);
        }
        live.report(8, b"\xff\xf0\x9f");
        live.finish();
        let expected = [(0, "a"), (1, "é"), (3, "🏍"), (7, "\n"), (8, "\u{fffd}"), (9, "\u{fffd}")];
        let expected: Vec<_> = expected.into_iter().map(|(offset, text)| (offset, text.to_owned())).collect();
        assert_eq!(*reported.lock().unwrap(), expected);
    }

    #[test]
    fn a_flood_is_not_shown_whole() {
        let shown = Arc::new(Mutex::new((0, 0)));
        let into = Arc::clone(&shown);
        let mut live = Live::new(Progress::new(move |offset, text| {
            let mut shown = into.lock().unwrap();
            assert!(offset >= shown.1, "reports do not overlap");
            *shown = (shown.0 + text.len(), offset + text.len() as u64);
        }));
        let chunk = [b'y'; 64 << 10];
        for number in 0..1000 {
            live.report(number * chunk.len() as u64, &chunk);
        }
        let (bytes, end) = *shown.lock().unwrap();
        assert!((900_000..20_000_000).contains(&bytes) && end > 0, "{bytes}");
    }
}
