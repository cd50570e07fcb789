//! Deltas: joined where they come at once, and left unread while nobody listens.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use futures::{StreamExt, stream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{super::*, stage::one_token};
use crate::{
    provider::{Completion, Provider, ProviderError, Request, StreamEvent},
    transcript::Content,
};

/// Says `a` so many times, all of them there at once.
struct Flood {
    deltas: usize,
    read: Arc<AtomicUsize>,
    hung_up: Arc<AtomicUsize>,
}

struct HungUp(Arc<AtomicUsize>);

impl Drop for HungUp {
    fn drop(&mut self) {
        self.0.store(1, Ordering::SeqCst);
    }
}

impl Provider for Flood {
    fn name(&self) -> &str {
        "flood"
    }

    fn stream(&self, _: Arc<Request>) -> stream::BoxStream<'static, Result<StreamEvent, ProviderError>> {
        let (read, hung_up) = (self.read.clone(), HungUp(self.hung_up.clone()));
        let deltas = stream::repeat_with(move || {
            let _keep = &hung_up;
            read.fetch_add(1, Ordering::SeqCst);
            Ok(StreamEvent::Text("a".into()))
        });
        let content = vec![Content::Text { text: "a".repeat(self.deltas) }];
        let stop_reason = Some(StopReason::EndTurn);
        let done = Completion { content, stop_reason, usage: one_token(), ..Completion::default() };
        deltas.take(self.deltas).chain(stream::iter([Ok(StreamEvent::Done(done))])).boxed()
    }
}

/// Takes an event for each permit.
struct Slow {
    permits: Semaphore,
    waiting: tokio::sync::Notify,
    texts: Mutex<Vec<String>>,
}

#[async_trait]
impl Host for Slow {
    async fn emit(&self, event: Event) {
        self.waiting.notify_one();
        self.permits.acquire().await.unwrap().forget();
        if let Event::Text(text) = event {
            self.texts.lock().unwrap().push(text);
        }
    }

    async fn approve(&self, _: ApprovalRequest) -> Answer {
        Answer::CancelTurn
    }

    fn policy(&self) -> Policy {
        Policy::default()
    }
}

struct Scene {
    read: Arc<AtomicUsize>,
    hung_up: Arc<AtomicUsize>,
    agent: Agent,
    host: Slow,
}

fn scene(deltas: usize, permits: usize) -> Scene {
    let (read, hung_up) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let flood = Flood { deltas, read: read.clone(), hung_up: hung_up.clone() };
    let agent = Agent::builder().provider(Arc::new(flood)).model("m").build().unwrap();
    let host = Slow { permits: Semaphore::new(permits), waiting: Default::default(), texts: Mutex::default() };
    Scene { read, hung_up, agent, host }
}

#[tokio::test]
async fn a_flood_is_few_events_and_all_of_the_text() {
    let Scene { agent, host, .. } = scene(20_000, 1000);
    let outcome =
        turn::run(&agent, &Scope::default(), vec![Message::user("go")], &host, CancellationToken::new()).await;
    let texts = host.texts.lock().unwrap();
    assert!(texts.len() <= 20_000 / 2048 + 1, "{} events", texts.len());
    assert_eq!(texts.concat(), "a".repeat(20_000));
    assert_eq!(outcome.messages, [Message::assistant("a".repeat(20_000))]);
}

#[tokio::test]
async fn while_nobody_takes_an_event_the_model_is_not_read() {
    // One for the start of the turn.
    let Scene { read, hung_up, agent, host } = scene(1_000_000, 1);
    let cancel = CancellationToken::new();
    let scope = Scope::default();
    let turn = turn::run(&agent, &scope, vec![Message::user("go")], &host, cancel.clone());
    let watch = async {
        host.waiting.notified().await;
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(read.load(Ordering::SeqCst), 2048);
        // A cancel hangs up at once, although the event is still not taken.
        assert_eq!(hung_up.load(Ordering::SeqCst), 0);
        cancel.cancel();
        while hung_up.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        host.permits.add_permits(100);
    };
    let (outcome, ()) = tokio::join!(turn, watch);
    assert_eq!(outcome.stop_reason, StopReason::Cancelled);
    // What was shown is what is kept.
    assert_eq!(outcome.messages, [Message::assistant("a".repeat(2048))]);
    assert_eq!(host.texts.lock().unwrap().concat(), "a".repeat(2048));
}
