//! Position look-up and edits in a buffer of 50 MB. The aim is 10 us for each.
#![allow(clippy::print_stdout)]

use std::{sync::Arc, time::Instant};

use pillion::workspace::{BufferEdit, BufferSink, Change, Position, PositionEncoding, SinkError, Workspace};
use ropey::Rope;

/// An editor that is never asked.
struct Nobody;

#[async_trait::async_trait]
impl BufferSink for Nobody {
    async fn apply(&self, _: BufferEdit) -> Result<bool, SinkError> {
        Ok(false)
    }

    async fn save(&self, uris: Vec<String>) -> Result<Vec<String>, SinkError> {
        Ok(uris)
    }
}

const SIZE: usize = 50 << 20;
const ROUNDS: usize = 100_000;
const ENCODINGS: [PositionEncoding; 3] = [PositionEncoding::Utf8, PositionEncoding::Utf16, PositionEncoding::Utf32];

fn main() {
    let line = "    let étage = vec![\"🏍\", \"e\u{301}\"]; // some ordinary line of code\n";
    for (name, text) in [
        ("ordinary lines", line.repeat(SIZE / line.len())),
        ("one line", line.trim_end().repeat(SIZE / line.len())),
        ("empty lines", "\n".repeat(SIZE)),
    ] {
        measure(name, &text);
    }
}

fn measure(name: &str, text: &str) {
    let rope = Rope::from_str(text);
    for encoding in ENCODINGS {
        let mut random = fastrand::Rng::with_seed(1);
        let places: Vec<usize> = (0..ROUNDS).map(|_| random.usize(..rope.len_chars())).collect();
        let start = Instant::now();
        let positions: Vec<Position> = places.iter().map(|at| encoding.to_position(&rope, *at)).collect();
        report(name, encoding, "index to position", start);
        let start = Instant::now();
        let sum: usize = positions.iter().map(|position| encoding.to_char(&rope, *position)).sum();
        report(name, encoding, "position to index", start);
        assert!(sum > 0);

        let workspace = Workspace::new(Vec::new());
        let editor = workspace.attach(encoding, Arc::new(Nobody));
        workspace.open(editor, "untitled:1", "rust", 0, text);
        let changes: Vec<[Change; 1]> = positions
            .iter()
            .enumerate()
            .map(|(round, at)| {
                let end = Position { line: at.line, column: at.column + (round % 2) as u32 };
                [Change { range: Some(*at..end), text: if round % 2 == 0 { "x" } else { "" }.to_owned() }]
            })
            .collect();
        let start = Instant::now();
        for (version, change) in changes.iter().enumerate() {
            workspace.change(editor, "untitled:1", version as i32, change).expect("the buffer is open");
        }
        report(name, encoding, "edit", start);
        // As a tool does in the middle of typing: the next edit must not change what it holds.
        let start = Instant::now();
        for (version, change) in changes.iter().enumerate() {
            let held = workspace.buffers();
            workspace.change(editor, "untitled:1", version as i32, change).expect("the buffer is open");
            drop(held);
        }
        report(name, encoding, "edit while read", start);
    }
}

fn report(name: &str, encoding: PositionEncoding, what: &str, start: Instant) {
    let each = start.elapsed().as_secs_f64() * 1e6 / ROUNDS as f64;
    let verdict = if each <= 10.0 { "" } else { "  MISSED" };
    println!("{name:>14} {encoding:?}: {what:<18} {each:6.2} us{verdict}");
}
