//! A model, tools and a host that do as the script says.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
};

use async_trait::async_trait;
use futures::{FutureExt, StreamExt, future, stream};
use serde_json::{Value, json};
use tokio::sync::Barrier;
use tokio_util::sync::CancellationToken;

use super::super::*;
use crate::{
    permission::Mode,
    provider::{Completion, ErrorClass, Provider, ProviderError, Request, StreamEvent, ToolSpec, retry},
    tool::{Context, Output, Proposal, Registry, Tool, ToolError},
    transcript::Content,
};

/// What the model does next.
#[derive(Clone, Debug)]
pub enum Cue {
    Say(&'static str),
    Think(&'static str),
    Call(&'static str, &'static str, Value),
    /// A piece of a call's input.
    Input(usize, &'static str, &'static str),
    /// Ends the answer.
    Done(StopReason),
    /// Fails with what was said so far.
    Fail,
    FailAs(ErrorClass),
    /// Ends the stream without a word.
    Cut,
    Panic,
    /// Says nothing more.
    Stay,
    /// Says nothing more; the turn is cancelled a moment later.
    Hang(CancellationToken),
}

/// A model that gives one answer after the other, and ends its turn when there are no more.
#[derive(Default)]
pub struct Model {
    answers: Mutex<VecDeque<Vec<Cue>>>,
    pub requests: Mutex<Vec<Request>>,
}

impl Model {
    pub fn new(answers: impl IntoIterator<Item = Vec<Cue>>) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(answers.into_iter().collect()), requests: Mutex::default() })
    }
}

pub fn one_token() -> Usage {
    Usage { input_tokens: Some(1), output_tokens: Some(1), ..Usage::default() }
}

impl Provider for Model {
    fn name(&self) -> &str {
        "stage"
    }

    fn stream(&self, request: Arc<Request>) -> stream::BoxStream<'static, Result<StreamEvent, ProviderError>> {
        self.requests.lock().unwrap().push(Request::clone(&request));
        let answer = self.answers.lock().unwrap().pop_front();
        let steps = answer.unwrap_or_else(|| vec![Cue::Say("done"), Cue::Done(StopReason::EndTurn)]);
        let mut said = Completion { usage: one_token(), ..Completion::default() };
        stream::iter(steps)
            .then(move |step| {
                let event = match step {
                    Cue::Say(text) => {
                        said.content.push(Content::Text { text: text.into() });
                        Some(Ok(StreamEvent::Text(text.into())))
                    }
                    Cue::Think(text) => {
                        said.content.push(Content::Thinking { text: text.into(), signature: None, redacted: None });
                        Some(Ok(StreamEvent::Thinking(text.into())))
                    }
                    Cue::Call(id, name, input) => {
                        let call = ToolCall { id: id.into(), name: name.into(), input };
                        said.content.push(Content::ToolCall(call.clone()));
                        Some(Ok(StreamEvent::ToolCall(call)))
                    }
                    Cue::Done(stop_reason) => {
                        Some(Ok(StreamEvent::Done(Completion { stop_reason: Some(stop_reason), ..said.clone() })))
                    }
                    Cue::Fail => Some(Err(failed(ErrorClass::Overloaded, &said))),
                    Cue::FailAs(class) => Some(Err(failed(class, &said))),
                    Cue::Input(index, tool, text) => {
                        Some(Ok(StreamEvent::ToolInput { index, tool: tool.into(), fragment: text.into() }))
                    }
                    Cue::Cut => None,
                    Cue::Panic => panic_quietly("the model's stream"),
                    Cue::Stay => return future::pending().boxed(),
                    Cue::Hang(cancel) => {
                        cancel_soon(cancel);
                        return future::pending().boxed();
                    }
                };
                future::ready(event).boxed()
            })
            .take_while(|event| future::ready(event.is_some()))
            .filter_map(future::ready)
            .boxed()
    }
}

fn failed(class: ErrorClass, said: &Completion) -> ProviderError {
    let (message, partial) = ("too busy".into(), Box::new(said.clone()));
    ProviderError { class, message, status: Some(529), retry_after: None, partial }
}

/// Unwinds without the noise of the panic hook.
pub fn panic_quietly(text: &'static str) -> ! {
    std::panic::resume_unwind(Box::new(text))
}

pub fn cancel_soon(cancel: CancellationToken) {
    tokio::spawn(async move {
        for _ in 0..5 {
            tokio::task::yield_now().await;
        }
        cancel.cancel();
    });
}

/// A tool that does what its input's `do` says.
pub struct Act {
    spec: ToolSpec,
    class: Class,
    pub stage: Arc<Stage>,
}

/// What the tools share.
pub struct Stage {
    /// The calls in the order they began to run, with their input.
    pub ran: Mutex<Vec<(String, Value)>>,
    pub hunks: Mutex<Vec<Option<Vec<usize>>>>,
    running: AtomicUsize,
    /// Set if something ran beside a call that must be alone.
    pub overlapped: AtomicUsize,
    pub barrier: Barrier,
    /// The turn's cancel, as the host holds it.
    pub cancel: CancellationToken,
    pub tool_cancelled: tokio::sync::Notify,
    unblock: Mutex<mpsc::Receiver<()>>,
    /// Unblocks when dropped.
    pub blocked: Mutex<Option<mpsc::Sender<()>>>,
}

pub fn stage() -> Arc<Stage> {
    let (blocked, unblock) = mpsc::channel();
    Arc::new(Stage {
        unblock: Mutex::new(unblock),
        blocked: Mutex::new(Some(blocked)),
        ran: Mutex::default(),
        hunks: Mutex::default(),
        running: AtomicUsize::new(0),
        overlapped: AtomicUsize::new(0),
        barrier: Barrier::new(2),
        cancel: CancellationToken::new(),
        tool_cancelled: tokio::sync::Notify::new(),
    })
}

/// `look` reads, `change` edits, `execute` runs a program.
pub fn tools(stage: &Arc<Stage>) -> Registry {
    let mut tools = Registry::new();
    for (name, class) in [("look", Class::Read), ("change", Class::Edit), ("execute", Class::Execute)] {
        let spec = ToolSpec { name: name.into(), description: name.into(), input_schema: json!({"type": "object"}) };
        tools.add(Arc::new(Act { spec, class, stage: stage.clone() })).unwrap();
    }
    tools
}

#[async_trait]
impl Tool for Act {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn reads_only(&self) -> bool {
        self.class == Class::Read
    }

    async fn propose(&self, input: &Value, _: &Context) -> Result<Proposal, ToolError> {
        let what = input["do"].as_str().ok_or_else(|| ToolError::new("`do` is missing"))?;
        if what == "panic early" {
            panic_quietly("proposing");
        }
        if what == "stuck early" {
            future::pending::<()>().await;
        }
        if what == "after a look" && self.stage.ran.lock().unwrap().is_empty() {
            return Err(ToolError::new("look first"));
        }
        let class = if input["as"] == "execute" { Class::Execute } else { self.class };
        let path = PathBuf::from(input["path"].as_str().unwrap_or("/inside/file"));
        Ok(Proposal {
            class,
            title: format!("{} {what}", self.spec.name),
            outside: !path.starts_with("/inside"),
            paths: vec![path],
            command: (class == Class::Execute).then(|| what.to_owned()),
            host: None,
            diff: input["diff"].as_str().map(|text| FileDiff {
                path: "file".into(),
                shown: "file".into(),
                unified: text.to_owned(),
                hunks: Vec::new(),
            }),
            risk: None,
            alone: false,
        })
    }

    async fn run(&self, input: Value, context: &Context) -> Result<Output, ToolError> {
        let stage = &self.stage;
        stage.ran.lock().unwrap().push((context.call_id.clone(), input.clone()));
        stage.hunks.lock().unwrap().push(context.hunks.clone());
        let others = stage.running.fetch_add(1, Ordering::SeqCst);
        if others > 0 && self.class != Class::Read {
            stage.overlapped.store(1, Ordering::SeqCst);
        }
        let leaving = scopeguard(|| {
            stage.running.fetch_sub(1, Ordering::SeqCst);
        });
        let what = input["do"].as_str().unwrap_or_default();
        match what {
            "fail" => Err(ToolError::new("it failed")),
            "panic" => panic_quietly("running"),
            "meet" => {
                stage.barrier.wait().await;
                Ok(Output::text("met"))
            }
            "slow" => {
                for offset in 0..4 {
                    context.progress.report(offset, "x");
                    tokio::task::yield_now().await;
                }
                drop(leaving);
                context.progress.report(4, "last");
                Ok(Output::text("slowly"))
            }
            // Deaf to the cancel that it brings about.
            "hang" => {
                cancel_soon(stage.cancel.clone());
                future::pending().await
            }
            // Deaf to everything.
            "stuck" => future::pending().await,
            "linger" => {
                context.cancel.cancelled().await;
                Err(ToolError::new("killed; it had printed this"))
            }
            // Never gives way to others until the test lets it.
            "block" => {
                stage.cancel.cancel();
                let _ = stage.unblock.lock().unwrap().recv();
                Ok(Output::text("too late"))
            }
            "wait" => {
                stage.barrier.wait().await;
                context.cancel.cancelled().await;
                stage.tool_cancelled.notify_one();
                Err(ToolError::new("killed; it had printed this"))
            }
            _ => Ok(Output::text(format!("{what} done"))),
        }
    }
}

fn scopeguard(leave: impl FnMut()) -> impl Drop {
    struct Guard<F: FnMut()>(F);
    impl<F: FnMut()> Drop for Guard<F> {
        fn drop(&mut self) {
            (self.0)();
        }
    }
    Guard(leave)
}

/// A host that records, and does something odd where it is told to.
pub struct Recorder {
    pub events: Mutex<Vec<Event>>,
    pub asked: Mutex<Vec<ApprovalRequest>>,
    pub answers: Mutex<VecDeque<Option<Answer>>>,
    pub steering: Mutex<VecDeque<Vec<Message>>>,
    pub mode: Mode,
    pub cancel: CancellationToken,
    pub cancel_at: Option<usize>,
    pub panic_at: Option<usize>,
}

impl Recorder {
    pub fn new(stage: &Stage) -> Self {
        Self {
            events: Mutex::default(),
            asked: Mutex::default(),
            answers: Mutex::default(),
            steering: Mutex::default(),
            mode: Mode::Auto,
            cancel: stage.cancel.clone(),
            cancel_at: None,
            panic_at: None,
        }
    }

    /// Asks for all but reading; `None` is an answer that never comes, and a cancel a moment later.
    pub fn asking(stage: &Stage, answers: impl IntoIterator<Item = Option<Answer>>) -> Self {
        Self { mode: Mode::Ask, answers: Mutex::new(answers.into_iter().collect()), ..Self::new(stage) }
    }

    pub fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }
}

pub fn allow() -> Option<Answer> {
    Some(Answer::Allow { input: None, hunks: None })
}

#[async_trait]
impl Host for Recorder {
    async fn emit(&self, event: Event) {
        let number = {
            let mut events = self.events.lock().unwrap();
            events.push(event);
            events.len() - 1
        };
        tokio::task::yield_now().await;
        if self.cancel_at == Some(number) {
            self.cancel.cancel();
        }
        if self.panic_at == Some(number) {
            panic_quietly("the host");
        }
    }

    async fn approve(&self, request: ApprovalRequest) -> Answer {
        self.asked.lock().unwrap().push(request);
        match self.answers.lock().unwrap().pop_front() {
            Some(Some(answer)) => return answer,
            Some(None) => cancel_soon(self.cancel.clone()),
            None => return Answer::Deny { reason: None },
        }
        future::pending().await
    }

    fn policy(&self) -> Policy {
        Policy { mode: self.mode, rules: Vec::new() }
    }

    async fn interject(&self, point: Point) -> Vec<Message> {
        if point == Point::BeforeModelCall {
            return Vec::new();
        }
        self.steering.lock().unwrap().pop_front().unwrap_or_default()
    }
}

pub fn agent(model: &Arc<Model>, stage: &Arc<Stage>) -> Agent {
    let builder = Agent::builder().provider(model.clone()).model("m").tools(tools(stage));
    let once = retry::Policy { tries: 1, ..retry::Policy::default() };
    builder.retry(once).cancel_grace(Duration::from_millis(5)).build().unwrap()
}

pub async fn play(model: &Arc<Model>, stage: &Arc<Stage>, host: &Recorder) -> Outcome {
    turn::run(&agent(model, stage), &Scope::default(), vec![Message::user("go")], host, host.cancel.clone()).await
}
