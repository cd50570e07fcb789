//! What was said, asked and tried before, and is so again.

use std::{pin::pin, sync::Mutex};

use super::*;

fn in_mode(agent: &Agent, mode: Mode) -> Agent {
    agent.to_builder().policy(Policy { mode, rules: Vec::new() }).build().unwrap()
}

fn one_change() -> Vec<Cue> {
    calls(&[("a", "change", json!({"do": "x"}))])
}

/// A snapshot of a driver whose turn waits for an answer to `a#1`.
async fn asking(agent: &Agent) -> Snapshot {
    let mut driver = agent.start(go());
    asked(&mut driver).await;
    driver.snapshot()
}

#[tokio::test]
async fn what_no_person_says_is_given_back_and_begins_no_turn() {
    let stage = stage();
    let model = Model::new([]);
    let one = agent(&model, &stage);
    let result = Content::ToolResult(ToolResult::text("a", "x", false));
    let text = Content::Text { text: "so".into() };
    let wrong = [
        Message::assistant("I am the model"),
        Message { role: Role::User, content: vec![result.clone()] },
        Message { role: Role::User, content: vec![text, result] },
        Message { role: Role::User, content: Vec::new() },
        Message::user(" \n"),
    ];
    let mut driver = one.start(config());
    for message in &wrong {
        assert_eq!(driver.submit(message.clone()), Err(NotInput(message.clone())));
    }
    awaits_input(&mut driver).await;
    awaits_input(&mut one.start(config().input(wrong))).await;
    assert!(model.requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_was_submitted_is_not_lost_between_the_first_step_and_the_first_event() {
    let stage = stage();
    let model = Model::new([]);
    let one = agent(&model, &stage);
    let mut driver = one.start(go());
    assert!(futures::poll!(pin!(driver.next())).is_pending());
    let mut driver = restored(driver, &one);
    finished(&mut driver).await;
    assert_eq!(model.requests.lock().unwrap()[0].messages, [Message::user("go")]);
}

#[tokio::test]
async fn what_a_session_may_do_unasked_is_so_after_a_restart() {
    let stage = stage();
    let model = Model::new([one_change(), vec![Cue::Say("no"), Cue::Done(StopReason::EndTurn)], one_change()]);
    let auto = in_mode(&agent(&model, &stage), Mode::Auto);
    let rules = vec!["execute(make *)".parse().unwrap()];
    let mut driver = auto.start(SessionConfig::default());
    driver.set_policy(Policy { mode: Mode::Plan, rules: rules.clone() });
    assert_eq!(driver.snapshot().policy, Some(Policy { mode: Mode::Plan, rules }));
    let mut driver = restored(driver, &auto);
    driver.submit(Message::user("go")).unwrap();
    finished(&mut driver).await;
    assert!(ran(&stage).is_empty(), "nothing changes in plan mode");

    // Where nothing was said for the session, the agent's word counts, as it is then.
    let driver = auto.start(SessionConfig::default().input([Message::user("go")]));
    let mut driver = restored(driver, &in_mode(&auto, Mode::Ask));
    asked(&mut driver).await;
}

#[tokio::test]
async fn an_approval_of_a_snapshot_is_open_at_once_and_may_be_answered_before_it_is_asked_again() {
    let (before, after) = (stage(), stage());
    let mut driver = agent(&Model::new([three_looks()]), &before).start(go());
    let (first, second) = (asked(&mut driver).await, asked(&mut driver).await);

    let mut driver = restored(driver, &agent(&Model::new([]), &after));
    assert_eq!(driver.approvals(), [first.clone(), second.clone()]);
    driver.approve(&first.id).unwrap();
    assert_eq!(driver.approve(&first.id), Err(UnknownApproval("a#1".into())), "it is answered once");
    assert_eq!(driver.approve("b#2"), Err(UnknownApproval("b#2".into())));
    assert_eq!(driver.approvals(), [second.clone()]);
    assert_eq!(asked(&mut driver).await, second);
    driver.deny(&second.id, None).unwrap();
    finished(&mut driver).await;
    let mut all = [ran(&before), ran(&after)].concat();
    all.sort();
    assert_eq!(all, ["a", "c"]);
    let history = driver.history();
    assert_eq!(results(&history).iter().map(|result| result.is_error).collect::<Vec<_>>(), [false, true, false]);
}

#[tokio::test]
async fn what_was_allowed_is_asked_again_if_it_would_be_something_else_by_now() {
    for allows in [true, false] {
        let stage = stage();
        let one = agent(&Model::new([one_change()]), &stage);
        let mut snapshot = asking(&one).await;
        snapshot.approvals[0].title = "Something else".into();
        let mut driver = one.restore(snapshot);
        match allows {
            true => driver.approve("a#1").unwrap(),
            // It holds whatever it would be.
            false => driver.deny("a#1", None).unwrap(),
        }
        if allows {
            let again = asked(&mut driver).await;
            assert_eq!((again.id.as_str(), again.title.as_str()), ("a#1", "change x"));
            driver.approve("a#1").unwrap();
        }
        finished(&mut driver).await;
        assert_eq!(ran(&stage).len(), usize::from(allows));
    }
}

#[tokio::test]
async fn a_turn_of_a_snapshot_can_be_cancelled_before_it_goes_on() {
    let stage = stage();
    let one = agent(&Model::new([one_change()]), &stage);
    let mut driver = one.restore(asking(&one).await);
    driver.cancel();
    assert_eq!(finished(&mut driver).await.stop_reason, StopReason::Cancelled);
    assert!(driver.approvals().is_empty() && ran(&stage).is_empty() && is_whole(&driver.history()));
    driver.submit(Message::user("on")).unwrap();
    assert_eq!(finished(&mut driver).await.text, "done", "the next turn is none of it");
}

#[tokio::test]
async fn a_cancel_after_a_restart_hides_no_call_that_was_running() {
    let (before, after) = (stage(), stage());
    let round = calls(&[("a", "execute", json!({"do": "meet"})), ("b", "look", json!({"do": "x"}))]);
    let auto = in_mode(&agent(&Model::new([round]), &before), Mode::Auto);
    let mut driver = auto.start(SessionConfig::default().input([Message::user("go")]));
    tokio::select! {
        biased;
        step = driver.next() => panic!("the tool waits: {step:?}"),
        () = async { while ran(&before).is_empty() { tokio::task::yield_now().await } } => {}
    }
    let mut driver = restored(driver, &agent(&Model::new([]), &after));
    driver.cancel();
    assert_eq!(finished(&mut driver).await.stop_reason, StopReason::Cancelled);
    let history = driver.history();
    let told: Vec<String> = results(&history).iter().map(|result| format!("{:?}", result.content)).collect();
    assert!(told[0].contains("interrupted") && told[1].contains("not run"), "{told:?}");
    assert!(ran(&after).is_empty() && is_whole(&history));
}

#[tokio::test]
async fn a_cancel_between_what_was_said_and_the_step_holds_and_one_for_nothing_does_not() {
    let stage = stage();
    let model = Model::new([]);
    let mut driver = agent(&model, &stage).start(config());
    driver.cancel();
    driver.submit(Message::user("go")).unwrap();
    driver.cancel();
    assert_eq!(finished(&mut driver).await.stop_reason, StopReason::Cancelled);
    assert!(model.requests.lock().unwrap().is_empty());
    assert_eq!(driver.history(), [Message::user("go")], "it was said, and may be tried again");
    driver.cancel();
    driver.retry().unwrap();
    assert_eq!(finished(&mut driver).await.text, "done");
}

/// The transcript, as somebody keeps it who is told of its changes.
#[derive(Default)]
struct Kept(Mutex<Vec<Message>>);

impl TranscriptObserver for Kept {
    fn appended(&self, message: &Message) {
        self.0.lock().unwrap().push(message.clone());
    }

    fn replaced(&self, messages: &[Message]) {
        *self.0.lock().unwrap() = messages.to_vec();
    }
}

#[tokio::test]
async fn a_failed_turn_can_be_tried_again_without_what_came_of_it() {
    let stage = stage();
    let model = Model::new([calls(&[("a", "look", json!({"do": "x"}))]), vec![Cue::Say("half"), Cue::Fail]]);
    let kept = Arc::new(Kept::default());
    let one = agent(&model, &stage).to_builder().transcript_observer(kept.clone()).build().unwrap();
    let mut driver = one.start(go());
    assert_eq!(driver.retry(), Err(NothingToRetry), "nothing was tried");
    assert!(matches!(driver.next().await, Step::Finished(Err(_))));
    assert_eq!(driver.history().last(), Some(&Message::assistant("half")));

    driver.retry().unwrap();
    assert_eq!(driver.retry(), Err(NothingToRetry), "it is being tried");
    assert_eq!(finished(&mut driver).await.text, "done");
    assert_eq!(ran(&stage), ["a"], "the calls stay made");
    assert_eq!(driver.history().len(), 4);
    assert_eq!(driver.history().last(), Some(&Message::assistant("done")));
    assert_eq!(*kept.0.lock().unwrap(), driver.history());
    awaits_input(&mut driver).await;
}

#[tokio::test]
async fn a_history_that_nobody_answered_can_be_answered() {
    let stage = stage();
    let one = agent(&Model::new([]), &stage);
    let mut driver = one.start(config().history([Message::user("go")]));
    awaits_input(&mut driver).await;
    driver.retry().unwrap();
    driver.submit(Message::user("and on")).unwrap();
    assert_eq!(finished(&mut driver).await.text, "done");
    assert_eq!(driver.history(), [Message::user("go"), Message::user("and on"), Message::assistant("done")]);
    assert_eq!(one.start(config().history([Message::assistant("hello")])).retry(), Err(NothingToRetry));
}
