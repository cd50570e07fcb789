//! What a session says on the terminal, and what the person is asked there.

use std::{
    collections::VecDeque,
    io::{self, IsTerminal, Write},
    sync::Arc,
};

use futures::{
    FutureExt,
    future::{BoxFuture, OptionFuture},
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use super::show::{self, Screen, Style};
use crate::{
    protocol::{ApprovalDecision, SessionEvent},
    sidecar::{Attachment, Inquiry, LoggedEvent, Verdict},
};

/// What a terminal calls itself.
pub const NAME: &str = "terminal";

/// What the hub tells the terminal.
enum Heard {
    Event(Box<LoggedEvent>),
    Asked(Box<Asked>),
}

/// What waits for the person.
struct Asked {
    inquiry: Inquiry,
    answer: oneshot::Sender<Option<Verdict>>,
}

struct Terminal(mpsc::UnboundedSender<Heard>);

impl Attachment for Terminal {
    fn name(&self) -> Option<String> {
        Some(NAME.to_owned())
    }

    fn event(&self, event: &LoggedEvent) {
        let _ = self.0.send(Heard::Event(Box::new(event.clone())));
    }

    // The terminal is written to without a queue of its own: it keeps up by definition.
    fn is_ready(&self) -> bool {
        true
    }

    fn ready(&self) -> BoxFuture<'static, ()> {
        futures::future::ready(()).boxed()
    }

    fn ask(&self, inquiry: Inquiry) -> BoxFuture<'static, Option<Verdict>> {
        let (answer, answered) = oneshot::channel();
        let _ = self.0.send(Heard::Asked(Box::new(Asked { inquiry, answer })));
        async move { answered.await.ok().flatten() }.boxed()
    }
}

/// Shows events as they come, and puts one question at a time before the person, so that an answer hits the one it was
/// meant for.
pub struct Dialogue {
    heard: mpsc::UnboundedReceiver<Heard>,
    screen: Screen,
    ticks: tokio::time::Interval,
    /// One event a line, as JSON, and no questions.
    json: bool,
    /// Whether to deny what nobody can be asked here, instead of leaving it to other clients.
    pub denies: bool,
    waiting: VecDeque<Asked>,
    /// What asks the question that stands on the terminal.
    asking: Option<JoinHandle<()>>,
}

impl Dialogue {
    /// A dialogue, and what to attach for it.
    pub fn new(screen: Screen, json: bool) -> (Arc<dyn Attachment>, Self) {
        let (sender, heard) = mpsc::unbounded_channel();
        let (waiting, ticks) = (VecDeque::new(), tokio::time::interval(show::TICK));
        (Arc::new(Terminal(sender)), Self { heard, screen, ticks, json, denies: false, waiting, asking: None })
    }

    /// Shows the next event, and returns it; `None` when no more come. Safe to drop and call again.
    ///
    /// # Errors
    /// If JSON cannot be written to the standard output.
    pub async fn next(&mut self) -> io::Result<Option<SessionEvent>> {
        loop {
            while self.asking.is_none()
                && let Some(Asked { inquiry, answer }) = self.waiting.pop_front()
            {
                if !answer.is_closed() {
                    self.asking = self.decide(inquiry, answer);
                }
            }
            tokio::select! {
                biased;
                Some(_) = OptionFuture::from(self.asking.as_mut()) => self.asking = None,
                _ = self.ticks.tick(), if self.asking.is_none() && !self.json => self.screen.tick(),
                heard = self.heard.recv() => match heard {
                    None => return Ok(None),
                    Some(Heard::Asked(asked)) => self.waiting.push_back(*asked),
                    Some(Heard::Event(logged)) => {
                        self.show(&logged)?;
                        return Ok(Some(logged.event));
                    }
                },
            }
        }
    }

    fn show(&mut self, logged: &LoggedEvent) -> io::Result<()> {
        if self.json {
            return writeln!(io::stdout(), "{}", serde_json::to_string(logged)?);
        }
        self.screen.event(&logged.event);
        let is_resolved =
            matches!(logged.event, SessionEvent::ApprovalResolved { .. } | SessionEvent::QuestionResolved { .. });
        if is_resolved && self.asking.as_ref().is_some_and(|asking| !asking.is_finished()) {
            self.screen.line(Style::Yellow, "… answered elsewhere, or over. Press Enter to go on.");
        }
        Ok(())
    }

    /// Asks the person on the terminal, on a thread of its own so that a stop is heard meanwhile. Without a terminal an
    /// approval is refused, with the reason, and a question is nobody's.
    fn decide(&mut self, inquiry: Inquiry, answer: oneshot::Sender<Option<Verdict>>) -> Option<JoinHandle<()>> {
        let nobody = self.json || !io::stdin().is_terminal() || !io::stdout().is_terminal();
        match inquiry {
            Inquiry::Approval(_) if nobody && self.denies => {
                let reason = "Nobody can be asked here: the standard input is no terminal. The person can run this with \
                          --mode acceptEdits or --mode auto, or in a terminal.";
                let _ =
                    answer.send(Some(Verdict::Approval(ApprovalDecision::Deny { reason: Some(reason.to_owned()) })));
                None
            }
            Inquiry::Approval(_) | Inquiry::Question(_) if nobody => {
                let _ = answer.send(None);
                None
            }
            Inquiry::Approval(approval) => {
                self.screen.still();
                self.screen.approval(&approval);
                Some(tokio::task::spawn_blocking(move || {
                    let decision = show::ask(&approval).unwrap_or(ApprovalDecision::CancelTurn);
                    let _ = answer.send(Some(Verdict::Approval(decision)));
                }))
            }
            Inquiry::Question(question) => {
                self.screen.still();
                self.screen.question(&question);
                Some(tokio::task::spawn_blocking(move || {
                    let _ = answer.send(Some(Verdict::Question(show::ask_question(&question))));
                }))
            }
        }
    }
}
