//! Turns that were waiting for a person when the process died.

use super::*;

/// A turn of three calls, up to the question about the second.
fn asking(approval_id: &str) -> Vec<Entry> {
    vec![
        event(started("t1", "go")),
        Entry::Message(Message::user("go")),
        Entry::Message(calls("three calls", &["a", "b", "c"])),
        event(call_event("a")),
        settled("a", "made"),
        event(result_event("a", "made")),
        event(call_event("b")),
        event(asked(approval_id, "b")),
    ]
}

#[test]
fn it_can_be_gone_on_with() {
    let recovered = recovered(&asking("t1-b#1"));
    let waiting = recovered.waiting.expect("it waits");
    assert_eq!((waiting.id.as_str(), waiting.open.rounds, waiting.approvals.len()), ("t1", 1, 1));
    let [a, b, c] = &waiting.open.calls[..] else { panic!("{waiting:?}") };
    assert!(a.told && a.settled.as_ref().is_some_and(|settled| settled.status == CallStatus::Ok));
    assert_eq!((b.class, b.asks, &b.asking), (Some(Class::Execute), 1, &Some(json!({}))));
    assert_eq!((c.class, c.asks, c.told), (None, 0, false));
    assert_eq!(recovered.messages.len(), 2, "the calls are open");
    // Whoever cannot go on closes it.
    assert_eq!((recovered.repairs.len(), recovered.closing.len()), (1, 5));
}

#[test]
fn results_come_back_whole_and_out_of_their_order() {
    let image = ResultContent::Image(Image { media_type: "image/png".into(), data: "AAAA".into() });
    let result = ToolResult { call_id: "c".into(), content: vec![image], is_error: false };
    let early = Settled { result: result.clone(), status: CallStatus::Ok, diff: None };
    let mut entries = asking("t1-b#1");
    entries.extend([event(call_event("c")), Entry::Settled(early)]);
    let recovered = recovered(&entries);
    let waiting = recovered.waiting.expect("it waits");
    let c = &waiting.open.calls[2];
    assert_eq!((c.told, &c.settled.as_ref().expect("it has ended").result), (false, &result));
    // So they do where the turn is closed instead, with an end that says what came of them.
    assert!(recovered.repairs[0].content.contains(&Content::ToolResult(result)));
    let told = |event: &&SessionEvent| matches!(event, SessionEvent::ToolResult { call_id, .. } if call_id == "c");
    let told = recovered.closing.iter().find(told);
    assert!(matches!(told, Some(SessionEvent::ToolResult { status: ToolStatus::Ok, .. })), "{told:?}");
}

#[test]
fn a_second_question_is_another_one() {
    let mut entries = asking("t1-b#1");
    let allowed = ApprovalOutcome::Allowed { scope: crate::protocol::ApprovalScope::Once };
    entries.extend([resolved("t1-b#1", allowed), event(asked("t1-b#2", "b"))]);
    let waiting = recovered(&entries).waiting.expect("it waits");
    assert_eq!((waiting.open.calls[1].asks, waiting.approvals[0].approval_id.as_str()), (2, "t1-b#2"));
}

#[test]
fn asked_again_after_a_restart_it_is_the_same_question() {
    let mut entries = asking("t1-b#1");
    let SessionEvent::ApprovalRequested { mut approval } = asked("t1-b#1", "b") else { unreachable!() };
    approval.title = "make, with a file that has changed".into();
    entries.push(event(SessionEvent::ApprovalRequested { approval: approval.clone() }));
    let waiting = recovered(&entries).waiting.expect("it waits");
    assert_eq!((waiting.open.calls[1].asks, waiting.approvals), (1, vec![approval]));
}

#[test]
fn what_was_running_is_not_waiting() {
    let allowed = || ApprovalOutcome::Allowed { scope: crate::protocol::ApprovalScope::Once };
    let mut answered = asking("t1-b#1");
    answered.push(resolved("t1-b#1", allowed()));
    assert_eq!(recovered(&answered).waiting, None);

    // A nested agent of the second call asks.
    assert_eq!(recovered(&asking("t1-b/x#1")).waiting, None);
    assert_eq!(recovered(&asking("q")).waiting, None);

    // Beside the one that waits, another that changes something had begun.
    let mut beside = asking("t1-b#1");
    beside.push(event(call_event("c")));
    assert_eq!(recovered(&beside).waiting, None);
}

#[test]
fn steering_that_was_not_taken_is_not_lost() {
    let mut entries = asking("t1-b#1");
    entries.push(event(SessionEvent::TurnSteered { prompt: prompt("faster"), by: None }));
    assert_eq!(recovered(&entries).waiting.expect("it waits").steering, [prompt("faster")]);
}
