//! Between the core's types and the wire's, by hand, so that neither binds the other.

mod change;

use super::*;
use crate::{
    agent, config, context, mcp, permission,
    provider::{self, catalog},
    tool, transcript, workspace,
};

impl From<transcript::Usage> for Usage {
    fn from(usage: transcript::Usage) -> Self {
        let transcript::Usage { input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, .. } = usage;
        let (reasoning_tokens, cost) = (usage.reasoning_tokens, usage.cost.filter(|cost| !cost.is_unknown()));
        let cost = cost.map(|transcript::Cost { nano_dollars, at_least }| Cost { nano_dollars, at_least });
        Self { input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, cost }
    }
}

impl From<Usage> for transcript::Usage {
    fn from(usage: Usage) -> Self {
        let Usage { input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, cost } =
            usage;
        let cost = cost.map(Into::into);
        let told = Self { input_tokens, output_tokens, cache_read_tokens, ..Self::default() };
        // Something was counted, so that an absent cost is one that nobody knows.
        let counted = || (usage != Usage::default()).then_some(transcript::Cost::UNKNOWN);
        Self { cache_write_tokens, reasoning_tokens, cost: cost.or_else(counted), ..told }
    }
}

impl From<agent::compaction::Report> for SessionEvent {
    fn from(report: agent::compaction::Report) -> Self {
        let agent::compaction::Report { reason, tokens_before, tokens_after, strategies } = report;
        let reason = match reason {
            agent::compaction::Reason::Share => CompactionReason::Share,
            agent::compaction::Reason::Messages => CompactionReason::Messages,
            agent::compaction::Reason::Rejected => CompactionReason::Rejected,
            agent::compaction::Reason::ByHand => CompactionReason::ByHand,
        };
        let strategies = strategies.into_iter().map(str::to_owned).collect();
        Self::Compaction { reason, tokens_before, tokens_after, strategies }
    }
}

impl From<Cost> for transcript::Cost {
    fn from(Cost { nano_dollars, at_least }: Cost) -> Self {
        Self { nano_dollars, at_least }
    }
}

impl From<agent::ContextUse> for ContextUse {
    fn from(context: agent::ContextUse) -> Self {
        let agent::ContextUse { tokens, window } = context;
        Self { tokens, window, share: context.share() }
    }
}

impl From<workspace::FileDiff> for FileDiff {
    fn from(diff: workspace::FileDiff) -> Self {
        let hunk = |hunk: workspace::Hunk| {
            let workspace::Hunk { old_start, old_lines, new_start, new_lines, text } = hunk;
            Hunk { old_start, old_lines, new_start, new_lines, text }
        };
        Self {
            path: diff.path.to_string_lossy().into_owned(),
            unified: diff.unified,
            hunks: diff.hunks.into_iter().map(hunk).collect(),
        }
    }
}

impl From<tool::Class> for ToolClass {
    fn from(class: tool::Class) -> Self {
        match class {
            tool::Class::Read => Self::Read,
            tool::Class::Edit => Self::Edit,
            tool::Class::Execute => Self::Execute,
            tool::Class::Network => Self::Network,
        }
    }
}

impl From<ToolClass> for tool::Class {
    fn from(class: ToolClass) -> Self {
        match class {
            ToolClass::Read => Self::Read,
            ToolClass::Edit => Self::Edit,
            ToolClass::Execute => Self::Execute,
            ToolClass::Network => Self::Network,
        }
    }
}

impl From<Effort> for provider::Effort {
    fn from(effort: Effort) -> Self {
        match effort {
            Effort::Minimal => Self::Minimal,
            Effort::Low => Self::Low,
            Effort::Medium => Self::Medium,
            Effort::High => Self::High,
            Effort::Max => Self::Max,
        }
    }
}

impl Limits {
    /// How much the model is to reason, where that is said; a budget of 0 means not at all.
    pub fn thinking(&self) -> Option<provider::Thinking> {
        let effort = self.thinking_effort.map(|effort| provider::Thinking::Effort(effort.into()));
        effort.or(self.thinking_tokens.map(provider::Thinking::Budget))
    }
}

impl From<permission::Mode> for Mode {
    fn from(mode: permission::Mode) -> Self {
        match mode {
            permission::Mode::Ask => Self::Ask,
            permission::Mode::AcceptEdits => Self::AcceptEdits,
            permission::Mode::Plan => Self::Plan,
            permission::Mode::Auto => Self::Auto,
        }
    }
}

impl From<Mode> for permission::Mode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Ask => Self::Ask,
            Mode::AcceptEdits => Self::AcceptEdits,
            Mode::Plan => Self::Plan,
            Mode::Auto => Self::Auto,
        }
    }
}

impl From<agent::NoticeLevel> for NoticeLevel {
    fn from(level: agent::NoticeLevel) -> Self {
        match level {
            agent::NoticeLevel::Info => Self::Info,
            agent::NoticeLevel::Warning => Self::Warning,
            agent::NoticeLevel::Error => Self::Error,
        }
    }
}

impl From<agent::Asker> for Asker {
    fn from(asker: agent::Asker) -> Self {
        let agent::Asker { call_id, name } = asker;
        Self { call_id, name }
    }
}

impl From<tool::Choice> for Choice {
    fn from(choice: tool::Choice) -> Self {
        let tool::Choice { label, description } = choice;
        Self { label, description }
    }
}

impl From<QuestionAnswer> for tool::Answered {
    fn from(answer: QuestionAnswer) -> Self {
        match answer {
            QuestionAnswer::Choice { index } => Self::Choice(index),
            QuestionAnswer::Text { text } => Self::Text(text),
            QuestionAnswer::Decline => Self::Declined,
        }
    }
}

impl From<tool::Task> for Task {
    fn from(task: tool::Task) -> Self {
        let tool::Task { id, call_id, title, status, started_at, ended_at } = task;
        let status = match status {
            tool::TaskStatus::Running => TaskStatus::Running,
            tool::TaskStatus::Ended => TaskStatus::Ended,
            tool::TaskStatus::TimedOut => TaskStatus::TimedOut,
            tool::TaskStatus::Cancelled => TaskStatus::Cancelled,
            tool::TaskStatus::Lost => TaskStatus::Lost,
        };
        Self { task_id: id, call_id, title, status, started_at, ended_at }
    }
}

impl From<Task> for tool::Task {
    fn from(task: Task) -> Self {
        let Task { task_id, call_id, title, status, started_at, ended_at } = task;
        let status = match status {
            TaskStatus::Running => tool::TaskStatus::Running,
            TaskStatus::Ended => tool::TaskStatus::Ended,
            TaskStatus::TimedOut => tool::TaskStatus::TimedOut,
            TaskStatus::Cancelled => tool::TaskStatus::Cancelled,
            TaskStatus::Lost => tool::TaskStatus::Lost,
        };
        Self { id: task_id, call_id, title, status, started_at, ended_at }
    }
}

impl From<tool::PlanItem> for PlanItem {
    fn from(item: tool::PlanItem) -> Self {
        let status = match item.status {
            tool::PlanStatus::Pending => PlanStatus::Pending,
            tool::PlanStatus::InProgress => PlanStatus::InProgress,
            tool::PlanStatus::Completed => PlanStatus::Completed,
        };
        Self { text: item.text, status }
    }
}

impl From<agent::CallStatus> for ToolStatus {
    fn from(status: agent::CallStatus) -> Self {
        match status {
            agent::CallStatus::Ok => Self::Ok,
            agent::CallStatus::Failed => Self::Failed,
            agent::CallStatus::Denied => Self::Denied,
            agent::CallStatus::Cancelled => Self::Cancelled,
        }
    }
}

impl From<ToolStatus> for agent::CallStatus {
    fn from(status: ToolStatus) -> Self {
        match status {
            ToolStatus::Ok => Self::Ok,
            ToolStatus::Failed => Self::Failed,
            ToolStatus::Denied => Self::Denied,
            ToolStatus::Cancelled => Self::Cancelled,
        }
    }
}

impl From<transcript::StopReason> for TurnStopReason {
    fn from(reason: transcript::StopReason) -> Self {
        match reason {
            // A turn never ends on these two: the loop goes on after them.
            transcript::StopReason::EndTurn | transcript::StopReason::ToolCalls | transcript::StopReason::Pause => {
                Self::EndTurn
            }
            transcript::StopReason::MaxTokens => Self::MaxTokens,
            transcript::StopReason::StopSequence => Self::StopSequence,
            transcript::StopReason::Refusal => Self::Refusal,
            transcript::StopReason::TurnLimit => Self::TurnLimit,
            transcript::StopReason::Cancelled => Self::Cancelled,
            transcript::StopReason::Error => Self::Error,
        }
    }
}

impl From<mcp::Status> for McpServerInfo {
    fn from(status: mcp::Status) -> Self {
        let mcp::Status { name, state, tools, error } = status;
        let state = match state {
            mcp::State::Starting => McpServerState::Starting,
            mcp::State::Ready => McpServerState::Ready,
            mcp::State::Failed => McpServerState::Failed,
            mcp::State::Disabled => McpServerState::Disabled,
        };
        Self { name, state, tools: u32::try_from(tools).unwrap_or(u32::MAX), error }
    }
}

impl From<McpServer> for mcp::Spec {
    fn from(server: McpServer) -> Self {
        let pairs =
            |values: Vec<NamedValue>| values.into_iter().map(|NamedValue { name, value }| (name, value)).collect();
        match server {
            McpServer::Stdio { name, command, args, env } => {
                let variables = pairs(env);
                Self::new(name, mcp::Reach::Program { program: command, arguments: args, variables, directory: None })
            }
            McpServer::Http { name, url, headers } => Self::new(
                name,
                mcp::Reach::Http { url, headers: pairs(headers), route: provider::http::Route::default() },
            ),
        }
    }
}

impl From<config::Model> for ModelInfo {
    fn from(model: config::Model) -> Self {
        let config::Model { id, provider, ready, hint, facts } = model;
        let catalog::Facts { window, max_output, prices, .. } = facts;
        let dollars = |price: Option<catalog::Price>| price.map(catalog::Price::dollars);
        let shown = Prices {
            input: dollars(prices.input),
            output: dollars(prices.output),
            cache_read: dollars(prices.cache_read),
            cache_write: dollars(prices.cache_write),
            cache_write_long: dollars(prices.cache_write_long),
        };
        let prices = (prices != catalog::Prices::default()).then_some(shown);
        Self { id, provider, ready, hint, window, max_output, prices }
    }
}

impl From<context::Command> for CommandInfo {
    fn from(command: context::Command) -> Self {
        let context::Command { name, description, arguments, source } = command;
        Self { name, description, arguments, source }
    }
}

impl From<Problem> for context::Diagnostic {
    fn from(problem: Problem) -> Self {
        let Problem { path, line, severity, message, source, code } = problem;
        let severity = match severity {
            ProblemSeverity::Error => context::Severity::Error,
            ProblemSeverity::Warning => context::Severity::Warning,
            ProblemSeverity::Information => context::Severity::Information,
            ProblemSeverity::Hint => context::Severity::Hint,
        };
        Self { path, line, severity, message, source, code }
    }
}

impl From<ContentBlock> for context::Part {
    fn from(block: ContentBlock) -> Self {
        match block {
            ContentBlock::Text { text } => Self::Text(text),
            ContentBlock::Command { name, arguments } => Self::Command { name, arguments },
            ContentBlock::Comment { path, line, text } => Self::Comment { path, line, text },
            ContentBlock::File { path } => Self::File { path },
            ContentBlock::Range { path, start_line, end_line } => {
                Self::Range { path, first: start_line, last: end_line }
            }
            ContentBlock::Symbol { path, name, start_line, end_line } => {
                Self::Symbol { path, name, first: start_line, last: end_line }
            }
            ContentBlock::Folder { path } => Self::Folder { path },
            ContentBlock::Diagnostics { problems } => Self::Diagnostics(problems.into_iter().map(Into::into).collect()),
            ContentBlock::Url { url } => Self::Url(url),
            ContentBlock::Resource { uri, text } => Self::Resource { uri, text },
            ContentBlock::Image { media_type, data } => Self::Image(transcript::Image { media_type, data }),
            ContentBlock::Selection { path, start_line, end_line, text } => {
                Self::Selection { path, first: start_line, last: end_line, text }
            }
        }
    }
}

/// A prompt that nobody could look into any more: what it brought along, and the names of what it points to.
pub fn unresolved_prompt(prompt: &[ContentBlock]) -> transcript::Message {
    let pointed = |what: &str| format!("[The person points to {what}, which was not looked up.]");
    let content = prompt.iter().map(|block| {
        let text = match block {
            ContentBlock::Text { text } | ContentBlock::Comment { text, .. } | ContentBlock::Resource { text, .. } => {
                text.clone()
            }
            ContentBlock::Selection { path, start_line, end_line, text } => {
                format!("<selection path=\"{path}\" lines=\"{start_line}-{end_line}\">\n{text}\n</selection>")
            }
            ContentBlock::Command { name, arguments } => format!("/{name} {arguments}"),
            ContentBlock::File { path } | ContentBlock::Folder { path } => pointed(path),
            ContentBlock::Range { path, start_line, end_line } => pointed(&format!("{path}:{start_line}-{end_line}")),
            ContentBlock::Symbol { path, name, .. } => pointed(&format!("{name} in {path}")),
            ContentBlock::Diagnostics { .. } => pointed("what the editor reports"),
            ContentBlock::Url { url } => pointed(url),
            ContentBlock::Image { media_type, data } => {
                let image = transcript::Image { media_type: media_type.clone(), data: data.clone() };
                match tool::checked_image(&image) {
                    Ok(image) => return transcript::Content::Image(image),
                    Err(_) => pointed("an image"),
                }
            }
        };
        transcript::Content::Text { text }
    });
    transcript::Message { role: transcript::Role::User, content: content.collect() }
}

/// Whether this message may be what became of the prompt: it has the prompt's plain texts.
pub fn holds_prompt(message: &transcript::Message, prompt: &[ContentBlock]) -> bool {
    let has = |text: &str| {
        message.content.iter().any(|part| matches!(part, transcript::Content::Text { text: said } if said == text))
    };
    let texts = prompt.iter().filter_map(|block| match block {
        ContentBlock::Text { text } | ContentBlock::Comment { text, .. } => Some(text),
        _ => None,
    });
    message.tool_results().next().is_none()
        && texts
            .filter(|text| !text.trim_start().starts_with(['/', '\\']))
            .all(|text| text.trim().is_empty() || has(text))
}

/// What a tool's result says in words; images are left out.
pub fn plain_text(content: &[transcript::ResultContent]) -> String {
    let texts = content.iter().filter_map(|part| match part {
        transcript::ResultContent::Text { text } => Some(text.as_str()),
        transcript::ResultContent::Image(_) => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}
