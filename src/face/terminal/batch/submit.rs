//! Handing over, once and not twice, wherever it is interrupted.

use super::{
    Chunk, DONE, Input, Job, Options, Sending, State, Submit, Trouble, cannot_start, config, patiently, say,
    state::Hold,
};
use crate::{
    config::Providers,
    provider::{Thinking, batch::BatchError},
};

pub(super) async fn submit(args: Submit) -> Result<u8, Trouble> {
    let config = config();
    let _hold = Hold::take(&args.file).map_err(cannot_start)?;
    let input = Input::new(&args.file);
    let state = match State::load(&args.file).map_err(cannot_start)? {
        Some(state) => {
            let same = |said: bool| {
                said.then_some(()).ok_or_else(|| {
                    cannot_start(format!(
                        "{file} was submitted with other options, or has changed since. To submit it as it is now, give \
                         it another name; to forget what was submitted, delete {file}.batch.json.",
                        file = args.file.display()
                    ))
                })
            };
            let Options { model, system, max_tokens, .. } = &state.options;
            same(args.model.as_ref().is_none_or(|said| said == model))?;
            same(args.system.is_none() || args.system == *system)?;
            same(args.max_tokens.is_none() || args.max_tokens == *max_tokens)?;
            same(input.fingerprint().map_err(cannot_start)? == state.input)?;
            state
        }
        None => {
            let providers = Providers::new(&config);
            let Some(model) = args.model.clone().or_else(|| providers.default_model()) else {
                return Err(cannot_start(providers.hint()));
            };
            let (thinking_tokens, thinking_effort) = match config.thinking {
                None => (None, None),
                Some(Thinking::Budget(tokens)) => (Some(tokens), None),
                Some(Thinking::Effort(effort)) => (None, Some(effort)),
            };
            let options = Options {
                model,
                system: args.system.clone(),
                max_tokens: args.max_tokens.or(config.max_tokens),
                temperature: config.temperature,
                thinking_tokens,
                thinking_effort,
            };
            let (fingerprint, parts) = input.plan(&options, args.per_batch).map_err(cannot_start)?;
            State::new(fingerprint, options, parts)
        }
    };
    let mut job = Job::of(&args.file, state, &config)?;
    job.settle(&args).await?;
    let items: usize = job.state.chunks.iter().map(|chunk| chunk.part.items).sum();
    let count = job.state.chunks.len();
    for index in 0..count {
        if job.state.chunks[index].batch.is_none() {
            job.send(&input, index).await?;
        }
        let Chunk { batch, part, .. } = &job.state.chunks[index];
        let batch = batch.as_deref().unwrap_or_default();
        say(&format!("{batch}: {} requests (batch {} of {count})", part.items, index + 1));
    }
    say(&format!("All {items} requests are handed over. See `pillion batch status {}`.", args.file.display()));
    Ok(DONE)
}

impl Job {
    /// Finds out what became of batches whose handing over was interrupted.
    async fn settle(&mut self, args: &Submit) -> Result<(), Trouble> {
        for index in 0..self.state.chunks.len() {
            let chunk = &self.state.chunks[index];
            let doubtful = chunk.sending.is_some() || chunk.adopted;
            if args.again && doubtful {
                let chunk = &mut self.state.chunks[index];
                (chunk.sending, chunk.batch, chunk.adopted) = (None, None, false);
                self.save()?;
                continue;
            }
            let Some(sending) = chunk.sending.clone() else { continue };
            let found = match &args.adopt {
                Some(id) => vec![id.clone()],
                None => self.find(&sending, chunk.part.items).await?,
            };
            let found = match found.as_slice() {
                [] => None,
                [one] => Some(one.clone()),
                many => {
                    let file = self.file.display();
                    return Err(Trouble::Failed(format!(
                        "Handing over {file} was interrupted, and any of these batches may be what became of it: {}. \
                         Look at them in Anthropic's console and say which with --adopt, or that it is none with --again.",
                        many.join(", ")
                    )));
                }
            };
            let chunk = &mut self.state.chunks[index];
            (chunk.adopted, chunk.batch, chunk.sending) = (found.is_some(), found, None);
            self.save()?;
        }
        Ok(())
    }

    /// The account's batches that look like one of `items` requests and came after `sending` was written.
    async fn find(&self, sending: &Sending, items: usize) -> Result<Vec<String>, BatchError> {
        let mut found = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = patiently(self.retry, async || self.batches.page(after.as_deref()).await).await?;
            for batch in page.batches {
                if Some(&batch.id) == sending.before.as_ref() {
                    return Ok(found);
                }
                let is_known = self.state.chunks.iter().any(|chunk| chunk.batch.as_ref() == Some(&batch.id));
                if batch.counts.total() == items as u64 && !is_known {
                    found.push(batch.id);
                }
            }
            if page.next.is_none() || page.next == after {
                return Ok(found);
            }
            after = page.next;
        }
    }

    /// Hands over one chunk.
    async fn send(&mut self, input: &Input, index: usize) -> Result<(), Trouble> {
        let items = input.items(&self.state.chunks[index].part, &self.state.options)?;
        let page = patiently(self.retry, async || self.batches.page(None).await).await?;
        let before = page.batches.into_iter().next().map(|batch| batch.id);
        self.state.chunks[index].sending = Some(Sending { before });
        self.save()?;
        let mut failed = 0;
        let batch = loop {
            let error = match self.batches.create(&items).await {
                Ok(batch) => break batch,
                Err(error) => error,
            };
            let status = match &error {
                BatchError::Provider(error) => error.status,
                _ => None,
            };
            failed += 1;
            match (&error, status) {
                // These say that it was not taken.
                (BatchError::Provider(busy), Some(429 | 529)) if failed < self.retry.tries => {
                    tokio::time::sleep(self.retry.wait(failed, busy.retry_after, fastrand::f64())).await;
                }
                (BatchError::Bad(_), _) | (_, Some(400..500 | 529)) => {
                    self.state.chunks[index].sending = None;
                    self.save()?;
                    return Err(error.into());
                }
                _ => {
                    return Err(Trouble::Failed(format!(
                        "{error} It is not known whether the batch arrived. The same command finds out and goes on."
                    )));
                }
            }
        };
        let chunk = &mut self.state.chunks[index];
        (chunk.batch, chunk.sending) = (Some(batch.id), None);
        self.save()
    }
}
