use pillion::{transcript::Image, workspace::Limits};
use serde_json::json;

use super::*;

async fn check(project: &Project, input: Value, expected: Result<&str, &str>) {
    let result = project.run("read", input).await;
    assert_eq!(result.as_deref().map_err(String::as_str), expected);
}

#[tokio::test]
async fn lines_are_numbered() {
    let project = Project::new();
    project.file("a.txt", "one\r\ntwo\n\n\u{2028}four\n");
    let expected = "     1\tone\n     2\ttwo\n     3\t\n     4\t\u{2028}four";
    check(&project, json!({ "path": "a.txt" }), Ok(expected)).await;
    check(&project, json!({ "path": project.root.join("a.txt") }), Ok(expected)).await;
}

#[tokio::test]
async fn a_part_says_where_to_go_on() {
    let project = Project::new();
    project.file("a.txt", "1\n2\n3\n4\n5\n");
    let part = "     2\t2\n     3\t3\n[lines 2 to 3 of 5; go on with offset 4]";
    check(&project, json!({ "path": "a.txt", "offset": 2, "limit": 2 }), Ok(part)).await;
    check(&project, json!({ "path": "a.txt", "offset": "4", "limit": 9 }), Ok("     4\t4\n     5\t5")).await;
    let past = "a.txt has 5 lines, so there is nothing at line 6";
    check(&project, json!({ "path": "a.txt", "offset": 6 }), Err(past)).await;
}

#[tokio::test]
async fn a_long_file_comes_in_pages() {
    let project = Project::new();
    project.file("lines.txt", "x\n".repeat(5_000));
    let page = project.run("read", json!({ "path": "lines.txt" })).await.unwrap();
    assert!(page.ends_with("  2000\tx\n[lines 1 to 2000 of 5000; go on with offset 2001]"), "{page}");
    project.file("wide.txt", format!("{}\n", "y".repeat(1_000)).repeat(1_000));
    let page = project.run("read", json!({ "path": "wide.txt" })).await.unwrap();
    assert!(page.len() < 90_000 && page.contains("of 1000; go on with offset"), "{}", page.len());
}

#[tokio::test]
async fn a_long_line_is_clipped_and_read_on() {
    let project = Project::new();
    project.file("a.txt", "é".repeat(2_500) + "end");
    let clipped = project.run("read", json!({ "path": "a.txt" })).await.unwrap();
    assert!(clipped.contains("é[... clipped: the line has 2503 characters, read on with column 2001]"), "{clipped}");
    let rest = format!("     1\t{}end\n[no line end at the end]", "é".repeat(500));
    check(&project, json!({ "path": "a.txt", "column": 2001 }), Ok(&rest)).await;
}

#[tokio::test]
async fn an_empty_file_says_so() {
    let project = Project::new();
    project.file("a.txt", "");
    check(&project, json!({ "path": "a.txt" }), Ok("[a.txt is empty]")).await;
}

#[tokio::test]
async fn the_buffer_is_read_and_said_to_be_unsaved() {
    let project = Project::new();
    project.file("a.txt", "disk\n");
    project.open("a.txt", "typed\n");
    let expected = "     1\ttyped\n[the editor shows this, with changes that are not saved yet]";
    check(&project, json!({ "path": "a.txt" }), Ok(expected)).await;
    project.workspace.open(project.editor, "untitled:Untitled-1", "plaintext", 1, "idea\n");
    let untitled = project.run("read", json!({ "path": "untitled:Untitled-1" })).await.unwrap();
    assert!(untitled.starts_with("     1\tidea\n"));
}

#[tokio::test]
async fn images_come_as_images() {
    let project = Project::new();
    let png = b"\x89PNG\r\n\x1a\nrest";
    project.file("a.png", png);
    project.file("b.JPG", b"\xff\xd8\xff\xe0");
    project.file("c.gif", b"GIF89a");
    project.file("d.webp", b"RIFF\x01\x02\x03\x04WEBP");
    for (path, media_type) in
        [("a.png", "image/png"), ("b.JPG", "image/jpeg"), ("c.gif", "image/gif"), ("d.webp", "image/webp")]
    {
        let output = project.call("read", json!({ "path": path })).both().await.unwrap();
        let [ResultContent::Image(image)] = output.content.as_slice() else { panic!("{output:?}") };
        assert_eq!(image.media_type, media_type);
        if path == "a.png" {
            assert_eq!(*image, Image { media_type: "image/png".to_owned(), data: "iVBORw0KGgpyZXN0".to_owned() });
        }
    }
    project.file("big.png", [png.as_slice(), &[0; 4_000_000]].concat());
    let error = project.run("read", json!({ "path": "big.png" })).await.unwrap_err();
    assert!(error.contains("big.png has 4000012 bytes") && error.contains("smaller copy"), "{error}");
    project.file("text.png", "no picture\n");
    check(&project, json!({ "path": "text.png" }), Ok("     1\tno picture")).await;
}

#[tokio::test]
async fn what_is_no_text_is_refused_with_a_hint() {
    let project = Project::with_limits(Limits { size: 1_000, ..Limits::default() });
    project.file("a.bin", b"a\0b");
    let binary = project.run("read", json!({ "path": "a.bin" })).await.unwrap_err();
    assert!(binary.contains("a.bin is binary") && binary.contains("bash"), "{binary}");
    project.file("huge.txt", "x".repeat(1_001));
    let huge = project.run("read", json!({ "path": "huge.txt", "offset": 1, "limit": 1 })).await.unwrap_err();
    assert!(huge.contains("1001 bytes") && huge.contains("grep"), "{huge}");
    project.file("folder/a.txt", "");
    let folder = project.run("read", json!({ "path": "folder" })).await.unwrap_err();
    assert!(folder.contains("folder is a folder") && folder.contains("glob"), "{folder}");
}

#[tokio::test]
async fn a_missing_file_suggests_near_ones() {
    let project = Project::new();
    project.file("src/config.rs", "");
    project.file("src/main.rs", "");
    project.file("deep/down/theme.css", "");
    let near = |path: &'static str| project.run("read", json!({ "path": path }));
    assert_eq!(near("src/confg.rs").await.unwrap_err(), "src/confg.rs does not exist; did you mean src/config.rs?");
    assert_eq!(near("theme.css").await.unwrap_err(), "theme.css does not exist; did you mean deep/down/theme.css?");
    assert_eq!(near("none/at/all").await.unwrap_err(), "none/at/all does not exist");
}

#[tokio::test]
async fn paths_are_confined() {
    let project = Project::new();
    fs::write(project.outside().join("secret"), "x").unwrap();
    project.file("a.txt", "");
    let outside = async |path: &str| {
        let proposal = project.call("read", json!({ "path": path })).propose().await.unwrap();
        proposal.outside
    };
    assert!(!outside("a.txt").await);
    assert!(!outside("none/../a.txt").await);
    assert!(outside("../secret").await);
    assert!(outside("none/../../x").await);
    assert!(outside("none/deeper/../../../secret").await);
    assert!(outside(project.outside().join("secret").to_str().unwrap()).await);
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(project.outside(), project.root.join("way_out")).unwrap();
        assert!(outside("way_out/secret").await);
        assert!(outside("way_out/none/x").await);
    }
}
