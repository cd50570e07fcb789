//! Mutators: what they may do to a transcript, when, and what becomes of it.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::json;

use super::{super::*, stage::*};
use crate::{
    provider::ErrorClass,
    transcript::{Content, Role, is_whole},
};

type Change = dyn Fn(Point, &mut Cursor<'_>) -> Result<(), MutationError> + Send + Sync;

/// Does as it is told at each point, and remembers them.
struct Editor {
    change: Box<Change>,
    points: Mutex<Vec<Point>>,
}

fn editor(change: impl Fn(Point, &mut Cursor<'_>) -> Result<(), MutationError> + Send + Sync + 'static) -> Arc<Editor> {
    Arc::new(Editor { change: Box::new(change), points: Mutex::default() })
}

#[async_trait]
impl Mutator for Editor {
    async fn mutate(&self, point: Point, cursor: &mut Cursor<'_>) -> Result<(), MutationError> {
        self.points.lock().unwrap().push(point);
        (self.change)(point, cursor)
    }
}

fn look(id: &'static str) -> Vec<Cue> {
    vec![Cue::Call(id, "look", json!({"do": "x"})), Cue::Done(StopReason::ToolCalls)]
}

fn history() -> Vec<Message> {
    vec![Message::user("before"), Message::assistant("so"), Message::user("go")]
}

struct Played {
    outcome: Outcome,
    events: Vec<Event>,
    model: Arc<Model>,
    stage: Arc<Stage>,
}

async fn played(answers: impl IntoIterator<Item = Vec<Cue>>, mutators: &[Arc<Editor>]) -> Played {
    let (stage, model) = (stage(), Model::new(answers));
    let host = Recorder::new(&stage);
    let builder = mutators.iter().fold(agent(&model, &stage).to_builder(), |builder, one| builder.mutator(one.clone()));
    let agent = builder.build().unwrap();
    let outcome = turn::run(&agent, &Scope::default(), history(), &host, host.cancel.clone()).await;
    Played { outcome, events: host.events(), model, stage }
}

fn notices(events: &[Event]) -> Vec<&str> {
    events
        .iter()
        .filter_map(|event| if let Event::Notice { message, .. } = event { Some(message.as_str()) } else { None })
        .collect()
}

fn replacements(events: &[Event]) -> usize {
    events.iter().filter(|event| matches!(event, Event::Replaced(_))).count()
}

#[tokio::test]
async fn mutators_come_at_their_points() {
    use Point::{AfterToolResult, AfterTurnEnded, BeforeModelCall};
    let idle = editor(|_, _| Ok(()));
    let Played { outcome, events, .. } = played([look("a")], std::slice::from_ref(&idle)).await;
    assert_eq!(*idle.points.lock().unwrap(), [BeforeModelCall, AfterToolResult, BeforeModelCall, AfterTurnEnded]);
    assert_eq!((outcome.replaced, replacements(&events)), (None, 0));
}

#[tokio::test]
async fn a_change_is_told_and_is_what_the_model_and_the_caller_get() {
    let drop_the_past = editor(|point, cursor| {
        if point == Point::AfterToolResult {
            assert_eq!(cursor.given(), 3);
            cursor.retain(|message| message.text() != "before" && message.text() != "so");
        }
        Ok(())
    });
    let Played { outcome, events, model, .. } = played([look("a")], &[drop_the_past]).await;
    assert_eq!(replacements(&events), 1);
    assert_eq!(model.requests.lock().unwrap()[1].messages.len(), 3);
    // The delta is all that the turn added; the replaced history holds it too.
    assert_eq!(outcome.messages.len(), 3);
    let replaced = outcome.replaced.unwrap();
    assert_eq!(replaced[0], Message::user("go"));
    assert_eq!(replaced[1..], outcome.messages[..]);
    let mut stored = history();
    for event in events {
        match event {
            Event::Message(message) => stored.push(message),
            Event::Replaced(messages) => stored = messages,
            _ => {}
        }
    }
    assert_eq!(stored, replaced);
}

#[tokio::test]
async fn resume_fork_and_retry_are_a_matter_of_what_is_passed_in() {
    let stage = stage();
    let agent = agent(&Model::new([]), &stage);
    let mut history = history();
    let before = history.clone();
    agent.run(&history).await.unwrap().apply(&mut history);
    assert_eq!((history.len(), is_whole(&history)), (4, true));

    let shorten = editor(|_, cursor| {
        cursor.retain(|message| message.role == Role::User);
        Ok(())
    });
    let shortened = agent.to_builder().mutator(shorten).build().unwrap();
    let mut forked = before.clone();
    shortened.run(&forked).await.unwrap().apply(&mut forked);
    assert_eq!(forked.last(), Some(&Message::assistant("done")));
    assert_eq!(forked.len(), 3);
}

#[tokio::test]
async fn a_bad_mutation_is_refused_with_what_is_wrong() {
    let call = || Content::ToolCall(ToolCall { id: "z".into(), name: "look".into(), input: json!({}) });
    let remove = |index| -> Box<Change> {
        Box::new(move |_, cursor| {
            cursor.edit().remove(index);
            Ok(())
        })
    };
    let wrongs: [(&str, Box<Change>); 7] = [
        ("it would end with a message of the assistant", remove(4)),
        ("message 4 has results of the calls a where (none) are due", remove(3)),
        ("it would begin with a message of the assistant", remove(0)),
        (
            "no message is left of it",
            Box::new(|_, cursor| {
                cursor.replace(Vec::new());
                Ok(())
            }),
        ),
        (
            "message 4 is the user's and has calls",
            Box::new(move |_, cursor| {
                cursor.insert(3, Message { role: Role::User, content: vec![call()] });
                Ok(())
            }),
        ),
        (
            "no space",
            Box::new(|_, cursor| {
                cursor.edit().clear();
                Err(MutationError::new("no space"))
            }),
        ),
        (
            "it panicked (oh)",
            Box::new(|_, cursor| {
                cursor.edit().clear();
                panic_quietly("oh")
            }),
        ),
    ];
    for (wrong, change) in wrongs {
        let at_results = editor(move |point, cursor| match point {
            Point::AfterToolResult => change(point, cursor),
            _ => Ok(()),
        });
        // One that comes after it finds the transcript as it was.
        let after = editor(|point, cursor| {
            assert!(point != Point::AfterToolResult || cursor.messages().len() == 5);
            Ok(())
        });
        let Played { outcome, events, .. } = played([look("a")], &[at_results, after]).await;
        assert_eq!(notices(&events).len(), 1, "{wrong}");
        assert!(notices(&events)[0].contains(wrong), "{} instead of {wrong}", notices(&events)[0]);
        assert_eq!((outcome.replaced, replacements(&events)), (None, 0));
        assert_eq!((outcome.stop_reason, outcome.messages.len()), (StopReason::EndTurn, 3));
    }
}

#[tokio::test]
async fn a_change_that_changes_nothing_is_none() {
    let same = editor(|_, cursor| {
        let messages = cursor.messages().to_vec();
        cursor.replace(messages);
        assert!(!cursor.is_changed());
        cursor.insert(9, Message::user("more"));
        assert!(cursor.is_changed());
        cursor.edit().pop();
        Ok(())
    });
    let Played { outcome, events, .. } = played([], &[same]).await;
    assert_eq!((outcome.replaced, replacements(&events)), (None, 0));
}

/// Drops the past if the provider says that the prompt is too long.
fn recovery() -> Arc<Editor> {
    editor(|point, cursor| {
        if point == Point::ContextLengthRejected {
            let last = cursor.messages().len() - 1;
            let role = cursor.messages()[last].role;
            assert_eq!(role, Role::User);
            cursor.edit().retain(|message| message.text() != "before" && message.text() != "so");
            cursor.emit_if_kept(Event::Notice { level: NoticeLevel::Info, message: "shortened".into() });
        }
        Ok(())
    })
}

#[tokio::test]
async fn a_prompt_that_is_too_long_is_shortened_and_no_tool_runs_again() {
    let Played { outcome, events, model, stage } =
        played([look("a"), vec![Cue::FailAs(ErrorClass::ContextLength)]], &[recovery()]).await;
    assert_eq!(outcome.stop_reason, StopReason::EndTurn);
    assert_eq!(stage.ran.lock().unwrap().len(), 1);
    let sizes: Vec<usize> = model.requests.lock().unwrap().iter().map(|request| request.messages.len()).collect();
    assert_eq!(sizes, [3, 5, 3]);
    assert_eq!(outcome.replaced.unwrap().len(), 4);
    let replaced = events.iter().position(|event| matches!(event, Event::Replaced(_))).unwrap();
    assert!(matches!(&events[replaced + 1], Event::Notice { message, .. } if message == "shortened"));
    assert!(matches!(&events[replaced + 2], Event::Message(_)));
}

#[tokio::test]
async fn what_does_not_help_is_discarded_and_the_first_error_stands() {
    for second in [vec![Cue::FailAs(ErrorClass::ContextLength)], vec![Cue::Say("half"), Cue::FailAs(ErrorClass::Auth)]]
    {
        let said_half = matches!(second[0], Cue::Say(_));
        let answers = [look("a"), vec![Cue::FailAs(ErrorClass::ContextLength)], second];
        let Played { outcome, events, model, stage } = played(answers, &[recovery()]).await;
        assert_eq!(outcome.stop_reason, StopReason::Error);
        let Some(TurnError::Provider(error)) = outcome.error else { panic!("the provider's") };
        assert_eq!(error.class, ErrorClass::ContextLength);
        assert_eq!((outcome.replaced, outcome.messages.len()), (None, 2));
        assert_eq!((replacements(&events), notices(&events).len()), (0, 0));
        assert_eq!((model.requests.lock().unwrap().len(), stage.ran.lock().unwrap().len()), (3, 1));
        // What the discarded call said is withdrawn.
        let withdrawn = events.iter().filter(|event| matches!(event, Event::Superseded)).count();
        assert_eq!(withdrawn, usize::from(said_half));
    }
}

#[tokio::test]
async fn without_a_mutator_that_helps_the_model_is_not_called_again() {
    let idle = editor(|_, _| Ok(()));
    let Played { outcome, model, .. } = played([vec![Cue::FailAs(ErrorClass::ContextLength)]], &[idle]).await;
    assert_eq!(outcome.stop_reason, StopReason::Error);
    assert_eq!(model.requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_mutator_may_call_the_model_and_that_counts() {
    struct Summariser;
    #[async_trait]
    impl Mutator for Summariser {
        async fn mutate(&self, point: Point, cursor: &mut Cursor<'_>) -> Result<(), MutationError> {
            if point == Point::BeforeModelCall {
                let summary = cursor.complete(provider::Request::default()).await?;
                let Some(Content::Text { text }) = summary.content.first() else { panic!("{summary:?}") };
                cursor.replace(vec![Message::user(text.clone())]);
            }
            Ok(())
        }
    }
    use crate::provider;
    let (stage, model) = (stage(), Model::new([vec![Cue::Say("in short"), Cue::Done(StopReason::EndTurn)]]));
    let agent = agent(&model, &stage).to_builder().mutator(Arc::new(Summariser)).build().unwrap();
    let mut history = history();
    let result = agent.run(&history).await.unwrap();
    assert_eq!(result.usage.output_tokens, Some(2));
    result.apply(&mut history);
    assert_eq!(history, [Message::user("in short"), Message::assistant("done")]);
}

#[tokio::test]
async fn a_cancel_ends_a_mutator() {
    struct Deaf;
    #[async_trait]
    impl Mutator for Deaf {
        async fn mutate(&self, _: Point, cursor: &mut Cursor<'_>) -> Result<(), MutationError> {
            cursor.edit().clear();
            cancel_soon(cursor.cancel().clone());
            std::future::pending().await
        }
    }
    let (stage, model) = (stage(), Model::new([]));
    let agent = agent(&model, &stage).to_builder().mutator(Arc::new(Deaf)).build().unwrap();
    let result = agent.run(&history()).await.unwrap();
    assert_eq!((result.stop_reason, result.replaced), (StopReason::Cancelled, None));
}
