//! The results of a batch, a line at a time as they come.

use futures::{StreamExt, stream, stream::BoxStream};

use super::{Answer, ResultError, wire};
use crate::provider::{
    Completion,
    error::Failure,
    http::{Caller, Response, broken},
};

/// The longest line that is taken, in bytes. Chosen to be far above any real answer.
const LONGEST_LINE: usize = 64 * 1024 * 1024;

pub fn stream(caller: Caller, response: Response) -> BoxStream<'static, Result<Answer, ResultError>> {
    let lines = Reading { caller, response, lines: Lines::default(), is_over: false };
    stream::unfold(lines, |mut lines| async move { Some((lines.next().await?, lines)) }).boxed()
}

struct Reading {
    caller: Caller,
    response: Response,
    lines: Lines,
    is_over: bool,
}

impl Reading {
    async fn next(&mut self) -> Option<Result<Answer, ResultError>> {
        loop {
            if let Some(line) = self.lines.next() {
                let number = self.lines.number;
                let answer = line.and_then(|line| wire::line(&line, &self.caller.endpoint.name));
                return Some(answer.map_err(|reason| ResultError::BadLine { line: number, reason }));
            }
            if self.is_over {
                return None;
            }
            match tokio::time::timeout(self.caller.endpoint.limits.idle, self.response.chunk()).await {
                Ok(Ok(Some(bytes))) => self.lines.push(&bytes),
                Ok(Ok(None)) => {
                    self.is_over = true;
                    self.lines.end();
                }
                Ok(Err(error)) => return Some(Err(self.broke(broken(&error, true)))),
                Err(_) => return Some(Err(self.broke(self.caller.silence()))),
            }
        }
    }

    /// What is left of a line is no line.
    fn broke(&mut self, failure: Failure) -> ResultError {
        self.is_over = true;
        self.lines = Lines::default();
        ResultError::Broken(self.caller.error(failure, Completion::default()))
    }
}

/// Bytes cut into lines.
#[derive(Default)]
pub struct Lines {
    bytes: Vec<u8>,
    /// How much of `bytes` was given out, and how much was searched for a line's end.
    given: usize,
    searched: usize,
    /// How many bytes of the line that is being read were thrown away because it is too long.
    dropped: usize,
    /// Of the line that was given last, from 1.
    pub number: u64,
}

impl Lines {
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.given);
        self.searched -= self.given;
        self.given = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The last line may have no end.
    pub fn end(&mut self) {
        if self.given < self.bytes.len() {
            self.bytes.push(b'\n');
        }
    }

    /// The next line that is not blank and has come whole, or why it cannot be had.
    pub fn next(&mut self) -> Option<Result<Vec<u8>, String>> {
        loop {
            let Some(end) = memchr::memchr(b'\n', &self.bytes[self.searched..]) else {
                self.searched = self.bytes.len();
                if self.searched - self.given > LONGEST_LINE {
                    self.dropped += self.searched - self.given;
                    self.given = self.searched;
                }
                return None;
            };
            let end = self.searched + end;
            let line = self.bytes[self.given..end].trim_ascii();
            let line = match std::mem::take(&mut self.dropped) {
                0 => Ok(line.to_vec()),
                dropped => Err(format!("it has {} bytes, and {LONGEST_LINE} are the most", dropped + line.len())),
            };
            self.number += 1;
            (self.given, self.searched) = (end + 1, end + 1);
            if line.as_ref().is_ok_and(Vec::is_empty) {
                continue;
            }
            return Some(line);
        }
    }
}
