//! Approvals as requests to the editor.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Test;
use crate::{
    protocol::{Approval, ApprovalDecision, ApprovalScope, FileDiff, ToolClass},
    rpc::{Error, tests::LONG},
    sidecar::{Attachment, Inquiry, Verdict},
};

pub(super) fn approval() -> Approval {
    Approval {
        approval_id: "a1".to_owned(),
        session_id: "s1".to_owned(),
        turn_id: "t1".to_owned(),
        call_id: "c1".to_owned(),
        tool: "edit".to_owned(),
        input: json!({ "path": "a.rs" }),
        class: ToolClass::Edit,
        title: "Edit a.rs".to_owned(),
        command: None,
        paths: vec!["/a.rs".to_owned()],
        outside: false,
        risk: None,
        diff: Some(FileDiff { path: "/a.rs".to_owned(), unified: "-old\n+new\n".to_owned(), hunks: Vec::new() }),
        rules: vec!["edit(a.rs)".to_owned()],
        agent: None,
    }
}

/// Puts it before the person.
pub(super) fn ask(
    client: &Arc<dyn Attachment>,
    approval: Approval,
) -> impl Future<Output = Option<ApprovalDecision>> + Send + use<> {
    let asked = client.ask(Inquiry::Approval(approval));
    async move {
        match asked.await {
            Some(Verdict::Approval(decision)) => Some(decision),
            Some(Verdict::Question(answer)) => panic!("no question was asked, and this was answered: {answer:?}"),
            None => None,
        }
    }
}

fn allow(scope: ApprovalScope) -> Option<ApprovalDecision> {
    Some(ApprovalDecision::Allow { scope, input: None, hunks: None })
}

#[tokio::test]
async fn an_editor_with_a_plugin_is_asked_by_our_request() {
    let (mut test, client) = Test::open(json!({ "experimental": { "pillion": { "approvalRequest": true } } })).await;
    let answer = tokio::spawn(ask(&client, approval()));
    let asked = test.expect("approval/request").await;
    assert_eq!(asked["params"], json!({ "approval": approval() }));
    test.respond(&asked, json!({ "type": "allow", "scope": "session", "hunks": [0] })).await;
    let expect = ApprovalDecision::Allow { scope: ApprovalScope::Session, input: None, hunks: Some(vec![0]) };
    assert_eq!(answer.await.unwrap(), Some(expect));

    // Answered elsewhere: the popup is told to close, and a late answer does no harm.
    let answer = tokio::spawn(ask(&client, approval()));
    let asked = test.expect("approval/request").await;
    answer.abort();
    assert_eq!(test.expect("$/cancelRequest").await["params"], json!({ "id": asked["id"] }));
    test.respond(&asked, json!({ "type": "deny" })).await;

    // What is no decision is no decision, and the person is told that the question is still open.
    let answer = tokio::spawn(ask(&client, approval()));
    let asked = test.expect("approval/request").await;
    test.respond(&asked, json!({ "type": "perhaps" })).await;
    assert_eq!(answer.await.unwrap(), None);
    let told = test.expect("window/showMessage").await;
    assert!(told["params"]["message"].as_str().unwrap().contains("Edit a.rs"), "{told}");

    // An editor that promised too much gets what every editor has.
    let answer = tokio::spawn(ask(&client, approval()));
    let asked = test.expect("approval/request").await;
    test.refuse(&asked, Error::METHOD_NOT_FOUND).await;
    let asked = test.expect("window/showMessageRequest").await;
    test.respond(&asked, json!({ "title": "Allow" })).await;
    assert_eq!(answer.await.unwrap(), allow(ApprovalScope::Once));
    test.close().await;
}

#[tokio::test]
async fn any_editor_is_asked_by_a_message() {
    let (mut test, client) = Test::open(json!({})).await;
    let answers = [
        (json!({ "title": "Allow" }), allow(ApprovalScope::Once)),
        (json!({ "title": "Allow for this session" }), allow(ApprovalScope::Session)),
        (json!({ "title": "Deny" }), Some(ApprovalDecision::Deny { reason: None })),
        (json!({ "title": "Stop the turn" }), Some(ApprovalDecision::CancelTurn)),
    ];
    for (answer, expect) in answers {
        let decision = tokio::spawn(ask(&client, approval()));
        let asked = test.expect("window/showMessageRequest").await;
        let message = asked["params"]["message"].as_str().unwrap();
        assert!(message.contains("Edit a.rs") && message.contains("-old\n+new"), "{message}");
        let titles: Vec<_> = asked["params"]["actions"].as_array().unwrap().iter().map(|item| &item["title"]).collect();
        assert_eq!(titles, ["Allow", "Allow for this session", "Deny", "Stop the turn"]);
        test.respond(&asked, answer).await;
        assert_eq!(decision.await.unwrap(), expect);
    }
    // Closed without a choice, or answered by nonsense: not allowed.
    for answer in [Value::Null, json!("Allow"), json!({ "title": "Yes" })] {
        let decision = tokio::spawn(ask(&client, approval()));
        let asked = test.expect("window/showMessageRequest").await;
        test.respond(&asked, answer).await;
        assert!(matches!(decision.await.unwrap(), Some(ApprovalDecision::Deny { reason: Some(_) })));
    }
    // An editor that cannot even do that: nobody was asked, and the person is told.
    let decision = tokio::spawn(ask(&client, approval()));
    let asked = test.expect("window/showMessageRequest").await;
    test.refuse(&asked, Error::METHOD_NOT_FOUND).await;
    assert_eq!(decision.await.unwrap(), None);
    test.expect("window/showMessage").await;
    test.close().await;
}

#[tokio::test]
async fn what_a_message_cannot_hold_is_counted_and_not_allowed_for_longer() {
    let (mut test, client) = Test::open(json!({})).await;
    let long = format!("echo {}; rm ü", "x".repeat(2_500));
    let hidden = format!("[{} characters are not shown]", long.chars().count() - 2_000);
    let command = Approval { command: Some(long.clone()), diff: None, ..approval() };
    let diff = FileDiff { unified: long, ..approval().diff.unwrap() };
    let diff = Approval { diff: Some(diff), ..approval() };
    for (approval, actions) in [(command, 3), (diff, 4)] {
        let decision = tokio::spawn(ask(&client, approval));
        let asked = test.expect("window/showMessageRequest").await;
        let message = asked["params"]["message"].as_str().unwrap();
        assert!(message.contains("echo xx") && message.contains(&hidden) && message.ends_with("x; rm ü"), "{message}");
        assert_eq!(asked["params"]["type"], 2, "a warning");
        assert_eq!(asked["params"]["actions"].as_array().unwrap().len(), actions);
        test.respond(&asked, json!({ "title": "Deny" })).await;
        assert_eq!(decision.await.unwrap(), Some(ApprovalDecision::Deny { reason: None }));
    }
    test.close().await;
}

#[tokio::test]
async fn several_are_open_at_once_and_answered_in_any_order() {
    let (mut test, client) = Test::open(json!({ "experimental": { "pillion": { "approvalRequest": true } } })).await;
    let mut open = Vec::new();
    for index in 0..200 {
        let approval = Approval { approval_id: index.to_string(), ..approval() };
        let decision = tokio::spawn(ask(&client, approval));
        open.push((decision, test.expect("approval/request").await));
    }
    for (decision, asked) in open.into_iter().rev() {
        let reason = asked["params"]["approval"]["approvalId"].clone();
        test.respond(&asked, json!({ "type": "deny", "reason": reason })).await;
        let decision = tokio::time::timeout(LONG, decision).await.unwrap().unwrap();
        assert_eq!(decision, Some(ApprovalDecision::Deny { reason: reason.as_str().map(str::to_owned) }));
    }
    test.close().await;
}
