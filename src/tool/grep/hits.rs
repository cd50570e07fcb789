//! What a search has found, within bounds.

use std::{
    collections::BTreeMap,
    fmt::Write,
    io,
    path::{Path, PathBuf},
};

use grep_matcher::Matcher;
use grep_searcher::{Searcher, Sink, SinkContext, SinkFinish, SinkMatch};

use super::{LineMatcher, OutputMode, files::TEXT};

/// The most bytes of a line that are shown: minified code has lines of a megabyte.
const LINE: usize = 500;

#[derive(Clone, Copy)]
pub struct Wanted {
    pub mode: OutputMode,
    /// Matching lines in `Content`, files elsewhere.
    pub limit: usize,
}

/// The hits in one file.
pub struct Hits<'a> {
    matcher: &'a LineMatcher,
    wanted: Wanted,
    rows: Vec<Row>,
    /// Matching lines, shown or not.
    matches: u64,
    binary: bool,
}

enum Row {
    Match(u64, String),
    Context(u64, String),
    /// Lines are left out here.
    Gap,
}

/// The hits in all files: of the first ones in the order of paths as many as are wanted, and how many there are.
pub struct Collected {
    wanted: Wanted,
    files: BTreeMap<PathBuf, Found>,
    /// What counts towards the limit of what is in `files`.
    kept: usize,
    total_matches: u64,
    total_files: u64,
    /// Files that were too large to search.
    skipped: u64,
}

struct Found {
    rows: Vec<Row>,
    matches: u64,
    /// What counts towards the limit.
    kept: usize,
}

impl<'a> Hits<'a> {
    pub fn new(matcher: &'a LineMatcher, wanted: Wanted) -> Self {
        Self { matcher, wanted, rows: Vec::new(), matches: 0, binary: false }
    }

    pub fn any(&self) -> bool {
        self.matches > 0 && !self.binary
    }

    fn shows(&self) -> bool {
        self.wanted.mode == OutputMode::Content && self.matches <= self.wanted.limit as u64
    }
}

impl Sink for Hits<'_> {
    type Error = io::Error;

    fn matched(&mut self, _: &Searcher, found: &SinkMatch<'_>) -> io::Result<bool> {
        let first = found.line_number().unwrap_or(0);
        for (number, line) in (first..).zip(found.lines()) {
            self.matches += 1;
            if self.shows() {
                let at = self.matcher.find(line).ok().flatten().map_or(0, |found| found.start());
                self.rows.push(Row::Match(number, clipped(line, at)));
            }
        }
        Ok(self.wanted.mode != OutputMode::Files)
    }

    fn context(&mut self, _: &Searcher, context: &SinkContext<'_>) -> io::Result<bool> {
        if self.shows() {
            self.rows.push(Row::Context(context.line_number().unwrap_or(0), clipped(context.bytes(), 0)));
        }
        Ok(true)
    }

    fn context_break(&mut self, _: &Searcher) -> io::Result<bool> {
        if self.shows() {
            self.rows.push(Row::Gap);
        }
        Ok(true)
    }

    fn binary_data(&mut self, _: &Searcher, _: u64) -> io::Result<bool> {
        self.binary = true;
        Ok(false)
    }

    fn finish(&mut self, _: &Searcher, finish: &SinkFinish) -> io::Result<()> {
        self.binary |= finish.binary_byte_offset().is_some();
        Ok(())
    }
}

/// The line without its end, or so much of it around `at`.
fn clipped(line: &[u8], at: usize) -> String {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end_matches(['\r', '\n']);
    if text.len() <= LINE {
        return text.to_owned();
    }
    let boundary = |mut at: usize| {
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    // Replacement characters may have moved it a little; it only has to be near.
    let from = boundary(at.min(text.len()).saturating_sub(LINE / 4).min(text.len() - LINE));
    let to = boundary(from + LINE);
    let before = if from > 0 { "[...] " } else { "" };
    let after = if to < text.len() { " [...]" } else { "" };
    format!("{before}{}{after}", &text[from..to])
}

impl Collected {
    pub fn new(wanted: Wanted) -> Self {
        Self { wanted, files: BTreeMap::new(), kept: 0, total_matches: 0, total_files: 0, skipped: 0 }
    }

    pub fn add(&mut self, path: &Path, hits: &mut Hits<'_>) {
        if !hits.any() {
            return;
        }
        self.total_matches += hits.matches;
        self.total_files += 1;
        let is_full = self.kept >= self.wanted.limit;
        if is_full && self.files.last_key_value().is_some_and(|(last, _)| path > last.as_path()) {
            return;
        }
        let kept = match self.wanted.mode {
            OutputMode::Content => hits.matches.min(self.wanted.limit as u64) as usize,
            OutputMode::Files | OutputMode::Counts => 1,
        };
        self.kept += kept;
        let found = Found { rows: std::mem::take(&mut hits.rows), matches: hits.matches, kept };
        self.files.insert(path.to_owned(), found);
        while let Some(last) = self.files.last_entry()
            && self.kept - last.get().kept >= self.wanted.limit
        {
            self.kept -= last.remove().kept;
        }
    }

    pub fn skip(&mut self) {
        self.skipped += 1;
    }

    /// As the model reads it.
    pub fn text(&self, shown: impl Fn(&Path) -> String) -> String {
        if self.files.is_empty() {
            return format!("no matches found{}", self.skipped());
        }
        let mut text = String::new();
        let (mut lines, mut files) = (0, 0);
        // Writing to a string cannot fail.
        for (path, found) in &self.files {
            if text.len() >= TEXT {
                break;
            }
            files += 1;
            let path = shown(path);
            let _ = match self.wanted.mode {
                OutputMode::Files => writeln!(text, "{path}"),
                OutputMode::Counts => writeln!(text, "{path}:{}", found.matches),
                OutputMode::Content => {
                    let separator = if text.is_empty() { "" } else { "\n" };
                    writeln!(text, "{separator}{path}")
                }
            };
            for row in &found.rows {
                let _ = match row {
                    _ if text.len() >= TEXT => break,
                    Row::Match(..) if lines == self.wanted.limit => break,
                    Row::Match(number, line) => {
                        lines += 1;
                        writeln!(text, "{number}:{line}")
                    }
                    Row::Context(number, line) => writeln!(text, "{number}-{line}"),
                    Row::Gap => writeln!(text, "--"),
                };
            }
        }
        let all_files = if self.total_files == 1 { "1 file".to_owned() } else { format!("{} files", self.total_files) };
        let matches = self.total_matches;
        match self.wanted.mode {
            OutputMode::Content if matches > lines as u64 => {
                let _ =
                    write!(text, "[the first {lines} of {matches} matching lines in {all_files}; narrow the search]");
            }
            OutputMode::Files | OutputMode::Counts if self.total_files > files => {
                let _ = write!(text, "[the first {files} of {all_files}; narrow the search or raise the limit]");
            }
            _ => drop(text.pop()),
        }
        text + &self.skipped()
    }

    fn skipped(&self) -> String {
        match self.skipped {
            0 => String::new(),
            count => format!("\n[not searched: {count} files with lines, or matches over lines, too long to be held]"),
        }
    }
}
