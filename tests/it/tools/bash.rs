#![cfg(unix)]

use std::sync::atomic::{AtomicBool, Ordering};

use pillion::tool::{Class, Shell};
use serde_json::json;

use super::*;

async fn run(project: &Project, command: &str) -> String {
    project.run("bash", json!({ "command": command })).await.unwrap()
}

fn pids(file: &Path) -> Vec<String> {
    fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[cfg(target_os = "linux")]
fn is_alive(pid: &String) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

#[tokio::test]
async fn a_command_is_proposed_and_run() {
    let project = Project::new();
    let call = project.call("bash", json!({ "command": "echo out; echo err >&2; pwd -P", "description": "Say it" }));
    let proposal = call.propose().await.unwrap();
    assert_eq!((proposal.class, proposal.outside), (Class::Execute, false));
    assert_eq!(proposal.title, "Run echo out; echo err >&2; pwd -P (Say it)");
    assert_eq!(proposal.command.as_deref(), Some("echo out; echo err >&2; pwd -P"));
    assert_eq!(proposal.paths, std::slice::from_ref(&project.root));
    let output = text(&call.finish().await.unwrap());
    assert_eq!(output, format!("out\nerr\n{}\n[exit code 0]", project.root.display()));
}

#[tokio::test]
async fn the_exit_is_always_said() {
    let project = Project::new();
    assert_eq!(run(&project, "exit 3").await, "(it printed nothing)\n[exit code 3]");
    assert_eq!(run(&project, "printf x; kill -SEGV $$").await, "x\n[signal 11 (SIGSEGV)]");
    assert_eq!(run(&project, "cat; echo after").await, "after\n[exit code 0]", "stdin is closed");
}

#[tokio::test]
async fn the_folder_is_confined() {
    let project = Project::new();
    project.file("sub/a", "");
    let inside = json!({ "command": "ls", "cwd": "sub" });
    assert!(!project.call("bash", inside.clone()).propose().await.unwrap().outside);
    assert_eq!(project.run("bash", inside).await.unwrap(), "a\n[exit code 0]");
    for cwd in ["..", "none/../../x", "/"] {
        let proposal = project.call("bash", json!({ "command": "ls", "cwd": cwd })).propose().await.unwrap();
        assert!(proposal.outside, "{cwd}");
    }
    std::os::unix::fs::symlink(project.outside(), project.root.join("way_out")).unwrap();
    assert!(project.call("bash", json!({ "command": "ls", "cwd": "way_out" })).propose().await.unwrap().outside);
    let missing = project.run("bash", json!({ "command": "ls", "cwd": "none" })).await.unwrap_err();
    assert!(missing.contains("there is no such folder"), "{missing}");
    assert_eq!(project.run("bash", json!({ "command": " " })).await.unwrap_err(), "the command is empty");
}

#[tokio::test]
async fn output_is_reported_as_it_comes() {
    let project = Project::new();
    let script = "echo first; while [ ! -e go ]; do sleep 0.01; done; printf 'm\\303'; sleep 0.1; printf '\\244\\377x'";
    let call = project.call("bash", json!({ "command": script }));
    let watching = async {
        until("the first line is reported", || !project.reported.lock().unwrap().is_empty()).await;
        project.file("go", "");
    };
    let (output, ()) = tokio::join!(call.both(), watching);
    assert_eq!(text(&output.unwrap()), "first\nmä\u{fffd}x\n[exit code 0]");
    let reported = project.reported.lock().unwrap();
    let whole: String = reported.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(whole, "first\nmä\u{fffd}x", "no character is cut in two");
    assert_eq!(reported[0], (0, "first\n".to_owned()));
    assert!(reported.contains(&(6, "m".to_owned())) && reported.iter().any(|(offset, _)| *offset == 7), "{reported:?}");
}

#[tokio::test]
async fn a_long_output_is_cut_in_the_middle_and_read_back() {
    let project = Project::new();
    let result = run(&project, "seq 1 100000").await;
    assert!(result.len() < 31_000, "{}", result.len());
    assert!(result.starts_with("1\n2\n") && result.ends_with("\n99999\n100000\n[exit code 0]"));
    let note = result.lines().find(|line| line.starts_with("[...")).unwrap();
    let input = "{\"id\": \"call_1\", \"offset\": 2222}";
    assert!(note.contains(&format!("558895 bytes left out: go on with read_output {input}")), "{note}");
    let read = async |input| project.run("read_output", input).await;
    let middle = read(json!({ "id": "call_1", "offset": 50_000, "limit": 2 })).await.unwrap();
    assert_eq!(middle, " 50000\t50000\n 50001\t50001\n[lines 50000 to 50001; go on with offset 50002]");
    let end = read(json!({ "id": "call_1", "offset": 100_000 })).await.unwrap();
    assert_eq!(end, "100000\t100000");
    let past = read(json!({ "id": "call_1", "offset": 100_001 })).await.unwrap_err();
    assert_eq!(past, "the output call_1 has 100000 lines, so there is nothing at line 100001");
    let grep = read(json!({ "id": "call_1", "pattern": "^7777[67]$" })).await.unwrap();
    assert_eq!(grep, "output\n77776:77776\n77777:77777");
    assert!(read(json!({ "id": "call_9" })).await.unwrap_err().contains("no output is kept"));
}

#[tokio::test]
async fn the_time_limit_keeps_what_was_printed() {
    let project = Project::new();
    let input = json!({ "command": "echo before; sleep 600", "timeout_ms": 300 });
    let late = project.run("bash", input).await.unwrap_err();
    assert!(late.starts_with("before\n[ended after the time limit of 0.3 s"), "{late}");
}

#[tokio::test]
async fn a_command_does_not_inherit_standard_input() {
    let project = Project::new();
    let read = run(&project, "cat; test -t 0 || echo no terminal; wc -c </dev/stdin").await;
    assert_eq!(read.split_whitespace().collect::<Vec<_>>().join(" "), "no terminal 0 [exit code 0]");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn grandchildren_do_not_survive_a_time_limit() {
    let project = Project::new();
    let sleeper = "sh -c 'echo $$ >>pids; exec sleep 600'";
    let script = format!("{sleeper} & setsid {sleeper} & setsid sh -c \"setsid {sleeper} &\" & wait; sleep 600");
    // Long enough for all three to begin on a busy machine.
    let late = project.run("bash", json!({ "command": script, "timeout_ms": 3000 })).await.unwrap_err();
    assert!(late.contains("time limit of 3 s"), "{late}");
    let pids = pids(&project.root.join("pids"));
    assert!(pids.len() == 3 && pids.iter().all(|pid| !is_alive(pid)), "{pids:?}");
}

#[tokio::test]
async fn a_background_process_neither_holds_up_nor_stays() {
    let project = Project::new();
    let result = run(&project, "sleep 600 & echo $! >pid; echo done").await;
    assert_eq!(result, "done\n[exit code 0]");
    #[cfg(target_os = "linux")]
    assert!(pids(&project.root.join("pid")).iter().all(|pid| !is_alive(pid)));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_cancel_ends_everything_within_a_second() {
    let project = Project::new();
    let sleeper = "sh -c 'echo $$ >>pids; exec sleep 600'";
    let script =
        format!("echo started; {sleeper} & setsid {sleeper} & setsid sh -c \"setsid {sleeper} &\" & wait; sleep 600");
    let call = project.call("bash", json!({ "command": script }));
    let file = project.root.join("pids");
    let cancelled = Mutex::new(None);
    let cancelling = async {
        until("all run", || pids(&file).len() == 3).await;
        *cancelled.lock().unwrap() = Some(Instant::now());
        project.cancel.cancel();
    };
    let (output, ()) = tokio::join!(call.both(), cancelling);
    let took = cancelled.lock().unwrap().unwrap().elapsed();
    assert_eq!(output.unwrap_err().0, "started\n[cancelled; the output is what it printed until then]");
    assert!(pids(&file).iter().all(|pid| !is_alive(pid)));
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test]
async fn stale_files_are_named() {
    let project = Project::new();
    project.file("a.txt", "disk\n");
    project.open("a.txt", "typed\n");
    assert_eq!(
        run(&project, "cat a.txt").await,
        "disk\n[exit code 0]\n[the command saw these files without the unsaved changes that the editor shows: a.txt]"
    );
}

#[tokio::test]
async fn a_flood_costs_no_memory_and_ends_in_time() {
    let project = Project::new();
    let flood = json!({ "command": "yes", "timeout_ms": 500 });
    let late = project.run("bash", flood).await.unwrap_err();
    assert!(late.len() < 31_000 && late.contains("ended after the time limit"), "{}", late.len());
    let reported: usize = project.reported.lock().unwrap().iter().map(|(_, text)| text.len()).sum();
    assert!(reported < 10_000_000, "{reported}");
}

#[tokio::test]
async fn risk_is_told() {
    let project = Project::new();
    let proposal = project.call("bash", json!({ "command": "rm -rf build\nls" })).propose().await.unwrap();
    assert_eq!(proposal.title, "Run rm -rf build…");
    assert_eq!(proposal.risk.as_deref(), Some("It deletes folders with all they hold."));
}

#[tokio::test]
async fn named_variables_are_withheld() {
    let mut project = Project::new();
    project.tools = Registry::standard_with(Shell { withheld: vec!["HOME".to_owned()], background_after: None });
    assert_eq!(run(&project, "echo \"${HOME:-none}\"").await, "none\n[exit code 0]");
}

#[tokio::test]
async fn a_cancelled_call_starts_nothing() {
    let project = Project::new();
    project.cancel.cancel();
    let cancelled = project.run("bash", json!({ "command": "touch started" })).await;
    assert_eq!(cancelled.unwrap_err(), "cancelled");
    assert!(!project.root.join("started").exists());
}

/// An editor that is asked to save and never answers.
#[derive(Default)]
struct Stuck(AtomicBool);

#[async_trait]
impl BufferSink for Stuck {
    async fn apply(&self, _: BufferEdit) -> Result<bool, SinkError> {
        Ok(false)
    }

    async fn save(&self, _: Vec<String>) -> Result<Vec<String>, SinkError> {
        self.0.store(true, Ordering::Relaxed);
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_call_that_is_cancelled_while_the_editor_saves_starts_nothing() {
    let limits = Limits { save: Duration::from_secs(60), ..Limits::default() };
    let mut project = Project::with_limits(limits);
    let editor = Arc::new(Stuck::default());
    project.editor = project.workspace.attach(PositionEncoding::Utf16, editor.clone());
    project.file("a.txt", "disk\n");
    project.open("a.txt", "typed\n");
    let cancelling = async {
        until("the editor is asked", || editor.0.load(Ordering::Relaxed)).await;
        project.cancel.cancel();
    };
    let started = Instant::now();
    let (cancelled, ()) = tokio::join!(project.run("bash", json!({ "command": "touch started" })), cancelling);
    assert_eq!(cancelled.unwrap_err(), "cancelled");
    assert!(started.elapsed() < Duration::from_secs(30), "it waited for the editor");
    assert!(!project.root.join("started").exists());
}
