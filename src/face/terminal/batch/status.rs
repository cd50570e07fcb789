//! How far the batches are.

use std::{
    io::{self, Write},
    time::Duration,
};

use serde_json::json;

use super::{DONE, FAILED, Job, NOT_YET, Trouble, patiently, progress::Bar, say};
use crate::provider::batch::{Batch, BatchError, Counts};

/// How long is waited before a batch is looked at again, to begin with. Chosen.
const FIRST_WAIT: Duration = Duration::from_secs(2);

impl Job {
    /// The batches as they are now; `None` for what was not handed over.
    pub(super) async fn look(&self, bar: &mut Bar) -> Result<Vec<Option<Batch>>, BatchError> {
        let mut batches = Vec::new();
        for chunk in &self.state.chunks {
            batches.push(match &chunk.batch {
                Some(id) => Some(patiently(self.retry, async || self.batches.retrieve(id).await).await?),
                None => None,
            });
        }
        bar.show(&batches);
        Ok(batches)
    }

    /// Looks until all have ended, ever less often while nothing changes.
    pub(super) async fn wait(&mut self, every: Duration) -> Result<Vec<Option<Batch>>, Trouble> {
        let mut bar = Bar::new();
        let mut wait = FIRST_WAIT.min(every);
        let mut batches = self.look(&mut bar).await?;
        while batches.iter().flatten().any(|batch| !batch.has_ended()) {
            tokio::time::sleep(wait).await;
            let now = self.look(&mut bar).await?;
            wait = if now == batches { wait.mul_f64(1.5).min(every) } else { FIRST_WAIT.min(every) };
            batches = now;
        }
        Ok(batches)
    }

    pub(super) fn tell(&self, batches: &[Option<Batch>], as_json: bool) -> Result<u8, Trouble> {
        for (chunk, batch) in self.state.chunks.iter().zip(batches) {
            let Some(Batch { id, counts, .. }) = batch else {
                match as_json {
                    true => say(&json!({"items": chunk.part.items, "status": "notSubmitted"}).to_string()),
                    false => say(&format!("not handed over: {} requests", chunk.part.items)),
                }
                continue;
            };
            let ended = batch.as_ref().is_some_and(Batch::has_ended);
            let Counts { processing, succeeded, errored, cancelled, expired } = *counts;
            if as_json {
                let counts = json!({
                    "processing": processing, "succeeded": succeeded, "errored": errored,
                    "cancelled": cancelled, "expired": expired,
                });
                let status = if ended { "ended" } else { "inProgress" };
                let items = chunk.part.items;
                say(&json!({"batch": id, "items": items, "status": status, "counts": counts}).to_string());
            } else if ended {
                say(&format!(
                    "{id}: ended; {succeeded} succeeded, {errored} failed, {cancelled} cancelled, {expired} expired"
                ));
            } else {
                say(&format!("{id}: {processing} of {} requests are being worked on", counts.total()));
            }
        }
        if batches.iter().any(Option::is_none) {
            let _ = writeln!(
                io::stderr(),
                "pillion: not all was handed over. Go on with `pillion batch submit {}`.",
                self.file.display()
            );
            return Ok(FAILED);
        }
        Ok(if batches.iter().flatten().all(Batch::has_ended) { DONE } else { NOT_YET })
    }

    pub(super) async fn cancel(&self) -> Result<u8, Trouble> {
        if self.state.chunks.iter().any(|chunk| chunk.sending.is_some()) {
            return Err(Trouble::Failed(format!(
                "Handing over {0} was interrupted. Finish it with `pillion batch submit {0}`, then cancel.",
                self.file.display()
            )));
        }
        for batch in self.look(&mut Bar::none()).await?.into_iter().flatten() {
            if batch.has_ended() {
                say(&format!("{}: had ended before", batch.id));
            } else {
                self.batches.cancel(&batch.id).await?;
                say(&format!("{}: will end soon", batch.id));
            }
        }
        Ok(DONE)
    }
}
