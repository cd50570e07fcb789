//! A stream that is given up when the other side is silent for too long, or does not take what is sent.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::OwnedSemaphorePermit,
    time::{Instant, Sleep},
};

/// How long one who comes may take to show that they may come in.
const ENTRY_LIMIT: Duration = Duration::from_secs(10);

/// What the server knows of the other side of a stream.
#[derive(Default)]
pub struct Standing {
    /// It has shown that it may be here.
    pub is_admitted: AtomicBool,
    /// Held once more for each answer that it waits for: until then its silence is right.
    pub owed: Arc<()>,
}

pub struct Patient<S> {
    stream: S,
    standing: Arc<Standing>,
    /// Goes with the stream.
    _place: OwnedSemaphorePermit,
    limit: Duration,
    reading: Pin<Box<Sleep>>,
    writing: Pin<Box<Sleep>>,
    /// Whether `writing` counts.
    is_stuck: bool,
}

impl<S> Patient<S> {
    /// Ends `stream` with an error when it has been waited for longer than `limit`, in either direction, or is not
    /// admitted soon enough, however much it says. Keeps its `place` for as long as it is there, whoever owns it by then.
    pub fn new(stream: S, limit: Duration, place: OwnedSemaphorePermit, standing: Arc<Standing>) -> Self {
        let sleep = |limit| Box::pin(tokio::time::sleep(limit));
        let (reading, writing) = (sleep(limit.min(ENTRY_LIMIT)), sleep(limit));
        Self { stream, standing, _place: place, limit, reading, writing, is_stuck: false }
    }

    /// The other side is there: its time begins anew, if it has any.
    fn heard(&mut self) {
        if self.standing.is_admitted.load(Ordering::Relaxed) {
            self.reading.as_mut().reset(Instant::now() + self.limit);
        }
    }

    /// What a write did, unless the stream has taken nothing for too long.
    fn note<T>(&mut self, context: &mut Context<'_>, wrote: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if wrote.is_ready() {
            self.is_stuck = false;
            self.heard();
            return wrote;
        }
        if !std::mem::replace(&mut self.is_stuck, true) {
            self.writing.as_mut().reset(Instant::now() + self.limit);
        }
        ready!(self.writing.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Poll::Ready(read) = Pin::new(&mut this.stream).poll_read(context, buffer) {
            this.heard();
            return Poll::Ready(read);
        }
        ready!(this.reading.as_mut().poll(context));
        if Arc::strong_count(&this.standing.owed) > 1 {
            this.reading.as_mut().reset(Instant::now() + this.limit);
            ready!(this.reading.as_mut().poll(context));
        }
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.note(context, wrote)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.note(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(context);
        self.note(context, shut)
    }
}
