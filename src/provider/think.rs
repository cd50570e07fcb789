//! Reasoning that comes as `<think>...</think>` at the start of the text, as open models write it.

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// Tells reasoning from text while both stream by. Only tags at the very start count: later ones are somebody's prose.
#[derive(Debug)]
pub struct Splitter {
    state: State,
    /// What may turn out to be the beginning of a tag.
    held: String,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Start,
    /// Just after the opening tag: white space is dropped.
    Opened,
    Inside,
    /// Just after the closing tag: white space is dropped.
    Closed,
    Text,
}

/// A piece of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    Text(&'a str),
    Thinking(&'a str),
}

impl Default for Splitter {
    fn default() -> Self {
        Self { state: State::Start, held: String::new() }
    }
}

impl Splitter {
    /// Takes more of the text.
    pub fn push(&mut self, text: &str, mut take: impl FnMut(Piece<'_>)) {
        if self.state == State::Text {
            return take(Piece::Text(text));
        }
        self.held.push_str(text);
        loop {
            let before = self.state;
            match self.state {
                State::Start => {
                    let trimmed = self.held.trim_start();
                    if let Some(rest) = trimmed.strip_prefix(OPEN) {
                        self.held = rest.to_owned();
                        self.state = State::Opened;
                    } else if !OPEN.starts_with(trimmed) {
                        self.state = State::Text;
                    }
                }
                State::Opened | State::Closed => {
                    self.held = self.held.trim_start().to_owned();
                    if !self.held.is_empty() {
                        self.state = if self.state == State::Opened { State::Inside } else { State::Text };
                    }
                }
                State::Inside => {
                    let (thinking, rest) = match self.held.split_once(CLOSE) {
                        Some((thinking, rest)) => {
                            self.state = State::Closed;
                            (thinking, rest)
                        }
                        None => self.held.split_at(self.held.len() - half_a_tag(&self.held)),
                    };
                    if !thinking.is_empty() {
                        take(Piece::Thinking(thinking));
                    }
                    self.held = rest.to_owned();
                }
                State::Text => {
                    if !self.held.is_empty() {
                        take(Piece::Text(&std::mem::take(&mut self.held)));
                    }
                }
            }
            if self.state == before {
                return;
            }
        }
    }

    /// Gives out what was held back, at the end of the answer.
    pub fn finish(&mut self, mut take: impl FnMut(Piece<'_>)) {
        let held = std::mem::take(&mut self.held);
        match self.state {
            _ if held.is_empty() => {}
            State::Opened | State::Inside => take(Piece::Thinking(&held)),
            State::Start | State::Closed | State::Text => take(Piece::Text(&held)),
        }
    }
}

/// How many bytes at the end of `text` may be the beginning of the closing tag.
fn half_a_tag(text: &str) -> usize {
    (1..CLOSE.len()).rev().find(|length| text.ends_with(&CLOSE[..*length])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(whole: &str, thinking: &str, text: &str) {
        for size in [1, 2, 3, 7, usize::MAX] {
            let mut splitter = Splitter::default();
            let mut seen = (String::new(), String::new());
            let mut take = |piece: Piece<'_>| match piece {
                Piece::Thinking(piece) => seen.0.push_str(piece),
                Piece::Text(piece) => seen.1.push_str(piece),
            };
            let characters: Vec<char> = whole.chars().collect();
            for piece in characters.chunks(size) {
                splitter.push(&piece.iter().collect::<String>(), &mut take);
            }
            splitter.finish(&mut take);
            assert_eq!((&*seen.0, &*seen.1), (thinking, text), "in pieces of {size}");
        }
    }

    #[test]
    fn splits_at_the_start_only() {
        check("<think>\na < b</think>\n\nIt is é.", "a < b", "It is é.");
        check("\n <think>a</think>b <think>c</think>", "a", "b <think>c</think>");
        check("a <think>b</think>", "", "a <think>b</think>");
        check("  \nplain", "", "  \nplain");
        check("<thick>", "", "<thick>");
        check("", "", "");
    }

    #[test]
    fn cut_answers() {
        check("<think>a</thi", "a</thi", "");
        check("<think>", "", "");
        check("<thi", "", "<thi");
        check("<think></think>\n\nb", "", "b");
        check("<think>a</think></think>b", "a", "</think>b");
    }
}
