//! Approvals as requests to the editor.

use std::sync::Arc;

use serde_json::{Value, json, value::to_raw_value};

use super::{Test, buffers::document};
use crate::{
    protocol::{
        Approval, ApprovalDecision, ApprovalRespondParams, ApprovalRespondResponse, ApprovalScope, FileDiff, Request,
        ToolClass,
    },
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
    Some(ApprovalDecision::Allow { scope, input: None, hunks: None, rules: None })
}

#[tokio::test]
async fn an_editor_with_a_plugin_is_asked_by_our_request() {
    let (mut test, client) = Test::open(json!({ "experimental": { "pillion": { "approvalRequest": true } } })).await;
    let answer = tokio::spawn(ask(&client, approval()));
    let asked = test.expect("approval/request").await;
    assert_eq!(asked["params"], json!({ "approval": approval() }));
    test.respond(&asked, json!({ "type": "allow", "scope": "session", "hunks": [0] })).await;
    let expect =
        ApprovalDecision::Allow { scope: ApprovalScope::Session, input: None, hunks: Some(vec![0]), rules: None };
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
    // Closed without a choice: not allowed.
    let decision = tokio::spawn(ask(&client, approval()));
    let asked = test.expect("window/showMessageRequest").await;
    test.respond(&asked, Value::Null).await;
    assert!(matches!(decision.await.unwrap(), Some(ApprovalDecision::Deny { reason: Some(_) })));
    test.close().await;
}

/// An editor that cannot or will not ask: by refusing, by nonsense.
const WRONG_ANSWERS: [Option<&str>; 4] = [None, Some(r#""Allow""#), Some(r#"{ "title": "Yes" }"#), Some("[]")];

impl Test {
    /// Answers a popup in a way that is no answer.
    async fn answer_wrongly(&mut self, asked: &Value, answer: Option<&str>) {
        match answer {
            None => self.refuse(asked, Error::METHOD_NOT_FOUND).await,
            Some(answer) => self.respond(asked, serde_json::from_str(answer).unwrap()).await,
        }
    }
}

#[tokio::test]
async fn where_nothing_can_be_shown_the_answer_is_no_and_the_log_says_why() {
    let (mut test, client) = Test::open(json!({})).await;
    for answer in WRONG_ANSWERS {
        let decision = tokio::spawn(ask(&client, approval()));
        let asked = test.expect("window/showMessageRequest").await;
        test.answer_wrongly(&asked, answer).await;
        let Some(ApprovalDecision::Nobody { reason }) = decision.await.unwrap() else { panic!("{answer:?}") };
        assert!(reason.contains("shows no questions"), "{reason}");
        let log = test.expect("window/logMessage").await;
        assert!(log["params"]["message"].as_str().unwrap().contains("Edit a.rs"), "{log}");
    }
    test.close().await;
}

#[tokio::test]
async fn where_a_popup_fails_code_actions_and_commands_answer() {
    let capabilities = json!({
        "textDocument": { "codeAction": { "codeActionLiteralSupport": {} } }, "workspace": { "executeCommand": {} },
    });
    let (mut test, client) = Test::open(capabilities).await;
    test.notify("textDocument/didOpen", document("untitled:a", "text\n")).await;
    for answer in WRONG_ANSWERS {
        let decision = tokio::spawn(ask(&client, approval()));
        let asked = test.expect("window/showMessageRequest").await;
        test.answer_wrongly(&asked, answer).await;
        let told = test.expect("window/showMessage").await;
        assert!(told["params"]["message"].as_str().unwrap().contains("pillion.approve"), "{told}");
        // It stays open, and there are other ways.
        let actions = test.actions("untitled:a", (0, 0)).await;
        let titles: Vec<_> = actions.iter().map(|action| action["title"].as_str().unwrap()).collect();
        let expect =
            ["allow", "allow for this session", "deny", "show"].map(|way| format!("Pillion: {way}: Edit a.rs"));
        assert_eq!(titles, expect);
        test.request("run", "workspace/executeCommand", actions[0]["command"].clone()).await;
        let (request, reply) = test.hub_request().await;
        let Request::ApprovalRespond(ApprovalRespondParams { approval_id, decision: answered }) = request else {
            panic!("{request:?}")
        };
        assert_eq!((approval_id.as_str(), Some(answered)), ("a1", allow(ApprovalScope::Once)));
        reply(Ok(to_raw_value(&ApprovalRespondResponse { accepted: true }).unwrap()));
        assert_eq!(test.read().await["result"], json!({ "accepted": true }));
        // The hub withdraws it; then there is nothing left to answer.
        decision.abort();
        assert!(decision.await.unwrap_err().is_cancelled());
        assert_eq!(test.actions("untitled:a", (0, 0)).await, Vec::<Value>::new());
        test.request("run", "workspace/executeCommand", json!({ "command": "pillion.deny" })).await;
        test.expect("window/showMessage").await;
        test.expect_error("run", Error::INVALID_PARAMS).await;
    }
    test.close().await;
}

#[tokio::test(start_paused = true)]
async fn who_never_answers_a_popup_is_told_of_the_other_ways() {
    let (mut test, client) = Test::open(json!({ "workspace": { "executeCommand": {} } })).await;
    let decision = tokio::spawn(ask(&client, approval()));
    let asked = test.expect("window/showMessageRequest").await;
    let told = test.expect("window/showMessage").await;
    assert!(told["params"]["message"].as_str().unwrap().contains("pillion.approve"), "{told}");
    // A late answer counts all the same.
    test.respond(&asked, json!({ "title": "Deny" })).await;
    assert_eq!(decision.await.unwrap(), Some(ApprovalDecision::Deny { reason: None }));
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
