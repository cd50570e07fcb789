//! `Content-Length` frames, as both ends of the bench need them.

use std::io::{self, BufRead, Read, Write};
use std::time::Instant;

use serde_json::Value;

/// The next frame's body; `None` at the end of the input.
pub fn read_frame(input: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut length = None;
    let mut line = String::new();
    loop {
        line.clear();
        if input.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let header = line.trim_end();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("Content-Length:") {
            length = value.trim().parse().ok();
        }
    }
    let length: usize = length.ok_or(io::ErrorKind::InvalidData)?;
    let mut body = vec![0; length];
    input.read_exact(&mut body)?;
    Ok(Some(body))
}

/// The line end that closes a body: white space to JSON, and the reason that standard output, which is buffered by lines,
/// passes a frame on in one write.
pub const END: &[u8] = b"\n";

pub fn write_frame(output: &mut impl Write, message: &Value) -> io::Result<()> {
    let mut body = message.to_string().into_bytes();
    body.extend_from_slice(END);
    let mut frame = format!("Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    frame.append(&mut body);
    output.write_all(&frame)?;
    output.flush()
}

/// Notes when the latest bytes came in. Under a buffered reader that is when a frame was complete: it reads again only
/// when it holds no whole frame.
pub struct Stamped<R> {
    input: R,
    pub at: Instant,
}

impl<R> Stamped<R> {
    pub fn new(input: R) -> Self {
        Self { input, at: Instant::now() }
    }
}

impl<R: Read> Read for Stamped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.at = Instant::now();
        Ok(count)
    }
}
