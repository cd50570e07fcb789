//! Making the edits of a plan: in the editor's buffer where one is open, else in the file.

use std::{ops::Range, sync::Arc};

use ropey::Rope;
use tokio::{
    sync::{Mutex, mpsc::UnboundedReceiver},
    time::{Instant, sleep_until},
};

use super::{
    Applied, EditorId, Location, Revision, SinkError, Snapshot, Workspace,
    buffer::{State, Target},
    diff::changes,
    disk,
    edit::{TextEdit, for_editor, make, minimal, shift_by},
    encoding::Encoding,
    error::{EditError, ReadError},
    landing::{Expectation, Landing, elsewhere},
    lock,
    plan::{Plan, pieces},
    text::digest_bytes,
};

/// How often an edit is tried on a text that keeps moving. Chosen: a person pauses sooner.
const ATTEMPTS: usize = 8;

/// What came of one try.
enum Tried {
    Applied(Applied),
    /// The text moved: try again on what it is now.
    Moved,
}

impl Workspace {
    /// Makes the edits, or those of the chosen hunks.
    ///
    /// # Errors
    /// Nothing was changed, or it is not known whether it was: each [`EditError`] says which.
    pub async fn apply(&self, plan: Plan, hunks: Option<&[usize]>) -> Result<Applied, EditError> {
        let chosen = plan.chosen(hunks)?;
        let turn = self.turn(&plan.location);
        let _turn = turn.lock().await;
        let applied = self.apply_in_turn(&plan, &chosen).await?;
        self.set_down(&plan.riders);
        Ok(applied)
    }

    /// [`Self::apply`] for who holds the file's turn.
    pub(super) async fn apply_in_turn(&self, plan: &Plan, chosen: &[usize]) -> Result<Applied, EditError> {
        // A new file without text has no hunks to choose from.
        if chosen.is_empty() && !(plan.create && plan.diff().hunks.is_empty()) {
            let snapshot = match self.read(&plan.location).await {
                Err(ReadError::NotFound(_)) if plan.create => {
                    Snapshot::of_disk(Rope::new(), digest_bytes(b""), Encoding::Utf8)
                }
                snapshot => snapshot?,
            };
            let (diff, _) = pieces(&plan.location, &snapshot.text, &[]);
            let (before, rebased) = (snapshot.text.clone(), snapshot.text != plan.base);
            return Ok(Applied { diff, snapshot, rebased, created: false, before, edits: Vec::new() });
        }
        // Since it was planned, a command may have written the file, which the editor is about to show.
        self.settle_with_disk(|open| open == plan.location.path).await;
        let held = self
            .hold(&plan.location, plan.create)
            .await
            .map_err(|SinkError(message)| EditError::Editor { shown: plan.location.shown.clone(), message })?;
        let applied = self.try_to_apply(plan, chosen).await;
        if let Some(held) = held {
            self.let_go(held).await;
        }
        applied
    }

    async fn try_to_apply(&self, plan: &Plan, chosen: &[usize]) -> Result<Applied, EditError> {
        for _ in 0..ATTEMPTS {
            let tried = match self.aim(plan) {
                Some((target, states)) => self.push(plan, chosen, target, states).await?,
                None if !plan.location.path.is_absolute() => {
                    return Err(ReadError::NotOpen(plan.location.shown.clone()).into());
                }
                None => self.write(plan, chosen).await?,
            };
            if let Tried::Applied(applied) = tried {
                return Ok(applied);
            }
        }
        Err(EditError::Restless(plan.location.shown.clone()))
    }

    /// One edit of a file at a time.
    pub(super) fn turn(&self, location: &Location) -> Arc<Mutex<()>> {
        let mut turns = lock(&self.turns);
        turns.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = turns.get(&location.path).and_then(std::sync::Weak::upgrade) {
            return turn;
        }
        let turn = Arc::default();
        turns.insert(location.path.clone(), Arc::downgrade(&turn));
        turn
    }

    /// The buffer the plan is for, if one is open, and every text it has from now on.
    fn aim(&self, plan: &Plan) -> Option<(Target, UnboundedReceiver<Rope>)> {
        let mut state = lock(&self.state);
        let target = state.target(&plan.location.path)?;
        let states = state.watch(target.editor, &target.uri);
        Some((target, states))
    }

    async fn push(
        &self,
        plan: &Plan,
        chosen: &[usize],
        target: Target,
        mut states: UnboundedReceiver<Rope>,
    ) -> Result<Tried, EditError> {
        let shown = || plan.location.shown.clone();
        if target.out_of_sync {
            return Err(ReadError::OutOfSync(shown()).into());
        }
        if plan.create && target.text.len_chars() > 0 {
            let fresh = Some(Box::new(self.fresh(&plan.location, &target.text)));
            return Err(EditError::Exists { shown: shown(), fresh });
        }
        let Some(edits) = settle(&self.state, plan, chosen, &target.text, Some((target.opening, target.generation)))
        else {
            return Err(self.conflict(&plan.location, &target.text));
        };
        let sent = minimal(&target.text, &edits);
        let expectation = Expectation::new(&target.text, &sent);
        let Target { text, encoding, uri, version, editor, sink, .. } = target;
        let landed = |this: &Self, latest: &Rope| {
            Ok(Tried::Applied(this.applied(plan, &text, &edits, this.landed(plan, editor, latest))))
        };
        if sent.is_empty() {
            return landed(self, &text);
        }
        let mut seen = Sight { expectation, landing: Landing::No, latest: text.clone(), moved: None, closed: false };

        let answer = {
            let mut answer = sink.apply(for_editor(&text, &sent, encoding, &uri, version));
            let limit = Instant::now() + self.limits.apply;
            loop {
                tokio::select! {
                    biased;
                    state = states.recv(), if !seen.closed => seen.take(state),
                    answer = &mut answer => break Some(answer),
                    () = sleep_until(limit) => break None,
                }
                if seen.closed {
                    break None;
                }
            }
        };
        match answer {
            Some(Ok(true)) => {
                let limit = Instant::now() + self.limits.confirm;
                while seen.landing == Landing::No && !seen.closed {
                    // Neovim says yes also to an edit that came too late; then its text moves without it.
                    let settled = seen.moved.map_or(limit, |moved| limit.min(moved + self.limits.settle));
                    tokio::select! {
                        biased;
                        state = states.recv() => seen.take(state),
                        () = sleep_until(settled) => break,
                    }
                }
                if seen.landing > Landing::No {
                    return landed(self, &seen.latest);
                }
                if seen.moved.is_some()
                    && !seen.closed
                    && changes(&text, &seen.latest).iter().all(|change| elsewhere(&text, change, &sent))
                {
                    return Ok(Tried::Moved);
                }
            }
            Some(Ok(false)) => {
                let limit = Instant::now() + self.limits.settle;
                while seen.moved.is_none() && !seen.closed {
                    tokio::select! {
                        biased;
                        state = states.recv() => seen.take(state),
                        () = sleep_until(limit) => return Err(EditError::Refused(shown())),
                    }
                }
                // It may have done what it denies. Whoever did it, it must not be done twice.
                return if seen.landing == Landing::Exact { landed(self, &seen.latest) } else { Ok(Tried::Moved) };
            }
            // Without a yes, only the very text counts.
            _ if seen.landing == Landing::Exact => return landed(self, &seen.latest),
            Some(Err(SinkError(message))) => return Err(EditError::Editor { shown: shown(), message }),
            None if !seen.closed => return Err(EditError::Unanswered { shown: shown(), limit: self.limits.apply }),
            None => {}
        }
        if seen.closed {
            let lost = lock(&self.state).find(&plan.location.path).is_some_and(|(_, buffer)| buffer.out_of_sync);
            return Err(if lost { ReadError::OutOfSync(shown()).into() } else { EditError::Closed(shown()) });
        }
        Err(EditError::Unconfirmed { shown: shown(), limit: self.limits.confirm })
    }

    /// The buffer as it is after an edit. It may be gone already: then as it was when the edit arrived.
    fn landed(&self, plan: &Plan, editor: EditorId, latest: &Rope) -> Snapshot {
        let mut state = lock(&self.state);
        if let Some((editor, buffer)) = state.find(&plan.location.path) {
            return buffer.snapshot(editor);
        }
        let generation = state.next();
        Snapshot {
            text: latest.clone(),
            revision: Revision::Buffer { editor, generation },
            unsaved: true,
            overtaken: false,
            encoding: None,
        }
    }

    /// `edits` were made to `before`.
    fn applied(&self, plan: &Plan, before: &Rope, edits: &[TextEdit], snapshot: Snapshot) -> Applied {
        let (diff, _) = pieces(&plan.location, before, edits);
        let rebased = *before != plan.base || snapshot.text != make(before, edits);
        let (before, edits) = (before.clone(), edits.to_vec());
        Applied { diff, snapshot, rebased, created: plan.create, before, edits }
    }

    async fn write(&self, plan: &Plan, chosen: &[usize]) -> Result<Tried, EditError> {
        let location = plan.location.clone();
        if plan.create {
            let text: String = chosen.iter().map(|index| plan.pieces[*index].edit.text.as_str()).collect();
            let (state, bytes) = (self.state.clone(), text.clone().into_bytes());
            let created = blocking(move || {
                let unopened = || lock(&state).find(&location.path).is_none();
                disk::create(&location.path, &bytes, location.inside, unopened)
                    .map_err(|error| EditError::of(&location, error))
            });
            return match created.await {
                Ok(false) => Ok(Tried::Moved),
                Ok(true) => {
                    let hash = digest_bytes(text.as_bytes());
                    let snapshot = Snapshot::of_disk(Rope::from_str(&text), hash, Encoding::Utf8);
                    let edits: Vec<_> = chosen.iter().map(|index| plan.pieces[*index].edit.clone()).collect();
                    Ok(Tried::Applied(self.applied(plan, &Rope::new(), &edits, snapshot)))
                }
                Err(EditError::Exists { shown, .. }) => {
                    Err(EditError::Exists { shown, fresh: self.read(&plan.location).await.ok().map(Box::new) })
                }
                Err(error) => Err(error),
            };
        }
        let limit = self.limits.size;
        let (bytes, encoding, text) = blocking({
            let location = location.clone();
            move || {
                let bytes = disk::read(&location, limit)?;
                let (encoding, text) = Encoding::decode(&bytes).map_err(|_| ReadError::Binary(location.shown))?;
                Ok((bytes, encoding, Rope::from_str(&text)))
            }
        })
        .await
        .map_err(|error: ReadError| match error {
            ReadError::NotFound(shown) => EditError::Vanished(shown),
            error => EditError::Read(error),
        })?;
        let Some(edits) = settle(&self.state, plan, chosen, &text, None) else {
            let fresh = Box::new(Snapshot::of_disk(text, digest_bytes(&bytes), encoding));
            return Err(EditError::Conflict { shown: location.shown, fresh });
        };
        let new = make(&text, &edits);
        let (state, result) = (self.state.clone(), new.clone());
        let written = blocking(move || {
            let shown = location.shown.clone();
            let out = encoding.encode(&result.to_string()).map_err(|char| EditError::Unencodable {
                shown,
                encoding: encoding.name(),
                char,
            })?;
            let unchanged = || {
                lock(&state).find(&location.path).is_none()
                    && disk::read(&location, limit).is_ok_and(|now| now == bytes)
            };
            let replaced = disk::replace(&location.path, &out, unchanged);
            replaced.map(|done| done.then(|| digest_bytes(&out))).map_err(|error| EditError::of(&location, error))
        });
        let Some(hash) = written.await? else { return Ok(Tried::Moved) };
        let snapshot = Snapshot::of_disk(new, hash, encoding);
        Ok(Tried::Applied(self.applied(plan, &text, &edits, snapshot)))
    }

    pub(super) fn conflict(&self, location: &Location, text: &Rope) -> EditError {
        EditError::Conflict { shown: location.shown.clone(), fresh: Box::new(self.fresh(location, text)) }
    }

    /// The buffer as it is now, or else the text that was found.
    fn fresh(&self, location: &Location, text: &Rope) -> Snapshot {
        let open = lock(&self.state).find(&location.path).map(|(editor, buffer)| buffer.snapshot(editor));
        open.unwrap_or_else(|| {
            Snapshot::of_disk(text.clone(), digest_bytes(text.to_string().as_bytes()), Encoding::Utf8)
        })
    }
}

/// What was seen of a buffer while an edit was under way.
struct Sight {
    expectation: Expectation,
    landing: Landing,
    latest: Rope,
    /// When the text last changed.
    moved: Option<Instant>,
    closed: bool,
}

impl Sight {
    fn take(&mut self, state: Option<Rope>) {
        let Some(text) = state else {
            self.closed = true;
            return;
        };
        self.landing = self.landing.max(self.expectation.judge(&text));
        self.moved = Some(Instant::now());
        self.latest = text;
    }
}

/// The plan's edits as edits of `now`; `None` if it changed where they are. `opened` is the buffer `now` is of, by its
/// opening and generation.
pub(super) fn settle(
    state: &std::sync::Mutex<State>,
    plan: &Plan,
    chosen: &[usize],
    now: &Rope,
    opened: Option<(u64, u64)>,
) -> Option<Vec<TextEdit>> {
    let (text, anchors) = {
        let state = lock(state);
        let pending = state.pending.get(&plan.id)?;
        (pending.text.clone(), pending.anchors.clone())
    };
    let moved = changes(&text, now);
    let place = |anchor: &Option<Range<usize>>| anchor.as_ref().and_then(|range| shift_by(range, &moved));
    let mut anchors: Vec<_> = anchors.iter().map(place).collect();
    if chosen.iter().any(|index| anchors[*index].is_none()) {
        // What was changed there may have been changed back.
        let moved = changes(&plan.start, now);
        anchors = plan.pieces.iter().map(|piece| shift_by(&piece.edit.range, &moved)).collect();
    }
    let edits: Option<Vec<_>> = chosen
        .iter()
        .map(|index| Some(TextEdit { range: anchors[*index].clone()?, text: plan.pieces[*index].edit.text.clone() }))
        .collect();
    let mut state = lock(state);
    let current = state.find(&plan.location.path).map(|(_, buffer)| (buffer.opening, buffer.generation));
    if edits.is_some()
        && current == opened
        && let Some(pending) = state.pending.get_mut(&plan.id)
    {
        (pending.text, pending.opening, pending.anchors) = (now.clone(), opened.map(|(opening, _)| opening), anchors);
    }
    edits
}

/// Runs what blocks where it may.
pub(super) async fn blocking<T: Send + 'static, E: Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The runtime is going down, and whoever waits here with it.
        Err(_) => std::future::pending().await,
    }
}
