//! What commands print: an excerpt for the model, the whole for reading back.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What the model gets of a long output: its beginning, and more of its end, where errors stand. In bytes.
const HEAD: usize = 10_000;
const TAIL: usize = 20_000;

/// What is kept of one output for reading back, in bytes. Chosen: a full build log is far below it.
const KEPT_BYTES: u64 = 64 << 20;

/// How many long outputs are kept, the latest. Each costs a file handle.
const KEPT: usize = 64;

/// What all kept outputs of a session may take of the disk, in bytes: temporary files are often memory.
const ALL_BYTES: u64 = 256 << 20;

/// Outputs too long for the model, kept for reading back as `output:<call id>` for as long as the session lives: the
/// latest, as far as they are no more than 64 and 256 MiB together. They are in nameless temporary files, which vanish with the process however it ends.
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

/// An output in the making.
#[derive(Debug)]
pub struct Recording {
    outputs: Arc<Outputs>,
    call_id: String,
    /// The first bytes: all of them until they are too many, then [`HEAD`].
    head: Vec<u8>,
    /// The last [`TAIL`] bytes, from when `head` was full.
    tail: VecDeque<u8>,
    total: u64,
    file: Option<File>,
    /// Bytes in `file`.
    filed: u64,
}

/// What the model gets of an output. Text is decoded as UTF-8, with replacement characters where it is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    pub head: String,
    pub cut: Option<Cut>,
    /// Empty unless there is a cut.
    pub tail: String,
}

/// What is missing between head and tail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    pub bytes: u64,
    /// The line, from 1, in which it begins.
    pub line: u64,
    /// How many bytes of the output, from its beginning, can be read back; 0 if the temporary file could not be written.
    pub readable: u64,
}

impl Outputs {
    pub fn record(self: &Arc<Self>, call_id: impl Into<String>) -> Recording {
        Recording {
            outputs: Arc::clone(self),
            call_id: call_id.into(),
            head: Vec::new(),
            tail: VecDeque::new(),
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
    /// Takes what was printed next. Memory does not grow beyond the excerpt.
    pub fn write(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        if self.file.is_none() && self.tail.is_empty() && self.head.len() + bytes.len() <= HEAD + TAIL {
            self.head.extend_from_slice(bytes);
            return;
        }
        if self.tail.is_empty() && self.file.is_none() {
            // Where no temporary file can be made, the excerpt is all there is, and says so.
            self.file = tempfile::tempfile().ok();
            let head = std::mem::take(&mut self.head);
            self.file_away(&head);
            self.tail.extend(&head[head.len().min(HEAD)..]);
            self.head = head;
            self.head.truncate(HEAD);
        }
        self.file_away(bytes);
        let room = HEAD - self.head.len();
        let (first, rest) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(first);
        self.tail.extend(&rest[rest.len().saturating_sub(TAIL)..]);
        self.tail.drain(..self.tail.len().saturating_sub(TAIL));
    }

    /// Ends it. If it was too long for the model, what was kept of it can be read back from now on.
    pub fn finish(mut self) -> Excerpt {
        if self.tail.is_empty() {
            return Excerpt { head: text(&self.head), cut: None, tail: String::new() };
        }
        self.tail.make_contiguous();
        let (tail, _) = self.tail.as_slices();
        // Neither end of the cut is inside a character.
        let head = &self.head[..whole_characters(&self.head)];
        let tail = &tail[tail.iter().take(3).take_while(|byte| is_continuation(**byte)).count()..];
        let cut = Cut {
            bytes: self.total - head.len() as u64 - tail.len() as u64,
            line: 1 + memchr::memchr_iter(b'\n', head).count() as u64,
            readable: self.filed,
        };
        let excerpt = Excerpt { head: text(head), cut: Some(cut), tail: text(tail) };
        if let Some(file) = self.file {
            self.outputs.keep(self.call_id, file, self.filed);
        }
        excerpt
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

    fn record(pieces: &[&[u8]]) -> (Arc<Outputs>, Excerpt) {
        let outputs = Arc::new(Outputs::default());
        let mut recording = outputs.record("call");
        pieces.iter().for_each(|piece| recording.write(piece));
        (outputs, recording.finish())
    }

    #[test]
    fn a_short_output_is_whole_and_not_kept() {
        let (outputs, excerpt) = record(&[b"one\n", b"two\n"]);
        assert_eq!(excerpt, Excerpt { head: "one\ntwo\n".to_owned(), cut: None, tail: String::new() });
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
            assert_eq!(cut.readable as usize, lines.len());
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
            let mut recording = outputs.record(number.to_string());
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
