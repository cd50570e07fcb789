use serde_json::json;

use super::*;

async fn check(project: &Project, input: Value, expected: &str) {
    assert_eq!(project.run("grep", input).await.unwrap(), expected);
}

fn project() -> Project {
    let project = Project::new();
    project.file("src/a.rs", "fn one() {}\nlet x = 1;\nfn two() {}\n");
    project.file("src/b.py", "def one(): pass\n");
    project.file("c.txt", "One\r\none\r\n");
    project
}

#[tokio::test]
async fn lines_come_by_file_in_the_order_of_paths() {
    let project = project();
    let expected = "c.txt\n2:one\n\nsrc/a.rs\n1:fn one() {}\n\nsrc/b.py\n1:def one(): pass";
    check(&project, json!({ "pattern": "one" }), expected).await;
    check(&project, json!({ "pattern": "one$" }), "c.txt\n2:one").await;
    check(&project, json!({ "pattern": "ONE", "case_insensitive": true, "path": "c.txt" }), "c.txt\n1:One\n2:one")
        .await;
    check(&project, json!({ "pattern": "zero" }), "no matches found").await;
}

#[tokio::test]
async fn context_is_marked() {
    let project = project();
    let both = "src/a.rs\n1:fn one() {}\n2-let x = 1;\n3:fn two() {}";
    check(&project, json!({ "pattern": "fn", "path": "src/a.rs", "context": 1 }), both).await;
    project.file("long.txt", "hit\n2\n3\n4\n5\nhit\n7\n");
    let apart = "long.txt\n1:hit\n2-2\n--\n5-5\n6:hit\n7-7";
    check(&project, json!({ "pattern": "hit", "path": "long.txt", "before": 1, "after": 1 }), apart).await;
}

#[tokio::test]
async fn files_can_be_chosen() {
    let project = project();
    let files = |mut input: Value| {
        input["output_mode"] = json!("files");
        input["pattern"] = json!("one");
        project.run("grep", input)
    };
    assert_eq!(files(json!({})).await.unwrap(), "c.txt\nsrc/a.rs\nsrc/b.py");
    assert_eq!(files(json!({ "glob": "*.rs" })).await.unwrap(), "src/a.rs");
    assert_eq!(files(json!({ "glob": "src/*" })).await.unwrap(), "src/a.rs\nsrc/b.py");
    assert_eq!(files(json!({ "glob": "!*.rs" })).await.unwrap(), "c.txt\nsrc/b.py");
    assert_eq!(files(json!({ "type": "rust" })).await.unwrap(), "src/a.rs");
    assert_eq!(files(json!({ "type": "py", "path": "src" })).await.unwrap(), "src/b.py");
    let unknown = files(json!({ "type": "rut" })).await.unwrap_err();
    assert!(unknown.contains("no file type `rut`") && unknown.contains("rust"), "{unknown}");
}

#[tokio::test]
async fn counts_are_of_lines() {
    let project = project();
    let expected = "c.txt:1\nsrc/a.rs:2\nsrc/b.py:1";
    check(&project, json!({ "pattern": "one|fn", "output_mode": "counts" }), expected).await;
}

#[tokio::test]
async fn the_cap_comes_after_the_order() {
    let project = Project::new();
    for number in (0..50).rev() {
        project.file(&format!("{number:02}.txt"), "hit\nhit\nhit\n");
    }
    let expected = "00.txt\n1:hit\n2:hit\n3:hit\n\n01.txt\n1:hit\n[the first 4 of 150 matching lines in 50 files; narrow the search]";
    check(&project, json!({ "pattern": "hit", "limit": 4 }), expected).await;
    let expected = "00.txt\n01.txt\n[the first 2 of 50 files; narrow the search or raise the limit]";
    check(&project, json!({ "pattern": "hit", "limit": 2, "output_mode": "files" }), expected).await;
}

#[tokio::test]
async fn a_match_may_span_lines() {
    let project = project();
    let expected = "src/a.rs\n1:fn one() {}\n2:let x = 1;";
    check(&project, json!({ "pattern": "one.*let", "multiline": true }), expected).await;
    check(&project, json!({ "pattern": r"\{\}\nlet" }), expected).await;
}

#[tokio::test]
async fn what_the_editor_shows_is_searched() {
    let project = project();
    project.open("src/a.rs", "typed and not saved\n");
    project.open("src/new.rs", "typed too\n");
    project.workspace.open(project.editor, "untitled:Untitled-1", "plaintext", 1, "typed idea\n");
    let expected = "src/a.rs\n1:typed and not saved\n\nsrc/new.rs\n1:typed too\n\nuntitled:Untitled-1\n1:typed idea";
    check(&project, json!({ "pattern": "typed" }), expected).await;
    check(&project, json!({ "pattern": "typed", "path": "src/new.rs" }), "src/new.rs\n1:typed too").await;
    check(&project, json!({ "pattern": "typed", "path": "untitled:Untitled-1" }), "untitled:Untitled-1\n1:typed idea")
        .await;
    check(&project, json!({ "pattern": "fn one" }), "no matches found").await;
    // A text of several chunks is searched across them.
    let long = format!("{}needle\n", "hay\n".repeat(5_000));
    project.open("src/b.py", &long);
    check(&project, json!({ "pattern": "needle", "path": "src" }), "src/b.py\n5001:needle").await;
}

#[tokio::test]
async fn binary_hidden_and_ignored_files_are_skipped() {
    let project = Project::new();
    project.file("a.bin", b"hit\n\0");
    project.file("late.bin", [b"hit\n".repeat(100_000), b"\0hit\n".to_vec()].concat());
    project.file(".hidden", "hit\n");
    project.file(".gitignore", "ignored\n");
    project.file("ignored", "hit\n");
    project.file(".config/a", "hit\n");
    check(&project, json!({ "pattern": "hit" }), "no matches found").await;
    let all = ".config/a\n1:hit\n\n.hidden\n1:hit\n\nignored\n1:hit";
    check(&project, json!({ "pattern": "hit", "all": true }), all).await;
    check(&project, json!({ "pattern": "hit", "path": ".config" }), ".config/a\n1:hit").await;
}

#[tokio::test]
async fn rules_above_the_searched_folder_hold() {
    let project = Project::new();
    project.file(".gitignore", "*.log\n");
    project.file("sub/a.log", "hit\n");
    project.file("sub/a.txt", "hit\n");
    check(&project, json!({ "pattern": "hit", "path": "sub" }), "sub/a.txt\n1:hit").await;
}

#[tokio::test]
async fn a_long_line_is_shown_around_the_match() {
    let project = Project::new();
    project.file("min.js", format!("{}needle{}\n", "é".repeat(5_000), "b".repeat(5_000)));
    let result = project.run("grep", json!({ "pattern": "needle" })).await.unwrap();
    assert!(result.starts_with("min.js\n1:[...] é") && result.contains("needleb") && result.len() < 600, "{result}");
}

#[tokio::test]
async fn wrong_searches_are_explained() {
    let project = project();
    let bad = project.run("grep", json!({ "pattern": "fn(" })).await.unwrap_err();
    assert!(bad.starts_with("`fn(` is no regular expression") && bad.contains("unclosed group"), "{bad}");
    let missing = project.run("grep", json!({ "pattern": "x", "path": "none" })).await.unwrap_err();
    assert_eq!(missing, "none does not exist");
    let mode = project.run("grep", json!({ "pattern": "x", "output_mode": "lines" })).await.unwrap_err();
    assert!(mode.contains("`output_mode` should be one of \"content\", \"files\", \"counts\""), "{mode}");
    assert!(project.call("grep", json!({ "pattern": "x", "path": "../" })).propose().await.unwrap().outside);
}

#[tokio::test]
async fn a_cancelled_search_says_so() {
    let project = project();
    project.cancel.cancel();
    assert_eq!(project.run("grep", json!({ "pattern": "one" })).await.unwrap_err(), "cancelled");
}

#[tokio::test]
async fn what_is_too_large_is_refused_or_said() {
    let project = Project::new();
    project.file("endless.txt", "x".repeat((64 << 20) + 1));
    let note = "[not searched: 1 files with lines, or matches over lines, too long to be held]";
    check(&project, json!({ "pattern": "one" }), &format!("no matches found\n{note}")).await;
    project.file("short.txt", "one\n");
    check(&project, json!({ "pattern": "one", "multiline": true }), &format!("short.txt\n1:one\n{note}")).await;
    let huge = project.run("grep", json!({ "pattern": r"\w{1000}" })).await.unwrap_err();
    assert!(huge.contains("size limit"), "{huge}");
}

#[tokio::test]
async fn a_result_is_never_longer_than_a_model_can_use() {
    let project = Project::new();
    project.file("many.txt", "one\n".repeat(3000));
    let many = project.run("grep", json!({ "pattern": "one", "limit": 1_000_000 })).await.unwrap();
    assert!(many.ends_with("\n[the first 2000 of 3000 matching lines in 1 file; narrow the search]"));
    project.file("many.txt", format!("one {}\n", "x".repeat(395)).repeat(1000));
    let long = project.run("grep", json!({ "pattern": "one", "limit": 2000 })).await.unwrap();
    assert!((80_000..81_000).contains(&long.len()), "{}", long.len());
    assert!(long.ends_with(" of 1000 matching lines in 1 file; narrow the search]"));
}
