//! Another model when one is too busy.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use futures::{StreamExt, stream, stream::BoxStream};

use super::{ErrorClass, Provider, ProviderError, Request, StreamEvent, retry};

/// A model of a provider.
#[derive(Clone)]
pub struct Choice {
    pub provider: Arc<dyn Provider>,
    /// The provider's own name of the model.
    pub model: String,
}

/// A model and those that stand in for it, in the order in which they are asked. Clones share which of them it is now:
/// once one was too busy, those that come after it are asked.
///
/// ```
/// use std::sync::Arc;
///
/// use futures::StreamExt;
/// use pillion::provider::{Request, StreamEvent, fallback::{Choice, Models}, retry, scripted::Scripted};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let busy = r#"{"steps": [{"error": {"class": "overloaded", "message": "Busy."}}]}"#;
/// let choice = |script: &str, model: &str| {
///     Scripted::parse(script).map(|script| Choice { provider: Arc::new(script), model: model.into() })
/// };
/// let models = Models::new([choice(busy, "large")?, choice(r#""Hello""#, "small")?]);
/// let policy = retry::Policy { tries: 1, ..retry::Policy::default() };
/// let events: Vec<_> = models.ask(Arc::new(Request::default()), policy).collect().await;
/// assert!(matches!(&events[0], Ok(StreamEvent::Fallback { from, to, .. })
///     if from == "scripted/large" && to == "scripted/small"));
/// assert_eq!(events[1].as_ref().ok(), Some(&StreamEvent::Text("Hello".into())));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Models {
    choices: Arc<[Choice]>,
    now: Arc<AtomicUsize>,
}

impl Choice {
    /// `provider/model`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.provider.name(), self.model)
    }
}

impl Models {
    /// Begins with the first. Without any, each call is answered by an empty stream.
    pub fn new(choices: impl IntoIterator<Item = Choice>) -> Self {
        Self { choices: choices.into_iter().collect(), now: Arc::default() }
    }

    /// The one that is asked now.
    pub fn now(&self) -> Option<&Choice> {
        self.choices.get(self.now.load(Ordering::Relaxed))
    }

    /// The one that is asked now, and those that would be asked after it.
    pub fn left(&self) -> &[Choice] {
        self.choices.get(self.now.load(Ordering::Relaxed)..).unwrap_or_default()
    }

    /// The answer of the model that it is now; `request` gets its name. Each is tried as `policy` says. One that is too
    /// busy after that, or limits how often it may be asked, gives way to the next with a [`StreamEvent::Fallback`]. What
    /// it yielded before is withdrawn by a [`StreamEvent::Superseded`].
    pub fn ask(
        &self,
        request: Arc<Request>,
        policy: retry::Policy,
    ) -> BoxStream<'static, Result<StreamEvent, ProviderError>> {
        let mut asking =
            Asking { models: self.clone(), request, policy, at: 0, answer: None, fallback: None, shown: false };
        asking.at = asking.models.now.load(Ordering::Relaxed);
        asking.answer = asking.begin();
        stream::unfold(asking, |mut asking| async move { Some((asking.next().await?, asking)) }).boxed()
    }
}

struct Asking {
    models: Models,
    request: Arc<Request>,
    policy: retry::Policy,
    /// Which of the models it is.
    at: usize,
    answer: Option<BoxStream<'static, Result<StreamEvent, ProviderError>>>,
    /// To be yielded next.
    fallback: Option<StreamEvent>,
    shown: bool,
}

impl Asking {
    fn begin(&mut self) -> Option<BoxStream<'static, Result<StreamEvent, ProviderError>>> {
        let Choice { provider, model } = self.models.choices.get(self.at)?;
        if self.request.model != *model {
            Arc::make_mut(&mut self.request).model.clone_from(model);
        }
        Some(retry::stream(provider.clone(), self.request.clone(), self.policy))
    }

    async fn next(&mut self) -> Option<Result<StreamEvent, ProviderError>> {
        if let Some(fallback) = self.fallback.take() {
            return Some(Ok(fallback));
        }
        let error = match self.answer.as_mut()?.next().await? {
            Ok(event) => {
                match event {
                    StreamEvent::Superseded { .. } => self.shown = false,
                    StreamEvent::Retry { .. } => {}
                    _ => self.shown = true,
                }
                return Some(Ok(event));
            }
            Err(error) => error,
        };
        let is_busy = matches!(error.class, ErrorClass::Overloaded | ErrorClass::RateLimit);
        let (from, to) = (&self.models.choices[self.at], self.models.choices.get(self.at + 1));
        let Some(to) = to.filter(|_| is_busy) else {
            self.answer = None;
            return Some(Err(error));
        };
        let fallback = StreamEvent::Fallback { from: from.name(), to: to.name(), error: error.message };
        self.at += 1;
        self.models.now.fetch_max(self.at, Ordering::Relaxed);
        self.answer = self.begin();
        if !std::mem::take(&mut self.shown) {
            return Some(Ok(fallback));
        }
        self.fallback = Some(fallback);
        Some(Ok(StreamEvent::Superseded { usage: error.partial.usage }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::scripted::Scripted;

    const ONCE: retry::Policy = retry::Policy {
        tries: 1,
        base: std::time::Duration::ZERO,
        longest: std::time::Duration::ZERO,
        longest_asked: std::time::Duration::ZERO,
    };

    fn models(scripts: &[&str]) -> (Models, Vec<Arc<Scripted>>) {
        let providers: Vec<_> = scripts.iter().map(|script| Arc::new(Scripted::parse(script).unwrap())).collect();
        let choice = |(index, provider): (usize, &Arc<Scripted>)| Choice {
            provider: provider.clone(),
            model: format!("model-{index}"),
        };
        (Models::new(providers.iter().enumerate().map(choice)), providers)
    }

    async fn ask(models: &Models) -> Vec<String> {
        let events = models.ask(Arc::default(), ONCE).collect::<Vec<_>>().await;
        let shown = |event: Result<StreamEvent, ProviderError>| match event {
            Ok(StreamEvent::Text(text)) => text,
            Ok(StreamEvent::Fallback { from, to, error }) => format!("{from} -> {to}: {error}"),
            Ok(StreamEvent::Superseded { .. }) => "withdrawn".to_owned(),
            Ok(StreamEvent::Done(completion)) => format!("done by {}", completion.model.unwrap()),
            other => format!("{:?}", other.map_err(|error| error.class)),
        };
        events.into_iter().map(shown).collect()
    }

    fn failing(class: &str) -> String {
        format!(r#"[{{"steps": [{{"error": {{"class": "{class}", "message": "no"}}}}], "reuse": true}}]"#)
    }

    #[tokio::test]
    async fn the_next_is_asked_and_stays() {
        let (models, providers) = models(&[&failing("overloaded"), &failing("rateLimit"), r#"["a", "b"]"#]);
        let first = ask(&models).await;
        let expected = [
            "scripted/model-0 -> scripted/model-1: no",
            "scripted/model-1 -> scripted/model-2: no",
            "a",
            "done by model-2",
        ];
        assert_eq!(first, expected);
        assert_eq!(ask(&models).await, ["b", "done by model-2"]);
        assert_eq!(providers[0].requests().len(), 1, "one that was too busy is not asked again");
    }

    #[tokio::test]
    async fn only_a_busy_model_gives_way() {
        for class in ["auth", "badRequest", "contextLength", "network"] {
            let (models, providers) = models(&[&failing(class), r#"["never"]"#]);
            assert_eq!(ask(&models).await.len(), 1, "{class}");
            assert_eq!(providers[1].requests().len(), 0, "{class}");
        }
        let half = r#"[{"steps": [{"text": "Ha"}, {"error": {"class": "overloaded", "message": "no"}}]}]"#;
        let expected = ["Ha", "withdrawn", "scripted/model-0 -> scripted/model-1: no", "all", "done by model-1"];
        assert_eq!(ask(&models(&[half, r#"["all"]"#]).0).await, expected);
        assert_eq!(ask(&models(&[&failing("overloaded")]).0).await, ["Err(Overloaded)"], "there is no other");
    }
}
