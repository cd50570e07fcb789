//! Code actions, code lenses, hovers, documents: what a client without a plugin has where the cursor is.
#![allow(clippy::disallowed_methods, reason = "tests look at what was written")]

use serde_json::{Value, json, value::to_raw_value};

use super::{
    Test,
    approvals::{approval, ask},
    buffers::document,
    logged,
    plain::{delta, ended, session_info},
};
use crate::{
    protocol::{
        Approval, ContentBlock, FileDiff, Hunk, Problem, ProblemSeverity, Request, SessionEvent, TaskListResponse,
        TurnStartResponse, TurnStopReason,
    },
    rpc::Error,
};

const TEXT: &str = "fn a() {}\n// pillion: rename a\n//   to b\nfn c() {}\n";

impl Test {
    /// The code actions for a selection of the first column of these lines.
    pub(super) async fn actions(&mut self, uri: &str, (start, end): (u32, u32)) -> Vec<Value> {
        self.actions_with(uri, ((start, 0), (end, 0)), json!({ "diagnostics": [] })).await
    }

    async fn actions_with(&mut self, uri: &str, (start, end): ((u32, u32), (u32, u32)), context: Value) -> Vec<Value> {
        let place = |(line, character): (u32, u32)| json!({ "line": line, "character": character });
        let range = json!({ "start": place(start), "end": place(end) });
        let params = json!({ "textDocument": { "uri": uri }, "range": range, "context": context });
        self.request("actions", "textDocument/codeAction", params).await;
        self.read().await["result"].as_array().unwrap().clone()
    }

    /// Runs a command that asks something, and gives what it asks.
    async fn asked(&mut self, command: Value) -> Vec<ContentBlock> {
        self.request("ask", "workspace/executeCommand", command).await;
        let prompt = loop {
            let (request, reply) = self.hub_request().await;
            match request {
                Request::SessionNew(_) | Request::SessionLoad(_) | Request::SessionClose(_) => session_info(reply),
                Request::TaskList(_) => reply(Ok(to_raw_value(&TaskListResponse { tasks: Vec::new() }).unwrap())),
                Request::TurnStart(params) => {
                    reply(Ok(to_raw_value(&TurnStartResponse { turn_id: "t1".to_owned() }).unwrap()));
                    break params.prompt;
                }
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(self.read().await["result"], json!({ "sessionId": "s1", "turnId": "t1" }));
        prompt
    }
}

fn titles(offers: &[Value]) -> Vec<&str> {
    offers.iter().map(|offer| offer["title"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_comment_that_is_a_prompt_can_be_run() {
    let (mut test, _) =
        Test::open(json!({ "textDocument": { "codeAction": { "codeActionLiteralSupport": {} } } })).await;
    test.notify("textDocument/didOpen", document("untitled:a", TEXT)).await;
    for line in [1, 2] {
        let actions = test.actions("untitled:a", (line, line)).await;
        assert_eq!(titles(&actions), ["Pillion: rename a to b"]);
        assert_eq!(actions[0]["kind"], "quickfix");
        let comment =
            ContentBlock::Comment { path: "untitled:a".to_owned(), line: 2, text: "rename a\nto b".to_owned() };
        let file = ContentBlock::File { path: "untitled:a".to_owned() };
        assert_eq!(test.asked(actions[0]["command"].clone()).await, [comment, file]);
    }
    assert_eq!(test.actions("untitled:a", (0, 0)).await, Vec::<Value>::new());
    assert_eq!(test.actions("untitled:other", (0, 0)).await, Vec::<Value>::new());
    // A source action on save is none of ours.
    let only = json!({ "diagnostics": [], "only": ["source.fixAll"] });
    assert_eq!(test.actions_with("untitled:a", ((1, 0), (1, 0)), only).await, Vec::<Value>::new());
    test.request("odd", "textDocument/codeAction", json!({ "textDocument": 5 })).await;
    assert_eq!(test.read().await["result"], json!([]));

    test.request("lens", "textDocument/codeLens", json!({ "textDocument": { "uri": "untitled:a" } })).await;
    let lenses = test.read().await["result"].as_array().unwrap().clone();
    assert_eq!((lenses.len(), &lenses[0]["range"]["start"]["line"]), (1, &json!(1)));
    assert_eq!(lenses[0]["command"]["title"], "Pillion: rename a to b");
    test.close().await;
}

#[tokio::test]
async fn a_selection_and_a_problem_can_be_worked_on() {
    let (mut test, _) = Test::open(json!({})).await;
    test.notify("textDocument/didOpen", document("untitled:a", TEXT)).await;
    let actions = test.actions("untitled:a", (0, 1)).await;
    assert_eq!(
        titles(&actions),
        [
            "Pillion: rename a to b",
            "Explain with Pillion",
            "Fix with Pillion",
            "Document with Pillion",
            "Test with Pillion"
        ]
    );
    // Without literals, they are commands.
    assert_eq!(actions[1]["command"], "pillion.ask");
    let prompt = test.asked(actions[1].clone()).await;
    let (path, text) = ("untitled:a".to_owned(), "fn a() {}\n".to_owned());
    assert_eq!(prompt[1], ContentBlock::Selection { path: path.clone(), start_line: 1, end_line: 1, text });

    let place = json!({ "start": { "line": 3, "character": 0 }, "end": { "line": 3, "character": 1 } });
    let problem = json!({ "range": place, "severity": 2, "message": "c is\nnot used", "source": "rustc", "code": 17 });
    let context = json!({ "diagnostics": [problem] });
    let actions = test.actions_with("untitled:a", ((3, 0), (3, 1)), context).await;
    assert_eq!(titles(&actions), ["Fix with Pillion: c is not used"]);
    let prompt = test.asked(actions[0].clone()).await;
    let problem = Problem {
        path: path.clone(),
        line: 4,
        severity: ProblemSeverity::Warning,
        message: "c is\nnot used".to_owned(),
        source: Some("rustc".to_owned()),
        code: Some("17".to_owned()),
    };
    assert_eq!(prompt[1], ContentBlock::Diagnostics { problems: vec![problem] });
    assert_eq!(prompt[2], ContentBlock::Range { path, start_line: 1, end_line: 24 });
    test.close().await;
}

#[tokio::test]
async fn an_approval_is_at_its_place() {
    let (mut test, client) = Test::open(json!({ "workspace": { "codeLens": { "refreshSupport": true } } })).await;
    test.notify("textDocument/didOpen", document("untitled:a", TEXT)).await;
    let hunk = Hunk {
        old_start: 1,
        old_lines: 4,
        new_start: 1,
        new_lines: 4,
        text: " fn a() {}\n // pillion: rename a\n //   to b\n-fn c() {}\n+fn d() {}\n".to_owned(),
    };
    let diff = FileDiff { path: "untitled:a".to_owned(), unified: "-fn c() {}\n+```\n".to_owned(), hunks: vec![hunk] };
    let asking = tokio::spawn(ask(&client, Approval { diff: Some(diff), ..approval() }));
    let (mut refresh, mut asked) = (None, None);
    while refresh.is_none() || asked.is_none() {
        let message = test.read().await;
        match message["method"].as_str() {
            Some("workspace/codeLens/refresh") => refresh = Some(message),
            _ => asked = Some(message),
        }
    }
    test.respond(&refresh.unwrap(), Value::Null).await;
    let hover = async |test: &mut Test, line: u32| {
        let params = json!({ "textDocument": { "uri": "untitled:a" }, "position": { "line": line, "character": 0 } });
        test.request("hover", "textDocument/hover", params).await;
        test.read().await["result"]["contents"]["value"].as_str().map(str::to_owned)
    };
    let shown = hover(&mut test, 3).await.unwrap();
    assert!(shown.contains("wants to: Edit a.rs\n\n````diff\n-fn c() {}\n+```\n````"), "{shown}");
    assert_eq!(hover(&mut test, 0).await, None);
    test.request("lens", "textDocument/codeLens", json!({ "textDocument": { "uri": "untitled:a" } })).await;
    let lenses = test.read().await["result"].as_array().unwrap().clone();
    let at: Vec<_> = lenses.iter().map(|lens| lens["range"]["start"]["line"].as_u64().unwrap()).collect();
    assert_eq!(at, [1, 3, 3, 3, 3]);
    test.respond(&asked.unwrap(), json!({ "title": "Deny" })).await;
    asking.await.unwrap();
    test.expect("workspace/codeLens/refresh").await;
    test.close().await;
}

fn asked_about(line: u32) -> crate::sidecar::LoggedEvent {
    let text = "rename a".to_owned();
    let prompt = vec![ContentBlock::Comment { path: "untitled:a".to_owned(), line, text }];
    logged(1, SessionEvent::TurnStarted { turn_id: "t1".to_owned(), prompt, by: None, output_schema: None })
}

#[tokio::test]
async fn a_long_answer_is_a_document_or_else_a_message_and_shows_on_hover() {
    let long = "# Why\n\n1. one\n2. two\n3. three\n";
    // It opens, it says that it does not, it answers nonsense, it does not know how.
    for answer in [Some(json!({ "success": true })), Some(json!({ "success": false })), Some(json!(true)), None] {
        let (mut test, client) = Test::open(json!({ "window": { "showDocument": { "support": true } } })).await;
        test.notify("textDocument/didOpen", document("untitled:a", TEXT)).await;
        let params = json!({ "textDocument": { "uri": "untitled:a" }, "position": { "line": 3, "character": 0 } });
        test.request("hover", "textDocument/hover", params.clone()).await;
        assert_eq!(test.read().await["result"], Value::Null);
        client.event(&asked_about(4));
        test.expect("window/logMessage").await;
        client.event(&delta(2, long));
        client.event(&ended(3, TurnStopReason::EndTurn, None));
        let show = test.expect("window/showDocument").await;
        let path = show["params"]["uri"].as_str().unwrap().strip_prefix("file://").unwrap().to_owned();
        assert_eq!(std::fs::read_to_string(path).unwrap(), format!("# rename a\n\n{long}\n"));
        let is_shown = answer == Some(json!({ "success": true }));
        match answer {
            Some(answer) => test.respond(&show, answer).await,
            None => test.refuse(&show, Error::METHOD_NOT_FOUND).await,
        }
        if !is_shown {
            assert_eq!(test.expect("window/showMessage").await["params"]["message"], long.trim());
        }
        // The line moves, and the answer with it.
        let above = json!({
            "textDocument": { "uri": "untitled:a", "version": 2 },
            "contentChanges": [{
                "range": { "start": { "line": 0, "character": 0 }, "end": { "line": 0, "character": 0 } }, "text": "\n",
            }],
        });
        test.notify("textDocument/didChange", above).await;
        let params = json!({ "textDocument": { "uri": "untitled:a" }, "position": { "line": 4, "character": 0 } });
        test.request("hover", "textDocument/hover", params).await;
        let hover = test.read().await["result"]["contents"]["value"].as_str().unwrap().to_owned();
        assert!(hover.contains("3. three"), "{hover}");
        test.close().await;
    }
}
