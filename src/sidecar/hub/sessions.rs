//! Sessions: begun, found again, watched and let go.

use std::{
    path::PathBuf,
    sync::{Arc, PoisonError},
};

use super::{Deferred, Hub, answer, configuring::stored_rules, not_configured};
use crate::{
    config::TEMPERATURES,
    protocol::{
        EventListParams, Limits, Request, SessionConfigureParams, SessionDeleteParams, SessionInfo, SessionListParams,
        SessionListResponse, SessionLoadParams, SessionNewParams,
    },
    session::Session,
    sidecar::{
        AttachmentId, Event, Reply, RequestError,
        replay::{Watch, page, replay},
    },
    store::{Log, Meta, Recovered, Settings, StoreError},
};

/// A stored session, read and locked.
pub struct Loaded {
    log: Log,
    recovered: Recovered,
}

impl Hub {
    pub(super) fn new_session(
        &mut self,
        from: AttachmentId,
        params: SessionNewParams,
    ) -> Result<SessionInfo, RequestError> {
        let workspace = match params.roots {
            None => self.workspace.view(),
            Some(roots) => self.workspace.with_roots(parse_roots(&roots)?),
        };
        let model = match params.model {
            Some(model) => model,
            None => self.providers.default_model().ok_or_else(|| not_configured(&self.providers.hint()))?,
        };
        self.providers.get(&model).map_err(|error| not_configured(&error.to_string()))?;
        let mode = params.mode.unwrap_or(self.config.mode.into());
        let limits = checked(params.limits.unwrap_or_default())?;
        let meta = Meta::new(workspace.roots(), Settings { model: model.clone(), mode, limits });
        let log = self.store.create(&meta).map_err(store_error)?;
        let policy = self.policy(&workspace, mode);
        let id: Arc<str> = meta.session_id.as_str().into();
        let mut session = Session::new(id.clone(), workspace, model, limits, policy, log);
        session.listen(self.way_back());
        if let Some(attachment) = self.attachments.get(&from) {
            session.watch(from, attachment.clone());
        }
        let info = session.info();
        self.sessions.insert(id.clone(), session);
        self.equip(&id, params.mcp_servers);
        Ok(info)
    }

    pub(super) fn list(&self, params: SessionListParams, reply: Reply) {
        let running: Vec<SessionInfo> = self.sessions.values().map(Session::info).collect();
        let store = self.store.clone();
        let root = match params.root.as_deref().map(|root| parse_roots(std::slice::from_ref(&root.to_owned()))) {
            None => None,
            Some(Ok(roots)) => roots.into_iter().next(),
            Some(Err(error)) => return reply(Err(error)),
        };
        tokio::task::spawn_blocking(move || {
            let limit = params.limit.unwrap_or(50).clamp(1, 500) as usize;
            let listed = store.list(root.as_deref(), params.cursor.as_deref(), limit).map_err(store_error);
            answer(
                reply,
                listed.map(|mut page| {
                    for listed in &mut page.sessions {
                        if let Some(live) = running.iter().find(|live| live.session_id == listed.session_id) {
                            *listed = live.clone();
                        }
                    }
                    SessionListResponse { sessions: page.sessions, next_cursor: page.next_cursor }
                }),
            );
        });
    }

    pub(super) fn list_events(&mut self, params: EventListParams, reply: Reply) {
        let (last, held_back) = match self.session(&params.session_id) {
            Ok(session) => (session.last_seq, session.log.held_back().to_vec()),
            Err(error) => return reply(Err(error)),
        };
        let first = params.from_seq.unwrap_or(1).max(1);
        let limit = u64::from(params.limit.unwrap_or(500).clamp(1, 5_000));
        let (store, seqs) = (self.store.clone(), first..=last.min(first.saturating_add(limit - 1)));
        tokio::task::spawn_blocking(move || {
            answer(reply, page(&store, &params.session_id, seqs, held_back).map_err(store_error));
        });
    }

    pub(super) fn load(&mut self, from: AttachmentId, params: SessionLoadParams, reply: Reply) {
        if let Some(session) = self.sessions.get_mut(params.session_id.as_str()) {
            let Some(attachment) = self.attachments.get(&from).cloned() else {
                return reply(Err(RequestError::new(RequestError::NOT_FOUND, "This client is gone.")));
            };
            if let Some(roots) = params.roots {
                let moved = parse_roots(&roots).and_then(|roots| match session.workspace.roots() == roots {
                    true => Ok(()),
                    false if session.turn.is_some() => Err(RequestError::new(
                        RequestError::BUSY,
                        "A turn is running in this session's folders. Wait for its end, or stop it, to give it others.",
                    )),
                    false => {
                        let workspace = self.workspace.with_roots(roots);
                        let rules = stored_rules(&workspace);
                        session.move_to(workspace, rules);
                        // Servers stay in the folders that they were started for.
                        if params.mcp_servers.is_some() {
                            session.mcp = None;
                        }
                        Ok(())
                    }
                });
                if let Err(error) = moved {
                    return reply(Err(error));
                }
            }
            let (session_id, last) = (session.id.clone(), session.last_seq);
            let first = params.from_seq.map_or(last + 1, |seq| seq.max(1));
            answer(reply, Ok(session.info()));
            session.watch(from, attachment);
            self.show_past(&session_id, from, first);
            self.tell_warnings(&session_id);
            if let Some(brought) = params.mcp_servers {
                self.equip(&session_id, brought);
            }
            return;
        }
        let id: Arc<str> = params.session_id.as_str().into();
        let deferred = Deferred { from, request: Request::SessionLoad(params), reply };
        self.loading.insert(id.clone(), vec![deferred]);
        let (store, hub, log_of) = (self.store.clone(), self.sender.clone(), id.clone());
        let reading = tokio::task::spawn_blocking(move || store.load(&log_of));
        tokio::spawn(async move {
            let loaded = match reading.await {
                Ok(loaded) => loaded.map_err(store_error),
                Err(broken) => Err(RequestError::new(RequestError::INTERNAL, broken.to_string())),
            };
            let loaded = loaded.map(|(log, recovered)| Box::new(Loaded { log, recovered }));
            let _ = hub.send(Event::Loaded { id, loaded });
        });
    }

    /// Shows a client that watches the events from `first` on, and then what is live.
    fn show_past(&mut self, session_id: &str, client: AttachmentId, first: u64) {
        let Some(session) = self.sessions.get_mut(session_id) else { return };
        let (session_id, last) = (session.id.clone(), session.last_seq);
        let Some(watcher) = session.watchers.iter_mut().find(|watcher| watcher.id == client) else { return };
        if first > last {
            watcher.replay = None;
            return self.ask_again(&session_id, client);
        }
        let (attachment, number) = (watcher.attachment.clone(), watcher.number);
        let watch = Watch { session_id, client, attachment, number };
        let held_back = session.log.held_back().to_vec();
        watcher.replay = Some(replay(self.store.clone(), watch, first..=last, held_back, self.sender.clone()));
    }

    pub(super) fn loaded(&mut self, id: &Arc<str>, loaded: Result<Box<Loaded>, RequestError>) {
        let mut waiting = self.loading.remove(id).unwrap_or_default();
        match loaded {
            Ok(loaded) => {
                let Recovered { waiting: open_turn, settings, roots, .. } = &loaded.recovered;
                if open_turn.is_some() && self.providers.get(&settings.model).is_ok() {
                    waiting = refuse_to_move(waiting, roots);
                }
                if waiting.iter().any(|deferred| self.is_to_watch(deferred)) {
                    self.open(id, *loaded, waiting);
                } else {
                    // Left as it is: what it asks would be asked of nobody.
                    drop(loaded);
                    self.serve_deferred(waiting);
                }
            }
            Err(error) => {
                for deferred in waiting {
                    (deferred.reply)(Err(error.clone()));
                }
            }
        }
        self.drop_idle();
    }

    fn is_to_watch(&self, deferred: &Deferred) -> bool {
        matches!(deferred.request, Request::SessionLoad(_)) && self.attachments.contains_key(&deferred.from)
    }

    /// Has a stored session go on, for those who wait for it.
    fn open(&mut self, id: &Arc<str>, loaded: Loaded, waiting: Vec<Deferred>) {
        let Loaded { log, mut recovered } = loaded;
        let roots = recovered.roots.clone();
        let same = roots == self.workspace.roots();
        let workspace = if same { self.workspace.view() } else { self.workspace.with_roots(roots) };
        let settings = recovered.settings.clone();
        let policy = self.policy(&workspace, settings.mode);
        let session = Session::new(id.clone(), workspace, settings.model, settings.limits, policy, log);
        self.sessions.insert(id.clone(), session);
        // What the person was asked before this process began is asked again.
        let waiting_turn = recovered.waiting.take().filter(|_| !self.is_ending && self.agent_for(id).is_ok());
        let hub = self.way_back();
        if let Some(session) = self.sessions.get_mut(id) {
            session.restore(recovered, waiting_turn.is_some());
            session.listen(hub);
        }
        if waiting_turn.is_some() {
            // The turn may be about their tools. Others bring theirs once the session is where they want it.
            let brought = waiting.iter().find_map(|deferred| match &deferred.request {
                Request::SessionLoad(params) => params.mcp_servers.clone(),
                _ => None,
            });
            self.equip(id, brought.unwrap_or_default());
        } else {
            self.watch_tools(id);
        }
        self.loading.insert(id.clone(), Vec::new());
        if let Some(turn) = waiting_turn {
            self.go_on(id, turn);
        }
        self.serve_deferred(waiting);
        self.let_in(id);
    }

    /// Serves the requests that waited for a session, once it is as its log says and asks what it asked.
    pub(super) fn let_in(&mut self, id: &Arc<str>) {
        let is_ready = |session: &Session| session.turn.as_ref().is_none_or(|turn| turn.reopening.is_empty());
        if !self.loading.contains_key(id) || !self.sessions.get(id).is_some_and(is_ready) {
            return;
        }
        let deferred = self.loading.remove(id).unwrap_or_default();
        self.serve_deferred(deferred);
        // Who wanted it may have gone meanwhile.
        if let Some(session) = self.sessions.get_mut(id).filter(|session| session.watchers.is_empty()) {
            session.cancel_all();
        }
    }

    pub(super) fn caught_up(&mut self, session_id: &str, client: AttachmentId, number: u64, seq: u64) {
        let session = self.sessions.get(session_id);
        let mut watchers = session.into_iter().flat_map(|session| &session.watchers);
        // Another watch of the same client has a past of its own.
        if watchers.any(|watcher| watcher.id == client && watcher.number == number && !watcher.is_live()) {
            self.show_past(session_id, client, seq + 1);
        }
    }

    pub(super) fn configure_session(&mut self, params: SessionConfigureParams, reply: Reply) {
        if let Some(model) = &params.model
            && let Err(error) = self.providers.get(model)
        {
            return reply(Err(not_configured(&error.to_string())));
        }
        if let Some(Err(error)) = params.limits.map(checked) {
            return reply(Err(error));
        }
        let session = match self.session(&params.session_id) {
            Ok(session) => session,
            Err(error) => return reply(Err(error)),
        };
        if let Some(model) = params.model {
            session.model = model;
        }
        if let Some(mode) = params.mode {
            session.policy.write().unwrap_or_else(PoisonError::into_inner).mode = mode.into();
        }
        if let Some(limits) = params.limits {
            session.limits = limits;
        }
        answer(reply, Ok(session.info()));
        session.append_settings();
    }

    pub(super) fn detach(&mut self, id: AttachmentId) {
        self.attachments.remove(&id);
        if let Some(editor) = self.showing.remove(&id) {
            self.workspace.detach(editor);
        }
        self.unqueue(None, id);
        for session in self.sessions.values_mut() {
            if session.watchers.iter().any(|watcher| watcher.id == id) && session.unwatch(id) {
                session.cancel_all();
            }
        }
        self.drop_idle();
    }

    /// Forgets sessions that nobody watches and nothing runs in, not even in the background; their logs stay, but for
    /// those that are to be deleted.
    pub(super) fn drop_idle(&mut self) {
        self.sessions.retain(|_, session| !session.watchers.is_empty() || session.is_running());
        for (id, reply) in std::mem::take(&mut self.deleting) {
            self.delete(SessionDeleteParams { session_id: id }, reply);
        }
    }
}

/// Refuses those who want a session elsewhere while a turn of it waits in these folders; gives the others.
fn refuse_to_move(waiting: Vec<Deferred>, roots: &[PathBuf]) -> Vec<Deferred> {
    let mut others = Vec::new();
    for deferred in waiting {
        let wanted = match &deferred.request {
            Request::SessionLoad(SessionLoadParams { roots: Some(wanted), .. }) => parse_roots(wanted),
            _ => Ok(roots.to_owned()),
        };
        match wanted {
            Ok(wanted) if wanted == roots => others.push(deferred),
            Ok(_) => {
                let message = format!(
                    "A turn of this session waits for an answer about its folders, {}. Load it with these to answer or to \
                     stop it, before you give it others.",
                    roots.iter().map(|root| root.display().to_string()).collect::<Vec<_>>().join(", ")
                );
                (deferred.reply)(Err(RequestError::new(RequestError::BUSY, message)));
            }
            Err(error) => (deferred.reply)(Err(error)),
        }
    }
    others
}

/// # Errors
/// If a model could not be called with these.
fn checked(limits: Limits) -> Result<Limits, RequestError> {
    if limits.temperature.is_none_or(|temperature| TEMPERATURES.contains(&temperature)) {
        return Ok(limits);
    }
    Err(RequestError::new(RequestError::INVALID_PARAMS, "`temperature` must be a number from 0 to 2."))
}

fn parse_roots(roots: &[String]) -> Result<Vec<PathBuf>, RequestError> {
    roots
        .iter()
        .map(|root| {
            crate::workspace::parse_root(root).map_err(|error| {
                RequestError::new(RequestError::INVALID_PARAMS, format!("{root:?} cannot be a root: {error}"))
            })
        })
        .collect()
}

pub(super) fn store_error(error: StoreError) -> RequestError {
    let code = match &error {
        StoreError::NotFound { .. } | StoreError::NoPast { .. } => RequestError::NOT_FOUND,
        StoreError::Busy { .. } => RequestError::BUSY,
        StoreError::BadId { .. } | StoreError::BadCursor { .. } => RequestError::INVALID_PARAMS,
        _ => RequestError::INTERNAL,
    };
    RequestError::new(code, error.to_string())
}
