//! Where the log goes, and what it never holds.

use std::{
    collections::VecDeque,
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Client, Ground, LIMIT, everything, script, text};

const BEGINS: &str = "a turn begins";

fn ground() -> Ground {
    Ground::new(&script::always(json!([{"text": "Here I am."}])))
}

/// Puts this before all else in the person's settings.
fn configure(ground: &Ground, setting: &str) {
    let path = ground.folder().join("config.toml");
    let settings = std::fs::read_to_string(&path).expect("the settings");
    std::fs::write(path, format!("{setting}\n{settings}")).expect("the settings");
}

fn written(ground: &Ground, name: &str) -> String {
    std::fs::read_to_string(ground.folder().join(name)).unwrap_or_default()
}

/// What the editor is shown, up to the line with these words.
async fn lines(client: &mut Client, words: &str) -> Vec<Value> {
    let mut lines = Vec::new();
    loop {
        lines.push(client.told("window/logMessage").await);
        if lines[lines.len() - 1]["message"].as_str().expect("a message").contains(words) {
            return lines;
        }
    }
}

#[tokio::test]
async fn an_editor_gets_the_log_and_the_standard_error_only_what_came_before() {
    const KEY: &str = "sk-test-91b7cd02ae";
    let mut ground = ground();
    // A repository's settings are known once the editor has said where it is.
    std::fs::create_dir(ground.project().join(".pillion")).expect("a folder");
    ground.write(".pillion/config.toml", "modle = 'a/b'\n");
    ground
        .env
        .extend([("EXAMPLE_API_KEY", KEY), ("PILLION_LOG", KEY)].map(|(name, value)| (name.into(), value.into())));
    let mut client = ground.client(everything()).await;
    let told = lines(&mut client, "`modle` is refused here").await.pop().expect("the line");
    assert_eq!(told["type"], 2);
    let shown = text(&told["message"]);
    assert!(shown.starts_with("pillion::") && !shown.contains('\n'), "{shown:?}");
    assert!(client.leave().await.success());

    let (stderr, file) = (written(&ground, "stderr.log"), written(&ground, "state/logs/pillion.log"));
    let before = "PILLION_LOG is passed over: \"***\" is no level";
    assert!(stderr.contains(before) && !stderr.contains("modle"), "{stderr}");
    assert!(file.contains(before) && file.contains("modle") && file.contains("WARN"), "{file}");
    assert!(!stderr.contains(KEY) && !file.contains(KEY), "{stderr}{file}");
}

#[tokio::test]
async fn an_editor_says_how_much_it_wants() {
    let ground = ground();
    configure(&ground, "log_level = 'error'");
    let mut client = ground.client(everything()).await;
    let session = client.new_session().await;
    let turn = async |client: &mut Client| {
        let turn = client.start(&session, "go").await;
        client.events_until(&session, "turnEnded").await;
        // As it stands in a line, with an end.
        format!("turn=\"{turn}\"")
    };
    let quiet = turn(&mut client).await;
    client.peer.notify("$/setTrace", &json!({"value": "verbose"}));
    let traced = turn(&mut client).await;
    let mut shown = lines(&mut client, &traced).await;
    let told = &shown[shown.len() - 1];
    assert_eq!(told["type"], 4);
    assert!(text(&told["message"]).contains(BEGINS), "{told}");
    client.peer.notify("$/setTrace", &json!({"value": "off"}));
    let quiet_again = turn(&mut client).await;
    client.peer.notify("workspace/didChangeConfiguration", &json!({"settings": {"pillion": {"logLevel": "debug"}}}));
    // The settings of the editor go over the person's file.
    let set = turn(&mut client).await;
    shown.extend(lines(&mut client, &set).await);
    for turn in [quiet, quiet_again] {
        let is_told = shown.iter().any(|line| line["message"].as_str().is_some_and(|text| text.contains(&turn)));
        assert!(!is_told, "{turn} is told of: {shown:?}");
    }
    client.leave().await;
}

#[tokio::test]
async fn an_editor_that_is_slow_is_told_what_it_misses_and_holds_nobody_up() {
    const COUNT: u64 = 5_000;
    let ground = ground();
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_pillion"))
        .arg("lsp")
        .envs(ground.env.iter().cloned())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("the server starts");
    let mut input = child.stdin.take().expect("stdin");
    let mut output = child.stdout.take().expect("stdout");
    let frame = |message: Value| {
        let message = message.to_string();
        format!("Content-Length: {}\r\n\r\n{message}", message.len())
    };
    let initialize = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"capabilities": {}}});
    // Each is refused, and each refusal is logged.
    let wrong = (1..=COUNT).map(|id| frame(json!({"jsonrpc": "2.0", "id": id, "method": 1})));
    let said: String = [frame(initialize)].into_iter().chain(wrong).collect();
    let saying = tokio::time::timeout(LIMIT, input.write_all(said.as_bytes())).await;
    saying.expect("the server reads on though nobody reads what it says").expect("it reads");

    // Only now the editor reads.
    let mut frames = Frames { output: &mut output, read: VecDeque::new() };
    let (mut last, mut lines, mut missed, mut answers) = (0, 0, 0, 0);
    while lines + missed < COUNT || answers <= COUNT {
        let message = frames.next().await;
        if message["method"] != "window/logMessage" {
            answers += u64::from(message["id"].is_u64());
            continue;
        }
        let told = text(&message["params"]["message"]);
        let number = |before: &str| -> Option<u64> {
            let rest = told.split_once(before)?.1;
            rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
        };
        if let Some(id) = number("a message was refused id=") {
            // What is missing between two lines was told between them.
            assert_eq!(id, last + 1, "{told}");
            (last, lines) = (id, lines + 1);
        } else if let Some(count) = number("pillion::log: ") {
            (last, missed) = (last + count, missed + count);
        }
    }
    assert!(lines >= 256 && missed > 0, "{lines} lines came, {missed} did not");
    assert_eq!((lines + missed, last), (COUNT, COUNT));
}

struct Frames<'a, R> {
    output: &'a mut R,
    read: VecDeque<u8>,
}

impl<R: AsyncReadExt + Unpin> Frames<'_, R> {
    async fn next(&mut self) -> Value {
        loop {
            let bytes = self.read.make_contiguous();
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                let header = std::str::from_utf8(&bytes[..end]).expect("a header");
                let length: usize =
                    header.strip_prefix("Content-Length: ").expect("a length").parse().expect("a number");
                if let Some(body) = bytes.get(end + 4..end + 4 + length) {
                    let message = serde_json::from_slice(body).expect("JSON");
                    self.read.drain(..end + 4 + length);
                    return message;
                }
            }
            let mut piece = vec![0; 64 << 10];
            let count = tokio::time::timeout(LIMIT, self.output.read(&mut piece)).await.expect("more comes in time");
            let count = count.expect("it writes");
            assert!(count > 0, "the server went away");
            self.read.extend(&piece[..count]);
        }
    }
}

#[test]
fn a_terminal_shows_what_is_asked_for() {
    let run = |setting: &str, variable: &str, args: &[&str]| -> (Ground, Output) {
        let ground = ground();
        configure(&ground, setting);
        let output = Command::new(env!("CARGO_BIN_EXE_pillion"))
            .arg("run")
            .args(args)
            .arg("go")
            .envs(ground.env.iter().cloned())
            .env("PILLION_LOG", variable)
            .current_dir(ground.project())
            .stdin(Stdio::null())
            .output()
            .expect("it runs");
        (ground, output)
    };
    let check = |setting: &str, variable: &str, args: &[&str], is_shown: bool| {
        let (ground, output) = run(setting, variable, args);
        let shown = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(shown.contains(BEGINS), is_shown, "{setting} {variable} {args:?}: {shown}");
        assert_eq!(written(&ground, "state/logs/pillion.log").contains(BEGINS), is_shown);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains("Here I am.") && !said.contains(BEGINS), "{said}");
    };
    check("", "", &[], false);
    check("", "", &["--log", "debug"], true);
    check("", "debug", &[], true);
    check("", "warn,pillion::sidecar=debug", &[], true);
    check("log_level = 'debug'", "", &[], true);
    check("log_level = 'debug'", "warn", &[], false);
    check("", "debug", &["--log", "off"], false);

    let (_, output) = run("", "", &["--log", "debgu"]);
    let shown = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && shown.contains("\"debgu\" is no level. Use off, error"), "{shown}");
}
