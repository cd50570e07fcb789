//! Lines without secrets.

use std::io::{self, Write};

use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::secrets;

/// Writes lines on, without what is hidden.
pub(super) struct Veiled<M>(pub(super) M);

/// Each write is a whole line.
pub(super) struct VeiledLine<W>(W);

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Veiled<M> {
    type Writer = VeiledLine<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        VeiledLine(self.0.make_writer())
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Self::Writer {
        VeiledLine(self.0.make_writer_for(metadata))
    }
}

impl<W: Write> Write for VeiledLine<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = secrets::redact(&String::from_utf8_lossy(line));
        self.0.write_all(text.as_bytes()).map(|()| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
