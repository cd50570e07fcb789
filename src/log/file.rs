//! The log's own file.

use std::{
    fs::File,
    io::{self, Write},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use tracing_subscriber::fmt::MakeWriter;

/// A file that grew beyond this is put aside, in bytes. Chosen: some days of work.
const LONGEST: u64 = 2 << 20;
/// How many that were put aside are kept.
const KEPT: u32 = 3;

/// A file that is put aside when it has become long. Made at the first line; what cannot be written is let go, since there
/// is nobody to tell.
#[derive(Clone)]
pub(super) struct Rotating(Arc<Mutex<Open>>);

struct Open {
    path: PathBuf,
    file: Option<File>,
}

impl Rotating {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(Arc::new(Mutex::new(Open { path, file: None })))
    }
}

impl<'a> MakeWriter<'a> for Rotating {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Write for Rotating {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(file) = open.file() {
            let _ = file.write_all(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Open {
    #[allow(clippy::disallowed_methods, reason = "Pillion's own file, not the person's")]
    fn file(&mut self) -> io::Result<&mut File> {
        if self.file.as_ref().is_none_or(|file| file.metadata().is_ok_and(|metadata| metadata.len() > LONGEST)) {
            self.file = None;
            let path = &self.path;
            // Another process may have done it already, and what it began is short.
            if path.metadata().is_ok_and(|metadata| metadata.len() > LONGEST) {
                let named = |number: u32| path.with_extension(format!("log.{number}"));
                for number in (1..KEPT).rev() {
                    let _ = std::fs::rename(named(number), named(number + 1));
                }
                let _ = std::fs::rename(path, named(1));
            }
            self.file = Some(crate::config::private_log(path)?);
        }
        self.file.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use super::*;

    #[test]
    fn a_long_log_is_put_aside_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs").join("pillion.log");
        let mut log = Rotating::new(path.clone());
        let line = vec![b'x'; LONGEST as usize / 2 + 1];
        for _ in 0..14 {
            log.write_all(&line).unwrap();
        }
        let mut names: Vec<_> =
            std::fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["pillion.log", "pillion.log.1", "pillion.log.2", "pillion.log.3"]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
