//! Where paths lead, and what is inside.
#![allow(clippy::disallowed_methods)]

use super::{editor::*, *};

/// A root, a folder beside it, and what is in them.
struct Ground {
    _keep: tempfile::TempDir,
    top: PathBuf,
    workspace: Arc<Workspace>,
}

fn ground() -> Ground {
    let (keep, top) = folder();
    for folder in ["root/src", "root2", "beside"] {
        std::fs::create_dir_all(top.join(folder)).unwrap();
    }
    for file in ["root/src/a.rs", "root2/only.rs", "beside/secret"] {
        write(&top.join(file));
    }
    let workspace = Workspace::new(vec![top.join("root")]);
    Ground { _keep: keep, top, workspace }
}

fn write(path: &Path) {
    std::fs::write(path, "").unwrap();
}

impl Ground {
    /// `path` leads to `to` (below the top), which is `inside` or not.
    #[track_caller]
    fn check(&self, path: &str, to: &str, inside: bool) {
        let location = self.workspace.resolve(path).unwrap();
        assert_eq!((location.path, location.inside), (self.top.join(to), inside), "{path}");
    }
}

#[test]
fn dots_are_walked() {
    let ground = ground();
    ground.check("src/a.rs", "root/src/a.rs", true);
    ground.check("./src/../src/./a.rs", "root/src/a.rs", true);
    ground.check(".", "root", true);
    ground.check("new.rs", "root/new.rs", true);
    ground.check("new/deep/file.rs", "root/new/deep/file.rs", true);
    ground.check("../beside/secret", "beside/secret", false);
    ground.check("../root/src/a.rs", "root/src/a.rs", true);
    ground.check("../root2/x", "root2/x", false);
    ground.check("src/a.rs/../../../x", "x", false);
}

/// `.` is what every example of every library begins with.
#[tokio::test]
async fn a_relative_root_is_below_the_current_folder() {
    let here = std::env::current_dir().unwrap();
    for root in [".", "./", "", "src/.."] {
        let workspace = Workspace::new(vec![root.into()]);
        let location = workspace.resolve("Cargo.toml").unwrap();
        assert_eq!(
            (location.path.clone(), location.inside),
            (real(&here.join("Cargo.toml")).unwrap(), true),
            "{root:?}"
        );
        assert!(workspace.read(&location).await.unwrap().text.to_string().contains("pillion"), "{root:?}");
        assert!(workspace.roots()[0].is_absolute(), "{root:?}");

        workspace.set_roots(vec!["src".into()]);
        assert_eq!(workspace.roots(), [here.join("src")]);
        workspace.add_root("tests".into());
        workspace.remove_root(Path::new("src"));
        assert_eq!(workspace.roots(), [here.join("tests")]);
    }
}

#[test]
fn a_path_that_does_not_exist_cannot_climb_out() {
    let ground = ground();
    ground.check("none/../../x", "x", false);
    ground.check("none/../x", "root/x", true);
    ground.check("none/a/b/../../../../beside/secret", "beside/secret", false);
    ground.check("none/../src/../../beside/secret", "beside/secret", false);
    let absolute = ground.top.join("root/none/../../x");
    ground.check(absolute.to_str().unwrap(), "x", false);
}

#[test]
fn absolute_paths_and_uris_are_judged_alike() {
    let ground = ground();
    for (name, inside) in [("root/src/a.rs", true), ("root/none", true), ("beside/secret", false), ("rootless", false)]
    {
        let path = ground.top.join(name);
        ground.check(path.to_str().unwrap(), name, inside);
        ground.check(&uri_of(&path), name, inside);
    }
}

#[test]
fn what_is_no_path_is_an_error() {
    let ground = ground();
    let error = |path: &str| ground.workspace.resolve(path).unwrap_err();
    assert!(matches!(error(""), PathError::Empty));
    assert!(matches!(error("a\0b"), PathError::Nul));
    assert!(matches!(error("untitled:none"), PathError::NotOpen(_)));
    assert!(matches!(error("https://example.com/x"), PathError::NotOpen(_)));
    assert!(matches!(error("file:///a%00b"), PathError::BadUri(_)));
    ground.workspace.set_roots(Vec::new());
    assert!(matches!(error("a"), PathError::NoRoot(_)));
    assert!(!ground.workspace.resolve(ground.top.to_str().unwrap()).unwrap().inside);
}

#[test]
fn home_is_spelled_with_a_tilde() {
    let ground = ground();
    let home = confine::real(&etcetera::home_dir().unwrap()).unwrap();
    assert_eq!(ground.workspace.resolve("~").unwrap().path, home);
    assert_eq!(ground.workspace.resolve("~/none.txt").unwrap().path, home.join("none.txt"));
    ground.check("~none", "root/~none", true);
}

#[test]
fn a_relative_path_is_of_the_root_that_has_it() {
    let ground = ground();
    ground.workspace.add_root(ground.top.join("root2"));
    ground.workspace.add_root(ground.top.join("root2"));
    assert_eq!(ground.workspace.roots(), [ground.top.join("root"), ground.top.join("root2")]);
    ground.check("only.rs", "root2/only.rs", true);
    ground.check("new.rs", "root/new.rs", true);
    let _editor = Editor::open(&ground.workspace, &uri_of(&ground.top.join("root2/unsaved.rs")), "");
    ground.check("unsaved.rs", "root2/unsaved.rs", true);
    assert_eq!(ground.workspace.resolve("src/a.rs").unwrap().shown, "src/a.rs");
    let second = ground.top.join("root2/only.rs");
    assert_eq!(ground.workspace.resolve("only.rs").unwrap().shown, second.to_str().unwrap());
}

#[test]
fn roots_come_and_go() {
    let ground = ground();
    ground.check("../beside/secret", "beside/secret", false);
    ground.workspace.add_root(ground.top.join("beside"));
    ground.check("../beside/secret", "beside/secret", true);
    ground.workspace.remove_root(&ground.top.join("beside"));
    ground.check("../beside/secret", "beside/secret", false);
}

#[cfg(unix)]
mod links {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_counts_for_where_it_leads() {
        let ground = ground();
        let root = ground.top.join("root");
        symlink("../beside", root.join("out")).unwrap();
        symlink(ground.top.join("beside/secret"), root.join("secret")).unwrap();
        symlink("src", root.join("in")).unwrap();
        symlink("../beside/none", root.join("dangling")).unwrap();
        ground.check("out/secret", "beside/secret", false);
        ground.check("out/new/file", "beside/new/file", false);
        ground.check("secret", "beside/secret", false);
        ground.check("in/a.rs", "root/src/a.rs", true);
        ground.check("dangling", "beside/none", false);
        // As the system walks it: `..` of where the link leads.
        ground.check("out/../x", "x", false);
        ground.check("in/../x", "root/x", true);
        ground.check("none/../out/secret", "beside/secret", false);
    }

    #[test]
    fn a_circle_of_links_is_an_error() {
        let ground = ground();
        symlink("b", ground.top.join("root/a")).unwrap();
        symlink("a", ground.top.join("root/b")).unwrap();
        assert!(matches!(ground.workspace.resolve("a/x"), Err(PathError::Walk { .. })));
    }

    #[test]
    fn a_root_behind_a_link_holds_its_files() {
        let ground = ground();
        symlink(ground.top.join("root2"), ground.top.join("alias")).unwrap();
        ground.workspace.set_roots(vec![ground.top.join("alias")]);
        ground.check("only.rs", "root2/only.rs", true);
        ground.check(ground.top.join("alias/only.rs").to_str().unwrap(), "root2/only.rs", true);
        assert_eq!(ground.workspace.roots(), [ground.top.join("alias")]);
    }

    #[test]
    fn a_link_that_came_after_the_judgement_is_not_followed() {
        run(async {
            let ground = ground();
            let read = ground.workspace.resolve("src/a.rs").unwrap();
            let new = ground.workspace.resolve("src/new.rs").unwrap();
            let plan = ground.workspace.plan_write(&new, None, "text").await.unwrap();
            std::fs::remove_dir_all(ground.top.join("root/src")).unwrap();
            write(&ground.top.join("beside/a.rs"));
            symlink("../beside", ground.top.join("root/src")).unwrap();
            assert!(matches!(ground.workspace.read(&read).await, Err(ReadError::Moved(_))));
            assert!(ground.workspace.apply(plan, None).await.is_err());
            assert!(!ground.top.join("beside/new.rs").exists());
        });
    }
}
