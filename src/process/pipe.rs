//! The reading end of a child's output, read without blocking.

pub(super) use imp::Pipe;

/// What is read at once; a pipe on Linux holds as much.
const READ: usize = 64 << 10;

#[cfg(unix)]
mod imp {
    use std::{io, os::fd::OwnedFd};

    use bytes::{Bytes, BytesMut};
    use tokio::{io::AsyncReadExt, net::unix::pipe::Receiver};

    use super::READ;

    pub struct Pipe {
        receiver: Receiver,
        buffer: BytesMut,
        inode: Option<u64>,
    }

    impl Pipe {
        pub fn new(reader: io::PipeReader) -> io::Result<Self> {
            let descriptor = OwnedFd::from(reader);
            let inode = rustix::fs::fstat(&descriptor).ok().map(|stat| stat.st_ino);
            Ok(Self { receiver: Receiver::from_owned_fd(descriptor)?, buffer: BytesMut::new(), inode })
        }

        /// By which the system knows the pipe in other processes, too.
        pub fn inode(&self) -> Option<u64> {
            self.inode
        }

        /// What was written; `None` once nobody can write any more.
        pub async fn read(&mut self) -> Option<Bytes> {
            self.make_room();
            match self.receiver.read_buf(&mut self.buffer).await {
                Ok(0) | Err(_) => None,
                Ok(_) => Some(self.buffer.split().freeze()),
            }
        }

        /// What is there now.
        pub fn try_read(&mut self) -> Option<Bytes> {
            self.make_room();
            match self.receiver.try_read_buf(&mut self.buffer) {
                Ok(0) | Err(_) => None,
                Ok(_) => Some(self.buffer.split().freeze()),
            }
        }

        /// Small pieces share an allocation, so that a slow talker costs little.
        fn make_room(&mut self) {
            if self.buffer.capacity() < READ / 8 {
                self.buffer.reserve(READ);
            }
        }
    }
}

#[cfg(not(unix))]
mod imp {
    use std::io::{self, Read};

    use bytes::Bytes;
    use tokio::sync::mpsc;

    use super::READ;

    /// Anonymous pipes cannot be awaited on Windows, so a thread reads this one until it closes, which the end of the
    /// job object brings about.
    pub struct Pipe(mpsc::Receiver<Bytes>);

    impl Pipe {
        pub fn new(mut reader: io::PipeReader) -> io::Result<Self> {
            let (sender, receiver) = mpsc::channel(4);
            std::thread::Builder::new().name("output".to_owned()).spawn(move || {
                let mut buffer = vec![0; READ];
                while let Ok(count @ 1..) = reader.read(&mut buffer)
                    && sender.blocking_send(Bytes::copy_from_slice(&buffer[..count])).is_ok()
                {}
            })?;
            Ok(Self(receiver))
        }

        pub fn inode(&self) -> Option<u64> {
            None
        }

        pub async fn read(&mut self) -> Option<Bytes> {
            self.0.recv().await
        }

        pub fn try_read(&mut self) -> Option<Bytes> {
            self.0.try_recv().ok()
        }
    }
}
