//! The file of results: a JSON object a line, in the order in which they came.

use std::{
    collections::HashSet,
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::{Value, json};

use super::state::beside;
use crate::{
    provider::batch::{Answer, Outcome},
    transcript::{Content, Message, Role},
};

/// The file of results, open for more.
pub struct Answers {
    pub path: PathBuf,
    file: File,
    /// What is in it.
    known: HashSet<Known>,
    pub tally: Tally,
}

/// What a line is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Known {
    Answer(String),
    /// A line of a batch's results that cannot be read.
    Unreadable(String, u64),
}

/// How the requests in the file ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub succeeded: usize,
    pub others: usize,
    pub unreadable: usize,
}

#[derive(Deserialize)]
struct Line {
    id: Option<String>,
    batch: Option<String>,
    line: Option<u64>,
    outcome: String,
}

impl Answers {
    /// Opens the file of results of `input`. A last line that was cut in two by an interruption is taken away.
    #[allow(clippy::disallowed_methods, reason = "the file is beside the one the person names")]
    pub fn open(input: &Path) -> io::Result<Self> {
        let path = beside(input, "results.jsonl");
        let mut file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path)?;
        let mut known = HashSet::new();
        let mut tally = Tally::default();
        let mut reader = BufReader::new(&mut file);
        let (mut whole, mut line) = (0, Vec::new());
        while reader.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
            whole += line.len() as u64;
            if let Ok(line) = serde_json::from_slice::<Line>(&line)
                && let Some(what) = line.what()
            {
                tally.note(&what, &line.outcome);
                known.insert(what);
            }
            line.clear();
        }
        file.set_len(whole)?;
        file.seek(SeekFrom::Start(whole))?;
        Ok(Self { path, file, known, tally })
    }

    pub fn exists(input: &Path) -> bool {
        beside(input, "results.jsonl").exists()
    }

    /// Writes an answer, unless it is there already.
    pub fn add(&mut self, answer: Answer) -> io::Result<()> {
        self.write(Known::Answer(answer.id.clone()), shown(answer))
    }

    /// Notes a line of a batch's results that gives no answer.
    pub fn add_unreadable(&mut self, batch: &str, line: u64, reason: &str) -> io::Result<()> {
        let value = json!({"batch": batch, "line": line, "outcome": "unreadable", "error": reason});
        self.write(Known::Unreadable(batch.to_owned(), line), value)
    }

    fn write(&mut self, what: Known, value: Value) -> io::Result<()> {
        if self.known.contains(&what) {
            return Ok(());
        }
        self.tally.note(&what, value["outcome"].as_str().unwrap_or_default());
        self.known.insert(what);
        // At once, and in one piece: an interruption costs the last line at most.
        self.file.write_all(format!("{value}\n").as_bytes())
    }
}

impl Line {
    fn what(&self) -> Option<Known> {
        match (&self.id, &self.batch, self.line) {
            (Some(id), ..) => Some(Known::Answer(id.clone())),
            (None, Some(batch), Some(line)) => Some(Known::Unreadable(batch.clone(), line)),
            _ => None,
        }
    }
}

impl Tally {
    pub fn answered(self) -> usize {
        self.succeeded + self.others
    }

    fn note(&mut self, what: &Known, outcome: &str) {
        match (what, outcome) {
            (Known::Unreadable(..), _) => self.unreadable += 1,
            (Known::Answer(_), "succeeded") => self.succeeded += 1,
            (Known::Answer(_), _) => self.others += 1,
        }
    }
}

fn shown(Answer { id, outcome }: Answer) -> Value {
    match outcome {
        Outcome::Succeeded(completion) => {
            let message = Message { role: Role::Assistant, content: completion.content };
            let mut value = json!({
                "id": id,
                "outcome": "succeeded",
                "text": message.text(),
                "stopReason": completion.stop_reason,
                "model": completion.model,
                "usage": completion.usage,
            });
            // The text says it all, as a rule.
            if message.content.iter().any(|part| !matches!(part, Content::Text { .. })) {
                value["content"] = json!(message.content);
            }
            value
        }
        Outcome::Errored { class, message } => {
            json!({"id": id, "outcome": "errored", "class": class, "error": message})
        }
        Outcome::Cancelled => json!({"id": id, "outcome": "cancelled"}),
        Outcome::Expired => json!({"id": id, "outcome": "expired"}),
    }
}
