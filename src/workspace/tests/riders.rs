//! Text that goes along with the next edit of its file.

use super::{editor::*, *};

const START: &str = "# do it\na = 1\nb = 2\n";

/// The person's editor with this text, in which the first line is to go along.
async fn riding(folder: &Path) -> (Arc<Workspace>, Arc<Editor>, Location) {
    let path = folder.join("a.py");
    std::fs::write(&path, "on the disk\n").unwrap();
    let workspace = Workspace::with_limits(vec![folder.to_path_buf()], limits(LONG));
    let editor = Editor::open(&workspace, &uri_of(&path), START);
    let location = workspace.resolve("a.py").unwrap();
    let base = workspace.read(&location).await.unwrap();
    workspace.take_along(&location, &base, 0..8).await.unwrap();
    (workspace, editor, location)
}

fn check(test: impl AsyncFnOnce(Arc<Workspace>, Arc<Editor>, Location)) {
    let (_folder, path) = folder();
    run(async {
        let (workspace, editor, location) = riding(&path).await;
        test(workspace, editor, location).await;
    });
}

#[test]
fn the_first_edit_takes_it_along_in_one_step() {
    check(async |workspace, editor, location| {
        let plan = plan(&workspace, &location, "b = 2", "b = 3").await.unwrap();
        assert!(plan.diff().unified.contains("-# do it\n"), "the person sees it: {}", plan.diff().unified);
        let applied = workspace.apply(plan, None).await.unwrap();
        assert!(!applied.rebased, "it holds nothing that was not planned");
        assert_eq!((editor.text().as_str(), editor.desk().made.len()), ("a = 1\nb = 3\n", 1));
        // Undone by the person, it does not go again.
        editor.types(typing(0, 0, "# do it\n"));
        edit(&workspace, &location, "b = 3", "b = 4").await.unwrap();
        assert_eq!(editor.text(), "# do it\na = 1\nb = 4\n");
        assert!(workspace.left_behind().await.is_empty());
    });
}

#[test]
fn it_goes_with_a_whole_new_text_and_with_edits_around_it() {
    check(async |workspace, editor, location| {
        let base = workspace.read(&location).await.unwrap();
        let plan = workspace.plan_write(&location, Some(&base), "# do it\na = 1\nc = 3\n").await.unwrap();
        workspace.apply(plan, None).await.unwrap();
        assert_eq!(editor.text(), "a = 1\nc = 3\n");
    });
    // The edit brings it along, before and after.
    check(async |workspace, editor, location| {
        edit(&workspace, &location, "# do it\na = 1\n", "# do it\na = 2\n").await.unwrap();
        assert_eq!(editor.text(), "a = 2\nb = 2\n");
    });
    // The edit takes it out by itself.
    check(async |workspace, editor, location| {
        edit(&workspace, &location, "# do it\na = 1\n", "a = 2\n").await.unwrap();
        assert_eq!(editor.text(), "a = 2\nb = 2\n");
    });
}

#[test]
fn what_was_typed_over_stays() {
    check(async |workspace, editor, location| {
        editor.types(typing(5, 2, "this"));
        edit(&workspace, &location, "b = 2", "b = 3").await.unwrap();
        assert_eq!(editor.text(), "# do this\na = 1\nb = 3\n");
        assert!(workspace.left_behind().await.is_empty());
    });
    // While the edit waits for its approval.
    check(async |workspace, editor, location| {
        let plan = plan(&workspace, &location, "b = 2", "b = 3").await.unwrap();
        editor.types(typing(5, 2, "this"));
        let error = workspace.apply(plan, None).await.unwrap_err();
        assert!(matches!(error, EditError::Conflict { .. }), "{error}");
        assert_eq!(editor.text(), "# do this\na = 1\nb = 2\n");
        edit(&workspace, &location, "b = 2", "b = 3").await.unwrap();
        assert_eq!(editor.text(), "# do this\na = 1\nb = 3\n");
    });
}

#[test]
fn without_an_edit_it_is_left_behind_where_it_is_now() {
    check(async |workspace, editor, _| {
        editor.types(typing(0, 0, "x = 0\n"));
        // Another file's edits have nothing to do with it.
        let other = workspace.resolve("new.py").unwrap();
        let plan = workspace.plan_write(&other, None, "new\n").await.unwrap();
        workspace.apply(plan, None).await.unwrap();
        let [plan] = workspace.left_behind().await.try_into().map_err(drop).expect("one");
        assert_eq!(plan.diff().hunks[0].old_start, 1);
        workspace.apply(plan, None).await.unwrap();
        assert_eq!(editor.text(), "x = 0\na = 1\nb = 2\n");
    });
}

#[test]
fn what_a_refused_edit_would_have_taken_stays_and_views_have_their_own() {
    check(async |workspace, editor, location| {
        drop(plan(&workspace, &location, "b = 2", "b = 3").await.unwrap());
        assert!(workspace.left_behind().await.is_empty());
        assert_eq!(editor.text(), START);
    });
    check(async |workspace, editor, location| {
        edit(&workspace.view(), &location, "b = 2", "b = 3").await.unwrap();
        assert_eq!(editor.text(), "# do it\na = 1\nb = 3\n");
        assert_eq!(workspace.left_behind().await.len(), 1);
    });
}

#[test]
fn in_a_file_on_the_disk_it_goes_as_well() {
    let (_folder, path) = folder();
    run(async {
        let file = path.join("a.py");
        std::fs::write(&file, START).unwrap();
        let workspace = Workspace::new(vec![path]);
        let location = workspace.resolve("a.py").unwrap();
        let base = workspace.read(&location).await.unwrap();
        workspace.take_along(&location, &base, 0..8).await.unwrap();
        edit(&workspace, &location, "b = 2", "b = 3").await.unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "a = 1\nb = 3\n");
    });
}
