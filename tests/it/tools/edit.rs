use std::sync::atomic::{AtomicBool, Ordering};

use pillion::tool::Class;
use serde_json::json;

use super::*;

const TEXT: &str = "fn one() {\n    call(1);\n}\n\nfn two() {\n    call(2);\n}\n";

fn project() -> Project {
    let project = Project::new().with_editor();
    project.file("a.rs", TEXT);
    project
}

fn replace(old: &str, new: &str) -> Value {
    json!({ "path": "a.rs", "old_string": old, "new_string": new })
}

#[tokio::test]
async fn one_text_is_replaced() {
    let project = project();
    let call = project.call("edit", replace("call(1)", "call(10)"));
    let proposal = call.propose().await.unwrap();
    assert_eq!((proposal.class, proposal.title.as_str()), (Class::Edit, "Edit a.rs"));
    assert!(proposal.diff.unwrap().unified.contains("-    call(1);\n+    call(10);"));
    assert_eq!(project.on_disk("a.rs"), TEXT);
    let output = call.finish().await.unwrap();
    assert_eq!(text(&output), "Edited a.rs: 1 replacement, at line 2.");
    assert_eq!(output.diff.unwrap().hunks.len(), 1);
    assert_eq!(project.on_disk("a.rs"), TEXT.replace("call(1)", "call(10)"));
}

#[tokio::test]
async fn several_edits_are_one_and_each_sees_those_before() {
    let project = project();
    let edits = json!([
        { "old_string": "fn one()", "new_string": "fn first()" },
        { "old_string": "first() {\n    call(1);", "new_string": "first() {\n    call(one);" },
        { "old_string": "call", "new_string": "ring", "replace_all": true },
    ]);
    let result = project.run("edit", json!({ "path": "a.rs", "edits": edits })).await.unwrap();
    assert_eq!(result, "Edited a.rs: 4 replacements, from lines 1.");
    let expected = "fn first() {\n    ring(one);\n}\n\nfn two() {\n    ring(2);\n}\n";
    assert_eq!(project.on_disk("a.rs"), expected);
    let edits = json!([
        { "old_string": "fn first()", "new_string": "fn uno()" },
        { "old_string": "nowhere", "new_string": "x" },
    ]);
    let miss = project.run("edit", json!({ "path": "a.rs", "edits": edits })).await.unwrap_err();
    assert!(miss.starts_with("Edit 2 of 2: `old_string` is not in a.rs. Nothing was written."), "{miss}");
    assert_eq!(project.on_disk("a.rs"), expected, "all or nothing");
}

#[tokio::test]
async fn misses_say_what_to_do() {
    let project = project();
    let miss = async |old: &str, new: &str| project.run("edit", replace(old, new)).await.unwrap_err();
    let nearest = miss("    call( 2 );", "x").await;
    assert_eq!(
        nearest,
        "`old_string` is not in a.rs. Nothing was written. The nearest text is:\n\n     \
         4\t\n     5\tfn two() {\n     6\t    call(2);\n     7\t}"
    );
    let several = miss("call(", "x").await;
    assert!(
        several.contains("occurs 2 times in a.rs, on lines 2, 6: ") && several.contains("`replace_all`"),
        "{several}"
    );
    assert!(miss("     2\t    call(1);", "x").await.contains("leave out the line numbers"));
    assert!(miss("call", "call").await.contains("are the same"));
    assert!(miss("", "x").await.contains("`old_string` is empty, but a.rs has text"));
    let nothing = project.run("edit", json!({ "path": "a.rs" })).await.unwrap_err();
    assert!(nothing.contains("there is nothing to do"), "{nothing}");
    let missing = project.run("edit", json!({ "path": "b.rs", "old_string": "a", "new_string": "b" })).await;
    assert!(missing.unwrap_err().contains("b.rs does not exist"));
    assert_eq!(project.on_disk("a.rs"), TEXT);
}

#[tokio::test]
async fn an_empty_old_string_makes_a_file() {
    let project = project();
    let new = json!({ "path": "new/b.rs", "old_string": "", "new_string": "fn b() {}\n" });
    project.run("edit", new).await.unwrap();
    assert_eq!(project.on_disk("new/b.rs"), "fn b() {}\n");
    project.file("empty.rs", "");
    project.run("edit", json!({ "path": "empty.rs", "old_string": "", "new_string": "x\n" })).await.unwrap();
    assert_eq!(project.on_disk("empty.rs"), "x\n");
}

#[tokio::test]
async fn line_ends_stay_those_of_the_file() {
    let project = project();
    project.file("a.rs", TEXT.replace('\n', "\r\n"));
    project.run("edit", replace("fn one() {\n    call(1);", "fn one() {\n    call(1);\n    more();")).await.unwrap();
    let expected = TEXT.replace("call(1);\n", "call(1);\n    more();\n").replace('\n', "\r\n");
    assert_eq!(project.on_disk("a.rs"), expected);
}

#[tokio::test]
async fn an_open_buffer_is_edited_and_not_the_file() {
    let project = project();
    project.open("a.rs", &TEXT.replace("call(1)", "typed(1)"));
    project.run("edit", replace("typed(1)", "edited(1)")).await.unwrap();
    assert_eq!(project.in_editor("a.rs").await, TEXT.replace("call(1)", "edited(1)"));
    assert_eq!(project.on_disk("a.rs"), TEXT);
}

#[tokio::test]
async fn an_edit_moves_with_what_is_typed_while_it_waits() {
    let project = project();
    project.open("a.rs", TEXT);
    let call = project.call("edit", replace("call(2)", "call(20)"));
    call.propose().await.unwrap();
    // Another place that matches now does not make it unclear: the anchor says which was meant.
    project.typed("a.rs", 3, &format!("fn zero() {{ call(2); }}\n{TEXT}"));
    let output = text(&call.finish().await.unwrap());
    assert!(output.contains("has changed elsewhere"), "{output}");
    let expected = format!("fn zero() {{ call(2); }}\n{}", TEXT.replace("call(2)", "call(20)"));
    assert_eq!(project.in_editor("a.rs").await, expected);
}

#[tokio::test]
async fn an_edit_of_what_changed_meanwhile_is_refused_with_the_fresh_text() {
    let project = project();
    project.open("a.rs", TEXT);
    let call = project.call("edit", replace("call(2)", "call(20)"));
    call.propose().await.unwrap();
    let typed = TEXT.replace("call(2)", "call(two)");
    project.typed("a.rs", 3, &typed);
    let conflict = call.finish().await.unwrap_err().0;
    assert!(
        conflict.contains("was changed at the place of this edit") && conflict.contains("     6\t    call(two);"),
        "{conflict}"
    );
    assert_eq!(project.in_editor("a.rs").await, typed);
}

#[tokio::test]
async fn another_input_than_the_proposed_is_planned_anew() {
    let project = project();
    let mut call = project.call("edit", replace("call(1)", "call(10)"));
    call.propose().await.unwrap();
    call.input = replace("call(2)", "call(20)");
    call.finish().await.unwrap();
    assert_eq!(project.on_disk("a.rs"), TEXT.replace("call(2)", "call(20)"));
}

#[tokio::test]
async fn an_edit_of_a_known_text_leaves_it_known() {
    let project = project();
    project.run("read", json!({ "path": "a.rs" })).await.unwrap();
    project.run("edit", replace("call(1)", "call(10)")).await.unwrap();
    project.run("write", json!({ "path": "a.rs", "content": "all new\n" })).await.unwrap();
    // One that was never read whole stays unknown.
    project.file("b.rs", TEXT);
    project.run("edit", json!({ "path": "b.rs", "old_string": "call(1)", "new_string": "x" })).await.unwrap();
    project.run("write", json!({ "path": "b.rs", "content": "all new\n" })).await.unwrap_err();
}

/// An editor that never answers.
#[derive(Default)]
struct Silent {
    asked: AtomicBool,
}

#[async_trait]
impl BufferSink for Silent {
    async fn apply(&self, _: BufferEdit) -> Result<bool, SinkError> {
        self.asked.store(true, Ordering::Relaxed);
        std::future::pending().await
    }

    async fn save(&self, _: Vec<String>) -> Result<Vec<String>, SinkError> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_cancel_does_not_wait_for_a_silent_editor() {
    let mut project = project();
    let editor = Arc::new(Silent::default());
    project.editor = project.workspace.attach(PositionEncoding::Utf16, editor.clone());
    project.open("a.rs", TEXT);
    let call = project.call("edit", replace("call(1)", "call(10)"));
    let cancelling = async {
        until("the editor is asked", || editor.asked.load(Ordering::Relaxed)).await;
        project.cancel.cancel();
    };
    let (result, ()) = tokio::join!(call.both(), cancelling);
    assert_eq!(result.unwrap_err().0, "cancelled. a.rs may have been changed or not: read it again");
    assert_eq!(project.run("edit", replace("call(1)", "call(10)")).await.unwrap_err(), "cancelled");
}

#[tokio::test]
async fn a_file_that_other_programs_run_is_a_risk() {
    let project = project();
    let risk = Some("Other programs run what stands in this file.");
    for (path, expect) in [(".git/hooks/pre-commit", risk), (".envrc", risk), ("src/new.rs", None)] {
        let edit = json!({ "path": path, "old_string": "", "new_string": "x\n" });
        let write = json!({ "path": path, "content": "x\n" });
        for (tool, input) in [("edit", edit), ("write", write)] {
            let proposal = project.call(tool, input).propose().await.unwrap();
            assert_eq!(proposal.risk.as_deref(), expect, "{tool} {path}");
        }
    }
}
