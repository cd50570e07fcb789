//! The system's table of processes.

use rustix::process::Pid;

/// A process as the system lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub pid: Pid,
    /// `None` for the processes that the kernel itself started.
    pub parent: Option<Pid>,
    pub group: Option<Pid>,
    /// Elsewhere than on Linux the same as `group`.
    pub session: Option<Pid>,
    /// Dead, but not yet reaped.
    pub zombie: bool,
    /// When it started, in clock ticks since the system did; 0 where the system does not tell. With it a process is
    /// told from a later one that got the same number.
    pub started: u64,
}

#[cfg(target_os = "linux")]
pub(super) fn read() -> Vec<Entry> {
    let Ok(folder) = std::fs::read_dir("/proc") else { return Vec::new() };
    folder.filter_map(|item| item.ok()?.file_name().to_str()?.parse().ok()).filter_map(read_one).collect()
}

/// As [`Entry::started`]; 0 if the process is gone.
#[cfg(target_os = "linux")]
pub(super) fn started(pid: Pid) -> u64 {
    read_one(pid.as_raw_nonzero().get()).map_or(0, |entry| entry.started)
}

/// `None` once the process is gone.
#[cfg(target_os = "linux")]
pub(super) fn read_one(number: i32) -> Option<Entry> {
    parse_stat(&std::fs::read_to_string(format!("/proc/{number}/stat")).ok()?)
}

/// Of `/proc/PID/stat`, see proc_pid_stat(5). The name is in parentheses and may itself hold spaces and parentheses.
#[cfg(target_os = "linux")]
fn parse_stat(stat: &str) -> Option<Entry> {
    let (number, _) = stat.split_once(' ')?;
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let zombie = matches!(fields.next()?, "Z" | "X");
    let mut pid = || Some(Pid::from_raw(fields.next()?.parse().ok()?));
    let (parent, group, session) = (pid()?, pid()?, pid()?);
    let started = fields.nth(15)?.parse().ok()?;
    Some(Entry { pid: Pid::from_raw(number.parse().ok()?)?, parent, group, session, zombie, started })
}

/// Who has started whom.
#[cfg(target_os = "linux")]
pub(super) struct Parents;

#[cfg(target_os = "linux")]
impl Parents {
    pub(super) fn read() -> Self {
        Self
    }

    /// The parent of a process, which those of the kernel itself have none of; `None` if the process is gone.
    pub(super) fn of(&self, pid: Pid) -> Option<Option<Pid>> {
        read_one(pid.as_raw_nonzero().get()).map(|entry| entry.parent)
    }
}

/// True if the process goes by the name of this program. Of a process that hides its memory, as Pillion does, the system
/// shows little more than the command line, which is whole from its start and which none of its children can change.
#[cfg(target_os = "linux")]
pub(super) fn is_pillion(pid: Pid) -> bool {
    let Ok(line) = std::fs::read(format!("/proc/{pid}/cmdline")) else { return false };
    is_name_of_pillion(line.split(|byte| *byte == 0).next().unwrap_or_default())
}

/// `pillion`, or as it is called where there are several: `pillion-0.2`, `pillion-linux-x64`.
fn is_name_of_pillion(program: &[u8]) -> bool {
    program.rsplit(|byte| *byte == b'/').next().unwrap_or_default().starts_with(env!("CARGO_PKG_NAME").as_bytes())
}

/// True if the process has `mark` in the value of `PILLION_CALL` it was started with.
#[cfg(target_os = "linux")]
pub(super) fn is_marked(pid: Pid, mark: impl Fn(&str) -> bool) -> bool {
    let Ok(variables) = std::fs::read(format!("/proc/{pid}/environ")) else { return false };
    let value = variables.split(|byte| *byte == 0).find_map(|variable| variable.strip_prefix(b"PILLION_CALL="));
    value.and_then(|value| std::str::from_utf8(value).ok()).is_some_and(|value| value.split(':').any(mark))
}

/// True if the process's stdout or stderr is the pipe.
#[cfg(target_os = "linux")]
pub(super) fn holds_pipe(pid: Pid, inode: u64) -> bool {
    let pipe = format!("pipe:[{inode}]");
    [1, 2].iter().any(|number| {
        std::fs::read_link(format!("/proc/{pid}/fd/{number}")).is_ok_and(|target| target.as_os_str() == pipe.as_str())
    })
}

#[cfg(not(target_os = "linux"))]
pub(super) fn read() -> Vec<Entry> {
    list(&["-A"])
}

#[cfg(not(target_os = "linux"))]
pub(super) struct Parents(std::collections::HashMap<Pid, Option<Pid>>);

#[cfg(not(target_os = "linux"))]
impl Parents {
    pub(super) fn read() -> Self {
        Self(read().into_iter().map(|entry| (entry.pid, entry.parent)).collect())
    }

    pub(super) fn of(&self, pid: Pid) -> Option<Option<Pid>> {
        self.0.get(&pid).copied()
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn started(_: Pid) -> u64 {
    0
}

#[cfg(all(test, not(target_os = "linux")))]
pub(super) fn read_one(number: i32) -> Option<Entry> {
    list(&["-p", &number.to_string()]).pop()
}

#[cfg(not(target_os = "linux"))]
fn list(selection: &[&str]) -> Vec<Entry> {
    let listed = std::process::Command::new("ps").args(selection).args(["-o", "pid=,ppid=,pgid=,stat="]).output();
    let Ok(listed) = listed else { return Vec::new() };
    String::from_utf8_lossy(&listed.stdout).lines().filter_map(parse_line).collect()
}

#[cfg(not(target_os = "linux"))]
fn parse_line(line: &str) -> Option<Entry> {
    let mut fields = line.split_ascii_whitespace();
    let mut pid = || Some(Pid::from_raw(fields.next()?.parse().ok()?));
    let (number, parent, group) = (pid()??, pid()?, pid()?);
    let zombie = fields.next()?.starts_with('Z');
    Some(Entry { pid: number, parent, group, session: group, zombie, started: 0 })
}

#[cfg(not(target_os = "linux"))]
pub(super) fn is_pillion(pid: Pid) -> bool {
    let pid = pid.as_raw_nonzero().to_string();
    let named = std::process::Command::new("ps").args(["-p", &pid, "-o", "comm="]).output();
    named.is_ok_and(|named| is_name_of_pillion(named.stdout.trim_ascii()))
}

/// The environment and the pipes of others are not shown here.
#[cfg(not(target_os = "linux"))]
pub(super) fn is_marked(_: Pid, _: impl Fn(&str) -> bool) -> bool {
    false
}

#[cfg(not(target_os = "linux"))]
pub(super) fn holds_pipe(_: Pid, _: u64) -> bool {
    false
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_is_skipped() {
        let stat = "42 (a) b) (c) Z 7 40 39 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 9876 1 2 3";
        let expected = Entry {
            pid: Pid::from_raw(42).unwrap(),
            parent: Pid::from_raw(7),
            group: Pid::from_raw(40),
            session: Pid::from_raw(39),
            zombie: true,
            started: 9876,
        };
        assert_eq!(parse_stat(stat), Some(expected));
    }

    #[test]
    fn this_process_is_listed() {
        let own = rustix::process::getpid();
        assert!(read().iter().any(|entry| entry.pid == own && !entry.zombie && entry.started > 0));
    }
}
