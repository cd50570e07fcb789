//! Starting programs, and ending them with everything they started. No other room starts a process.
//!
//! A [`Command`] runs in a session of its own with nothing on its stdin, never with the sidecar's stdin, stdout or
//! stderr, and without the secrets of the sidecar's environment (see [`Command::spawn`]). [`Child::end`] ends it and
//! all its descendants: on Linux also those that left its session and its process group, since this process adopts
//! orphans (`PR_SET_CHILD_SUBREAPER`) and knows its own by ancestry, by a mark in their environment and by the pipe they
//! hold. Elsewhere on Unix it is the process group and a walk of the descendants, on Windows a job object.
//!
//! No child outlives this process. [`end_all`] is the orderly way; when the sidecar itself is killed, a watchdog (a
//! shell that waits for its stdin to close) kills what was running. `PR_SET_PDEATHSIG` is not used: it fires when the
//! *thread* that started a child ends, which an async runtime does not promise to keep, and it reaches the child only.
//!
//! What clears its environment, leaves its session, closes its output and forks away cannot be told from what else this
//! process may have started. A program that starts processes in no other way calls [`claim_orphans`], and then these
//! are ended, too, with the last command that runs.
#![expect(clippy::disallowed_methods, reason = "this is the one room that starts processes, and reads /proc")]

mod argument;
mod environment;
mod pipe;
mod tree;

#[cfg(unix)]
mod table;
#[cfg(unix)]
mod watchdog;

#[cfg(test)]
mod tests;

use std::{
    ffi::{OsStr, OsString},
    fmt, io,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::AsyncReadExt,
    process::{ChildStderr, ChildStdin, ChildStdout},
    time::{Instant, timeout},
};

pub use argument::{Expected, Held};
pub use environment::{HIDDEN, names_secret, secrets};
use pipe::Pipe;
use tree::Tree;

/// How long output is awaited after the program itself ended: a grandchild in the background may hold the pipe for
/// ever. Measured: what the program wrote is in the pipe when its end is seen, so this is generous.
const LINGER: Duration = Duration::from_millis(100);

/// More than any process has above it.
#[cfg(unix)]
const ANCESTORS_MAX: usize = 1000;

/// The most that is taken from the pipe after [`LINGER`]: the largest pipe that Linux lets an ordinary user make.
const LINGER_BYTES: usize = 1 << 20;

/// What [`capture`] keeps of each stream.
const CAPTURE_BYTES: u64 = 1 << 20;

/// A program to start.
#[derive(Clone, Debug)]
pub struct Command {
    program: OsString,
    arguments: Vec<OsString>,
    directory: Option<PathBuf>,
    variables: Vec<(OsString, OsString)>,
    withheld: Vec<String>,
    with_secrets: bool,
}

/// A started program. Dropping it ends it, and everything it started, in the background.
pub struct Child {
    process: Option<tokio::process::Child>,
    tree: Arc<Tree>,
    output: Option<Pipe>,
    offset: u64,
    exit: Option<(Exit, Instant)>,
    late: usize,
}

/// A started program that is spoken to over its stdin and stdout. Its stderr must be read too, lest it blocks.
pub struct Dialog {
    pub child: Child,
    pub stdin: ChildStdin,
    pub stdout: ChildStdout,
    pub stderr: ChildStderr,
}

/// A piece of what a program printed, stdout and stderr merged in the order of arrival.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Bytes printed before this piece.
    pub offset: u64,
    pub bytes: Bytes,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Code(i32),
    /// The number of the signal that ended it.
    Signal(i32),
}

/// What a short command printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    pub exit: Exit,
    /// The first MiB.
    pub stdout: Vec<u8>,
    /// The first MiB.
    pub stderr: Vec<u8>,
}

/// A program could not be started, or did not end in time.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    #[error("`{program}` was not found; is it installed and on the PATH?")]
    NotFound { program: String },
    #[error("cannot run in {}: there is no such folder", directory.display())]
    NoDirectory { directory: PathBuf },
    #[error("`{program}` could not be started: {source}")]
    Start { program: String, source: io::Error },
    #[error("`{program}` did not end within {} s and was ended", limit.as_secs_f32())]
    TimedOut { program: String, limit: Duration },
}

impl Command {
    pub fn new(program: impl Into<OsString>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            directory: None,
            variables: Vec::new(),
            withheld: Vec::new(),
            with_secrets: false,
        }
    }

    /// A script for the shell: `bash` where the PATH has one, else `sh`; PowerShell on Windows.
    pub fn shell(script: impl Into<OsString>) -> Self {
        let (program, arguments) = shell();
        Self::new(program).args(arguments.iter().copied()).arg(script)
    }

    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    pub fn args<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// The folder it runs in; this process's own when absent.
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Sets a variable, whatever its name: this is said after anything is withheld.
    pub fn variable(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Withholds these variables of this process's environment, beside those that [`Command::spawn`] names.
    pub fn without(mut self, names: impl IntoIterator<Item = String>) -> Self {
        self.withheld.extend(names);
        self
    }

    /// Passes the whole environment on. For what the person configured themselves, such as `api_key_command`, never for
    /// what a model asked for.
    pub fn with_secrets(mut self) -> Self {
        self.with_secrets = true;
        self
    }

    /// Starts it. Needs a Tokio runtime.
    ///
    /// Of this process's environment it gets everything but the variables named in [`Command::without`], those that end
    /// in `_API_KEY`, `_TOKEN` or `_SECRET`, and those that begin with `PILLION_` and hold `KEY`, in any case.
    /// `PILLION_CALL` is set to a mark by which its descendants are known.
    pub fn spawn(self) -> Result<Child, ProcessError> {
        let start_error = |source| self.start_error(source);
        let (reader, writer) = io::pipe().map_err(start_error)?;
        let output = Pipe::new(reader).map_err(start_error)?;
        let other_writer = writer.try_clone().map_err(start_error)?;
        let mut child = self.start(Stdio::null(), other_writer.into(), writer.into(), output.inode())?;
        child.output = Some(output);
        Ok(child)
    }

    /// Starts it to speak to it; otherwise as [`Command::spawn`].
    pub fn dialog(self) -> Result<Dialog, ProcessError> {
        let mut child = self.start(Stdio::piped(), Stdio::piped(), Stdio::piped(), None)?;
        let process = child.process.as_mut();
        let pipes =
            process.and_then(|process| Some((process.stdin.take()?, process.stdout.take()?, process.stderr.take()?)));
        let Some((stdin, stdout, stderr)) = pipes else {
            return Err(self.start_error(io::Error::other("its pipes are missing")));
        };
        Ok(Dialog { child, stdin, stdout, stderr })
    }

    fn start(&self, stdin: Stdio, stdout: Stdio, stderr: Stdio, pipe: Option<u64>) -> Result<Child, ProcessError> {
        if let Some(directory) = &self.directory
            && !directory.is_dir()
        {
            return Err(ProcessError::NoDirectory { directory: directory.clone() });
        }
        // The command is dropped on return, and with it our copies of the child's ends of the pipes.
        let mut command = tokio::process::Command::new(&self.program);
        command.args(&self.arguments).stdin(stdin).stdout(stdout).stderr(stderr);
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        if !self.with_secrets {
            for name in environment::withheld(&self.withheld) {
                command.env_remove(name);
            }
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        let (process, tree) = Tree::start(command, pipe).map_err(|source| self.start_error(source))?;
        Ok(Child { process: Some(process), tree, output: None, offset: 0, exit: None, late: 0 })
    }

    fn start_error(&self, source: io::Error) -> ProcessError {
        let program = self.program.to_string_lossy().into_owned();
        match source.kind() {
            io::ErrorKind::NotFound => ProcessError::NotFound { program },
            _ => ProcessError::Start { program, source },
        }
    }
}

impl Child {
    /// The next piece of output; `None` when there is no more. Waits for the program's end and then at most 100 ms,
    /// though a background process may still hold the pipe. Safe to drop and call again.
    pub async fn next_output(&mut self) -> Option<Chunk> {
        loop {
            let output = self.output.as_mut()?;
            let deadline = self.exit.map(|(_, at)| at + LINGER);
            let bytes = tokio::select! {
                bytes = output.read() => bytes,
                exit = wait(&mut self.process), if deadline.is_none() => {
                    self.exit = Some((exit, Instant::now()));
                    continue;
                }
                () = sleep_until(deadline), if deadline.is_some() => {
                    let bytes = output.try_read().filter(|_| self.late < LINGER_BYTES);
                    self.late += bytes.as_ref().map_or(0, Bytes::len);
                    bytes
                }
            };
            let Some(bytes) = bytes else {
                self.output = None;
                return None;
            };
            let offset = self.offset;
            self.offset += bytes.len() as u64;
            return Some(Chunk { offset, bytes });
        }
    }

    /// Waits for the end of the program itself, not of what it left in the background.
    pub async fn wait(&mut self) -> Exit {
        if let Some((exit, _)) = self.exit {
            return exit;
        }
        let exit = wait(&mut self.process).await;
        self.exit = Some((exit, Instant::now()));
        exit
    }

    /// Ends the program, if it still runs, and everything it started: SIGTERM, 300 ms later SIGKILL, until none is left.
    /// Returns the ids of those that the system would not let go within 2 s; empty in all but odd cases.
    pub async fn end(&mut self) -> Vec<u32> {
        let survivors = self.tree.end().await;
        // It is dead unless it survived, and then its output must not be waited for either.
        if timeout(LINGER, self.wait()).await.is_err() {
            self.output = None;
        }
        self.tree.forget();
        survivors
    }

    /// The operating system's number of the program.
    pub fn id(&self) -> u32 {
        self.tree.id()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        let tree = Arc::clone(&self.tree);
        if tree.is_forgotten() {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            tree.kill();
            tree.forget();
            return;
        };
        runtime.spawn(async move {
            tree.end().await;
            let _ = timeout(LINGER, process.wait()).await;
            tree.forget();
        });
    }
}

/// How many programs run that were started here and not yet ended.
pub fn count() -> usize {
    tree::count()
}

/// Whether another process may be one that this Pillion or another has started, or one of theirs in turn. True as well if
/// that can no longer be told: the process is gone, or in a world of its own.
#[cfg(unix)]
pub fn may_be_a_tools(pid: i32) -> bool {
    use rustix::process::{Pid, getpid};

    let this = getpid();
    let parents = table::Parents::read();
    let parent_of = |pid: &Pid| parents.of(*pid).flatten();
    let above_this: Vec<Pid> = std::iter::successors(parent_of(&this), parent_of).take(ANCESTORS_MAX).collect();
    let mut pid = Pid::from_raw(pid);
    for _ in 0..ANCESTORS_MAX {
        match pid.and_then(|pid| parents.of(pid)) {
            None => return true,
            Some(None) => return false,
            // What has started both has given the one no more say than the other.
            Some(Some(parent)) if above_this.contains(&parent) => return false,
            Some(Some(parent)) if parent == this || table::is_pillion(parent) => return true,
            Some(Some(parent)) => pid = Some(parent),
        }
    }
    true
}

/// Whether whoever started this process has it outlive its terminal, as nohup(1) does.
#[cfg(unix)]
pub fn ignores_hangup() -> bool {
    // SAFETY: without a new action, sigaction only writes down the one there is, into room that any bytes fit.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        let is_known = libc::sigaction(libc::SIGHUP, std::ptr::null(), &raw mut action) == 0;
        is_known && action.sa_sigaction == libc::SIG_IGN
    }
}

/// Runs a short command and returns what it printed. Ends it, and what it started, at the time limit.
pub async fn capture(command: Command, limit: Duration) -> Result<Captured, ProcessError> {
    let program = command.program.to_string_lossy().into_owned();
    let mut child = command.start(Stdio::null(), Stdio::piped(), Stdio::piped(), None)?;
    let pipes = child.process.as_mut().map(|process| (process.stdout.take(), process.stderr.take()));
    let (stdout, stderr) = pipes.unwrap_or_default();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let exit = timeout(limit, async {
        let reading = async { tokio::join!(read_capped(stdout, &mut out), read_capped(stderr, &mut err)) };
        tokio::pin!(reading);
        tokio::select! {
            _ = &mut reading => child.wait().await,
            exit = child.wait() => {
                let _ = timeout(LINGER, &mut reading).await;
                exit
            }
        }
    })
    .await;
    child.end().await;
    match exit {
        Ok(exit) => Ok(Captured { exit, stdout: out, stderr: err }),
        Err(_) => Err(ProcessError::TimedOut { program, limit }),
    }
}

/// Ends everything that was started here and still runs. For the end of the process.
pub async fn end_all() {
    tree::end_all().await;
}

/// Says that this process starts others only through this module, so that any orphan it adopts is a command's.
pub fn claim_orphans() {
    tree::claim_orphans();
}

async fn read_capped(stream: Option<impl tokio::io::AsyncRead + Unpin>, into: &mut Vec<u8>) {
    let Some(mut stream) = stream else { return };
    // A broken pipe ends the stream; what came before it counts.
    let _ = (&mut stream).take(CAPTURE_BYTES).read_to_end(into).await;
    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
}

async fn wait(process: &mut Option<tokio::process::Child>) -> Exit {
    match process {
        Some(process) => process.wait().await.map_or(Exit::Code(-1), Exit::from),
        None => Exit::Code(-1),
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    if let Some(deadline) = deadline {
        tokio::time::sleep_until(deadline).await;
    }
}

impl From<std::process::ExitStatus> for Exit {
    fn from(status: std::process::ExitStatus) -> Self {
        #[cfg(unix)]
        if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
            return Self::Signal(signal);
        }
        Self::Code(status.code().unwrap_or(-1))
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(formatter, "exit code {code}"),
            Self::Signal(signal) => match signal_name(*signal) {
                Some(name) => write!(formatter, "signal {signal} ({name})"),
                None => write!(formatter, "signal {signal}"),
            },
        }
    }
}

#[cfg(unix)]
fn signal_name(number: i32) -> Option<&'static str> {
    use rustix::process::Signal;
    let names = [
        (Signal::HUP, "SIGHUP"),
        (Signal::INT, "SIGINT"),
        (Signal::QUIT, "SIGQUIT"),
        (Signal::ILL, "SIGILL"),
        (Signal::TRAP, "SIGTRAP"),
        (Signal::ABORT, "SIGABRT"),
        (Signal::BUS, "SIGBUS"),
        (Signal::FPE, "SIGFPE"),
        (Signal::KILL, "SIGKILL"),
        (Signal::SEGV, "SIGSEGV"),
        (Signal::PIPE, "SIGPIPE"),
        (Signal::ALARM, "SIGALRM"),
        (Signal::TERM, "SIGTERM"),
        (Signal::XCPU, "SIGXCPU"),
        (Signal::SYS, "SIGSYS"),
    ];
    names.iter().find(|(signal, _)| signal.as_raw() == number).map(|(_, name)| *name)
}

#[cfg(not(unix))]
fn signal_name(_: i32) -> Option<&'static str> {
    None
}

/// The shell and the arguments that come before its script.
pub fn shell() -> (&'static OsStr, &'static [&'static str]) {
    static SHELL: OnceLock<OsString> = OnceLock::new();
    let (wanted, arguments): (&[&str], &[&str]) = if cfg!(windows) {
        (&["pwsh.exe", "powershell.exe"], &["-NoProfile", "-NonInteractive", "-Command"])
    } else {
        (&["bash", "sh"], &["-c"])
    };
    let shell = SHELL.get_or_init(|| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let on_path =
            |name: &&str| std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
        let found = wanted.iter().find_map(on_path).map(PathBuf::into_os_string);
        found.unwrap_or_else(|| OsString::from(if cfg!(windows) { "powershell.exe" } else { "/bin/sh" }))
    });
    (shell, arguments)
}

/// The file name of the shell that [`Command::shell`] uses, for example `bash`.
pub fn shell_name() -> String {
    Path::new(shell().0).file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
