//! Branching off: another log with the same past.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom, Write},
    path::Path,
    time::SystemTime,
};

use serde_json::value::RawValue;

use super::{
    id,
    lines::Lines,
    record::{Line, MetaLine, Record, VERSION, tag, unix_seconds},
};
use crate::protocol::SessionEvent;

/// What there is to branch off.
pub struct Past {
    pub meta: MetaLine,
    /// Where the lines after the first begin.
    start: u64,
    /// Where the lines that are wanted end.
    end: u64,
    source: File,
}

/// Finds the past of `source` up to the end of the turn `until`, or of all turns that have ended. `None` if there is none.
pub fn past(source: File, until: Option<&str>) -> io::Result<Option<Past>> {
    let mut lines = Lines::new(BufReader::with_capacity(1 << 16, &source), 0);
    let mut first: Option<(MetaLine, u64)> = None;
    let mut end = None;
    // A turn that has not ended is left out, and so is what comes after the one that is wanted.
    let mut open = None;
    let mut is_over = false;
    let mut last = 0;
    while let Some(line) = lines.next_line()? {
        if !line.whole {
            break;
        }
        let after = line.offset + line.bytes.len() as u64 + 1;
        match (&first, Record::parse(line.bytes)) {
            (None, Some(Record::Meta(meta))) if meta.version <= VERSION => first = Some((meta, after)),
            (None, _) => return Ok(None),
            (Some(_), Some(Record::Event { event, .. })) if tag(event) == Some("turnStarted") => {
                if is_over {
                    break;
                }
                open = Some(line.offset);
            }
            (Some(_), Some(Record::Event { event, .. })) if tag(event) == Some("turnEnded") => {
                open = None;
                end = Some(after);
                is_over = until.is_some_and(|until| turn_of(event).as_deref() == Some(until));
            }
            _ => {}
        }
        last = after;
    }
    let is_found = until.is_none() || is_over;
    Ok(first.filter(|_| end.is_some() && is_found).map(|(meta, start)| {
        let end = open.unwrap_or(last);
        Past { meta, start, end, source }
    }))
}

impl Past {
    /// The first line of the new log: everything as it was, but its id and its age.
    pub fn renamed(&self) -> MetaLine {
        let now = SystemTime::now();
        MetaLine { session_id: id::new(now), created_at: unix_seconds(now), ..self.meta.clone() }
    }

    pub fn write(mut self, meta: &MetaLine, mut target: &File, folder: &Path) -> io::Result<()> {
        let mut line = serde_json::to_vec(&Line::Meta(meta))?;
        line.push(b'\n');
        target.write_all(&line)?;
        self.source.seek(SeekFrom::Start(self.start))?;
        io::copy(&mut self.source.take(self.end - self.start), &mut target)?;
        target.sync_data()?;
        super::log::sync_folder(folder)
    }
}

fn turn_of(event: &RawValue) -> Option<String> {
    match serde_json::from_str(event.get()) {
        Ok(SessionEvent::TurnEnded { turn_id, .. }) => Some(turn_id),
        _ => None,
    }
}
