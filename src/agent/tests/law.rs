//! Whatever happens, the transcript is whole and the turn ends once.

use std::{
    collections::{HashSet, VecDeque},
    sync::atomic::Ordering,
};

use proptest::prelude::*;
use serde_json::json;

use super::{super::*, stage::*};
use crate::{
    permission::Mode,
    transcript::{Content, Role, is_whole, repair},
};

/// A step of the model, to be put together when the turn's cancel is there.
#[derive(Clone, Debug)]
enum Line {
    Say,
    Think,
    Call(&'static str, &'static str, &'static str),
    BadInput(&'static str),
}

#[derive(Clone, Copy, Debug)]
enum End {
    Done(StopReason),
    Fail,
    Cut,
    Panic,
    Hang,
}

#[derive(Clone, Debug)]
struct Script {
    answers: Vec<(Vec<Line>, End)>,
    approvals: Vec<Option<Answer>>,
    steering: Vec<bool>,
    mode: Mode,
    cancel_at: Option<usize>,
    panic_at: Option<usize>,
    turn_limit: u32,
}

fn line() -> impl Strategy<Value = Line> {
    let id = prop::sample::select(vec!["", "a", "b", "a_2", "old"]);
    let tool = prop::sample::select(vec!["look", "look", "look", "change", "execute", "unknown"]);
    let act = prop::sample::select(vec!["ok", "ok", "ok", "slow", "slow", "fail", "panic", "panic early", "hang"]);
    prop_oneof![
        2 => Just(Line::Say),
        1 => Just(Line::Think),
        6 => (id.clone(), tool, act).prop_map(|(id, tool, act)| Line::Call(id, tool, act)),
        1 => id.prop_map(Line::BadInput),
    ]
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        8 => Just(End::Done(StopReason::ToolCalls)),
        2 => Just(End::Done(StopReason::EndTurn)),
        1 => Just(End::Done(StopReason::MaxTokens)),
        1 => Just(End::Done(StopReason::Refusal)),
        1 => Just(End::Done(StopReason::Pause)),
        1 => Just(End::Fail),
        1 => Just(End::Cut),
        1 => Just(End::Panic),
        1 => Just(End::Hang),
    ]
}

fn approval() -> impl Strategy<Value = Option<Answer>> {
    let patched = |input| Some(Answer::Allow { input: Some(input), hunks: None });
    prop_oneof![
        4 => Just(allow()),
        1 => Just(Some(Answer::Deny { reason: Some("no".into()) })),
        1 => Just(patched(json!({"do": "patched"}))),
        1 => Just(patched(json!({"do": "patched", "path": "/outside"}))),
        1 => Just(patched(json!({"wrong": true}))),
        1 => Just(Some(Answer::CancelTurn)),
        1 => Just(None),
    ]
}

fn script() -> impl Strategy<Value = Script> {
    (
        prop::collection::vec((prop::collection::vec(line(), 0..6), end()), 0..5),
        prop::collection::vec(approval(), 0..8),
        prop::collection::vec(any::<bool>(), 0..5),
        prop::sample::select(vec![Mode::Ask, Mode::Auto, Mode::Auto, Mode::Plan]),
        prop::option::weighted(0.4, 0..30_usize),
        prop::option::weighted(0.1, 0..30_usize),
        1..6_u32,
    )
        .prop_map(|(answers, approvals, steering, mode, cancel_at, panic_at, turn_limit)| Script {
            answers,
            approvals,
            steering,
            mode,
            cancel_at,
            panic_at,
            turn_limit,
        })
}

fn history() -> Vec<Message> {
    let call = ToolCall { id: "old".into(), name: "look".into(), input: json!({"do": "ok"}) };
    vec![
        Message::user("before"),
        Message { role: Role::Assistant, content: vec![Content::ToolCall(call)] },
        Message { role: Role::User, content: vec![Content::ToolResult(ToolResult::text("old", "x", false))] },
        Message::assistant("so"),
        Message::user("go"),
    ]
}

async fn check(script: Script) -> Result<(), TestCaseError> {
    let stage = stage();
    let answers = script.answers.into_iter().map(|(lines, end)| {
        let lines = lines.into_iter().map(|line| match line {
            Line::Say => Cue::Say("words"),
            Line::Think => Cue::Think("hm"),
            Line::Call(id, tool, act) => Cue::Call(id, tool, json!({"do": act})),
            Line::BadInput(id) => Cue::Call(id, "change", json!(7)),
        });
        let end = match end {
            End::Done(reason) => Cue::Done(reason),
            End::Fail => Cue::Fail,
            End::Cut => Cue::Cut,
            End::Panic => Cue::Panic,
            End::Hang => Cue::Hang(stage.cancel.clone()),
        };
        lines.chain([end]).collect()
    });
    let model = Model::new(answers);
    let mut host = Recorder::asking(&stage, script.approvals);
    (host.mode, host.cancel_at, host.panic_at) = (script.mode, script.cancel_at, script.panic_at);
    host.steering = script
        .steering
        .into_iter()
        .map(|any| if any { vec![Message::user("left")] } else { Vec::new() })
        .collect::<VecDeque<_>>()
        .into();
    let agent = agent(&model, &stage).to_builder().turn_limit(script.turn_limit).build().unwrap();

    let outcome = turn::run(&agent, &Scope::default(), history(), &host, host.cancel.clone()).await;
    let events = host.events();

    // The turn ends once, and says how.
    let ends = events.iter().filter(|event| matches!(event, Event::TurnEnded { .. })).count();
    prop_assert_eq!(ends, 1);
    let Some(Event::TurnEnded { stop_reason, usage, error }) = events.last() else {
        return Err(TestCaseError::fail("the last event is another"));
    };
    prop_assert_eq!((*stop_reason, *usage), (outcome.stop_reason, outcome.usage));
    prop_assert_eq!(error.is_some(), outcome.error.is_some());
    prop_assert_eq!(error.is_some(), *stop_reason == StopReason::Error);
    prop_assert!(!matches!(stop_reason, StopReason::ToolCalls | StopReason::Pause));

    // The usage is the sum.
    let mut sum = Usage::default();
    events.iter().for_each(|event| {
        if let Event::Usage { round: usage, .. } = event {
            sum += *usage
        }
    });
    prop_assert_eq!(sum, *usage);

    // The transcript is whole, here and in every request.
    let mut transcript = history();
    transcript.extend(outcome.messages.clone());
    prop_assert!(is_whole(&transcript), "{transcript:#?}");
    let requests = model.requests.lock().unwrap();
    prop_assert!(requests.iter().all(|request| is_whole(&request.messages)));
    prop_assert!(requests.len() <= script.turn_limit as usize);
    let ids: Vec<&str> = transcript.iter().flat_map(Message::tool_calls).map(|call| call.id.as_str()).collect();
    prop_assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());

    // So is every beginning of it that a host stored, with the results it had logged.
    let mut stored = history();
    let mut logged = Vec::new();
    for event in &events {
        match event {
            Event::Message(message) => {
                stored.push(message.clone());
                logged.clear();
            }
            Event::ToolResult { result, .. } => logged.push(result.clone()),
            _ => {}
        }
        let mut resumed = stored.clone();
        let results: Vec<Content> = logged.iter().cloned().map(Content::ToolResult).collect();
        if !results.is_empty() {
            resumed.push(Message { role: Role::User, content: results });
        }
        repair(&mut resumed);
        prop_assert!(is_whole(&resumed));
        let kept: Vec<&ToolResult> = resumed.iter().flat_map(Message::tool_results).collect();
        prop_assert!(logged.iter().all(|result| kept.contains(&result)));
    }
    prop_assert_eq!(&stored[history().len()..], &outcome.messages[..]);

    // Each call is told once, then its progress, then its result once; all in the order of the calls.
    let told: Vec<&ToolCall> = events
        .iter()
        .filter_map(|event| if let Event::ToolCall { call, .. } = event { Some(call) } else { None })
        .collect();
    let calls: Vec<&ToolCall> = outcome.messages.iter().flat_map(Message::tool_calls).collect();
    prop_assert_eq!(told, calls.clone());
    let results: Vec<&ToolResult> = events
        .iter()
        .filter_map(|event| if let Event::ToolResult { result, .. } = event { Some(result) } else { None })
        .collect();
    prop_assert_eq!(results, outcome.messages.iter().flat_map(Message::tool_results).collect::<Vec<_>>());
    let mut open = HashSet::new();
    for event in &events {
        match event {
            Event::ToolCall { call, .. } => prop_assert!(open.insert(call.id.clone())),
            Event::ToolProgress { call_id, .. } => prop_assert!(open.contains(call_id)),
            Event::ToolResult { result, .. } => prop_assert!(open.remove(&result.call_id)),
            _ => {}
        }
    }

    // Nothing ran that was denied or not asked for in whole, and what changes something ran alone.
    let ran = stage.ran.lock().unwrap();
    for event in &events {
        if let Event::ToolResult { result, status: CallStatus::Denied, .. } = event {
            prop_assert!(ran.iter().all(|(id, _)| *id != result.call_id));
        }
    }
    let only_looked = ran.iter().all(|(id, _)| calls.iter().any(|call| call.id == *id && call.name == "look"));
    prop_assert!(script.mode != Mode::Plan || only_looked);
    if script.panic_at.is_none() {
        prop_assert_eq!(stage.overlapped.load(Ordering::SeqCst), 0);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_end_leaves_a_whole_transcript(script in script()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check(script))?;
    }
}

/// Calls of one round, the answer to each question, and whether everything is restarted before it is given.
type Driven = (Vec<Vec<(&'static str, &'static str, bool)>>, Vec<(Answer, bool)>);

fn driven() -> impl Strategy<Value = Driven> {
    let tool = prop::sample::select(vec!["look", "look", "change", "execute", "unknown"]);
    let act = prop::sample::select(vec!["ok", "ok", "slow", "fail", "panic"]);
    let rounds = prop::collection::vec(prop::collection::vec((tool, act, any::<bool>()), 1..6), 1..4);
    let patched = Answer::Allow { input: Some(json!({"do": "patched", "path": "/outside/patched"})), hunks: None };
    let answer = prop_oneof![
        4 => Just(Answer::Allow { input: None, hunks: None }),
        2 => Just(Answer::Deny { reason: None }),
        1 => Just(patched),
    ];
    (rounds, prop::collection::vec((answer, any::<bool>()), 1..20))
}

#[derive(Default)]
struct Log(std::sync::Mutex<Vec<Event>>);

impl Observer for Log {
    fn observe(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

async fn check_driven((rounds, answers): Driven) -> Result<(), TestCaseError> {
    let stage = stage();
    let calls: usize = rounds.iter().map(Vec::len).sum();
    let rounds = rounds.into_iter().map(|calls| {
        let calls = calls.into_iter().map(|(tool, act, outside)| {
            let path = if outside { "/outside/file" } else { "/inside/file" };
            Cue::Call("a", tool, json!({"do": act, "path": path}))
        });
        calls.chain([Cue::Done(StopReason::ToolCalls)]).collect()
    });
    let log = std::sync::Arc::new(Log::default());
    let agent = agent(&Model::new(rounds), &stage).to_builder().observer(log.clone()).build().unwrap();
    let mut driver = agent.start(SessionConfig::default().input([Message::user("go")]));
    let mut answers = answers.into_iter();
    let result = loop {
        match driver.next().await {
            Step::Finished(result) => break result.unwrap(),
            Step::Interrupt(Interrupt::ApprovalRequest(request)) => {
                // Not for ever: what was allowed and reads is asked about anew if a restart stopped it.
                let (answer, restarts) = answers.next().unwrap_or((Answer::Deny { reason: None }, false));
                if restarts {
                    let kept = serde_json::to_string(&driver.snapshot()).unwrap();
                    drop(driver);
                    driver = agent.restore(serde_json::from_str(&kept).unwrap());
                    // It is asked for again before anything else is known of it.
                    while !driver.approvals().iter().any(|open| open.id == request.id) {
                        let Step::Interrupt(Interrupt::ApprovalRequest(_)) = driver.next().await else {
                            return Err(TestCaseError::fail(format!("{} is not asked for again", request.id)));
                        };
                    }
                }
                driver.answer(&request.id, answer).unwrap();
            }
            Step::Interrupt(other) => return Err(TestCaseError::fail(format!("{other:?}"))),
        }
    };
    prop_assert_eq!(result.stop_reason, StopReason::EndTurn);
    prop_assert!(is_whole(&driver.history()));
    let results: Vec<ToolResult> = driver.history().iter().flat_map(Message::tool_results).cloned().collect();
    prop_assert_eq!(results.len(), calls);

    // Over all restarts, everything is told once and in order.
    let events = log.0.lock().unwrap();
    let count = |is: fn(&Event) -> bool| events.iter().filter(|event| is(event)).count();
    prop_assert_eq!(count(|event| matches!(event, Event::TurnStarted)), 1);
    prop_assert_eq!(count(|event| matches!(event, Event::TurnEnded { .. })), 1);
    let told: Vec<ToolResult> = events
        .iter()
        .filter_map(|event| if let Event::ToolResult { result, .. } = event { Some(result.clone()) } else { None })
        .collect();
    prop_assert_eq!(&told, &results);
    prop_assert_eq!(count(|event| matches!(event, Event::ToolCall { .. })), calls);

    // Nothing ran twice, but for what only reads and had not ended.
    let ran = stage.ran.lock().unwrap();
    for result in &results {
        let times = ran.iter().filter(|(id, _)| *id == result.call_id).count();
        let call =
            driver.history().iter().flat_map(Message::tool_calls).find(|call| call.id == result.call_id).cloned();
        prop_assert!(times <= 1 || call.unwrap().name == "look");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_driver_that_is_restored_at_any_question_goes_on(driven in driven()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check_driven(driven))?;
    }
}
