//! Deltas that may be the beginning of a secret, which comes in pieces like everything else.

use std::time::Duration;

use super::redact;
use crate::provider::key::Key;

/// What a delta is a part of. Only deltas of one kind can make a secret together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Thinking,
    /// Of the how manyth call, of which tool.
    ToolInput(usize, String),
}

/// A delta that may be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub kind: Kind,
    pub text: String,
    /// Before it.
    pub pause: Duration,
}

#[derive(Default)]
pub struct Held(Vec<Piece>);

impl Held {
    /// Takes a delta; gives those of which it is now certain that no secret begins in them.
    pub fn push(&mut self, kind: Kind, text: &str, pause: Duration, secrets: &[Key]) -> Vec<Piece> {
        let mut sure = match self.0.last() {
            Some(last) if last.kind != kind => self.all(secrets),
            _ => Vec::new(),
        };
        self.0.push(Piece { kind, text: text.to_owned(), pause });
        if !secrets.iter().any(|secret| may_begin(&self.joined(), secret.expose())) {
            sure.extend(self.all(secrets));
        }
        sure
    }

    /// Everything that was held. Pieces that hold a secret together become one.
    pub fn all(&mut self, secrets: &[Key]) -> Vec<Piece> {
        let joined = self.joined();
        let clean = redact(secrets, &joined);
        let mut pieces = std::mem::take(&mut self.0);
        if clean != joined {
            pieces.truncate(1);
            pieces[0].text = clean;
        }
        pieces
    }

    fn joined(&self) -> String {
        self.0.iter().map(|piece| piece.text.as_str()).collect()
    }
}

/// True if `text` ends with a beginning of `secret`.
fn may_begin(text: &str, secret: &str) -> bool {
    let lengths = 1..secret.len().min(text.len() + 1);
    lengths.rev().any(|length| text.as_bytes().ends_with(&secret.as_bytes()[..length]))
}
