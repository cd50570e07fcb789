//! Conversations that are made shorter, and what must not be lost by it.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use futures::StreamExt;
use proptest::prelude::*;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::super::{
    compaction::{
        ClipOutputs, Compaction, DropFailedResults, DropThinking, KeepRecent, Reason, Report, Strategy, Summarise, Why,
    },
    estimate::{Estimator, weigh},
    nested, said, *,
};
use crate::{
    provider::{
        catalog::{Catalog, Facts, Price, Prices},
        retry,
        scripted::Scripted,
    },
    tool::{Budget, Context, Output, Outputs, Proposal, Registry, Task, TaskStatus, ToolError, Typed, typed},
    transcript::{Content, Cost, Image, ResultContent, Role, is_whole},
    workspace::Workspace,
};

fn call(id: usize, input: &str) -> Content {
    Content::ToolCall(ToolCall { id: format!("c{id}"), name: "look".into(), input: json!({"do": input}) })
}

fn result(id: usize, text: &str, is_error: bool) -> Content {
    Content::ToolResult(ToolResult::text(format!("c{id}"), text, is_error))
}

fn thinking() -> Content {
    Content::Thinking { text: "hm, ".repeat(50), signature: Some("proof".into()), redacted: None }
}

fn message(role: Role, content: Vec<Content>) -> Message {
    Message { role, content }
}

/// A prompt and so many rounds of a call with a long result, and the last word if it has ended.
fn turn(first_id: usize, rounds: usize, text: &str, ended: bool) -> Vec<Message> {
    let mut messages = vec![Message::user(format!("prompt {first_id}"))];
    for id in first_id..first_id + rounds {
        messages.push(message(Role::Assistant, vec![thinking(), call(id, "x")]));
        messages.push(message(Role::User, vec![result(id, text, false)]));
    }
    if ended {
        messages.push(Message::assistant(format!("done {first_id}")));
    }
    messages
}

fn model(script: serde_json::Value) -> Arc<Scripted> {
    Arc::new(Scripted::parse(&script.to_string()).unwrap())
}

fn builder(model: &Arc<Scripted>) -> Builder {
    let once = retry::Policy { tries: 1, ..retry::Policy::default() };
    Agent::builder().provider(model.clone()).model("any").retry(once)
}

/// Facts for `scripted/any`: a window, and a dollar for each thousand tokens in, two for those out.
fn catalog(window: u64) -> Catalog {
    let price = Price::from_dollars;
    let prices = Prices { input: price(1_000.0), output: price(2_000.0), ..Prices::default() };
    let mut catalog = Catalog::default();
    catalog.set("scripted/any", Facts { window: Some(window), prices, ..Facts::default() });
    catalog
}

async fn by_hand(strategy: impl Strategy, history: &[Message]) -> Option<Vec<Message>> {
    let agent = builder(&model(json!([]))).build().unwrap();
    let compaction = Compaction::of([Arc::new(strategy) as _]);
    let cancel = CancellationToken::new();
    let compacted = agent.compact(&Scope::default(), history, &compaction, None, cancel).await.unwrap();
    assert_eq!(compacted.trouble, Vec::<String>::new());
    compacted.done.map(|(messages, _)| messages)
}

async fn events(mut stream: RunStream) -> (Vec<Event>, Result<RunResult, RunError>) {
    let mut events = Vec::new();
    while let Some(event) = stream.next().await {
        events.push(event);
    }
    (events, stream.into_result().await)
}

fn reports(events: &[Event]) -> Vec<Report> {
    let report = |event: &Event| if let Event::Compaction(report) = event { Some(report.clone()) } else { None };
    events.iter().filter_map(report).collect()
}

#[tokio::test]
async fn reasoning_of_former_turns_goes_and_that_of_the_running_one_stays() {
    let mut history = turn(1, 2, "short", true);
    history.extend(turn(10, 2, "short", false));
    let shorter = by_hand(DropThinking, &history).await.unwrap();
    let with_thinking = |messages: &[Message]| -> Vec<usize> {
        let thinks = |message: &Message| message.content.iter().any(|part| matches!(part, Content::Thinking { .. }));
        messages.iter().enumerate().filter(|(_, message)| thinks(message)).map(|(index, _)| index).collect()
    };
    assert_eq!(with_thinking(&history), [1, 3, 7, 9]);
    assert_eq!(with_thinking(&shorter), [7, 9]);
}

#[tokio::test]
async fn failures_keep_their_first_line_and_their_calls() {
    let denied = format!("the person denied this call: not there\n{}", "stack\n".repeat(100));
    let mut history = turn(1, 1, "fine", false);
    history.push(message(Role::Assistant, vec![call(2, &"new text ".repeat(100)), call(3, "kept")]));
    history.push(message(Role::User, vec![result(2, &denied, true), result(3, &"fine\n".repeat(10), false)]));
    history.extend(turn(4, 1, "fine", true));
    let shorter = by_hand(DropFailedResults { keep_rounds: 1 }, &history).await.unwrap();
    let Content::ToolResult(failed) = &shorter[4].content[0] else { panic!("a result") };
    let text = "the person denied this call: not there [the rest was left out]";
    assert_eq!(failed.content, [ResultContent::Text { text: text.into() }]);
    assert_eq!(shorter[4].content[1], history[4].content[1]);
    let Content::ToolCall(failed) = &shorter[3].content[0] else { panic!("a call") };
    assert!(failed.input["do"].as_str().unwrap().chars().count() <= 301);
    // Recent ones stay as they are.
    assert_eq!(by_hand(DropFailedResults { keep_rounds: 3 }, &history).await, None);
}

#[tokio::test]
async fn old_outputs_are_clipped_between_characters_and_say_how_to_read_on() {
    let long = "日本語テキスト".repeat(500);
    let mut history = turn(1, 1, &long, false);
    let image = Image { media_type: "image/png".into(), data: "x".into() };
    let Content::ToolResult(shown) = &mut history[2].content[0] else { panic!("a result") };
    shown.content.push(ResultContent::Image(image));
    // As it is kept for reading back, with the way there in the middle.
    let (budget, outputs) = (Budget { text: 9_000, ..Budget::default() }, Arc::<Outputs>::default());
    let text = format!("{long}\n").repeat(3);
    shown.content.extend(budget.hold(vec![ResultContent::Text { text }], &outputs, "c1").unwrap());
    history.extend(turn(2, 1, &long, true));
    let shorter = by_hand(ClipOutputs { characters: 400, keep_rounds: 2 }, &history).await.unwrap();
    let Content::ToolResult(clipped) = &shorter[2].content[0] else { panic!("a result") };
    let [ResultContent::Text { text }, ResultContent::Text { text: image }, ResultContent::Text { text: stored }] =
        clipped.content.as_slice()
    else {
        panic!("three texts")
    };
    assert!(text.chars().count() <= 400 && text.starts_with("日本語"), "{text}");
    assert!(text.contains("3500 characters") && text.contains("call the tool again"), "{text}");
    assert!(image.contains("image was left out"), "{image}");
    assert!(stored.chars().count() <= 400 && stored.contains(r#"read_output {"id": "c1""#), "{stored}");
    assert_eq!(shorter[3..], history[3..]);
    // What was clipped is not clipped again.
    assert_eq!(by_hand(ClipOutputs { characters: 400, keep_rounds: 2 }, &shorter).await, None);
}

#[tokio::test]
async fn the_middle_goes_and_the_first_prompt_and_the_running_one_stay() {
    let mut history = turn(1, 5, "text", true);
    history.extend(turn(10, 5, "text", false));
    history.insert(15, Message::user("and mind the gap"));
    let shorter = by_hand(KeepRecent { rounds: 2 }, &history).await.unwrap();
    assert!(is_whole(&shorter));
    let texts: Vec<String> = shorter.iter().map(Message::text).filter(|text| !text.is_empty()).collect();
    assert_eq!(texts[0], "prompt 1");
    assert!(texts[1].starts_with("[Left out here: earlier messages"), "{texts:?}");
    assert_eq!(texts[2..], ["prompt 10", "and mind the gap"]);
    assert_eq!(shorter[4..], history[history.len() - 4..]);
}

#[tokio::test]
async fn a_nearly_full_context_is_made_smaller_before_the_model_is_called() {
    let mut history = turn(1, 20, &"word ".repeat(1_000), true);
    history.push(Message::user("go on"));
    let model = model(json!(["I go on."]));
    let compaction = Arc::new(Compaction::standard(4, None));
    let agent = builder(&model).catalog(catalog(32_000)).mutator(compaction).build().unwrap();
    let scope = Scope::default();
    let (events, result) = events(agent.stream_in(&scope, &history, CancellationToken::new())).await;
    let [report] = reports(&events).try_into().unwrap();
    assert_eq!(report.reason, Reason::Share);
    assert!(report.tokens_before > 25_600 && report.tokens_after <= 15_360, "{report:?}");
    assert_eq!(report.strategies, ["dropThinking", "clipOutputs"]);
    let sent = &model.requests()[0].messages;
    assert!(is_whole(sent) && sent.last() == history.last());
    let order: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Replaced(_) => Some("replaced"),
            Event::Compaction(_) => Some("compaction"),
            Event::Text(_) => Some("text"),
            _ => None,
        })
        .collect();
    assert_eq!(order, ["replaced", "compaction", "text"]);
    let replaced = result.unwrap().replaced.unwrap();
    assert_eq!(replaced[..sent.len()], sent[..]);
    // It is small now: the next turn does nothing.
    let mut history = replaced;
    history.push(Message::user("and on"));
    model.push("On.");
    let (events, _) = self::events(agent.stream_in(&scope, &history, CancellationToken::new())).await;
    assert_eq!(reports(&events), []);
}

#[tokio::test]
async fn a_summary_takes_the_place_of_what_is_older_and_its_cost_is_counted() {
    let mut history = turn(1, 30, &"word ".repeat(60), true);
    history.extend(turn(100, 6, &"word ".repeat(60), false));
    let summary =
        json!([{"steps": [{"text": "They looked around."}, {"usage": {"inputTokens": 5_000, "outputTokens": 100}}]}]);
    let cheap = model(summary);
    let model = model(json!([{"steps": [{"text": "On."}, {"usage": {"inputTokens": 1_000, "outputTokens": 10}}]}]));
    let summarise = Summarise { model: Some((cheap.clone(), "any".into())), keep_rounds: 2 };
    let compaction = Compaction::of([Arc::new(summarise) as _]).at_share(0.5);
    let agent = builder(&model).catalog(catalog(4_000)).mutator(Arc::new(compaction)).build().unwrap();
    let (events, result) = events(agent.stream(&history)).await;
    assert_eq!(reports(&events)[0].strategies, ["summarise"]);
    let asked = &cheap.requests()[0];
    assert!(asked.tools.is_empty() && asked.messages.len() == 1);
    let question = asked.messages[0].text();
    assert!(question.contains("prompt 1") && question.contains("Agent calls: look"), "{question}");
    assert!(!question.contains("hm, hm"), "reasoning is nobody's business");
    let sent = &model.requests()[0].messages;
    assert!(sent[0].text().starts_with("[Summary of the conversation so far."), "{}", sent[0].text());
    assert!(sent[0].text().ends_with("They looked around."));
    // What the person asked for stays word for word.
    assert_eq!(sent[1].text(), "prompt 100");
    assert_eq!(sent[2..], history[history.len() - 4..]);
    // 5,000 and 1,000 in, 100 and 10 out.
    let usage = result.unwrap().usage;
    assert_eq!((usage.input_tokens, usage.cost), (Some(6_000), Some(Cost::nano_dollars(6_220_000_000))));
    let told =
        events.iter().filter_map(|event| if let Event::Usage { round, .. } = event { Some(*round) } else { None });
    assert_eq!(told.fold(Usage::default(), |sum, round| sum + round), usage);
}

#[tokio::test]
async fn when_the_summary_fails_the_rest_still_helps_and_the_person_is_told() {
    let history = turn(1, 30, &"word ".repeat(60), false);
    let broken = json!({"steps": [{"error": {"class": "badRequest", "message": "No summaries today."}}]});
    let (cheap, model) = (model(json!([broken.clone()])), model(json!([broken, "On."])));
    let compaction = Compaction::standard(2, Some((cheap, "any".into())));
    let agent = builder(&model).catalog(catalog(3_000)).mutator(Arc::new(compaction)).build().unwrap();
    let (events, result) = events(agent.stream(&history)).await;
    assert!(reports(&events)[0].strategies.contains(&"keepRecent"), "{events:?}");
    let [theirs, own] = notices(&events).try_into().unwrap();
    assert!(theirs.starts_with("scripted/any does not summarise (No summaries today."), "{theirs}");
    assert!(own.contains("(summarise) was left out: No summaries today."), "{own}");
    assert!(is_whole(&result.unwrap().replaced.unwrap()));
}

fn notices(events: &[Event]) -> Vec<String> {
    let notice = |event: &Event| if let Event::Notice { message, .. } = event { Some(message.clone()) } else { None };
    events.iter().filter_map(notice).collect()
}

fn busy() -> serde_json::Value {
    json!({"steps": [{"error": {"class": "overloaded", "message": "Busy.", "status": 529}}]})
}

#[tokio::test]
async fn where_the_summariser_fails_or_is_busy_those_that_the_turn_asks_summarise() {
    let history = turn(1, 30, &"word ".repeat(60), false);
    let broken = json!({"steps": [{"error": {"class": "auth", "message": "No key."}}]});
    let (cheap, first) = (model(json!([broken])), model(json!([busy()])));
    let second = model(json!([{"steps": [{"text": "They looked."}]}, "On."]));
    let summarise = Summarise { model: Some((cheap, "cheap".into())), keep_rounds: 2 };
    let keep = KeepRecent { rounds: 2 };
    let compaction = Compaction::of([Arc::new(summarise) as _, Arc::new(keep) as _]).at_share(0.5);
    let agent = builder(&first).fallback(second.clone(), "second").catalog(catalog(5_000));
    let agent = agent.mutator(Arc::new(compaction)).build().unwrap();
    let (events, result) = events(agent.stream(&history)).await;
    assert_eq!(reports(&events)[0].strategies, ["summarise"]);
    let [notice] = notices(&events).try_into().unwrap();
    assert!(notice.contains("scripted/cheap does not summarise (No key."), "{notice}");
    let fell = |event: &Event| matches!(event, Event::Fallback { to, .. } if to == "scripted/second");
    assert_eq!(events.iter().filter(|event| fell(event)).count(), 1, "the turn stays with it");
    assert_eq!((first.requests().len(), second.requests().len()), (1, 2));
    assert_eq!(second.requests()[0].model, "second");
    assert_eq!(result.unwrap().text, "On.");
}

#[tokio::test]
async fn while_there_is_room_nothing_is_dropped_because_a_model_is_busy() {
    let history = turn(1, 30, &"word ".repeat(60), false);
    let tokens = Estimator::default().messages(&history);
    // Due at a half, with room left, and without.
    for (window, waits) in [(tokens * 3 / 2, true), (tokens, false)] {
        let model = model(json!([busy(), {"steps": [{"text": "On."}]}]));
        let compaction = Compaction::standard(2, None).at_share(0.5);
        let agent = builder(&model).catalog(catalog(window)).mutator(Arc::new(compaction)).build().unwrap();
        let (events, result) = events(agent.stream(&history)).await;
        assert_eq!(result.unwrap().text, "On.");
        let strategies: Vec<_> = reports(&events).into_iter().flat_map(|report| report.strategies).collect();
        assert_eq!(strategies.contains(&"keepRecent"), !waits, "{strategies:?}");
        let [notice] = notices(&events).try_into().unwrap();
        assert_eq!(notice.contains("(summarise) was put off: Busy."), waits, "{notice}");
        assert_eq!(model.requests()[1].messages.len() == history.len(), waits);
    }
}

#[tokio::test]
async fn what_background_tasks_gave_can_be_made_shorter() {
    let task = |number: usize| Task {
        id: format!("task-{number}"),
        call_id: "c1".into(),
        title: "make".into(),
        status: TaskStatus::Ended,
        started_at: 0,
        ended_at: Some(1),
    };
    let mut history = turn(1, 1, "begun", false);
    history.extend((1..6).map(|number| nested::news(&task(number), &"printed\n".repeat(5_000))));
    history.push(Message::user(format!("{} hook: red]", said::NOT_OVER)));
    let model = model(json!(["On."]));
    let agent = builder(&model).catalog(catalog(30_000)).mutator(Arc::new(Compaction::standard(1, None)));
    let (events, result) = events(agent.build().unwrap().stream(&history)).await;
    let [report] = reports(&events).try_into().unwrap();
    assert!(report.tokens_before > 30_000 && report.tokens_after < 24_000, "{report:?}");
    let shorter = result.unwrap().replaced.unwrap();
    assert_eq!((shorter.len(), shorter[0].text().as_str()), (history.len() + 1, "prompt 1"));
    for (index, message) in shorter[3..8].iter().enumerate() {
        let text = message.text();
        assert!(text.starts_with(&format!("[task-{} (`make`", index + 1)), "{text}");
        assert!(text.ends_with("clipped here to save room. For the rest read the task with `tasks`.]"), "{text}");
    }

    // Once it is old, it may go altogether.
    history.extend(turn(2, 2, "fine", false).split_off(1));
    let shorter = by_hand(KeepRecent { rounds: 1 }, &history).await.unwrap();
    assert_eq!((shorter.len(), shorter[1].text().as_str()), (4, "prompt 1"));
}

fn too_long() -> serde_json::Value {
    json!({"steps": [{"error": {"class": "contextLength", "message": "Too long.", "status": 400}}]})
}

/// Says a lot.
struct Tell(Arc<AtomicUsize>);

/// Says a lot.
#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Nothing {}

#[async_trait]
impl Typed for Tell {
    const NAME: &'static str = "tell";
    type Input = Nothing;

    async fn propose(&self, _: &Nothing, _: &Context) -> Result<Proposal, ToolError> {
        Ok(Proposal::harmless("Tell"))
    }

    async fn run(&self, _: Nothing, _: &Context) -> Result<Output, ToolError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(Output::text("word ".repeat(20_000)))
    }
}

#[tokio::test]
async fn a_prompt_that_is_too_long_is_sent_again_shorter_and_no_tool_runs_twice() {
    let runs = Arc::new(AtomicUsize::new(0));
    let mut tools = Registry::new();
    tools.add(typed(Tell(runs.clone()))).unwrap();
    // The model's window is not known: only the provider says that it is full.
    let tell = json!({"steps": [{"toolCall": {"name": "tell", "input": {}}}]});
    let model = model(json!([tell, too_long(), {"steps": [{"text": "Short enough."}]}]));
    let compaction = Arc::new(Compaction::standard(4, None));
    let policy = Policy { mode: crate::permission::Mode::Auto, rules: Vec::new() };
    let agent = builder(&model).tools(tools).policy(policy).mutator(compaction).build().unwrap();
    let (events, result) = events(agent.stream(&[Message::user("go")])).await;
    let result = result.unwrap();
    assert_eq!((result.text.as_str(), result.stop_reason), ("Short enough.", StopReason::EndTurn));
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    let [report] = reports(&events).try_into().unwrap();
    assert_eq!(report.reason, Reason::Rejected);
    let (refused, taken) = (&model.requests()[1].messages, &model.requests()[2].messages);
    assert!(weigh(taken) < weigh(refused) / 2 && is_whole(taken));
    assert_eq!(taken[0].text(), "go");
    assert_eq!(result.replaced.unwrap()[..taken.len()], taken[..]);
}

#[tokio::test]
async fn if_it_is_still_too_long_the_transcript_stays_as_it_was() {
    let mut history = turn(1, 10, &"word ".repeat(3_000), true);
    history.push(Message::user("go on"));
    let model = model(json!([too_long(), too_long()]));
    let summariser = self::model(json!(["A summary."]));
    let compaction = Arc::new(Compaction::standard(4, Some((summariser, "any".into()))));
    let agent = builder(&model).mutator(compaction).build().unwrap();
    let (events, result) = events(agent.stream(&history)).await;
    let error = result.unwrap_err();
    assert!(error.to_string().contains("Too long."), "{error}");
    assert_eq!((error.partial.replaced, error.partial.messages), (None, Vec::new()));
    assert_eq!(reports(&events), []);
    assert!(!events.iter().any(|event| matches!(event, Event::Replaced(_))));
    assert_eq!(model.requests().len(), 2);
}

#[tokio::test]
async fn by_hand_all_becomes_a_summary_that_looks_to_what_the_person_wants() {
    let history = turn(1, 3, &"word ".repeat(100), true);
    let model = model(json!(["They looked."]));
    let agent = builder(&model).build().unwrap();
    let instructions = Some("keep the file names".to_owned());
    let compaction = Compaction::standard(4, None).at_share(None);
    let cancel = CancellationToken::new();
    let compacted = agent.compact(&Scope::default(), &history, &compaction, instructions, cancel).await.unwrap();
    let (messages, report) = compacted.done.unwrap();
    assert_eq!((messages.len(), report.reason), (1, Reason::ByHand));
    assert!(messages[0].text().ends_with("They looked."));
    assert!(model.requests()[0].messages[0].text().contains("keep the file names"));
    // Nobody knows what the script's model costs.
    assert!(compacted.usage.cost.unwrap().is_unknown());
    // A summary alone is not summarised again.
    let again = agent.compact(&Scope::default(), &messages, &compaction, None, CancellationToken::new()).await;
    assert!(again.unwrap().done.is_none());
    assert_eq!(model.requests().len(), 1);
}

/// Does to the transcript what it must not.
struct Vandal(fn(&mut Vec<Message>));

#[async_trait]
impl Strategy for Vandal {
    fn name(&self) -> &'static str {
        "vandal"
    }

    async fn apply(&self, messages: &mut Vec<Message>, _: &Why, _: &mut Cursor<'_>) -> Result<(), MutationError> {
        (self.0)(messages);
        Ok(())
    }
}

#[tokio::test]
async fn a_strategy_that_breaks_the_transcript_is_left_out() {
    let vandals: [fn(&mut Vec<Message>); 4] = [
        // A call without its result.
        |messages| drop(messages.remove(2)),
        // What the person asked for.
        |messages| messages.retain(|message| message.text() != "prompt 10"),
        Vec::clear,
        // Larger is no error, and no use.
        |messages| messages.insert(0, Message::user("padding ".repeat(1_000))),
    ];
    let mut history = turn(1, 2, "text", true);
    history.extend(turn(10, 2, "text", false));
    for vandal in vandals {
        let model = model(json!(["On."]));
        let compaction = Compaction::of([Arc::new(Vandal(vandal)) as _]).at_messages(1);
        let agent = builder(&model).mutator(Arc::new(compaction)).build().unwrap();
        let (events, result) = events(agent.stream(&history)).await;
        assert_eq!((reports(&events), result.unwrap().replaced), (Vec::new(), None));
        assert_eq!(model.requests()[0].messages, history);
    }
}

#[tokio::test]
async fn one_that_cannot_do_enough_is_not_tried_before_each_model_call() {
    let tried = Arc::new(Mutex::new(0));
    struct Counting(Arc<Mutex<usize>>);
    #[async_trait]
    impl Strategy for Counting {
        fn name(&self) -> &'static str {
            "counting"
        }

        async fn apply(&self, _: &mut Vec<Message>, _: &Why, _: &mut Cursor<'_>) -> Result<(), MutationError> {
            *self.0.lock().unwrap() += 1;
            Ok(())
        }
    }
    let model = model(json!([
        {"steps": [{"toolCall": {"name": "x", "input": {}}}]}, {"steps": [{"toolCall": {"name": "x", "input": {}}}]}, "Done."
    ]));
    let compaction = Compaction::of([Arc::new(Counting(tried.clone())) as _]);
    let agent = builder(&model).catalog(catalog(10_000)).mutator(Arc::new(compaction)).build().unwrap();
    agent.run(&[Message::user("word ".repeat(7_000))]).await.unwrap();
    assert_eq!(model.requests().len(), 3);
    assert_eq!(*tried.lock().unwrap(), 1);
}

/// A model that reads a file, goes on for a while, and writes over it.
#[tokio::test]
async fn a_file_whose_text_is_no_longer_in_the_conversation_is_not_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("poem.txt");
    let tools = |shorter: bool| {
        let path = path.clone();
        let folder = folder.path().to_owned();
        async move {
            #[allow(clippy::disallowed_methods)]
            std::fs::write(&path, "Roses are red.\n".repeat(50)).unwrap();
            let write = json!({"toolCall": {"name": "write", "input": {"path": "poem.txt", "content": "gone\n"}}});
            let read = json!({"toolCall": {"name": "read", "input": {"path": "poem.txt"}}});
            let model = model(json!([{"steps": [read]}, "Read.", {"steps": [write]}, "Done."]));
            let mut agent = builder(&model).workspace(Workspace::new(vec![folder])).tools(Registry::standard());
            if shorter {
                let clip = ClipOutputs { characters: 200, keep_rounds: 0 };
                agent = agent.mutator(Arc::new(Compaction::of([Arc::new(clip) as _]).at_messages(4)));
            }
            let policy = Policy { mode: crate::permission::Mode::Auto, rules: Vec::new() };
            let agent = agent.policy(policy).build().unwrap();
            let scope = Scope::default();
            let mut history = vec![Message::user("Read it.")];
            agent.run_in(&scope, &history.clone(), CancellationToken::new()).await.unwrap().apply(&mut history);
            history.push(Message::user("Write it."));
            agent.run_in(&scope, &history.clone(), CancellationToken::new()).await.unwrap().apply(&mut history);
            #[allow(clippy::disallowed_methods)]
            (std::fs::read_to_string(&path).unwrap(), format!("{history:?}"))
        }
    };
    assert_eq!(tools(false).await.0, "gone\n");
    let (text, history) = tools(true).await;
    assert!(text.starts_with("Roses"), "an edit never overwrites text the model has not seen");
    assert!(history.contains("clipped here") && history.contains("is_error: true"), "{history}");
}

#[derive(Clone, Debug)]
enum Piece {
    Prompt(String),
    Round(Vec<(String, bool)>, bool),
    Word,
}

fn transcript() -> impl proptest::strategy::Strategy<Value = Vec<Message>> {
    use proptest::strategy::Strategy as _;
    let text = prop_oneof!["[a-zé日 \n]{0,40}", "[a-z日\n ]{300,900}"];
    let piece = prop_oneof![
        text.clone().prop_map(Piece::Prompt),
        (prop::collection::vec((text, any::<bool>()), 1..4), any::<bool>())
            .prop_map(|(calls, says)| Piece::Round(calls, says)),
        Just(Piece::Word),
    ];
    prop::collection::vec(piece, 0..14).prop_map(|pieces| {
        let mut messages = vec![Message::user("first")];
        let mut id = 0;
        for piece in pieces {
            match piece {
                Piece::Prompt(text) => messages.push(Message::user(format!("p {text}"))),
                Piece::Word => {
                    messages.push(message(Role::Assistant, vec![thinking(), Content::Text { text: "w".into() }]))
                }
                Piece::Round(calls, says) => {
                    let (mut asked, mut answered) = (vec![thinking()], Vec::new());
                    for (text, failed) in calls {
                        id += 1;
                        asked.push(call(id, &text));
                        answered.push(result(id, &text, failed));
                    }
                    if says {
                        answered.push(Content::Text { text: format!("said with {id}") });
                    }
                    messages.push(message(Role::Assistant, asked));
                    messages.push(message(Role::User, answered));
                }
            }
        }
        messages
    })
}

/// What the person said that has no answer yet.
fn unanswered(messages: &[Message]) -> Vec<String> {
    let ends = |message: &Message| message.role == Role::Assistant && message.tool_calls().next().is_none();
    let start = messages.iter().rposition(ends).map_or(0, |last| last + 1);
    let said = messages[start..].iter().filter(|message| message.role == Role::User).map(Message::text);
    said.filter(|text| !text.is_empty()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_is_made_shorter_stays_whole(history in transcript(), keep in 0..4_usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let model = model(json!([{"steps": [{"text": "summary"}], "reuse": true}]));
        let strategies: [Arc<dyn Strategy>; 5] = [
            Arc::new(DropThinking),
            Arc::new(DropFailedResults { keep_rounds: keep }),
            Arc::new(ClipOutputs { characters: 250, keep_rounds: keep }),
            Arc::new(KeepRecent { rounds: keep }),
            Arc::new(Summarise { model: None, keep_rounds: keep }),
        ];
        let agent = builder(&model).build().unwrap();
        for strategy in strategies {
            let name = strategy.name();
            let compaction = Compaction::of([strategy]);
            let compact = |history: &[Message]| {
                let (scope, cancel) = (Scope::default(), CancellationToken::new());
                let compacted = runtime.block_on(agent.compact(&scope, history, &compaction, None, cancel)).unwrap();
                assert_eq!(compacted.trouble, Vec::<String>::new(), "{name}");
                compacted.done.map(|(messages, _)| messages)
            };
            let Some(shorter) = compact(&history) else { continue };
            prop_assert!(is_whole(&shorter), "{name}: {shorter:?}");
            prop_assert!(weigh(&shorter) < weigh(&history), "{name}");
            prop_assert_eq!(shorter[0].role, Role::User);
            let mut still = unanswered(&shorter).into_iter();
            for text in unanswered(&history) {
                prop_assert!(still.any(|other| other == text), "{name} lost {text:?}");
            }
            // Once more changes nothing, or little: what is left of it is what it leaves.
            if let Some(again) = compact(&shorter) {
                prop_assert!(is_whole(&again) && compact(&again).is_none(), "{name} never comes to an end");
            }
        }
    }
}
