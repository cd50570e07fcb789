use pillion::tool::Class;
use serde_json::json;

use super::*;

#[tokio::test]
async fn a_new_file_is_made_with_its_folders() {
    let project = Project::new();
    let call = project.call("write", json!({ "path": "a/b/c.txt", "content": "one\n" }));
    let proposal = call.propose().await.unwrap();
    assert_eq!((proposal.class, proposal.title.as_str(), proposal.outside), (Class::Edit, "Create a/b/c.txt", false));
    assert_eq!(proposal.paths, [project.root.join("a/b/c.txt")]);
    assert!(proposal.diff.unwrap().unified.contains("+one"));
    assert!(!project.root.join("a").exists(), "a proposal does nothing");
    let output = call.finish().await.unwrap();
    assert_eq!(text(&output), "Wrote a/b/c.txt.");
    assert!(output.diff.unwrap().unified.contains("+one"));
    assert_eq!(project.on_disk("a/b/c.txt"), "one\n");
    // What it wrote, it has seen.
    project.run("write", json!({ "path": "a/b/c.txt", "content": "two\n" })).await.unwrap();
    assert_eq!(project.on_disk("a/b/c.txt"), "two\n");
}

#[tokio::test]
async fn text_that_was_not_read_whole_is_not_overwritten() {
    let project = Project::new();
    project.file("a.txt", "1\n2\n3\n");
    let write = || project.run("write", json!({ "path": "a.txt", "content": "new\n" }));
    let unread = write().await.unwrap_err();
    assert!(unread.contains("that you have not read as it is now") && unread.contains("Read all of it"), "{unread}");
    project.run("read", json!({ "path": "a.txt", "limit": 2 })).await.unwrap();
    write().await.unwrap_err();
    project.run("read", json!({ "path": "a.txt" })).await.unwrap();
    project.file("a.txt", "1\n2\n3\n4\n");
    write().await.unwrap_err();
    assert_eq!(project.on_disk("a.txt"), "1\n2\n3\n4\n");
    project.run("read", json!({ "path": "a.txt" })).await.unwrap();
    assert_eq!(write().await.unwrap(), "Wrote a.txt.");
    assert_eq!(project.on_disk("a.txt"), "new\n");
    let same = write().await.unwrap_err();
    assert!(same.contains("this very text already"), "{same}");
}

#[tokio::test]
async fn an_empty_file_needs_no_reading() {
    let project = Project::new();
    project.file("a.txt", "");
    project.run("write", json!({ "path": "a.txt", "content": "new\n" })).await.unwrap();
    assert_eq!(project.on_disk("a.txt"), "new\n");
}

#[tokio::test]
async fn only_the_chosen_hunks_are_written() {
    let project = Project::new();
    let old: String = (1..=30).map(|number| format!("{number}\n")).collect();
    project.file("a.txt", &old);
    project.run("read", json!({ "path": "a.txt" })).await.unwrap();
    let new = old.replace("2\n3\n", "two\n3\n").replace("29\n", "last\n");
    let mut call = project.call("write", json!({ "path": "a.txt", "content": new }));
    let proposal = call.propose().await.unwrap();
    assert_eq!(proposal.diff.unwrap().hunks.len(), 2);
    call.context.hunks = Some(vec![1]);
    let output = text(&call.finish().await.unwrap());
    assert!(output.contains("chose only a part") && output.contains("+last") && !output.contains("+two"), "{output}");
    assert_eq!(project.on_disk("a.txt"), old.replace("29\n", "last\n"));
    // The model has not seen this text.
    let unread = project.run("write", json!({ "path": "a.txt", "content": "" })).await.unwrap_err();
    assert!(unread.contains("not read"), "{unread}");
}

#[tokio::test]
async fn where_none_of_the_changes_is_chosen_nothing_is_written() {
    let project = Project::new();
    for (path, content, expect, is_there) in [
        ("folder/new.txt", "one\n", "The person chose none of the changes. Nothing was written.", false),
        // There is nothing to choose from: to allow it is to make it.
        ("empty.txt", "", "Wrote empty.txt.", true),
    ] {
        let mut call = project.call("write", json!({ "path": path, "content": content }));
        call.propose().await.unwrap();
        call.context.hunks = Some(Vec::new());
        assert_eq!(text(&call.finish().await.unwrap()), expect);
        assert_eq!(project.root.join(path).exists(), is_there, "{path}");
    }
    assert!(!project.root.join("folder").exists());
}

#[tokio::test]
async fn what_was_typed_meanwhile_stays() {
    let project = Project::new().with_editor();
    project.file("a.txt", "one\ntwo\nthree\n");
    project.open("a.txt", "one\ntwo\nthree\n");
    project.run("read", json!({ "path": "a.txt" })).await.unwrap();
    let call = project.call("write", json!({ "path": "a.txt", "content": "one\ntwo\n3\n" }));
    call.propose().await.unwrap();
    project.typed("a.txt", 3, "zero\none\ntwo\nthree\n");
    let output = text(&call.finish().await.unwrap());
    assert!(output.contains("has changed elsewhere"), "{output}");
    assert_eq!(project.in_editor("a.txt").await, "zero\none\ntwo\n3\n");
    assert_eq!(project.on_disk("a.txt"), "one\ntwo\nthree\n");
}
