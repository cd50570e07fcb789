use pillion::tool::Class;
use serde_json::json;

use super::*;

async fn moved(project: &Project, from: &str, to: &str) -> Result<String, String> {
    project.run("move", json!({ "from": from, "to": to })).await
}

#[tokio::test]
async fn files_and_folders_move_and_missing_folders_are_made() {
    let project = Project::new();
    project.file("a.txt", "a");
    project.file("dir/deep/b.txt", "b");
    let call = project.call("move", json!({ "from": "a.txt", "to": "new/place/c.txt" }));
    let proposal = call.propose().await.unwrap();
    assert_eq!((proposal.class, proposal.title.as_str()), (Class::Edit, "Move a.txt to new/place/c.txt"));
    assert_eq!(proposal.paths, [project.root.join("a.txt"), project.root.join("new/place/c.txt")]);
    assert!(!proposal.outside && !project.root.join("new").exists(), "nothing is made before it is allowed");
    assert_eq!(text(&call.finish().await.unwrap()), "Moved a.txt to new/place/c.txt.");
    assert_eq!(project.on_disk("new/place/c.txt"), "a");
    assert!(!project.root.join("a.txt").exists());

    assert_eq!(moved(&project, "dir", "other").await.unwrap(), "Moved dir to other.");
    assert_eq!(project.on_disk("other/deep/b.txt"), "b");
    assert!(!project.root.join("dir").exists());
}

#[tokio::test]
async fn nothing_is_overwritten_and_nothing_strange_is_moved() {
    let project = Project::new();
    project.file("a.txt", "a");
    project.file("b.txt", "b");
    project.file("dir/c.txt", "c");
    project.file(".git/config", "x");
    for (from, to, why) in [
        ("a.txt", "b.txt", "exists already"),
        ("a.txt", "dir", "exists already"),
        ("a.txt", "a.txt", "is the same name"),
        ("dir", "dir/sub", "is inside of dir"),
        ("none", "x", "does not exist"),
        (".", "x", "a folder of the workspace itself"),
        ("..", "x", "a folder of the workspace itself"),
        (".git", "x", "belongs to git"),
        ("a.txt", ".git/hooks/pre-commit", "belongs to git"),
        ("a.txt", "../none/x", "outside of the workspace none is made"),
    ] {
        let error = moved(&project, from, to).await.unwrap_err();
        assert!(error.contains(why), "{from} {to}: {error}");
    }
    assert_eq!((project.on_disk("a.txt"), project.on_disk("b.txt")), ("a".into(), "b".into()));
    assert_eq!(fs::read_dir(&project.root).unwrap().count(), 4);
}

#[tokio::test]
async fn what_appears_after_the_person_was_asked_is_not_overwritten() {
    let project = Project::new();
    project.file("a.txt", "a");
    let call = project.call("move", json!({ "from": "a.txt", "to": "b.txt" }));
    call.propose().await.unwrap();
    project.file("b.txt", "typed meanwhile");
    assert!(call.finish().await.unwrap_err().0.contains("exists already"));
    assert_eq!((project.on_disk("a.txt"), project.on_disk("b.txt")), ("a".into(), "typed meanwhile".into()));
}

#[tokio::test]
async fn leaving_the_roots_is_told_and_root_none_up_up_does_not_escape_unseen() {
    let project = Project::new();
    project.file("a.txt", "a");
    for to in ["../x.txt", "none/../../x.txt", "none/deep/../../../x.txt"] {
        let call = project.call("move", json!({ "from": "a.txt", "to": to }));
        let proposal = call.propose().await.unwrap();
        assert!(proposal.outside, "{to}");
        assert_eq!(proposal.paths[1], project.outside().join("x.txt"));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_moves_itself_and_not_what_it_leads_to() {
    let project = Project::new();
    project.file("a.txt", "a");
    std::os::unix::fs::symlink("a.txt", project.root.join("link")).unwrap();
    moved(&project, "link", "renamed").await.unwrap();
    assert!(fs::symlink_metadata(project.root.join("renamed")).unwrap().is_symlink());
    assert_eq!(project.on_disk("a.txt"), "a");
    assert!(fs::symlink_metadata(project.root.join("link")).is_err());
}

#[tokio::test]
async fn a_name_may_change_in_its_letter_case_alone() {
    let project = Project::new();
    project.file("name.txt", "a");
    moved(&project, "name.txt", "Name.txt").await.unwrap();
    let names: Vec<_> = fs::read_dir(&project.root).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["Name.txt"]);
}

#[tokio::test]
async fn files_that_other_programs_run_are_a_risk_in_both_places() {
    let project = Project::new();
    project.file("x.json", "{}");
    let call = project.call("move", json!({ "from": "x.json", "to": ".vscode/tasks.json" }));
    assert!(call.propose().await.unwrap().risk.unwrap().contains("run what stands in this file"));
}

#[tokio::test]
async fn a_text_that_was_read_counts_as_read_in_its_new_place() {
    let project = Project::new();
    project.file("dir/a.txt", "a\n");
    project.run("read", json!({ "path": "dir/a.txt" })).await.unwrap();
    moved(&project, "dir", "other").await.unwrap();
    project.run("write", json!({ "path": "other/a.txt", "content": "b\n" })).await.unwrap();
    assert_eq!(project.on_disk("other/a.txt"), "b\n");
}

/// How an editor moves a file that it has open.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// With the buffer and all that is typed in it, unsaved.
    Keeps,
    /// The person types in the middle of it, too.
    KeepsWhileTyping,
    /// With the buffer, saved.
    Saves,
    /// Closes the buffer without a word.
    Loses,
    /// And the person typed right before that.
    LosesWhileTyping,
    /// Leaves the buffer where it was.
    Forgets,
    Refuses,
    /// Says yes and does nothing.
    Lies,
    /// Cannot move anything.
    Cannot,
    /// Cannot move, but save.
    CanSave,
}

struct Mover {
    way: Way,
    project: Mutex<Option<(Arc<Workspace>, EditorId)>>,
    asked: Mutex<Vec<(String, String)>>,
}

/// A project whose editor moves files that way, with `a.txt` open and `typed` in it.
fn with_mover(way: Way, typed: &str) -> (Project, Arc<Mover>) {
    let limits = Limits { confirm: Duration::from_millis(200), save: Duration::from_secs(5), ..Limits::default() };
    let mut project = Project::with_limits(limits);
    let mover = Arc::new(Mover { way, project: Mutex::default(), asked: Mutex::default() });
    project.editor = project.workspace.attach(PositionEncoding::Utf16, mover.clone());
    *mover.project.lock().unwrap() = Some((project.workspace.clone(), project.editor));
    project.file("a.txt", "saved\n");
    project.open("a.txt", typed);
    (project, mover)
}

fn path_of(uri: &str) -> PathBuf {
    PathBuf::from(uri.strip_prefix("file://").unwrap())
}

#[async_trait]
impl BufferSink for Mover {
    async fn apply(&self, _: BufferEdit) -> Result<bool, SinkError> {
        Ok(false)
    }

    async fn save(&self, uris: Vec<String>) -> Result<Vec<String>, SinkError> {
        if self.way != Way::CanSave {
            return Ok(uris);
        }
        let (workspace, editor) = self.project.lock().unwrap().clone().unwrap();
        for buffer in workspace.buffers() {
            fs::write(path_of(&buffer.uri), buffer.text.to_string()).unwrap();
            workspace.saved(editor, &buffer.uri);
        }
        Ok(Vec::new())
    }

    fn can_rename(&self) -> bool {
        !matches!(self.way, Way::Cannot | Way::CanSave)
    }

    async fn rename(&self, from: &str, to: &str) -> Result<bool, SinkError> {
        self.asked.lock().unwrap().push((from.to_owned(), to.to_owned()));
        let (workspace, editor) = self.project.lock().unwrap().clone().unwrap();
        let (old, new) = (path_of(from), path_of(to));
        match self.way {
            Way::Refuses => return Ok(false),
            Way::Lies => return Ok(true),
            _ => {}
        }
        fs::create_dir_all(new.parent().unwrap()).unwrap();
        fs::rename(&old, &new).unwrap();
        if self.way == Way::Forgets {
            return Ok(true);
        }
        let open: Vec<_> =
            workspace.buffers().into_iter().filter(|buffer| buffer.location.path.starts_with(&old)).collect();
        for buffer in open {
            let mut text = buffer.text.to_string();
            if matches!(self.way, Way::KeepsWhileTyping | Way::LosesWhileTyping) {
                text += "and more\n";
                let change = Change { range: None, text: text.clone() };
                workspace.change(editor, &buffer.uri, buffer.version + 1, &[change]).unwrap();
            }
            workspace.close(editor, &buffer.uri);
            let uri = buffer.uri.replace(from, to);
            if matches!(self.way, Way::Keeps | Way::KeepsWhileTyping | Way::Saves) {
                if self.way == Way::Saves {
                    fs::write(path_of(&uri), &text).unwrap();
                }
                workspace.open(editor, &uri, "plaintext", 1, &text);
            }
        }
        Ok(true)
    }
}

#[tokio::test]
async fn no_typed_character_is_lost_however_the_editor_moves() {
    for (way, expected) in [
        (Way::Keeps, "typed\n"),
        (Way::KeepsWhileTyping, "typed\nand more\n"),
        (Way::Saves, "typed\n"),
        (Way::Loses, "typed\n"),
        (Way::LosesWhileTyping, "typed\nand more\n"),
    ] {
        for (from, to, now) in [("a.txt", "b.txt", "b.txt"), ("dir", "other/dir", "other/dir/a.txt")] {
            let (project, mover) = with_mover(way, "typed\n");
            if from == "dir" {
                project.workspace.close(project.editor, &project.uri("a.txt"));
                project.file("dir/a.txt", "saved\n");
                project.open("dir/a.txt", "typed\n");
            }
            let said = moved(&project, from, to).await.unwrap();
            assert_eq!(mover.asked.lock().unwrap().len(), 1);
            assert_eq!(project.in_editor(now).await, expected, "{said}");
            let is_rescued = matches!(way, Way::Loses | Way::LosesWhileTyping);
            assert_eq!(said.contains("they are saved now"), is_rescued, "{said}");
            assert!(!project.root.join(from).exists());
        }
    }
}

#[tokio::test]
async fn an_editor_that_leaves_its_buffer_behind_is_told_of() {
    let (project, _) = with_mover(Way::Forgets, "typed\n");
    let said = moved(&project, "a.txt", "b.txt").await.unwrap();
    assert!(said.contains("still has a.txt open under the old name"), "{said}");
    assert_eq!(project.in_editor("a.txt").await, "typed\n");
    assert_eq!(project.on_disk("b.txt"), "saved\n");
}

#[tokio::test]
async fn an_editor_that_cannot_move_keeps_what_is_not_saved() {
    let (project, _) = with_mover(Way::Cannot, "typed\n");
    let error = moved(&project, "a.txt", "b.txt").await.unwrap_err();
    assert!(error.contains("changes that are not saved"), "{error}");
    assert_eq!((project.on_disk("a.txt"), project.in_editor("a.txt").await), ("saved\n".into(), "typed\n".into()));

    let (project, _) = with_mover(Way::CanSave, "typed\n");
    let said = moved(&project, "a.txt", "b.txt").await.unwrap();
    assert_eq!(project.on_disk("b.txt"), "typed\n", "{said}");

    // What is saved may move; the person is told.
    let (project, _) = with_mover(Way::Cannot, "saved\n");
    project.workspace.saved(project.editor, &project.uri("a.txt"));
    let said = moved(&project, "a.txt", "b.txt").await.unwrap();
    assert!(said.contains("open under the old name") && project.on_disk("b.txt") == "saved\n", "{said}");
}

#[tokio::test]
async fn what_others_wrote_under_unsaved_changes_is_not_moved_away_from_them() {
    for way in [Way::Keeps, Way::CanSave] {
        let (project, mover) = with_mover(way, "typed\n");
        project.file("a.txt", "written by others\n");
        let error = moved(&project, "a.txt", "b.txt").await.unwrap_err();
        assert!(error.contains("changes that are not saved"), "{error}");
        assert!(mover.asked.lock().unwrap().is_empty());
        let now = (project.on_disk("a.txt"), project.in_editor("a.txt").await);
        assert_eq!(now, ("written by others\n".into(), "typed\n".into()));
    }
}

#[tokio::test]
async fn an_editor_that_does_not_move_is_not_believed() {
    for (way, why) in [(Way::Refuses, "refused to move a.txt"), (Way::Lies, "the disk does not show it")] {
        let (project, _) = with_mover(way, "typed\n");
        let error = moved(&project, "a.txt", "b.txt").await.unwrap_err();
        assert!(error.contains(why), "{error}");
        assert_eq!((project.on_disk("a.txt"), project.in_editor("a.txt").await), ("saved\n".into(), "typed\n".into()));
    }
}

#[tokio::test]
async fn what_only_the_editor_has_is_no_file_to_move() {
    let project = Project::new();
    project.workspace.open(project.editor, "untitled:Untitled-1", "plaintext", 1, "typed");
    project.workspace.open(project.editor, &project.uri("new.txt"), "plaintext", 1, "typed");
    project.file("a.txt", "a");
    for from in ["untitled:Untitled-1", "new.txt"] {
        let error = moved(&project, from, "b.txt").await.unwrap_err();
        assert!(error.contains("is open in the editor only"), "{error}");
    }
    // Nor is it overwritten.
    assert!(moved(&project, "a.txt", "new.txt").await.unwrap_err().contains("exists already"));
}
