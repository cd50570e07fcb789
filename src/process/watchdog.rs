//! Ends what was running when this process dies without a chance to do it.
//!
//! A small shell in a session of its own reads from a pipe that only this process can write to. When the pipe closes,
//! this process is gone, and the shell kills the process groups it was told of and, where there is a /proc, everything
//! that carries this process's mark.

use std::{
    io::{self, Write},
    os::unix::process::CommandExt,
    process::{Command, Stdio},
    sync::{Mutex, OnceLock, PoisonError},
};

use rustix::process::Pid;

/// `$1` is what the marks of this process begin with. Marked processes are looked for three times, since they may be starting others.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
groups=' '
while read -r verb group; do
    case $verb in
        start) groups="$groups$group " ;;
        end) groups="${groups%% $group *} ${groups#* $group }" ;;
    esac
done
for group in $groups; do kill -KILL -- "-$group"; done
for again in 1 2 3; do
    [ -d /proc/self ] || break
    grep -lsF -e "$1" /proc/[0-9]*/environ | while IFS=/ read -r _ _ pid _; do kill -KILL "$pid"; done
done
"#;

static WATCHDOG: OnceLock<Option<Watchdog>> = OnceLock::new();

struct Watchdog {
    pid: Pid,
    news: Mutex<io::PipeWriter>,
}

/// Tells the watchdog, which is started when first needed, that a group runs from now on. Where it cannot be started,
/// a sidecar that is killed leaves its children alive; nothing else depends on it.
pub(super) fn group_started(group: Pid, run: &str) {
    if let Some(watchdog) = WATCHDOG.get_or_init(|| start(run).ok()) {
        watchdog.tell("start", group);
    }
}

/// Tells it that the group is gone, and that its number may come to mean another.
pub(super) fn group_ended(group: Pid) {
    if let Some(Some(watchdog)) = WATCHDOG.get() {
        watchdog.tell("end", group);
    }
}

/// The watchdog's own number: it is a child of this process that no call owns.
pub(super) fn pid() -> Option<Pid> {
    WATCHDOG.get()?.as_ref().map(|watchdog| watchdog.pid)
}

fn start(run: &str) -> io::Result<Watchdog> {
    let (reader, news) = io::pipe()?;
    let mut command = Command::new("/bin/sh");
    // Without the environment it carries no mark, and does not find itself.
    command.args(["-c", SCRIPT, "pillion-watchdog", run]).env_clear().env("PATH", "/usr/bin:/bin").current_dir("/");
    command.stdin(reader).stdout(Stdio::null()).stderr(Stdio::null());
    // SAFETY: setsid is async-signal-safe and touches no memory.
    unsafe { command.pre_exec(|| Ok(rustix::process::setsid().map(drop)?)) };
    let child = command.spawn()?;
    let pid = Pid::from_child(&child);
    Ok(Watchdog { pid, news: Mutex::new(news) })
}

impl Watchdog {
    fn tell(&self, verb: &str, group: Pid) {
        let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        // It fails only if someone killed the watchdog.
        let _ = news.write_all(format!("{verb} {group}\n").as_bytes());
    }
}
