//! What runs in the background of a conversation.
//!
//! A command that a tool moves here goes on while the model does something else. Its call has had a placeholder for a
//! result; what came of it, the model is told at the next point where it can be told something, and anyone may list,
//! read and cancel it meanwhile. It ends at the latest with the [`Tasks`] that hold it.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    future::Future,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use futures::FutureExt;
use serde::{Deserialize, Serialize};
use tokio::{sync::watch, task::AbortHandle};
use tokio_util::sync::CancellationToken;

/// How many that ended are kept for reading, the latest. Chosen: more than anyone asks for; each has an excerpt of some
/// 30 kB.
const KEPT: usize = 64;

/// The background tasks of one conversation. Dropping them ends them.
///
/// ```
/// use std::sync::Arc;
///
/// use pillion::tool::{Detached, TaskStatus, Tasks};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let tasks = Arc::new(Tasks::default());
/// let task = tasks.start(Detached {
///     call_id: "call_1".into(),
///     title: "cargo build".into(),
///     work: async { (TaskStatus::Ended, "Finished.".to_owned()) },
///     stop: Default::default(),
///     so_far: Arc::new(String::new),
/// });
/// assert_eq!((task.id.as_str(), task.status), ("task-1", TaskStatus::Running));
/// tasks.ended(&task.id).await;
/// let (task, printed) = tasks.read("task-1").ok_or("it is known")?;
/// assert_eq!((task.status, printed.as_str()), (TaskStatus::Ended, "Finished."));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct Tasks {
    state: Mutex<State>,
    /// How many run.
    running: watch::Sender<usize>,
}

#[derive(Default)]
struct State {
    last: u64,
    /// In the order in which they were started.
    tasks: VecDeque<Entry>,
    /// The paths of nested agents' calls whose turns run.
    nested: HashSet<String>,
    /// Calls that run and can be moved here, by id.
    movable: HashMap<String, CancellationToken>,
    listener: Option<Listener>,
}

type Listener = Arc<dyn Fn(TaskChange) + Send + Sync>;

struct Entry {
    task: Task,
    /// What it printed, and how it ended.
    text: String,
    /// The model has been told of its end.
    told: bool,
    work: Option<Work>,
}

/// What runs of a task.
struct Work {
    stop: CancellationToken,
    so_far: Arc<dyn Fn() -> String + Send + Sync>,
    abort: AbortHandle,
}

/// A background task, as others see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// `task-1` and so on; never given twice in a conversation.
    pub id: String,
    /// The call that started it.
    pub call_id: String,
    /// One line for a person: the command.
    pub title: String,
    pub status: TaskStatus,
    /// Seconds since 1970-01-01T00:00:00Z.
    pub started_at: u64,
    /// Seconds since 1970-01-01T00:00:00Z, once it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TaskStatus {
    Running,
    /// By itself, well or not.
    Ended,
    TimedOut,
    Cancelled,
    /// With the process that ran it, which nobody saw.
    Lost,
}

/// Something about a task has changed.
#[derive(Clone, Debug, PartialEq)]
pub enum TaskChange {
    Started(Task),
    /// With what it printed, clipped, and how it ended.
    Ended(Task, String),
}

/// Work to be moved into the background.
pub struct Detached<F> {
    pub call_id: String,
    pub title: String,
    /// What it is doing. Ends soon after `stop` is cancelled.
    pub work: F,
    pub stop: CancellationToken,
    /// What it has printed so far, clipped. Must not wait.
    pub so_far: Arc<dyn Fn() -> String + Send + Sync>,
}

/// A running call that can be moved into the background, until this is dropped.
pub struct Movable {
    tasks: Arc<Tasks>,
    call_id: String,
    moved: CancellationToken,
}

/// What a conversation has to keep of its tasks to go on elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TasksSnapshot {
    /// How many were ever started.
    pub count: u64,
    /// Those that run, and those that the model was not told the end of, with what they printed.
    pub open: Vec<(Task, String)>,
}

impl Tasks {
    /// The tasks of a conversation that goes on after the process that ran it: what ran is lost, and the model will be
    /// told.
    pub fn restored(snapshot: TasksSnapshot) -> Self {
        let mut state = State { last: snapshot.count, ..State::default() };
        for (mut task, text) in snapshot.open {
            if task.status == TaskStatus::Running {
                task.status = TaskStatus::Lost;
                task.ended_at = Some(now());
            }
            state.tasks.push_back(Entry { task, text, told: false, work: None });
        }
        Self { state: Mutex::new(state), running: watch::Sender::default() }
    }

    pub fn snapshot(&self) -> TasksSnapshot {
        let state = self.lock();
        let open = state.tasks.iter().filter(|entry| !entry.told).map(Entry::read);
        TasksSnapshot { count: state.last, open: open.collect() }
    }

    /// Tells `listener` of every change from now on, in order. It must not wait, nor call back.
    pub fn listen(&self, listener: impl Fn(TaskChange) + Send + Sync + 'static) {
        self.lock().listener = Some(Arc::new(listener));
    }

    /// Takes over work that goes on by itself. Needs a Tokio runtime.
    pub fn start<F>(self: &Arc<Self>, detached: Detached<F>) -> Task
    where
        F: Future<Output = (TaskStatus, String)> + Send + 'static,
    {
        let Detached { call_id, title, work, stop, so_far } = detached;
        let mut state = self.lock();
        state.last += 1;
        let id = format!("task-{}", state.last);
        let status = TaskStatus::Running;
        let task = Task { id: id.clone(), call_id, title, status, started_at: now(), ended_at: None };
        self.running.send_modify(|running| *running += 1);
        let tasks = Arc::downgrade(self);
        // It is in the list before it can end: ending takes the lock that is held here.
        let abort = tokio::spawn(async move {
            let ended = AssertUnwindSafe(work).catch_unwind().await;
            let (status, text) = ended.unwrap_or_else(|_| {
                (
                    TaskStatus::Ended,
                    "It broke off because of a mistake in the tool. What it did is not known.".to_owned(),
                )
            });
            if let Some(tasks) = tasks.upgrade() {
                tasks.end(&id, status, text);
            }
        })
        .abort_handle();
        let work = Some(Work { stop, so_far, abort });
        state.tasks.push_back(Entry { task: task.clone(), text: String::new(), told: false, work });
        state.tell(TaskChange::Started(task.clone()));
        task
    }

    fn end(&self, id: &str, status: TaskStatus, text: String) {
        let mut state = self.lock();
        let Some(entry) = state.tasks.iter_mut().find(|entry| entry.task.id == id) else { return };
        entry.task.status = status;
        entry.task.ended_at = Some(now());
        entry.text = text;
        entry.work = None;
        let (task, text) = (entry.task.clone(), entry.text.clone());
        while state.tasks.len() > KEPT
            && let Some(oldest) = state.tasks.iter().position(|entry| entry.work.is_none() && entry.told)
        {
            state.tasks.remove(oldest);
        }
        self.running.send_modify(|running| *running -= 1);
        state.tell(TaskChange::Ended(task, text));
    }

    /// All that are known, in the order in which they were started.
    pub fn list(&self) -> Vec<Task> {
        self.lock().tasks.iter().map(|entry| entry.task.clone()).collect()
    }

    /// A task, and what it has printed until now.
    pub fn read(&self, id: &str) -> Option<(Task, String)> {
        self.lock().tasks.iter().find(|entry| entry.task.id == id).map(Entry::read)
    }

    /// Has a task end. False if there is none that runs.
    pub fn cancel(&self, id: &str) -> bool {
        let state = self.lock();
        let work = state.tasks.iter().find(|entry| entry.task.id == id).and_then(|entry| entry.work.as_ref());
        work.inspect(|work| work.stop.cancel()).is_some()
    }

    pub fn cancel_all(&self) {
        for work in self.lock().tasks.iter().filter_map(|entry| entry.work.as_ref()) {
            work.stop.cancel();
        }
    }

    /// Waits until this one does not run any more. At once if there is no such task.
    pub async fn ended(&self, id: &str) {
        let mut running = self.running.subscribe();
        let runs = |tasks: &Self| tasks.read_status(id) == Some(TaskStatus::Running);
        while runs(self) && running.changed().await.is_ok() {}
    }

    fn read_status(&self, id: &str) -> Option<TaskStatus> {
        self.lock().tasks.iter().find(|entry| entry.task.id == id).map(|entry| entry.task.status)
    }

    pub fn is_idle(&self) -> bool {
        *self.running.borrow() == 0
    }

    /// Offers a running call for being moved here. [`Movable::moved`] resolves when somebody wants it.
    pub fn offer(self: &Arc<Self>, call_id: &str) -> Movable {
        let moved = CancellationToken::new();
        self.lock().movable.insert(call_id.to_owned(), moved.clone());
        Movable { tasks: Arc::clone(self), call_id: call_id.to_owned(), moved }
    }

    /// Has a running call go on in the background. False if there is no such call, or it is none that can.
    pub fn take_over(&self, call_id: &str) -> bool {
        self.lock().movable.remove(call_id).inspect(CancellationToken::cancel).is_some()
    }

    /// What the model of a conversation has not been told: the tasks that ended, with what came of them. Once each.
    /// `owner` is the path of a nested agent's call, or empty.
    pub(crate) fn news(&self, owner: &str) -> Vec<(Task, String)> {
        let State { tasks, nested, .. } = &mut *self.lock();
        let ended = tasks.iter_mut().filter(|entry| !entry.told && entry.work.is_none());
        ended
            .filter(|entry| owner_of(&entry.task.call_id, nested) == owner)
            .map(|entry| {
                entry.told = true;
                (entry.task.clone(), entry.text.clone())
            })
            .collect()
    }

    /// A nested agent begins to work for the call of this path. What it starts is its own until that is dropped, and then
    /// its parent's.
    pub(crate) fn begin_nested(self: &Arc<Self>, path: &str) -> impl Drop + Send + use<> {
        struct Nested(Arc<Tasks>, String);
        impl Drop for Nested {
            fn drop(&mut self) {
                self.0.lock().nested.remove(&self.1);
            }
        }
        self.lock().nested.insert(path.to_owned());
        Nested(Arc::clone(self), path.to_owned())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn read(&self) -> (Task, String) {
        (self.task.clone(), self.work.as_ref().map_or_else(|| self.text.clone(), |work| (work.so_far)()))
    }
}

impl State {
    fn tell(&self, change: TaskChange) {
        if let Some(listener) = &self.listener {
            listener(change);
        }
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        for work in self.lock().tasks.iter().filter_map(|entry| entry.work.as_ref()) {
            work.abort.abort();
        }
    }
}

impl Movable {
    /// Resolves when the call is to go on in the background.
    pub async fn moved(&self) {
        self.moved.cancelled().await;
    }
}

impl Drop for Movable {
    fn drop(&mut self) {
        self.tasks.lock().movable.remove(&self.call_id);
    }
}

impl std::fmt::Debug for Tasks {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Tasks").field("tasks", &self.list()).finish_non_exhaustive()
    }
}

impl std::fmt::Display for TaskStatus {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Running => "running",
            Self::Ended => "ended",
            Self::TimedOut => "ended at its time limit",
            Self::Cancelled => "cancelled",
            Self::Lost => "ended with the process",
        })
    }
}

/// The innermost nested agent that has this call; empty if none has.
fn owner_of<'a>(call_id: &str, nested: &'a HashSet<String>) -> &'a str {
    let above = |path: &&String| call_id.strip_prefix(path.as_str()).is_some_and(|rest| rest.starts_with('.'));
    nested.iter().filter(above).max_by_key(|path| path.len()).map_or("", String::as_str)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use std::future;

    use super::*;

    fn work<F>(call_id: &str, work: F) -> Detached<F> {
        let so_far = Arc::new(|| "so far".to_owned());
        Detached { call_id: call_id.into(), title: "make".into(), work, stop: CancellationToken::new(), so_far }
    }

    async fn ended(text: &str) -> (TaskStatus, String) {
        (TaskStatus::Ended, text.to_owned())
    }

    fn ids(news: &[(Task, String)]) -> Vec<&str> {
        news.iter().map(|(task, _)| task.id.as_str()).collect()
    }

    #[tokio::test]
    async fn a_task_is_told_of_as_it_begins_and_ends_and_its_news_come_once() {
        let tasks = Arc::new(Tasks::default());
        let changes = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&changes);
        tasks.listen(move |change| into.lock().unwrap().push(change));
        let task = tasks.start(work("c", ended("all of it")));
        assert_eq!((task.id.as_str(), tasks.is_idle()), ("task-1", false));
        assert_eq!(tasks.read("task-1").unwrap().1, "so far");
        assert!(tasks.news("").is_empty(), "it runs");
        tasks.ended("task-1").await;
        assert!(tasks.is_idle() && !tasks.cancel("task-1"));
        let (task, text) = tasks.read("task-1").unwrap();
        assert_eq!((task.status, text.as_str(), task.ended_at.is_some()), (TaskStatus::Ended, "all of it", true));
        assert_eq!(ids(&tasks.news("")), ["task-1"]);
        assert!(tasks.news("").is_empty());
        let changes = std::mem::take(&mut *changes.lock().unwrap());
        assert!(matches!(&changes[..], [TaskChange::Started(_), TaskChange::Ended(_, text)] if text == "all of it"));
        tasks.ended("no such task").await;
    }

    #[tokio::test]
    async fn what_a_nested_agent_started_is_told_to_it_and_then_to_its_parent() {
        let tasks = Arc::new(Tasks::default());
        let nested = tasks.begin_nested("a.b");
        let outer = tasks.begin_nested("a");
        for call in ["x.with.dots", "a.x", "a.b.x", "a.b.y"] {
            let task = tasks.start(work(call, ended("")));
            tasks.ended(&task.id).await;
        }
        assert_eq!(ids(&tasks.news("")), ["task-1"]);
        assert_eq!(ids(&tasks.news("a")), ["task-2"]);
        drop(nested);
        assert_eq!(ids(&tasks.news("a")), ["task-3", "task-4"]);
        drop(outer);
        assert!(tasks.news("").is_empty());
    }

    #[tokio::test]
    async fn a_call_is_moved_once_and_only_while_it_runs() {
        let tasks = Arc::new(Tasks::default());
        let movable = tasks.offer("c");
        assert!(!tasks.take_over("d"));
        assert!(tasks.take_over("c"));
        movable.moved().await;
        assert!(!tasks.take_over("c"), "it is moving already");
        drop(tasks.offer("e"));
        assert!(!tasks.take_over("e"));
    }

    #[tokio::test]
    async fn what_ran_is_lost_where_the_conversation_is_taken_up_elsewhere() {
        let tasks = Arc::new(Tasks::default());
        for text in ["told", "untold"] {
            let task = tasks.start(work("c", ended(text)));
            tasks.ended(&task.id).await;
            if text == "told" {
                tasks.news("");
            }
        }
        tasks.start(work("c", future::pending()));
        let snapshot = tasks.snapshot();
        let json = serde_json::to_string(&snapshot).unwrap();
        let tasks = Arc::new(Tasks::restored(serde_json::from_str(&json).unwrap()));
        let statuses: Vec<_> = tasks.list().into_iter().map(|task| (task.id, task.status)).collect();
        assert_eq!(statuses, [("task-2".into(), TaskStatus::Ended), ("task-3".into(), TaskStatus::Lost)]);
        let news = tasks.news("");
        assert_eq!((ids(&news), news[0].1.as_str()), (vec!["task-2", "task-3"], "untold"));
        assert_eq!(tasks.start(work("c", ended(""))).id, "task-4");
    }

    #[tokio::test]
    async fn tasks_end_with_what_holds_them() {
        let tasks = Arc::new(Tasks::default());
        let (alive, gone) = tokio::sync::oneshot::channel::<()>();
        tasks.start(work("c", async move {
            let _alive = alive;
            future::pending().await
        }));
        tokio::task::yield_now().await;
        drop(tasks);
        assert!(gone.await.is_err());
    }
}
