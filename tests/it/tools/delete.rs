use pillion::tool::Class;
use serde_json::json;

use super::*;

async fn deleted(project: &Project, path: &str, recursive: bool) -> Result<String, String> {
    project.run("delete", json!({ "path": path, "recursive": recursive })).await
}

/// Where the result says that something is kept.
fn kept(said: &str) -> PathBuf {
    let (_, rest) = said.split_once("It is kept as ").unwrap_or_else(|| panic!("{said}"));
    PathBuf::from(rest.split_once("; to have it back").unwrap().0)
}

#[tokio::test]
async fn a_file_goes_and_can_come_back() {
    let project = Project::new();
    project.file("dir/a.txt", "precious");
    let call = project.call("delete", json!({ "path": "dir/a.txt" }));
    let proposal = call.propose().await.unwrap();
    assert_eq!((proposal.class, proposal.title.as_str()), (Class::Edit, "Delete dir/a.txt"));
    assert_eq!((proposal.outside, proposal.risk), (false, None));
    let said = text(&call.finish().await.unwrap());
    assert!(!project.root.join("dir/a.txt").exists());
    let kept = kept(&said);
    assert_eq!(fs::read_to_string(&kept).unwrap(), "precious");
    project.run("move", json!({ "from": kept, "to": "dir/a.txt" })).await.unwrap();
    assert_eq!(project.on_disk("dir/a.txt"), "precious");
}

#[tokio::test]
async fn a_folder_needs_its_word_and_shows_what_goes() {
    let project = Project::new();
    for number in 0..12 {
        project.file(&format!("dir/{number:02}.txt"), "12345");
    }
    project.file("dir/sub/.git/HEAD", "x");
    let refused = deleted(&project, "dir", false).await.unwrap_err();
    assert!(refused.contains("dir is a folder with 13 files and 2 folders in it. Nothing was deleted"), "{refused}");
    let call = project.call("delete", json!({ "path": "dir", "recursive": true }));
    let proposal = call.propose().await.unwrap();
    assert_eq!(proposal.title, "Delete folder dir");
    let risk = proposal.risk.unwrap();
    assert!(risk.starts_with("It deletes 13 files and 2 folders (61 bytes): 00.txt, 01.txt, "), "{risk}");
    assert!(risk.contains("09.txt and 3 more. The history of a git repository"), "{risk}");
    let said = text(&call.finish().await.unwrap());
    assert!(!project.root.join("dir").exists());
    assert_eq!(fs::read_to_string(kept(&said).join("sub/.git/HEAD")).unwrap(), "x");

    fs::create_dir(project.root.join("empty")).unwrap();
    deleted(&project, "empty", false).await.unwrap();
    assert!(!project.root.join("empty").exists());
}

#[tokio::test]
async fn a_denied_deletion_leaves_no_trace() {
    let project = Project::new();
    project.file("a.txt", "a");
    let before = fs::read_dir(project.outside()).unwrap().count();
    project.call("delete", json!({ "path": "a.txt" })).propose().await.unwrap();
    assert_eq!(project.on_disk("a.txt"), "a");
    assert_eq!(fs::read_dir(project.outside()).unwrap().count(), before);
}

#[tokio::test]
async fn what_the_person_was_not_shown_does_not_go() {
    let project = Project::new();
    project.file("dir/a.txt", "a");
    let call = project.call("delete", json!({ "path": "dir", "recursive": true }));
    call.propose().await.unwrap();
    project.file("dir/new.txt", "new");
    let error = call.finish().await.unwrap_err().0;
    assert!(error.contains("not what it was when the person was asked"), "{error}");
    assert_eq!(project.on_disk("dir/new.txt"), "new");
}

#[tokio::test]
async fn what_is_not_saved_is_never_thrown_away() {
    let project = Project::new();
    project.file("dir/a.txt", "saved");
    project.open("dir/a.txt", "typed");
    for (path, recursive) in [("dir/a.txt", false), ("dir", true)] {
        let error = deleted(&project, path, recursive).await.unwrap_err();
        assert!(error.contains("not saved. Nothing was deleted"), "{error}");
    }
    // Nor what is typed while the person is being asked.
    project.file("b.txt", "saved");
    let call = project.call("delete", json!({ "path": "b.txt" }));
    call.propose().await.unwrap();
    project.open("b.txt", "typed");
    assert!(call.finish().await.unwrap_err().0.contains("not saved"));
    assert_eq!((project.on_disk("dir/a.txt"), project.on_disk("b.txt")), ("saved".into(), "saved".into()));

    project.file("c.txt", "saved");
    project.workspace.open(project.editor, &project.uri("c.txt"), "plaintext", 1, "saved");
    let said = deleted(&project, "c.txt", false).await.unwrap();
    assert!(said.contains("The editor still shows c.txt"), "{said}");
}

#[tokio::test]
async fn roots_and_git_are_refused_and_links_are_not_followed() {
    let project = Project::new();
    project.file("a.txt", "a");
    project.file(".git/HEAD", "x");
    for path in [".", "..", "/", ".git", ".git/HEAD", "none", ""] {
        assert!(deleted(&project, path, true).await.is_err(), "{path}");
    }
    let outside = project.outside().join("outside.txt");
    fs::write(&outside, "x").unwrap();
    let proposal = project.call("delete", json!({ "path": "../outside.txt" })).propose().await.unwrap();
    assert!(proposal.outside);
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&outside, project.root.join("link")).unwrap();
        let proposal = project.call("delete", json!({ "path": "link" })).propose().await.unwrap();
        assert!(!proposal.outside, "the link itself is inside");
        deleted(&project, "link", false).await.unwrap();
        assert!(fs::symlink_metadata(project.root.join("link")).is_err());
    }
    assert!(outside.exists() && project.root.join("a.txt").exists() && project.root.join(".git/HEAD").exists());
}

#[tokio::test]
async fn without_a_place_to_keep_it_nothing_goes() {
    let mut project = Project::new();
    project.tools =
        Registry::standard_with(Standard { bins: Bins { trash: false, kept_in: None }, ..Standard::default() });
    project.file("a.txt", "a");
    assert!(deleted(&project, "a.txt", false).await.unwrap_err().contains("no folder to keep it in"));
    assert_eq!(project.on_disk("a.txt"), "a");
}
