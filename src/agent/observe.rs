//! Those who look on.

use std::{panic::AssertUnwindSafe, sync::Arc};

use super::{Event, turn::said_by};
use crate::transcript::Message;

/// Sees every event of every turn, before the host does. Must not wait; a panic of it harms no turn.
///
/// ```
/// use std::sync::{Arc, Mutex};
///
/// use pillion::{
///     agent::{Agent, Event, Observer},
///     provider::scripted::Scripted,
///     transcript::Message,
/// };
///
/// #[derive(Default)]
/// struct Count(Mutex<usize>);
///
/// impl Observer for Count {
///     fn observe(&self, event: &Event) {
///         if matches!(event, Event::TurnStarted | Event::TurnEnded { .. }) {
///             *self.0.lock().unwrap() += 1;
///         }
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let count = Arc::new(Count::default());
/// let model = Arc::new(Scripted::parse(r#"["Hello."]"#)?);
/// let agent = Agent::builder().provider(model).model("any").observer(count.clone()).build()?;
/// agent.run(&[Message::user("Hi")]).await?;
/// assert_eq!(*count.0.lock().unwrap(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Observer: Send + Sync + 'static {
    fn observe(&self, event: &Event);
}

/// Sees how the transcript grows, and nothing else. Must not wait.
pub trait TranscriptObserver: Send + Sync + 'static {
    /// It grew by this message.
    fn appended(&self, message: &Message);

    /// All of it is this now.
    fn replaced(&self, messages: &[Message]);
}

/// A [`TranscriptObserver`] as an [`Observer`].
pub(super) struct OfTranscript<T>(pub Arc<T>);

impl<T: TranscriptObserver> Observer for OfTranscript<T> {
    fn observe(&self, event: &Event) {
        match event {
            Event::Message(message) => self.0.appended(message),
            Event::Replaced(messages) => self.0.replaced(messages),
            _ => {}
        }
    }
}

pub(super) fn tell(observers: &[Arc<dyn Observer>], event: &Event) {
    for observer in observers {
        if let Err(panic) = std::panic::catch_unwind(AssertUnwindSafe(|| observer.observe(event))) {
            tracing::error!(said = said_by(&*panic), "an observer panicked");
        }
    }
}
