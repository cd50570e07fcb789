//! Runs a command, shows what it prints as it prints it, and leaves nothing of it running.

use std::{
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use regex::RegexSet;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::{sync::watch, task::JoinError};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{
    Budget, Class, Context, Detached, Excerpt, Output, Progress, Proposal, Recording, TaskStatus, TimeLimit, ToolError,
    Typed,
    outputs::whole_characters,
    shortened, stopped,
    terminals::{Running, TerminalCommand},
};
use crate::{
    process::{self, Command, Exit},
    workspace::{Location, SaveOutcome},
};

/// How long a command may run when the model does not say.
const TIME_LIMIT: Duration = Duration::from_secs(120);

/// The bytes of a result, of which [`NOTES`] are for what is said of the command. Chosen: some 8,000 tokens.
const RESULT: usize = 31_000;
const NOTES: usize = 1_000;

/// The longest the model can ask for.
const LONGEST: Duration = Duration::from_secs(600);

/// The longest a command may run in the background, and how long when nobody says. Chosen: a working day's server, and a
/// build that somebody forgot.
const LONGEST_BACKGROUND: Duration = Duration::from_secs(24 * 60 * 60);
const BACKGROUND_LIMIT: Duration = Duration::from_secs(60 * 60);

pub struct Bash(pub Shell);

/// How commands are run.
#[derive(Clone, Debug, Default)]
pub struct Shell {
    /// Variables that commands must not see, beside those that [`Command::spawn`] withholds.
    pub withheld: Vec<String>,
    /// After so long a command goes on in the background; never without.
    pub background_after: Option<Duration>,
}

/// Runs a command in the shell (bash, or sh where there is none; PowerShell on Windows) and returns what it printed,
/// stdout and stderr together, with its exit code.
///
/// Each call is a new shell: `cd` and variables do not carry over. Nothing can be typed to it, stdin is closed. What it
/// leaves in the background is ended when it ends: for a server, or what takes long while you can do something else, set
/// `background` instead of using `&`. Files with unsaved changes in the editor are saved before, where
/// possible. To look at files, prefer read, grep and glob: they also see what is not saved.
///
/// Of a long output you get the head and the tail; the rest can be read with read_output.
#[derive(Deserialize, JsonSchema)]
pub struct Input {
    /// The command line or script.
    command: String,
    /// The time limit in milliseconds: 120000 if absent, at most 600000. In the background 3600000, at most 86400000.
    timeout_ms: Option<u64>,
    /// Whether it runs in the background (false if absent): the call returns at once, you are told when the command ends, and
    /// `tasks` looks after it meanwhile.
    background: Option<bool>,
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
    const DOES: &'static str = "run";
    type Input = Input;

    /// Each command has a limit of its own.
    fn time_limit(&self) -> TimeLimit {
        TimeLimit::Unlimited
    }

    async fn propose(&self, input: &Input, context: &Context) -> Result<Proposal, ToolError> {
        let folder = folder(input, context)?;
        context.prepared.keep(folder.clone());
        let place = if input.background.unwrap_or(false) { " in the background" } else { "" };
        let mut title = format!("Run{place} {}", shortened(&input.command, 100));
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
            host: None,
            diff: None,
            risk: risk(&input.command),
            alone: false,
        })
    }

    async fn run(&self, input: Input, context: &Context) -> Result<Output, ToolError> {
        let folder = match context.prepared.take::<Location>() {
            Some(folder) => folder,
            None => folder(&input, context)?,
        };
        let saved = tokio::select! {
            biased;
            () = context.cancel.cancelled() => return Err(stopped()),
            saved = context.workspace.save_unsaved() => saved,
        };
        // Before anything can be seen of the command, so that whoever sees it can move it.
        let movable = context.tasks.offer(&context.call_id);
        let child = match &context.terminals {
            Some(terminals) => {
                let (program, arguments) = process::shell();
                let arguments = arguments.iter().copied().chain([input.command.as_str()]).map(str::to_owned).collect();
                let variables = PLAIN.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
                let program = program.to_string_lossy().into_owned();
                let command = TerminalCommand { program, arguments, folder: folder.path.clone(), variables };
                tokio::select! {
                    biased;
                    () = context.cancel.cancelled() => return Err(stopped()),
                    terminal = terminals.start(&context.call_id, command) => Running::InTerminal(terminal?),
                }
            }
            None => {
                let command = Command::shell(&input.command).directory(&folder.path);
                let command = command.without(self.0.withheld.iter().cloned());
                // It takes a millisecond or more, for which nobody else should wait.
                let spawned = tokio::task::spawn_blocking(move || plain(command).spawn()).await;
                let spawned = spawned.map_err(|_| stopped())?;
                Running::Here(Box::new(spawned.map_err(|error| ToolError::new(error.to_string()))?))
            }
        };
        let limit = Limit::new(input.timeout_ms);
        let in_background = input.background.unwrap_or(false);
        let mut job =
            Job::start(child, context, stale(&saved), if in_background { limit.background() } else { limit.here() });
        let reason = if in_background {
            String::new()
        } else {
            tokio::select! {
                biased;
                attended = &mut job.work => return said_in_the_end(attended),
                () = context.cancel.cancelled() => String::new(),
                () = movable.moved() => "The person moved this command to the background. ".to_owned(),
                after = takes_long(self.0.background_after) => {
                    format!("This command was moved to the background, since it has run for {} s. ", after.as_secs_f64())
                }
            }
        };
        // Whoever cancels a turn and then what runs in the background must not miss what is just moving there.
        if context.cancel.is_cancelled() {
            job.stop.cancel();
            return said_in_the_end(job.work.await);
        }
        job.limit.send_replace(limit.background());
        Ok(job.detach(&input.command, &reason, context))
    }

    fn budget(&self) -> Option<Budget> {
        Some(Budget::store(RESULT))
    }
}

/// How long a command may run.
#[derive(Clone, Copy)]
struct Limit {
    asked: Option<Duration>,
}

impl Limit {
    fn new(milliseconds: Option<u64>) -> Self {
        Self { asked: milliseconds.filter(|asked| *asked > 0).map(Duration::from_millis) }
    }

    fn here(self) -> Duration {
        self.asked.unwrap_or(TIME_LIMIT).min(LONGEST)
    }

    fn background(self) -> Duration {
        self.asked.unwrap_or(BACKGROUND_LIMIT).min(LONGEST_BACKGROUND)
    }
}

/// A command that runs, attended to by a task of its own.
struct Job {
    work: AbortOnDropHandle<Attended>,
    /// Ends it.
    stop: CancellationToken,
    limit: watch::Sender<Duration>,
    printed: Arc<Mutex<Printed>>,
}

/// What came of a command.
struct Attended {
    end: End,
    text: String,
    /// False if there was more than the call's budget bears.
    is_shown: bool,
}

impl Job {
    fn start(child: Running, context: &Context, stale: Option<String>, limit: Duration) -> Self {
        let budget = Budget { text: context.budget.text.saturating_sub(NOTES), ..context.budget };
        let recording = context.outputs.record(&context.call_id, budget);
        let printed = Arc::new(Mutex::new(Printed { recording, live: Live::new(context.progress.clone()) }));
        let stop = CancellationToken::new();
        let (limit, limits) = watch::channel(limit);
        let attending = attend(child, printed.clone(), stop.clone(), limits, stale);
        Self { work: AbortOnDropHandle::new(tokio::spawn(attending)), stop, limit, printed }
    }

    /// Leaves it to the conversation's tasks.
    fn detach(self, command: &str, reason: &str, context: &Context) -> Output {
        let Self { work, stop, limit, printed } = self;
        let call_id = context.call_id.clone();
        let so_far = move || {
            let excerpt = lock(&printed).recording.so_far();
            if excerpt.head.is_empty() { String::new() } else { said(excerpt, &[]).0 }
        };
        let printed = so_far();
        let work = async move {
            let attended = work.await;
            drop(limit);
            match attended {
                Ok(attended) => (attended.end.status(), attended.text),
                Err(_) => (TaskStatus::Lost, "it was lost because of a mistake in Pillion".to_owned()),
            }
        };
        let title = shortened(command, 100);
        let task = context.tasks.start(Detached { call_id, title, work, stop, so_far: Arc::new(so_far) });
        let printed = if printed.is_empty() { String::new() } else { format!("\nSo far it printed:\n{printed}") };
        Output::text(format!(
            "{reason}It runs in the background as {}. You will be told when it ends; `tasks` shows what it prints and \
             cancels it.{printed}",
            task.id
        ))
    }
}

/// Takes what a command prints until it ends, or has to; leaves nothing of it running.
async fn attend(
    mut child: Running,
    printed: Arc<Mutex<Printed>>,
    stop: CancellationToken,
    mut limits: watch::Receiver<Duration>,
    stale: Option<String>,
) -> Attended {
    let running = async {
        take(&mut child, &printed).await;
        child.wait().await
    };
    let end = tokio::select! {
        biased;
        () = stop.cancelled() => End::Cancelled,
        () = out_of_time(&mut limits) => End::OutOfTime,
        exit = running => End::Exited(exit),
    };
    let survivors = child.end().await;
    // What it wrote before it was ended is still in the pipe.
    take(&mut child, &printed).await;

    let mut notes = Vec::new();
    match &end {
        End::Exited(exit) => notes.push(exit.to_string()),
        End::OutOfTime => notes.push(format!(
            "ended after the time limit of {} s; the output is what it printed until then. \
             Give a longer timeout_ms (at most {}, in the background {}) or run less",
            limits.borrow().as_secs_f64(),
            LONGEST.as_millis(),
            LONGEST_BACKGROUND.as_millis(),
        )),
        End::Cancelled => notes.push("cancelled; the output is what it printed until then".to_owned()),
    }
    if !survivors.is_empty() {
        let pids: Vec<String> = survivors.iter().map(u32::to_string).collect();
        notes.push(format!("these processes could not be ended: {}", pids.join(", ")));
    }
    notes.extend(stale);
    let mut printed = lock(&printed);
    printed.live.finish();
    let (text, is_shown) = said(printed.recording.finish(), &notes);
    Attended { end, text, is_shown }
}

async fn take(child: &mut Running, printed: &Mutex<Printed>) {
    while let Some(chunk) = child.next_output().await {
        let mut printed = lock(printed);
        printed.recording.write(&chunk.bytes);
        printed.live.report(chunk.offset, &chunk.bytes);
    }
}

/// Resolves when the limit has passed, which may be another one meanwhile.
async fn out_of_time(limits: &mut watch::Receiver<Duration>) {
    let started = tokio::time::Instant::now();
    loop {
        let limit = *limits.borrow_and_update();
        tokio::select! {
            () = tokio::time::sleep_until(started + limit) => return,
            Ok(()) = limits.changed() => {}
        }
    }
}

async fn takes_long(after: Option<Duration>) -> Duration {
    match after {
        Some(after) => {
            tokio::time::sleep(after).await;
            after
        }
        None => std::future::pending().await,
    }
}

fn said_in_the_end(attended: Result<Attended, JoinError>) -> Result<Output, ToolError> {
    match attended.map_err(|_| ToolError::new("the command was lost because of a mistake in Pillion"))? {
        Attended { end: End::Exited(_), text, is_shown: true } => Ok(Output::text(text)),
        Attended { text, .. } => Err(ToolError::new(text)),
    }
}

impl End {
    fn status(&self) -> TaskStatus {
        match self {
            Self::Exited(_) => TaskStatus::Ended,
            Self::OutOfTime => TaskStatus::TimedOut,
            Self::Cancelled => TaskStatus::Cancelled,
        }
    }
}

fn lock(printed: &Mutex<Printed>) -> MutexGuard<'_, Printed> {
    printed.lock().unwrap_or_else(PoisonError::into_inner)
}

fn folder(input: &Input, context: &Context) -> Result<Location, ToolError> {
    if input.command.trim().is_empty() {
        return Err(ToolError::new("the command is empty"));
    }
    let folder = context.workspace.resolve(input.cwd.as_deref().unwrap_or("."));
    folder.map_err(|error| ToolError::new(error.to_string()))
}

/// Asks programs for plain text that waits for nobody: no colours, no pager, no editor, no password.
const PLAIN: [(&str, &str); 7] = [
    ("TERM", "dumb"),
    ("NO_COLOR", "1"),
    ("PAGER", "cat"),
    ("GIT_PAGER", "cat"),
    ("GH_PAGER", "cat"),
    ("GIT_EDITOR", "true"),
    ("GIT_TERMINAL_PROMPT", "0"),
];

fn plain(command: Command) -> Command {
    PLAIN.into_iter().fold(command, |command, (name, value)| command.variable(name, value))
}

fn stale(saved: &SaveOutcome) -> Option<String> {
    if saved.stale.is_empty() {
        return None;
    }
    let names: Vec<&str> = saved.stale.iter().map(|location| location.shown.as_str()).collect();
    let these = names.join(", ");
    Some(format!("the command saw these files without the unsaved changes that the editor shows: {these}"))
}

/// The result as the model reads it, and whether it shows what was printed.
fn said(excerpt: Excerpt, notes: &[String]) -> (String, bool) {
    let (mut text, is_shown) = match excerpt.into_text() {
        Ok(text) => (text, true),
        Err(ToolError(message)) => (format!("[{message}]"), false),
    };
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
    (text, is_shown)
}

/// What a command printed, on its way to the person and to the model.
struct Printed {
    recording: Recording,
    live: Live,
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
