//! A script's text.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    provider::{Completion, ErrorClass, answer::Answer},
    transcript::{Content, StopReason, ToolCall, Usage},
};

/// An answer of a script.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scene {
    pub steps: Vec<Step>,
    #[serde(default, rename = "match")]
    pub matches: Option<String>,
    /// How the text begins that this answer was given to.
    #[serde(default)]
    pub prefer: Option<String>,
    #[serde(default)]
    pub after_tools: bool,
    #[serde(default)]
    pub reuse: bool,
    #[serde(default)]
    pub stop: Option<StopReason>,
}

/// A step of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Step {
    /// A delta, `repeat` times, with a pause before each but the first.
    Text {
        text: String,
        #[serde(default = "once", skip_serializing_if = "is_once")]
        repeat: u64,
        #[serde(default, skip_serializing_if = "is_zero")]
        every_ms: u64,
    },
    Thinking {
        thinking: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signature: Option<String>,
    },
    ToolCall {
        #[serde(rename = "toolCall")]
        call: Call,
    },
    /// A piece of a call's input.
    ToolInput {
        #[serde(rename = "toolInput")]
        tool_input: Fragment,
    },
    /// A whole call whose input was told in pieces.
    Called {
        called: ToolCall,
    },
    /// The end, in all detail.
    Done {
        done: Ended,
    },
    /// The usage of the whole call; the last one counts.
    Usage {
        usage: Usage,
    },
    Delay {
        delay_ms: u64,
    },
    Gate {
        gate: String,
    },
    Error {
        error: Fault,
    },
    /// `true`; there is nothing else to say.
    Hang {
        hang: bool,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Call {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    pub name: String,
    #[serde(default)]
    pub input: Value,
}

/// A failure in the middle of an answer, or instead of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    pub class: ErrorClass,
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// What had arrived; what the steps before said where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial: Option<Ended>,
}

/// A piece of a call's input; see [`StreamEvent::ToolInput`](crate::provider::StreamEvent::ToolInput).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fragment {
    pub index: usize,
    pub tool: String,
    pub fragment: String,
}

/// A [`Completion`]; its content is what the steps before said where it is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Ended {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Vec<Content>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<StopReason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw_stop_reason: Option<String>,
    pub usage: Usage,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// A text that is no script.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The script's answer {answer} cannot be read: {reason}. See the documentation of `provider::scripted`.")]
pub struct ScriptError {
    /// From 1; for a script with one value a line, which of them.
    pub answer: usize,
    pub reason: String,
}

fn once() -> u64 {
    1
}

fn is_once(repeat: &u64) -> bool {
    *repeat == 1
}

fn is_zero(milliseconds: &u64) -> bool {
    *milliseconds == 0
}

impl From<&str> for Scene {
    fn from(text: &str) -> Self {
        Self { steps: vec![Step::text(text)], ..Self::default() }
    }
}

impl Step {
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into(), repeat: 1, every_ms: 0 }
    }

    pub fn call(name: impl Into<String>, input: Value) -> Self {
        Self::ToolCall { call: Call { id: None, name: name.into(), input } }
    }

    pub fn gate(name: impl Into<String>) -> Self {
        Self::Gate { gate: name.into() }
    }
}

impl From<Step> for Scene {
    fn from(step: Step) -> Self {
        Self { steps: vec![step], ..Self::default() }
    }
}

impl Ended {
    pub(super) fn completion(self, answer: &mut Answer) -> Completion {
        let Self { content, stop_reason, raw_stop_reason, usage, model } = self;
        let said = std::mem::take(&mut answer.completion.content);
        Completion { content: content.unwrap_or(said), stop_reason, raw_stop_reason, usage, model }
    }
}

/// A line of a recording. Without a step it begins the call.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Recorded {
    call: u64,
    /// For whoever reads it.
    #[serde(rename = "asked")]
    _asked: Option<String>,
    prefer: Option<String>,
    step: Option<Step>,
}

/// The answers of a script, in their order.
pub(super) fn read(text: &str) -> Result<Vec<Scene>, ScriptError> {
    let broken = |answer: usize, error: serde_json::Error| ScriptError { answer, reason: error.to_string() };
    let mut scenes: Vec<Scene> = Vec::new();
    // Which scene each recorded call is.
    let mut calls: Vec<(u64, usize)> = Vec::new();
    for (index, value) in serde_json::Deserializer::from_str(text).into_iter::<Value>().enumerate() {
        let answers = match value {
            Ok(Value::Array(list)) => list,
            Ok(one) => vec![one],
            // A recording whose process was killed may end in the middle of a line.
            Err(error) if error.is_eof() && !calls.is_empty() => break,
            Err(error) => return Err(broken(index + 1, error)),
        };
        for answer in answers {
            let number = index.max(scenes.len()) + 1;
            if answer.get("call").is_none() {
                scenes.push(match answer {
                    Value::String(text) => Scene::from(text.as_str()),
                    other => Scene::deserialize(other).map_err(|error| broken(number, error))?,
                });
                continue;
            }
            let Recorded { call, prefer, step, .. } =
                Recorded::deserialize(answer).map_err(|error| broken(number, error))?;
            match (step, calls.iter().rfind(|(known, _)| *known == call)) {
                (Some(step), Some((_, scene))) => scenes[*scene].steps.push(step),
                (Some(_), None) => {
                    let reason = format!("it is a step of call {call}, which has not begun");
                    return Err(ScriptError { answer: number, reason });
                }
                (None, _) => {
                    calls.push((call, scenes.len()));
                    scenes.push(Scene { prefer, ..Scene::default() });
                }
            }
        }
    }
    for (_, scene) in calls {
        let steps = &mut scenes[scene].steps;
        if !matches!(steps.last(), Some(Step::Done { .. } | Step::Error { .. } | Step::Hang { .. })) {
            steps.push(Step::Hang { hang: true });
        }
    }
    Ok(scenes)
}
