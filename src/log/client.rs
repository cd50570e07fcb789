//! The log on its way to a client.

use std::{
    collections::VecDeque,
    io::{self, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// So many lines wait for a client at most. Chosen: what a start with many mistakes in the settings says.
const MOST: usize = 256;
/// Longer ones are cut, in characters. Chosen: what a client still shows.
const LONGEST: usize = 4_000;

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub level: Level,
    /// Where it was said and what, without the time and the level.
    pub text: String,
}

/// The lines for a client, in their order.
pub struct Lines(Arc<Queue>);

/// Lines that wait for a client. Whoever logs never waits: while it is full, lines are only counted.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Default)]
struct Waiting {
    lines: VecDeque<Line>,
    /// How many had no room, after `lines`.
    left_out: usize,
    ended: bool,
}

impl Lines {
    pub(super) fn new(queue: Arc<Queue>) -> Self {
        Self(queue)
    }

    /// Waits for the next one. `None` once the client listens no more.
    pub async fn next(&mut self) -> Option<Line> {
        loop {
            let changed = self.0.changed.notified();
            {
                let mut waiting = self.0.lock();
                if waiting.ended {
                    return None;
                }
                if let Some(line) = waiting.lines.pop_front().or_else(|| waiting.gap()) {
                    return Some(line);
                }
            }
            changed.await;
        }
    }
}

impl Queue {
    fn push(&self, level: Level, text: &str) {
        let mut waiting = self.lock();
        if waiting.ended {
            return;
        }
        if waiting.lines.len() >= MOST {
            waiting.left_out += 1;
            return;
        }
        let gap = waiting.gap();
        waiting.lines.extend(gap);
        let text = match text.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text.to_owned(),
        };
        waiting.lines.push_back(Line { level, text });
        drop(waiting);
        self.changed.notify_one();
    }

    pub(super) fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// What stands in the place of lines that had no room.
    fn gap(&mut self) -> Option<Line> {
        let count = std::mem::take(&mut self.left_out);
        let text = format!(
            "pillion::log: {count} lines are left out here, which came faster than they were read; the file has them"
        );
        (count > 0).then_some(Line { level: Level::WARN, text })
    }
}

/// Writes to whoever reads along.
pub(super) struct Writer;

/// Each write is a whole line.
pub(super) struct OneLine(Level);

impl<'a> MakeWriter<'a> for Writer {
    type Writer = OneLine;

    fn make_writer(&'a self) -> OneLine {
        OneLine(Level::INFO)
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> OneLine {
        OneLine(*metadata.level())
    }
}

impl Write for OneLine {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Some(queue) = super::reader() {
            queue.push(self.0, String::from_utf8_lossy(line).trim_end());
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_keep_their_order_and_a_gap_is_told_in_its_place() {
        let queue = Arc::new(Queue::default());
        let mut lines = Lines::new(queue.clone());
        for number in 0..MOST + 3 {
            queue.push(Level::INFO, &number.to_string());
        }
        assert_eq!(lines.next().await.unwrap().text, "0");
        queue.push(Level::ERROR, "after");
        for number in 1..MOST {
            assert_eq!(lines.next().await.unwrap().text, number.to_string());
        }
        let gap = lines.next().await.unwrap();
        assert!(gap.level == Level::WARN && gap.text.contains(" 3 lines are left out here"), "{gap:?}");
        assert_eq!(lines.next().await, Some(Line { level: Level::ERROR, text: "after".to_owned() }));
        queue.push(Level::INFO, &"é".repeat(LONGEST + 1));
        assert_eq!(lines.next().await.unwrap().text.chars().count(), LONGEST + 1);
        queue.end();
        queue.push(Level::INFO, "never");
        assert_eq!(lines.next().await, None);
    }
}
