//! The standard output where it is no terminal: whoever reads it may stop to, and the rest goes on.

use std::{
    io::{self, Write},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::{Notify, mpsc};

/// With so many bytes waiting, turns wait too.
const HIGH_WATER: usize = 64 << 10;

/// Written to by a thread of its own, in order. Cheap to clone.
#[derive(Clone)]
pub struct Pipe {
    texts: mpsc::UnboundedSender<String>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// In bytes, what was not taken yet.
    waiting: AtomicUsize,
    taken: Notify,
    broken: Mutex<Option<io::ErrorKind>>,
}

impl Pipe {
    pub fn start() -> Self {
        let (texts, mut waiting) = mpsc::unbounded_channel::<String>();
        let shared = Arc::<Shared>::default();
        let of_thread = shared.clone();
        std::thread::spawn(move || {
            while let Some(text) = waiting.blocking_recv() {
                of_thread.write(&text);
            }
        });
        Self { texts, shared }
    }

    /// Returns at once.
    ///
    /// # Errors
    /// If what was said before could not be written.
    pub fn write(&self, text: String) -> io::Result<()> {
        self.shared.check()?;
        self.shared.waiting.fetch_add(text.len(), Ordering::Relaxed);
        // The thread is there for as long as this is.
        let _ = self.texts.send(text);
        Ok(())
    }

    pub fn is_ready(&self) -> bool {
        self.shared.waiting.load(Ordering::Relaxed) < HIGH_WATER
    }

    /// Waits until [`Self::is_ready`].
    pub async fn ready(&self) {
        self.shared.until_below(HIGH_WATER).await;
    }

    /// Waits until everything is written.
    ///
    /// # Errors
    /// If it could not be.
    pub async fn written(&self) -> io::Result<()> {
        self.shared.until_below(1).await;
        self.shared.check()
    }
}

impl Shared {
    fn write(&self, text: &str) {
        if self.check().is_ok()
            && let Err(error) = io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush())
        {
            *self.broken.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.kind());
        }
        self.waiting.fetch_sub(text.len(), Ordering::Relaxed);
        self.taken.notify_waiters();
    }

    fn check(&self) -> io::Result<()> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), |kind| Err(kind.into()))
    }

    async fn until_below(&self, bytes: usize) {
        loop {
            let taken = self.taken.notified();
            if self.waiting.load(Ordering::Relaxed) < bytes {
                return;
            }
            taken.await;
        }
    }
}
