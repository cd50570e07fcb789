//! What ropes do not say by themselves: line ends, what two texts have in common, and what identifies a text.

use std::{
    hash::{BuildHasher, Hash, Hasher, RandomState},
    sync::LazyLock,
};

use ropey::{Rope, RopeSlice};

/// How a text breaks its lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineEnd {
    Lf,
    CrLf,
    Cr,
}

impl LineEnd {
    /// The one most of the lines end with; `\n` where there is none.
    pub fn of(text: &Rope) -> Self {
        let (mut lf, mut crlf, mut cr) = (0usize, 0usize, 0usize);
        // A `\r\n` is never split between two chunks of a rope.
        for chunk in text.chunks().map(str::as_bytes) {
            for at in memchr::memchr2_iter(b'\r', b'\n', chunk) {
                match chunk[at] {
                    b'\r' if chunk.get(at + 1) == Some(&b'\n') => crlf += 1,
                    b'\r' => cr += 1,
                    _ if at > 0 && chunk[at - 1] == b'\r' => {}
                    _ => lf += 1,
                }
            }
        }
        if crlf > lf && crlf >= cr {
            Self::CrLf
        } else if cr > lf {
            Self::Cr
        } else {
            Self::Lf
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lf => "\n",
            Self::CrLf => "\r\n",
            Self::Cr => "\r",
        }
    }

    /// `text`, written by someone who ends lines with `\n`, as it goes into a text with these line ends. For
    /// [`LineEnd::Lf`] that is `text` itself: what else it holds was meant.
    pub fn convert(self, text: &str) -> String {
        match self {
            Self::Lf => text.to_owned(),
            end => text.replace("\r\n", "\n").replace('\n', end.as_str()),
        }
    }
}

/// The text with every line end as `\n`. Shares memory with `text` where it has no other.
pub fn with_line_feeds(text: &Rope) -> Rope {
    if has_only_line_feeds(text.slice(..)) { text.clone() } else { Rope::from_str(&line_feeds(&text.to_string())) }
}

/// How many characters the text has with every line end as `\n`.
pub fn len_with_line_feeds(text: RopeSlice<'_>) -> usize {
    if has_only_line_feeds(text) { text.len_chars() } else { line_feeds(&text.to_string()).chars().count() }
}

fn has_only_line_feeds(text: RopeSlice<'_>) -> bool {
    text.chunks().all(|chunk| memchr::memchr(b'\r', chunk.as_bytes()).is_none())
}

pub fn line_feeds(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// The lines of a text with their ends, which are `\n`, `\r\n` and `\r` only.
pub fn lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let bytes = rest.as_bytes();
        let end = match memchr::memchr2(b'\r', b'\n', bytes) {
            None => rest.len(),
            Some(at) if bytes[at] == b'\r' && bytes.get(at + 1) == Some(&b'\n') => at + 2,
            Some(at) => at + 1,
        };
        let (line, tail) = rest.split_at(end);
        lines.push(line);
        rest = tail;
    }
    lines
}

/// A line without its end.
pub fn without_end(line: &str) -> &str {
    line.strip_suffix("\r\n").or_else(|| line.strip_suffix(['\n', '\r'])).unwrap_or(line)
}

/// How many bytes both texts begin with, in whole characters.
pub fn common_prefix(a: RopeSlice<'_>, b: RopeSlice<'_>) -> usize {
    let (mut left, mut right) = (a.chunks(), b.chunks());
    let (mut x, mut y): (&[u8], &[u8]) = (&[], &[]);
    let mut count = 0;
    loop {
        if x.is_empty() {
            x = left.next().map_or(&[], str::as_bytes);
        }
        if y.is_empty() {
            y = right.next().map_or(&[], str::as_bytes);
        }
        let length = x.len().min(y.len());
        let same =
            if x[..length] == y[..length] { length } else { x.iter().zip(y).take_while(|(x, y)| x == y).count() };
        count += same;
        if same < length || length == 0 {
            break;
        }
        (x, y) = (&x[length..], &y[length..]);
    }
    a.char_to_byte(a.byte_to_char(count)).min(b.char_to_byte(b.byte_to_char(count)))
}

/// How many bytes both texts end with, in whole characters.
pub fn common_suffix(a: RopeSlice<'_>, b: RopeSlice<'_>) -> usize {
    let mut left = a.chunks_at_byte(a.len_bytes()).0.reversed();
    let mut right = b.chunks_at_byte(b.len_bytes()).0.reversed();
    let (mut x, mut y): (&[u8], &[u8]) = (&[], &[]);
    let mut count = 0;
    loop {
        if x.is_empty() {
            x = left.next().map_or(&[], str::as_bytes);
        }
        if y.is_empty() {
            y = right.next().map_or(&[], str::as_bytes);
        }
        let length = x.len().min(y.len());
        let (tail_x, tail_y) = (&x[x.len() - length..], &y[y.len() - length..]);
        let same = if tail_x == tail_y {
            length
        } else {
            tail_x.iter().rev().zip(tail_y.iter().rev()).take_while(|(x, y)| x == y).count()
        };
        count += same;
        if same < length || length == 0 {
            break;
        }
        (x, y) = (&x[..x.len() - length], &y[..y.len() - length]);
    }
    // In UTF-8 a character's last bytes can equal another's: give up the torn one.
    while count > 0 && !starts_character(a.byte(a.len_bytes() - count)) {
        count -= 1;
    }
    count
}

fn starts_character(byte: u8) -> bool {
    byte & 0b1100_0000 != 0b1000_0000
}

/// What identifies a text within this process. Keyed by chance, so that nobody can write two texts that share one.
pub type Digest = [u8; 16];

static KEYS: LazyLock<(RandomState, RandomState)> = LazyLock::new(|| (RandomState::new(), RandomState::new()));

/// Over the content alone, however the rope cuts it into chunks.
pub fn digest(text: &Rope) -> Digest {
    digest_with(|hasher| text.hash(hasher))
}

pub fn digest_bytes(bytes: &[u8]) -> Digest {
    digest_with(|hasher| hasher.write(bytes))
}

fn digest_with(feed: impl Fn(&mut std::hash::DefaultHasher)) -> Digest {
    let mut digest = Digest::default();
    for (half, key) in digest.chunks_mut(8).zip([&KEYS.0, &KEYS.1]) {
        let mut hasher = key.build_hasher();
        feed(&mut hasher);
        half.copy_from_slice(&hasher.finish().to_le_bytes());
    }
    digest
}
