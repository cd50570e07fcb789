use serde_json::json;

use super::*;

async fn list(project: &Project, input: Value) -> String {
    project.run("list", input).await.unwrap()
}

fn project() -> Project {
    let project = Project::new();
    project.file("b.txt", "");
    project.file("a/x.rs", "");
    project.file("a/deep/y.rs", "");
    project.file(".hidden", "");
    project.file(".gitignore", "target\n");
    project.file("target/out", "");
    project.file(".git/HEAD", "");
    project
}

#[tokio::test]
async fn a_folder_is_listed_as_deep_as_asked() {
    let project = project();
    let left_out = "[hidden or ignored, left out here: .gitignore, .hidden, target; `all` shows them]";
    assert_eq!(list(&project, json!({})).await, format!("a/\nb.txt\n{left_out}"));
    assert_eq!(
        list(&project, json!({ "depth": 9 })).await,
        format!("a/\na/deep/\na/deep/y.rs\na/x.rs\nb.txt\n{left_out}")
    );
    assert_eq!(list(&project, json!({ "path": "a" })).await, "a/deep/\na/x.rs");
    let all = list(&project, json!({ "all": true, "depth": 2 })).await;
    assert_eq!(all, ".gitignore\n.hidden\na/\na/deep/\na/x.rs\nb.txt\ntarget/\ntarget/out");
}

#[tokio::test]
async fn what_is_only_in_the_editor_is_listed() {
    let project = project();
    project.open("a/new.rs", "typed");
    project.open("c/d/new.rs", "typed");
    assert_eq!(list(&project, json!({ "path": "a" })).await, "a/deep/\na/new.rs (not saved yet)\na/x.rs");
    let shallow = list(&project, json!({})).await;
    assert!(shallow.contains("b.txt\nc/ (not saved yet)\n") && !shallow.contains("c/d"), "{shallow}");
    let deep = list(&project, json!({ "depth": 3 })).await;
    assert!(deep.contains("c/d/ (not saved yet)\nc/d/new.rs (not saved yet)"), "{deep}");
}

#[tokio::test]
async fn a_long_listing_is_sorted_before_it_is_cut() {
    let project = Project::new();
    for number in (0..50).rev() {
        project.file(&format!("{number:02}"), "");
    }
    let listed = list(&project, json!({ "limit": 3 })).await;
    assert_eq!(listed, "00\n01\n02\n[the first 3 of 50; list a folder below, or raise the limit]");
}

#[tokio::test]
async fn what_is_no_folder_is_told() {
    let project = project();
    let error = async |path: &str| project.run("list", json!({ "path": path })).await.unwrap_err();
    assert!(error("b.txt").await.contains("is a file, not a folder"));
    assert!(error("none").await.contains("does not exist"));
    fs::create_dir(project.root.join("empty")).unwrap();
    assert_eq!(list(&project, json!({ "path": "empty" })).await, "(nothing)");
    let outside = project.call("list", json!({ "path": ".." })).propose().await.unwrap();
    assert!(outside.outside);
}
