//! Listing sessions without reading their logs: a head says what a session is, a tail where it stands.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use memchr::memmem;

use super::{
    StoreError, id,
    lines::Lines,
    record::{MetaLine, Record, State, VERSION, unix_seconds},
};
use crate::protocol::SessionInfo;

/// A page of stored sessions.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The latest used first.
    pub sessions: Vec<SessionInfo>,
    /// Present if there are more.
    pub next_cursor: Option<String>,
}

/// A log's place in the order: when it last grew, and its name where that is the same.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    used: SystemTime,
    id: String,
}

impl Place {
    fn cursor(&self) -> String {
        let used = self.used.duration_since(UNIX_EPOCH).unwrap_or_default();
        format!("{}.{}", used.as_nanos(), self.id)
    }

    fn parse(cursor: &str) -> Option<Self> {
        let (used, id) = cursor.split_once('.')?;
        let nanos: u64 = used.parse().ok()?;
        let used = UNIX_EPOCH.checked_add(Duration::from_nanos(nanos))?;
        id::is_valid(id).then(|| Self { used, id: id.to_owned() })
    }
}

pub fn list(folder: &Path, root: Option<&Path>, cursor: Option<&str>, limit: usize) -> Result<Page, StoreError> {
    let from = match cursor {
        None => None,
        Some(cursor) => {
            let bad = || StoreError::BadCursor { cursor: cursor.to_owned() };
            Some(Place::parse(cursor).ok_or_else(bad)?)
        }
    };
    let mut places =
        places(folder).map_err(|source| StoreError::Io { path: folder.to_owned(), what: "listed", source })?;
    places.retain(|place| from.as_ref().is_none_or(|from| place < from));
    places.sort_unstable_by(|left, right| right.cmp(left));
    let mut page = Page { sessions: Vec::new(), next_cursor: None };
    let mut last = None;
    for place in places {
        // One that cannot be read is not worth losing the others for.
        let Ok(Some(session)) = session(folder, &place, root) else { continue };
        if page.sessions.len() == limit {
            page.next_cursor = last.as_ref().map(Place::cursor);
            break;
        }
        page.sessions.push(session);
        last = Some(place);
    }
    Ok(page)
}

/// One session; `None` if it never had an event, or is not for this Pillion.
pub fn one(folder: &Path, id: &str) -> io::Result<Option<SessionInfo>> {
    session(folder, &Place { used: SystemTime::now(), id: id.to_owned() }, None)
}

fn places(folder: &Path) -> io::Result<Vec<Place>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let place = |entry: io::Result<fs::DirEntry>| {
        let entry = entry.ok()?;
        let name = entry.file_name();
        let id = name.to_str()?.strip_suffix(".jsonl").filter(|id| id::is_valid(id))?;
        let metadata = entry.metadata().ok().filter(fs::Metadata::is_file)?;
        Some(Place { used: metadata.modified().ok()?, id: id.to_owned() })
    };
    Ok(entries.filter_map(place).collect())
}

/// A session by its id.
pub fn info(folder: &Path, id: &str) -> io::Result<Option<SessionInfo>> {
    let used = fs::metadata(folder.join(format!("{id}.jsonl")))?.modified()?;
    session(folder, &Place { used, id: id.to_owned() }, None)
}

/// `None` if it does not work in `root`, never had an event, or is not for this Pillion.
fn session(folder: &Path, place: &Place, root: Option<&Path>) -> io::Result<Option<SessionInfo>> {
    let mut file = File::open(folder.join(format!("{}.jsonl", place.id)))?;
    let Some(meta) = meta(&file)? else { return Ok(None) };
    if root.is_some_and(|root| !meta.roots.iter().any(|candidate| Path::new(candidate) == root)) {
        return Ok(None);
    }
    let State { title, settings, last_seq, usage } = state(&mut file, &meta)?;
    if last_seq == 0 {
        return Ok(None);
    }
    Ok(Some(SessionInfo {
        session_id: place.id.clone(),
        title,
        roots: meta.roots,
        model: settings.model,
        mode: settings.mode,
        limits: settings.limits,
        last_seq,
        turn_id: None,
        created_at: meta.created_at,
        updated_at: unix_seconds(place.used),
        usage: usage.into(),
    }))
}

fn meta(file: &File) -> io::Result<Option<MetaLine>> {
    let mut line = Vec::new();
    BufReader::new(file).read_until(b'\n', &mut line)?;
    Ok(match Record::parse(&line) {
        Some(Record::Meta(meta)) if meta.version <= VERSION => Some(meta),
        _ => None,
    })
}

/// Where the session stands: its last state line, and what follows that.
fn state(file: &mut File, meta: &MetaLine) -> io::Result<State> {
    let mut state = State::new(meta.settings.clone());
    let mut start = file.seek(SeekFrom::End(0))?;
    loop {
        start = last_state_line(file, start)?.unwrap_or(0);
        file.seek(SeekFrom::Start(start))?;
        let mut lines = Lines::new(BufReader::new(&mut *file), start);
        // A state line may be torn like any other; then the one before it will do.
        let first = lines.next_line()?.and_then(|line| Record::parse(line.bytes));
        match first {
            Some(Record::State(found)) => state = found,
            _ if start > 0 => continue,
            _ => {}
        }
        while let Some(line) = lines.next_line()? {
            match Record::parse(line.bytes) {
                Some(Record::Event { seq, event }) => {
                    state.note(seq, event);
                }
                Some(Record::Settings(settings)) => state.settings = settings,
                _ => {}
            }
        }
        return Ok(state);
    }
}

/// Where the last state line before `end` begins, if there is one.
fn last_state_line(file: &mut File, mut end: u64) -> io::Result<Option<u64>> {
    const START: &[u8] = b"\n{\"state\":";
    /// A turn's last events and the state line fit well. Chosen by taste.
    const CHUNK: u64 = 1 << 16;
    let mut chunk = Vec::new();
    loop {
        let start = end.saturating_sub(CHUNK);
        chunk.clear();
        file.seek(SeekFrom::Start(start))?;
        file.take(end - start).read_to_end(&mut chunk)?;
        if let Some(at) = memmem::rfind(&chunk, START) {
            return Ok(Some(start + at as u64 + 1));
        }
        if start == 0 {
            return Ok(None);
        }
        // The line's start may lie across the border.
        end = start + START.len() as u64 - 1;
    }
}
