//! On Unix a tree is found in the table of processes, over and over until nothing of it is left.

use std::{
    collections::{HashMap, HashSet},
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, kill_process_group, setsid, waitpid};
use tokio::process::{Child, Command};

use crate::process::{
    table::{self, Entry},
    watchdog,
};

/// How long a program has to clean up after SIGTERM. Chosen so that a cancel is over within a second.
const GRACE: Duration = Duration::from_millis(300);

/// When to give up: on what sleeps in the kernel or belongs to another user.
const GIVE_UP: Duration = Duration::from_secs(2);

/// Whether orphans that nothing else tells of are taken for ours.
static CLAIMING: AtomicBool = AtomicBool::new(false);

static LIVE: Mutex<Live> = Mutex::new(Live { trees: Vec::new(), since: 0, run: String::new() });

/// The trees of this process. Locked while a program starts, so that nobody sees a child that is in no tree yet.
struct Live {
    trees: Vec<Arc<Tree>>,
    /// When the first program of those that ran without a gap until now was started, as [`Entry::started`].
    since: u64,
    /// What the marks of this process begin with.
    run: String,
}

pub struct Tree {
    root: Pid,
    /// As [`Entry::started`] of the root.
    started: u64,
    mark: String,
    /// The inode of the pipe that takes its output.
    pipe: Option<u64>,
    /// Members that were seen once: they stay members, wherever they move.
    known: Mutex<HashSet<(Pid, u64)>>,
    ending: AtomicBool,
    forgotten: AtomicBool,
}

impl Tree {
    pub fn start(mut command: Command, pipe: Option<u64>) -> io::Result<(Child, Arc<Self>)> {
        static CALLS: AtomicU64 = AtomicU64::new(1);
        let mut live = lock();
        if live.run.is_empty() {
            live.run = format!("{:016x}-", fastrand::u64(..));
            become_subreaper();
        }
        let mark = format!("{}{}", live.run, CALLS.fetch_add(1, Ordering::Relaxed));
        // Within a command of another pillion this one's children are also the other's.
        let marks = match std::env::var("PILLION_CALL") {
            Ok(outer) => format!("{outer}:{mark}"),
            Err(_) => mark.clone(),
        };
        command.env("PILLION_CALL", marks);
        // SAFETY: setsid is async-signal-safe and touches no memory.
        unsafe { command.pre_exec(|| Ok(setsid().map(drop)?)) };
        let child = command.spawn()?;
        let root = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let root = root.ok_or_else(|| io::Error::other("it has no process id"))?;
        watchdog::group_started(root, &live.run);
        let started = table::started(root);
        if live.trees.is_empty() {
            live.since = started;
        }
        let tree = Arc::new(Self {
            root,
            started,
            mark,
            pipe,
            known: Mutex::default(),
            ending: AtomicBool::new(false),
            forgotten: AtomicBool::new(false),
        });
        live.trees.push(Arc::clone(&tree));
        Ok((child, tree))
    }

    /// SIGTERM, then SIGKILL, until nothing is left. Returns what would not go.
    pub async fn end(self: &Arc<Self>) -> Vec<u32> {
        self.ending.store(true, Ordering::Relaxed);
        let began = Instant::now();
        let mut asked = HashSet::new();
        let mut pause = Duration::from_millis(1);
        let mut seen_empty = false;
        loop {
            let tree = Arc::clone(self);
            // Where there are thousands of processes, a look takes milliseconds, and others wait for this thread.
            let looked = tokio::task::spawn_blocking(move || tree.members()).await;
            // Where that cannot be done, the runtime is going down: what is left must be known all the same.
            let members = looked.unwrap_or_else(|_| self.members());
            // One look can miss a process that forks behind it and ends before it; two in a row do not.
            if members.is_empty() && std::mem::replace(&mut seen_empty, true) {
                return Vec::new();
            }
            if members.is_empty() {
                continue;
            }
            seen_empty = false;
            if began.elapsed() > GIVE_UP {
                return members.iter().map(|entry| entry.pid.as_raw_nonzero().get().cast_unsigned()).collect();
            }
            if began.elapsed() < GRACE {
                self.signal(members.iter().filter(|entry| asked.insert(entry.pid)), Signal::TERM);
            } else {
                self.signal(members.iter(), Signal::KILL);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }

    /// SIGKILL to what is there now, without waiting.
    pub fn kill(&self) {
        self.ending.store(true, Ordering::Relaxed);
        self.signal(self.members().iter(), Signal::KILL);
    }

    /// Its program has ended and been reaped: its number may come to mean another.
    pub fn forget(&self) {
        if !self.forgotten.swap(true, Ordering::Relaxed) {
            watchdog::group_ended(self.root);
            lock().trees.retain(|tree| !std::ptr::eq(Arc::as_ptr(tree), self));
        }
    }

    pub fn is_forgotten(&self) -> bool {
        self.forgotten.load(Ordering::Relaxed)
    }

    pub fn id(&self) -> u32 {
        self.root.as_raw_nonzero().get().cast_unsigned()
    }

    /// Signals the group in one stroke, which no fork escapes, and then whoever is not in it.
    fn signal<'a>(&self, members: impl Iterator<Item = &'a Entry>, signal: Signal) {
        let (group, others): (Vec<&Entry>, Vec<&Entry>) = members.partition(|entry| entry.group == Some(self.root));
        // A member proves that the group's number still means this group. Whoever is gone already is no failure.
        if !group.is_empty() {
            let _ = kill_process_group(self.root, signal);
        }
        for entry in others {
            let _ = kill_process(entry.pid, signal);
        }
    }

    /// The members that are alive. Reaps the dead that this process adopted.
    fn members(&self) -> Vec<Entry> {
        let live = lock();
        let entries = table::read();
        let mut children: HashMap<Pid, Vec<&Entry>> = HashMap::new();
        for entry in &entries {
            if let Some(parent) = entry.parent {
                children.entry(parent).or_default().push(entry);
            }
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let this = getpid();
        // From the table and not from getsid(2), since a container's first process may be in a session from outside it.
        let session = entries.iter().find(|entry| entry.pid == this).and_then(|entry| entry.session);
        let adopted = children.get(&this).map(Vec::as_slice).unwrap_or_default();
        let adopted: Vec<&Entry> = adopted.iter().copied().filter(|entry| live.is_adopted(entry, session)).collect();
        for dead in adopted.iter().filter(|entry| entry.zombie) {
            let _ = waitpid(Some(dead.pid), WaitOptions::NOHANG);
        }
        // The system gives a number to another process only once no group and no session has it any more.
        let is_reused = entries.iter().any(|entry| entry.pid == self.root && entry.started != self.started);
        let belongs =
            |entry: &Entry| !is_reused && [Some(entry.pid), entry.session, entry.group].contains(&Some(self.root));
        let mut open: Vec<&Entry> =
            entries.iter().filter(|entry| belongs(entry) || known.contains(&(entry.pid, entry.started))).collect();
        open.extend(adopted.into_iter().filter(|entry| live.owns(self, entry)));
        let mut members = HashMap::new();
        while let Some(entry) = open.pop() {
            if members.insert(entry.pid, entry).is_none() {
                open.extend(children.get(&entry.pid).into_iter().flatten());
            }
        }
        known.extend(members.values().map(|entry| (entry.pid, entry.started)));
        members.into_values().filter(|entry| !entry.zombie).cloned().collect()
    }
}

impl Live {
    /// True for a child of this process that it did not start, as far as can be told: its own children are the roots
    /// of trees, the watchdog, or in its own session, which is `None` if that has no number here.
    fn is_adopted(&self, entry: &Entry, own_session: Option<Pid>) -> bool {
        cfg!(target_os = "linux")
            && entry.session != own_session
            && Some(entry.pid) != watchdog::pid()
            && self.trees.iter().all(|tree| tree.root != entry.pid)
    }

    /// Whether an orphan is `tree`'s. One without a mark (a program can clear its environment) that holds no pipe either
    /// may be any running tree's, so the last one to end takes it, if they are claimed at all.
    fn owns(&self, tree: &Tree, orphan: &Entry) -> bool {
        let is_last = || self.trees.iter().all(|other| other.ending.load(Ordering::Relaxed));
        let others = || self.trees.iter().filter(|other| !std::ptr::eq(Arc::as_ptr(other), tree));
        let holds_pipe_of = |tree: &Tree| tree.pipe.is_some_and(|pipe| table::holds_pipe(orphan.pid, pipe));
        if table::is_marked(orphan.pid, |mark| mark == tree.mark) || holds_pipe_of(tree) {
            return true;
        }
        if others().any(|other| table::is_marked(orphan.pid, |mark| mark == other.mark) || holds_pipe_of(other)) {
            return false;
        }
        let of_an_ended_tree = table::is_marked(orphan.pid, |mark| mark.starts_with(&self.run));
        let is_claimed = || CLAIMING.load(Ordering::Relaxed) && orphan.started >= self.since;
        of_an_ended_tree || (is_claimed() && is_last())
    }
}

pub fn claim_orphans() {
    CLAIMING.store(true, Ordering::Relaxed);
}

pub fn count() -> usize {
    lock().trees.len()
}

pub async fn end_all() {
    let trees = lock().trees.clone();
    futures::future::join_all(trees.iter().map(|tree| tree.end())).await;
}

fn lock() -> MutexGuard<'static, Live> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on orphans among the descendants become children of this process, where they can be found and reaped.
fn become_subreaper() {
    #[cfg(target_os = "linux")]
    {
        // An ancient kernel may refuse; then orphans go to init and only the group is found.
        let _ = rustix::process::set_child_subreaper(Some(getpid()));
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_got_the_roots_number_is_no_member() {
        let mut stranger = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let root = Pid::from_child(&stranger);
        let started = table::started(root);
        let members = |started| {
            let (mark, known) = ("no such mark".to_owned(), Mutex::default());
            let (ending, forgotten) = (AtomicBool::new(false), AtomicBool::new(false));
            let tree = Tree { root, started, mark, pipe: None, known, ending, forgotten };
            tree.members().iter().map(|entry| entry.pid).collect::<Vec<_>>()
        };
        let (own, another_ones) = (members(started), members(started - 1));
        stranger.kill().unwrap();
        stranger.wait().unwrap();
        assert_eq!((own, another_ones), (vec![root], vec![]));
    }
}
