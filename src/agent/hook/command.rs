//! Hooks that are commands of the person's.

use std::{path::PathBuf, time::Duration};

use async_trait::async_trait;
use globset::{Glob, GlobMatcher};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use super::{Hook, HookError, Moment, Verdict};
use crate::{
    agent::CallStatus,
    process::{Command, Dialog, Exit},
    tool::Class,
    transcript::{ResultContent, StopReason},
};

/// What is read of each of its streams, in bytes. Chosen: a page of reasons.
const HEARD: u64 = 64 << 10;

/// The exit code that denies, with what was printed to stderr as the reason.
const DENIES: i32 = 2;

/// A hook that is a shell command, run in the first root of the workspace, without the secrets of this process's
/// environment, and ended with all that it started when its time is up or the turn is cancelled.
///
/// On its stdin it gets one JSON object, which always has `event` and `roots`:
///
/// | `event` | further members |
/// | --- | --- |
/// | `turnStart` | `prompt`, `steers` |
/// | `beforeTool` | `callId`, `tool`, `input`, `class`, `title`, `paths`, `command` or null |
/// | `afterTool` | `callId`, `tool`, `input`, `class`, `status`, `result` |
/// | `turnEnd` | `text`, `stopReason`, `vetoes`, `mayVeto` |
///
/// It answers by its exit code: 0 lets it pass, 2 denies with what it printed to stderr as the reason, and any other is a
/// failure. With 0 it may print a JSON object with `deny` (a reason) or `context` (for the model); what does not begin
/// with `{` is passed over.
pub struct CommandHook {
    pub name: String,
    pub when: When,
    /// For the moments around tools: those with such a name. Every tool if there is none.
    pub tools: Vec<HookPattern>,
    pub command: String,
    pub time_limit: Duration,
    /// The workspace's roots; the command runs in the first.
    pub roots: Vec<PathBuf>,
    /// Variables it must not see, beside those that [`Command::spawn`] withholds.
    pub withheld: Vec<String>,
}

/// The moment a [`CommandHook`] is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    TurnStart,
    BeforeTool,
    AfterTool,
    TurnEnd,
}

/// A pattern for names of tools, as `bash` or `mcp__github__*`.
#[derive(Clone, Debug)]
pub struct HookPattern(GlobMatcher);

impl HookPattern {
    /// # Errors
    /// If it is no glob.
    pub fn new(pattern: &str) -> Result<Self, HookError> {
        let glob = Glob::new(pattern);
        glob.map(|glob| Self(glob.compile_matcher()))
            .map_err(|error| HookError(format!("`{pattern}` is no pattern for names of tools: {}", error.kind())))
    }
}

/// What a hook may print.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    deny: Option<String>,
    context: Option<String>,
}

#[async_trait]
impl Hook for CommandHook {
    fn name(&self) -> &str {
        &self.name
    }

    fn wants(&self, moment: &Moment) -> bool {
        let (when, tool) = match moment {
            Moment::TurnStart { .. } => (When::TurnStart, None),
            Moment::BeforeTool { call, .. } => (When::BeforeTool, Some(&call.name)),
            Moment::AfterTool { call, .. } => (When::AfterTool, Some(&call.name)),
            Moment::TurnEnd { .. } => (When::TurnEnd, None),
        };
        let is_meant =
            |tool: &String| self.tools.is_empty() || self.tools.iter().any(|pattern| pattern.0.is_match(tool));
        self.when == when && tool.is_none_or(is_meant)
    }

    fn time_limit(&self) -> Duration {
        self.time_limit
    }

    async fn at(&self, moment: Moment) -> Result<Verdict, HookError> {
        let mut command = Command::shell(&self.command).without(self.withheld.iter().cloned());
        if let Some(root) = self.roots.first() {
            command = command.directory(root);
        }
        let failed = |error: &dyn std::error::Error| HookError(error.to_string());
        // It takes a millisecond or more, for which nobody else should wait.
        let started = tokio::task::spawn_blocking(move || command.dialog()).await.map_err(|error| failed(&error))?;
        let Dialog { mut child, mut stdin, stdout, stderr } = started.map_err(|error| failed(&error))?;
        let told = self.told(&moment).to_string();
        let telling = async move {
            // One that does not listen may have all it needs.
            let _ = stdin.write_all(told.as_bytes()).await;
            drop(stdin);
        };
        let talk = async { tokio::join!(telling, heard(stdout), heard(stderr)) };
        tokio::pin!(talk);
        let (exit, answered) = tokio::select! {
            answered = &mut talk => (child.wait().await, Some(answered)),
            exit = child.wait() => (exit, None),
        };
        // What it left in the background may hold the pipes, and is ended here.
        child.end().await;
        let (_, out, err) = match answered {
            Some(answered) => answered,
            None => talk.await,
        };
        verdict(exit, out.trim(), err.trim())
    }
}

impl CommandHook {
    fn told(&self, moment: &Moment) -> Value {
        let mut told = match moment {
            Moment::TurnStart { prompt, steers } => json!({
                "event": "turnStart",
                "prompt": prompt.text(),
                "steers": steers,
            }),
            Moment::BeforeTool { call, class, title, paths, command } => json!({
                "event": "beforeTool",
                "callId": call.id,
                "tool": call.name,
                "input": call.input,
                "class": class_name(*class),
                "title": title,
                "paths": paths,
                "command": command,
            }),
            Moment::AfterTool { call, class, status, result } => json!({
                "event": "afterTool",
                "callId": call.id,
                "tool": call.name,
                "input": call.input,
                "class": class_name(*class),
                "status": status_name(*status),
                "result": text(&result.content),
            }),
            Moment::TurnEnd { text, stop_reason, vetoes, may_veto } => json!({
                "event": "turnEnd",
                "text": text,
                "stopReason": stop_name(*stop_reason),
                "vetoes": vetoes,
                "mayVeto": may_veto,
            }),
        };
        told["roots"] = json!(self.roots);
        told
    }
}

async fn heard(stream: impl AsyncRead + Unpin) -> String {
    let mut bytes = Vec::new();
    let mut stream = stream;
    // A broken pipe ends the stream; what came before it counts.
    let _ = (&mut stream).take(HEARD).read_to_end(&mut bytes).await;
    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

fn verdict(exit: Exit, out: &str, err: &str) -> Result<Verdict, HookError> {
    match exit {
        Exit::Code(0) if out.starts_with('{') => {
            let said: Said = serde_json::from_str(out).map_err(|error| {
                HookError(format!("what it printed is no JSON object with `deny` or `context`: {error}"))
            })?;
            Ok(Verdict { deny: said.deny, context: said.context })
        }
        Exit::Code(0) => Ok(Verdict::default()),
        Exit::Code(DENIES) if err.is_empty() => Ok(Verdict::deny("it gave no reason")),
        Exit::Code(DENIES) => Ok(Verdict::deny(err)),
        Exit::Code(_) | Exit::Signal(_) => {
            let said =
                if err.is_empty() { String::new() } else { format!(": {}", err.lines().next().unwrap_or_default()) };
            Err(HookError(format!("it ended with {exit}{said}")))
        }
    }
}

fn text(content: &[ResultContent]) -> String {
    let texts = content.iter().filter_map(|part| match part {
        ResultContent::Text { text } => Some(text.as_str()),
        ResultContent::Image(_) => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}

fn class_name(class: Class) -> &'static str {
    match class {
        Class::Read => "read",
        Class::Edit => "edit",
        Class::Execute => "execute",
        Class::Network => "network",
    }
}

fn status_name(status: CallStatus) -> &'static str {
    match status {
        CallStatus::Ok => "ok",
        CallStatus::Failed => "failed",
        CallStatus::Denied => "denied",
        CallStatus::Cancelled => "cancelled",
    }
}

fn stop_name(reason: StopReason) -> &'static str {
    match reason {
        StopReason::EndTurn | StopReason::ToolCalls | StopReason::Pause => "endTurn",
        StopReason::MaxTokens => "maxTokens",
        StopReason::StopSequence => "stopSequence",
        StopReason::Refusal => "refusal",
        StopReason::TurnLimit => "turnLimit",
        StopReason::Cancelled => "cancelled",
        StopReason::Error => "error",
    }
}
