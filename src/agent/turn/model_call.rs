//! A turn's calls of the model, and what they took.

use std::sync::Arc;

use super::Turn;
use crate::{
    agent::{
        ContextUse, Event, Point,
        answer::{self, Heard, Interrupted},
    },
    provider::{Completion, ErrorClass, Request, catalog::Facts},
    transcript::{Content, Usage},
};

impl Turn<'_> {
    /// One model call, and a second one with what the mutators make of the transcript if it is too long.
    pub(super) async fn ask(&mut self) -> Result<Completion, Interrupted> {
        let Heard { ended, shown, .. } = self.hear(self.request.clone()).await;
        let mut refused = match ended {
            Err(refused) if refused.error.as_ref().is_some_and(|e| e.class == ErrorClass::ContextLength) => refused,
            ended => return ended,
        };
        let staged = self.stage(Point::ContextLengthRejected).await;
        let Some(messages) = &staged.messages else { return Err(refused) };
        if shown {
            self.ground.emit(Event::Superseded).await;
            refused.content.clear();
        }
        let request = Request { messages: messages.clone(), ..Request::clone(&self.request) };
        let Heard { ended, shown, .. } = self.hear(Arc::new(request)).await;
        match ended {
            Ok(completion) => {
                self.keep(staged).await;
                Ok(completion)
            }
            Err(Interrupted { error: None, content, usage }) => Err(Interrupted { error: None, content, usage }),
            Err(_) => {
                if shown {
                    self.ground.emit(Event::Superseded).await;
                }
                Err(refused)
            }
        }
    }

    async fn hear(&mut self, request: Arc<Request>) -> Heard {
        let before = self.facts();
        let heard =
            answer::hear(self.ground.models.ask(request.clone(), self.ground.agent.setup.retry), self.ground).await;
        let facts = self.facts();
        // Whose a broken try was is not known if the model changed meanwhile, and so neither is its price.
        let tried = if before == facts { facts } else { Facts::default() };
        for usage in &heard.superseded {
            if *usage == Usage::default() {
                // Nothing to show, but what the turn cost is not all known any more.
                self.usage += Usage { cost: Some(tried.cost(usage)), ..*usage };
            } else {
                self.count(*usage, tried, &request).await;
            }
        }
        match &heard.ended {
            Ok(completion) => self.count(completion.usage, facts, &request).await,
            // What was refused before it began costs nothing.
            Err(interrupted) if interrupted.error.is_some() && !has_begun(interrupted) => {}
            Err(interrupted) => self.count(interrupted.usage, facts, &request).await,
        }
        heard
    }

    /// What is known of the model that answers now.
    fn facts(&self) -> Facts {
        let choice = self.ground.models.now();
        choice.map_or_else(Facts::default, |choice| self.ground.agent.facts_of(choice))
    }

    /// Adds what a call for this request took to the turn, and learns from it.
    async fn count(&mut self, mut usage: Usage, facts: Facts, request: &Request) {
        let estimator = &self.ground.scope.estimator;
        estimator.learn(request, &usage);
        let prompt = usage.prompt_tokens().unwrap_or_else(|| estimator.request(request));
        let tokens = prompt.saturating_add(usage.output_tokens.unwrap_or(0));
        usage.cost = Some(facts.cost(&usage));
        self.add(usage, tokens).await;
    }

    /// Adds usage to the turn, and tells it. `tokens` are what the context takes now.
    pub(super) async fn add(&mut self, usage: Usage, tokens: u64) {
        self.usage += usage;
        let context = ContextUse { tokens, window: self.facts().window };
        self.ground.emit(Event::Usage { round: usage, context }).await;
    }
}

fn has_begun(interrupted: &Interrupted) -> bool {
    let is_said = |part: &Content| !matches!(part, Content::Text { text } if text.is_empty());
    interrupted.usage != Usage::default() || interrupted.content.iter().any(is_said)
}
