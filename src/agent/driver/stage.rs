//! Where a driven turn waits for who drives it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use tokio::sync::oneshot;

use super::{
    super::{Answer, ApprovalRequest, Builder, Event, Host, OpenTurn, Point, QuestionRequest, observe},
    Interrupt,
};
use crate::{
    permission::Policy,
    tool::Answered,
    transcript::{Message, Usage},
};

/// Where the turn and who drives it meet.
pub struct Stage {
    state: Mutex<State>,
    stops_after_tool_results: bool,
    /// The agent's.
    setup: Arc<Builder>,
}

pub struct State {
    pub history: Vec<Message>,
    pub input: VecDeque<Message>,
    /// There from the turn's first event on.
    pub turn: Option<OpenTurn>,
    pub usage: Usage,
    /// The agent's without.
    pub policy: Option<Policy>,
    /// What was asked before a restart, until it is asked again.
    pub restored: Vec<Restored>,
    pub approvals: VecDeque<OpenApproval>,
    pub pause: Option<Pause>,
    /// Whether the turn that begins takes back the answer that the history ended with.
    pub retracts: bool,
}

/// A question that a snapshot knows.
pub struct Restored {
    /// As the person was shown it.
    pub request: ApprovalRequest,
    pub answer: Option<Answer>,
}

pub struct OpenApproval {
    pub request: ApprovalRequest,
    answer: oneshot::Sender<Answer>,
    /// Whether the driver has given it in this round of asking.
    was_given: bool,
}

/// The turn waits at [`Interrupt::AfterToolResult`].
pub struct Pause {
    go_on: oneshot::Sender<()>,
    was_given: bool,
}

impl Stage {
    pub fn new(state: State, stops_after_tool_results: bool, setup: Arc<Builder>) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(state), stops_after_tool_results, setup })
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether there is something to begin a turn with, or one to go on with.
    pub fn is_due(&self) -> bool {
        self.turn.is_some() || !self.input.is_empty()
    }

    /// What waits for the person.
    pub fn waiting(&self) -> impl Iterator<Item = &ApprovalRequest> {
        let restored = self.restored.iter().filter(|open| open.answer.is_none()).map(|open| &open.request);
        restored.chain(self.approvals.iter().map(|open| &open.request))
    }

    /// Passes on what the person said, or keeps it until the question is asked again. False if there is none.
    pub fn answer(&mut self, id: &str, answer: Answer) -> bool {
        if let Some(open) = self.approvals.iter().position(|open| open.request.id == id) {
            // Nobody waits any more if the turn was cancelled meanwhile.
            let _ = self.approvals.remove(open).map(|open| open.answer.send(answer));
            return true;
        }
        let mut restored = self.restored.iter_mut();
        let open = restored.find(|open| open.request.id == id && open.answer.is_none());
        open.map(|open| open.answer = Some(answer)).is_some()
    }

    /// What the person said to the question before it was asked again. They allowed what they were shown, nothing else.
    fn answered_before(&mut self, request: &ApprovalRequest) -> Option<Answer> {
        let known = self.restored.iter().position(|open| open.request.id == request.id)?;
        let Restored { request: shown, answer } = self.restored.remove(known);
        answer.filter(|answer| !matches!(answer, Answer::Allow { .. }) || shown == *request)
    }

    /// Lets the turn go on from a pause that the driver knows of.
    pub fn go_on(&mut self) {
        if let Some(pause) = self.pause.take_if(|pause| pause.was_given) {
            let _ = pause.go_on.send(());
        }
    }

    /// What the driver is to be told.
    pub fn interrupt(&mut self) -> Option<Interrupt> {
        // A call whose nested agent asks runs, and goes on only when that is answered.
        let nested = self.approvals.iter().any(|open| open.request.agent.is_some());
        let runs = !nested && self.turn.as_ref().is_some_and(OpenTurn::runs);
        if !runs && self.approvals.iter().all(|open| open.was_given) {
            self.approvals.iter_mut().for_each(|open| open.was_given = false);
        }
        if let Some(open) = self.approvals.iter_mut().find(|open| !open.was_given) {
            open.was_given = true;
            return Some(Interrupt::ApprovalRequest(Box::new(open.request.clone())));
        }
        let pause = self.pause.as_mut()?;
        pause.was_given = true;
        Some(Interrupt::AfterToolResult)
    }
}

/// Takes back the question when nobody waits for its answer any more.
struct Withdrawal<'a> {
    stage: &'a Stage,
    request: ApprovalRequest,
}

impl Drop for Withdrawal<'_> {
    fn drop(&mut self) {
        self.stage.lock().approvals.retain(|open| open.request.id != self.request.id);
    }
}

#[async_trait]
impl Host for Stage {
    async fn emit(&self, event: Event) {
        let mut state = self.lock();
        if let Some(turn) = &mut state.turn {
            turn.take(&event);
        }
        match event {
            Event::TurnStarted => {
                state.turn = Some(OpenTurn::default());
                if std::mem::take(&mut state.retracts) {
                    let replaced = Event::Replaced(state.history.clone());
                    drop(state);
                    observe::tell(&self.setup.observers, &replaced);
                }
            }
            Event::Message(message) => state.history.push(message),
            Event::Replaced(messages) => state.history = messages,
            Event::Settled(settled) => {
                state.restored.retain(|open| open.request.call.id != settled.result.call_id);
            }
            _ => {}
        }
    }

    async fn approve(&self, request: ApprovalRequest) -> Answer {
        let (answer, answered) = oneshot::channel();
        let withdrawal = Withdrawal { stage: self, request: request.clone() };
        {
            let mut state = self.lock();
            if let Some(turn) = &mut state.turn {
                turn.asks(&request);
            }
            match state.answered_before(&request) {
                Some(given) => drop(answer.send(given)),
                None => state.approvals.push_back(OpenApproval { request, answer, was_given: false }),
            }
        }
        let answer = answered.await.unwrap_or(Answer::CancelTurn);
        // Only now: what was answered and not taken up is asked again after a restart.
        if let Some(turn) = &mut self.lock().turn {
            turn.answered(&withdrawal.request);
        }
        answer
    }

    fn policy(&self) -> Policy {
        self.lock().policy.clone().unwrap_or_else(|| self.setup.policy.clone())
    }

    async fn ask(&self, request: QuestionRequest) -> Answered {
        match &self.setup.asker {
            Some(asker) => asker(request).await,
            None => Answered::Nobody,
        }
    }

    async fn interject(&self, point: Point) -> Vec<Message> {
        if point == Point::AfterToolResult && self.stops_after_tool_results {
            let (go_on, goes_on) = oneshot::channel();
            self.lock().pause = Some(Pause { go_on, was_given: false });
            // Dropped only when the turn is.
            let _ = goes_on.await;
        }
        self.lock().input.drain(..).collect()
    }
}
