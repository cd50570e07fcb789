//! Files as the client shows them.

use serde_json::{Value, json};

use super::{Chat, files};
use crate::support::{Ground, script, text};

fn editing() -> Value {
    script::always(json!([
        {"toolCall": {"name": "edit", "input": {"path": "a.txt", "old_string": "two", "new_string": "zwei"}}},
    ]))
}

#[tokio::test]
async fn an_edit_lands_in_the_buffer_and_not_on_the_disk() {
    let ground = Ground::new(&editing());
    let path = ground.write("a.txt", "one\n");
    let (mut chat, session) = Chat::in_session(&ground, files()).await;
    chat.buffers.insert(path.clone(), "one\ntwo\nthree".to_owned());
    assert_eq!(chat.prompt(&session, "go").await, "end_turn");
    assert_eq!(chat.buffers[&path], "one\nzwei\nthree");
    assert_eq!(std::fs::read_to_string(&path).expect("the file"), "one\n");
    assert_eq!(chat.ends(), ["completed"]);
    let asked = chat.asked("session/request_permission")[0];
    assert_eq!(asked["sessionId"], session);
    let diff = &asked["toolCall"]["content"][0];
    assert_eq!((text(&diff["oldText"]), text(&diff["newText"])), ("one\ntwo\nthree".into(), "one\nzwei\nthree".into()));
    let call = &chat.updates("tool_call")[0]["toolCallId"];
    assert_eq!(&asked["toolCall"]["toolCallId"], call);
}

#[tokio::test]
async fn what_is_typed_meanwhile_stays() {
    let ground = Ground::new(&editing());
    let path = ground.write("a.txt", "one\ntwo\n");
    let (mut chat, session) = Chat::in_session(&ground, files()).await;
    chat.typed = vec![(path.clone(), "typed\none\ntwo\n".to_owned())];
    chat.prompt(&session, "go").await;
    // Saved by then or not: it goes through the client.
    assert_eq!(chat.buffers[&path], "typed\none\nzwei\n");
    assert_eq!(std::fs::read_to_string(&path).expect("the file"), "one\ntwo\n");
    // At the very place of the edit nothing is written.
    chat.buffers.insert(path.clone(), "typed\none\ntwo\n".to_owned());
    chat.typed = vec![(path.clone(), "typed\none\nt w o\n".to_owned())];
    let writes = chat.asked("fs/write_text_file").len();
    chat.prompt(&session, "again").await;
    assert_eq!(chat.buffers[&path], "typed\none\nt w o\n");
    assert_eq!(chat.asked("fs/write_text_file").len(), writes);
    assert_eq!(chat.ends(), ["completed", "failed"]);
    assert!(chat.results().contains("t w o"), "{}", chat.results());
}

#[tokio::test]
async fn a_text_that_the_client_changes_as_it_takes_it_is_told() {
    let ground = Ground::new(&json!([
        {"match": "go", "steps": [{"toolCall": {"name": "edit", "input": {
            "path": "a.txt", "old_string": "two", "new_string": "zwei"}}}]},
        {"match": "look", "steps": [{"toolCall": {"name": "read", "input": {"path": "a.txt"}}}]},
        {"afterTools": true, "steps": [{"text": "done"}], "reuse": true},
    ]));
    let path = ground.write("a.txt", "one\ntwo\n");
    let (mut chat, session) = Chat::in_session(&ground, files()).await;
    chat.adds_newline = true;
    chat.prompt(&session, "go").await;
    assert_eq!(std::fs::read_to_string(&path).expect("the file"), "one\nzwei\n\n");
    assert_eq!(chat.ends(), ["completed"]);
    chat.prompt(&session, "look").await;
    assert!(chat.results().contains("     2\\tzwei\\n     3\\t\\n"), "{}", chat.results());
}

#[tokio::test]
async fn without_files_the_disk_is_read_and_written() {
    let ground = Ground::new(&editing());
    let path = ground.write("a.txt", "one\r\ntwo\r\n");
    let (mut chat, session) = Chat::in_session(&ground, json!({})).await;
    chat.prompt(&session, "go").await;
    assert_eq!(std::fs::read_to_string(&path).expect("the file"), "one\r\nzwei\r\n");
    assert!(chat.heard.iter().all(|message| !text_of(message).starts_with("fs/")));
}

fn text_of(message: &Value) -> &str {
    message["method"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn a_client_that_only_reads_gets_no_edit_over_what_is_not_saved() {
    let ground = Ground::new(&editing());
    let path = ground.write("a.txt", "one\ntwo\n");
    let reads = json!({"fs": {"readTextFile": true}});
    let (mut chat, session) = Chat::in_session(&ground, reads).await;
    chat.prompt(&session, "go").await;
    assert_eq!(std::fs::read_to_string(&path).expect("the file"), "one\nzwei\n");
    chat.buffers.insert(path.clone(), "one\ntwo\nunsaved\n".to_owned());
    chat.prompt(&session, "again").await;
    assert_eq!(std::fs::read_to_string(&path).expect("the file"), "one\nzwei\n");
    assert_eq!(chat.ends(), ["completed", "failed"]);
    assert!(chat.results().contains("Save it there first"), "{}", chat.results());
}

#[tokio::test]
async fn line_ends_of_the_disk_survive_a_client_that_shows_others() {
    let ground = Ground::new(&editing());
    let path = ground.write("a.txt", "one\r\ntwo\r\n");
    let (mut chat, session) = Chat::in_session(&ground, files()).await;
    chat.buffers.insert(path.clone(), "one\ntwo\nthree\n".to_owned());
    chat.prompt(&session, "go").await;
    assert_eq!(chat.buffers[&path], "one\r\nzwei\r\nthree\r\n");
}

#[tokio::test]
async fn a_new_file_goes_through_the_client_into_a_folder_that_is_made() {
    let ground = Ground::new(&script::always(json!([
        {"toolCall": {"name": "write", "input": {"path": "new/deep/a.txt", "content": "made\n"}}},
    ])));
    let (mut chat, session) = Chat::in_session(&ground, files()).await;
    chat.prompt(&session, "go").await;
    let path = ground.project().join("new/deep/a.txt");
    assert_eq!(std::fs::read_to_string(&path).expect("the file"), "made\n");
    assert_eq!(chat.asked("fs/write_text_file")[0]["path"], json!(path));
    let diff = &chat.asked("session/request_permission")[0]["toolCall"]["content"][0];
    assert_eq!((&diff["oldText"], &diff["newText"]), (&Value::Null, &json!("made\n")));
}

#[tokio::test]
async fn searches_see_what_is_not_saved_and_commands_say_that_they_do_not() {
    let ground = Ground::new(&script::always(json!([
        {"toolCall": {"name": "read", "input": {"path": "a.txt"}}},
        {"toolCall": {"name": "grep", "input": {"pattern": "unsaved", "output_mode": "content"}}},
        {"toolCall": {"name": "bash", "input": {"command": "cat a.txt"}}},
    ])));
    let path = ground.write("a.txt", "saved\n");
    let (mut chat, session) = Chat::in_session(&ground, files()).await;
    chat.buffers.insert(path.clone(), "an unsaved line\n".to_owned());
    chat.prompt(&session, "go").await;
    let results = chat.results();
    assert!(results.contains("     1\\tan unsaved line"), "{results}");
    assert!(results.contains("a.txt") && results.contains("an unsaved line"), "{results}");
    assert!(results.contains("saved\\n") && results.contains("without the unsaved changes"), "{results}");
    // Once it is saved, nothing of it is remembered.
    chat.buffers.clear();
    std::fs::write(&path, "nothing\n").expect("the file");
    let before = chat.results().len();
    chat.prompt(&session, "again").await;
    let results = chat.results().split_off(before);
    assert!(!results.contains("unsaved"), "{results}");
}

#[tokio::test]
async fn what_is_no_text_is_never_taken_from_the_client() {
    let ground = Ground::new(&script::always(json!([{"toolCall": {"name": "read", "input": {"path": "latin.txt"}}}])));
    let path = ground.project().join("latin.txt");
    std::fs::write(&path, b"caf\xe9\n").expect("the file");
    let (mut chat, session) = Chat::in_session(&ground, files()).await;
    chat.buffers.insert(path, "caf\u{fffd}\n".to_owned());
    chat.prompt(&session, "go").await;
    assert!(chat.results().contains("café"), "{}", chat.results());
}
