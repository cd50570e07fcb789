//! A stream that is given up when the other side is silent for too long, or does not take what is sent.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::OwnedSemaphorePermit,
    time::{Instant, Sleep},
};

pub struct Patient<S> {
    stream: S,
    /// Goes with the stream.
    _place: OwnedSemaphorePermit,
    limit: Duration,
    reading: Pin<Box<Sleep>>,
    writing: Pin<Box<Sleep>>,
    /// Whether `writing` counts.
    is_stuck: bool,
}

impl<S> Patient<S> {
    /// Ends `stream` with an error when it has been waited for longer than `limit`, in either direction. Keeps its
    /// `place` for as long as it is there, whoever owns it by then.
    pub fn new(stream: S, limit: Duration, place: OwnedSemaphorePermit) -> Self {
        let sleep = || Box::pin(tokio::time::sleep(limit));
        Self { stream, _place: place, limit, reading: sleep(), writing: sleep(), is_stuck: false }
    }

    /// What a write did, unless the stream has taken nothing for too long.
    fn note<T>(&mut self, context: &mut Context<'_>, wrote: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if wrote.is_ready() {
            self.is_stuck = false;
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
            this.reading.as_mut().reset(Instant::now() + this.limit);
            return Poll::Ready(read);
        }
        ready!(this.reading.as_mut().poll(context));
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
