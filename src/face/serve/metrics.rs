//! What `/metrics` shows, in Prometheus' text format: counted from the same events that clients see.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use super::subscriber::Queue;
use crate::{
    process,
    protocol::{SessionEvent, Usage},
    sidecar::Inquiry,
};

#[derive(Default)]
pub struct Metrics {
    counts: Mutex<Counts>,
    /// A subscription has ended.
    ended: Notify,
}

#[derive(Default)]
struct Counts {
    is_ending: bool,
    requests: BTreeMap<&'static str, u64>,
    turns: u64,
    /// By stop reason.
    ended: BTreeMap<String, u64>,
    rounds: u64,
    tokens: [u64; 4],
    /// The session of each.
    approvals: HashMap<String, String>,
    questions: HashMap<String, String>,
    queues: Vec<Queue>,
    lagged: u64,
}

/// How the turns of sessions ended that a client closed, as far as is counted.
const CLOSED: &str = "closed";

/// The tokens' kinds, in the order in which they are counted.
const TOKENS: [&str; 4] = ["input", "output", "cache_read", "cache_write"];

impl Metrics {
    pub fn request(&self, method: &'static str) {
        *self.lock().requests.entry(method).or_default() += 1;
    }

    pub fn event(&self, event: &SessionEvent) {
        self.lock().event(event);
    }

    /// A person would be asked. What was open before the server watched comes this way, too.
    pub fn asked(&self, inquiry: &Inquiry) {
        let mut counts = self.lock();
        match inquiry {
            Inquiry::Approval(of) => counts.approvals.insert(of.approval_id.clone(), of.session_id.clone()),
            Inquiry::Question(of) => counts.questions.insert(of.question_id.clone(), of.session_id.clone()),
        };
    }

    /// What waited was another process's, and that is gone.
    pub fn nothing_waits(&self) {
        let mut counts = self.lock();
        counts.approvals.clear();
        counts.questions.clear();
    }

    /// A client has closed a session, whose events are heard no more.
    pub fn closed(&self, session_id: &str, was_running: bool) {
        let mut counts = self.lock();
        counts.approvals.retain(|_, of| of != session_id);
        counts.questions.retain(|_, of| of != session_id);
        if was_running {
            *counts.ended.entry(CLOSED.to_owned()).or_default() += 1;
        }
    }

    /// The queue of a subscription that begins.
    pub fn subscribed(&self) -> Queue {
        let queue = Queue::default();
        self.lock().queues.push(queue.clone());
        queue
    }

    pub fn unsubscribed(&self, queue: &Queue) {
        self.lock().queues.retain(|other| !other.is(queue));
        self.ended.notify_waiters();
    }

    /// Waits for the last subscription to end.
    pub async fn no_subscriptions(&self) {
        loop {
            let ended = self.ended.notified();
            if self.lock().queues.is_empty() {
                return;
            }
            ended.await;
        }
    }

    pub fn lagged(&self) {
        self.lock().lagged += 1;
    }

    pub fn is_ending(&self) {
        self.lock().is_ending = true;
    }

    pub fn is_serving(&self) -> bool {
        !self.lock().is_ending
    }

    /// The page. `sessions` are open, in `running` of them runs a turn.
    pub fn page(&self, sessions: usize, running: usize, connections: usize) -> String {
        let counts = self.lock();
        let depths: Vec<(usize, usize)> = counts.queues.iter().map(Queue::depth).collect();
        let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        let mut page = Page::default();
        page.metric("sessions_open", "gauge", "Sessions that this server keeps open.", sessions);
        page.metric("turns_running", "gauge", "Turns that run now.", running);
        page.metric("turns_started_total", "counter", "Turns that began.", counts.turns);
        page.metrics("turns_ended_total", "counter", "Turns that ended.", "stop_reason", &counts.ended);
        page.metric("rounds_total", "counter", "Model calls that came to their end.", counts.rounds);
        let tokens = TOKENS.into_iter().zip(counts.tokens);
        page.metrics("tokens_total", "counter", "Tokens that models counted.", "kind", tokens);
        page.metric("approvals_waiting", "gauge", "Calls that wait for a person.", counts.approvals.len());
        page.metric("questions_waiting", "gauge", "Questions that wait for a person.", counts.questions.len());
        page.metric("connections", "gauge", "Connections.", connections);
        page.metrics("requests_total", "counter", "Requests.", "method", &counts.requests);
        page.metric("subscriptions", "gauge", "Subscriptions.", depths.len());
        page.metric(
            "subscription_queue_events",
            "gauge",
            "Events that wait for subscribers.",
            depths.iter().map(|depth| depth.0).sum::<usize>(),
        );
        page.metric(
            "subscription_queue_bytes",
            "gauge",
            "What they take.",
            depths.iter().map(|depth| depth.1).sum::<usize>(),
        );
        page.metric(
            "subscription_queue_events_max",
            "gauge",
            "Events that wait for the slowest subscriber.",
            depths.iter().map(|depth| depth.0).max().unwrap_or_default(),
        );
        page.metric("subscriptions_lagged_total", "counter", "Subscribers that did not keep up.", counts.lagged);
        page.metric("processes", "gauge", "Programs that tools and servers of tools run.", process::count());
        page.metric("tasks", "gauge", "Tasks of the server's own runtime.", tasks);
        page.text
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn event(&mut self, event: &SessionEvent) {
        match event {
            SessionEvent::TurnStarted { .. } => self.turns += 1,
            SessionEvent::TurnEnded { stop_reason, .. } => {
                let reason = serde_json::to_value(stop_reason).unwrap_or_default();
                let reason = reason.as_str().map_or_else(String::new, str::to_owned);
                *self.ended.entry(reason).or_default() += 1;
            }
            SessionEvent::Usage { round, .. } => self.usage(round),
            // A sub-agent's turn is a part of the one around it.
            SessionEvent::Nested { event, .. } if matches!(**event, SessionEvent::TurnEnded { .. }) => {}
            SessionEvent::Nested { event, .. } => self.event(event),
            SessionEvent::ApprovalResolved { approval_id, .. } => drop(self.approvals.remove(approval_id)),
            SessionEvent::QuestionResolved { question_id, .. } => drop(self.questions.remove(question_id)),
            _ => {}
        }
    }

    fn usage(&mut self, round: &Usage) {
        self.rounds += 1;
        let counted = [round.input_tokens, round.output_tokens, round.cache_read_tokens, round.cache_write_tokens];
        for (sum, tokens) in self.tokens.iter_mut().zip(counted) {
            *sum += tokens.unwrap_or_default();
        }
    }
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn metric(&mut self, name: &str, kind: &str, help: &str, value: impl std::fmt::Display) {
        let _ =
            writeln!(self.text, "# HELP pillion_{name} {help}\n# TYPE pillion_{name} {kind}\npillion_{name} {value}");
    }

    fn metrics<L: std::fmt::Display, V: std::fmt::Display>(
        &mut self,
        name: &str,
        kind: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (L, V)>,
    ) {
        let _ = writeln!(self.text, "# HELP pillion_{name} {help}\n# TYPE pillion_{name} {kind}");
        for (of, value) in values {
            let _ = writeln!(self.text, "pillion_{name}{{{label}=\"{of}\"}} {value}");
        }
    }
}
