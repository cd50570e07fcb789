use serde_json::json;

use super::*;

async fn found(project: &Project, input: Value) -> Vec<String> {
    let text = project.run("glob", input).await.unwrap();
    text.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn the_newest_come_first() {
    let project = Project::new();
    for (age, path) in ["b.rs", "src/a.rs", "src/deep/c.rs", "src/x.txt"].iter().enumerate() {
        make_older(&project.file(path, ""), 100 * age as u64 + 10);
    }
    assert_eq!(found(&project, json!({ "pattern": "*.rs" })).await, ["b.rs", "src/a.rs", "src/deep/c.rs"]);
    assert_eq!(found(&project, json!({ "pattern": "src/*.rs" })).await, ["src/a.rs"]);
    assert_eq!(
        found(&project, json!({ "pattern": "src/**/*.{rs,txt}" })).await,
        ["src/a.rs", "src/deep/c.rs", "src/x.txt"]
    );
    assert_eq!(found(&project, json!({ "pattern": "**/deep/*" })).await, ["src/deep/c.rs"]);
    assert_eq!(found(&project, json!({ "pattern": "*.rs", "path": "src" })).await, ["src/a.rs", "src/deep/c.rs"]);
    let absolute = project.root.join("src/*.rs");
    assert_eq!(found(&project, json!({ "pattern": absolute })).await, ["src/a.rs"]);
    assert_eq!(found(&project, json!({ "pattern": "*.py" })).await, ["no files found"]);
}

#[tokio::test]
async fn the_cap_is_said() {
    let project = Project::new();
    for number in 0..5 {
        make_older(&project.file(&format!("{number}.txt"), ""), number * 10);
    }
    let capped = found(&project, json!({ "pattern": "*.txt", "limit": 2 })).await;
    assert_eq!(capped, ["0.txt", "1.txt", "[the newest 2 of 5; narrow the pattern or raise the limit]"]);
}

#[tokio::test]
async fn ignored_and_hidden_files_are_left_out_unless_asked_for() {
    let project = Project::new();
    project.file(".gitignore", "target/\n");
    project.file(".ignore", "*.log\n");
    for path in ["a.rs", "target/b.rs", "c.log", ".hidden/d.rs", ".git/e.rs"] {
        project.file(path, "");
    }
    let mut plain = found(&project, json!({ "pattern": "*.{rs,log}" })).await;
    plain.sort();
    assert_eq!(plain, ["a.rs"]);
    assert_eq!(found(&project, json!({ "pattern": ".hidden/*" })).await, [".hidden/d.rs"]);
    assert_eq!(found(&project, json!({ "pattern": "**/.hidden/*.rs" })).await, [".hidden/d.rs"]);
    let mut all = found(&project, json!({ "pattern": "*.{rs,log}", "all": true })).await;
    all.sort();
    assert_eq!(all, [".hidden/d.rs", "a.rs", "c.log", "target/b.rs"]);
}

#[tokio::test]
async fn a_hidden_root_is_searched() {
    let project = Project::new();
    project.file(".config/app/a.rs", "");
    project.workspace.set_roots(vec![project.root.join(".config")]);
    assert_eq!(found(&project, json!({ "pattern": "*.rs" })).await, ["app/a.rs"]);
}

#[tokio::test]
async fn what_is_only_open_is_found() {
    let project = Project::new();
    project.file("old.rs", "");
    project.file("changed.rs", "a");
    make_older(&project.root.join("changed.rs"), 1_000);
    project.open("new/file.rs", "fn new() {}\n");
    project.open("changed.rs", "typed");
    project.workspace.open(project.editor, "untitled:Untitled-1", "rust", 1, "x");
    assert_eq!(found(&project, json!({ "pattern": "*.rs" })).await, ["changed.rs", "new/file.rs", "old.rs"]);
    assert_eq!(found(&project, json!({ "pattern": "Untitled*" })).await, ["untitled:Untitled-1"]);
}

#[tokio::test]
async fn it_is_confined() {
    let project = Project::new();
    let outside = async |input| project.call("glob", input).propose().await.unwrap().outside;
    assert!(!outside(json!({ "pattern": "*" })).await);
    assert!(outside(json!({ "pattern": "*", "path": ".." })).await);
    assert!(outside(json!({ "pattern": "../*" })).await);
    assert!(outside(json!({ "pattern": "none/../../x/*" })).await);
    assert!(outside(json!({ "pattern": "/etc/*" })).await);
    let error = project.run("glob", json!({ "pattern": "a[" })).await.unwrap_err();
    assert!(error.contains("`a[` is no glob pattern"), "{error}");
    let missing = project.run("glob", json!({ "pattern": "*", "path": "none" })).await.unwrap_err();
    assert_eq!(missing, "none does not exist");
}

#[tokio::test]
async fn a_list_is_never_longer_than_a_model_can_use() {
    let project = Project::new();
    (0..500).for_each(|number| drop(project.file(&format!("{number}{}", "x".repeat(200)), "")));
    let long = project.run("glob", json!({ "pattern": "*", "limit": 1_000_000 })).await.unwrap();
    assert!((80_000..81_000).contains(&long.len()), "{}", long.len());
    assert!(long.ends_with(" of 500; narrow the pattern or raise the limit]"));
}
