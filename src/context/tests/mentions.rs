//! What a person points to, as the model reads it.

use base64::{Engine, prelude::BASE64_STANDARD};

use super::*;
use crate::transcript::Image;

const PNG: &[u8] = &[0x89, b'P', b'N', b'G', 0x0D, 0x0A, 0x1A, 0x0A, 0, 0];

async fn shown(home: &Home, parts: &[Part]) -> (Resolved, Seen) {
    let (seen, commands) = (Seen::default(), Commands::default());
    let surroundings = Surroundings { workspace: &home.workspace, seen: &seen, commands: &commands };
    let resolved = resolve(parts, surroundings).await.unwrap();
    (resolved, seen)
}

async fn check(home: &Home, part: Part, expected: &str) {
    let (Resolved { message, warnings }, _) = shown(home, std::slice::from_ref(&part)).await;
    assert_eq!(message.text(), expected, "{part:?}");
    assert_eq!(warnings, Vec::<String>::new());
}

fn file(path: &str) -> Part {
    Part::File { path: path.into() }
}

fn range(path: &str, first: u32, last: u32) -> Part {
    Part::Range { path: path.into(), first, last }
}

#[tokio::test]
async fn each_kind_is_shown_as_read_would_show_it() {
    let home = Home::new(&[("root/a.rs", "one\ntwo\nthree\n"), ("root/sub/deep/x.rs", ""), ("root/.hidden", "")]);
    check(&home, file("a.rs"), "<file path=\"a.rs\">\n     1\tone\n     2\ttwo\n     3\tthree\n</file>").await;
    check(
        &home,
        range("a.rs", 2, 2),
        "<file path=\"a.rs\" lines=\"2-2\">\n     2\ttwo\n[lines 2 to 2 of 3; go on with offset 3]\n</file>",
    )
    .await;
    let symbol = Part::Symbol { path: "a.rs".into(), name: "fn \"x\"".into(), first: 3, last: 3 };
    check(&home, symbol, "<symbol name=\"fn &quot;x&quot;\" path=\"a.rs\" lines=\"3-3\">\n     3\tthree\n</symbol>")
        .await;
    check(&home, Part::Folder { path: ".".into() }, "<folder path=\".\">\na.rs\nsub/\nsub/deep/\n</folder>").await;
    check(&home, file("sub"), "<folder path=\"sub\">\ndeep/\ndeep/x.rs\n</folder>").await;
    let selection = Part::Selection { path: "a.rs".into(), first: 1, last: 2, text: "one\ntwo".into() };
    check(&home, selection, "<selection path=\"a.rs\" lines=\"1-2\">\none\ntwo\n</selection>").await;
    let diagnostic = Diagnostic {
        path: home.path("root/a.rs").display().to_string(),
        line: 2,
        severity: Severity::Error,
        message: "no\nway".into(),
        source: Some("rustc".into()),
        code: Some("E1".into()),
    };
    let expected = "<diagnostics>\na.rs:2: error: [rustc E1] no\n    way\n</diagnostics>";
    check(&home, Part::Diagnostics(vec![diagnostic]), expected).await;
    let resource = Part::Resource { uri: "x:y".into(), text: "text\n".into() };
    check(&home, resource, "<resource uri=\"x:y\">\ntext\n</resource>").await;
}

#[tokio::test]
async fn an_open_buffer_goes_before_the_disk_and_only_what_was_shown_whole_is_read() {
    let home = Home::new(&[("root/a.rs", "old\n"), ("root/b.rs", "b\nb\n")]);
    home.open("root/a.rs", "new\n");
    let (resolved, seen) = shown(&home, &[file("a.rs"), range("b.rs", 1, 1)]).await;
    let text = resolved.message.text();
    assert!(text.contains("     1\tnew\n[the editor shows this"), "{text}");
    for (path, whole) in [("a.rs", true), ("b.rs", false)] {
        let location = home.workspace.resolve(path).unwrap();
        let snapshot = home.workspace.read(&location).await.unwrap();
        assert_eq!(seen.has_whole(&location, &snapshot), whole, "{path}");
    }
    assert_eq!(seen.take_touched().len(), 2, "its folder's instructions come along");
}

#[tokio::test]
async fn a_big_file_is_clipped_and_the_prompt_has_an_end() {
    let long = "é".repeat(50) + "\n";
    let home = Home::new(&[("root/big.txt", &long.repeat(5_000))]);
    let (resolved, seen) = shown(&home, &[file("big.txt"), file("big.txt"), file("big.txt"), file("big.txt")]).await;
    let parts: Vec<_> = resolved.message.content.iter().collect();
    let Content::Text { text } = parts[0] else { panic!("a text") };
    assert!(text.contains("of 5000; go on with offset ") && text.len() < 81_000, "{}", text.len());
    let location = home.workspace.resolve("big.txt").unwrap();
    assert!(!seen.has_whole(&location, &home.workspace.read(&location).await.unwrap()));
    assert!(resolved.message.text().contains("the prompt is full"), "{:?}", resolved.warnings);
    assert!(resolved.message.text().len() < 250_000);
}

#[tokio::test]
async fn what_is_not_there_is_said_and_nothing_else_is_lost() {
    let home = Home::new(&[("root/bin", "a\0b"), ("root/short", "x\n")]);
    let parts = [
        Part::Text("Look.".into()),
        file("gone.rs"),
        file("bin"),
        range("short", 7, 9),
        Part::Folder { path: "no".into() },
    ];
    let (Resolved { message, warnings }, _) = shown(&home, &parts).await;
    let text = message.text();
    assert!(
        text.starts_with("Look.[The person points to gone.rs which cannot be shown here: gone.rs does not exist.]")
    );
    for expected in ["bin is binary", "short has 1 line, so there is nothing at line 7", "no is no folder"] {
        assert!(text.contains(expected), "{text}");
    }
    assert_eq!(warnings.len(), 4, "{warnings:?}");
}

#[tokio::test]
async fn a_file_outside_the_roots_is_shown_once_because_it_was_named() {
    let home = Home::new(&[("elsewhere/x", "outside\n")]);
    let path = home.path("elsewhere/x").display().to_string();
    check(&home, file(&path), &format!("<file path=\"{path}\">\n     1\toutside\n</file>")).await;
    assert!(!home.workspace.resolve(&path).unwrap().inside, "the tools go on asking");
}

#[tokio::test]
async fn images_are_what_their_bytes_say() {
    let home = Home::new(&[]);
    std::fs::write(home.path("root/x.png"), PNG).unwrap();
    let image = |media_type: &str, data: String| Image { media_type: media_type.into(), data };
    let good = image("image/png", BASE64_STANDARD.encode(PNG));
    for part in [file("x.png"), Part::Image(image("image/jpeg", good.data.clone()))] {
        let (resolved, _) = shown(&home, &[part]).await;
        assert_eq!(resolved.message.content, [Content::Image(good.clone())]);
    }
    for (data, why) in [
        ("!".to_owned(), "base64"),
        (BASE64_STANDARD.encode("<svg/>"), "neither PNG"),
        ("A".repeat(6_000_000), "larger"),
    ] {
        let (resolved, _) = shown(&home, &[Part::Image(image("image/png", data))]).await;
        assert!(resolved.message.text().contains(why) && resolved.warnings[0].contains(why), "{why}");
    }
}

#[tokio::test]
async fn an_address_is_given_and_not_fetched() {
    let home = Home::new(&[]);
    let (resolved, _) = shown(&home, &[Part::Url("https://example.org/a".into())]).await;
    let text = resolved.message.text();
    assert!(text.contains("<https://example.org/a>") && text.contains("web_fetch"), "{text}");
    for url in ["file:///etc/passwd", "https://", "https://a b", "é"] {
        let (resolved, _) = shown(&home, &[Part::Url(url.into())]).await;
        assert_eq!(resolved.warnings.len(), 1, "{url}");
    }
}

#[tokio::test]
async fn the_first_text_may_be_a_command_and_only_it() {
    let home = Home::new(&[("user/commands/fix.md", "Fix $ARGUMENTS."), ("root/a", "a\n")]);
    let files = CommandFiles { places: home.places.clone(), workspace: home.workspace.clone() };
    let (seen, commands) = (Seen::default(), Commands::new(vec![Arc::new(files)]));
    let surroundings = Surroundings { workspace: &home.workspace, seen: &seen, commands: &commands };
    let texts = async |parts: &[Part]| {
        let resolved = resolve(parts, surroundings).await?;
        let texts = resolved.message.content.into_iter().map(|part| match part {
            Content::Text { text } => text,
            other => format!("{other:?}"),
        });
        Ok::<Vec<String>, CommandError>(texts.collect())
    };
    let text = |text: &str| Part::Text(text.into());
    assert_eq!(texts(&[text(""), text("/fix the door"), text("/fix")]).await.unwrap(), ["Fix the door.", "/fix"]);
    assert_eq!(texts(&[range("a", 1, 1), text("/fix it")]).await.unwrap()[1], "Fix it.");
    assert_eq!(texts(&[text("\\/fix it")]).await.unwrap(), ["/fix it"]);
    let command = Part::Command { name: "fix".into(), arguments: " all ".into() };
    assert_eq!(texts(&[text("First:"), command]).await.unwrap(), ["First:", "Fix all."]);
    let error = texts(&[file("a"), text("/fxi")]).await.unwrap_err();
    assert!(error.to_string().contains("/fix"), "{error}");
    assert!(seen.take_touched().iter().all(|path| path == &home.path("root/a")));
}
