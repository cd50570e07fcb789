//! A turn that has not ended, as data: what is needed to go on with it, here or after a restart.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    ApprovalRequest, CallStatus, Event, Settled,
    nested::{SPAWNER, usage_of},
};
use crate::{
    tool::Class,
    transcript::{self, Message, Role, ToolCall, ToolResult, Usage},
};

/// Where a turn stands, beside its transcript. Folded from what the loop tells its host: [`OpenTurn::take`],
/// [`OpenTurn::asks`], [`OpenTurn::answered`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OpenTurn {
    /// Those of the transcript's last message, in their order, while their results are not in it. None if a model call
    /// is due.
    pub calls: Vec<OpenCall>,
    /// The sum over its model calls so far.
    pub usage: Usage,
    /// How many model calls it has made, of those that [`Builder::turn_limit`](super::Builder::turn_limit) gives it.
    pub rounds: u32,
}

/// A call whose result is not in the transcript.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenCall {
    pub call: ToolCall,
    /// There once the host was told of the call.
    pub class: Option<Class>,
    /// How often the person has been asked.
    pub asks: u32,
    /// The input that the person is being asked about.
    pub asking: Option<Value>,
    pub settled: Option<Settled>,
    /// Whether the host was told of the result, in its place.
    pub told: bool,
}

/// The id of the question number `asks`, from 1, about a call: no other question about a call of the transcript has it.
pub fn approval_id(call_id: &str, asks: u32) -> String {
    format!("{call_id}#{asks}")
}

const INTERRUPTED: &str =
    "interrupted: the process ended before this call returned. Whether it had an effect is not known.";

impl OpenCall {
    pub fn new(call: ToolCall) -> Self {
        Self { call, class: None, asks: 0, asking: None, settled: None, told: false }
    }

    /// Whether it had begun to run when the turn was left. What only reads may be begun again; anything else may not.
    pub fn is_broken(&self) -> bool {
        let runs = self.settled.is_none() && self.asking.is_none();
        // A sub-agent asks for nothing itself, and may have done anything.
        let may_change = |class| class != Class::Read || self.call.name == SPAWNER;
        runs && self.class.is_some_and(may_change)
    }

    /// The call as the person was shown it last.
    pub(super) fn shown(&self) -> ToolCall {
        match &self.asking {
            Some(input) => ToolCall { input: input.clone(), ..self.call.clone() },
            None => self.call.clone(),
        }
    }

    /// How it ended, if it did before the turn was taken up again.
    pub(super) fn known(&self) -> Option<Settled> {
        let interrupted = || {
            let result = ToolResult::text(&self.call.id, INTERRUPTED, true);
            Settled { result, status: CallStatus::Failed, diff: None }
        };
        self.settled.clone().or_else(|| self.is_broken().then(interrupted))
    }
}

impl OpenTurn {
    /// Takes in what the turn says.
    pub fn take(&mut self, event: &Event) {
        match event {
            Event::Message(message) => self.message(message),
            Event::Usage { .. } | Event::Nested { .. } => self.usage += usage_of(event).unwrap_or_default(),
            Event::ToolCall { call, class, .. } => self.change(&call.id, |open| open.class = Some(*class)),
            Event::Settled(settled) => {
                self.change(&settled.result.call_id, |open| open.settled = Some(settled.clone()));
            }
            Event::ToolResult { result, .. } => self.change(&result.call_id, |open| open.told = true),
            _ => {}
        }
    }

    /// The transcript grows by this message.
    pub fn message(&mut self, message: &Message) {
        if message.role == Role::Assistant {
            self.rounds += 1;
            self.calls = message.tool_calls().cloned().map(OpenCall::new).collect();
        } else if message.tool_results().next().is_some() {
            self.calls.clear();
        }
    }

    /// The person is asked.
    pub fn asks(&mut self, request: &ApprovalRequest) {
        let input = request.call.input.clone();
        self.change_asked(request, |open| {
            // Asked again after a restart, it is the same question.
            open.asks += u32::from(open.asking.is_none());
            open.asking = Some(input);
        });
    }

    /// The person has answered, or need not any more.
    pub fn answered(&mut self, request: &ApprovalRequest) {
        self.change_asked(request, |open| open.asking = None);
    }

    fn change_asked(&mut self, request: &ApprovalRequest, change: impl FnOnce(&mut OpenCall)) {
        // A nested agent's calls are none of this turn's.
        if request.agent.is_none() {
            self.change(&request.call.id, change);
        }
    }

    /// Whether a call is under way that waits for nobody.
    pub fn runs(&self) -> bool {
        self.calls.iter().any(|open| open.class.is_some() && open.settled.is_none() && open.asking.is_none())
    }

    /// Whether the person is being asked this.
    pub(super) fn is_asking(&self, id: &str) -> bool {
        let mut asking = self.calls.iter().filter(|open| open.asking.is_some());
        asking.any(|open| approval_id(&open.call.id, open.asks) == id)
    }

    /// Makes a history [whole](transcript::is_whole) but for these calls, and drops calls that are none of its last
    /// message.
    pub fn fit(&mut self, history: &mut Vec<Message>) {
        let is_asked = |last: &Message| last.tool_calls().eq(self.calls.iter().map(|open| &open.call));
        let last = history.pop_if(|last| !self.calls.is_empty() && is_asked(last));
        transcript::repair(history);
        if last.is_none() {
            self.calls.clear();
        }
        history.extend(last);
    }

    fn change(&mut self, call_id: &str, change: impl FnOnce(&mut OpenCall)) {
        if let Some(open) = self.calls.iter_mut().find(|open| open.call.id == call_id) {
            change(open);
        }
    }
}
