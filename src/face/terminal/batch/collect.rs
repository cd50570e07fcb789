//! Fetching the results, each once, wherever it is interrupted.

use futures::StreamExt;

use super::{Chunk, DONE, FAILED, Input, Job, NOT_YET, Trouble, answers::Answers, patiently, say};
use crate::provider::batch::{BatchError, ResultError};

impl Job {
    pub(super) async fn collect(mut self) -> Result<u8, Trouble> {
        if !Answers::exists(&self.file) {
            self.state.chunks.iter_mut().for_each(|chunk| chunk.collected = false);
        }
        let mut answers = Answers::open(&self.file)?;
        let mut missing = 0;
        for index in 0..self.state.chunks.len() {
            let Chunk { batch: Some(id), collected: false, .. } = self.state.chunks[index].clone() else {
                missing += usize::from(self.state.chunks[index].batch.is_none());
                continue;
            };
            match self.stream(index, &id, &mut answers).await {
                Ok(()) => {
                    self.state.chunks[index].collected = true;
                    self.save()?;
                }
                Err(Stuck::NotReady) => missing += 1,
                Err(Stuck::Trouble(trouble)) => return Err(trouble),
            }
        }
        let items: usize = self.state.chunks.iter().map(|chunk| chunk.part.items).sum();
        let tally = answers.tally;
        say(&format!(
            "{} of {items} requests have a result in {}: {} answers, {} failures.",
            tally.answered(),
            answers.path.display(),
            tally.succeeded,
            tally.others
        ));
        if tally.unreadable > 0 {
            say(&format!(
                "{} lines of the provider's results could not be read; they are noted there.",
                tally.unreadable
            ));
        }
        if missing > 0 {
            say(&format!("{missing} of {} batches have not ended yet. Try again later.", self.state.chunks.len()));
            return Ok(NOT_YET);
        }
        Ok(if tally.succeeded < items || tally.unreadable > 0 { FAILED } else { DONE })
    }

    /// Writes the results of one batch. A connection that breaks is taken up again; what is there is not written again.
    async fn stream(&mut self, index: usize, id: &str, answers: &mut Answers) -> Result<(), Stuck> {
        let mut failed = 0;
        loop {
            let mut results = match patiently(self.retry, async || self.batches.results(id).await).await {
                Ok(results) => results,
                Err(BatchError::NotReady { .. }) => return Err(Stuck::NotReady),
                Err(error) => return Err(Stuck::Trouble(error.into())),
            };
            let broken = loop {
                match results.next().await {
                    None => return Ok(()),
                    Some(Ok(answer)) => {
                        self.recognise(index, id, &answer.id)?;
                        answers.add(answer).map_err(Trouble::from)?;
                    }
                    Some(Err(ResultError::BadLine { line, reason })) => {
                        answers.add_unreadable(id, line, &reason).map_err(Trouble::from)?;
                    }
                    Some(Err(ResultError::Broken(error))) => break error,
                }
            };
            failed += 1;
            if failed >= self.retry.tries || !broken.class.is_retryable() {
                return Err(Stuck::Trouble(broken.into()));
            }
            tokio::time::sleep(self.retry.wait(failed, broken.retry_after, fastrand::f64())).await;
        }
    }

    /// Makes sure, at the first answer, that a batch which was taken for this one's by its looks is this one's.
    fn recognise(&mut self, index: usize, batch: &str, answer: &str) -> Result<(), Trouble> {
        let Chunk { adopted: true, part, .. } = &self.state.chunks[index] else { return Ok(()) };
        let items = Input::new(&self.file).items(part, &self.state.options)?;
        if items.iter().all(|item| item.id() != answer) {
            return Err(Trouble::Failed(format!(
                "The batch {batch} was taken for what became of an interrupted submission, but it is another one: it \
                 answers `{answer}`. Hand over the requests with `pillion batch submit {} --again`.",
                self.file.display()
            )));
        }
        self.state.chunks[index].adopted = false;
        self.save()
    }
}

/// Why a batch's results are not all there.
enum Stuck {
    NotReady,
    Trouble(Trouble),
}

impl From<Trouble> for Stuck {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}
