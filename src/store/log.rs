//! The writer of a log.

use std::{
    fs::File,
    io::{self, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::value::RawValue;

use super::{
    lock,
    record::{Line, Meta, MetaLine, Settings, State},
    recover::End,
};
use crate::{agent::Settled, transcript::Message, workspace::Landed};

/// A session's log, locked for this process until it is dropped.
///
/// What was appended is in the system's hands when the call returns: it outlives this process, however that ends. What
/// did not fit on the disk is held back, in its order, and written before what is appended next, or when this is
/// dropped: a log is always what happened until some moment, without gaps. More than 64 MiB are not held back: what is
/// appended then is lost, and stands as missing in the log.
#[derive(Debug)]
pub struct Log {
    file: Arc<File>,
    state: State,
    /// What is not in the file yet: the line being made, after those that did not fit. Kept for its room.
    unwritten: Vec<u8>,
    /// A sync was asked for and has not begun.
    sync_waits: Arc<AtomicBool>,
    /// The folder of a new log, until the disk knows that the log is in it.
    folder: Option<PathBuf>,
}

impl Log {
    pub(super) fn create(file: File, folder: &Path, meta: &Meta) -> io::Result<Self> {
        let mut log = Self::at(file, State::new(meta.settings.clone()));
        log.folder = Some(folder.to_owned());
        log.append(&Line::Meta(&MetaLine::from(meta)))?;
        Ok(log)
    }

    /// Goes on at `end`; what stands after it is cut off. A log that ends well is not touched.
    pub(super) fn resume(mut file: File, end: &End, state: State) -> io::Result<Self> {
        if file.seek(SeekFrom::End(0))? != end.offset {
            file.set_len(end.offset)?;
            file.seek(SeekFrom::Start(end.offset))?;
        }
        let mut log = Self::at(file, state);
        if end.without_line_end {
            log.unwritten.push(b'\n');
            log.write()?;
        }
        Ok(log)
    }

    fn at(file: File, state: State) -> Self {
        Self { file: Arc::new(file), state, unwritten: Vec::new(), sync_waits: Arc::default(), folder: None }
    }

    /// Appends an event as it was encoded. `seq` goes up by one from call to call.
    ///
    /// # Errors
    /// The event is held back, as all that cannot be written. Where too much is held back already, it is lost.
    pub fn append_event(&mut self, seq: u64, event: &RawValue) -> io::Result<()> {
        self.add(|line, state| {
            write!(line, "{{\"seq\":{seq},\"event\":")?;
            let start = line.len();
            line.extend_from_slice(event.get().as_bytes());
            // A line end in JSON can only be white space between its parts.
            for byte in line[start..].iter_mut().filter(|byte| **byte == b'\n') {
                *byte = b' ';
            }
            line.extend_from_slice(b"}\n");
            if state.note(seq, event) {
                serde_json::to_writer(&mut *line, &Line::State(state))?;
                line.push(b'\n');
            }
            Ok(())
        })
    }

    /// Appends what the transcript grew by.
    ///
    /// # Errors
    /// As [`Log::append_event`].
    pub fn append_message(&mut self, message: &Message) -> io::Result<()> {
        self.append(&Line::Message(message))
    }

    /// Appends what the transcript is from here on. What was appended before stays in the log.
    ///
    /// # Errors
    /// As [`Log::append_event`].
    pub fn append_transcript(&mut self, messages: &[Message]) -> io::Result<()> {
        self.append(&Line::Transcript(messages))
    }

    /// Appends the result of a call, before it is part of a message.
    ///
    /// # Errors
    /// As [`Log::append_event`].
    pub fn append_settled(&mut self, settled: &Settled) -> io::Result<()> {
        self.append(&Line::Settled(settled))
    }

    /// Appends what was changed, or taken back.
    ///
    /// # Errors
    /// As [`Log::append_event`].
    pub fn append_landed(&mut self, landed: &Landed) -> io::Result<()> {
        self.append(&Line::Landed(landed))
    }

    /// Appends the settings as they are from here on.
    ///
    /// # Errors
    /// As [`Log::append_event`].
    pub fn append_settings(&mut self, settings: &Settings) -> io::Result<()> {
        self.state.settings.clone_from(settings);
        self.append(&Line::Settings(settings))
    }

    /// What is held back. In the file it stands behind all that is there.
    pub fn held_back(&self) -> &[u8] {
        &self.unwritten
    }

    /// Has what was appended so far brought to the disk itself, on a thread that may wait. Asked for again before it has
    /// begun, it is done once.
    pub fn sync(&mut self) {
        if self.sync_waits.swap(true, Ordering::SeqCst) {
            return;
        }
        let (file, waits, folder) = (self.file.clone(), self.sync_waits.clone(), self.folder.take());
        let sync = move || {
            waits.store(false, Ordering::SeqCst);
            if let Err(error) = file.sync_data().and_then(|()| folder.map_or(Ok(()), |folder| sync_folder(&folder))) {
                tracing::error!(%error, "a session's log could not be brought to the disk");
            }
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(sync)),
            Err(_) => sync(),
        }
    }

    fn append(&mut self, line: &Line<'_>) -> io::Result<()> {
        self.add(|made, _| {
            serde_json::to_writer(&mut *made, line)?;
            made.push(b'\n');
            Ok(())
        })
    }

    /// Puts a line behind what is not written yet, and writes all of it.
    fn add(&mut self, make: impl FnOnce(&mut Vec<u8>, &mut State) -> io::Result<()>) -> io::Result<()> {
        /// The most that is held back, in bytes. Chosen: it takes a long day to say so much.
        const HELD_BACK: usize = 64 << 20;
        if self.unwritten.len() > HELD_BACK {
            self.write()?;
        }
        let start = self.unwritten.len();
        make(&mut self.unwritten, &mut self.state).inspect_err(|_| self.unwritten.truncate(start))?;
        self.write()
    }

    /// Writes as much as fits. A line of which only a part did ends in the file when the rest of it follows.
    fn write(&mut self) -> io::Result<()> {
        /// Room for ordinary lines is kept, an image's is not. Chosen by taste.
        const ROOM_KEPT: usize = 1 << 20;
        while !self.unwritten.is_empty() {
            match (&*self.file).write(&self.unwritten) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => drop(self.unwritten.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.unwritten.shrink_to(ROOM_KEPT);
        Ok(())
    }
}

/// A file that is on the disk is of no use while its name is not.
#[cfg(unix)]
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Folders cannot be synced there, and need not be.
#[cfg(not(unix))]
pub(super) fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

impl Drop for Log {
    fn drop(&mut self) {
        // A last try. Who had to know that it failed was told when it failed first.
        let _ = self.write();
        lock::release(&self.file);
    }
}
