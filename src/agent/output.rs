//! Answers in a given shape.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Builder, RunResult};
use crate::{
    provider::OutputSchema,
    tool::{check_shape, schema_of},
    transcript::StopReason,
};

/// The most of an answer that an error repeats, in characters. Chosen to fill a few lines.
const LONGEST_EXCERPT: usize = 300;

/// Why an answer is not of the shape that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutputError {
    #[error("The answer ends in the middle ({0}), so it is not read. Allow it more tokens, or ask for less at once.")]
    Cut(&'static str),
    #[error("The answer is no JSON: {error}. It reads: {excerpt}")]
    NotJson { error: String, excerpt: String },
    /// Everything that is wrong, at once.
    #[error("The answer does not have the shape that was asked for: {wrong}. It reads: {excerpt}")]
    Misfit { wrong: String, excerpt: String },
}

impl Builder {
    /// Asks for answers that are a `T` as JSON, which [`RunResult::parse`] reads. The doc comments of the type and its
    /// fields are what the model is told of them.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use pillion::{agent::Agent, provider::scripted::Scripted, transcript::Message};
    /// use schemars::JsonSchema;
    /// use serde::Deserialize;
    ///
    /// /// Where the mistake is.
    /// #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    /// struct Finding {
    ///     file: String,
    ///     /// From 1.
    ///     line: u32,
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// let model = Scripted::parse(r#"["{\"file\": \"a.rs\", \"line\": 7}", "{\"file\": 1}"]"#)?;
    /// let agent = Agent::builder().provider(Arc::new(model)).model("any").output::<Finding>().build()?;
    ///
    /// let result = agent.run(&[Message::user("Where?")]).await?;
    /// assert_eq!(result.parse::<Finding>()?, Finding { file: "a.rs".into(), line: 7 });
    ///
    /// let result = agent.run(&[Message::user("And now?")]).await?;
    /// let error = result.parse::<Finding>().unwrap_err().to_string();
    /// assert!(error.contains("`line` is missing") && error.contains("`file` should be a string"), "{error}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn output<T: JsonSchema>(self) -> Self {
        let (description, mut schema) = schema_of::<T>();
        if !description.is_empty() {
            schema["description"] = description.into();
        }
        let letter = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let name = T::schema_name().chars().map(letter).take(64).collect();
        self.output_schema(OutputSchema { name, schema })
    }
}

impl RunResult {
    /// The last answer as a `T`, which [`Builder::output`] asked for. Nothing is taken on trust: some providers only try
    /// to keep to the shape.
    ///
    /// # Errors
    /// Says what does not fit, all of it at once.
    pub fn parse<T: DeserializeOwned + JsonSchema>(&self) -> Result<T, OutputError> {
        read(&self.text, self.stop_reason)
    }
}

fn read<T: DeserializeOwned + JsonSchema>(text: &str, stop_reason: StopReason) -> Result<T, OutputError> {
    match stop_reason {
        StopReason::MaxTokens => return Err(OutputError::Cut("it came to the token limit")),
        StopReason::Refusal => return Err(OutputError::Cut("the model declined")),
        StopReason::Cancelled => return Err(OutputError::Cut("it was cancelled")),
        StopReason::TurnLimit => return Err(OutputError::Cut("the turn used up its model calls")),
        StopReason::EndTurn
        | StopReason::ToolCalls
        | StopReason::StopSequence
        | StopReason::Pause
        | StopReason::Error => {}
    }
    let value = fitting(text, &schema_of::<T>().1)?;
    serde_json::from_value(value)
        .map_err(|error| OutputError::Misfit { wrong: error.to_string(), excerpt: excerpt(unfenced(text)) })
}

/// A whole answer as JSON that fits the schema, with small slips put right.
///
/// # Errors
/// Says what does not fit, all of it at once.
pub fn fitting(text: &str, schema: &Value) -> Result<Value, OutputError> {
    let text = unfenced(text);
    let value: Value = serde_json::from_str(text)
        .map_err(|error| OutputError::NotJson { error: error.to_string(), excerpt: excerpt(text) })?;
    check_shape(schema, &value).map_err(|wrong| OutputError::Misfit { wrong, excerpt: excerpt(text) })
}

fn excerpt(text: &str) -> String {
    match text.char_indices().nth(LONGEST_EXCERPT) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// Without the fence that models like to put around JSON.
fn unfenced(text: &str) -> &str {
    let text = text.trim();
    let inner = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
    inner.map_or(text, |inner| inner.strip_prefix("json").unwrap_or(inner).trim())
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    struct Answer {
        name: String,
        #[serde(default)]
        age: Option<u8>,
        kind: Kind,
    }

    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        Good,
        Bad,
    }

    fn parse(text: &str, stop_reason: StopReason) -> Result<Answer, OutputError> {
        read(text, stop_reason)
    }

    #[test]
    fn fits() {
        let answer = Answer { name: "a".into(), age: None, kind: Kind::Good };
        for text in [
            r#"{"name": "a", "kind": "good"}"#,
            r#" {"name": "a", "age": null, "kind": "good"} "#,
            "```json\n{\"name\": \"a\", \"kind\": \"good\"}\n```",
            "```\n{\"name\": \"a\", \"kind\": \"good\"}```",
        ] {
            assert_eq!(parse(text, StopReason::EndTurn).as_ref(), Ok(&answer), "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_says_why() {
        let why = |text| parse(text, StopReason::EndTurn).unwrap_err().to_string();
        let both = why(r#"{"kind": "ugly", "age": "old"}"#);
        for wrong in ["`name` is missing", "`kind` should be one of", "`age` should be an integer"] {
            assert!(both.contains(wrong), "{both}");
        }
        assert!(why(r#"{"name": "a", "kind": "bad", "age": 256}"#).contains("256"));
        assert!(why("It is good.").contains("no JSON"));
        assert!(why(&format!("{}{}", "é".repeat(400), "x")).len() < 1000);
        let whole = r#"{"name": "a", "kind": "good"}"#;
        assert!(matches!(parse(whole, StopReason::MaxTokens), Err(OutputError::Cut(_))));
    }
}
