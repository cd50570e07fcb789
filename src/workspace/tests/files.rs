//! What edits do to files that no editor has open.
#![allow(clippy::disallowed_methods)]

use std::fs;

use super::{editor::*, *};

struct Ground {
    _keep: tempfile::TempDir,
    root: PathBuf,
    workspace: Arc<Workspace>,
    location: Location,
}

fn ground(bytes: &[u8]) -> Ground {
    let (keep, root) = folder();
    fs::write(root.join("a.txt"), bytes).unwrap();
    let workspace = Workspace::new(vec![root.clone()]);
    let location = workspace.resolve("a.txt").unwrap();
    Ground { _keep: keep, root, workspace, location }
}

impl Ground {
    async fn edit(&self, old: &str, new: &str) -> Result<Applied, EditError> {
        edit(&self.workspace, &self.location, old, new).await
    }

    async fn plan(&self, old: &str, new: &str) -> Plan {
        plan(&self.workspace, &self.location, old, new).await.unwrap()
    }

    fn path(&self) -> PathBuf {
        self.root.join("a.txt")
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(self.path()).unwrap()
    }

    /// Nothing but these files is in the root.
    #[track_caller]
    fn only(&self, names: &[&str]) {
        let mut found: Vec<_> =
            fs::read_dir(&self.root).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        found.sort();
        assert_eq!(found, names);
    }
}

/// Replacing `old` by `new` makes these bytes of those.
#[track_caller]
fn check(before: &[u8], old: &str, new: &str, after: &[u8]) {
    run(async {
        let ground = ground(before);
        let applied = ground.edit(old, new).await.unwrap();
        assert_eq!(ground.bytes(), after);
        ground.only(&["a.txt"]);
        assert!(!applied.rebased && !applied.snapshot.unsaved);
        let read = ground.workspace.read(&ground.location).await.unwrap();
        assert_eq!((read.revision, read.text), (applied.snapshot.revision, applied.snapshot.text));
    });
}

#[test]
fn encodings_marks_and_line_ends_are_kept() {
    check(b"one\ntwo\n", "two", "2\n3", b"one\n2\n3\n");
    check(b"no end", "end", "final line break", b"no final line break");
    check(b"one\r\ntwo\r\nthree\n", "two", "2\n3", b"one\r\n2\r\n3\r\nthree\n");
    check(b"one\rtwo\rthree", "two", "2\n3", b"one\r2\r3\rthree");
    check(b"one\r\ntwo", "one\r\ntwo", "1\r\n2\n3", b"1\r\n2\r\n3");
    check(b"\xEF\xBB\xBFone", "one", "1", b"\xEF\xBB\xBF1");
    check(b"\xFF\xFEa\0b\0", "b", "\u{1F3CD}", b"\xFF\xFEa\0\x3C\xD8\xCD\xDF");
    check(b"\xFE\xFF\0a\0b", "b", "c", b"\xFE\xFF\0a\0c");
    check(b"caf\xE9", "caf", "th", b"th\xE9");
    check("e\u{301}x".as_bytes(), "x", "y", "e\u{301}y".as_bytes());
    // Nearly all of it is UTF-8.
    check(b"na\xC3\xAFve a caf\xE9", "a ", "\u{fc}\u{2192} ", b"na\xC3\xAFve \xC3\xBC\xE2\x86\x92 caf\xE9");
}

#[test]
fn a_character_the_file_cannot_hold_is_refused() {
    run(async {
        let ground = ground(b"caf\xE9");
        let error = ground.edit("caf", "→").await.unwrap_err();
        assert!(matches!(error, EditError::Unencodable { char: '→', .. }), "{error:?}");
        assert_eq!(ground.bytes(), b"caf\xE9");
        ground.only(&["a.txt"]);
    });
}

#[test]
fn what_is_no_text_is_an_error() {
    run(async {
        let ground = ground(b"a\0b");
        assert!(matches!(ground.workspace.read(&ground.location).await, Err(ReadError::Binary(_))));
        assert_eq!(ground.workspace.read_bytes(&ground.location, 3).await.unwrap(), b"a\0b");
        let error = ground.workspace.read_bytes(&ground.location, 2).await.unwrap_err();
        assert!(matches!(error, ReadError::TooLarge { size: 3, limit: 2, .. }));
        let folder = ground.workspace.resolve(".").unwrap();
        assert!(matches!(ground.workspace.read(&folder).await, Err(ReadError::Directory(_))));
        for none in ["none", "a.txt/none", "none/none"] {
            let none = ground.workspace.resolve(none).unwrap();
            assert!(matches!(ground.workspace.read(&none).await, Err(ReadError::NotFound(_))));
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_pipe_is_not_waited_for() {
    run(async {
        let ground = ground(b"");
        rustix::fs::mkfifoat(rustix::fs::CWD, ground.root.join("pipe"), rustix::fs::Mode::RWXU).unwrap();
        let pipe = ground.workspace.resolve("pipe").unwrap();
        assert!(matches!(ground.workspace.read(&pipe).await, Err(ReadError::NotAFile(_))));
    });
}

#[test]
fn what_else_changed_on_the_disk_is_kept() {
    run(async {
        let ground = ground(b"one\ntwo\nthree\n");
        let (plan, overlapping) = (ground.plan("two", "2").await, ground.plan("one", "uno").await);
        fs::write(ground.path(), "new\none\ntwo\nthree\n").unwrap();
        let applied = ground.workspace.apply(plan, None).await.unwrap();
        assert!(applied.rebased);
        assert_eq!(ground.bytes(), b"new\none\n2\nthree\n");
        fs::write(ground.path(), "new\n1\n2\nthree\n").unwrap();
        let error = ground.workspace.apply(overlapping, None).await.unwrap_err();
        let EditError::Conflict { fresh, .. } = error else { panic!("{error:?}") };
        assert_eq!(fresh.text, "new\n1\n2\nthree\n");
        assert_eq!(fresh.revision, ground.workspace.read(&ground.location).await.unwrap().revision);
        assert_eq!(ground.bytes(), b"new\n1\n2\nthree\n");
        ground.only(&["a.txt"]);
    });
}

#[test]
fn a_file_that_vanished_is_not_brought_back() {
    run(async {
        let ground = ground(b"text");
        let plan = ground.plan("text", "words").await;
        fs::remove_file(ground.path()).unwrap();
        let error = ground.workspace.apply(plan, None).await.unwrap_err();
        assert!(matches!(error, EditError::Vanished(_)), "{error:?}");
        ground.only(&[]);
    });
}

#[test]
fn a_vanished_folder_and_a_folder_in_the_files_place_are_errors() {
    run(async {
        let ground = ground(b"text");
        fs::create_dir(ground.root.join("sub")).unwrap();
        fs::write(ground.root.join("sub/b.txt"), "text").unwrap();
        let sub = ground.workspace.resolve("sub/b.txt").unwrap();
        let in_folder = plan(&ground.workspace, &sub, "text", "words").await.unwrap();
        fs::remove_dir_all(ground.root.join("sub")).unwrap();
        let error = ground.workspace.apply(in_folder, None).await.unwrap_err();
        assert!(matches!(error, EditError::Vanished(_)), "{error:?}");
        let replaced = ground.plan("text", "words").await;
        fs::remove_file(ground.path()).unwrap();
        fs::create_dir(ground.path()).unwrap();
        let error = ground.workspace.apply(replaced, None).await.unwrap_err();
        assert!(matches!(error, EditError::Read(ReadError::Directory(_))), "{error:?}");
        ground.only(&["a.txt"]);
    });
}

#[test]
fn a_read_only_file_stays() {
    run(async {
        let ground = ground(b"text");
        let mut permissions = fs::metadata(ground.path()).unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(ground.path(), permissions).unwrap();
        let error = ground.edit("text", "words").await.unwrap_err();
        assert!(matches!(error, EditError::ReadOnly(_)), "{error:?}");
        assert_eq!(ground.bytes(), b"text");
        ground.only(&["a.txt"]);
    });
}

#[test]
fn an_open_buffer_takes_what_was_planned_for_the_file() {
    run(async {
        let ground = ground(b"one\ntwo\n");
        let (exact, moved) = (ground.plan("two", "2").await, ground.plan("one", "1").await);
        let editor = Editor::open(&ground.workspace, &uri_of(&ground.path()), "one\ntwo\n");
        editor.types(typing(0, 0, "// "));
        ground.workspace.apply(exact, None).await.unwrap();
        assert_eq!(editor.text(), "// one\n2\n");
        // Reopened with other text: found by comparing.
        editor.close();
        let editor = Editor::open(&ground.workspace, &uri_of(&ground.path()), "zero\none\n2\n");
        ground.workspace.apply(moved, None).await.unwrap();
        assert_eq!(editor.text(), "zero\n1\n2\n");
        assert_eq!(ground.bytes(), b"one\ntwo\n", "nothing was saved");
    });
}

#[test]
fn a_closed_buffer_leaves_its_plans_to_the_file() {
    run(async {
        let ground = ground(b"one\ntwo\n");
        let editor = Editor::open(&ground.workspace, &uri_of(&ground.path()), "one\ntwo\n");
        let (kept, lost) = (ground.plan("two", "2").await, ground.plan("one", "1").await);
        editor.types(typing(0, 0, "unsaved\n"));
        let unsaved = ground.plan("unsaved", "gone").await;
        editor.close();
        ground.workspace.apply(kept, None).await.unwrap();
        assert_eq!(ground.bytes(), b"one\n2\n");
        let error = ground.workspace.apply(unsaved, None).await.unwrap_err();
        assert!(matches!(error, EditError::Conflict { .. }), "{error:?}");
        fs::write(ground.path(), "ONE\n2\n").unwrap();
        let error = ground.workspace.apply(lost, None).await.unwrap_err();
        assert!(matches!(error, EditError::Conflict { .. }), "{error:?}");
        assert_eq!(ground.bytes(), b"ONE\n2\n");
    });
}

#[test]
fn a_new_file_is_made_with_its_folders() {
    run(async {
        let ground = ground(b"");
        let new = ground.workspace.resolve("some/deep/new.txt").unwrap();
        let plan = ground.workspace.plan_write(&new, None, "text\n").await.unwrap();
        assert!(plan.diff().unified.contains("@@ -0,0 +1,1 @@\n+text\n"));
        assert!(!ground.root.join("some").exists(), "a plan leaves no trace");
        let applied = ground.workspace.apply(plan, None).await.unwrap();
        assert_eq!(fs::read(&new.path).unwrap(), b"text\n");
        assert_eq!(ground.workspace.read(&new).await.unwrap().revision, applied.snapshot.revision);
        let empty = ground.workspace.resolve("empty").unwrap();
        let plan = ground.workspace.plan_write(&empty, None, "").await.unwrap();
        ground.workspace.apply(plan, None).await.unwrap();
        assert_eq!(fs::read(&empty.path).unwrap(), b"");
    });
}

#[test]
fn a_new_file_replaces_nothing() {
    run(async {
        let ground = ground(b"there");
        let error = ground.workspace.plan_write(&ground.location, None, "new").await.err().unwrap();
        assert!(matches!(error, EditError::Exists { fresh: Some(_), .. }), "{error:?}");
        let new = ground.workspace.resolve("new/new.txt").unwrap();
        let (first, second) = (
            ground.workspace.plan_write(&new, None, "first").await.unwrap(),
            ground.workspace.plan_write(&new, None, "second").await.unwrap(),
        );
        ground.workspace.apply(first, None).await.unwrap();
        let error = ground.workspace.apply(second, None).await.unwrap_err();
        let EditError::Exists { fresh: Some(fresh), .. } = error else { panic!("{error:?}") };
        assert_eq!(fresh.text, "first");
        assert_eq!(fs::read_dir(ground.root.join("new")).unwrap().count(), 1);
    });
}

#[test]
fn a_new_file_that_the_person_opened_gets_its_text_in_the_editor() {
    run(async {
        let ground = ground(b"");
        let new = ground.workspace.resolve("new.txt").unwrap();
        let (first, second) = (
            ground.workspace.plan_write(&new, None, "text\n").await.unwrap(),
            ground.workspace.plan_write(&new, None, "other\n").await.unwrap(),
        );
        let editor = Editor::open(&ground.workspace, &uri_of(&ground.root.join("new.txt")), "");
        ground.workspace.apply(first, None).await.unwrap();
        assert_eq!(editor.text(), "text\n");
        let error = ground.workspace.apply(second, None).await.unwrap_err();
        assert!(matches!(error, EditError::Exists { .. }), "{error:?}");
        assert_eq!(editor.text(), "text\n");
        assert!(!new.path.exists());
    });
}

#[test]
fn outside_the_roots_no_folders_are_made() {
    run(async {
        let ground = ground(b"");
        let (_keep, outside) = folder();
        let new = ground.workspace.resolve(outside.join("sub/new.txt").to_str().unwrap()).unwrap();
        assert!(!new.inside);
        let plan = ground.workspace.plan_write(&new, None, "text").await.unwrap();
        let error = ground.workspace.apply(plan, None).await.unwrap_err();
        assert!(matches!(error, EditError::NoFolder(_)), "{error:?}");
        assert!(!outside.join("sub").exists());
    });
}

#[test]
fn a_failed_creation_leaves_no_folders() {
    let ground = ground(b"");
    let path = ground.root.join("x/y/new.txt");
    assert!(!disk::create(&path, b"text", true, || false).unwrap());
    ground.only(&["a.txt"]);
    let inside_a_file = ground.root.join("a.txt/new.txt");
    assert!(disk::create(&inside_a_file, b"text", true, || true).is_err());
    ground.only(&["a.txt"]);
}

#[test]
fn a_write_changes_only_the_lines_that_differ() {
    run(async {
        let ground = ground(b"one\r\ntwo\nthree\r\nfour\r\n");
        let base = ground.workspace.read(&ground.location).await.unwrap();
        let plan = ground.workspace.plan_write(&ground.location, Some(&base), "one\ntwo\n3\nfour\n").await.unwrap();
        fs::write(ground.path(), b"zero\r\none\r\ntwo\nthree\r\nfour\r\n").unwrap();
        ground.workspace.apply(plan, None).await.unwrap();
        assert_eq!(ground.bytes(), b"zero\r\none\r\ntwo\n3\r\nfour\r\n");
    });
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    #[test]
    fn mode_and_owner_are_kept() {
        run(async {
            let ground = ground(b"text");
            fs::set_permissions(ground.path(), fs::Permissions::from_mode(0o4751)).unwrap();
            let root = rustix::process::geteuid().is_root();
            if root {
                std::os::unix::fs::chown(ground.path(), Some(1234), Some(4321)).unwrap();
                fs::set_permissions(ground.path(), fs::Permissions::from_mode(0o4751)).unwrap();
            }
            let before = fs::metadata(ground.path()).unwrap();
            ground.edit("text", "words").await.unwrap();
            let after = fs::metadata(ground.path()).unwrap();
            assert_eq!((after.mode(), after.uid(), after.gid()), (before.mode(), before.uid(), before.gid()));
            assert_ne!(after.ino(), before.ino(), "replaced, not written over");
        });
    }

    #[test]
    fn other_names_of_the_file_stay_its_names() {
        run(async {
            let ground = ground(b"a longer text");
            let other = ground.root.join("other");
            fs::hard_link(ground.path(), &other).unwrap();
            ground.edit("longer text", "word").await.unwrap();
            assert_eq!(fs::read(&other).unwrap(), b"a word");
            assert_eq!(fs::metadata(&other).unwrap().nlink(), 2);
            ground.only(&["a.txt", "other"]);
        });
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn extended_attributes_are_kept() {
        use rustix::fs::{XattrFlags, getxattr, setxattr};
        run(async {
            let ground = ground(b"text");
            if setxattr(ground.path(), "user.k", b"value", XattrFlags::empty()).is_err() {
                // Some file systems have none.
                return;
            }
            ground.edit("text", "words").await.unwrap();
            let mut value = [0; 16];
            let length = getxattr(ground.path(), "user.k", &mut value[..]).unwrap();
            assert_eq!((&value[..length], ground.bytes().as_slice()), (&b"value"[..], &b"words"[..]));
        });
    }

    #[test]
    fn a_new_file_has_the_mode_of_new_files() {
        run(async {
            let ground = ground(b"");
            let new = ground.workspace.resolve("new.txt").unwrap();
            let plan = ground.workspace.plan_write(&new, None, "text").await.unwrap();
            ground.workspace.apply(plan, None).await.unwrap();
            let (made, usual) = (fs::metadata(&new.path).unwrap(), fs::metadata(ground.path()).unwrap());
            assert_eq!(made.mode(), usual.mode());
        });
    }

    #[test]
    fn a_link_stays_a_link() {
        run(async {
            let ground = ground(b"text");
            symlink("a.txt", ground.root.join("link")).unwrap();
            let link = ground.workspace.resolve("link").unwrap();
            edit(&ground.workspace, &link, "text", "words").await.unwrap();
            assert!(fs::symlink_metadata(ground.root.join("link")).unwrap().is_symlink());
            assert_eq!(ground.bytes(), b"words");
        });
    }

    #[test]
    fn a_folder_without_permission_is_an_error() {
        run(async {
            if rustix::process::geteuid().is_root() {
                // The superuser may write anywhere.
                return;
            }
            let ground = ground(b"text");
            let plan = ground.plan("text", "words").await;
            fs::set_permissions(&ground.root, fs::Permissions::from_mode(0o555)).unwrap();
            let error = ground.workspace.apply(plan, None).await.unwrap_err();
            fs::set_permissions(&ground.root, fs::Permissions::from_mode(0o755)).unwrap();
            assert!(matches!(error, EditError::Denied(_)), "{error:?}");
            assert_eq!(ground.bytes(), b"text");
        });
    }

    #[test]
    fn errors_of_the_system_are_told_in_words() {
        let location = Location { path: PathBuf::from("/a"), inside: true, shown: "a".to_owned() };
        let told = |code: rustix::io::Errno| EditError::of(&location, code.into());
        assert!(matches!(told(rustix::io::Errno::NOSPC), EditError::DiskFull(_)));
        assert!(matches!(told(rustix::io::Errno::DQUOT), EditError::DiskFull(_)));
        assert!(matches!(told(rustix::io::Errno::ROFS), EditError::ReadOnly(_)));
        assert!(matches!(told(rustix::io::Errno::ACCESS), EditError::Denied(_)));
        assert!(matches!(told(rustix::io::Errno::NOENT), EditError::NoFolder(_)));
        assert!(matches!(told(rustix::io::Errno::IO), EditError::Io { .. }));
    }
}
