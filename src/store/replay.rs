//! Reading events back, from the middle of a log that may be growing.

use std::{
    fs::File,
    io::{self, BufReader, Chain, Cursor, Read, Seek, SeekFrom},
    ops::RangeInclusive,
};

use serde_json::value::{RawValue, to_raw_value};

use super::{lines::Lines, record::Record};
use crate::protocol::{NoticeLevel, SessionEvent};

/// The events of a range, in order and without gaps. See [`Store::replay`](super::Store::replay).
pub struct Replay {
    lines: Lines<Chain<BufReader<File>, Cursor<Vec<u8>>>>,
    next: u64,
    last: u64,
    /// What was read when something before it was missing.
    ahead: Option<(u64, Box<RawValue>)>,
}

impl Replay {
    pub(super) fn new(mut file: File, seqs: RangeInclusive<u64>, held_back: Vec<u8>) -> io::Result<Self> {
        let (next, last) = (*seqs.start().max(&1), *seqs.end());
        let start = offset_before(&mut file, next)?;
        file.seek(SeekFrom::Start(start))?;
        // Should it be written meanwhile, it is read twice, and numbers that were read are passed over.
        let reader = BufReader::with_capacity(1 << 16, file).chain(Cursor::new(held_back));
        Ok(Self { lines: Lines::new(reader, start), next, last, ahead: None })
    }

    /// The next event of the log that is not before `next`.
    fn read(&mut self) -> io::Result<Option<(u64, Box<RawValue>)>> {
        while let Some(line) = self.lines.next_line()? {
            if let Some(Record::Event { seq, event }) = Record::parse(line.bytes)
                && line.whole
                && seq >= self.next
            {
                return Ok(Some((seq, event.to_owned())));
            }
        }
        Ok(None)
    }
}

impl Iterator for Replay {
    type Item = (u64, Box<RawValue>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.next > self.last {
            return None;
        }
        if self.ahead.is_none() {
            self.ahead = self.read().unwrap_or_else(|error| {
                tracing::error!(%error, "a session's log cannot be read");
                None
            });
        }
        let seq = self.next;
        self.next += 1;
        match &self.ahead {
            Some((ahead, _)) if *ahead == seq => self.ahead.take(),
            _ => Some((seq, missing(seq)?)),
        }
    }
}

/// Stands where an event was: numbers without gaps are what clients rely on.
pub fn missing(seq: u64) -> Option<Box<RawValue>> {
    let message = format!("Event {seq} of this session's log is missing or damaged.");
    to_raw_value(&SessionEvent::Notice { level: NoticeLevel::Warning, message }).ok()
}

/// An offset from which reading finds event `seq` soon: numbers rise through the log, so halving finds it.
fn offset_before(file: &mut File, seq: u64) -> io::Result<u64> {
    /// Reading this much costs less than another step. Chosen by taste.
    const NEAR: u64 = 1 << 15;
    let (mut low, mut high) = (0, file.seek(SeekFrom::End(0))?);
    while high - low > NEAR {
        let middle = low + (high - low) / 2;
        match first_event(file, middle, high)? {
            Some((offset, found)) if found < seq => low = offset,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// The first event on a line that begins after `start` and before `end`.
fn first_event(file: &mut File, start: u64, end: u64) -> io::Result<Option<(u64, u64)>> {
    file.seek(SeekFrom::Start(start))?;
    let mut lines = Lines::new(BufReader::new(&mut *file), start);
    // Most likely the rest of a line.
    lines.next_line()?;
    while let Some(line) = lines.next_line()? {
        if line.offset >= end {
            break;
        }
        if let Some(Record::Event { seq, .. }) = Record::parse(line.bytes) {
            return Ok(Some((line.offset, seq)));
        }
    }
    Ok(None)
}
