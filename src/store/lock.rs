//! One writer for a log, however many processes there are.

use std::{
    fs::{File, OpenOptions},
    io,
};

/// Windows locks as it opens: others may read meanwhile, and not write.
#[cfg(windows)]
pub fn options(options: &mut OpenOptions) -> &mut OpenOptions {
    const FILE_SHARE_READ: u32 = 1;
    std::os::windows::fs::OpenOptionsExt::share_mode(options, FILE_SHARE_READ)
}

#[cfg(not(windows))]
pub fn options(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// Takes the lock, or fails at once with an error for which [`is_held`] is true.
#[cfg(unix)]
pub fn take(file: &File) -> io::Result<()> {
    use rustix::{fs::FlockOperation, io::Errno};
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(()),
        Err(error @ (Errno::NOLCK | Errno::NOTSUP | Errno::NOSYS)) => {
            tracing::warn!(%error, "this disk knows no locks: do not open a session in two processes");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// Gives the lock back now, even if a child that is just being started still holds a copy of the file.
#[cfg(unix)]
pub fn release(file: &File) {
    // It can only fail if there was no lock.
    let _ = rustix::fs::flock(file, rustix::fs::FlockOperation::Unlock);
}

#[cfg(unix)]
pub fn is_held(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

#[cfg(not(unix))]
pub fn take(_: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(not(unix))]
pub fn release(_: &File) {}

#[cfg(not(unix))]
pub fn is_held(error: &io::Error) -> bool {
    const ERROR_SHARING_VIOLATION: i32 = 32;
    error.raw_os_error() == Some(ERROR_SHARING_VIOLATION)
}
