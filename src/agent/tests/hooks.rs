//! Hooks: what they stop, what they add, and what becomes of a turn when they fail.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering},
};

use async_trait::async_trait;
use serde_json::json;

use super::{
    super::{
        hook::{Hook, HookError, MOST_VETOES, Moment, Verdict},
        *,
    },
    stage::*,
};
use crate::transcript::{Content, ResultContent};

/// A hook that does as told at the moments it is for.
struct Odd {
    when: &'static str,
    how: How,
}

#[derive(Clone, Copy)]
enum How {
    Fail,
    Panic,
    Hang,
    Say(&'static str),
}

fn name_of(moment: &Moment) -> &'static str {
    match moment {
        Moment::TurnStart { .. } => "start",
        Moment::BeforeTool { .. } => "before",
        Moment::AfterTool { .. } => "after",
        Moment::TurnEnd { .. } => "end",
    }
}

#[async_trait]
impl Hook for Odd {
    fn name(&self) -> &str {
        "odd"
    }

    fn wants(&self, moment: &Moment) -> bool {
        name_of(moment) == self.when
    }

    async fn at(&self, _: Moment) -> Result<Verdict, HookError> {
        match self.how {
            How::Fail => Err(HookError("it ended with exit code 1".into())),
            How::Panic => panic_quietly("a hook"),
            How::Hang => std::future::pending().await,
            How::Say(text) => Ok(Verdict::context(text)),
        }
    }
}

/// Plays one call of `change` for a person who allows everything.
struct Played {
    outcome: Outcome,
    events: Vec<Event>,
    asked: usize,
    ran: usize,
}

impl Played {
    fn results(&self) -> Vec<(String, CallStatus)> {
        let result = |event: &Event| match event {
            Event::ToolResult { result, status, .. } => Some((text(&result.content), *status)),
            _ => None,
        };
        self.events.iter().filter_map(result).collect()
    }

    fn notices(&self) -> Vec<String> {
        self.events.iter().filter_map(notice).collect()
    }
}

fn notice(event: &Event) -> Option<String> {
    if let Event::Notice { message, .. } = event { Some(message.clone()) } else { None }
}

fn text(content: &[ResultContent]) -> String {
    let texts = content.iter().filter_map(|part| match part {
        ResultContent::Text { text } => Some(text.clone()),
        ResultContent::Image(_) => None,
    });
    texts.collect::<Vec<_>>().join("|")
}

async fn play_with(hooks: Vec<Box<dyn FnOnce(Builder) -> Builder>>, answers: Vec<Option<Answer>>) -> Played {
    let stage = stage();
    let host = Recorder::asking(&stage, answers);
    let model = Model::new([vec![Cue::Call("a", "change", json!({"do": "it"})), Cue::Done(StopReason::ToolCalls)]]);
    let builder = hooks.into_iter().fold(agent(&model, &stage).to_builder(), |builder, hook| hook(builder));
    let agent = builder.build().unwrap();
    let history = vec![Message::user("go")];
    let outcome = turn::run(&agent, &Scope::default(), history, &host, host.cancel.clone()).await;
    let (asked, ran) = (host.asked.lock().unwrap().len(), stage.ran.lock().unwrap().len());
    Played { outcome, events: host.events(), asked, ran }
}

fn hook(hook: impl Hook) -> Box<dyn FnOnce(Builder) -> Builder> {
    Box::new(move |builder| builder.hook(hook))
}

#[tokio::test]
async fn a_hook_denies_before_the_person_is_asked() {
    let deny = |moment: Moment| async move {
        match moment {
            Moment::BeforeTool { call, class: Class::Edit, title, .. } if title == "change it" => {
                Verdict::deny(format!("no {} today", call.name))
            }
            _ => Verdict::default(),
        }
    };
    let played = play_with(vec![hook(deny)], vec![allow()]).await;
    assert_eq!((played.asked, played.ran), (0, 0));
    let expected = ("not run: a hook denied this call: hook: no change today".to_owned(), CallStatus::Denied);
    assert_eq!(played.results(), [expected]);
    assert_eq!(played.outcome.stop_reason, StopReason::EndTurn);
}

#[tokio::test]
async fn a_hook_never_allows_what_the_gate_would_ask() {
    let played = play_with(vec![hook(|_: Moment| async { Verdict::context("fine with me") })], vec![]).await;
    assert_eq!((played.asked, played.ran), (1, 0), "nobody answered, so it is denied");
}

#[tokio::test]
async fn what_the_person_changed_is_judged_again() {
    let deny = |moment: Moment| async move {
        match moment {
            Moment::BeforeTool { call, .. } if call.input["do"] == "worse" => Verdict::deny("that is worse"),
            _ => Verdict::default(),
        }
    };
    let worse = Some(Answer::Allow { input: Some(json!({"do": "worse"})), hunks: None });
    let played = play_with(vec![hook(deny)], vec![worse]).await;
    assert_eq!((played.asked, played.ran), (1, 0));
    let (said, status) = &played.results()[0];
    assert!(said.contains("changed the input") && said.contains("that is worse"), "{said}");
    assert_eq!(*status, CallStatus::Denied);
}

#[tokio::test]
async fn context_comes_with_the_result_in_order() {
    let hooks = vec![
        hook(Odd { when: "before", how: How::Say("first") }),
        hook(Odd { when: "after", how: How::Say("last") }),
        hook(Odd { when: "before", how: How::Say("second") }),
    ];
    let played = play_with(hooks, vec![allow()]).await;
    let expected = "it done|[odd: first]|[odd: second]|[odd: last]".to_owned();
    assert_eq!(played.results(), [(expected, CallStatus::Ok)]);
}

#[tokio::test]
async fn a_result_can_be_withheld_after_the_call() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let into = seen.clone();
    let withhold = move |moment: Moment| {
        let into = into.clone();
        async move {
            let Moment::AfterTool { result, status, .. } = moment else { return Verdict::default() };
            into.lock().unwrap().push((text(&result.content), status));
            Verdict::deny("it holds a secret")
        }
    };
    let played = play_with(vec![hook(withhold)], vec![allow()]).await;
    assert_eq!(*seen.lock().unwrap(), [("it done".to_owned(), CallStatus::Ok)]);
    let said = "the call has run, but a hook withholds its result: hook: it holds a secret".to_owned();
    assert_eq!(played.results(), [(said, CallStatus::Failed)]);
    assert_eq!(played.ran, 1);
}

#[tokio::test]
async fn a_turn_can_be_stopped_before_it_begins() {
    let deny = |moment: Moment| async move {
        match moment {
            Moment::TurnStart { prompt, steers: false } if prompt.text() == "go" => Verdict::deny("out of office"),
            _ => Verdict::default(),
        }
    };
    let played = play_with(vec![hook(deny)], vec![]).await;
    assert_eq!((played.outcome.stop_reason, played.outcome.messages.len(), played.ran), (StopReason::Error, 0, 0));
    let error = played.outcome.error.unwrap().to_string();
    assert_eq!(error, "the turn was not begun: a hook denied it: hook: out of office");
}

async fn no_secrets(moment: Moment) -> Verdict {
    match moment {
        Moment::TurnStart { prompt, .. } if prompt.text().contains("SECRET") => Verdict::deny("no secrets"),
        _ => Verdict::default(),
    }
}

#[tokio::test]
async fn what_a_hook_denied_is_not_left_for_the_next_turn() {
    let (stage, model) = (stage(), Model::new([]));
    let agent = agent(&model, &stage).to_builder().hook(no_secrets).build().unwrap();
    let before = vec![Message::user("go"), Message::assistant("done")];
    // The first was said too late for a turn before, and no hook has heard it.
    for said in [["the SECRET is x", "and now?"], ["and now?", "the SECRET is x"]] {
        let mut history = before.clone();
        history.extend(said.map(Message::user));
        let failed = agent.run(&history).await.unwrap_err();
        assert!(matches!(failed.source, TurnError::Hook(_)), "{failed}");
        failed.partial.apply(&mut history);
        assert_eq!(history, [&before[..], &[Message::user("and now?")]].concat());
    }
    assert_eq!(model.requests.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn what_a_hook_let_pass_outlives_what_is_denied_after_it() {
    let (stage, model) = (stage(), Model::new([vec![Cue::Fail]]));
    let agent = agent(&model, &stage).to_builder().hook(no_secrets).build().unwrap();
    let mut history = Vec::new();
    for prompt in ["long and typed with care", "the SECRET is x"] {
        history.push(Message::user(prompt));
        agent.run(&history).await.unwrap_err().partial.apply(&mut history);
        assert_eq!(history, [Message::user("long and typed with care")], "{prompt}");
    }
    history.push(Message::user("go on"));
    agent.run(&history).await.unwrap();
    assert_eq!(model.requests.lock().unwrap()[1].messages, history);
}

#[tokio::test]
async fn a_denied_word_to_a_turn_without_an_answer_leaves_its_prompt() {
    for others in [vec![], vec![Message::user("faster")]] {
        let (stage, model) = (stage(), Model::new([vec![Cue::Think("hm"), Cue::Done(StopReason::EndTurn)]]));
        let said = [vec![Message::user("the SECRET is x")], others.clone()].concat();
        let host = Recorder { steering: Mutex::new([said].into()), ..Recorder::new(&stage) };
        let agent = agent(&model, &stage).to_builder().hook(no_secrets).build().unwrap();
        let history = vec![Message::user("go")];
        let outcome = turn::run(&agent, &Scope::default(), history.clone(), &host, host.cancel.clone()).await;
        let expected = [history, others.clone()].concat();
        assert!(outcome.replaced.unwrap().starts_with(&expected), "{others:?}");
        // What may be read is answered, and what may not is not.
        assert_eq!(model.requests.lock().unwrap().len(), 1 + others.len(), "{others:?}");
    }
}

#[tokio::test]
async fn what_is_said_to_a_running_turn_is_heard_too() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let into = heard.clone();
    let listen = move |moment: Moment| {
        if let Moment::TurnStart { prompt, steers } = &moment {
            into.lock().unwrap().push((prompt.text(), *steers));
        }
        no_secrets(moment)
    };
    let stage = stage();
    let steering = ["the SECRET is x", "faster"].map(|text| vec![Message::user(text)]);
    let host = Recorder { steering: Mutex::new(steering.into()), ..Recorder::new(&stage) };
    let model = Model::new([vec![Cue::Call("a", "look", json!({"do": "x"})), Cue::Done(StopReason::ToolCalls)]]);
    let agent = agent(&model, &stage).to_builder().hook(listen).build().unwrap();
    let history = vec![Message::user("go")];
    let outcome = turn::run(&agent, &Scope::default(), history, &host, host.cancel.clone()).await;
    let expected = [("go", false), ("the SECRET is x", true), ("faster", true)].map(|(text, on)| (text.to_owned(), on));
    assert_eq!(*heard.lock().unwrap(), expected);
    let sent = format!("{:?}", model.requests.lock().unwrap());
    assert!(sent.contains("faster") && !sent.contains("SECRET"), "{sent}");
    assert!(!format!("{:?}", outcome.replaced).contains("SECRET"));
    let notices: Vec<_> = host.events().iter().filter_map(notice).collect();
    assert_eq!(notices, ["What you said does not reach the model: a hook denied it: hook: no secrets"]);
}

#[tokio::test]
async fn what_is_said_while_a_hook_judges_the_end_is_answered() {
    for veto in [false, true] {
        let stage = stage();
        let host = Arc::new(Recorder::new(&stage));
        let (person, ends) = (host.clone(), Arc::new(AtomicU32::new(0)));
        let count = ends.clone();
        let hook = move |moment: Moment| {
            let is_first = matches!(moment, Moment::TurnEnd { .. }) && count.fetch_add(1, Ordering::SeqCst) == 0;
            if is_first {
                person.steering.lock().unwrap().push_back(vec![Message::user("and the docs")]);
            }
            let verdict = if is_first && veto { Verdict::deny("red") } else { Verdict::default() };
            async move { verdict }
        };
        let model = Model::new([]);
        let agent = agent(&model, &stage).to_builder().hook(hook).build().unwrap();
        let history = vec![Message::user("go")];
        let outcome = turn::run(&agent, &Scope::default(), history, &*host, host.cancel.clone()).await;
        assert_eq!((outcome.stop_reason, ends.load(Ordering::SeqCst)), (StopReason::EndTurn, 2), "{veto}");
        let requests = model.requests.lock().unwrap();
        assert_eq!(requests.len(), 2, "{veto}");
        assert_eq!(requests[1].messages.last(), Some(&Message::user("and the docs")), "{veto}");
    }
}

#[tokio::test]
async fn context_for_a_turn_comes_before_the_first_model_call() {
    let played = play_with(vec![hook(Odd { when: "start", how: How::Say("it rains") })], vec![allow()]).await;
    assert_eq!(played.outcome.messages[0].text(), "[What hooks say, not the person:]\n[odd: it rains]");
    assert_eq!(played.outcome.messages[1].role, crate::transcript::Role::Assistant);
}

#[tokio::test]
async fn the_end_is_vetoed_so_often_and_no_more() {
    let asked = Arc::new(AtomicU32::new(0));
    let count = asked.clone();
    let veto = move |moment: Moment| {
        let count = count.clone();
        async move {
            let Moment::TurnEnd { vetoes, may_veto, text, stop_reason } = moment else { return Verdict::default() };
            assert_eq!((vetoes, may_veto), (count.fetch_add(1, Ordering::SeqCst), vetoes < MOST_VETOES));
            assert_eq!((text.as_str(), stop_reason), ("done", StopReason::EndTurn));
            Verdict::deny("the tests fail")
        }
    };
    let played = play_with(vec![hook(veto)], vec![allow()]).await;
    assert_eq!(asked.load(Ordering::SeqCst), MOST_VETOES + 1);
    assert_eq!(played.outcome.stop_reason, StopReason::EndTurn);
    let reason = Message::user("[The turn is not over: hook: the tests fail]");
    let vetoes = played.outcome.messages.iter().filter(|message| **message == reason).count();
    assert_eq!(vetoes as u32, MOST_VETOES);
    assert!(played.notices()[0].contains("ends although a hook objects"), "{:?}", played.notices());
}

#[tokio::test]
async fn an_end_that_the_model_did_not_choose_is_told_once() {
    let ends = Arc::new(Mutex::new(Vec::new()));
    let into = ends.clone();
    let listen = move |moment: Moment| {
        let into = into.clone();
        async move {
            let Moment::TurnEnd { stop_reason, may_veto, .. } = moment else { return Verdict::default() };
            into.lock().unwrap().push((stop_reason, may_veto));
            Verdict::deny("go on")
        }
    };
    let stage = stage();
    let model = Model::new([vec![Cue::Say("half"), Cue::Done(StopReason::MaxTokens)]]);
    let agent = agent(&model, &stage).to_builder().hook(listen);
    let result = agent.build().unwrap().run(&[Message::user("go")]).await.unwrap();
    assert_eq!(result.stop_reason, StopReason::MaxTokens);
    assert_eq!(*ends.lock().unwrap(), [(StopReason::MaxTokens, false)]);
}

#[tokio::test(start_paused = true)]
async fn a_guard_that_fails_stops_its_call_and_nothing_else() {
    for (how, why) in [
        (How::Fail, "it ended with exit code 1"),
        (How::Panic, "it broke off (a hook)"),
        (How::Hang, "it took longer than 60 s"),
    ] {
        let played = play_with(vec![hook(Odd { when: "before", how })], vec![allow()]).await;
        assert_eq!((played.asked, played.ran), (0, 0), "{why}");
        let (said, status) = &played.results()[0];
        assert!(said.contains(why) && *status == CallStatus::Denied, "{said}");
        assert_eq!(played.notices(), [format!("The hook odd failed: {why}. The call was not run.")]);
        assert_eq!(played.outcome.stop_reason, StopReason::EndTurn);
        for when in ["start", "after", "end"] {
            let played = play_with(vec![hook(Odd { when, how })], vec![allow()]).await;
            assert_eq!(played.results(), [("it done".to_owned(), CallStatus::Ok)], "{when} {why}");
            assert_eq!(played.notices(), [format!("The hook odd failed: {why}. The turn goes on without it.")]);
            assert_eq!(played.outcome.stop_reason, StopReason::EndTurn);
        }
    }
}

#[tokio::test]
async fn a_hook_ends_with_its_turn() {
    for when in ["start", "before", "after", "end"] {
        let stage = stage();
        let host = Recorder::asking(&stage, [allow()]);
        let cancel = host.cancel.clone();
        let model = Model::new([vec![Cue::Call("a", "change", json!({"do": "it"})), Cue::Done(StopReason::ToolCalls)]]);
        let cancelling = move |moment: Moment| {
            let cancel = (name_of(&moment) == when).then(|| cancel.clone());
            async move {
                if let Some(cancel) = cancel {
                    cancel_soon(cancel);
                    std::future::pending::<()>().await;
                }
                Verdict::default()
            }
        };
        let agent = agent(&model, &stage).to_builder().hook(cancelling).build().unwrap();
        let history = vec![Message::user("go")];
        let outcome = turn::run(&agent, &Scope::default(), history, &host, host.cancel.clone()).await;
        let is_whole = crate::transcript::is_whole(&[vec![Message::user("go")], outcome.messages.clone()].concat());
        assert!(is_whole, "{when}");
        assert_eq!(outcome.stop_reason, StopReason::Cancelled, "{when}");
        assert_eq!(stage.ran.lock().unwrap().len(), usize::from(when == "after" || when == "end"), "{when}");
    }
}

#[tokio::test]
async fn hooks_hear_of_the_input_that_ran() {
    let inputs = Arc::new(Mutex::new(Vec::new()));
    let into = inputs.clone();
    let listen = move |moment: Moment| {
        let into = into.clone();
        async move {
            if let Moment::AfterTool { call, .. } = moment {
                into.lock().unwrap().push(call.input);
            }
            Verdict::default()
        }
    };
    let other = Some(Answer::Allow { input: Some(json!({"do": "other"})), hunks: None });
    let played = play_with(vec![hook(listen)], vec![other]).await;
    assert_eq!(*inputs.lock().unwrap(), [json!({"do": "other"})]);
    let Content::ToolCall(call) = &played.outcome.messages[0].content[0] else { panic!("a call") };
    assert_eq!(call.input, json!({"do": "it"}));
}
