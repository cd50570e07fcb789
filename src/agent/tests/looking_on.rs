//! Those who look on, and what they see.

use std::sync::{Arc, Mutex};

use serde_json::json;

use super::{super::*, stage::*};
use crate::provider::retry;

#[derive(Default)]
struct Transcript(Mutex<Vec<Message>>);

impl TranscriptObserver for Transcript {
    fn appended(&self, message: &Message) {
        self.0.lock().unwrap().push(message.clone());
    }

    fn replaced(&self, messages: &[Message]) {
        *self.0.lock().unwrap() = messages.to_vec();
    }
}

struct Panics;

impl Observer for Panics {
    fn observe(&self, _: &Event) {
        panic_quietly("an observer")
    }
}

#[tokio::test]
async fn a_driven_conversation_is_seen_whole_and_a_panic_harms_nobody() {
    let stage = stage();
    let look = vec![Cue::Call("a", "look", json!({"do": "x"})), Cue::Done(StopReason::ToolCalls)];
    let seen = Arc::new(Transcript::default());
    let builder = agent(&Model::new([look]), &stage).to_builder();
    let agent = builder.observer(Arc::new(Panics)).transcript_observer(seen.clone()).build().unwrap();
    let mut driver = agent.start(SessionConfig::default().input([Message::user("go")]));
    assert!(matches!(driver.next().await, Step::Finished(Ok(_))));
    assert_eq!(*seen.0.lock().unwrap(), driver.history());
    assert_eq!(driver.history().len(), 4);
}

/// Tries twice.
fn twice(model: &Arc<Model>, stage: &Arc<Stage>) -> Agent {
    let at_once = retry::Policy { tries: 2, base: Duration::ZERO, ..retry::Policy::default() };
    agent(model, stage).to_builder().retry(at_once).build().unwrap()
}

async fn tried_twice(answers: [Vec<Cue>; 2]) -> (Outcome, Vec<&'static str>) {
    let stage = stage();
    let host = Recorder::new(&stage);
    let agent = twice(&Model::new(answers), &stage);
    let go = vec![Message::user("go")];
    let outcome = turn::run(&agent, &Scope::default(), go, &host, host.cancel.clone()).await;
    let events = host.events();
    let shape = events.iter().map(|event| match event {
        Event::TurnStarted => "start",
        Event::Text(_) => "text",
        Event::Thinking(_) => "thinking",
        Event::Superseded => "superseded",
        Event::Retry { .. } => "retry",
        Event::Usage { .. } => "usage",
        Event::Message(_) => "message",
        Event::TurnEnded { .. } => "end",
        other => panic!("{other:?}"),
    });
    (outcome, shape.collect())
}

#[tokio::test]
async fn what_a_broken_try_said_is_withdrawn_and_not_in_the_transcript() {
    let broken = vec![Cue::Think("hm"), Cue::Say("half"), Cue::Fail];
    let whole = vec![Cue::Say("half and half"), Cue::Done(StopReason::EndTurn)];
    let (outcome, shape) = tried_twice([broken, whole]).await;
    let expect = ["start", "thinking", "text", "superseded", "retry", "text", "usage", "usage", "message", "end"];
    assert_eq!(shape, expect);
    assert_eq!(outcome.messages, [Message::assistant("half and half")]);
    assert_eq!(outcome.usage.output_tokens, Some(2), "both tries cost");
}

#[tokio::test]
async fn when_all_tries_fail_what_the_last_one_said_is_kept() {
    let (outcome, shape) = tried_twice([vec![Cue::Say("first"), Cue::Fail], vec![Cue::Say("second"), Cue::Fail]]).await;
    assert_eq!(shape, ["start", "text", "superseded", "retry", "text", "usage", "usage", "message", "end"]);
    assert_eq!(outcome.messages, [Message::assistant("second")]);
    assert_eq!(outcome.stop_reason, StopReason::Error);
}

#[tokio::test]
async fn nothing_is_withdrawn_that_was_never_shown() {
    let (_, shape) = tried_twice([vec![Cue::Fail], vec![Cue::Done(StopReason::EndTurn)]]).await;
    assert_eq!(shape, ["start", "retry", "usage", "end"]);
}

/// Only the last call of a try that broke is in nobody's hands: it never ran.
#[tokio::test]
async fn a_call_of_a_broken_try_is_not_run() {
    let stage = stage();
    let host = Recorder::new(&stage);
    let look = |id| Cue::Call(id, "look", json!({"do": id}));
    let broken = vec![look("lost"), Cue::Fail];
    let agent = twice(&Model::new([broken, vec![look("kept"), Cue::Done(StopReason::ToolCalls)]]), &stage);
    let outcome = turn::run(&agent, &Scope::default(), vec![Message::user("go")], &host, host.cancel.clone()).await;
    assert_eq!(outcome.stop_reason, StopReason::EndTurn);
    assert_eq!(*stage.ran.lock().unwrap(), [("kept".to_owned(), json!({"do": "kept"}))]);
}

#[tokio::test]
async fn inputs_of_calls_are_told_while_they_are_written_if_wanted() {
    for wanted in [true, false] {
        let stage = stage();
        let host = Recorder::new(&stage);
        let piece = |index, text| Cue::Input(index, "look", text);
        let steps = vec![piece(0, "{\"do\":"), piece(0, "\"x\"}"), piece(1, "{"), Cue::Done(StopReason::EndTurn)];
        let agent = agent(&Model::new([steps]), &stage).to_builder().tool_input_events(wanted).build().unwrap();
        turn::run(&agent, &Scope::default(), vec![Message::user("go")], &host, host.cancel.clone()).await;
        let told: Vec<(usize, usize)> = host
            .events()
            .iter()
            .filter_map(|event| match event {
                Event::ToolInput { index, bytes, .. } => Some((*index, *bytes)),
                _ => None,
            })
            .collect();
        // What comes at once is one event.
        assert_eq!(told, if wanted { vec![(0, 10), (1, 1)] } else { Vec::new() });
    }
}
