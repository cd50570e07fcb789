//! `pillion sessions`, `config`, `doctor`, `completions`, `man`, as a person or a script starts them.

use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::support::{Ground, script, text};

fn pillion(ground: &Ground, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pillion"))
        .args(args)
        .envs(ground.env.iter().cloned())
        .env_remove("ANTHROPIC_API_KEY")
        .env_remove("OPENAI_API_KEY")
        .current_dir(ground.project())
        .stdin(Stdio::null())
        .output()
        .expect("it runs")
}

fn out(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

/// A conversation that was had.
fn talked() -> (Ground, String) {
    let ground = Ground::new(&json!([
        {"match": "make it", "steps": [
            {"text": "I make it:"},
            {"toolCall": {"name": "write", "input": {"path": "made.md", "content": "```\nmade\n```\n"}}},
        ]},
        {"afterTools": true, "steps": [{"text": "It is *made*."}]},
        {"match": "go on", "steps": [{"text": "On and on."}], "reuse": true},
    ]));
    out(&pillion(&ground, &["run", "--mode", "auto", "make it"]));
    let listed = out(&pillion(&ground, &["sessions", "list", "--json"]));
    let session: Value = serde_json::from_str(listed.trim()).expect("one line of JSON");
    assert_eq!(session["title"], "make it");
    (ground, text(&session["sessionId"]))
}

#[test]
fn stored_sessions_are_listed_shown_written_out_and_deleted() {
    let (ground, session) = talked();
    let listed = out(&pillion(&ground, &["sessions", "list", "--root", "."]));
    assert!(listed.starts_with(&session) && listed.trim_end().ends_with("make it"), "{listed}");
    assert_eq!(out(&pillion(&ground, &["sessions", "list", "--root", "/"])), "");

    let shown = out(&pillion(&ground, &["sessions", "show", &session]));
    assert!(shown.contains("> make it\n") && shown.contains("● Create made.md"), "{shown}");

    let markdown = out(&pillion(&ground, &["sessions", "export", &session]));
    let expect = "## You\n\nmake it\n\n## Pillion\n\nI make it:\n\n**Create made.md**\n\n````diff\n--- a/made.md\n";
    assert!(markdown.starts_with("# make it\n") && markdown.contains(expect), "{markdown}");
    assert!(markdown.ends_with("\nIt is *made*.\n"), "{markdown}");

    let file = ground.folder().join("out.json");
    let name = file.to_string_lossy().into_owned();
    let export = ["sessions", "export", &session, "--format", "json", "--output", &name];
    assert_eq!(out(&pillion(&ground, &export)), "");
    let written: Value = serde_json::from_str(&std::fs::read_to_string(&file).expect("a file")).expect("JSON");
    let events = written["events"].as_array().expect("events");
    assert_eq!(events.len() as u64, written["session"]["lastSeq"].as_u64().expect("a number"));
    assert_eq!(events.last().expect("an end")["event"]["type"], "turnEnded");
    assert_eq!(pillion(&ground, &export).status.code(), Some(2), "what is there stays");

    let refused = pillion(&ground, &["sessions", "delete", &session]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--yes"), "{refused:?}");
    assert_eq!(out(&pillion(&ground, &["sessions", "delete", "--yes", &session])), format!("Deleted {session}.\n"));
    let gone = pillion(&ground, &["sessions", "show", &session]);
    assert_eq!(gone.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&gone.stderr).contains("`pillion sessions list` shows those"), "{gone:?}");
    assert_eq!(pillion(&ground, &["sessions", "delete", "--yes", "../../etc"]).status.code(), Some(2));
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let output = pillion(&Ground::new(&json!([])), &["sessions", "list", "--root", "/no/such/folder"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/no/such/folder cannot be looked into"), "{output:?}");
}

#[test]
fn the_last_session_of_the_folder_goes_on() {
    let (ground, session) = talked();
    let lines = out(&pillion(&ground, &["run", "--json", "--continue", "go on"]));
    let first: Value = serde_json::from_str(lines.lines().next().expect("a line")).expect("JSON");
    assert_eq!(first["sessionId"], session.as_str());
    let elsewhere = pillion(&ground, &["run", "--continue", "--root", "/", "go on"]);
    assert_eq!(elsewhere.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&elsewhere.stderr).contains("no session of this folder"), "{elsewhere:?}");
}

#[cfg(unix)]
#[test]
fn whoever_follows_a_session_that_nobody_has_open_is_told_what_helps() {
    let (ground, session) = talked();
    for (id, advice) in [(session.as_str(), "pillion run --session 2"), ("zzz", "\"zzz\" is not a session id")] {
        let output = pillion(&ground, &["attach", id]);
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains(advice), "{output:?}");
    }
}

#[test]
fn an_answer_of_a_given_shape_is_all_that_is_printed() {
    let ground = Ground::new(&json!([
        {"match": "count", "steps": [{"text": "Let me look."}, {"toolCall": {"name": "list", "input": {}}}]},
        {"afterTools": true, "steps": [{"text": "```json\n{\"files\": 1}\n```"}]},
        {"match": "chat", "steps": [{"text": "Many."}]},
    ]));
    let schema = json!({"type": "object", "properties": {"files": {"type": "integer"}}, "required": ["files"]});
    ground.write("shape.json", &schema.to_string());
    let run = |prompt| pillion(&ground, &["run", "--mode", "auto", "--output-schema", "shape.json", prompt]);
    let output = run("count");
    assert_eq!(out(&output), "{\"files\":1}\n");
    assert!(String::from_utf8_lossy(&output.stderr).contains("Let me look."), "{output:?}");
    let output = run("chat");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(3), 0), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("is no JSON"), "{output:?}");
    let output = pillion(&ground, &["run", "--output-schema", "none.json", "count"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn nothing_but_text_goes_into_a_pipe() {
    let ground = Ground::new(&script::always(json!([{"text": "slowly"}, {"delayMs": 900}, {"text": " done"}])));
    let output = pillion(&ground, &["run", "go"]);
    for bytes in [&output.stdout, &output.stderr] {
        assert!(!bytes.iter().any(|byte| matches!(byte, b'\r' | 0x1b)), "{output:?}");
    }
}

#[test]
fn settings_are_checked_and_shown_with_their_origin() {
    let ground = Ground::new(&json!([]));
    let config = ground.folder().join("config.toml");
    let old = std::fs::read_to_string(&config).expect("it");
    let proxy = "proxy = \"me:proxy-pass@proxy.example:3128\"";
    let more = "[providers.work]\nbase_url = \"https://me:my-pass@models.example/v1?key=my-key\"\n\
                api_key = \"sk-very-secret\"\n\
                [mcp.hub]\nenabled = false\ncommand = \"hub\"\n\
                args = [\"--token\", \"ghp_x\", \"--header\", \"X-Key: hk\", \"-e\", \"DB=dk\", \
                \"https://me:my-pass@hub.example\"]\n";
    std::fs::write(&config, format!("turn_limit = 40\n{proxy}\n{old}{more}")).expect("a file");
    #[cfg(unix)]
    std::fs::set_permissions(&config, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("a mode");
    assert_eq!(out(&pillion(&ground, &["config", "check"])), "");
    std::fs::create_dir(ground.project().join(".pillion")).expect("a folder");
    ground.write(".pillion/config.toml", "turn_limit = 5\nmodel = \"evil/model\"\n");

    let checked = pillion(&ground, &["config", "check"]);
    assert_eq!(checked.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&checked.stdout).contains("`model` is refused here"), "{checked:?}");
    std::fs::write(&config, format!("fallback = [\"nope/x\"]\n{old}")).expect("a file");
    let checked = pillion(&ground, &["config", "check"]);
    assert!(
        String::from_utf8_lossy(&checked.stdout).contains("fallback: There is no provider \"nope\""),
        "{checked:?}"
    );
    std::fs::write(&config, format!("turn_limit = 40\n{proxy}\n{old}{more}")).expect("a file");

    let rules = ground.folder().join("rules.toml");
    std::fs::write(&rules, "ruls = [\"bash(ls)\"]\n").expect("rules");
    for command in [&["config", "check"][..], &["doctor"]] {
        let checked = pillion(&ground, command);
        let wrong = format!("{}: No rule in this file counts", rules.display());
        assert!(String::from_utf8_lossy(&checked.stdout).contains(&wrong), "{checked:?}");
    }

    let shown = pillion(&ground, &["config", "show", "--origin"]);
    let lines = out(&shown);
    let line = |name: &str| lines.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{lines}"));
    assert!(line("turn_limit").contains("= 5 ") && line("turn_limit").ends_with(".pillion/config.toml"), "{lines}");
    assert!(line("model").contains("scripted/any") && line("model").ends_with("# the environment"), "{lines}");
    assert!(line("providers.work.api_key").contains("= \"***\" ") && !lines.contains("sk-very-secret"), "{lines}");
    assert!(line("providers.work.base_url").ends_with("config.toml"), "{lines}");
    for (name, value) in [
        ("providers.work.base_url", "\"https://me:***@models.example/v1?key=***\""),
        (
            "mcp.hub.args",
            "[\"--token\",\"***\",\"--header\",\"X-Key:***\",\"-e\",\"DB=***\",\"https://me:***@hub.example/\"]",
        ),
        ("proxy", "\"me:***@proxy.example:3128/\""),
    ] {
        assert!(line(name).contains(&format!("= {value} ")), "{name}: {lines}");
    }
    for (name, value) in [("mode", "\"ask\""), ("retry.tries", "5"), ("compaction.at", "0.8"), ("ca_file", "(not set)")]
    {
        assert!(line(name).contains(&format!("= {value} ")) && line(name).ends_with("# default"), "{name}: {lines}");
    }
    let set = out(&pillion(&ground, &["config", "show"]));
    assert!(set.contains("turn_limit = 5\n") && !set.contains("retry.tries"), "{set}");
    let json = out(&pillion(&ground, &["config", "show", "--json"]));
    assert!(json.contains(r#"{"name":"temperature","value":null,"origin":"default"}"#), "{json}");
    assert!(json.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{json}");
}

#[test]
fn the_doctor_says_what_is_wrong_and_what_to_do() {
    let ground = Ground::new(&json!([{"steps": [{"text": "ready"}], "reuse": true}]));
    let well = out(&pillion(&ground, &["doctor", "--online"]));
    for line in ["✓ settings", "✓ sessions: 0 are stored", "✓ model: scripted/any is set up", "✓ answer", "✓ shell"]
    {
        assert!(well.contains(line), "{line} is missing:\n{well}");
    }
    let mut ground = ground;
    ground.env.retain(|(name, _)| name != "PILLION_MODEL");
    ground.env.push(("PILLION_MODEL".to_owned(), "anthropic/claude-sonnet-4-5".to_owned()));
    let ill = pillion(&ground, &["doctor", "--json"]);
    assert_eq!(ill.status.code(), Some(1));
    let findings = String::from_utf8_lossy(&ill.stdout).into_owned();
    let findings: Vec<Value> = findings.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let model = findings.iter().find(|finding| finding["about"] == "model").expect("the model");
    assert_eq!(model["finding"], "bad");
    assert!(text(&model["text"]).contains("ANTHROPIC_API_KEY"), "{model}");
}

#[test]
fn shells_and_readers_of_manuals_are_served() {
    let ground = Ground::new(&json!([]));
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = out(&pillion(&ground, &["completions", shell]));
        assert!(script.contains("pillion") && script.contains("doctor"), "{shell}: {script}");
    }
    let man = out(&pillion(&ground, &["man"]));
    assert!(man.starts_with(".ie"));
    for (page, name) in [(man.replace("\\-", "-"), "man"), (out(&pillion(&ground, &["--help"])), "--help")] {
        for place in ["PILLION_MODEL ", "ANTHROPIC_API_KEY", "config.toml", "PILLION_STATE_DIR", "pillion man COMMAND"]
        {
            assert!(page.contains(place), "{name} does not name {place}: {page}");
        }
    }
    let help = out(&pillion(&ground, &["run", "--help"]));
    assert!(help.contains("acceptEdits") && !help.contains("accept-edits"), "one spelling everywhere: {help}");
    let page = out(&pillion(&ground, &["man", "run"]));
    assert!(page.contains("\\-\\-output\\-schema") && page.contains("Exit codes"), "{page}");
    assert_eq!(pillion(&ground, &["man", "nothing"]).status.code(), Some(2));
}

#[test]
fn a_log_is_kept_in_the_state_folder() {
    let mut ground = Ground::new(&script::always(json!([{"text": "hello"}])));
    ground.env.push(("PILLION_LOG".to_owned(), "error".to_owned()));
    std::fs::create_dir(ground.project().join(".pillion")).expect("a folder");
    ground.write(".pillion/config.toml", "model = \"evil/model\"\n");
    let output = pillion(&ground, &["run", "go"]);
    assert!(!String::from_utf8_lossy(&output.stderr).contains("refused"), "{output:?}");
    let log = std::fs::read_to_string(ground.state().join("logs/pillion.log")).expect("a log");
    assert!(log.contains("WARN") && log.contains("`model` is refused here"), "{log}");
}
