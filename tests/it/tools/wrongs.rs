//! What others got wrong, shown right.

use serde_json::json;

use super::*;

#[tokio::test]
async fn grep_under_a_dot_directory_root_finds_what_is_there() {
    let mut project = Project::new();
    let root = project.outside().join(".config/nvim");
    fs::create_dir_all(&root).unwrap();
    fs::write(root.join("init.lua"), "needle\n").unwrap();
    project.workspace = Workspace::new(vec![root]);
    for tool in ["grep", "glob"] {
        let input = if tool == "grep" { json!({ "pattern": "needle" }) } else { json!({ "pattern": "*.lua" }) };
        assert!(project.run(tool, input).await.unwrap().contains("init.lua"), "{tool}");
    }
    assert_eq!(project.run("list", json!({})).await.unwrap(), "init.lua");
}

#[tokio::test]
async fn grep_later_files_lose_no_matches_to_earlier_ones() {
    let project = Project::new();
    for number in 0..30 {
        project.file(&format!("{number:02}.txt"), "needle\n".repeat(3));
    }
    // The searched text ends within what its reader looks at: what is left of one file must not hide the next.
    project.file("05.txt", "x".repeat(100_000) + "\nneedle\n");
    project.file("06.txt", "bin\0ary needle\n");
    let counts = project.run("grep", json!({ "pattern": "needle", "output_mode": "counts" })).await.unwrap();
    for number in (0..30).filter(|number| *number != 6) {
        let expected = if number == 5 { "05.txt:1".to_owned() } else { format!("{number:02}.txt:3") };
        assert!(counts.lines().any(|line| line == expected), "{number}: {counts}");
    }
}

#[tokio::test]
async fn read_past_the_end_is_an_error_that_says_where_the_end_is() {
    let project = Project::new();
    project.file("a.txt", "one\ntwo\n");
    let past = project.run("read", json!({ "path": "a.txt", "offset": 3 })).await.unwrap_err();
    assert_eq!(past, "a.txt has 2 lines, so there is nothing at line 3");
    let far = project.run("read", json!({ "path": "a.txt", "offset": usize::MAX, "limit": usize::MAX })).await;
    assert!(far.unwrap_err().contains("has 2 lines"));
}

#[tokio::test]
async fn root_none_up_up_x_is_outside_for_every_tool() {
    let project = Project::new();
    fs::write(project.outside().join("x"), "secret").unwrap();
    let path = project.root.join("none/../../x").display().to_string();
    for (tool, input) in [
        ("read", json!({ "path": path })),
        ("read", json!({ "path": "none/../../x" })),
        ("write", json!({ "path": "none/../../y", "content": "" })),
        ("edit", json!({ "path": path, "old_string": "secret", "new_string": "" })),
        ("delete", json!({ "path": path })),
        ("move", json!({ "from": path, "to": "x" })),
        ("list", json!({ "path": "none/../.." })),
        ("grep", json!({ "pattern": "secret", "path": "none/../.." })),
        ("glob", json!({ "pattern": "*", "path": "none/../.." })),
        ("bash", json!({ "command": "pwd", "cwd": "none/../.." })),
    ] {
        let proposal =
            project.call(tool, input.clone()).propose().await.unwrap_or_else(|error| panic!("{input}: {error}"));
        assert!(proposal.outside, "{tool} {input}");
    }
}

#[tokio::test]
async fn why_a_change_outside_cannot_be_made_is_said_by_its_run_alone() {
    let project = Project::new();
    project.file("a.txt", "a");
    fs::write(project.outside().join("key"), "-----BEGIN KEY-----\nsecret\n").unwrap();
    fs::create_dir_all(project.outside().join("full/of")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("../key", project.root.join("doc.md")).unwrap();
    let miss = |path| json!({ "path": path, "old_string": "-----BEGIN KEY----\nx", "new_string": "y" });
    for (tool, input, why) in [
        ("edit", miss("../key"), "secret"),
        #[cfg(unix)]
        ("edit", miss("doc.md"), "secret"),
        ("write", json!({ "path": "../key", "content": "x" }), "has text that you have not read"),
        ("delete", json!({ "path": "../full" }), "is a folder with 1 folder in it"),
        ("move", json!({ "from": "a.txt", "to": "../key" }), "exists already"),
    ] {
        let call = project.call(tool, input.clone());
        let proposal = call.propose().await.unwrap_or_else(|error| panic!("{input}: {error}"));
        assert!(proposal.outside && proposal.diff.is_none(), "{tool} {input}");
        assert!(proposal.risk.unwrap().contains("cannot be done"), "{tool} {input}");
        // What has become possible meanwhile was shown to nobody.
        fs::write(project.outside().join("key"), "-----BEGIN KEY----\nx").unwrap();
        let error = call.finish().await.unwrap_err().0;
        assert!(error.contains(why), "{tool} {input}: {error}");
        fs::write(project.outside().join("key"), "-----BEGIN KEY-----\nsecret\n").unwrap();
    }
    let nothing = project.call("edit", json!({ "path": "../key" })).propose().await;
    assert!(nothing.unwrap_err().0.contains("nothing to do"), "of the input alone");
}

#[tokio::test]
async fn what_a_command_wrote_to_an_open_file_is_told_of_where_the_editor_does_not_show_it() {
    let project = Project::with_limits(Limits { settle: Duration::from_millis(20), ..Limits::default() }).with_editor();
    project.file("f.txt", "one\nkeep\n");
    project.open("f.txt", "one\nkeep\n");
    let read = async || project.run("read", json!({ "path": "f.txt" })).await.unwrap();
    assert_eq!(read().await, "     1\tone\n     2\tkeep");
    let command = json!({ "command": "echo two > f.txt; echo keep >> f.txt; echo tail >> f.txt" });
    project.run("bash", command).await.unwrap();
    assert!(read().await.contains("\tkeep\n[on the disk f.txt has another text"), "{}", read().await);
    let found = project.run("grep", json!({ "pattern": "two" })).await.unwrap();
    assert!(found.starts_with("no matches found\n[on the disk") && found.ends_with("f.txt]"), "{found}");
    let edit = json!({ "path": "f.txt", "old_string": "keep", "new_string": "kept" });
    let edited = project.run("edit", edit).await.unwrap();
    assert!(edited.contains("[Someone else has written the file"), "{edited}");
    let seen = project.run("bash", json!({ "command": "cat f.txt" })).await.unwrap();
    assert!(seen.starts_with("two\nkeep\ntail\n[") && seen.contains("without the unsaved changes"), "{seen}");
    assert_eq!(project.in_editor("f.txt").await, "one\nkept\n");
}

#[tokio::test]
async fn an_encoding_other_than_utf_8_is_told_of() {
    let project = Project::new();
    project.file("mixed.py", b"# na\xC3\xAFve \xE2\x80\x93 ok\nprint(\"a\")\n# caf\xE9\n");
    project.file("old.txt", b"caf\xE9\n");
    let read = async |path| project.run("read", json!({ "path": path })).await.unwrap();
    let mixed = read("mixed.py").await;
    assert!(mixed.contains("naïve – ok") && mixed.contains("[some bytes of the file are not UTF-8"), "{mixed}");
    assert!(read("old.txt").await.contains("café\n[the file is not UTF-8 but Latin-1"));
    let edit = json!({ "path": "mixed.py", "old_string": "\"a\"", "new_string": "\"ü→\"" });
    project.run("edit", edit).await.unwrap();
    let edited = fs::read(project.root.join("mixed.py")).unwrap();
    assert_eq!(edited, "# naïve – ok\nprint(\"ü→\")\n# caf".bytes().chain(*b"\xE9\n").collect::<Vec<_>>());
}

#[tokio::test]
async fn replace_checks_that_there_is_one_place() {
    let project = Project::new();
    project.file("a.txt", "same\nsame\n");
    let edit = json!({ "path": "a.txt", "old_string": "same", "new_string": "other" });
    let error = project.run("edit", edit).await.unwrap_err();
    assert!(error.contains('2'), "{error}");
    assert_eq!(project.on_disk("a.txt"), "same\nsame\n");
}
