//! The calls of one round: reading ones side by side, others alone, all in order.

use std::{collections::VecDeque, pin::pin};

use futures::{Stream, StreamExt, stream::FuturesOrdered};
use tokio::select;

use super::{Event, Settled, call::Proposed, open::OpenCall, turn::Ground};
use crate::{
    tool::{self, Class},
    transcript::ToolCall,
};

/// The most calls at once. Chosen: enough to keep a disk busy.
const SIDE_BY_SIDE: usize = 16;

/// Gives each call its result, or leaves it without one if the turn was cancelled before it began. What has its result
/// already does not run again.
pub(super) async fn run(ground: Ground<'_>, calls: &mut [OpenCall]) {
    let mut reading = SideBySide { running: FuturesOrdered::new(), settled: VecDeque::new() };
    let mut settled_calls = 0;
    for next in 0..calls.len() {
        // What came of a call before a restart is told nevertheless.
        if ground.cancel.is_cancelled() && calls[next..].iter().all(|open| open.known().is_none()) {
            break;
        }
        let open = calls[next].clone();
        let mut proposed = match open.known() {
            Some(settled) => Err(settled),
            None => reading.beside(ground.propose(&open.shown())).await,
        };
        if open.settled.is_none() && !reading.is_empty() && !is_reading(&proposed) {
            while let Some(settled) = reading.next().await {
                reading.beside(tell(ground, &mut calls[settled_calls], settled)).await;
                settled_calls += 1;
            }
            // What was read just now may be what the call rests on.
            proposed = ground.propose(&open.shown()).await;
        }
        if open.class.is_none() {
            let (class, title) = match &proposed {
                Ok(proposed) => (proposed.proposal.class, proposed.proposal.title.clone()),
                Err(_) => (Class::Read, title(ground, &open.call)),
            };
            calls[next].class = Some(class);
            reading.beside(ground.emit(Event::ToolCall { call: open.call.clone(), class, title })).await;
        }
        let is_alone = open.settled.is_none() && !is_reading(&proposed);
        reading.running.push_back(ground.settle(open, proposed));
        while is_alone && !reading.is_empty() || reading.len() >= SIDE_BY_SIDE {
            if let Some(settled) = reading.next().await {
                reading.beside(tell(ground, &mut calls[settled_calls], settled)).await;
                settled_calls += 1;
            }
        }
    }
    while let Some(settled) = reading.next().await {
        reading.beside(tell(ground, &mut calls[settled_calls], settled)).await;
        settled_calls += 1;
    }
}

/// Calls that run at once, and what came of them, in the order in which they were made.
struct SideBySide<F: Future> {
    running: FuturesOrdered<F>,
    settled: VecDeque<F::Output>,
}

impl<F: Future<Output = Settled>> SideBySide<F> {
    fn len(&self) -> usize {
        self.running.len() + self.settled.len()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    async fn next(&mut self) -> Option<Settled> {
        match self.settled.pop_front() {
            Some(settled) => Some(settled),
            None => self.running.next().await,
        }
    }

    async fn beside<T>(&mut self, future: impl Future<Output = T>) -> T {
        let Self { running, settled } = self;
        beside(running, |call| settled.push_back(call), future).await
    }
}

/// Waits for `future` while what runs goes on. What is not polled could hold what the future waits for: a place in the
/// host's queue, for one.
pub(super) async fn beside<S: Stream + Unpin, T>(
    running: &mut S,
    mut ended: impl FnMut(S::Item),
    future: impl Future<Output = T>,
) -> T {
    let mut future = pin!(future);
    loop {
        select! {
            biased;
            output = &mut future => return output,
            Some(item) = running.next() => ended(item),
        }
    }
}

/// Of a call that could not be proposed.
fn title(ground: Ground<'_>, ToolCall { name, input, .. }: &ToolCall) -> String {
    ground.tools.get(name).map_or_else(|| tool::title(name, input), |tool| tool.title(input))
}

fn is_reading(proposed: &Result<Proposed, Settled>) -> bool {
    proposed.as_ref().is_ok_and(|proposed| proposed.proposal.class == Class::Read && !proposed.proposal.alone)
}

async fn tell(ground: Ground<'_>, open: &mut OpenCall, settled: Settled) {
    let Settled { result, status, diff } = settled.clone();
    open.settled = Some(settled);
    if !std::mem::replace(&mut open.told, true) {
        ground.emit(Event::ToolResult { result, status, diff }).await;
    }
}
