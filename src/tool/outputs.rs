//! Outputs too long for the model: an excerpt for it, the whole for reading back.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Budget, Excess, ToolError};

/// How a note says that the rest of an output was kept.
pub const GO_ON: &str = "go on with read_output";

/// What is kept of one output for reading back, in bytes. Chosen: a full build log is far below it.
const KEPT_BYTES: u64 = 64 << 20;

/// How many long outputs are kept, the latest. Each costs a file handle.
const KEPT: usize = 64;

/// What all kept outputs of a session may take of the disk, in bytes: temporary files are often memory.
const ALL_BYTES: u64 = 256 << 20;

/// Outputs too long for the model, kept for reading back with `read_output` for as long as the conversation is open: the
/// latest, as far as they are no more than 64 and 256 MiB together. They are in nameless temporary files, which vanish
/// with the process however it ends.
#[derive(Debug, Default)]
pub struct Outputs {
    /// The oldest first.
    kept: Mutex<VecDeque<Kept>>,
}

#[derive(Debug)]
struct Kept {
    call_id: String,
    file: Arc<Mutex<File>>,
    bytes: u64,
}

/// An output in the making: what [`Budget::hold`] does to a whole result, for one that comes piece by piece.
#[derive(Debug)]
pub struct Recording {
    outputs: Arc<Outputs>,
    id: String,
    budget: Budget,
    shape: Shape,
    /// The most bytes of `head` once there is more than the budget has; the rest of the budget is for `tail`.
    head_bytes: usize,
    /// The first bytes: all of them until they are too many, then `head_bytes`.
    head: Vec<u8>,
    /// The last bytes, from when `head` was full.
    tail: VecDeque<u8>,
    is_over: bool,
    total: u64,
    file: Option<File>,
    /// Bytes in `file`.
    filed: u64,
}

/// Which part of a long output matters more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Beginning,
    /// Where errors stand in what a command prints.
    End,
}

/// What the model gets of an output. Text is decoded as UTF-8, with replacement characters where it is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    pub id: String,
    pub head: String,
    pub cut: Option<Cut>,
    /// Empty unless there is a cut.
    pub tail: String,
}

/// What is missing between head and tail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    pub bytes: u64,
    /// The line, from 1, in which it begins, and the character of that line.
    pub line: u64,
    pub column: u64,
    pub rest: Rest,
}

/// What became of an output that was too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// So many bytes of it, from its beginning, can be read back.
    Kept { bytes: u64 },
    /// It is gone: the budget said so, or no temporary file could be written.
    Lost,
    /// It is still being recorded.
    Unfinished,
    /// It had more bytes than these, which the budget does not bear; head and tail are empty.
    Refused { most: usize },
}

impl Outputs {
    /// Begins to record what a call prints. Beyond the budget, more of the end is shown than of the beginning.
    pub fn record(self: &Arc<Self>, call_id: impl Into<String>, budget: Budget) -> Recording {
        self.record_as(call_id.into(), budget, Shape::End)
    }

    pub(super) fn record_as(self: &Arc<Self>, id: String, budget: Budget, shape: Shape) -> Recording {
        let head_bytes = match shape {
            Shape::Beginning => budget.text - budget.text / 4,
            Shape::End => budget.text / 3,
        };
        Recording {
            outputs: Arc::clone(self),
            id,
            budget,
            shape,
            head_bytes,
            head: Vec::new(),
            tail: VecDeque::new(),
            is_over: false,
            total: 0,
            file: None,
            filed: 0,
        }
    }

    /// The output of a call, if it is kept.
    pub fn open(&self, call_id: &str) -> Option<impl Read + use<>> {
        let file = self.lock().iter().find(|kept| kept.call_id == call_id)?.file.clone();
        Some(Reader { file, position: 0 })
    }

    fn keep(&self, call_id: String, file: File, bytes: u64) {
        let mut kept = self.lock();
        kept.retain(|other| other.call_id != call_id);
        kept.push_back(Kept { call_id, file: Arc::new(Mutex::new(file)), bytes });
        while kept.len() > KEPT || kept.iter().map(|kept| kept.bytes).sum::<u64>() > ALL_BYTES {
            kept.pop_front();
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recording {
    /// Takes what comes next. Memory does not grow beyond the budget.
    pub fn write(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        if !self.is_over && self.head.len() + bytes.len() <= self.budget.text {
            self.head.extend_from_slice(bytes);
            return;
        }
        let tail_bytes = self.budget.text - self.head_bytes;
        if !self.is_over {
            self.is_over = true;
            if self.budget.excess == Excess::Store {
                // Where no temporary file can be made, the excerpt is all there is, and says so.
                self.file = tempfile::tempfile().ok();
            }
            let head = std::mem::take(&mut self.head);
            self.file_away(&head);
            self.tail.extend(&head[head.len().min(self.head_bytes)..]);
            self.head = head;
            self.head.truncate(self.head_bytes);
        }
        self.file_away(bytes);
        let room = self.head_bytes - self.head.len();
        let (first, rest) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(first);
        self.tail.extend(&rest[rest.len().saturating_sub(tail_bytes)..]);
        self.tail.drain(..self.tail.len().saturating_sub(tail_bytes));
    }

    /// Ends it. If it was too long for the model, what was kept of it can be read back from now on; the recording is empty
    /// after that.
    pub fn finish(&mut self) -> Excerpt {
        let mut excerpt = self.so_far();
        let next = self.outputs.record_as(self.id.clone(), self.budget, self.shape);
        let ended = std::mem::replace(self, next);
        if let Some(cut) = &mut excerpt.cut {
            cut.rest = match (ended.budget.excess, &ended.file) {
                (Excess::Fail, _) => Rest::Refused { most: ended.budget.text },
                (_, Some(_)) => Rest::Kept { bytes: ended.filed },
                (_, None) => Rest::Lost,
            };
            if ended.budget.excess == Excess::Fail {
                (cut.bytes, excerpt.head, excerpt.tail) = (ended.total, String::new(), String::new());
            }
        }
        if let Some(file) = ended.file {
            self.outputs.keep(ended.id, file, ended.filed);
        }
        excerpt
    }

    /// What there is of it until now; nothing of it can be read back yet.
    pub fn so_far(&mut self) -> Excerpt {
        if !self.is_over {
            return Excerpt { id: self.id.clone(), head: text(&self.head), cut: None, tail: String::new() };
        }
        self.tail.make_contiguous();
        let (tail, _) = self.tail.as_slices();
        // Neither end of the cut is inside a character.
        let head = &self.head[..whole_characters(&self.head)];
        let tail = &tail[tail.iter().take(3).take_while(|byte| is_continuation(**byte)).count()..];
        let last_line = memchr::memrchr(b'\n', head).map_or(0, |at| at + 1);
        let cut = Cut {
            bytes: self.total - head.len() as u64 - tail.len() as u64,
            line: 1 + memchr::memchr_iter(b'\n', head).count() as u64,
            column: 1 + text(&head[last_line..]).chars().count() as u64,
            rest: Rest::Unfinished,
        };
        Excerpt { id: self.id.clone(), head: text(head), cut: Some(cut), tail: text(tail) }
    }

    fn file_away(&mut self, bytes: &[u8]) {
        let room = usize::try_from(KEPT_BYTES - self.filed).unwrap_or(usize::MAX);
        let bytes = &bytes[..bytes.len().min(room)];
        if let Some(file) = &mut self.file {
            match file.write_all(bytes) {
                Ok(()) => self.filed += bytes.len() as u64,
                // The disk is full: then nothing can be read back.
                Err(_) => (self.file, self.filed) = (None, 0),
            }
        }
    }
}

impl Excerpt {
    /// As the model reads it, with a note in the place of what is left out.
    ///
    /// # Errors
    /// If it was longer than a budget that fails.
    pub fn into_text(self) -> Result<String, ToolError> {
        let Some(cut) = self.cut else { return Ok(self.head) };
        let Cut { bytes, line, column, rest } = cut;
        // Text that comes in lines is best read on by lines.
        let column = if column > 2_000 || !self.head.contains('\n') || !self.tail.contains('\n') {
            format!(", \"column\": {column}")
        } else {
            String::new()
        };
        let note = match rest {
            Rest::Refused { most } => {
                let message =
                    format!("the result has {bytes} bytes, more than the {most} it may have, so none is shown");
                return Err(ToolError::new(format!("{message}. Ask for less")));
            }
            Rest::Lost => format!("{bytes} bytes left out, which were not kept: ask for less at a time"),
            Rest::Unfinished => format!("{bytes} bytes left out, which can be read when it has ended"),
            Rest::Kept { bytes: kept } => {
                let only = if kept < bytes { format!(" (its first {kept} bytes)") } else { String::new() };
                let input = format!("{{\"id\": \"{}\", \"offset\": {line}{column}}}", self.id);
                format!("{bytes} bytes left out: {GO_ON} {input}{only}")
            }
        };
        let line_end = if self.head.is_empty() || self.head.ends_with('\n') { "" } else { "\n" };
        Ok(format!("{}{line_end}[... {note} ...]\n{}", self.head, self.tail))
    }
}

/// Reads one file from several places.
struct Reader {
    file: Arc<Mutex<File>>,
    position: u64,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(self.position))?;
        let count = file.read(buffer)?;
        self.position += count as u64;
        Ok(count)
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn is_continuation(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

/// How many of the bytes come before a UTF-8 character that is cut off at the end. Bytes that cannot become UTF-8, whatever
/// follows, count as whole.
pub(super) fn whole_characters(bytes: &[u8]) -> usize {
    let start = bytes.len().saturating_sub(3);
    for index in (start..bytes.len()).rev() {
        if !is_continuation(bytes[index]) {
            let cut_off = std::str::from_utf8(&bytes[index..]).is_err_and(|error| error.error_len().is_none());
            return if cut_off { index } else { bytes.len() };
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: usize = 10_000;
    const TAIL: usize = 20_000;

    fn record(pieces: &[&[u8]]) -> (Arc<Outputs>, Excerpt) {
        let outputs = Arc::new(Outputs::default());
        let mut recording = outputs.record("call", Budget::store(HEAD + TAIL));
        pieces.iter().for_each(|piece| recording.write(piece));
        (outputs, recording.finish())
    }

    #[test]
    fn a_short_output_is_whole_and_not_kept() {
        let (outputs, excerpt) = record(&[b"one\n", b"two\n"]);
        let head = "one\ntwo\n".to_owned();
        assert_eq!(excerpt, Excerpt { id: "call".to_owned(), head, cut: None, tail: String::new() });
        assert!(outputs.open("call").is_none());
        let whole = vec![b'x'; HEAD + TAIL];
        assert_eq!(record(&[&whole]).1.cut, None);
    }

    #[test]
    fn a_long_output_has_a_head_and_a_tail_and_is_kept_whole() {
        let lines: String = (1..=20_000).map(|number| format!("line {number}\n")).collect();
        for size in [1, 7, 4096, 29_999, lines.len()] {
            let pieces: Vec<&[u8]> = lines.as_bytes().chunks(size).collect();
            let (outputs, excerpt) = record(&pieces);
            let cut = excerpt.cut.unwrap();
            assert_eq!(cut.bytes as usize + excerpt.head.len() + excerpt.tail.len(), lines.len());
            assert!(lines.starts_with(&excerpt.head) && excerpt.head.len() == HEAD);
            assert!(lines.ends_with(&excerpt.tail) && excerpt.tail.len() == TAIL);
            assert_eq!(cut.line as usize, excerpt.head.matches('\n').count() + 1);
            assert_eq!(cut.rest, Rest::Kept { bytes: lines.len() as u64 });
            let mut kept = String::new();
            outputs.open("call").unwrap().read_to_string(&mut kept).unwrap();
            assert_eq!(kept, lines);
        }
    }

    #[test]
    fn a_cut_is_never_inside_a_character() {
        for shift in 0..4 {
            let text = "x".repeat(shift) + &"🏍".repeat(20_000);
            let (_, excerpt) = record(&[text.as_bytes()]);
            assert!(!excerpt.head.contains('\u{fffd}') && !excerpt.tail.contains('\u{fffd}'), "{shift}");
            let cut = excerpt.cut.unwrap();
            assert_eq!(cut.bytes as usize + excerpt.head.len() + excerpt.tail.len(), text.len());
        }
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let outputs = Arc::new(Outputs::default());
        for number in 0..=KEPT {
            let mut recording = outputs.record(number.to_string(), Budget::store(HEAD + TAIL));
            recording.write(&[b'x'; HEAD + TAIL + 1]);
            recording.finish();
        }
        assert!(outputs.open("0").is_none());
        assert!(outputs.open("1").is_some());
    }

    #[test]
    fn the_oldest_make_room() {
        let outputs = Arc::new(Outputs::default());
        for number in 0..6 {
            outputs.keep(number.to_string(), tempfile::tempfile().unwrap(), KEPT_BYTES);
        }
        let kept: Vec<bool> = (0..6).map(|number| outputs.open(&number.to_string()).is_some()).collect();
        assert_eq!(kept, [false, false, true, true, true, true]);
    }

    #[test]
    fn characters_that_are_cut_off_are_told_from_invalid_ones() {
        let cases: [(&[u8], usize); 8] = [
            (b"", 0),
            (b"ab", 2),
            ("aä".as_bytes(), 3),
            (b"a\xc3", 1),
            (b"a\xf0\x9f\x8f", 1),
            (b"a\xff", 2),
            (b"\x80\x80\x80\x80", 4),
            (b"a\xe2\x28", 3),
        ];
        for (bytes, expected) in cases {
            assert_eq!(whole_characters(bytes), expected, "{bytes:?}");
        }
    }
}
