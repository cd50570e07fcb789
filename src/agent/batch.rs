//! The calls of one round: reading ones side by side, others alone, all in order.

use futures::{StreamExt, stream::FuturesOrdered};

use super::{
    Event,
    call::{Proposed, Settled},
    turn::{Ground, OpenCall},
};
use crate::tool::Class;

/// The most calls at once. Chosen: enough to keep a disk busy.
const SIDE_BY_SIDE: usize = 16;

/// Gives each call its result, or leaves it without one if the turn was cancelled before it began.
pub(super) async fn run(ground: Ground<'_>, calls: &mut [OpenCall]) {
    let mut reading = FuturesOrdered::new();
    let mut settled_calls = 0;
    for next in 0..calls.len() {
        if ground.cancel.is_cancelled() {
            break;
        }
        let call = calls[next].call.clone();
        let mut proposed = ground.propose(&call).await;
        if !reading.is_empty() && !is_reading(&proposed) {
            while let Some(settled) = reading.next().await {
                tell(ground, &mut calls[settled_calls], settled).await;
                settled_calls += 1;
            }
            // What was read just now may be what the call rests on.
            proposed = ground.propose(&call).await;
        }
        let (class, title) = match &proposed {
            Ok(proposed) => (proposed.proposal.class, proposed.proposal.title.clone()),
            Err(_) => (Class::Read, call.name.clone()),
        };
        calls[next].announced = true;
        ground.host.emit(Event::ToolCall { call: call.clone(), class, title }).await;

        let is_alone = !is_reading(&proposed);
        reading.push_back(ground.settle(call, proposed));
        while is_alone && !reading.is_empty() || reading.len() >= SIDE_BY_SIDE {
            if let Some(settled) = reading.next().await {
                tell(ground, &mut calls[settled_calls], settled).await;
                settled_calls += 1;
            }
        }
    }
    while let Some(settled) = reading.next().await {
        tell(ground, &mut calls[settled_calls], settled).await;
        settled_calls += 1;
    }
}

fn is_reading(proposed: &Result<Proposed, Settled>) -> bool {
    proposed.as_ref().is_ok_and(|proposed| proposed.proposal.class == Class::Read)
}

async fn tell(ground: Ground<'_>, open: &mut OpenCall, settled: Settled) {
    let Settled { result, status, diff } = settled;
    open.result = Some(result.clone());
    ground.host.emit(Event::ToolResult { result, status, diff }).await;
}
