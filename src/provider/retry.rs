//! Trying again what may pass.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, stream, stream::BoxStream};

use super::{Provider, ProviderError, Request, StreamEvent, span};

/// How often, and how long between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// All tries together, the first included.
    pub tries: u32,
    /// The longest wait before the second try; it doubles with each further one. The wait itself is random between zero
    /// and that, so that many clients that failed together do not come back together.
    pub base: Duration,
    /// What the doubling stops at.
    pub longest: Duration,
    /// The most of what a provider asks for (`Retry-After`) that is waited.
    pub longest_asked: Duration,
}

impl Default for Policy {
    /// Chosen so that the waits are half a minute in all at the most, unless a provider asks for a minute.
    fn default() -> Self {
        Self {
            tries: 5,
            base: Duration::from_secs(2),
            longest: Duration::from_secs(30),
            longest_asked: Duration::from_secs(60),
        }
    }
}

impl Policy {
    /// The wait after the failure of try `attempt` (from 1), where `random` is in `0.0..1.0`.
    pub(crate) fn wait(&self, attempt: u32, asked: Option<Duration>, random: f64) -> Duration {
        let doubled = self.base.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1)));
        let backoff = doubled.min(self.longest).mul_f64(random);
        asked.map_or(backoff, |asked| backoff.max(asked.min(self.longest_asked)))
    }
}

/// The provider's answer to `request`. A failure that may pass is tried again, each try after a [`StreamEvent::Retry`].
/// What a failed try yielded before is withdrawn by a [`StreamEvent::Superseded`]. The last try's error ends the stream,
/// and what that one yielded stands.
pub fn stream(
    provider: Arc<dyn Provider>,
    request: Arc<Request>,
    policy: Policy,
) -> BoxStream<'static, Result<StreamEvent, ProviderError>> {
    let span = span::chat(provider.name(), &request);
    let tries = Tries {
        answer: Some(provider.stream(request.clone())),
        provider,
        request,
        policy,
        failed: 0,
        wait: None,
        retry: None,
        shown: false,
    };
    let answer = stream::unfold(tries, |mut tries| async move { Some((tries.next().await?, tries)) });
    // The span ends when the stream is dropped, whether it was read to its end or not.
    answer.inspect(move |event| span::hear(&span, event)).boxed()
}

struct Tries {
    provider: Arc<dyn Provider>,
    request: Arc<Request>,
    policy: Policy,
    answer: Option<BoxStream<'static, Result<StreamEvent, ProviderError>>>,
    failed: u32,
    wait: Option<Duration>,
    /// To be yielded next.
    retry: Option<StreamEvent>,
    shown: bool,
}

impl Tries {
    async fn next(&mut self) -> Option<Result<StreamEvent, ProviderError>> {
        if let Some(retry) = self.retry.take() {
            return Some(Ok(retry));
        }
        if let Some(wait) = self.wait.take() {
            tokio::time::sleep(wait).await;
            self.answer = Some(self.provider.stream(self.request.clone()));
        }
        match self.answer.as_mut()?.next().await? {
            Ok(event) => {
                self.shown = true;
                Some(Ok(event))
            }
            Err(mut error) => {
                self.answer = None;
                self.failed += 1;
                if !error.class.is_retryable() {
                    return Some(Err(error));
                }
                if self.failed >= self.policy.tries {
                    if self.failed > 1 {
                        error.message = format!("{} (Gave up after {} tries.)", error.message, self.failed);
                    }
                    return Some(Err(error));
                }
                let delay = self.policy.wait(self.failed, error.retry_after, fastrand::f64());
                self.wait = Some(delay);
                let retry = StreamEvent::Retry { attempt: self.failed + 1, delay, error: error.message };
                if !std::mem::take(&mut self.shown) {
                    return Some(Ok(retry));
                }
                self.retry = Some(retry);
                Some(Ok(StreamEvent::Superseded { usage: error.partial.usage }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::provider::{ErrorClass, scripted::Scripted};

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    async fn run(script: &str, policy: Policy) -> Vec<Result<StreamEvent, ProviderError>> {
        let provider = Arc::new(Scripted::parse(script).unwrap());
        stream(provider, Arc::default(), policy).collect().await
    }

    #[test]
    fn waits_grow_and_are_capped() {
        let policy = Policy { tries: 9, base: seconds(2), longest: seconds(30), longest_asked: seconds(60) };
        let most = |attempt| policy.wait(attempt, None, 1.0);
        assert_eq!([1, 2, 3, 4, 5, 40].map(most), [2, 4, 8, 16, 30, 30].map(seconds));
        assert_eq!(policy.wait(5, None, 0.0), Duration::ZERO);
        assert_eq!(policy.wait(1, Some(seconds(7)), 0.5), seconds(7));
        assert_eq!(policy.wait(1, Some(seconds(3600)), 0.5), seconds(60));
    }

    #[tokio::test(start_paused = true)]
    async fn tries_again_until_it_works() {
        let script = r#"[
            {"steps": [{"error": {"class": "overloaded", "message": "busy"}}]},
            {"steps": [{"error": {"class": "rateLimit", "message": "slow down", "retryAfterMs": 45000}}]},
            "Hello"
        ]"#;
        let start = Instant::now();
        let events = run(script, Policy::default()).await;
        let [
            Ok(StreamEvent::Retry { attempt: 2, delay: first, error }),
            Ok(StreamEvent::Retry { attempt: 3, delay, .. }),
            rest @ ..,
        ] = events.as_slice()
        else {
            panic!("{events:?}")
        };
        assert!(*first <= seconds(2) && error.contains("busy"));
        assert_eq!(*delay, seconds(45));
        assert!(start.elapsed() >= seconds(45), "it really waits");
        assert!(matches!(rest, [Ok(StreamEvent::Text(text)), Ok(StreamEvent::Done(_))] if text == "Hello"));
    }

    #[tokio::test(start_paused = true)]
    async fn gives_up_after_the_last_try() {
        let script = r#"[{"steps": [{"error": {"class": "network", "message": "no connection"}}], "reuse": true}]"#;
        let events = run(script, Policy { tries: 3, ..Policy::default() }).await;
        assert_eq!(events.iter().filter(|event| matches!(event, Ok(StreamEvent::Retry { .. }))).count(), 2);
        let Some(Err(error)) = events.last() else { panic!("{events:?}") };
        assert_eq!(error.class, ErrorClass::Network);
        assert!(error.message.contains("3 tries"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_broken_try_said_is_withdrawn() {
        let script = r#"[
            {"steps": [{"text": "He"}, {"error": {"class": "network", "message": "gone"}}]},
            {"steps": [{"error": {"class": "overloaded", "message": "busy"}}]},
            "Hello"
        ]"#;
        let events = run(script, Policy::default()).await;
        let shape: Vec<&str> = events
            .iter()
            .map(|event| match event {
                Ok(StreamEvent::Text(text)) => text,
                Ok(StreamEvent::Superseded { .. }) => "superseded",
                Ok(StreamEvent::Retry { .. }) => "retry",
                Ok(StreamEvent::Done(_)) => "done",
                _ => panic!("{events:?}"),
            })
            .collect();
        assert_eq!(shape, ["He", "superseded", "retry", "retry", "Hello", "done"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_last_try_said_stands() {
        let script =
            r#"[{"steps": [{"text": "He"}, {"error": {"class": "network", "message": "gone"}}], "reuse": true}]"#;
        let events = run(script, Policy { tries: 2, ..Policy::default() }).await;
        let [.., Ok(StreamEvent::Retry { .. }), Ok(StreamEvent::Text(_)), Err(error)] = events.as_slice() else {
            panic!("{events:?}")
        };
        assert_eq!(error.partial.content.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn never_where_it_is_no_use() {
        let hopeless = r#"[{"steps": [{"error": {"class": "auth", "message": "wrong key"}}]}, "no"]"#;
        let events = run(hopeless, Policy::default()).await;
        assert!(matches!(events.as_slice(), [Err(error)] if error.class == ErrorClass::Auth), "{events:?}");
    }
}
