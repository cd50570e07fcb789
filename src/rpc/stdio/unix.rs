//! Pipes and sockets are read and written when they are ready, without a thread between: an answer costs one write.
//!
//! `O_NONBLOCK` belongs to the open file description, which others may share: a shell, or the editor itself. So a pipe
//! is opened anew through `/proc` where that exists, and a socket is asked call by call not to block.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, OwnedFd},
    pin::Pin,
    task::{Context, Poll, ready},
};

use rustix::{
    fs::{FileType, OFlags},
    io::Errno,
    net::{RecvFlags, SendFlags},
};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, unix::AsyncFd};

use crate::rpc::descriptor::watch;

/// The wire's incoming half.
pub struct Input(Stream);

/// The wire's outgoing half.
pub struct Output(Stream);

enum Stream {
    Pipe(AsyncFd<OwnedFd>),
    Socket(AsyncFd<OwnedFd>),
    /// A file or a terminal, which readiness does not work for; tokio's threads do the blocking calls.
    File(tokio::fs::File),
}

/// Takes the process's standard input and output. Descriptor 0 then reads nothing and descriptor 1 is what descriptor 2
/// is. To be called once, inside a tokio runtime, before anything starts a process.
///
/// # Errors
///
/// If the process runs out of descriptors, or was started with 0 or 1 closed.
pub fn take() -> io::Result<(Input, Output)> {
    // 0 to 2 stay for what every program expects there.
    let input = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let output = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?;
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, rustix::fs::Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(rustix::stdio::stderr()).or_else(|_| rustix::stdio::dup2_stdout(&null))?;
    Ok((Input(Stream::new(input, Interest::READABLE)?), Output(Stream::new(output, Interest::WRITABLE)?)))
}

impl Stream {
    fn new(descriptor: OwnedFd, interest: Interest) -> io::Result<Self> {
        match FileType::from_raw_mode(rustix::fs::fstat(&descriptor)?.st_mode) {
            FileType::Fifo => Ok(Self::Pipe(watch(non_blocking(descriptor, interest)?, interest)?)),
            FileType::Socket => Ok(Self::Socket(watch(descriptor, interest)?)),
            _ => Ok(Self::File(tokio::fs::File::from_std(File::from(descriptor)))),
        }
    }
}

/// The same pipe, not blocking; through a description of its own where possible.
fn non_blocking(descriptor: OwnedFd, interest: Interest) -> io::Result<OwnedFd> {
    #[cfg(target_os = "linux")]
    {
        use std::os::fd::AsRawFd;
        let access = if interest.is_readable() { OFlags::RDONLY } else { OFlags::WRONLY };
        let path = format!("/proc/self/fd/{}", descriptor.as_raw_fd());
        let flags = access | OFlags::NONBLOCK | OFlags::CLOEXEC;
        if let Ok(own) = rustix::fs::open(path, flags, rustix::fs::Mode::empty()) {
            return Ok(own);
        }
    }
    let _ = interest;
    let flags = rustix::fs::fcntl_getfl(&descriptor)?;
    rustix::fs::fcntl_setfl(&descriptor, flags | OFlags::NONBLOCK)?;
    Ok(descriptor)
}

impl AsyncRead for Input {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let (descriptor, is_socket) = match &mut self.get_mut().0 {
            Stream::Pipe(descriptor) => (descriptor, false),
            Stream::Socket(descriptor) => (descriptor, true),
            Stream::File(file) => return Pin::new(file).poll_read(context, buffer),
        };
        loop {
            let mut guard = ready!(descriptor.poll_read_ready(context))?;
            let space = buffer.initialize_unfilled();
            let room = space.len();
            let read = guard.try_io(|descriptor| {
                let read = |descriptor: &OwnedFd, space: &mut [u8]| match is_socket {
                    true => rustix::net::recv(descriptor, space, RecvFlags::DONTWAIT).map(|(count, _)| count),
                    false => rustix::io::read(descriptor, space),
                };
                retry(|| read(descriptor.get_ref(), &mut *space))
            });
            match read {
                Ok(Ok(count)) => {
                    // An incomplete read has emptied a socket: the next call would only say so.
                    if cfg!(target_os = "linux") && is_socket && (1..room).contains(&count) {
                        guard.clear_ready();
                    }
                    buffer.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Ok(Err(error)) => return Poll::Ready(Err(error)),
                Err(_would_block) => {}
            }
        }
    }
}

impl AsyncWrite for Output {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let (descriptor, is_socket) = match &mut self.get_mut().0 {
            Stream::Pipe(descriptor) => (descriptor, false),
            Stream::Socket(descriptor) => (descriptor, true),
            Stream::File(file) => return Pin::new(file).poll_write(context, bytes),
        };
        loop {
            let mut guard = ready!(descriptor.poll_write_ready(context))?;
            let written = guard.try_io(|descriptor| {
                retry(|| match is_socket {
                    true => rustix::net::send(descriptor.as_fd(), bytes, SendFlags::DONTWAIT),
                    false => rustix::io::write(descriptor.as_fd(), bytes),
                })
            });
            match written {
                Ok(result) => return Poll::Ready(result),
                Err(_would_block) => {}
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Stream::Pipe(_) | Stream::Socket(_) => Poll::Ready(Ok(())),
            Stream::File(file) => Pin::new(file).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}

fn retry(mut call: impl FnMut() -> Result<usize, Errno>) -> io::Result<usize> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            result => return Ok(result?),
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::{
        fs::{OFlags, fcntl_getfl},
        net::{AddressFamily, SocketFlags, SocketType},
    };
    use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};

    use super::{Input, Output, OwnedFd, Stream};

    /// Sends more than the transport holds, so that both halves have to wait for each other.
    async fn check_transfer(from: OwnedFd, to: OwnedFd) {
        let mut input = Input(Stream::new(from, Interest::READABLE).unwrap());
        let mut output = Output(Stream::new(to, Interest::WRITABLE).unwrap());
        let sent: Vec<u8> = (0..1_000_000_u32).map(|index| index as u8).collect();
        let mut received = Vec::new();
        let send = async {
            output.write_all(&sent).await.unwrap();
            output.flush().await.unwrap();
            drop(output);
        };
        tokio::join!(send, async { input.read_to_end(&mut received).await.unwrap() });
        assert!(received == sent);
    }

    #[tokio::test]
    async fn a_pipe_carries_everything_and_keeps_the_flags_of_others() {
        let (from, to) = rustix::pipe::pipe().unwrap();
        let (other_from, other_to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        // The other holders must go before the end of input can be seen.
        let input = Stream::new(from, Interest::READABLE).unwrap();
        if cfg!(target_os = "linux") {
            assert!(!fcntl_getfl(&other_from).unwrap().contains(OFlags::NONBLOCK));
            assert!(!fcntl_getfl(&other_to).unwrap().contains(OFlags::NONBLOCK));
        }
        drop((other_from, other_to, input));
        let (from, to) = rustix::pipe::pipe().unwrap();
        check_transfer(from, to).await;
    }

    #[tokio::test]
    async fn a_socket_carries_everything_and_keeps_the_flags_of_others() {
        let pair =
            || rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::empty(), None).unwrap();
        let (from, to) = pair();
        let other = from.try_clone().unwrap();
        let input = Stream::new(from, Interest::READABLE).unwrap();
        assert!(!fcntl_getfl(&other).unwrap().contains(OFlags::NONBLOCK));
        drop((other, input, to));
        let (from, to) = pair();
        check_transfer(from, to).await;
    }

    #[tokio::test]
    async fn a_file_is_read_to_its_end() {
        use std::io::{Seek, Write};
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"text").unwrap();
        file.rewind().unwrap();
        let mut input = Input(Stream::new(file.into(), Interest::READABLE).unwrap());
        let mut received = String::new();
        input.read_to_string(&mut received).await.unwrap();
        assert_eq!(received, "text");
    }
}
