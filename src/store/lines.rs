//! Reading a log line by line.

use std::io::{self, BufRead};

/// The lines from where the reader stands.
pub struct Lines<R> {
    reader: R,
    offset: u64,
    line: Vec<u8>,
}

/// One line.
pub struct Line<'a> {
    /// Where it begins.
    pub offset: u64,
    /// Without its line end.
    pub bytes: &'a [u8],
    /// False for what stands after the last line end: a line that was torn, or is being written.
    pub whole: bool,
}

impl<R: BufRead> Lines<R> {
    /// `offset` is where the reader stands.
    pub fn new(reader: R, offset: u64) -> Self {
        Self { reader, offset, line: Vec::new() }
    }

    pub fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let offset = self.offset;
        let read = self.reader.read_until(b'\n', &mut self.line)?;
        self.offset += read as u64;
        let whole = self.line.last() == Some(&b'\n');
        if whole {
            self.line.pop();
        }
        Ok((read > 0).then_some(Line { offset, bytes: &self.line, whole }))
    }
}
