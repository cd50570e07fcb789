//! `grep` over a tree of 20,000 files with 200 unsaved buffers, beside ripgrep on the same tree in the same run.
//!
//! `cargo bench --bench grep` prints milliseconds (the median of 15 runs each, taken in turns) and the ratio, which is
//! meant to be 1.0 at most. Without `rg` on the PATH there is no ratio.
#![allow(clippy::print_stdout, reason = "a benchmark prints")]
#![allow(clippy::disallowed_methods, reason = "the tree is made here")]

use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use pillion::{
    tool::{Budget, Context, Desk, Outputs, Prepared, Progress, Registry},
    workspace::{BufferEdit, BufferSink, Ledger, PositionEncoding, Seen, SinkError, Workspace},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const FILES: usize = 20_000;
const BUFFERS: usize = 200;
const RUNS: usize = 15;

struct NoEditor;

#[async_trait::async_trait]
impl BufferSink for NoEditor {
    async fn apply(&self, _: BufferEdit) -> Result<bool, SinkError> {
        Ok(false)
    }

    async fn save(&self, uris: Vec<String>) -> Result<Vec<String>, SinkError> {
        Ok(uris)
    }
}

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path().canonicalize().expect("its real name");
    make_tree(&root);
    let workspace = Workspace::new(vec![root.clone()]);
    let editor = workspace.attach(PositionEncoding::Utf16, Arc::new(NoEditor));
    for number in 0..BUFFERS {
        let path = path_of(number * (FILES / BUFFERS));
        let uri = format!("file://{}", root.join(path).display());
        workspace.open(editor, &uri, "rust", 1, &format!("{}// typed and not saved\n", text_of(number)));
    }
    let context = Context {
        workspace,
        seen: Arc::new(Seen::default()),
        cancel: CancellationToken::new(),
        progress: Progress::none(),
        outputs: Arc::new(Outputs::default()),
        budget: Budget::default(),
        call_id: "bench".to_owned(),
        hunks: None,
        prepared: Prepared::default(),
        desk: Desk::unattended(),
        ledger: Ledger::default(),
        terminals: None,
        tasks: Arc::default(),
    };
    println!("{FILES} files, {BUFFERS} unsaved buffers; milliseconds, median of {RUNS}");
    println!("{:<24} {:>9} {:>9} {:>7}", "pattern", "pillion", "ripgrep", "ratio");
    for pattern in ["needle_in_7_", "value_[0-9]+ = compute\\(1234", "Compute|unlikely", "absent_everywhere", "let"] {
        let (mut own, mut other) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            own.push(grep(&context, json!({ "pattern": pattern })).await);
            other.extend(ripgrep(&root, pattern).await);
        }
        let own = median(own);
        match other.is_empty() {
            true => println!("{pattern:<24} {own:>9.1} {:>9} {:>7}", "-", "-"),
            false => {
                let other = median(other);
                println!("{pattern:<24} {own:>9.1} {other:>9.1} {:>6.2}x", own / other);
            }
        }
    }
}

async fn grep(context: &Context, input: Value) -> Duration {
    let tools = Registry::standard();
    let grep = tools.get("grep").expect("a standard tool");
    let started = Instant::now();
    grep.propose(&input, context).await.expect("a good pattern");
    grep.run(input, context).await.expect("a search");
    started.elapsed()
}

/// Line numbers as ours has, and into a pipe as ours would be read.
async fn ripgrep(root: &Path, pattern: &str) -> Option<Duration> {
    let mut command = tokio::process::Command::new("rg");
    command.args(["--no-config", "--line-number", "--no-heading", "-e", pattern]).arg(root);
    let started = Instant::now();
    command.output().await.ok()?;
    Some(started.elapsed())
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e3
}

fn make_tree(root: &Path) {
    for number in 0..FILES {
        let path = root.join(path_of(number));
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text_of(number)).expect("a file");
    }
    fs::write(root.join(".gitignore"), "*.log\n/target/\n").expect("a file");
}

fn path_of(number: usize) -> String {
    format!("part_{}/module_{}/file_{number}.rs", number / 1_000, number / 50 % 20)
}

/// Some 3 KB, like source code.
fn text_of(number: usize) -> String {
    let lines =
        (0..60).map(|line| format!("    let value_{line} = compute({}, \"text\"); // step\n", number * 7 + line));
    let lines: String = lines.collect();
    format!("//! Module {number}.\n\nfn needle_in_{number}_() {{\n{lines}}}\n")
}
