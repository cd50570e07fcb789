//! The events of a session for clients that subscribe to them or ask for them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SessionEventNotification;

/// Subscribes to a session's events. The answer is the subscription's id; events come as `session/event`.
pub const SESSION_EVENTS: &str = "session/events";
/// Ends a subscription, by its id. The session goes on.
pub const SESSION_EVENTS_STOP: &str = "session/events/stop";

/// Subscribes to a stored or running session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionEventsParams {
    pub session_id: String,
    /// Replays the events from this number on (1 for all), before any new one. Without it nothing is replayed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_seq: Option<u64>,
}

/// Asks for events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventListParams {
    pub session_id: String,
    /// The number of the first (default 1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_seq: Option<u64>,
    /// The most to return (default 500, at most 5000).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Events, in their order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventListResponse {
    pub events: Vec<SessionEventNotification>,
    /// What `fromSeq` is next time: the number of the first event that is not here, whether it is there already or not.
    pub next_seq: u64,
}
