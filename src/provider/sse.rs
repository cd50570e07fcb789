//! Server-sent events, decoded from bytes as they come (the event stream format of the HTML standard).
//!
//! Lines end at `\n`, `\r\n` or `\r`, wherever the pieces are cut; only whole lines are looked at, so a character split
//! between two pieces is never seen in halves. Data of one line, which is all that providers send, is borrowed.

use std::ops::Range;

use memchr::{memchr, memchr2};

/// The largest event taken, in bytes. Chosen to be far above any real one (the largest recorded is 60 KiB).
pub const LARGEST_EVENT: usize = 32 * 1024 * 1024;

/// Turns bytes into events.
#[derive(Debug)]
pub struct Decoder {
    buffer: Vec<u8>,
    limit: usize,
    /// Where the event that is being read begins: nothing before it is needed any more.
    begin: usize,
    /// Where the current line begins.
    line: usize,
    /// How far the current line has been searched for its end.
    searched: usize,
    name: Range<usize>,
    data: Data,
    /// The last line ended with the buffer's last byte, a `\r`: a `\n` that follows belongs to it.
    skip_newline: bool,
    begun: bool,
    dispatched: bool,
}

#[derive(Debug)]
enum Data {
    None,
    Line(Range<usize>),
    Lines(Vec<u8>),
}

/// One event. Its data may be any bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    pub name: &'a [u8],
    pub data: &'a [u8],
}

/// An event grew past the decoder's limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream is larger than {0} bytes")]
pub struct TooLarge(pub usize);

impl Default for Decoder {
    fn default() -> Self {
        Self::new(LARGEST_EVENT)
    }
}

impl Decoder {
    /// A decoder that refuses events of more than `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            buffer: Vec::new(),
            limit,
            begin: 0,
            line: 0,
            searched: 0,
            name: 0..0,
            data: Data::None,
            skip_newline: false,
            begun: false,
            dispatched: false,
        }
    }

    /// Adds bytes. Then ask [`Self::next_event`] until it has no more.
    pub fn push(&mut self, bytes: &[u8]) {
        self.forget();
        let gone = std::mem::take(&mut self.begin);
        self.buffer.drain(..gone);
        self.line -= gone;
        self.searched -= gone;
        self.name = self.name.start.saturating_sub(gone)..self.name.end.saturating_sub(gone);
        if let Data::Line(range) = &mut self.data {
            *range = range.start - gone..range.end - gone;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole event, or `None` until more bytes are pushed.
    pub fn next_event(&mut self) -> Result<Option<Event<'_>>, TooLarge> {
        self.forget();
        while let Some(line) = self.next_line() {
            if self.take(line) {
                return Ok(Some(self.dispatch()));
            }
        }
        let size = self.buffer.len() - self.begin + if let Data::Lines(data) = &self.data { data.len() } else { 0 };
        if size > self.limit { Err(TooLarge(self.limit)) } else { Ok(None) }
    }

    /// At the end of the stream: the event that was not closed by a blank line, if there is one. Some servers leave it
    /// out after their last event; a browser would drop that event.
    pub fn finish(&mut self) -> Option<Event<'_>> {
        self.forget();
        let rest = self.line..self.buffer.len();
        self.line = rest.end;
        self.searched = rest.end;
        let whole = !rest.is_empty() && self.take(rest);
        (whole || !matches!(self.data, Data::None)).then(|| self.dispatch())
    }

    fn next_line(&mut self) -> Option<Range<usize>> {
        if self.skip_newline && self.line < self.buffer.len() {
            self.skip_newline = false;
            if self.buffer[self.line] == b'\n' {
                self.line += 1;
                self.searched = self.line;
            }
        }
        let Some(length) = memchr2(b'\n', b'\r', &self.buffer[self.searched..]) else {
            self.searched = self.buffer.len();
            return None;
        };
        let line = self.line..self.searched + length;
        self.line = line.end + 1;
        if self.buffer[line.end] == b'\r' {
            match self.buffer.get(self.line) {
                Some(b'\n') => self.line += 1,
                Some(_) => {}
                None => self.skip_newline = true,
            }
        }
        self.searched = self.line;
        Some(line)
    }

    /// Takes one line; true if it completes an event.
    fn take(&mut self, mut line: Range<usize>) -> bool {
        if !std::mem::replace(&mut self.begun, true) && self.buffer[line.clone()].starts_with(b"\xEF\xBB\xBF") {
            line.start += 3;
        }
        let bytes = &self.buffer[line.clone()];
        let idle = matches!(self.data, Data::None);
        match bytes.first() {
            None if !idle => return true,
            None => self.name = 0..0,
            // A server that breaks in the middle of a stream may write its error as a bare line of JSON. No field's name
            // begins with a brace, so nothing else is lost.
            Some(b'{') if idle => {
                self.data = Data::Line(line);
                return true;
            }
            Some(_) => {
                let colon = memchr(b':', bytes).unwrap_or(bytes.len());
                let mut value = line.start + colon + 1..line.end;
                if bytes.get(colon + 1) == Some(&b' ') {
                    value.start += 1;
                }
                value.start = value.start.min(value.end);
                match &bytes[..colon] {
                    b"data" => self.add(value),
                    b"event" => self.name = value,
                    _ => {}
                }
            }
        }
        if self.name.is_empty() && matches!(self.data, Data::None) {
            self.begin = self.line;
        }
        false
    }

    fn add(&mut self, value: Range<usize>) {
        match &mut self.data {
            Data::None => self.data = Data::Line(value),
            Data::Line(first) => {
                let mut lines = self.buffer[first.clone()].to_vec();
                lines.push(b'\n');
                lines.extend_from_slice(&self.buffer[value]);
                self.data = Data::Lines(lines);
            }
            Data::Lines(lines) => {
                lines.push(b'\n');
                lines.extend_from_slice(&self.buffer[value]);
            }
        }
    }

    fn dispatch(&mut self) -> Event<'_> {
        self.dispatched = true;
        let data = match &self.data {
            Data::None => &[],
            Data::Line(range) => &self.buffer[range.clone()],
            Data::Lines(lines) => lines.as_slice(),
        };
        Event { name: &self.buffer[self.name.clone()], data }
    }

    /// Lets go of the event that was given out last.
    fn forget(&mut self) {
        if std::mem::take(&mut self.dispatched) {
            self.name = 0..0;
            self.data = Data::None;
            self.begin = self.line;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(pieces: &[&[u8]]) -> Vec<(String, String)> {
        let mut decoder = Decoder::default();
        let mut events = Vec::new();
        let owned = |event: Event<'_>| {
            (String::from_utf8_lossy(event.name).into_owned(), String::from_utf8_lossy(event.data).into_owned())
        };
        for piece in pieces {
            decoder.push(piece);
            while let Some(event) = decoder.next_event().unwrap() {
                events.push(owned(event));
            }
        }
        events.extend(decoder.finish().map(owned));
        events
    }

    /// The same events whole, byte by byte and cut in two at every place.
    #[track_caller]
    fn check(body: &[u8], expect: &[(&str, &str)]) {
        let expect: Vec<_> = expect.iter().map(|(name, data)| (name.to_string(), data.to_string())).collect();
        assert_eq!(decode(&[body]), expect, "whole");
        let bytes: Vec<_> = body.chunks(1).collect();
        assert_eq!(decode(&bytes), expect, "byte by byte");
        for cut in 0..body.len() {
            assert_eq!(decode(&[&body[..cut], &body[cut..]]), expect, "cut at {cut}");
        }
    }

    #[test]
    fn line_ends() {
        for end in ["\n", "\r\n", "\r"] {
            let body = "event: a\ndata: 1\n\ndata: 2\n\n\n\ndata:3\n\n".replace('\n', end);
            check(body.as_bytes(), &[("a", "1"), ("", "2"), ("", "3")]);
        }
        check(b"data: 1\r\n\rdata: 2\n\r\ndata: 3\r\r", &[("", "1"), ("", "2"), ("", "3")]);
    }

    #[test]
    fn fields() {
        check(b": comment\n:\nid: 4\nretry: 1\nnonsense\ndata:  two spaces\n\n", &[("", " two spaces")]);
        check(b"data\n\n", &[("", "")]);
        check(b"event: lost\n\ndata: x\n\n", &[("", "x")]);
        check(b"event: name\n: comment\ndata: x\nevent: other\n\n", &[("other", "x")]);
        check(b"data: a\ndata: b\ndata\ndata: c\n\n", &[("", "a\nb\n\nc")]);
        check(b"data: a:b: c\n\n", &[("", "a:b: c")]);
    }

    #[test]
    fn byte_order_mark_and_split_characters() {
        check("\u{FEFF}data: é🦀\n\n".as_bytes(), &[("", "é🦀")]);
        check("data: \u{FEFF}x\n\n".as_bytes(), &[("", "\u{FEFF}x")]);
        check("data: a\u{2028}b\u{85}c\n\n".as_bytes(), &[("", "a\u{2028}b\u{85}c")]);
    }

    #[test]
    fn last_event_without_a_blank_line() {
        check(b"data: 1\n\ndata: 2", &[("", "1"), ("", "2")]);
        check(b"data: 1\n\ndata: 2\n", &[("", "1"), ("", "2")]);
        check(b"data: 1\n\nevent: x\n", &[("", "1")]);
        check(b"", &[]);
    }

    #[test]
    fn bare_json_line() {
        check(b"data: 1\n\n{\"error\":{}}\n\n", &[("", "1"), ("", "{\"error\":{}}")]);
        check(b"data: 1\n\n{\"error\":{}}", &[("", "1"), ("", "{\"error\":{}}")]);
    }

    #[test]
    fn events_have_a_largest_size() {
        let mut decoder = Decoder::new(100);
        for _ in 0..20 {
            decoder.push(b": a comment between events is not kept\n\n");
            assert_eq!(decoder.next_event(), Ok(None));
        }
        decoder.push(&[b'x'; 101]);
        assert_eq!(decoder.next_event(), Err(TooLarge(100)));

        let mut decoder = Decoder::new(100);
        let mut outcome = Ok(());
        for _ in 0..30 {
            decoder.push(b"data: many lines\n");
            outcome = outcome.and(decoder.next_event().map(|event| assert_eq!(event, None)));
        }
        assert_eq!(outcome, Err(TooLarge(100)));
    }
}
