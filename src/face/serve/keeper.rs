//! The server's own watch of the sessions that its clients opened.
//!
//! A session ends when nobody watches it any more, and connections break. So the server watches, too: until a client
//! closes the session, or nothing has gone on in it for a while.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use futures::{FutureExt, future::BoxFuture};
use serde_json::value::RawValue;
use tokio::sync::{Notify, oneshot};

use super::metrics::Metrics;
use crate::{
    face::{attach::Joined, link::Link},
    protocol::{Request, SessionCloseParams, SessionEvent, SessionInfo, TurnCancelParams},
    sidecar::{Attachment, AttachmentId, Inquiry, LoggedEvent, RequestError, Verdict},
};

/// How long a session stays open in which nothing goes on and that nobody is subscribed to; chosen: a client that was
/// cut off comes back within it. Its log stays.
const IDLE_LIMIT: Duration = Duration::from_secs(600);
/// How often that is looked for.
const LOOK: Duration = Duration::from_secs(30);

/// What the server calls itself.
pub const NAME: &str = "serve";

pub struct Keeper {
    link: Link,
    /// Where sessions work that do not say it, if not where the hub does.
    roots: Option<Vec<String>>,
    id: OnceLock<AttachmentId>,
    metrics: Arc<Metrics>,
    sessions: Mutex<HashMap<Arc<str>, Kept>>,
    /// A turn has ended.
    ended: Notify,
}

/// What of a request concerns the sessions that are watched.
enum About {
    Opening,
    Starting(String),
    Closing(String),
    Else,
}

impl About {
    fn of(request: &Request) -> Self {
        match request {
            Request::SessionNew(_) | Request::SessionLoad(_) => Self::Opening,
            Request::TurnStart(start) => Self::Starting(start.session_id.clone()),
            Request::SessionClose(close) => Self::Closing(close.session_id.clone()),
            _ => Self::Else,
        }
    }
}

/// A session that is watched.
struct Kept {
    is_running: bool,
    /// One of our clients has started the turn that runs.
    is_ours: bool,
    tasks: usize,
    subscriptions: usize,
    /// When the last of these ended.
    idle_since: Instant,
}

impl Keeper {
    pub fn start(joined: &Joined, metrics: Arc<Metrics>) -> Arc<Self> {
        let (link, roots) = (joined.link.clone(), joined.roots.clone());
        let (id, sessions, ended) = (OnceLock::new(), Mutex::default(), Notify::new());
        let keeper = Arc::new(Self { link, roots, id, metrics, sessions, ended });
        keeper.id.get_or_init(|| keeper.link.attach(keeper.clone()));
        keeper
    }

    /// Has the hub do what a client asks, on the server's own behalf: of the sessions that it opens, the server sees the
    /// events from now on.
    pub async fn call(self: &Arc<Self>, mut request: Request) -> Result<Box<RawValue>, RequestError> {
        let Some(id) = self.id.get() else {
            return Err(RequestError::new(RequestError::INTERNAL, "The server has not begun yet."));
        };
        match &mut request {
            // The past is for subscriptions.
            Request::SessionLoad(load) => load.from_seq = None,
            Request::SessionNew(new) if new.roots.is_none() => new.roots.clone_from(&self.roots),
            _ => {}
        }
        let about = About::of(&request);
        let (reply, answered) = oneshot::channel();
        let keeper = self.clone();
        let noted = move |result: Result<Box<RawValue>, RequestError>| {
            // Now, since the events that follow count already.
            if let Ok(json) = &result {
                keeper.note(about, json);
            }
            let _ = reply.send(result);
        };
        self.link.request(*id, request, Box::new(noted));
        let gone = || RequestError::new(RequestError::INTERNAL, "The server has ended.");
        answered.await.map_err(|_| gone())?
    }

    /// A request was granted.
    fn note(&self, about: About, answer: &RawValue) {
        match about {
            About::Opening => {
                let Ok(info) = serde_json::from_str::<SessionInfo>(answer.get()) else { return };
                let mut sessions = self.sessions();
                let kept = sessions.entry(info.session_id.into()).or_insert_with(Kept::new);
                kept.is_running |= info.turn_id.is_some();
            }
            About::Starting(session_id) => {
                if let Some(kept) = self.sessions().get_mut(session_id.as_str()) {
                    kept.is_ours = true;
                }
            }
            About::Closing(session_id) => {
                let closed = self.sessions().remove(session_id.as_str());
                self.metrics.closed(&session_id, closed.is_some_and(|kept| kept.is_running));
            }
            About::Else => {}
        }
    }

    /// Cancels the turns that our clients have started, and returns when they have ended.
    pub async fn cancel_turns(self: &Arc<Self>) {
        let ours = |kept: &Kept| kept.is_running && kept.is_ours;
        let running: Vec<Arc<str>> =
            self.sessions().iter().filter(|(_, kept)| ours(kept)).map(|(id, _)| id.clone()).collect();
        for session_id in running {
            let cancel =
                TurnCancelParams { session_id: session_id.to_string(), background: false, waiting_only: false };
            if let Err(error) = self.call(Request::TurnCancel(cancel)).await {
                tracing::info!(%error, "a turn had ended already");
            }
        }
        loop {
            let ended = self.ended.notified();
            if !self.sessions().values().any(ours) {
                return;
            }
            ended.await;
        }
    }

    /// Watches no more.
    pub fn leave(&self) {
        if let Some(id) = self.id.get() {
            self.link.detach(*id);
        }
    }

    /// Counts the subscriptions to a session, one more or one less.
    pub fn count(&self, session_id: &str, is_more: bool) {
        if let Some(kept) = self.sessions().get_mut(session_id) {
            kept.subscriptions = if is_more { kept.subscriptions + 1 } else { kept.subscriptions.saturating_sub(1) };
            kept.idle_since = Instant::now();
        }
    }

    /// Closes sessions in which nothing goes on any more, for as long as it is polled.
    pub async fn tend(self: &Arc<Self>) {
        loop {
            tokio::time::sleep(LOOK).await;
            let is_idle = |kept: &Kept| !kept.is_busy() && kept.idle_since.elapsed() > IDLE_LIMIT;
            let idle: Vec<Arc<str>> =
                self.sessions().iter().filter(|(_, kept)| is_idle(kept)).map(|(id, _)| id.clone()).collect();
            for session_id in idle {
                let close = Request::SessionClose(SessionCloseParams { session_id: session_id.to_string() });
                if let Err(error) = self.call(close).await {
                    tracing::info!(%error, "an idle session was gone already");
                    self.sessions().remove(&session_id);
                }
            }
        }
    }

    /// How many sessions are open, and in how many a turn runs.
    pub fn counts(&self) -> (usize, usize) {
        let sessions = self.sessions();
        (sessions.len(), sessions.values().filter(|kept| kept.is_running).count())
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<Arc<str>, Kept>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn new() -> Self {
        Self { is_running: false, is_ours: false, tasks: 0, subscriptions: 0, idle_since: Instant::now() }
    }

    fn is_busy(&self) -> bool {
        self.is_running || self.tasks > 0 || self.subscriptions > 0
    }

    fn note(&mut self, event: &SessionEvent) {
        match event {
            SessionEvent::TurnStarted { .. } => self.is_running = true,
            SessionEvent::TurnEnded { .. } => (self.is_running, self.is_ours) = (false, false),
            SessionEvent::TaskStarted { .. } => self.tasks += 1,
            SessionEvent::TaskEnded { .. } => self.tasks = self.tasks.saturating_sub(1),
            _ => return,
        }
        self.idle_since = Instant::now();
    }
}

impl Attachment for Keeper {
    fn name(&self) -> Option<String> {
        Some(NAME.to_owned())
    }

    fn event(&self, event: &LoggedEvent) {
        self.metrics.event(&event.event);
        if let Some(kept) = self.sessions().get_mut(&event.session_id) {
            kept.note(&event.event);
        }
        if matches!(event.event, SessionEvent::TurnEnded { .. }) {
            self.ended.notify_waiters();
        }
    }

    /// The server has nobody to ask; its subscribers do.
    fn ask(&self, inquiry: Inquiry) -> BoxFuture<'static, Option<Verdict>> {
        self.metrics.asked(&inquiry);
        futures::future::ready(None).boxed()
    }
}
