//! Recorded Message Batches: what a batch is said to be, and its results, line by line.

use futures::StreamExt;
use serde_json::Value;

use super::expect::{self, Outcome};
use crate::provider::{
    batch::{self, Batches, Status},
    presets::Api,
};

/// Any id that is one.
const ID: &str = "msgbatch_recorded";

/// What is wrong with what `batches` makes of the recorded answer.
pub async fn check(batches: &Batches, expected: &Value) -> Vec<String> {
    match expected["results"].as_array() {
        Some(lines) => results(batches, lines).await,
        None => description(batches, expected).await,
    }
}

async fn description(batches: &Batches, expected: &Value) -> Vec<String> {
    let found = match batches.retrieve(ID).await {
        Ok(found) => found,
        Err(error) => return vec![format!("the error {error}")],
    };
    let count = |key: &str| expected["request_counts"][key].as_u64().unwrap_or_default();
    let counts = batch::Counts {
        processing: count("processing"),
        succeeded: count("succeeded"),
        errored: count("errored"),
        cancelled: count("canceled"),
        expired: count("expired"),
    };
    let status = match found.status {
        Status::InProgress => "in_progress",
        Status::Canceling => "canceling",
        Status::Ended => "ended",
    };
    let mut problems = Vec::new();
    if expected["id"] != found.id.as_str() || expected["processing_status"] != status || counts != found.counts {
        problems.push(format!("the batch is {found:?}"));
    }
    problems
}

async fn results(batches: &Batches, lines: &[Value]) -> Vec<String> {
    let found: Vec<_> = match batches.results(ID).await {
        Ok(found) => found.collect().await,
        Err(error) => return vec![format!("the error {error}")],
    };
    let mut problems = Vec::new();
    if found.len() != lines.len() {
        problems.push(format!("{} lines, not {}", found.len(), lines.len()));
    }
    for (line, found) in lines.iter().zip(found) {
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                problems.push(error.to_string());
                continue;
            }
        };
        if line["custom_id"] != found.id.as_str() {
            problems.push(format!("the id {}", found.id));
        }
        match (line["type"].as_str().unwrap_or_default(), found.outcome) {
            ("succeeded", batch::Outcome::Succeeded(completion)) => {
                let outcome = Outcome::of(completion);
                problems.extend(expect::compare(Api::Anthropic, &line["message"], false, &[], &outcome));
            }
            ("errored", batch::Outcome::Errored { message, .. })
                if message.contains(line["error"]["error"]["message"].as_str().unwrap_or_default()) => {}
            ("canceled", batch::Outcome::Cancelled) | ("expired", batch::Outcome::Expired) => {}
            (expected, found) => problems.push(format!("{found:?}, not {expected}")),
        }
    }
    problems
}
