//! Documents coming in and edits going out.

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::{Test, until};
use crate::{
    face::lsp::{editor::Editor, handshake::Handshake},
    protocol::Request,
    rpc::{Connection, Error, Settings, tests::frame},
    sidecar::Sidecar,
    store::Store,
    workspace::{BufferEdit, BufferSink, Position, Workspace},
};

pub(super) fn change(version: i32, start: (u32, u32), end: (u32, u32), text: &str) -> Value {
    let place = |(line, character)| json!({ "line": line, "character": character });
    json!({
        "textDocument": { "uri": "untitled:a", "version": version },
        "contentChanges": [{ "range": { "start": place(start), "end": place(end) }, "text": text }],
    })
}

pub(super) fn document(uri: &str, text: &str) -> Value {
    json!({ "textDocument": { "uri": uri, "languageId": "rust", "version": 1, "text": text } })
}

impl Test {
    /// The text of an open buffer. What was written before has been read when this request is answered.
    pub(super) async fn text(&mut self, uri: &str) -> String {
        self.request("text", "model/list", json!({})).await;
        let (request, reply) = self.hub_request().await;
        assert!(matches!(request, Request::ModelList(_)));
        drop(reply);
        self.expect_error("text", Error::INTERNAL).await;
        let location = self.workspace.resolve(uri).unwrap();
        self.workspace.read(&location).await.unwrap().text.to_string()
    }
}

#[tokio::test]
async fn two_thousand_changes_give_the_text_the_person_sees() {
    for (encoding, astral) in [("utf-8", 4), ("utf-16", 2), ("utf-32", 1)] {
        let capabilities = json!({ "general": { "positionEncodings": [encoding] } });
        let (mut test, _) = Test::open(capabilities).await;
        test.notify("textDocument/didOpen", document("untitled:a", "😀\r\n")).await;
        let mut expect = String::from("😀");
        for index in 0..2_000 {
            let text = (index % 10).to_string();
            test.notify(
                "textDocument/didChange",
                change(index as i32 + 2, (0, astral + index), (0, astral + index), &text),
            )
            .await;
            expect.push_str(&text);
        }
        assert_eq!(test.text("untitled:a").await, expect + "\r\n", "{encoding}");
        test.close().await;
    }
}

#[tokio::test]
async fn a_large_text_and_odd_ones_arrive() {
    let (mut test, _) = Test::open(json!({})).await;
    let large = "fn main() {}\n".repeat(1_000_000);
    test.notify("textDocument/didOpen", document("untitled:a", &large)).await;
    assert!(test.text("untitled:a").await == large);
    test.notify("textDocument/didChange", change(2, (0, 0), (1_000_000, 0), "small")).await;
    assert_eq!(test.text("untitled:a").await, "small");

    // Half a surrogate pair, and numbers of a language that has but one kind of them.
    let body = r#"{"jsonrpc":"2.0","method":"textDocument/didChange","params":{
        "textDocument":{"uri":"untitled:a","version":3.0},
        "contentChanges":[{"range":{"start":{"line":0.0,"character":5.0},"end":{"line":0,"character":5}},"text":"\ud83d\u0000"}]}}"#;
    test.writer.write_all(&frame(body)).await.unwrap();
    assert_eq!(test.text("untitled:a").await, "small\u{fffd}\0");
    // It takes one UTF-16 unit, as in the editor.
    test.notify("textDocument/didChange", change(4, (0, 5), (0, 7), "!")).await;
    assert_eq!(test.text("untitled:a").await, "small!");
    // A whole new text, and a change that cannot be read, which changes nothing.
    let whole = json!({ "textDocument": { "uri": "untitled:a", "version": 5 }, "contentChanges": [{ "text": "new" }] });
    test.notify("textDocument/didChange", whole).await;
    test.notify("textDocument/didChange", json!({ "textDocument": 5 })).await;
    test.notify("textDocument/didSave", json!({ "textDocument": { "uri": "untitled:a" } })).await;
    assert_eq!(test.text("untitled:a").await, "new");
    test.close().await;
}

#[cfg(unix)]
#[tokio::test]
async fn uris_are_taken_as_editors_write_them() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    for name in ["[id].ts", "a b.ts", "a%20c.ts", "é.ts"] {
        let uri = format!("file://{}/{name}", root.display());
        let (mut test, _) = Test::open(json!({})).await;
        test.notify("textDocument/didOpen", document(&uri, name)).await;
        assert_eq!(test.text(&uri).await, name);
        test.notify("textDocument/didClose", json!({ "textDocument": { "uri": uri } })).await;
        test.request(1, "no/such", json!({})).await;
        test.expect_error(1, Error::METHOD_NOT_FOUND).await;
        assert!(test.workspace.buffers().is_empty());
        test.close().await;
    }
}

#[tokio::test]
async fn buffers_leave_with_their_editor() {
    let (mut test, _) = Test::open(json!({})).await;
    test.notify("textDocument/didOpen", document("untitled:a", "text")).await;
    let workspace = test.workspace.clone();
    until(|| !workspace.buffers().is_empty()).await;
    test.notify("exit", Value::Null).await;
    test.end().await;
    assert!(workspace.buffers().is_empty());
}

#[cfg(unix)]
#[tokio::test]
async fn folders_come_and_go() {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<std::path::PathBuf> = ["a", "b [1]", "c"].iter().map(|name| folder.path().join(name)).collect();
    let named = |path: &std::path::PathBuf| json!({ "uri": format!("file://{}", path.display()), "name": "x" });
    let params = json!({ "capabilities": {}, "workspaceFolders": [named(&paths[0]), named(&paths[1])] });
    let (mut test, _) = Test::open_with(params).await;
    assert_eq!(test.workspace.roots(), paths[..2]);
    let event = json!({ "added": [named(&paths[2]), named(&paths[1])], "removed": [named(&paths[0])] });
    test.notify("workspace/didChangeWorkspaceFolders", json!({ "event": event })).await;
    let workspace = test.workspace.clone();
    until(|| workspace.roots() == paths[1..]).await;
    test.notify("workspace/didChangeWorkspaceFolders", json!({ "event": {} })).await;
    test.notify("workspace/didChangeWorkspaceFolders", json!({ "event": 5 })).await;
    test.request(1, "no/such", json!({})).await;
    test.expect_error(1, Error::METHOD_NOT_FOUND).await;
    assert_eq!(workspace.roots(), paths[1..]);
    drop(test);
}

/// The editor's side of a sink with these capabilities: what it was asked, and what became of the answer.
async fn apply(capabilities: Value, answer: Result<Value, Error>) -> (Option<Value>, Result<bool, String>) {
    let edit = BufferEdit {
        uri: "file:///a [1].rs".to_owned(),
        version: 7,
        edits: vec![(Position { line: 1, column: 2 }..Position { line: 1, column: 4 }, "new".to_owned())],
        label: "Pillion: edit".to_owned(),
    };
    with_sink(capabilities, answer, async |sink| sink.apply(edit).await.map_err(|error| error.to_string())).await
}

async fn with_sink<T>(
    capabilities: Value,
    answer: Result<Value, Error>,
    ask: impl AsyncFnOnce(Editor) -> T,
) -> (Option<Value>, T) {
    struct Nothing;
    impl crate::rpc::Service for Nothing {
        fn request(&mut self, _: crate::rpc::Reply, _: &str, _: Option<&serde_json::value::RawValue>) {}
        fn notification(&mut self, _: &str, _: Option<&serde_json::value::RawValue>) {}
    }
    let (near, far) = tokio::io::duplex(1 << 16);
    let connection = Connection::new(Settings::LSP);
    let peer = connection.peer().clone();
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(Some(state.path().to_owned())).unwrap();
    let (sidecar, _hub) = Sidecar::without_hub(Workspace::new(Vec::new()), store);
    let abilities = Handshake::read(&json!({ "capabilities": capabilities })).abilities;
    let sink = Editor::new(peer.clone(), None, abilities, &sidecar);
    let mut service = Nothing;
    let served = async {
        let (reader, writer) = tokio::io::split(near);
        connection.serve(reader, writer, &mut service).await
    };
    let asked = async {
        let result = ask(sink).await;
        peer.close();
        result
    };
    let editor = async {
        let (reader, mut writer) = tokio::io::split(far);
        let message = crate::rpc::tests::read_message(&mut tokio::io::BufReader::new(reader)).await?;
        let message: Value = serde_json::from_str(&message).unwrap();
        let id = &message["id"];
        let response = match answer {
            Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
            Err(error) => json!({ "jsonrpc": "2.0", "id": id, "error": error }),
        };
        writer.write_all(&frame(response.to_string())).await.unwrap();
        Some(message["params"].clone())
    };
    let (_, result, params) = tokio::join!(served, asked, editor);
    (params, result)
}

#[tokio::test]
async fn an_edit_names_its_document_as_the_editor_does() {
    let versioned = json!({ "workspace": { "applyEdit": true, "workspaceEdit": { "documentChanges": true } } });
    let edits = json!([{
        "range": { "start": { "line": 1, "character": 2 }, "end": { "line": 1, "character": 4 } },
        "newText": "new",
    }]);
    let document = json!({ "uri": "file:///a [1].rs", "version": 7 });
    let expect = json!({
        "label": "Pillion: edit",
        "edit": { "documentChanges": [{ "textDocument": document, "edits": edits }] },
    });
    assert_eq!(apply(versioned.clone(), Ok(json!({ "applied": true }))).await, (Some(expect), Ok(true)));
    let expect = json!({ "label": "Pillion: edit", "edit": { "changes": { "file:///a [1].rs": edits } } });
    let unversioned = json!({ "workspace": { "applyEdit": true } });
    assert_eq!(apply(unversioned, Ok(json!({ "applied": true }))).await, (Some(expect), Ok(true)));

    let refused = json!({ "applied": false, "failureReason": "stale" });
    assert_eq!(apply(versioned.clone(), Ok(refused)).await.1, Ok(false));
    for answer in [Ok(Value::Null), Ok(json!({})), Err(Error::method_not_found("workspace/applyEdit"))] {
        assert!(apply(versioned.clone(), answer).await.1.is_err());
    }
    let (asked, result) = apply(json!({}), Ok(Value::Null)).await;
    assert!(asked.is_none() && result.unwrap_err().contains("does not take edits"));
}

#[tokio::test]
async fn buffers_are_saved_where_the_editor_can() {
    let save = async |capabilities, answer| {
        let uris = vec!["file:///a".to_owned(), "file:///b".to_owned()];
        with_sink(capabilities, answer, async |sink| sink.save(uris).await.map_err(|error| error.to_string())).await
    };
    let able = json!({ "experimental": { "pillion": { "editorSave": true } } });
    let all = vec!["file:///a".to_owned(), "file:///b".to_owned()];
    let asked = Some(json!({ "uris": all }));
    assert_eq!(
        save(able.clone(), Ok(json!({ "failed": ["file:///b"] }))).await,
        (asked.clone(), Ok(vec![all[1].clone()]))
    );
    assert_eq!(save(able.clone(), Ok(json!({}))).await, (asked, Ok(Vec::new())));
    assert_eq!(save(able.clone(), Err(Error::method_not_found("editor/save"))).await.1, Ok(all.clone()));
    assert!(save(able, Ok(Value::Null)).await.1.is_err());
    assert_eq!(save(json!({}), Ok(Value::Null)).await, (None, Ok(all)));
}
