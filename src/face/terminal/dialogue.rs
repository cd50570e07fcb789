//! What a session says on the terminal, and what the person is asked there.

use std::{
    collections::VecDeque,
    io::{self, IsTerminal},
    sync::Arc,
};

use futures::{
    FutureExt,
    future::{BoxFuture, OptionFuture},
};
use tokio::sync::{mpsc, oneshot};

use super::{
    asking::{self, Typed},
    pipe::Pipe,
    show::{self, Screen, Style},
};
use crate::{
    protocol::{Approval, ApprovalDecision, SessionEvent, Task},
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

struct Terminal {
    heard: mpsc::UnboundedSender<Heard>,
    pipe: Option<Pipe>,
}

impl Attachment for Terminal {
    fn name(&self) -> Option<String> {
        Some(NAME.to_owned())
    }

    fn event(&self, event: &LoggedEvent) {
        let _ = self.heard.send(Heard::Event(Box::new(event.clone())));
    }

    /// A terminal is written to without a queue of its own: it keeps up by definition.
    fn is_ready(&self) -> bool {
        self.pipe.as_ref().is_none_or(Pipe::is_ready)
    }

    fn ready(&self) -> BoxFuture<'static, ()> {
        let pipe = self.pipe.clone();
        async move { OptionFuture::from(pipe.as_ref().map(Pipe::ready)).await.unwrap_or_default() }.boxed()
    }

    fn ask(&self, inquiry: Inquiry) -> BoxFuture<'static, Option<Verdict>> {
        let (answer, answered) = oneshot::channel();
        let _ = self.heard.send(Heard::Asked(Box::new(Asked { inquiry, answer })));
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
    /// What was denied because nobody could be asked.
    pub unasked: Vec<Approval>,
    /// What runs in the background.
    pub background: Vec<Task>,
    waiting: VecDeque<Asked>,
    /// What stands on the terminal.
    asking: Option<Asked>,
    typed: Typed,
}

impl Dialogue {
    /// A dialogue, and what to attach for it.
    pub fn new(mut screen: Screen, json: bool) -> (Arc<dyn Attachment>, Self) {
        let (sender, heard) = mpsc::unbounded_channel();
        let pipe = (!io::stdout().is_terminal()).then(Pipe::start);
        screen.pipe.clone_from(&pipe);
        let terminal = Terminal { heard: sender, pipe };
        let dialogue = Self {
            heard,
            screen,
            ticks: tokio::time::interval(show::TICK),
            json,
            denies: false,
            unasked: Vec::new(),
            background: Vec::new(),
            waiting: VecDeque::new(),
            asking: None,
            typed: Typed::default(),
        };
        (Arc::new(terminal), dialogue)
    }

    /// Shows the next event, and returns it; `None` when no more come. Safe to drop and call again.
    ///
    /// # Errors
    /// If it cannot be written to the standard output.
    pub async fn next(&mut self) -> io::Result<Option<SessionEvent>> {
        loop {
            while self.asking.is_none()
                && let Some(asked) = self.waiting.pop_front()
            {
                if !asked.answer.is_closed() {
                    self.put(asked);
                }
            }
            let is_asking = self.asking.is_some();
            let withdrawn = OptionFuture::from(self.asking.as_mut().map(|asked| asked.answer.closed()));
            tokio::select! {
                biased;
                Some(()) = withdrawn => self.withdraw(),
                line = self.typed.line(), if is_asking => self.hear(line.as_deref()),
                _ = self.ticks.tick(), if !is_asking && !self.json => self.screen.tick(),
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
        match &logged.event {
            SessionEvent::TaskStarted { task } => self.background.push(task.clone()),
            SessionEvent::TaskEnded { task, .. } => self.background.retain(|running| running.task_id != task.task_id),
            _ => {}
        }
        match self.json {
            true => self.screen.write(&(serde_json::to_string(logged)? + "\n")),
            false => self.screen.event(&logged.event),
        }
        self.screen.is_taken()
    }

    /// Waits until everything that was shown has been taken.
    ///
    /// # Errors
    /// If it could not be written.
    pub async fn written(&mut self) -> io::Result<()> {
        self.screen.written().await
    }

    /// Why nobody can be asked here, if so.
    pub fn nobody(&self) -> Option<&'static str> {
        match (self.json, io::stdin().is_terminal() && io::stdout().is_terminal()) {
            (true, _) => Some("with --json no questions are asked"),
            (false, false) => Some("the standard input and output are no terminal"),
            (false, true) => None,
        }
    }

    /// Puts it before the person. Where there is none, an approval is refused, with the reason, and a question is nobody's.
    fn put(&mut self, asked: Asked) {
        if let Some(reason) = self.nobody() {
            let verdict = match asked.inquiry {
                Inquiry::Approval(approval) if self.denies => {
                    self.unasked.push(approval);
                    Some(Verdict::Approval(ApprovalDecision::Nobody { reason: format!("{reason}.") }))
                }
                Inquiry::Approval(_) | Inquiry::Question(_) => None,
            };
            let _ = asked.answer.send(verdict);
            return;
        }
        // Nobody can answer what they have not seen.
        self.typed.forget();
        let prompt = match &asked.inquiry {
            Inquiry::Approval(approval) => {
                self.screen.approval(approval);
                asking::prompt(approval)
            }
            Inquiry::Question(question) => {
                self.screen.question(question);
                asking::question_prompt(question)
            }
        };
        self.screen.text(Style::Plain, &prompt);
        self.asking = Some(asked);
    }

    /// Takes a line for what is asked; what is not understood is asked again.
    fn hear(&mut self, line: Option<&str>) {
        self.screen.entered();
        let Some(Asked { inquiry, answer }) = self.asking.take() else { return };
        let verdict = match &inquiry {
            Inquiry::Approval(approval) => asking::decision(approval, line).map(Verdict::Approval),
            Inquiry::Question(question) => asking::answer(question, line).map(Verdict::Question),
        };
        match verdict {
            Ok(verdict) => drop(answer.send(Some(verdict))),
            Err(understood) => {
                self.screen.text(Style::Plain, &understood);
                self.asking = Some(Asked { inquiry, answer });
            }
        }
    }

    /// Nobody waits for the answer any more.
    fn withdraw(&mut self) {
        self.asking = None;
        self.typed.forget();
        self.screen.line(Style::Yellow, "  … answered elsewhere, or over");
    }
}
