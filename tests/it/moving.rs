//! Moves and deletions through the real server, with an editor at the other end.

use serde_json::{Value, json};

use crate::support::{Client, Ground, everything, script, text};

fn capabilities(operations: Value) -> Value {
    json!({
        "general": {"positionEncodings": ["utf-8"]},
        "workspace": {
            "applyEdit": true,
            "workspaceEdit": {"documentChanges": true, "resourceOperations": operations},
            "workspaceFolders": true,
        },
        "experimental": {"pillion": everything()},
    })
}

fn moving() -> Value {
    script::always(json!([{"toolCall": {"name": "move", "input": {"from": "a b.txt", "to": "deep/c.txt"}}}]))
}

async fn allow(client: &mut Client) -> Value {
    let (reply, params) = client.asked("approval/request").await;
    reply.send(Ok(json!({"type": "allow", "scope": "once"})));
    params["approval"].clone()
}

fn result(events: &[Value]) -> &Value {
    events.iter().find(|event| event["type"] == "toolResult").expect("a result")
}

#[tokio::test]
async fn an_open_buffer_moves_over_the_editor_with_what_is_typed() {
    let ground = Ground::new(&moving());
    ground.write("a b.txt", "saved\n");
    let mut client = ground.client_with(capabilities(json!(["create", "rename"]))).await;
    let old = ground.uri("a%20b.txt");
    client.open(&old, "saved\n");
    client.change(&old, 2, json!([{"text": "typed\n"}]));
    let session = client.new_session().await;
    client.start(&session, "move it").await;
    let approval = allow(&mut client).await;
    assert_eq!((&approval["title"], &approval["class"]), (&json!("Move a b.txt to deep/c.txt"), &json!("edit")));

    let (reply, params) = client.asked("workspace/applyEdit").await;
    let operation = &params["edit"]["documentChanges"][0];
    let new = ground.uri("deep/c.txt");
    let options = json!({"overwrite": false, "ignoreIfExists": false});
    assert_eq!(*operation, json!({"kind": "rename", "oldUri": old, "newUri": new, "options": options}));
    std::fs::create_dir(ground.project().join("deep")).expect("a folder");
    std::fs::rename(ground.project().join("a b.txt"), ground.project().join("deep/c.txt")).expect("a move");
    client.peer.notify("textDocument/didClose", &json!({"textDocument": {"uri": old}}));
    client.open(&new, "typed\n");
    reply.send(Ok(json!({"applied": true})));
    let events = client.events_until(&session, "turnEnded").await;
    assert_eq!(result(&events)["text"], "Moved a b.txt to deep/c.txt.");
    let on_disk = std::fs::read_to_string(ground.project().join("deep/c.txt")).expect("the file");
    assert_eq!(on_disk, "saved\n", "what is typed stays the editor's");
}

#[tokio::test]
async fn an_editor_without_moves_keeps_its_unsaved_buffer() {
    let ground = Ground::new(&moving());
    ground.write("a b.txt", "saved\n");
    let mut client = ground.client_with(capabilities(json!(["create"]))).await;
    let old = ground.uri("a%20b.txt");
    client.open(&old, "saved\n");
    client.change(&old, 2, json!([{"text": "typed\n"}]));
    let session = client.new_session().await;
    client.start(&session, "move it").await;
    allow(&mut client).await;
    let (reply, params) = client.asked("editor/save").await;
    assert_eq!(params["uris"], json!([old]));
    reply.send(Ok(json!({"failed": [old]})));
    let events = client.events_until(&session, "turnEnded").await;
    assert_eq!(result(&events)["status"], "failed");
    assert!(text(&result(&events)["text"]).contains("changes that are not saved"), "{}", result(&events));
    assert!(ground.project().join("a b.txt").exists() && !ground.project().join("deep").exists());
}

#[tokio::test]
async fn a_denied_deletion_leaves_the_file_and_nothing_else() {
    let ground = Ground::new(&script::always(json!([{"toolCall": {"name": "delete", "input": {"path": "a.txt"}}}])));
    ground.write("a.txt", "precious");
    let mut client = ground.client(everything()).await;
    let session = client.new_session().await;
    client.start(&session, "delete it").await;
    let (reply, _) = client.asked("approval/request").await;
    reply.send(Ok(json!({"type": "deny"})));
    client.events_until(&session, "turnEnded").await;
    assert!(ground.project().join("a.txt").exists());
    assert!(!ground.state().join("deleted").exists());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_is_deleted_goes_to_the_trash_or_is_kept_in_the_state_folder() {
    for has_trash in [true, false] {
        let mut ground =
            Ground::new(&script::always(json!([{"toolCall": {"name": "delete", "input": {"path": "a.txt"}}}])));
        let data = ground.folder().join("data");
        if !has_trash {
            // A file where a folder should be.
            std::fs::write(&data, "").expect("a file");
        }
        ground.env.push(("XDG_DATA_HOME".to_owned(), data.display().to_string()));
        ground.write("a.txt", "precious");
        let mut client = ground.client(everything()).await;
        let session = client.new_session().await;
        client.start(&session, "delete it").await;
        allow(&mut client).await;
        let events = client.events_until(&session, "turnEnded").await;
        let said = text(&result(&events)["text"]);
        assert!(!ground.project().join("a.txt").exists());
        if has_trash {
            assert!(said.contains("it is in the trash"), "{said}");
            assert_eq!(std::fs::read_to_string(data.join("Trash/files/a.txt")).expect("it is there"), "precious");
        } else {
            let (_, kept) = said.split_once("It is kept as ").expect("where it is");
            let kept = kept.split_once("; to have it back").expect("its end").0;
            assert!(std::path::Path::new(kept).starts_with(ground.state().canonicalize().expect("it").join("deleted")));
            assert_eq!(std::fs::read_to_string(kept).expect("it is there"), "precious");
        }
    }
}
