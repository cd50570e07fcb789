//! How far it is, on a terminal.

use std::io::{self, IsTerminal, Write};

use crate::provider::batch::Batch;

/// In characters. Chosen by taste.
const WIDTH: u64 = 30;

/// A bar on the last line of the standard error, if that is a terminal. It is gone when this is dropped.
pub struct Bar {
    shows: bool,
}

impl Bar {
    pub fn new() -> Self {
        Self { shows: io::stderr().is_terminal() }
    }

    pub fn none() -> Self {
        Self { shows: false }
    }

    pub fn show(&mut self, batches: &[Option<Batch>]) {
        if self.shows {
            // What is shown is no more than a comfort.
            let _ = write!(io::stderr(), "\r\x1b[K{}", line(batches));
            let _ = io::stderr().flush();
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if self.shows {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

fn line(batches: &[Option<Batch>]) -> String {
    let (mut total, mut done) = (0, 0);
    for batch in batches.iter().flatten() {
        total += batch.counts.total();
        done += batch.counts.total() - batch.counts.processing;
    }
    let filled = (done * WIDTH).checked_div(total).unwrap_or(0);
    let bar: String = (0..WIDTH).map(|at| if at < filled { '█' } else { '░' }).collect();
    let ended = batches.iter().flatten().filter(|batch| batch.has_ended()).count();
    format!("{bar} {done} of {total} requests, {ended} of {} batches", batches.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::batch::{Counts, Status};

    #[test]
    fn fills_as_requests_are_done() {
        let batch = |processing, succeeded, status| Batch {
            id: "b".into(),
            status,
            counts: Counts { processing, succeeded, ..Counts::default() },
            created_at: None,
            is_archived: false,
        };
        let batches = [Some(batch(3, 0, Status::InProgress)), Some(batch(0, 1, Status::Ended)), None];
        let shown = line(&batches);
        assert_eq!(shown.matches('█').count(), 7, "{shown}");
        assert!(shown.ends_with(" 1 of 4 requests, 1 of 3 batches"), "{shown}");
        assert!(line(&[None]).contains("0 of 0"));
    }
}
