//! What reads see.

use super::{editor::*, *};

#[test]
fn a_read_sees_the_unsaved_buffer_and_the_disk_again_after_it_closed() {
    run(async {
        let (_keep, root) = folder();
        let file = root.join("a.txt");
        write(&file, "disk\n");
        let workspace = Workspace::new(vec![root]);
        let location = workspace.resolve("a.txt").unwrap();
        assert_eq!(workspace.read(&location).await.unwrap().text, "disk\n");
        let editor = Editor::open(&workspace, &uri_of(&file), "disk\n");
        assert!(!workspace.read(&location).await.unwrap().unsaved);
        editor.types(typing(4, 0, " and more"));
        let snapshot = workspace.read(&location).await.unwrap();
        assert_eq!((snapshot.text.to_string().as_str(), snapshot.unsaved), ("disk and more\n", true));
        editor.close();
        assert_eq!(workspace.read(&location).await.unwrap().text, "disk\n");
        workspace.detach(editor.id());
    });
}

#[test]
fn text_restored_by_the_editor_counts_as_unsaved() {
    run(async {
        let (_keep, root) = folder();
        let file = root.join("a.txt");
        write(&file, "disk\r\n");
        let workspace = Workspace::new(vec![root]);
        let location = workspace.resolve("a.txt").unwrap();
        let same = Editor::open(&workspace, &uri_of(&file), "disk\n");
        assert!(!workspace.read(&location).await.unwrap().unsaved, "only the line ends differ");
        same.close();
        let _other = Editor::open(&workspace, &uri_of(&file), "restored\n");
        assert!(workspace.read(&location).await.unwrap().unsaved);
    });
}

#[test]
fn an_untitled_buffer_is_found_by_its_uri() {
    run(async {
        let (_keep, root) = folder();
        let workspace = Workspace::new(vec![root]);
        assert!(matches!(workspace.resolve("untitled:Untitled-1"), Err(PathError::NotOpen(_))));
        let editor = Editor::open(&workspace, "untitled:Untitled-1", "draft");
        let location = workspace.resolve("untitled:Untitled-1").unwrap();
        assert!(location.inside);
        assert_eq!(location.path, PathBuf::from("untitled:Untitled-1"));
        let snapshot = workspace.read(&location).await.unwrap();
        assert_eq!((snapshot.text.to_string().as_str(), snapshot.unsaved), ("draft", true));
        edit(&workspace, &location, "draft", "text").await.unwrap();
        assert_eq!(editor.text(), "text");
        let waiting = plan(&workspace, &location, "text", "lost").await.unwrap();
        editor.close();
        assert!(matches!(workspace.read(&location).await, Err(ReadError::NotOpen(_))));
        let error = workspace.apply(waiting, None).await.unwrap_err();
        assert!(matches!(error, EditError::Read(ReadError::NotOpen(_))), "{error:?}");
    });
}

#[test]
fn of_two_editors_the_one_that_changed_last_is_read_and_edited() {
    run(async {
        let (_keep, root) = folder();
        let file = root.join("a.txt");
        let workspace = Workspace::new(vec![root]);
        let first = Editor::open(&workspace, &uri_of(&file), "one");
        let second = Editor::open(&workspace, &uri_of(&file), "two");
        let location = workspace.resolve("a.txt").unwrap();
        assert_eq!(workspace.read(&location).await.unwrap().text, "two");
        first.types(typing(0, 0, "now "));
        assert_eq!(workspace.read(&location).await.unwrap().text, "now one");
        assert_eq!(workspace.buffers().len(), 1);
        edit(&workspace, &location, "one", "1").await.unwrap();
        assert_eq!((first.text().as_str(), second.text().as_str()), ("now 1", "two"));
        workspace.detach(first.id());
        assert_eq!(workspace.read(&location).await.unwrap().text, "two");
    });
}

#[cfg(unix)]
#[test]
fn an_alias_of_an_open_file_finds_its_buffer() {
    run(async {
        let (_keep, root) = folder();
        std::fs::create_dir(root.join("real")).unwrap();
        write(&root.join("real/a.txt"), "disk");
        std::os::unix::fs::symlink("real", root.join("folder")).unwrap();
        std::os::unix::fs::symlink("real/a.txt", root.join("link.txt")).unwrap();
        let workspace = Workspace::new(vec![root.clone()]);
        let editor = Editor::open(&workspace, &uri_of(&root.join("folder/a.txt")), "buffer");
        for alias in ["real/a.txt", "link.txt", "folder/a.txt", "folder/../real/./a.txt"] {
            let location = workspace.resolve(alias).unwrap();
            assert_eq!(workspace.read(&location).await.unwrap().text, "buffer", "{alias}");
            assert_eq!(location.shown, "real/a.txt");
        }
        // The editor hears of it by the name it knows.
        edit(&workspace, &workspace.resolve("link.txt").unwrap(), "buffer", "edited").await.unwrap();
        assert_eq!(editor.desk().asked[0].uri, editor.uri);
    });
}

#[test]
fn a_change_that_cannot_be_leaves_the_text_and_says_so_until_the_whole_text_comes() {
    run(async {
        let (_keep, root) = folder();
        let workspace = Workspace::new(vec![root.clone()]);
        let editor = Editor::open(&workspace, &uri_of(&root.join("a.txt")), "some text");
        let location = workspace.resolve("a.txt").unwrap();
        let waiting = plan(&workspace, &location, "text", "words").await.unwrap();
        let at = |column| Position { line: 0, column };
        let bad = Change { range: Some(at(4)..at(2)), text: "x".to_owned() };
        let fine = Change { range: Some(at(0)..at(1)), text: "x".to_owned() };
        let uri = editor.uri.as_str();
        let error = workspace.change(editor.id(), uri, 2, &[fine.clone(), bad]).unwrap_err();
        assert!(matches!(error, ChangeError::BadRange { .. }));
        assert_eq!(workspace.buffers()[0].text, "some text");
        assert!(matches!(workspace.read(&location).await, Err(ReadError::OutOfSync(_))));
        workspace.change(editor.id(), uri, 3, &[fine]).unwrap();
        let error = workspace.apply(waiting, None).await.unwrap_err();
        assert!(matches!(error, EditError::Read(ReadError::OutOfSync(_))), "{error:?}");
        assert!(editor.desk().asked.is_empty());
        let whole = Change { range: None, text: "whole".to_owned() };
        workspace.change(editor.id(), uri, 4, &[whole]).unwrap();
        assert_eq!(workspace.read(&location).await.unwrap().text, "whole");
        let error = workspace.change(editor.id(), "file:///unknown", 1, &[]).unwrap_err();
        assert!(matches!(error, ChangeError::NotOpen { .. }));
    });
}

#[test]
fn places_past_the_end_are_taken_as_the_end() {
    let workspace = Workspace::new(Vec::new());
    let editor = Editor::open(&workspace, "untitled:1", "a\nb");
    let position = |line, column| Position { line, column };
    let change = |range| Change { range: Some(range), text: "X".to_owned() };
    let changes = [change(position(0, 9)..position(0, 99)), change(position(7, 0)..position(9, 9))];
    workspace.change(editor.id(), &editor.uri, 2, &changes).unwrap();
    assert_eq!(workspace.buffers()[0].text, "aX\nbX");
    assert_eq!(workspace.buffers()[0].version, 2);
}

#[test]
fn what_was_read_in_whole_is_known_by_its_text() {
    run(async {
        let (_keep, root) = folder();
        let workspace = Workspace::new(vec![root.clone()]);
        let editor = Editor::open(&workspace, &uri_of(&root.join("a.txt")), "text");
        let location = workspace.resolve("a.txt").unwrap();
        let seen = Seen::default();
        let first = workspace.read(&location).await.unwrap();
        seen.note(&location, &first, false);
        assert!(!seen.has_whole(&location, &first));
        seen.note(&location, &first, true);
        editor.types(typing(0, 0, "x"));
        let changed = workspace.read(&location).await.unwrap();
        assert!(!seen.has_whole(&location, &changed));
        editor.types(typing(0, 1, ""));
        let back = workspace.read(&location).await.unwrap();
        assert_ne!(back.revision, first.revision);
        assert!(seen.has_whole(&location, &back));
        assert!(!seen.has_whole(&workspace.resolve("b.txt").unwrap(), &back));
    });
}

#[test]
fn what_a_call_showed_is_forgotten_with_it_and_so_is_what_was_made_of_that() {
    run(async {
        let (_keep, root) = folder();
        let workspace = Workspace::new(vec![root.clone()]);
        let editor = Editor::open(&workspace, &uri_of(&root.join("a.txt")), "text");
        let location = workspace.resolve("a.txt").unwrap();
        let text = async || workspace.read(&location).await.unwrap();
        let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
        let seen = Seen::default();
        let first = text().await;
        seen.by("read").note(&location, &first, true);
        editor.types(typing(0, 0, "x"));
        let second = text().await;
        seen.by("edit").note_edit(&location, Some(&first), &second);
        editor.types(typing(0, 0, "y"));
        let third = text().await;
        seen.by("edit again").note_edit(&location, Some(&second), &third);
        assert!([&first, &second, &third].iter().all(|text| seen.has_whole(&location, text)));

        seen.forget(&ids(&["another", "edit again"]));
        assert!(seen.has_whole(&location, &second) && !seen.has_whole(&location, &third));
        // The edit is still there, and what it was made on is not.
        seen.by("read again").note(&location, &first, true);
        seen.forget(&ids(&["read"]));
        assert!(seen.has_whole(&location, &first) && !seen.has_whole(&location, &second));
        // Who did not know the text does not know what an edit made of it.
        seen.by("edit").note_edit(&location, Some(&second), &third);
        assert!(!seen.has_whole(&location, &third));
    });
}

#[test]
fn a_reopened_document_has_its_new_text() {
    let workspace = Workspace::new(Vec::new());
    let editor = Editor::open(&workspace, "untitled:1", "old");
    workspace.open(editor.id(), &editor.uri, "rust", 7, "new");
    let buffer = &workspace.buffers()[0];
    assert_eq!((buffer.text.to_string().as_str(), buffer.version, buffer.language.as_str()), ("new", 7, "rust"));
}

#[test]
fn a_late_choice_of_encoding_counts() {
    let workspace = Workspace::new(Vec::new());
    let editor = Editor::open_with(&workspace, "untitled:1", "🏍b", PositionEncoding::Utf32, Reports::Each);
    workspace.set_encoding(editor.id(), PositionEncoding::Utf8);
    let at = Position { line: 0, column: 4 };
    workspace.change(editor.id(), &editor.uri, 2, &[Change { range: Some(at..at), text: "-".to_owned() }]).unwrap();
    assert_eq!(workspace.buffers()[0].text, "🏍-b");
}

#[test]
fn before_a_command_the_unsaved_files_inside_are_saved() {
    run(async {
        let (_keep, root) = folder();
        let (_other, outside) = folder();
        let workspace = Workspace::with_limits(vec![root.clone()], limits(SHORT));
        let (inside, restored) = (root.join("a.txt"), root.join("b.txt"));
        write(&inside, "old");
        write(&restored, "old");
        write(&outside.join("c.txt"), "old");
        let editor = Editor::open(&workspace, &uri_of(&inside), "old");
        let second = Editor::open(&workspace, &uri_of(&restored), "restored");
        let stranger = Editor::open(&workspace, &uri_of(&outside.join("c.txt")), "old");
        let draft = Editor::open(&workspace, "untitled:1", "draft");
        editor.types(typing(0, 3, "new"));
        stranger.types(typing(0, 3, "new"));
        let shown = |locations: &[Location]| locations.iter().map(|at| at.shown.clone()).collect::<Vec<_>>();

        let outcome = workspace.save_unsaved().await;
        assert_eq!(shown(&outcome.saved), ["a.txt", "b.txt"]);
        assert_eq!(outcome.stale, []);
        assert_eq!(read(&inside), "new");
        assert_eq!(read(&restored), "restored");
        assert!(stranger.desk().saves.is_empty() && draft.desk().saves.is_empty());
        assert_eq!(workspace.save_unsaved().await, SaveOutcome::default(), "once is enough");

        for manner in [Manner::Refuse, Manner::Fail, Manner::Silent { apply: false }] {
            editor.types(typing(0, 0, "x"));
            editor.will([manner.clone()]);
            let outcome = workspace.save_unsaved().await;
            assert_eq!((outcome.saved, shown(&outcome.stale)), (vec![], vec!["a.txt".to_owned()]), "{manner:?}");
        }
        second.types(typing(0, 0, "y"));
        let outcome = workspace.save_unsaved().await;
        assert_eq!(shown(&outcome.saved), ["a.txt", "b.txt"]);
    });
}

#[test]
fn what_others_wrote_to_the_file_of_an_open_buffer_is_not_saved_over() {
    run(async {
        let (_keep, file, workspace, editor) = shown("one\nkeep\n", SHORT);
        let location = workspace.resolve("a.txt").unwrap();
        assert!(!workspace.read(&location).await.unwrap().overtaken);

        write(&file, "two\nkeep\ntail\n");
        let seen = workspace.read(&location).await.unwrap();
        assert_eq!((seen.text.to_string().as_str(), seen.unsaved, seen.overtaken), ("one\nkeep\n", false, true));
        assert_eq!(workspace.save_unsaved().await, SaveOutcome::default(), "the command sees all there is");
        let applied = edit(&workspace, &location, "keep", "kept").await.unwrap();
        assert!(applied.snapshot.overtaken);
        let stale = SaveOutcome { saved: vec![], stale: vec![location.clone()] };
        assert_eq!(workspace.save_unsaved().await, stale);
        assert!(editor.desk().saves.is_empty());
        assert_eq!(read(&file), "two\nkeep\ntail\n");

        // The person puts it right.
        write(&file, "one\nkept\n");
        workspace.saved(editor.id(), &editor.uri);
        let seen = workspace.read(&location).await.unwrap();
        assert!(!seen.unsaved && !seen.overtaken);
        editor.types(typing(0, 3, "1"));
        let saved = SaveOutcome { saved: vec![location], stale: vec![] };
        assert_eq!(workspace.save_unsaved().await, saved);
        assert_eq!(read(&file), "1\nkept\n");
    });
}

#[test]
fn changes_that_were_typed_before_a_command_wrote_the_file_are_not_saved_over_it() {
    run(async {
        let (_keep, file, workspace, editor) = shown("one\n", SHORT);
        editor.types(typing(0, 3, "typed"));
        write(&file, "written\n");
        let outcome = workspace.save_unsaved().await;
        assert_eq!((outcome.saved.len(), outcome.stale.len()), (0, 1));
        assert_eq!(read(&file), "written\n");
        // A command may also take the file away.
        std::fs::remove_file(&file).unwrap();
        assert_eq!(workspace.save_unsaved().await.stale.len(), 1);
        assert!(!file.exists() && editor.desk().saves.is_empty());
    });
}

#[test]
fn an_editor_gets_a_moment_to_show_what_a_command_wrote() {
    run(async {
        let (_keep, file, workspace, editor) = shown("one\n", LONG);
        let location = workspace.resolve("a.txt").unwrap();
        workspace.read(&location).await.unwrap();
        write(&file, "two and more\n");
        let reload = async { editor.types(typing(0, 3, "two and more")) };
        let (seen, ()) = tokio::join!(workspace.read(&location), reload);
        let seen = seen.unwrap();
        assert_eq!((seen.text.to_string().as_str(), seen.unsaved, seen.overtaken), ("two and more\n", false, false));
        assert_eq!(workspace.save_unsaved().await, SaveOutcome::default());
        assert!(editor.desk().saves.is_empty());
    });
}

/// A file that an editor shows as it is.
fn shown(text: &str, limit: Duration) -> (tempfile::TempDir, PathBuf, Arc<Workspace>, Arc<Editor>) {
    let (keep, root) = folder();
    let file = root.join("a.txt");
    write(&file, text);
    let workspace = Workspace::with_limits(vec![root], limits(limit));
    let editor = Editor::open(&workspace, &uri_of(&file), text);
    (keep, file, workspace, editor)
}

/// What was typed after the editor had shown it, or after the file was written with what it had, is the person's alone.
#[test]
fn what_is_typed_after_a_reload_is_saved_as_ever() {
    run(async {
        let (_keep, root) = folder();
        let (reloaded, touched) = (root.join("a.txt"), root.join("b.txt"));
        write(&reloaded, "one\n");
        write(&touched, "one\n");
        let workspace = Workspace::with_limits(vec![root], limits(SHORT));
        let first = Editor::open(&workspace, &uri_of(&reloaded), "one\n");
        let second = Editor::open(&workspace, &uri_of(&touched), "one\n");
        assert_eq!(workspace.save_unsaved().await, SaveOutcome::default());

        write(&reloaded, "two and more\n");
        first.types(typing(0, 3, "two and more"));
        first.types(typing(0, 0, "typed "));
        // In another state, with the same text.
        write(&touched, "some other text\n");
        write(&touched, "one\n");
        second.types(typing(0, 0, "typed "));
        let location = workspace.resolve("a.txt").unwrap();
        assert!(!workspace.read(&location).await.unwrap().overtaken);
        let outcome = workspace.save_unsaved().await;
        assert_eq!((outcome.saved.len(), outcome.stale.len()), (2, 0), "{outcome:?}");
        assert_eq!((read(&reloaded), read(&touched)), ("typed two and more\n".into(), "typed one\n".into()));
    });
}

#[test]
fn readers_side_by_side_see_the_same_after_a_reload() {
    run(async {
        let (_keep, file, workspace, editor) = shown("one\n", SHORT);
        let location = workspace.resolve("a.txt").unwrap();
        workspace.read(&location).await.unwrap();
        write(&file, "two and more\n");
        editor.types(typing(0, 3, "two and more"));
        let seen = futures::future::join_all((0..8).map(|_| workspace.read(&location))).await;
        assert!(seen.into_iter().all(|seen| !seen.unwrap().overtaken));
    });
}

#[test]
#[allow(clippy::disallowed_methods)]
fn an_old_encoding_is_shown_as_the_editor_likes() {
    run(async {
        let (_keep, root) = folder();
        let file = root.join("a.txt");
        let write_bytes = |bytes: &[u8]| std::fs::write(&file, bytes).unwrap();
        write_bytes(b"na\xC3\xAFve caf\xE9 one\n");
        let workspace = Workspace::with_limits(vec![root], limits(SHORT));
        let editor = Editor::open(&workspace, &uri_of(&file), "na\u{C3}\u{AF}ve caf\u{E9} one\n");
        let location = workspace.resolve("a.txt").unwrap();
        assert!(!workspace.read(&location).await.unwrap().unsaved);
        write_bytes(b"na\xC3\xAFve caf\xE9 two\n");
        assert!(workspace.read(&location).await.unwrap().overtaken);
        editor.types(typing(12, 3, "two"));
        let seen = workspace.read(&location).await.unwrap();
        assert!(!seen.unsaved && !seen.overtaken, "{seen:?}");
    });
}

#[allow(clippy::disallowed_methods)]
fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

#[allow(clippy::disallowed_methods)]
fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}
