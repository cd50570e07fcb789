//! Where one message ends and the next begins.
//!
//! A frame that is wrong costs an error and nothing more: the decoder goes on at the next header block (or line). What
//! makes that possible is that a header line with its line break can stand nowhere in valid JSON: outside strings it is
//! no JSON, and inside them a line break is escaped. So wherever one shows up, a message ends before it, whatever the
//! length in the last header said.

use bytes::{Buf, BytesMut};
use memchr::{memchr, memchr_iter};

use super::Error;

/// How messages are told apart on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// LSP's header block before each message.
    ContentLength,
    /// One message a line.
    Lines,
}

/// What the decoder found. The bytes stay valid until the next call.
pub(super) enum Frame<'a> {
    Body(&'a mut [u8]),
    Bad(Error),
}

/// Cuts a byte stream into messages. Holds one message of at most `max` bytes and what was read with it.
pub(super) struct Decoder {
    framing: Framing,
    max: usize,
    buffer: BytesMut,
    /// The part of `buffer` that the last frame occupied.
    consumed: usize,
    state: State,
}

enum State {
    /// At the start of a header block, or of a line.
    Head,
    /// Inside a message; no header begins in the first `scanned` bytes.
    Body { length: usize, scanned: usize },
    /// Inside a message that is too long to keep.
    Skip { left: u64 },
    /// Among bytes that make no sense, until the next header or line.
    Lost,
}

enum Head {
    Incomplete,
    Whole { length: u64, end: usize },
    Bad { message: String, end: usize },
}

/// The most that a header block may take; real ones take less than 100 bytes.
const HEAD_MAX: usize = 8 << 10;
/// More than a `Content-Length` line takes, so that one is found though it arrives in two pieces.
const TAIL: usize = 64;
const LENGTH_NAME: &[u8] = b"content-length:";
const READ_SIZE: usize = 64 << 10;
/// A buffer that grew beyond this for one message is given back after it.
const KEEP_SIZE: usize = 1 << 20;

impl Decoder {
    pub(super) fn new(framing: Framing, max: usize) -> Self {
        Self { framing, max, buffer: BytesMut::new(), consumed: 0, state: State::Head }
    }

    /// Where the next bytes of the stream go.
    pub(super) fn space(&mut self) -> &mut BytesMut {
        self.release();
        if self.buffer.is_empty() && self.buffer.capacity() > KEEP_SIZE {
            self.buffer = BytesMut::new();
        }
        let missing = match self.state {
            State::Body { length, .. } => length.saturating_sub(self.buffer.len()).min(KEEP_SIZE),
            _ => 0,
        };
        if self.buffer.capacity() - self.buffer.len() < READ_SIZE / 4 {
            self.buffer.reserve(missing.max(READ_SIZE));
        }
        &mut self.buffer
    }

    /// The next frame, or `None` until more bytes are there.
    pub(super) fn next(&mut self) -> Option<Frame<'_>> {
        self.release();
        match self.framing {
            Framing::ContentLength => self.next_block(),
            Framing::Lines => self.next_line(),
        }
    }

    /// What is left when the input ended: a last line without its line break. A message with a header is whole or lost.
    pub(super) fn finish(&mut self) -> Option<Frame<'_>> {
        self.release();
        let is_line = self.framing == Framing::Lines && matches!(self.state, State::Head | State::Body { .. });
        if is_line && !self.buffer.trim_ascii().is_empty() {
            self.consumed = self.buffer.len();
            self.state = State::Head;
            return Some(Frame::Body(&mut self.buffer[..]));
        }
        None
    }

    /// True if the input so far ends between two messages.
    pub(super) fn is_at_boundary(&self) -> bool {
        matches!(self.state, State::Head) && self.buffer[self.consumed..].trim_ascii().is_empty()
    }

    fn release(&mut self) {
        self.buffer.advance(std::mem::take(&mut self.consumed));
    }

    fn next_block(&mut self) -> Option<Frame<'_>> {
        loop {
            match self.state {
                State::Head => match read_head(&self.buffer) {
                    Head::Incomplete => return None,
                    Head::Bad { message, end } => {
                        self.buffer.advance(end);
                        self.state = State::Lost;
                        return Some(Frame::Bad(Error::parse(message)));
                    }
                    Head::Whole { length, end } => {
                        self.buffer.advance(end);
                        if length <= self.max as u64 {
                            self.state = State::Body { length: length as usize, scanned: 0 };
                        } else {
                            self.state = State::Skip { left: length };
                            return Some(Frame::Bad(too_long(length, self.max)));
                        }
                    }
                },
                State::Body { length, scanned } => {
                    let have = self.buffer.len();
                    let window = &self.buffer[..have.min(length.saturating_add(TAIL))];
                    let end = match find_header(window, scanned.saturating_sub(TAIL)) {
                        Some(start) if start < length => {
                            tracing::warn!(length, start, "a message is shorter than its Content-Length");
                            start
                        }
                        _ if have >= length => find_header_start(&self.buffer[..length]).unwrap_or(length),
                        _ => {
                            self.state = State::Body { length, scanned: have };
                            return None;
                        }
                    };
                    self.state = State::Head;
                    self.consumed = end;
                    return Some(Frame::Body(&mut self.buffer[..end]));
                }
                State::Skip { left } => {
                    let have = self.buffer.len() as u64;
                    let window = have.min(left.saturating_add(TAIL as u64)) as usize;
                    match find_header(&self.buffer[..window], 0) {
                        Some(start) if (start as u64) < left => self.buffer.advance(start),
                        _ if have >= left => self.buffer.advance(left as usize),
                        _ => {
                            let dropped = self.drop_all_but_tail();
                            self.state = State::Skip { left: left - dropped as u64 };
                            return None;
                        }
                    }
                    self.state = State::Head;
                }
                State::Lost => match find_header(&self.buffer, 0) {
                    Some(start) => {
                        self.buffer.advance(start);
                        self.state = State::Head;
                    }
                    None => {
                        self.drop_all_but_tail();
                        return None;
                    }
                },
            }
        }
    }

    fn next_line(&mut self) -> Option<Frame<'_>> {
        loop {
            let scanned = if let State::Body { scanned, .. } = self.state { scanned } else { 0 };
            let line_break = memchr(b'\n', &self.buffer[scanned..]).map(|offset| scanned + offset);
            match (line_break, &self.state) {
                (Some(end), State::Lost | State::Skip { .. }) => {
                    self.buffer.advance(end + 1);
                    self.state = State::Head;
                }
                (Some(end), _) => {
                    self.state = State::Head;
                    if end > self.max {
                        self.buffer.advance(end + 1);
                        return Some(Frame::Bad(too_long(end as u64, self.max)));
                    }
                    if self.buffer[..end].trim_ascii().is_empty() {
                        self.buffer.advance(end + 1);
                        continue;
                    }
                    self.consumed = end + 1;
                    return Some(Frame::Body(&mut self.buffer[..end]));
                }
                (None, State::Lost | State::Skip { .. }) => {
                    self.buffer.clear();
                    return None;
                }
                (None, _) if self.buffer.len() > self.max => {
                    let length = self.buffer.len() as u64;
                    self.buffer.clear();
                    self.state = State::Lost;
                    return Some(Frame::Bad(too_long(length, self.max)));
                }
                (None, _) => {
                    self.state = State::Body { length: 0, scanned: self.buffer.len() };
                    return None;
                }
            }
        }
    }

    fn drop_all_but_tail(&mut self) -> usize {
        let dropped = self.buffer.len().saturating_sub(TAIL);
        self.buffer.advance(dropped);
        dropped
    }
}

fn too_long(length: u64, max: usize) -> Error {
    Error::invalid_request(format!(
        "a message of {length} bytes or more was skipped: at most {max} bytes are taken; send less at once"
    ))
}

/// Reads a header block. Names are case-insensitive and in any order; only `Content-Length` matters.
fn read_head(bytes: &[u8]) -> Head {
    let mut length = None;
    // Line breaks after a body are no header, but some clients send one.
    let blank = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let mut start = blank;
    loop {
        let rest = &bytes[start..];
        let line_break = memchr(b'\n', rest);
        let line = &rest[..line_break.unwrap_or(rest.len())];
        let (name, value) = match memchr(b':', line) {
            Some(colon) => (&line[..colon], Some(line[colon + 1..].trim_ascii())),
            None => (line.strip_suffix(b"\r").unwrap_or(line), None),
        };
        let is_name = name.trim_ascii().iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
        let is_blank = value.is_none() && name.is_empty();
        if !is_name || (line_break.is_some() && value.is_none() && !is_blank) || start - blank > HEAD_MAX {
            let message = "a header block was expected (`Content-Length: <bytes>`, then an empty line)";
            return Head::Bad { message: message.to_owned(), end: start };
        }
        let Some(line_break) = line_break else {
            if line.len() > HEAD_MAX {
                return Head::Bad { message: "a header line is too long".to_owned(), end: bytes.len() };
            }
            return Head::Incomplete;
        };
        let end = start + line_break + 1;
        if is_blank {
            return match length {
                Some(length) => Head::Whole { length, end },
                None => Head::Bad { message: "a header block has no `Content-Length`".to_owned(), end },
            };
        }
        if name.trim_ascii().eq_ignore_ascii_case(b"content-length") {
            let value = value.unwrap_or_default();
            if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
                let value = String::from_utf8_lossy(value);
                return Head::Bad { message: format!("`Content-Length` is not a number of bytes: `{value}`"), end };
            }
            let number = std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok()).unwrap_or(u64::MAX);
            if length.is_some_and(|length| length != number) {
                let message = "a header block has two different `Content-Length`s".to_owned();
                return Head::Bad { message, end };
            }
            length = Some(number);
        }
        start = end;
    }
}

/// Where the first whole `Content-Length: <digits>` line after `from` begins. It may have other bytes before it on its
/// line: that is how the rest of a message looks whose length was said too short.
fn find_header(bytes: &[u8], from: usize) -> Option<usize> {
    memchr_iter(b'\n', &bytes[from..]).find_map(|line_break| {
        let line = &bytes[from..from + line_break];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let digits = line.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return None;
        }
        let before = line[..line.len() - digits].trim_ascii_end();
        let start = before.len().checked_sub(LENGTH_NAME.len())?;
        before[start..].eq_ignore_ascii_case(LENGTH_NAME).then_some(from + start)
    })
}

/// Where the line that a body ends with begins, if it may become a `Content-Length` line: then the body was said to be a
/// few bytes longer than it is.
fn find_header_start(body: &[u8]) -> Option<usize> {
    let from = body.len().saturating_sub(TAIL);
    let is_end = |byte: &u8| matches!(byte, b'}' | b']' | b'\n');
    let start = from + body[from..].iter().rposition(is_end).map_or(0, |end| end + 1);
    let line = &body[start..];
    let (name, value) = line.split_at(line.len().min(LENGTH_NAME.len()));
    let is_header = !name.is_empty()
        && name.eq_ignore_ascii_case(&LENGTH_NAME[..name.len()])
        && value.iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_whitespace());
    is_header.then_some(start)
}
