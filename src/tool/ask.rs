//! A question to the person.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Answered, Choice, Context, Output, Proposal, Question, TimeLimit, ToolError, Typed, shortened, stopped};

/// More than these nobody reads through, and a key for each is hard to find. Chosen by taste.
const MOST_CHOICES: usize = 9;

pub struct Ask;

/// Asks the person something and waits for the answer: when only they can decide, and a wrong guess would be costly. Offer
/// choices where you can, the one that you recommend first. Do not ask what you can find out, and not for permission: what
/// needs that asks for it by itself.
#[derive(Deserialize, JsonSchema)]
pub struct Input {
    /// The question, with what is needed to answer it.
    question: String,
    /// The answers to choose from: none, or 2 to 9.
    #[serde(default)]
    choices: Vec<Offered>,
    /// Whether the person may answer in words of their own instead (true if absent).
    allow_text: Option<bool>,
}

#[derive(Deserialize, JsonSchema)]
struct Offered {
    /// A few words.
    label: String,
    /// What it means or brings about, in a sentence.
    description: Option<String>,
}

#[async_trait]
impl Typed for Ask {
    const NAME: &'static str = "ask";
    const DOES: &'static str = "ask:";
    const READS_ONLY: bool = true;
    type Input = Input;

    fn time_limit(&self) -> TimeLimit {
        // People take their time.
        TimeLimit::Unlimited
    }

    async fn propose(&self, input: &Input, _: &Context) -> Result<Proposal, ToolError> {
        if input.question.trim().is_empty() {
            return Err(ToolError::new("the question is empty"));
        }
        let labels: Vec<&str> = input.choices.iter().map(|choice| choice.label.trim()).collect();
        if labels.len() == 1 || labels.len() > MOST_CHOICES {
            return Err(ToolError::new(format!(
                "{} choices are none to choose from: give 2 to {MOST_CHOICES}, or none for an answer in words",
                labels.len()
            )));
        }
        if let Some(twice) =
            labels.iter().enumerate().find(|(at, label)| labels[..*at].contains(label) || label.is_empty())
        {
            return Err(ToolError::new(format!("`choices[{}].label` is empty or there already", twice.0)));
        }
        Ok(Proposal { alone: true, ..Proposal::harmless(format!("Ask: {}", shortened(&input.question, 100))) })
    }

    async fn run(&self, input: Input, context: &Context) -> Result<Output, ToolError> {
        let choice = |Offered { label, description }| Choice { label: label.trim().to_owned(), description };
        let choices: Vec<Choice> = input.choices.into_iter().map(choice).collect();
        let allows_text = choices.is_empty() || input.allow_text.unwrap_or(true);
        let question = Question { text: input.question, choices: choices.clone(), allows_text };
        let answered = tokio::select! {
            biased;
            () = context.cancel.cancelled() => return Err(stopped()),
            answered = context.desk.ask(question) => answered,
        };
        Ok(Output::text(match answered {
            Answered::Choice(index) => match choices.get(index) {
                Some(choice) => format!("The person chose: {}", choice.label),
                None => "The person's answer is none of the choices. Decide yourself and say so.".to_owned(),
            },
            Answered::Text(text) => format!("The person answered: {text}"),
            Answered::Declined => "The person saw the question and did not answer it. Decide yourself, take the more \
                                   careful way, and say in your answer what you decided."
                .to_owned(),
            Answered::Nobody if choices.is_empty() => {
                "This question reached nobody: the person's editor cannot take an answer in words, or nobody is there. Ask \
                 again with `choices`, or decide yourself and say in your answer what you decided and why."
                    .to_owned()
            }
            Answered::Nobody => "Nobody is there to be asked. Decide yourself, take the more careful way, and say in your \
                                 answer what you decided and why."
                .to_owned(),
        }))
    }
}
