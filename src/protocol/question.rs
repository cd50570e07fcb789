use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Asker;

/// A question that waits for the person. It lives as an [`Approval`](super::Approval) does: it has an id, outlives a
/// reconnect, and the first answer wins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    pub question_id: String,
    pub session_id: String,
    pub turn_id: String,
    pub call_id: String,
    /// The sub-agent that asks; absent if it is the session's own agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<Asker>,
    pub text: String,
    /// What can be chosen; none if the answer is in words.
    pub choices: Vec<Choice>,
    /// Whether an answer in words is welcome. Always true where there are no choices.
    pub allows_text: bool,
}

/// An answer to choose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Choice {
    pub label: String,
    /// What it means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// The request that puts a [`Question`] before the person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuestionRequestParams {
    pub question: Question,
}

/// What the person says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum QuestionAnswer {
    /// One of the choices.
    Choice {
        /// From 0.
        index: usize,
    },
    /// Words of their own.
    Text { text: String },
    /// Nothing: the model is to decide.
    Decline,
}

/// Answers a question that any client was shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuestionRespondParams {
    pub question_id: String,
    pub answer: QuestionAnswer,
}

/// Whether this answer was the first. If not, the question had been resolved before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuestionRespondResponse {
    pub accepted: bool,
}

/// How a question was resolved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum QuestionOutcome {
    /// The person answered.
    Answered { answer: QuestionAnswer },
    /// No client that watches can put it before a person.
    Nobody,
    /// The turn ended before anybody answered.
    Cancelled,
}
