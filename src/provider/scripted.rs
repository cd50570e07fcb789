//! A provider that plays a script: for tests, load tests and the demo. Nothing chooses it but its name.
//!
//! A script is a list of answers, as a JSON array or as one JSON value a line:
//!
//! ```json
//! [
//!   "A plain answer.",
//!   {
//!     "match": "failing test",
//!     "reuse": false,
//!     "stop": "toolCalls",
//!     "steps": [
//!       {"thinking": "Let me look."},
//!       {"text": "I'll read the file."},
//!       {"text": "tok ", "repeat": 20000, "everyMs": 5},
//!       {"toolCall": {"name": "read", "input": {"path": "src/lib.rs"}}},
//!       {"delayMs": 20},
//!       {"gate": "before the end"},
//!       {"usage": {"inputTokens": 10, "outputTokens": 5}}
//!     ]
//!   },
//!   {"steps": [{"error": {"class": "overloaded", "message": "Busy.", "status": 529, "retryAfterMs": 100}}]},
//!   {"steps": [{"text": "Working"}, {"hang": true}]}
//! ]
//! ```
//!
//! Each call takes an answer. One with `match` answers a call whose last text from the user contains it, one with
//! `afterTools` a call that brings results of tools; the first that fits goes before those without either, and of those
//! the first that was not taken yet. `reuse` leaves the answer in the script. `stop` is the
//! stop reason (`toolCalls` or `endTurn` where it is absent). A tool call without an `id` gets `call_1`, `call_2` and so
//! on. A `gate` holds the answer until [`Gates::release`]; `hang` until the call is dropped. When no answer is left, the
//! call fails with an error that says so.
//!
//! A [recording](super::record) is a script too, with a line for each step, so that one that broke off is a script
//! nevertheless:
//!
//! ```json
//! {"call": 1, "asked": "anthropic/claude-sonnet-4-5", "prefer": "Why does the test fail"}
//! {"call": 1, "step": {"text": "I'll look."}}
//! {"call": 1, "step": {"toolInput": {"index": 0, "tool": "read", "fragment": "{\"path\": \"a\"}"}}}
//! {"call": 1, "step": {"called": {"id": "toolu_1", "name": "read", "input": {"path": "a"}}}}
//! {"call": 1, "step": {"done": {"stopReason": "toolCalls", "rawStopReason": "tool_use", "usage": {"outputTokens": 5}}}}
//! ```
//!
//! `prefer` is how the last text from the user begins: such an answer is taken by a call that brings it, and in its turn
//! by any other. `done` ends an answer; its `content` stands where the steps before cannot say it, a signature for
//! example. An answer without an end was broken off, and hangs.

mod script;

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use futures::{StreamExt, stream, stream::BoxStream};
use tokio::sync::watch;

pub use self::script::{Call, Ended, Fault, Fragment, Scene, ScriptError, Step};
use super::{Completion, ErrorClass, Provider, ProviderError, Request, StreamEvent, answer::Answer};
use crate::transcript::{Content, Role, StopReason, ToolCall};

/// The name under which configuration knows it.
pub const NAME: &str = "scripted";

/// A model that says what it was told to say.
#[derive(Clone, Debug)]
pub struct Scripted {
    name: String,
    script: Arc<Mutex<Script>>,
    gates: Gates,
}

#[derive(Debug, Default)]
struct Script {
    answers: VecDeque<Scene>,
    played: usize,
    calls: usize,
    requests: Vec<Arc<Request>>,
}

impl Scripted {
    pub fn new(answers: impl IntoIterator<Item = Scene>) -> Self {
        let script = Script { answers: answers.into_iter().collect(), ..Script::default() };
        Self { name: NAME.to_owned(), script: Arc::new(Mutex::new(script)), gates: Gates::default() }
    }

    /// The same under another name.
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// Reads a script.
    ///
    /// # Errors
    /// Names the first answer that is none.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        Ok(Self::new(script::read(text)?))
    }

    /// Says what it is and asks for one edit, whatever is said to it: for whoever tries an editor without a key.
    pub fn try_out() -> Self {
        // A name that is free: who tries a second editor in the same folder is to be asked again.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let script = include_str!("scripted/tryout.json").replace("NUMBER", &now.to_string());
        Self::parse(&script).unwrap_or_else(|_| Self::new([]))
    }

    /// The gates of this script.
    pub fn gates(&self) -> Gates {
        self.gates.clone()
    }

    /// What was asked so far, in order.
    pub fn requests(&self) -> Vec<Arc<Request>> {
        self.lock().requests.clone()
    }

    /// Adds an answer at the end.
    pub fn push(&self, answer: impl Into<Scene>) {
        self.lock().answers.push_back(answer.into());
    }

    fn lock(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Script {
    fn take(&mut self, request: &Request) -> Option<Scene> {
        let said = request.messages.iter().rev().filter(|message| message.role == Role::User);
        let said = said.map(|message| message.text()).find(|text| !text.is_empty()).unwrap_or_default();
        let has_results = request.messages.last().is_some_and(|message| message.tool_results().next().is_some());
        let is_free = |scene: &Scene| scene.matches.is_none() && !scene.after_tools;
        let fits = |scene: &Scene| {
            let matches = scene.matches.as_ref().is_none_or(|text| said.contains(text));
            matches && (has_results || !scene.after_tools) && !is_free(scene)
        };
        let is_preferred = |scene: &Scene| {
            is_free(scene) && scene.prefer.as_ref().is_some_and(|beginning| said.starts_with(beginning))
        };
        let position = self.answers.iter().position(fits);
        let position = position.or_else(|| self.answers.iter().position(is_preferred));
        let position = position.or_else(|| self.answers.iter().position(is_free))?;
        self.played += 1;
        let mut scene = if self.answers[position].reuse {
            self.answers[position].clone()
        } else {
            self.answers.remove(position)?
        };
        for step in &mut scene.steps {
            if let Step::ToolCall { call } = step
                && call.id.is_none()
            {
                self.calls += 1;
                call.id = Some(format!("call_{}", self.calls));
            }
        }
        Some(scene)
    }
}

impl Provider for Scripted {
    fn name(&self) -> &str {
        &self.name
    }

    fn stream(&self, request: Arc<Request>) -> BoxStream<'static, Result<StreamEvent, ProviderError>> {
        let mut script = self.lock();
        script.requests.push(request.clone());
        let scene = script.take(&request).unwrap_or_else(|| {
            let message = format!("The script has no answer left for this call, after {} that it gave.", script.played);
            Scene::from(Step::Error {
                error: Fault {
                    class: ErrorClass::BadRequest,
                    message,
                    status: None,
                    retry_after_ms: None,
                    partial: None,
                },
            })
        });
        let play = Play {
            steps: scene.steps.into(),
            stop: scene.stop,
            answer: Answer::default(),
            gates: self.gates.clone(),
            model: request.model.clone(),
            pending: None,
            over: false,
        };
        stream::unfold(Box::new(play), |mut play| async move { Some((play.next().await?, play)) }).boxed()
    }
}

/// An answer that is being given.
struct Play {
    steps: VecDeque<Step>,
    stop: Option<StopReason>,
    answer: Answer,
    gates: Gates,
    model: String,
    /// A text that is to be repeated: how often yet, and after how long.
    pending: Option<(String, u64, Duration)>,
    over: bool,
}

impl Play {
    async fn next(&mut self) -> Option<Result<StreamEvent, ProviderError>> {
        loop {
            if let Some(event) = self.answer.events.pop_front() {
                return Some(Ok(event));
            }
            if let Some((text, left, every)) = &mut self.pending {
                if *left > 0 {
                    *left -= 1;
                    pause(*every).await;
                    self.answer.text(text);
                    continue;
                }
                self.pending = None;
            }
            if self.over {
                return None;
            }
            match self.steps.pop_front() {
                None => {
                    self.over = true;
                    return Some(Ok(StreamEvent::Done(self.finish())));
                }
                Some(Step::Text { text, repeat, every_ms }) => {
                    if repeat > 0 {
                        self.answer.text(&text);
                        self.pending = Some((text, repeat - 1, Duration::from_millis(every_ms)));
                    }
                }
                Some(Step::Thinking { thinking, signature }) => {
                    self.answer.thinking(&thinking);
                    if let Some(Content::Thinking { signature: slot, .. }) = self.answer.completion.content.last_mut() {
                        *slot = signature;
                    }
                }
                Some(Step::ToolCall { call }) => {
                    let id = call.id.unwrap_or_default();
                    let so_far = &self.answer.completion.content;
                    let index = so_far.iter().filter(|part| matches!(part, Content::ToolCall(_))).count();
                    self.answer.tool_input(index, &call.name, &call.input.to_string());
                    self.answer.call(ToolCall { id, name: call.name, input: call.input });
                }
                Some(Step::ToolInput { tool_input: Fragment { index, tool, fragment } }) => {
                    self.answer.tool_input(index, &tool, &fragment);
                }
                Some(Step::Called { called }) => self.answer.call(called),
                Some(Step::Done { done }) => {
                    self.over = true;
                    return Some(Ok(StreamEvent::Done(done.completion(&mut self.answer))));
                }
                Some(Step::Usage { usage }) => self.answer.completion.usage = usage,
                Some(Step::Delay { delay_ms }) => pause(Duration::from_millis(delay_ms)).await,
                Some(Step::Gate { gate }) => self.gates.pass(&gate).await,
                Some(Step::Hang { hang }) => {
                    if hang {
                        futures::future::pending::<()>().await;
                    }
                }
                Some(Step::Error { error }) => {
                    self.over = true;
                    let partial = match error.partial {
                        Some(partial) => partial.completion(&mut self.answer),
                        None => std::mem::take(&mut self.answer.completion),
                    };
                    return Some(Err(ProviderError {
                        class: error.class,
                        message: error.message,
                        status: error.status,
                        retry_after: error.retry_after_ms.map(Duration::from_millis),
                        partial: Box::new(partial),
                    }));
                }
            }
        }
    }

    fn finish(&mut self) -> Completion {
        let mut completion = std::mem::take(&mut self.answer.completion);
        let calls = completion.content.iter().any(|part| matches!(part, Content::ToolCall(_)));
        let natural = if calls { StopReason::ToolCalls } else { StopReason::EndTurn };
        completion.stop_reason = Some(self.stop.unwrap_or(natural));
        completion.model = (!self.model.is_empty()).then(|| std::mem::take(&mut self.model));
        completion
    }
}

async fn pause(length: Duration) {
    if !length.is_zero() {
        tokio::time::sleep(length).await;
    }
}

/// The gates of a script, by name. A test waits until an answer stands at one, and lets it pass.
#[derive(Clone, Debug, Default)]
pub struct Gates(Arc<Mutex<HashMap<String, watch::Sender<Gate>>>>);

#[derive(Clone, Copy, Debug, Default)]
struct Gate {
    arrived: u64,
    released: u64,
}

impl Gates {
    /// Lets one answer pass the gate: the one that stands there, or the next to come.
    pub fn release(&self, name: &str) {
        self.gate(name).send_modify(|gate| gate.released += 1);
    }

    /// Waits until `count` answers in all have come to the gate.
    pub async fn arrived(&self, name: &str, count: u64) {
        let mut gate = self.gate(name).subscribe();
        // The sender is kept in the map, so this does not fail.
        let _ = gate.wait_for(|gate| gate.arrived >= count).await;
    }

    async fn pass(&self, name: &str) {
        let sender = self.gate(name);
        let mut turn = 0;
        sender.send_modify(|gate| {
            gate.arrived += 1;
            turn = gate.arrived;
        });
        let _ = sender.subscribe().wait_for(|gate| gate.released >= turn).await;
    }

    fn gate(&self, name: &str) -> watch::Sender<Gate> {
        let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        gates.entry(name.to_owned()).or_default().clone()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use serde_json::json;
    use tokio::time::Instant;

    use super::*;
    use crate::transcript::Message;

    fn ask(provider: &Scripted, text: &str) -> BoxStream<'static, Result<StreamEvent, ProviderError>> {
        let messages = vec![Message::user(text)];
        provider.stream(Arc::new(Request { model: "m".into(), messages, ..Request::default() }))
    }

    async fn text(provider: &Scripted, said: &str) -> String {
        let events: Vec<_> = ask(provider, said).collect().await;
        events
            .into_iter()
            .map(|event| match event {
                Ok(StreamEvent::Text(text)) => text,
                Ok(StreamEvent::Done(_)) => String::new(),
                other => format!("{other:?}"),
            })
            .collect()
    }

    #[tokio::test]
    async fn plays_every_kind_of_step() {
        let provider = Scripted::parse(
            r#"{"steps": [{"thinking": "hm", "signature": "s"}, {"text": "a", "repeat": 2},
                {"toolCall": {"name": "read", "input": {"path": "x"}}}, {"usage": {"outputTokens": 5}}]}"#,
        )
        .unwrap();
        let events: Vec<_> = ask(&provider, "hi").map(Result::unwrap).collect().await;
        let call = ToolCall { id: "call_1".into(), name: "read".into(), input: json!({"path": "x"}) };
        let [thinking, a, b, _input, called, StreamEvent::Done(completion)] = events.as_slice() else {
            panic!("{events:?}")
        };
        assert_eq!(
            [thinking, a, b, called],
            [
                &StreamEvent::Thinking("hm".into()),
                &StreamEvent::Text("a".into()),
                &StreamEvent::Text("a".into()),
                &StreamEvent::ToolCall(call.clone()),
            ]
        );
        assert_eq!(
            completion.content,
            [
                Content::Thinking { text: "hm".into(), signature: Some("s".into()), redacted: None },
                Content::Text { text: "aa".into() },
                Content::ToolCall(call),
            ]
        );
        assert_eq!(completion.stop_reason, Some(StopReason::ToolCalls));
        assert_eq!((completion.usage.output_tokens, completion.model.as_deref()), (Some(5), Some("m")));
        assert_eq!(provider.requests().len(), 1);
    }

    #[tokio::test]
    async fn chooses_by_what_was_said_then_in_order() {
        let provider = Scripted::parse(
            "\"first\"\n{\"match\": \"cat\", \"steps\": [{\"text\": \"meow\"}], \"reuse\": true}\n\"second\"\n",
        )
        .unwrap();
        assert_eq!(text(&provider, "a cat").await, "meow");
        assert_eq!(text(&provider, "a dog").await, "first");
        assert_eq!(text(&provider, "cats").await, "meow");
        assert_eq!(text(&provider, "").await, "second");
        let events: Vec<_> = ask(&provider, "more").collect().await;
        let [Err(error)] = events.as_slice() else { panic!("{events:?}") };
        assert!(error.message.contains("no answer left") && error.message.contains("after 4"), "{error}");
        assert_eq!(error.class, ErrorClass::BadRequest);
    }

    #[tokio::test]
    async fn gates_hold_and_let_pass_one_at_a_time() {
        let scene = Scene { steps: vec![Step::gate("g"), Step::text("x")], reuse: true, ..Scene::default() };
        let provider = Scripted::new([scene]);
        let gates = provider.gates();
        let (mut first, mut second) = (ask(&provider, ""), ask(&provider, ""));
        assert!(first.next().now_or_never().is_none());
        assert!(second.next().now_or_never().is_none());
        gates.arrived("g", 2).await;
        gates.release("g");
        assert_eq!(first.next().await.unwrap().unwrap(), StreamEvent::Text("x".into()));
        assert!(second.next().now_or_never().is_none());
        gates.release("g");
        assert_eq!(second.next().await.unwrap().unwrap(), StreamEvent::Text("x".into()));
    }

    #[tokio::test(start_paused = true)]
    async fn paces_and_hangs() {
        let provider = Scripted::parse(
            r#"[{"steps": [{"text": "t", "repeat": 3, "everyMs": 5}, {"delayMs": 10}]}, {"steps": [{"hang": true}]}]"#,
        )
        .unwrap();
        let start = Instant::now();
        assert_eq!(text(&provider, "").await, "ttt");
        assert_eq!(start.elapsed(), Duration::from_millis(20));
        assert!(tokio::time::timeout(Duration::from_secs(3600), ask(&provider, "").next()).await.is_err());
    }

    #[test]
    fn what_is_no_script() {
        let reason = |script: &str| Scripted::parse(script).err().map(|error| (error.answer, error.to_string()));
        assert_eq!(reason("[]"), None);
        assert_eq!(reason(r#"["a", {"steps": [{"txt": "b"}]}]"#).unwrap().0, 2);
        assert!(reason("\"a\"\n{").unwrap().1.contains("answer 2"));
    }
}
