//! Making a conversation shorter before it no longer fits the model's context.
//!
//! A [`Compaction`] is a list of [`Strategy`]s, from the one that costs the conversation least to the one that costs it
//! most. They run in order until what is left is small enough. It is a [`Mutator`]: added to an agent, it looks before
//! each model call whether the context is nearly full, and helps when a provider says that the prompt is too long. What
//! the person asks for in the running turn is always kept, and a call never loses its result.
//!
//! What a strategy takes out or clips, the model has seen no more: the loop forgets the reads and edits among it, so that
//! a file can be written over only after it was read again.
//!
//! ```
//! use std::sync::Arc;
//!
//! use pillion::{
//!     agent::{
//!         Agent, Event,
//!         compaction::{Compaction, KeepRecent},
//!     },
//!     provider::scripted::Scripted,
//!     transcript::Message,
//! };
//! # use futures::StreamExt;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let mut history = vec![Message::user("Tell me all about bridges.")];
//! for number in 1..50 {
//!     history.push(Message::assistant(format!("Bridge {number} is long.")));
//!     history.push(Message::user("And the next?"));
//! }
//!
//! let compaction = Compaction::of([Arc::new(KeepRecent { rounds: 2 }) as _]).at_messages(60);
//! let model = Arc::new(Scripted::parse(r#"["Bridge 50 is short."]"#)?);
//! let agent = Agent::builder().provider(model).model("any").mutator(Arc::new(compaction)).build()?;
//!
//! let mut turn = agent.stream(&history);
//! let mut strategies = Vec::new();
//! while let Some(event) = turn.next().await {
//!     if let Event::Compaction(report) = event {
//!         strategies = report.strategies;
//!     }
//! }
//! assert_eq!(strategies, ["keepRecent"]);
//! turn.into_result().await?.apply(&mut history);
//! // The first prompt, a note, two rounds with their prompts, the last prompt, and the new answer.
//! assert_eq!(history.len(), 8);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod clip;
mod drop;
mod recent;
mod rounds;
mod summarise;

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

pub use self::{
    clip::ClipOutputs,
    drop::{DropFailedResults, DropThinking},
    recent::KeepRecent,
    summarise::Summarise,
};
use super::{
    Agent, Answer, ApprovalRequest, Cursor, Event, Host, MutationError, Mutator, NoticeLevel, Point, Scope,
    estimate::weigh, mutate, said, turn::Ground,
};
use crate::{
    permission::Policy,
    provider::Provider,
    transcript::{self, Message, Usage},
};

/// A way to make a conversation shorter.
///
/// What it leaves must be [whole](transcript::is_whole), hold what the person asked for in the running turn, and begin
/// and end with messages of the same roles. What is not, or is not smaller, is let go, and the next strategy goes on
/// from what was there before.
#[async_trait]
pub trait Strategy: Send + Sync + 'static {
    /// For programs and people, in `camelCase`.
    fn name(&self) -> &'static str;

    /// Makes the messages fewer or shorter; leaves them alone where there is nothing to gain. `cursor` is for calling a
    /// model, and knows the request that the messages are for.
    ///
    /// # Errors
    /// What kept it from its work, for the person; then the messages count as unchanged.
    async fn apply(&self, messages: &mut Vec<Message>, why: &Why, cursor: &mut Cursor<'_>)
    -> Result<(), MutationError>;
}

/// What a compaction is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    pub reason: Reason,
    /// What the person wants a summary to look to.
    pub instructions: Option<String>,
}

/// What set a compaction off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The model's context was nearly full.
    Share,
    /// There were many messages.
    Messages,
    /// The provider said that the prompt is too long.
    Rejected,
    /// The person asked for it.
    ByHand,
}

/// What a compaction did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub reason: Reason,
    /// What the whole prompt took and takes, estimated.
    pub tokens_before: u64,
    pub tokens_after: u64,
    /// The strategies that made it smaller, in order.
    pub strategies: Vec<&'static str>,
}

/// Strategies, and when they run. See the [module](self).
#[derive(Clone)]
pub struct Compaction {
    strategies: Vec<Arc<dyn Strategy>>,
    /// For when what set it off still holds after the others: they cost what the model is working with.
    last_resort: Vec<Arc<dyn Strategy>>,
    by_hand: Vec<Arc<dyn Strategy>>,
    at_share: Option<f64>,
    at_messages: Option<usize>,
}

/// Where the context should be after a compaction, as a part of where it was set off. Chosen: a compaction costs the
/// prompt cache and maybe a summary, so it should not come again soon.
const TARGET: f64 = 0.6;

/// What a prompt that a provider refused may take the next time, as a part of it. Chosen: one more try is all there is.
const REJECTED: f64 = 0.7;

/// How much of the window a prompt may take and a compaction still be put off. Chosen: what is left is room for an answer.
const ROOM: f64 = 0.9;

/// How much larger the context must be than after the last compaction for another one by itself, as a part of the
/// window. So one that could not do enough is not tried before each model call.
const GROWTH: f64 = 0.05;

/// Where a conversation stood after its last compaction.
#[derive(Debug, Default)]
pub struct Floor(Mutex<Option<Size>>);

#[derive(Clone, Copy, Debug, Default)]
struct Size {
    tokens: u64,
    messages: usize,
}

impl Size {
    fn is_within(self, other: Self) -> bool {
        self.tokens <= other.tokens && self.messages <= other.messages
    }

    /// A part of it; what is unlimited stays so.
    fn times(self, part: f64) -> Self {
        let tokens = if self.tokens == u64::MAX { u64::MAX } else { (self.tokens as f64 * part) as u64 };
        let messages = if self.messages == usize::MAX { usize::MAX } else { (self.messages as f64 * part) as usize };
        Self { tokens, messages }
    }
}

impl Floor {
    fn get(&self) -> Option<Size> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, size: Size) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(size);
    }
}

impl Compaction {
    /// These strategies, in this order, at 80 % of the model's context where its size is known.
    pub fn of(strategies: impl IntoIterator<Item = Arc<dyn Strategy>>) -> Self {
        let strategies: Vec<_> = strategies.into_iter().collect();
        Self {
            by_hand: strategies.clone(),
            strategies,
            last_resort: Vec::new(),
            at_share: Some(0.8),
            at_messages: None,
        }
    }

    /// What suits coding: old reasoning goes first, then what failed calls said, then long outputs are clipped, then what
    /// is older than the last `keep_rounds` model calls is summarised by `summariser` (whom the turn asks, if `None` and where
    /// it fails). If that fails, it is left out without a summary; but if it may work a little later and there is room until
    /// then, all waits for that. Recent outputs are clipped only if all this does not bring the
    /// prompt below what set it off. By hand, everything is summarised.
    pub fn standard(keep_rounds: usize, summariser: Option<(Arc<dyn Provider>, String)>) -> Self {
        // In characters. Chosen: some fifty lines, enough to know what it was about.
        const OLD: usize = 2_000;
        const RECENT: usize = 12_000;
        let cheap = |rounds: usize| -> [Arc<dyn Strategy>; 3] {
            [
                Arc::new(DropThinking),
                Arc::new(DropFailedResults { keep_rounds: rounds }),
                Arc::new(ClipOutputs { characters: OLD, keep_rounds: rounds }),
            ]
        };
        let mut strategies = cheap(keep_rounds).to_vec();
        strategies.push(Arc::new(Summarise { model: summariser.clone(), keep_rounds }));
        strategies.push(Arc::new(KeepRecent { rounds: keep_rounds }));
        let last_resort: Vec<Arc<dyn Strategy>> = vec![Arc::new(ClipOutputs { characters: RECENT, keep_rounds: 0 })];
        let mut by_hand: Vec<Arc<dyn Strategy>> = vec![Arc::new(Summarise { model: summariser, keep_rounds: 0 })];
        by_hand.extend(cheap(0));
        Self { by_hand, last_resort, ..Self::of(strategies) }
    }

    /// Runs by itself when the prompt takes this share of the window, from 0 to 1; never by its size with `None`.
    pub fn at_share(self, share: impl Into<Option<f64>>) -> Self {
        Self { at_share: share.into(), ..self }
    }

    /// Runs by itself when there are more messages than this.
    pub fn at_messages(self, messages: impl Into<Option<usize>>) -> Self {
        Self { at_messages: messages.into(), ..self }
    }

    /// Why it should run now, if it should.
    fn due(&self, size: Size, window: Option<u64>, floor: Option<Size>) -> Option<Reason> {
        let floor = floor.unwrap_or_default();
        if let (Some(share), Some(window)) = (self.at_share, window) {
            let window = window as f64;
            let (now, before) = (size.tokens as f64, floor.tokens as f64);
            if now > share * window && now > before + GROWTH * window {
                return Some(Reason::Share);
            }
        }
        let messages = self.at_messages?;
        (size.messages > messages && size.messages > floor.messages + messages / 4).then_some(Reason::Messages)
    }

    async fn run(&self, why: &Why, cursor: &mut Cursor<'_>) -> Option<Report> {
        let mut messages = cursor.messages().to_vec();
        let before = size(cursor, &messages);
        // What set it off, and where the strategies should bring it.
        let limit = match (why.reason, self.at_share, cursor.facts().window) {
            (Reason::ByHand, ..) => Size::default(),
            (Reason::Messages, ..) => Size { tokens: u64::MAX, messages: self.at_messages.unwrap_or(before.messages) },
            (Reason::Share, Some(share), Some(window)) => {
                Size { tokens: (window as f64 * share) as u64, messages: usize::MAX }
            }
            // The provider knows better than any table and any estimate how much was too much.
            (_, share, window) => {
                let known = window.map_or(u64::MAX, |window| (window as f64 * share.unwrap_or(1.0)) as u64);
                Size { tokens: known.min((before.tokens as f64 * REJECTED) as u64), messages: usize::MAX }
            }
        };
        let goal = limit.times(TARGET);
        let is_by_hand = why.reason == Reason::ByHand;
        // What comes after a way that fails for now would cost more than waiting for it.
        let room = cursor.facts().window.map_or(u64::MAX, |window| (window as f64 * ROOM) as u64);
        let may_wait = |now: Size| matches!(why.reason, Reason::Share | Reason::Messages) && now.tokens <= room;
        let mut strategies = Vec::new();
        let by_hand = self.by_hand.iter().map(|strategy| (strategy, goal));
        let by_itself = self.strategies.iter().map(|strategy| (strategy, goal));
        let by_itself = by_itself.chain(self.last_resort.iter().map(|strategy| (strategy, limit)));
        let steps: Vec<_> = if is_by_hand { by_hand.collect() } else { by_itself.collect() };
        for (index, (strategy, goal)) in steps.into_iter().enumerate() {
            if size(cursor, &messages).is_within(goal) {
                continue;
            }
            let mut smaller = messages.clone();
            let applied = strategy.apply(&mut smaller, why, cursor).await;
            let fault = fault(&messages, &smaller, why).map(MutationError::new);
            if let Some(MutationError { message, may_pass }) = applied.err().or(fault) {
                let (name, waits) = (strategy.name(), may_pass && may_wait(size(cursor, &messages)));
                let become_of = if waits { "was put off" } else { "was left out" };
                let message = format!("A way of making the conversation shorter ({name}) {become_of}: {message}.");
                cursor.emit(Event::Notice { level: NoticeLevel::Warning, message }).await;
                if waits {
                    break;
                }
                continue;
            }
            if weigh(&smaller) >= weigh(&messages) {
                continue;
            }
            messages = smaller;
            strategies.push(strategy.name());
            // By hand, the first is what was meant; those after it are for when it fails.
            if is_by_hand && index == 0 {
                break;
            }
        }
        let after = size(cursor, &messages);
        cursor.scope().compacted.set(after);
        if strategies.is_empty() {
            return None;
        }
        cursor.replace(messages);
        let (tokens_before, tokens_after) = (before.tokens, after.tokens);
        Some(Report { reason: why.reason, tokens_before, tokens_after, strategies })
    }
}

fn size(cursor: &Cursor<'_>, messages: &[Message]) -> Size {
    Size { tokens: cursor.scope().estimator.prompt(cursor.request(), messages), messages: messages.len() }
}

/// What makes a shorter transcript unfit to take the other's place, if anything.
fn fault(before: &[Message], after: &[Message], why: &Why) -> Option<String> {
    let kept = |index: &usize| {
        let said = said::said(&before[*index]);
        after.iter().any(|message| said::said(message) == said)
    };
    if !rounds::current_prompts(before, why).iter().all(kept) {
        return Some("it would lose what the person just asked for".to_owned());
    }
    // By hand, all of it may become one summary.
    if why.reason == Reason::ByHand { transcript::fault(after) } else { mutate::fault(before, after) }
}

#[async_trait]
impl Mutator for Compaction {
    async fn mutate(&self, point: Point, cursor: &mut Cursor<'_>) -> Result<(), MutationError> {
        let reason = match point {
            Point::BeforeModelCall => {
                let size = size(cursor, cursor.messages());
                self.due(size, cursor.facts().window, cursor.scope().compacted.get())
            }
            Point::ContextLengthRejected => Some(Reason::Rejected),
            Point::AfterToolResult | Point::AfterTurnEnded => None,
        };
        if let Some(reason) = reason
            && let Some(report) = self.run(&Why { reason, instructions: None }, cursor).await
        {
            cursor.emit_if_kept(Event::Compaction(report));
        }
        Ok(())
    }
}

/// What came of a compaction by hand.
#[derive(Clone, Debug)]
pub struct Compacted {
    /// The shorter conversation and how it became so; `None` if there was nothing to gain.
    pub done: Option<(Vec<Message>, Report)>,
    /// What it took.
    pub usage: Usage,
    /// What could not be done, for the person.
    pub trouble: Vec<String>,
}

impl Agent {
    /// Makes a conversation shorter between two turns, whatever its size. `None` if it was cancelled. `scope` forgets
    /// what the model has read and no longer sees.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use pillion::{
    ///     agent::{Agent, Scope, compaction::Compaction},
    ///     provider::scripted::Scripted,
    ///     transcript::Message,
    /// };
    /// use tokio_util::sync::CancellationToken;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// let model = Arc::new(Scripted::parse(r#"["Ada wants a bridge; it is drawn."]"#)?);
    /// let agent = Agent::builder().provider(model).model("any").build()?;
    /// let history = [Message::user("Draw a bridge. ".repeat(200)), Message::assistant("It is drawn.")];
    ///
    /// let (compaction, cancel) = (Compaction::standard(4, None), CancellationToken::new());
    /// let compacted = agent.compact(&Scope::default(), &history, &compaction, None, cancel).await;
    /// let (history, report) = compacted.and_then(|compacted| compacted.done).expect("there was something to gain");
    /// assert!(history[0].text().contains("Ada wants a bridge; it is drawn."));
    /// assert_eq!(report.strategies, ["summarise"]);
    /// assert!(report.tokens_after < report.tokens_before);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn compact(
        &self,
        scope: &Scope,
        history: &[Message],
        compaction: &Compaction,
        instructions: Option<String>,
        cancel: CancellationToken,
    ) -> Option<Compacted> {
        let (host, models) = (Silent::default(), self.models());
        let (tools, spent) = (self.setup.tools.catalogue(), Mutex::default());
        let (agent, models, tools) = (self, &models, &tools);
        let ground = Ground { agent, models, tools, scope, host: &host, cancel: &cancel, spent: &spent };
        let mut history = history.to_vec();
        transcript::repair(&mut history);
        let request = ground.request(history);
        let mut cursor = Cursor::new(ground, &request);
        let why = Why { reason: Reason::ByHand, instructions };
        let report = tokio::select! {
            biased;
            () = cancel.cancelled() => return None,
            report = compaction.run(&why, &mut cursor) => report,
        };
        let usage = cursor.usage();
        let done = report.map(|report| (cursor.messages().to_vec(), report));
        if let Some((messages, _)) = &done {
            scope.seen.forget(&transcript::lost_calls(&request.messages, messages));
        }
        Some(Compacted { done, usage, trouble: host.trouble() })
    }
}

/// Between turns there is nobody to tell at once.
#[derive(Default)]
struct Silent(Mutex<Vec<String>>);

impl Silent {
    fn trouble(self) -> Vec<String> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Host for Silent {
    async fn emit(&self, event: Event) {
        if let Event::Notice { message, .. } = event {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(message);
        }
    }

    async fn approve(&self, _: ApprovalRequest) -> Answer {
        Answer::Deny { reason: None }
    }

    fn policy(&self) -> Policy {
        Policy::default()
    }
}
