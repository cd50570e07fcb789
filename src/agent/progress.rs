//! What a running tool prints, on its way to the host.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Notify;

use crate::tool::Progress;

/// Takes what a tool reports without ever making it wait. What the host does not take in time is joined, and beyond
/// [`KEPT_BYTES`] the oldest is let go; the offsets tell.
#[derive(Default)]
pub(super) struct Mailbox {
    pieces: Mutex<VecDeque<Piece>>,
    arrived: Notify,
}

#[derive(Debug, PartialEq)]
pub(super) struct Piece {
    /// In bytes of the call's whole output.
    pub offset: u64,
    pub text: String,
}

/// Chosen: some screens full.
const KEPT_BYTES: usize = 64 << 10;

impl Mailbox {
    pub fn progress(self: &Arc<Self>) -> Progress {
        let mailbox = Arc::downgrade(self);
        // Weak, so that a tool that was given up reports to nobody.
        Progress::new(move |offset, text| {
            if let Some(mailbox) = mailbox.upgrade() {
                mailbox.put(Piece { offset, text });
            }
        })
    }

    fn put(&self, piece: Piece) {
        if piece.text.is_empty() {
            return;
        }
        let mut pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        match pieces.back_mut() {
            Some(last) if last.end() == piece.offset => last.text.push_str(&piece.text),
            _ => pieces.push_back(piece),
        }
        let mut excess = pieces.iter().map(|piece| piece.text.len()).sum::<usize>().saturating_sub(KEPT_BYTES);
        while excess > 0
            && let Some(first) = pieces.front_mut()
        {
            if first.text.len() <= excess {
                excess -= first.text.len();
                pieces.pop_front();
            } else {
                let cut = (excess..=first.text.len()).find(|&at| first.text.is_char_boundary(at));
                first.text.drain(..cut.unwrap_or(first.text.len()));
                first.offset += cut.unwrap_or(0) as u64;
                excess = 0;
            }
        }
        drop(pieces);
        self.arrived.notify_one();
    }

    pub fn take(&self) -> Option<Piece> {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Waits for the next piece.
    pub async fn next(&self) -> Piece {
        loop {
            if let Some(piece) = self.take() {
                return piece;
            }
            self.arrived.notified().await;
        }
    }
}

impl Piece {
    fn end(&self) -> u64 {
        self.offset + self.text.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adjacent_pieces_are_joined_and_gaps_kept() {
        let mailbox = Arc::new(Mailbox::default());
        let progress = mailbox.progress();
        for (offset, text) in [(0, "ab"), (2, "c"), (3, ""), (10, "k")] {
            progress.report(offset, text);
        }
        assert_eq!(mailbox.take(), Some(Piece { offset: 0, text: "abc".into() }));
        assert_eq!(mailbox.take(), Some(Piece { offset: 10, text: "k".into() }));
        assert_eq!(mailbox.take(), None);
    }

    #[test]
    fn a_flood_is_bounded_and_keeps_the_newest() {
        let mailbox = Arc::new(Mailbox::default());
        let progress = mailbox.progress();
        let line = "é".repeat(500) + "\n";
        let mut printed = String::new();
        for _ in 0..1000 {
            progress.report(printed.len() as u64, line.as_str());
            printed.push_str(&line);
        }
        let piece = mailbox.take().expect("the end of the flood");
        assert!(piece.text.len() <= KEPT_BYTES && piece.text.len() > KEPT_BYTES - 4, "{}", piece.text.len());
        assert_eq!(printed[piece.offset as usize..], piece.text);
        assert_eq!(mailbox.take(), None);
    }
}
