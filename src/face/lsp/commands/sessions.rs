//! The sessions that commands begin and go on with.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use serde_json::{Value, json};

use super::{Arguments, Caller};
use crate::{
    protocol::{
        Empty, Mode, Request, SessionCloseParams, SessionConfigureParams, SessionInfo, SessionListParams,
        SessionListResponse, SessionLoadParams, SessionNewParams, TaskListParams, TaskListResponse, TaskStatus,
        TurnStartParams, TurnStartResponse,
    },
    rpc::Error,
};

/// How many sessions are offered to go on with. Chosen: a menu of this length is still read.
const OFFERED: usize = 8;

/// Which sessions an editor without a plugin has.
#[derive(Clone, Default)]
pub(in crate::face::lsp) struct Sessions(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    begun: Vec<String>,
    /// Held by each ask that has no session yet; true once they are stopped.
    beginning: Arc<AtomicBool>,
    /// The one that the person wants to go on with.
    resumed: Option<String>,
    /// What they chose for the sessions to come.
    mode: Option<Mode>,
    model: Option<String>,
}

impl Sessions {
    /// Those that commands have begun and not let go.
    pub(super) fn all(&self) -> Vec<String> {
        let known = self.lock();
        known.begun.iter().chain(&known.resumed).cloned().collect()
    }

    /// Has what was asked and has no session yet never begin. Returns how much that was.
    pub(super) fn stop_beginning(&self) -> usize {
        let beginning = std::mem::take(&mut self.lock().beginning);
        beginning.store(true, Ordering::Relaxed);
        Arc::strong_count(&beginning) - 1
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Caller {
    pub(super) async fn ask(&self, arguments: Arguments) -> Result<Value, Error> {
        if arguments.words.trim().is_empty() {
            return Err(Error::invalid_params(
                "the prompt is empty: give it as the command's argument, or write it as a comment that begins with \
                 `pillion:` and run the code action on it",
            ));
        }
        let wanted = arguments.session_id.clone().or_else(|| self.sessions.lock().resumed.clone());
        // Before anything is waited for: what it points to is what the person sees now.
        let prompt = arguments.prompt(self.sidecar.workspace());
        let session_id = match wanted {
            Some(session_id) => session_id,
            None => self.begin().await?,
        };
        let request = Request::TurnStart(TurnStartParams {
            session_id: session_id.clone(),
            prompt,
            queue: false,
            output_schema: None,
        });
        let turn: TurnStartResponse = self.request(request).await?;
        Ok(json!({ "sessionId": session_id, "turnId": turn.turn_id }))
    }

    async fn begin(&self) -> Result<String, Error> {
        let is_stopped = self.sessions.lock().beginning.clone();
        self.let_go().await;
        let (mode, model) = {
            let known = self.sessions.lock();
            (known.mode, known.model.clone())
        };
        let request = Request::SessionNew(SessionNewParams { mode, model, ..SessionNewParams::default() });
        let session: SessionInfo = self.request(request).await?;
        self.sessions.lock().begun.push(session.session_id.clone());
        if is_stopped.load(Ordering::Relaxed) {
            return Err(Error::new(Error::CANCELLED, "it was stopped before it had begun"));
        }
        Ok(session.session_id)
    }

    /// Closes the sessions of earlier commands in which nothing goes on any more, so that they do not gather while the
    /// editor runs.
    async fn let_go(&self) {
        let begun = self.sessions.lock().begun.clone();
        for session_id in begun {
            match self.load(session_id.clone()).await {
                Ok(session) if session.turn_id.is_some() || self.has_tasks(&session_id).await => continue,
                Ok(_) => {
                    let close = Request::SessionClose(SessionCloseParams { session_id: session_id.clone() });
                    // One that is closed already is what was wanted.
                    let _ = self.request::<Empty>(close).await;
                }
                Err(error) => tracing::info!(%error, "a session of an earlier command is gone"),
            }
            self.sessions.lock().begun.retain(|begun| *begun != session_id);
        }
    }

    /// Whether something runs in the background.
    async fn has_tasks(&self, session_id: &str) -> bool {
        let list = Request::TaskList(TaskListParams { session_id: session_id.to_owned() });
        let listed = self.request::<TaskListResponse>(list).await;
        listed.is_ok_and(|listed| listed.tasks.iter().any(|task| task.status == TaskStatus::Running))
    }

    async fn load(&self, session_id: String) -> Result<SessionInfo, Error> {
        let params = SessionLoadParams { session_id, from_seq: None, roots: None, mcp_servers: None };
        self.request(Request::SessionLoad(params)).await
    }

    pub(super) async fn list_or_resume(&self, session_id: Option<String>) -> Result<Value, Error> {
        if let Some(session_id) = session_id {
            let session = self.resume(session_id).await?;
            return Ok(json!({ "sessionId": session.session_id, "title": session.title }));
        }
        let root = self.sidecar.workspace().roots().first().map(|root| root.to_string_lossy().into_owned());
        let request = Request::SessionList(SessionListParams { root, ..SessionListParams::default() });
        let listed: SessionListResponse = self.request(request).await?;
        let caller = self.clone();
        let sessions = listed.sessions.clone();
        tokio::spawn(async move { caller.offer(sessions).await });
        serde_json::to_value(&listed).map_err(|error| Error::internal(error.to_string()))
    }

    /// Has the person choose a session to go on with.
    async fn offer(&self, sessions: Vec<SessionInfo>) {
        if sessions.is_empty() {
            return self.plain.tell("There are no conversations about this folder yet.");
        }
        // Many are called the same, and what comes back is only the words.
        let numbered = (1..).zip(sessions.iter().take(OFFERED));
        let offered: Vec<_> =
            numbered.map(|(number, session)| (format!("{number}. {}", session.title), session)).collect();
        let titles: Vec<_> = offered.iter().map(|(title, _)| title.as_str()).collect();
        match self.plain.choose("Go on with which conversation?", &titles).await {
            Some(Some(chosen)) => {
                let chosen = offered.iter().find(|(title, _)| *title == chosen).map(|(_, session)| session);
                if let Some(session) = chosen
                    && let Err(error) = self.resume(session.session_id.clone()).await
                {
                    self.plain.tell(&error.message);
                }
            }
            Some(None) => {}
            None => {
                let line = |session: &SessionInfo| format!("- `{}` {}\n", session.session_id, session.title);
                let list = sessions.iter().map(line).collect::<String>();
                let how = "To go on with one, run `pillion.sessions` with `{ \"sessionId\": \"...\" }`.";
                self.plain.show_markdown(format!("# Conversations about this folder\n\n{list}\n{how}\n")).await;
            }
        }
    }

    async fn resume(&self, session_id: String) -> Result<SessionInfo, Error> {
        let session = self.load(session_id).await?;
        self.sessions.lock().resumed = Some(session.session_id.clone());
        self.plain.tell(&format!("What you ask goes on with: {}. A new one begins after pillion.new.", session.title));
        Ok(session)
    }

    pub(super) fn begin_anew(&self) -> Value {
        {
            let mut known = self.sessions.lock();
            let resumed = known.resumed.take();
            known.begun.extend(resumed);
        }
        self.plain.tell("What you ask next begins a new conversation.");
        Value::Null
    }

    /// Sets a mode or a model for the sessions to come and for those that are open.
    pub(super) async fn configure(&self, mode: Option<Mode>, model: Option<String>) -> Result<(), Error> {
        for session_id in self.sessions.all() {
            let params = SessionConfigureParams { session_id, mode, model: model.clone(), limits: None };
            self.request::<SessionInfo>(Request::SessionConfigure(params)).await?;
        }
        let mut known = self.sessions.lock();
        known.mode = mode.or(known.mode);
        known.model = model.or_else(|| known.model.take());
        Ok(())
    }
}
