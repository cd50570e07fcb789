//! `pillion run` as a person or a script starts it.

mod asking;
mod stored;

use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::support::{Ground, LIMIT, script, text};
#[cfg(target_os = "linux")]
use crate::support::{eventually, processes_with};

fn run(ground: &Ground, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pillion"))
        .arg("run")
        .args(args)
        .envs(ground.env.iter().cloned())
        .current_dir(ground.project())
        .stdin(Stdio::null())
        .output()
        .expect("it runs")
}

fn writing() -> Value {
    script::always(json!([{"toolCall": {"name": "write", "input": {"path": "made.txt", "content": "made"}}}]))
}

fn events(output: &Output) -> Vec<Value> {
    let lines = String::from_utf8(output.stdout.clone()).expect("UTF-8");
    lines.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

#[test]
fn without_a_terminal_nothing_is_done_that_would_ask_and_a_script_can_tell() {
    let ground = Ground::new(&writing());
    for args in [&["go"][..], &["--json", "go"]] {
        let output = run(&ground, args);
        assert_eq!(output.status.code(), Some(4), "{output:?}");
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(shown.contains("nobody could be asked, so this was not run: "), "{shown}");
        assert!(!shown.contains("the person denied"), "nobody did: {shown}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let rules = ground.folder().join("rules.toml").display().to_string();
        for advice in ["1 call was not run", "--mode acceptEdits", "rules = [\"write(made.txt)\"]", &rules] {
            assert!(said.contains(advice), "{advice} is missing: {said}");
        }
        assert!(!ground.project().join("made.txt").exists());
    }
    let resolved = events(&run(&ground, &["--json", "go"])).into_iter().map(|line| line["event"].clone());
    let resolved: Vec<_> = resolved.filter(|event| event["type"] == "approvalResolved").collect();
    assert_eq!(resolved[0]["outcome"]["type"], "nobody");

    // What it says is what helps.
    std::fs::write(ground.folder().join("rules.toml"), "rules = [\"write(made.txt)\"]\n").expect("a rule");
    assert_eq!(run(&ground, &["go"]).status.code(), Some(0));
    assert!(ground.project().join("made.txt").exists());
}

#[test]
fn a_turn_that_is_cut_short_says_why_and_what_to_do() {
    let ended = |stop: &str, steps: Value| json!({"match": stop, "stop": stop, "steps": steps});
    let listing = json!([{"toolCall": {"name": "list", "input": {}}}]);
    let ground = Ground::new(&json!([
        {"afterTools": true, "steps": listing, "reuse": true},
        {"match": "turnLimit", "steps": listing},
        ended("maxTokens", json!([{"text": "half an ans"}])),
        ended("refusal", json!([])),
    ]));
    let config = ground.folder().join("config.toml");
    let set = std::fs::read_to_string(&config).expect("a configuration");
    std::fs::write(&config, format!("turn_limit = 2\n{set}")).expect("a file");
    for (stop, advice) in [("turnLimit", "`turn_limit`"), ("maxTokens", "`max_tokens`"), ("refusal", "--model")] {
        let output = run(&ground, &[stop]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(advice), "{stop}: {output:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_command_that_ends_with_the_run_is_named() {
    let start = |command| json!({"toolCall": {"name": "bash", "input": {"command": command, "background": true}}});
    let ground = Ground::new(&script::always(json!([start("sleep 7792")])));
    let output = run(&ground, &["--mode", "auto", "go"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("task-1 still runs, and is ended with this run: sleep 7792"), "{output:?}");
}

#[test]
fn a_call_that_fails_has_a_title_for_people() {
    let calls = json!([
        {"toolCall": {"name": "read", "input": {"path": "none.txt"}}},
        {"toolCall": {"name": "bash", "input": {}}},
        {"toolCall": {"name": "mcp__tracker__close_issue", "input": {"id": "PIL-7"}}},
    ]);
    let ground = Ground::new(&script::always(calls));
    let shown = run(&ground, &["go"]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    for title in ["● Read none.txt\n", "● Run\n", "● Tracker: close issue PIL-7\n"] {
        assert!(shown.contains(title), "{title} is missing: {shown}");
    }
}

#[test]
fn a_model_without_a_key_asks_for_one_edit() {
    let ground = Ground::new(&json!([]));
    std::fs::write(ground.folder().join("config.toml"), "").expect("no settings");
    let run = |ground: &Ground| run(ground, &["--model", "scripted/hello", "--mode", "acceptEdits", "hi"]);
    let output = run(&ground);
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && shown.contains("I am a script"), "{shown}");
    let made = std::fs::read_dir(ground.project()).expect("a project").flatten();
    let is_made = |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().starts_with("pillion-was-here-");
    assert_eq!(made.filter(is_made).count(), 1, "{shown}");
}

#[test]
fn a_stored_session_goes_on_with_the_mode_that_is_asked_for() {
    let ground = Ground::new(&writing());
    let first = events(&run(&ground, &["--json", "--mode", "acceptEdits", "go"]));
    assert!(ground.project().join("made.txt").exists());
    std::fs::remove_file(ground.project().join("made.txt")).expect("it was made");
    let session = text(&first[0]["sessionId"]);
    let output = run(&ground, &["--json", "--session", &session, "--mode", "plan", "again"]);
    assert_eq!(output.status.code(), Some(0));
    let again = events(&output);
    assert!(again.iter().any(|line| line["event"]["mode"] == "plan"), "{again:?}");
    assert!(!ground.project().join("made.txt").exists(), "the mode of the stored session was taken");
    let seqs: Vec<u64> = again.iter().map(|line| line["seq"].as_u64().expect("a seq")).collect();
    assert_eq!(seqs[0], first.last().expect("an end")["seq"].as_u64().expect("a seq") + 1);
}

#[test]
fn a_relative_root_confines_like_an_absolute_one_and_a_missing_one_is_told() {
    let ground = Ground::new(&script::always(json!([
        {"toolCall": {"name": "write", "input": {"path": "../outside.txt", "content": "x"}}},
        {"toolCall": {"name": "write", "input": {"path": "inside.txt", "content": "x"}}},
    ])));
    std::fs::create_dir(ground.project().join("sub")).expect("a folder");
    let output = run(&ground, &["--json", "--root", "sub", "--mode", "acceptEdits", "go"]);
    assert_eq!(output.status.code(), Some(4), "nobody could be asked about what is outside");
    assert!(ground.project().join("sub/inside.txt").exists());
    assert!(!ground.project().join("outside.txt").exists());
    for (root, why) in [("nowhere", "nowhere cannot be worked in"), ("sub/inside.txt", "is no folder")] {
        let output = run(&ground, &["--root", root, "go"]);
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains(why), "{output:?}");
    }
}

#[test]
fn a_file_that_is_not_there_is_told_before_the_model_is_asked() {
    let ground = Ground::new(&script::always(json!([{"text": "hello"}])));
    let output = run(&ground, &["--file", "typo.txt", "go"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("typo.txt cannot be shown"), "{output:?}");
}

#[test]
fn what_is_wrong_with_the_settings_is_told_once() {
    let mut ground = Ground::new(&script::always(json!([{"text": "hello"}])));
    std::fs::create_dir(ground.project().join(".pillion")).expect("a folder");
    ground.write(".pillion/config.toml", "model = \"evil/model\"\n");
    for args in [&["go"][..], &["--continue", "go"]] {
        let output = run(&ground, args);
        let told = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).matches("refused").count());
        assert_eq!(told, [1, 0], "{args:?}");
    }
    // No session tells it where none can be opened.
    ground.env.push(("PILLION_MODEL".to_owned(), "unknown/any".to_owned()));
    for (args, why) in [(&["go"][..], "no provider \"unknown\""), (&["--file", "none.txt", "go"], "none.txt")] {
        let output = run(&ground, args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), said.matches("refused").count()), (Some(2), 1), "{said}");
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn a_command_and_files_are_given_on_the_command_line() {
    let ground = Ground::new(&json!([
        {"match": "     1\tred\n", "steps": [{"text": "a file"}]},
        {"match": "Paint it @door.txt.", "steps": [{"text": "a command"}]},
    ]));
    std::fs::create_dir(ground.folder().join("commands")).expect("a folder");
    std::fs::write(ground.folder().join("commands/paint.md"), "Paint it $1.").expect("a command");
    ground.write("door.txt", "red\n");
    let output = run(&ground, &["--file", "door.txt", "which colour?"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("a file"), "{output:?}");
    // An `@` in the prompt is a letter.
    let output = run(&ground, &["/paint @door.txt"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("a command"), "{output:?}");
    let output = run(&ground, &["/piant it"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("Did you mean /paint?"), "{output:?}");
}

/// What is read slowly arrives whole, and who reads nothing any more does not keep Ctrl-C from being heard.
#[cfg(unix)]
#[tokio::test]
async fn whoever_reads_the_output_may_stop_to() {
    use tokio::io::AsyncReadExt;
    let ground = Ground::new(&script::always(json!([{"text": "tok ", "repeat": 100_000}])));
    let start = || {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_pillion"));
        command.args(["run", "go"]).envs(ground.env.iter().cloned()).current_dir(ground.project());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        command.spawn().expect("it starts")
    };
    let mut unread = start();
    let mut pipe = unread.stdout.take().expect("stdout");
    // It has begun, and soon there is more than a pipe holds.
    pipe.read_u8().await.expect("something is said");
    let pid = rustix::process::Pid::from_raw(unread.id().expect("it runs").cast_signed()).expect("an id");
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it is told");
    let ended = tokio::time::timeout(LIMIT, unread.wait()).await.expect("Ctrl-C is heard").expect("a status");
    assert_eq!(ended.code(), Some(130));

    let mut read = start();
    let mut said = String::new();
    read.stdout.take().expect("stdout").read_to_string(&mut said).await.expect("all of it");
    assert_eq!(said.matches("tok ").count(), 100_000);
    assert_eq!(read.wait().await.expect("a status").code(), Some(0));
}

#[cfg(unix)]
#[tokio::test]
async fn nothing_more_is_done_for_whoever_reads_no_longer() {
    use tokio::io::AsyncReadExt;
    let made = json!({"toolCall": {"name": "write", "input": {"path": "made.txt", "content": "made"}}});
    let ground = Ground::new(&script::always(json!([{"text": "tok ", "repeat": 100_000}, made])));
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_pillion"));
    command.args(["run", "--mode", "acceptEdits", "go"]).envs(ground.env.iter().cloned());
    command.current_dir(ground.project()).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().expect("it starts");
    let mut pipe = child.stdout.take().expect("stdout");
    pipe.read_u8().await.expect("something is said");
    drop(pipe);
    let ended = tokio::time::timeout(LIMIT, child.wait()).await.expect("it ends").expect("a status");
    assert_eq!(ended.code(), Some(141));
    assert!(!ground.project().join("made.txt").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn an_answer_that_is_lost_on_a_full_disk_is_no_success() {
    let ground = Ground::new(&script::always(json!([{"text": "hello"}])));
    let full = |args: &[&str]| {
        let full = std::fs::File::options().write(true).open("/dev/full").expect("a full disk");
        let mut command = Command::new(env!("CARGO_BIN_EXE_pillion"));
        command.args(args).envs(ground.env.iter().cloned()).current_dir(ground.project());
        command.stdin(Stdio::null()).stdout(full).output().expect("it runs")
    };
    let listed = run(&ground, &["--json", "go"]);
    let session = text(&events(&listed)[0]["sessionId"]);
    for (args, code) in [(&["run", "go"][..], 1), (&["sessions", "show", &session], 2), (&["doctor"], 1)] {
        let output = full(args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains("the output cannot be written: "), "{args:?}: {said}");
    }
}

/// Whoever reads the events sees the turn end, and no command is left.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_system_stops_a_job_as_a_person_does() {
    use rustix::process::{Pid, Signal, kill_process};
    use tokio::io::{AsyncBufReadExt, BufReader};
    let sleep = json!([{"toolCall": {"name": "bash", "input": {"command": "sleep 1000.75"}}}]);
    let ground = Ground::new(&script::always(sleep));
    // Where these tests are to outlive their terminal, so is what they start.
    let signals: &[_] = if pillion::process::ignores_hangup() { &[Signal::TERM] } else { &[Signal::TERM, Signal::HUP] };
    for &signal in signals {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_pillion"));
        command.args(["run", "--json", "--mode", "auto", "go"]).envs(ground.env.iter().cloned());
        command.current_dir(ground.project()).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        eventually("the command runs", || !processes_with("1000.75").is_empty()).await;
        let pid = Pid::from_raw(child.id().expect("it runs").cast_signed()).expect("an id");
        kill_process(pid, signal).expect("it is told");
        let mut kinds = Vec::new();
        while let Some(line) = tokio::time::timeout(LIMIT, lines.next_line()).await.expect("in time").expect("a line") {
            kinds.push(text(&serde_json::from_str::<Value>(&line).expect("JSON")["event"]["type"]));
        }
        assert!(kinds.contains(&"toolResult".to_owned()), "{signal:?}: {kinds:?}");
        assert_eq!(kinds.last().map(String::as_str), Some("turnEnded"), "{signal:?}: {kinds:?}");
        assert_eq!(child.wait().await.expect("a status").code(), Some(130));
        assert_eq!(processes_with("1000.75"), Vec::<u32>::new());
    }
}

fn run_with_input(ground: &Ground, input: &[u8]) -> Output {
    use std::io::Write;
    let mut command = Command::new(env!("CARGO_BIN_EXE_pillion"));
    command.args(["run", "-"]).envs(ground.env.iter().cloned()).current_dir(ground.project());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    child.stdin.take().expect("stdin").write_all(input).expect("it is taken");
    child.wait_with_output().expect("it ends")
}

#[test]
fn a_prompt_is_read_from_the_standard_input() {
    let ground = Ground::new(&json!([{"match": "from a pipe", "steps": [{"text": "It came."}]}]));
    let output = run_with_input(&ground, b"this is\nfrom a pipe\n");
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("It came."), "{output:?}");
    let output = run_with_input(&ground, b"\xff\xfe\0");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("must be text in UTF-8"), "{output:?}");
}
