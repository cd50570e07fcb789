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
/// What was appended is in the system's hands when the call returns: it outlives this process, however that ends.
#[derive(Debug)]
pub struct Log {
    file: Arc<File>,
    /// Where the last whole record ends.
    end: u64,
    /// Something may stand after `end`: a record that did not fit on the disk.
    torn: bool,
    state: State,
    /// The line being made; kept for its room.
    line: Vec<u8>,
    /// A sync was asked for and has not begun.
    sync_waits: Arc<AtomicBool>,
    /// The folder of a new log, until the disk knows that the log is in it.
    folder: Option<PathBuf>,
}

impl Log {
    pub(super) fn create(file: File, folder: &Path, meta: &Meta) -> io::Result<Self> {
        let mut log = Self::at(file, 0, State::new(meta.settings.clone()));
        log.folder = Some(folder.to_owned());
        log.append(&Line::Meta(&MetaLine::from(meta)))?;
        Ok(log)
    }

    /// Goes on at `end`; what stands after it is cut off. A log that ends well is not touched.
    pub(super) fn resume(mut file: File, end: &End, state: State) -> io::Result<Self> {
        let length = file.seek(SeekFrom::End(0))?;
        let mut log = Self::at(file, end.offset, state);
        if length != end.offset {
            log.mend()?;
        }
        if end.without_line_end {
            log.line.push(b'\n');
            log.write()?;
        }
        Ok(log)
    }

    fn at(file: File, end: u64, state: State) -> Self {
        let (line, sync_waits) = (Vec::new(), Arc::default());
        Self { file: Arc::new(file), end, torn: false, state, line, sync_waits, folder: None }
    }

    /// Appends an event as it was encoded. `seq` goes up by one from call to call.
    ///
    /// # Errors
    /// The event is not in the log then; later ones may be.
    pub fn append_event(&mut self, seq: u64, event: &RawValue) -> io::Result<()> {
        self.line.clear();
        write!(self.line, "{{\"seq\":{seq},\"event\":")?;
        let start = self.line.len();
        self.line.extend_from_slice(event.get().as_bytes());
        // A line end in JSON can only be white space between its parts.
        for byte in self.line[start..].iter_mut().filter(|byte| **byte == b'\n') {
            *byte = b' ';
        }
        self.line.extend_from_slice(b"}\n");
        if self.state.note(seq, event) {
            serde_json::to_writer(&mut self.line, &Line::State(&self.state))?;
            self.line.push(b'\n');
        }
        self.write()
    }

    /// Appends what the transcript grew by.
    ///
    /// # Errors
    /// The message is not in the log then; later ones may be.
    pub fn append_message(&mut self, message: &Message) -> io::Result<()> {
        self.append(&Line::Message(message))
    }

    /// Appends what the transcript is from here on. What was appended before stays in the log.
    ///
    /// # Errors
    /// It is not in the log then, which goes on with what was there before.
    pub fn append_transcript(&mut self, messages: &[Message]) -> io::Result<()> {
        self.append(&Line::Transcript(messages))
    }

    /// Appends the result of a call, before it is part of a message.
    ///
    /// # Errors
    /// It is not in the log then.
    pub fn append_settled(&mut self, settled: &Settled) -> io::Result<()> {
        self.append(&Line::Settled(settled))
    }

    /// Appends what was changed, or taken back.
    ///
    /// # Errors
    /// It is not in the log then.
    pub fn append_landed(&mut self, landed: &Landed) -> io::Result<()> {
        self.append(&Line::Landed(landed))
    }

    /// Appends the settings as they are from here on.
    ///
    /// # Errors
    /// They are not in the log then.
    pub fn append_settings(&mut self, settings: &Settings) -> io::Result<()> {
        self.state.settings.clone_from(settings);
        self.append(&Line::Settings(settings))
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
        self.line.clear();
        serde_json::to_writer(&mut self.line, line)?;
        self.line.push(b'\n');
        self.write()
    }

    fn write(&mut self) -> io::Result<()> {
        /// Room for ordinary lines is kept, an image's is not. Chosen by taste.
        const ROOM_KEPT: usize = 1 << 20;
        if self.torn {
            self.mend()?;
        }
        let written = (&*self.file).write_all(&self.line);
        match written {
            Ok(()) => self.end += self.line.len() as u64,
            Err(_) => self.torn = true,
        }
        if self.line.capacity() > ROOM_KEPT {
            self.line = Vec::new();
        }
        written
    }

    /// Cuts off what stands after the last whole record.
    fn mend(&mut self) -> io::Result<()> {
        self.file.set_len(self.end)?;
        (&*self.file).seek(SeekFrom::Start(self.end))?;
        self.torn = false;
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
        lock::release(&self.file);
    }
}
