//! A turn's tool calls, as the protocol shows them.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Weak},
    time::Duration,
};

use agent_client_protocol_schema::v1::{
    Content, Diff, SessionUpdate, Terminal, TerminalId, ToolCall, ToolCallContent, ToolCallLocation, ToolCallStatus,
    ToolCallUpdate, ToolCallUpdateFields, ToolKind,
};
use serde_json::Value;

use super::{client::Client, content, roots::Roots};
use crate::protocol::{Approval, ApprovalOutcome, FileDiff, SessionEvent, ToolClass, ToolStatus};

/// Between two pictures of one call's output: as often as an eye follows.
const SHOW_EVERY: Duration = Duration::from_millis(100);
/// Of a running call's output, in bytes: each picture is whole, and the end is what matters. What came of it is told then.
const SHOWN_MAX: usize = 8 << 10;

/// The calls that have no result yet, by the ids of the calls around them and their own.
pub(super) struct Calls {
    session_id: Arc<str>,
    running: HashMap<Vec<String>, Running>,
    /// What the protocol calls the calls that wait for the person, by approval.
    asked: HashMap<String, String>,
}

struct Running {
    /// What the protocol calls it.
    id: String,
    /// What shows its output.
    terminal: Option<ToolCallContent>,
    /// The end of what it printed.
    output: String,
    /// Something was printed that is not shown yet.
    is_due: bool,
    /// A task shows it.
    is_shown: bool,
}

pub(super) struct Surroundings<'a> {
    pub(super) turn_id: &'a str,
    pub(super) roots: &'a Roots,
    pub(super) is_past: bool,
    pub(super) client: &'a Client,
}

impl Calls {
    pub(super) fn new(session_id: Arc<str>) -> Self {
        Self { session_id, running: HashMap::new(), asked: HashMap::new() }
    }

    pub(super) fn clear(&mut self) {
        self.running.clear();
        self.asked.clear();
    }

    /// What is told of an event of a call, if anything is.
    pub(super) fn take(&mut self, event: &SessionEvent, around: &Surroundings<'_>) -> Option<SessionUpdate> {
        self.update(Vec::new(), event, around)
    }

    fn update(
        &mut self,
        mut path: Vec<String>,
        event: &SessionEvent,
        around: &Surroundings<'_>,
    ) -> Option<SessionUpdate> {
        match event {
            SessionEvent::Nested { call_id, event } => {
                path.push(call_id.clone());
                self.update(path, event, around)
            }
            SessionEvent::ToolCall { call_id, tool, input, class, title } => {
                path.push(call_id.clone());
                // Models count their calls anew in each turn.
                let id = format!("{}.{}", around.turn_id, path.join("."));
                let call = ToolCall::new(id.clone(), "  ".repeat(path.len() - 1) + title)
                    .name(tool.clone())
                    .kind(kind(tool, *class))
                    .status(ToolCallStatus::InProgress)
                    .locations(locations(input, around.roots))
                    .raw_input(input.clone());
                self.running.insert(
                    path,
                    Running { id, terminal: None, output: String::new(), is_due: false, is_shown: false },
                );
                Some(SessionUpdate::ToolCall(call))
            }
            SessionEvent::ToolProgress { call_id, text, .. } => {
                path.push(call_id.clone());
                let running = self.running.get_mut(&path).filter(|running| running.terminal.is_none())?;
                running.print(text);
                if !around.is_past && !std::mem::replace(&mut running.is_shown, true) {
                    tokio::spawn(show(around.client.weak(), self.session_id.clone(), path));
                }
                None
            }
            SessionEvent::ToolResult { call_id, status, text, diff } => {
                path.push(call_id.clone());
                let running = self.running.remove(&path)?;
                let (status, is_done) = match status {
                    ToolStatus::Ok => (ToolCallStatus::Completed, true),
                    ToolStatus::Failed | ToolStatus::Denied | ToolStatus::Cancelled => (ToolCallStatus::Failed, false),
                };
                let mut fields = ToolCallUpdateFields::new().status(status);
                let diff = diff.as_ref().filter(|diff| is_done && !diff.hunks.is_empty());
                if let Some(diff) = diff {
                    let (path, line) = (path_of(diff, around.roots), first_line(diff));
                    fields = fields.locations(vec![ToolCallLocation::new(path).line(line)]);
                }
                let content = match (diff, running.terminal) {
                    (Some(diff), _) => diffs(diff, around.roots),
                    (None, Some(terminal)) => vec![terminal],
                    (None, None) => vec![verbatim(text)],
                };
                Some(changed(&running.id, fields.content(content)))
            }
            SessionEvent::ApprovalRequested { approval } => {
                let id = self.id_of(approval)?.to_owned();
                self.asked.insert(approval.approval_id.clone(), id.clone());
                Some(changed(&id, ToolCallUpdateFields::new().status(ToolCallStatus::Pending)))
            }
            SessionEvent::ApprovalResolved { approval_id, outcome } => {
                let id = self.asked.remove(approval_id)?;
                matches!(outcome, ApprovalOutcome::Allowed { .. })
                    .then(|| changed(&id, ToolCallUpdateFields::new().status(ToolCallStatus::InProgress)))
            }
            _ => None,
        }
    }

    /// What the protocol calls a call that has no result yet. A nested one is known by the outermost around it and its own
    /// id.
    pub(super) fn id(&self, outermost: Option<&str>, call_id: &str) -> Option<&str> {
        let first = outermost.unwrap_or(call_id);
        let is_it = |(path, _): &(&Vec<String>, &Running)| {
            path.first().is_some_and(|id| id == first)
                && path.last().is_some_and(|id| id == call_id)
                && (path.len() > 1) == outermost.is_some()
        };
        self.running.iter().find(is_it).map(|(_, running)| running.id.as_str())
    }

    pub(super) fn id_of(&self, approval: &Approval) -> Option<&str> {
        self.id(approval.agent.as_ref().map(|agent| &*agent.call_id), &approval.call_id)
    }

    /// A call runs in a terminal, by its id with those of the calls around it; what it prints is shown there.
    pub(super) fn embed(&mut self, call_id: &str, terminal: TerminalId) -> Option<SessionUpdate> {
        let running = self.running.iter_mut().find(|(path, _)| path.join(".") == call_id)?.1;
        let terminal = running.terminal.insert(ToolCallContent::Terminal(Terminal::new(terminal)));
        let fields = ToolCallUpdateFields::new().status(ToolCallStatus::InProgress).content(vec![terminal.clone()]);
        Some(changed(&running.id, fields))
    }

    /// The newest picture of a call's output, if there is one that was not shown. `None` once the call is over.
    fn due(&mut self, path: &[String]) -> Option<Option<SessionUpdate>> {
        let running = self.running.get_mut(path)?;
        Some(std::mem::take(&mut running.is_due).then(|| {
            let content = vec![verbatim(&running.output)];
            changed(&running.id, ToolCallUpdateFields::new().status(ToolCallStatus::InProgress).content(content))
        }))
    }
}

impl Running {
    fn print(&mut self, text: &str) {
        self.output.push_str(text);
        self.is_due = true;
        // Now and then, so that a trickle is not copied for each drop.
        if self.output.len() > 2 * SHOWN_MAX {
            let mut from = self.output.len() - SHOWN_MAX;
            while !self.output.is_char_boundary(from) {
                from += 1;
            }
            self.output.replace_range(..from, "…");
        }
    }
}

/// Shows what a call prints until it is over.
async fn show(client: Weak<Client>, session_id: Arc<str>, path: Vec<String>) {
    loop {
        let Some(peer) = client.upgrade().map(|client| client.peer.clone()) else { return };
        peer.writable().await;
        let Some(client) = client.upgrade() else { return };
        // Under the lock: nothing of a call may follow its result.
        let is_running = client.with(&session_id, |talk| {
            let due = talk.calls.due(&path)?;
            if let Some(update) = due {
                talk.update(&client, update);
            }
            Some(())
        });
        if is_running.flatten().is_none() {
            return;
        }
        drop(client);
        tokio::time::sleep(SHOW_EVERY).await;
    }
}

fn changed(id: &str, fields: ToolCallUpdateFields) -> SessionUpdate {
    SessionUpdate::ToolCallUpdate(ToolCallUpdate::new(id.to_owned(), fields))
}

pub(super) fn verbatim(text: &str) -> ToolCallContent {
    ToolCallContent::Content(Content::new(content::text(content::verbatim(text))))
}

fn kind(tool: &str, class: ToolClass) -> ToolKind {
    match tool {
        "read" | "read_output" => ToolKind::Read,
        "edit" | "write" => ToolKind::Edit,
        "delete" => ToolKind::Delete,
        "move" => ToolKind::Move,
        "grep" | "glob" | "list" => ToolKind::Search,
        "plan" | "sub_agent" => ToolKind::Think,
        "ask" | "tasks" | "diagnostics" | "editor" => ToolKind::Other,
        _ => kind_of(class),
    }
}

pub(super) fn kind_of(class: ToolClass) -> ToolKind {
    match class {
        ToolClass::Read => ToolKind::Other,
        ToolClass::Edit => ToolKind::Edit,
        ToolClass::Execute => ToolKind::Execute,
        ToolClass::Network => ToolKind::Fetch,
    }
}

/// The files that a call names, as far as its input says.
fn locations(input: &Value, roots: &Roots) -> Vec<ToolCallLocation> {
    let line = input["offset"].as_u64().and_then(|line| u32::try_from(line).ok());
    let named = ["path", "from", "to"].iter().filter_map(|name| roots.absolute(input[name].as_str()?));
    named.map(|path| ToolCallLocation::new(path).line(line)).collect()
}

fn path_of(diff: &FileDiff, roots: &Roots) -> PathBuf {
    roots.absolute(&diff.path).unwrap_or_else(|| PathBuf::from(&diff.path))
}

/// The first line that changed.
fn first_line(diff: &FileDiff) -> Option<u32> {
    let hunk = diff.hunks.first()?;
    let before = hunk.text.lines().take_while(|line| line.starts_with(' ')).count();
    u32::try_from((hunk.new_start + before).max(1)).ok()
}

/// Each hunk with what stood there before and what stands there then.
pub(super) fn diffs(diff: &FileDiff, roots: &Roots) -> Vec<ToolCallContent> {
    let path = path_of(diff, roots);
    let content = diff.hunks.iter().map(|hunk| {
        let is_new = hunk.old_start == 0 && hunk.old_lines == 0;
        let old = (!is_new).then(|| side(&hunk.text, '-'));
        ToolCallContent::Diff(Diff::new(path.clone(), side(&hunk.text, '+')).old_text(old))
    });
    content.collect()
}

/// One side of a hunk: the lines that both have, and those with this sign.
fn side(hunk: &str, sign: char) -> String {
    let mut text = String::new();
    let mut was_taken = false;
    for line in hunk.split_inclusive('\n') {
        match line.strip_prefix([' ', sign]) {
            Some(line) => text.push_str(line),
            // It says that the line before has no end.
            None if line.starts_with('\\') && was_taken && text.ends_with('\n') => drop(text.pop()),
            None => {}
        }
        was_taken = line.starts_with([' ', sign]);
    }
    text
}
