//! Agents inside a turn, and what running calls ask of the loop.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{super::*, stage::*};
use crate::{
    permission::Mode,
    provider::{OutputSchema, Request},
    tool::{Context, Errand, Output, Profile, Proposal, Registry, ToolError, Typed, typed},
    transcript::{Content, ResultContent, is_whole},
};

const DONE: Cue = Cue::Done(StopReason::EndTurn);
const CALLS: Cue = Cue::Done(StopReason::ToolCalls);

fn spawning(model: &Arc<Model>, stage: &Arc<Stage>, profiles: Vec<Profile>) -> Agent {
    agent(model, stage).to_builder().sub_agents(profiles).build().unwrap()
}

async fn play_nested(agent: &Agent, host: &dyn Host, cancel: CancellationToken) -> Outcome {
    turn::run(agent, &Scope::default(), vec![Message::user("go")], host, cancel).await
}

fn results(outcome: &Outcome) -> Vec<(String, bool)> {
    let text = |content: &[ResultContent]| match content {
        [ResultContent::Text { text }] => text.clone(),
        other => format!("{other:?}"),
    };
    let results = outcome.messages.iter().flat_map(Message::tool_results);
    results.map(|result| (text(&result.content), result.is_error)).collect()
}

fn names(request: &Request) -> Vec<&str> {
    request.tools.iter().map(|tool| tool.name.as_str()).collect()
}

fn call(id: &'static str, input: Value) -> Cue {
    Cue::Call(id, "sub_agent", input)
}

#[tokio::test]
async fn a_sub_agent_does_its_task_and_its_last_word_is_the_result() {
    let (stage, host) = (stage(), Recorder::new(&stage()));
    let model = Model::new([
        vec![call("p", json!({"task": "find the bug"})), CALLS],
        vec![Cue::Say("Looking."), Cue::Call("p", "look", json!({"do": "around"})), CALLS],
        vec![Cue::Say("It is in line 7."), DONE],
        vec![Cue::Say("Fixed."), DONE],
    ]);
    let outcome = play_nested(&spawning(&model, &stage, vec![]), &host, host.cancel.clone()).await;

    assert_eq!(results(&outcome), [("It is in line 7.".to_owned(), false)]);
    assert!(is_whole(&outcome.messages[..]), "its messages are not the parent's: {:?}", outcome.messages);
    assert_eq!(outcome.messages.len(), 3);
    // Four model calls of one token each way, two of them the sub-agent's.
    assert_eq!((outcome.usage.input_tokens, outcome.usage.output_tokens), (Some(4), Some(4)));
    let requests = model.requests.lock().unwrap();
    assert_eq!(requests[1].messages, [Message::user("find the bug")], "it knows its task and nothing else");
    assert!(requests[1].system.last().unwrap().contains("sub-agent"));
    assert_eq!(requests[3].messages.len(), 3);
    // The ids of its calls are its own, though the tools know which is which.
    assert_eq!(stage.ran.lock().unwrap()[0].0, "p.p");
}

#[tokio::test]
async fn its_events_are_nested_between_the_call_and_the_result() {
    let (stage, host) = (stage(), Recorder::new(&stage()));
    let model = Model::new([
        vec![call("p", json!({"task": "x"})), CALLS],
        vec![Cue::Call("c", "look", json!({"do": "slow"})), CALLS],
        vec![Cue::Say("seen"), DONE],
    ]);
    play_nested(&spawning(&model, &stage, vec![]), &host, host.cancel.clone()).await;
    let kinds: Vec<String> = host
        .events()
        .iter()
        .filter_map(|event| match event {
            Event::ToolCall { call, .. } => Some(format!("call {}", call.id)),
            Event::ToolResult { result, .. } => Some(format!("result {}", result.call_id)),
            Event::Nested { call_id, event } => match &**event {
                Event::TurnStarted => Some(format!("{call_id}: start")),
                Event::ToolCall { call, .. } => Some(format!("{call_id}: call {}", call.id)),
                Event::ToolResult { result, .. } => Some(format!("{call_id}: result {}", result.call_id)),
                Event::TurnEnded { stop_reason, .. } => Some(format!("{call_id}: {stop_reason:?}")),
                _ => None,
            },
            _ => None,
        })
        .collect();
    let expected = ["call p", "p: start", "p: call c", "p: result c", "p: EndTurn", "result p"];
    assert_eq!(kinds, expected);
}

#[tokio::test]
async fn its_approvals_reach_the_person_and_say_who_asks() {
    let stage = stage();
    let host = Recorder::asking(&stage, [allow(), Some(Answer::Deny { reason: Some("not that".into()) })]);
    let reviewer = Profile { name: "fixer".into(), description: "fixes".into(), ..Profile::default() };
    let model = Model::new([
        vec![call("p", json!({"task": "x", "agent": "fixer"})), CALLS],
        vec![Cue::Call("c", "change", json!({"do": "one"})), call("deep", json!({"task": "y"})), CALLS],
        vec![Cue::Call("c", "change", json!({"do": "two"})), CALLS],
        vec![Cue::Say("deep done"), DONE],
        vec![Cue::Say("done"), DONE],
    ]);
    play_nested(&spawning(&model, &stage, vec![reviewer]), &host, host.cancel.clone()).await;
    let asked: Vec<_> = host.asked.lock().unwrap().iter().map(|request| request.agent.clone().unwrap()).collect();
    let asker = |name: &str| Asker { call_id: "p".into(), name: name.into() };
    assert_eq!(asked, [asker("fixer"), asker("fixer > sub-agent")], "spawning itself asks for nothing");
    let ran: Vec<_> = stage.ran.lock().unwrap().iter().map(|(id, _)| id.clone()).collect();
    assert_eq!(ran, ["p.c"], "what was denied did not run");
    let ids: Vec<_> = host.asked.lock().unwrap().iter().map(|request| request.id.clone()).collect();
    assert_eq!(ids, ["p.c#1", "p.deep.c#1"], "calls of one id are asked about under two");
}

#[tokio::test]
async fn a_stop_that_is_answered_to_a_nested_agent_ends_the_turn_that_the_person_sees() {
    let stage = stage();
    let host = Recorder::asking(&stage, [Some(Answer::CancelTurn)]);
    let model = Model::new([
        vec![call("p", json!({"task": "x"})), CALLS],
        vec![call("deep", json!({"task": "y"})), CALLS],
        vec![Cue::Call("c", "change", json!({"do": "one"})), CALLS],
    ]);
    let outcome = play_nested(&spawning(&model, &stage, vec![]), &host, host.cancel.clone()).await;
    assert_eq!(outcome.stop_reason, StopReason::Cancelled);
    assert!(is_whole(&outcome.messages) && stage.ran.lock().unwrap().is_empty());
    assert_eq!(model.requests.lock().unwrap().len(), 3, "nobody goes on");
}

#[tokio::test]
async fn the_policy_is_the_parents_as_it_is_now() {
    let stage = stage();
    let host = Recorder { mode: Mode::Plan, ..Recorder::new(&stage) };
    let model = Model::new([
        vec![call("p", json!({"task": "x"})), CALLS],
        vec![Cue::Call("c", "change", json!({"do": "one"})), CALLS],
    ]);
    play_nested(&spawning(&model, &stage, vec![]), &host, host.cancel.clone()).await;
    assert!(stage.ran.lock().unwrap().is_empty());
}

#[tokio::test]
async fn hooks_hear_what_its_calls_do_and_not_its_turn() {
    let (stage, host) = (stage(), Recorder::new(&stage()));
    let model = Model::new([
        vec![call("p", json!({"task": "x"})), CALLS],
        vec![Cue::Call("c", "look", json!({"do": "x"})), CALLS],
    ]);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let into = heard.clone();
    let listen = move |moment: hook::Moment| {
        match moment {
            hook::Moment::TurnStart { prompt, .. } => into.lock().unwrap().push(prompt.text()),
            hook::Moment::BeforeTool { call, .. } => into.lock().unwrap().push(call.name),
            hook::Moment::TurnEnd { .. } => into.lock().unwrap().push("end".to_owned()),
            hook::Moment::AfterTool { .. } => {}
        }
        async { hook::Verdict::default() }
    };
    let agent = spawning(&model, &stage, vec![]).to_builder().hook(listen).build().unwrap();
    play_nested(&agent, &host, host.cancel.clone()).await;
    assert_eq!(*heard.lock().unwrap(), ["go", "sub_agent", "look", "end"]);
}

#[tokio::test]
async fn the_shape_of_the_answer_is_the_parents_alone() {
    let shape = OutputSchema { name: "answer".into(), schema: json!({"type": "object"}) };
    let shaped = |model: &Arc<Model>, stage: &Arc<Stage>, tools: Registry| {
        let agent = spawning(model, stage, vec![]).to_builder().tools(tools).sub_agents([]);
        agent.output_schema(shape.clone()).stop_sequences(vec!["END".into()]).build().unwrap()
    };
    let shapes = |model: &Model| -> Vec<(bool, usize)> {
        let requests = model.requests.lock().unwrap();
        requests.iter().map(|request| (request.output_schema.is_some(), request.stop_sequences.len())).collect()
    };
    let (stage, host) = (stage(), Recorder::new(&stage()));
    let model = Model::new([vec![call("p", json!({"task": "x"})), CALLS]]);
    play_nested(&shaped(&model, &stage, tools(&stage)), &host, host.cancel.clone()).await;
    assert_eq!(shapes(&model), [(true, 1), (false, 1), (true, 1)]);

    /// Has a bare agent say something.
    struct Echo;

    /// Nothing to say.
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Nothing {}

    #[async_trait]
    impl Typed for Echo {
        const NAME: &'static str = "echo";
        type Input = Nothing;

        async fn propose(&self, _: &Nothing, _: &Context) -> Result<Proposal, ToolError> {
            Ok(Proposal::harmless("echo"))
        }

        async fn run(&self, _: Nothing, context: &Context) -> Result<Output, ToolError> {
            let errand = Errand { task: "say".into(), is_bare: true, ..Errand::default() };
            context.desk.spawn(errand).await.map(|report| Output::text(report.text))
        }
    }

    let mut registry = Registry::new();
    registry.add(typed(Echo)).unwrap();
    let model = Model::new([vec![Cue::Call("c", "echo", json!({})), CALLS]]);
    play_nested(&shaped(&model, &stage, registry), &host, host.cancel.clone()).await;
    assert_eq!(shapes(&model), [(true, 1), (false, 0), (true, 1)]);
}

#[tokio::test]
async fn nesting_ends_at_the_depth_limit() {
    for (depth, expected) in [(0, vec![false]), (1, vec![true, false]), (2, vec![true, true, false])] {
        let (stage, host) = (stage(), Recorder::new(&stage()));
        let model = Model::new((0..depth).map(|_| vec![call("p", json!({"task": "deeper"})), CALLS]));
        let agent = spawning(&model, &stage, vec![]).to_builder().tools(tools(&stage)).sub_agent_depth(depth);
        play_nested(&agent.build().unwrap(), &host, host.cancel.clone()).await;
        let requests = model.requests.lock().unwrap();
        let first: Vec<bool> = requests.iter().map(|request| names(request).contains(&"sub_agent")).collect();
        assert_eq!(first[..expected.len()], expected, "{depth}");
    }
}

#[tokio::test]
async fn reading_sub_agents_run_side_by_side_and_others_alone() {
    let meeting = |read_only: bool| {
        let input = json!({"task": "meet", "read_only": read_only});
        vec![call("a", input.clone()), call("b", input), CALLS]
    };
    let look = || vec![Cue::Call("c", "look", json!({"do": "meet"})), CALLS];
    let (stage, host) = (stage(), Recorder::new(&stage()));
    let model = Model::new([meeting(true), look(), look()]);
    let agent = spawning(&model, &stage, vec![]);
    // Each waits in its call for the other.
    let playing = play_nested(&agent, &host, host.cancel.clone());
    let outcome = tokio::time::timeout(Duration::from_secs(20), playing).await.expect("they meet");
    assert_eq!(results(&outcome).len(), 2);
    assert_eq!(names(&model.requests.lock().unwrap()[1]), ["look"], "it has only what changes nothing");

    let model = Model::new([meeting(false)]);
    play_nested(&spawning(&model, &stage, vec![]), &host, host.cancel.clone()).await;
    let order: Vec<&str> = host
        .events
        .lock()
        .unwrap()
        .iter()
        .rev()
        .filter_map(|event| match event {
            Event::ToolCall { .. } => Some("call"),
            Event::ToolResult { .. } => Some("result"),
            _ => None,
        })
        .take(4)
        .collect();
    assert_eq!(order, ["result", "call", "result", "call"], "what may change something is alone");
}

#[tokio::test]
async fn a_named_agent_has_its_words_tools_and_limit() {
    let (stage, host) = (stage(), Recorder::new(&stage()));
    let model = Model::new([
        vec![call("p", json!({"task": "x", "agent": "looker"})), CALLS],
        vec![Cue::Say("so far"), Cue::Call("c", "look", json!({"do": "x"})), CALLS],
        vec![Cue::Call("d", "look", json!({"do": "x"})), CALLS],
        vec![Cue::Say("over"), DONE],
    ]);
    let looker = Profile {
        name: "looker".into(),
        description: "Looks at things.".into(),
        instructions: "Look twice.".into(),
        tools: Some(vec!["look".into()]),
        turn_limit: Some(2),
        ..Profile::default()
    };
    let outcome = play_nested(&spawning(&model, &stage, vec![looker]), &host, host.cancel.clone()).await;
    let requests = model.requests.lock().unwrap();
    let spawner = requests[0].tools.iter().find(|tool| tool.name == "sub_agent").unwrap();
    assert!(spawner.description.ends_with("- looker: Looks at things."), "{}", spawner.description);
    assert_eq!(names(&requests[1]), ["look"]);
    assert_eq!(requests[1].system.last().unwrap(), "Look twice.");
    assert_eq!(requests.len(), 4, "two calls of its own");
    let (text, is_error) = &results(&outcome)[0];
    assert!(!is_error && text.contains("used up its model calls") && text.ends_with("so far"), "{text}");
}

#[tokio::test]
async fn a_failure_is_an_error_result_with_what_there_was() {
    let (stage, host) = (stage(), Recorder::new(&stage()));
    let model = Model::new([
        vec![call("p", json!({"task": "x"})), CALLS],
        vec![Cue::Say("Half way."), Cue::Call("c", "look", json!({"do": "x"})), CALLS],
        vec![Cue::Fail],
        vec![Cue::Say("never mind"), DONE],
    ]);
    let outcome = play_nested(&spawning(&model, &stage, vec![]), &host, host.cancel.clone()).await;
    let (text, is_error) = &results(&outcome)[0];
    assert!(*is_error && text.contains("too busy") && text.contains("Half way."), "{text}");
    assert_eq!(outcome.stop_reason, StopReason::EndTurn, "the parent goes on");

    let model = Model::new([vec![call("p", json!({"task": "x", "agent": "nobody"})), CALLS]]);
    let outcome = play_nested(&spawning(&model, &stage, vec![]), &host, host.cancel.clone()).await;
    assert!(results(&outcome)[0].0.contains("there is no agent `nobody`"), "{:?}", results(&outcome));
}

#[tokio::test]
async fn a_cancel_of_the_turn_ends_nested_turns_with_their_calls() {
    let (stage, cancel) = (stage(), CancellationToken::new());
    let host = Recorder { cancel: cancel.clone(), ..Recorder::new(&stage) };
    let model = Model::new([
        vec![call("p", json!({"task": "x"})), CALLS],
        vec![Cue::Say("I was here."), Cue::Call("c", "look", json!({"do": "look"})), CALLS],
        vec![Cue::Hang(cancel.clone())],
    ]);
    let agent = spawning(&model, &stage, vec![]).to_builder().cancel_grace(Duration::from_secs(5)).build().unwrap();
    let outcome = play_nested(&agent, &host, cancel).await;
    assert_eq!(outcome.stop_reason, StopReason::Cancelled);
    let (text, is_error) = &results(&outcome)[0];
    assert!(*is_error && text.contains("was cancelled") && text.contains("I was here."), "{text}");
    let ends = host.events().into_iter().filter_map(|event| match event {
        Event::Nested { event, .. } => match *event {
            Event::TurnEnded { stop_reason, .. } => Some(stop_reason),
            _ => None,
        },
        _ => None,
    });
    assert_eq!(ends.collect::<Vec<_>>(), [StopReason::Cancelled]);
    assert!(matches!(host.events().last(), Some(Event::TurnEnded { .. })));
}

#[tokio::test]
async fn what_a_given_up_tool_still_wants_nobody_hears() {
    struct Late;

    #[async_trait]
    impl crate::tool::Typed for Late {
        const NAME: &'static str = "late";
        type Input = Nothing;

        async fn propose(
            &self,
            _: &Nothing,
            _: &crate::tool::Context,
        ) -> Result<crate::tool::Proposal, crate::tool::ToolError> {
            Ok(crate::tool::Proposal::harmless("late"))
        }

        async fn run(
            &self,
            _: Nothing,
            context: &crate::tool::Context,
        ) -> Result<crate::tool::Output, crate::tool::ToolError> {
            let desk = context.desk.clone();
            tokio::spawn(async move {
                for _ in 0..100 {
                    tokio::task::yield_now().await;
                }
                desk.plan(vec![PlanItem { text: "too late".into(), status: crate::tool::PlanStatus::Pending }]).await;
                assert_eq!(desk.ask(Question::free("hello?")).await, Answered::Nobody);
            });
            Ok(crate::tool::Output::text("done"))
        }
    }

    /// Nothing to say.
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Nothing {}

    let (stage, host) = (stage(), Recorder::new(&stage()));
    let mut registry = Registry::new();
    registry.add(crate::tool::typed(Late)).unwrap();
    let model = Model::new([vec![Cue::Call("c", "late", json!({})), CALLS]]);
    let agent = agent(&model, &stage).to_builder().tools(registry).build().unwrap();
    play_nested(&agent, &host, host.cancel.clone()).await;
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    assert!(!host.events().iter().any(|event| matches!(event, Event::Plan(_))));
    assert!(matches!(host.events().last(), Some(Event::TurnEnded { .. })));
}

#[tokio::test]
async fn the_plan_is_an_event_and_a_second_step_at_a_time_advice() {
    let (stage, host) = (stage(), Recorder::new(&stage()));
    let item = |text: &str, status: &str| json!({"text": text, "status": status});
    let plan = |items: Value| Cue::Call("c", "plan", json!({ "items": items }));
    let model = Model::new([
        vec![plan(json!([item("a", "completed"), item("b", "inProgress"), item("c", "inProgress")])), CALLS],
        vec![plan(json!([item(" ", "pending")])), CALLS],
    ]);
    let agent = agent(&model, &stage).to_builder().tools(Registry::standard()).build().unwrap();
    let outcome = play_nested(&agent, &host, host.cancel.clone()).await;
    let plans: Vec<Vec<PlanItem>> = host
        .events()
        .into_iter()
        .filter_map(|event| if let Event::Plan(items) = event { Some(items) } else { None })
        .collect();
    assert_eq!(plans.len(), 1);
    let texts: Vec<&str> = plans[0].iter().map(|item| item.text.as_str()).collect();
    assert_eq!(texts, ["a", "b", "c"]);
    let results = results(&outcome);
    assert!(!results[0].1 && results[0].0.contains("1 of 3 done") && results[0].0.contains("2 steps are in progress"));
    assert!(results[1].1 && results[1].0.contains("`items[0].text` is empty"), "{results:?}");
}

#[tokio::test]
async fn a_question_is_answered_by_the_host_and_by_nobody_where_there_is_none() {
    struct Answering(Recorder, Answered);

    #[async_trait]
    impl Host for Answering {
        async fn emit(&self, event: Event) {
            self.0.emit(event).await;
        }

        async fn approve(&self, request: ApprovalRequest) -> Answer {
            self.0.approve(request).await
        }

        fn policy(&self) -> Policy {
            self.0.policy()
        }

        async fn ask(&self, request: QuestionRequest) -> Answered {
            assert_eq!((request.call_id.as_str(), request.question.text.as_str()), ("c", "Which?"));
            self.1.clone()
        }
    }

    let choices = json!([{"label": "red"}, {"label": "green", "description": "as grass"}]);
    let cases = [
        (choices.clone(), Some(Answered::Choice(1)), "The person chose: green"),
        (choices.clone(), Some(Answered::Text("blue".into())), "The person answered: blue"),
        (choices.clone(), Some(Answered::Declined), "did not answer"),
        (choices, None, "Nobody is there"),
        (json!([]), None, "Ask again with `choices`"),
    ];
    for (choices, answered, expected) in cases {
        let stage = stage();
        let model = Model::new([vec![Cue::Call("c", "ask", json!({"question": "Which?", "choices": choices})), CALLS]]);
        let agent = agent(&model, &stage).to_builder().tools(Registry::standard()).build().unwrap();
        let host = Recorder::new(&stage);
        let outcome = match answered {
            Some(answered) => {
                let cancel = host.cancel.clone();
                play_nested(&agent, &Answering(host, answered), cancel).await
            }
            None => play_nested(&agent, &host, host.cancel.clone()).await,
        };
        let (text, is_error) = &results(&outcome)[0];
        assert!(!is_error && text.contains(expected), "{text}");
    }
    let content = |outcome: &Outcome| outcome.messages.iter().any(|m| matches!(m.content[0], Content::ToolResult(_)));
    let model = Model::new([vec![Cue::Call("c", "ask", json!({"question": "?", "choices": [{"label": "a"}]})), CALLS]]);
    let stage = stage();
    let agent = agent(&model, &stage).to_builder().tools(Registry::standard()).build().unwrap();
    let host = Recorder::new(&stage);
    let outcome = play_nested(&agent, &host, host.cancel.clone()).await;
    assert!(content(&outcome) && results(&outcome)[0].1, "one choice is none");
}

#[tokio::test]
async fn questions_are_answered_without_a_host_of_ones_own() {
    let stage = stage();
    let model = Model::new([vec![Cue::Call("c", "ask", json!({"question": "Which?"})), CALLS]]);
    let builder = agent(&model, &stage).to_builder().tools(Registry::standard());
    let agent = builder.asker(|request| async move { Answered::Text(request.question.text) }).build().unwrap();
    let result = agent.run(&[Message::user("go")]).await.unwrap();
    assert!(format!("{:?}", result.messages).contains("The person answered: Which?"));
}
