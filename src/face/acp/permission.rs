//! Putting a call before the person, by `session/request_permission`.

use agent_client_protocol_schema::v1::{
    PermissionOption, PermissionOptionKind, RequestPermissionOutcome, RequestPermissionRequest,
    RequestPermissionResponse, ToolCallContent, ToolCallId, ToolCallLocation, ToolCallStatus, ToolCallUpdate,
    ToolCallUpdateFields,
};
use futures::{FutureExt, future::BoxFuture};

use super::{
    calls::{diffs, kind_of, verbatim},
    client::Client,
    content,
    roots::Roots,
    talk::Talk,
};
use crate::{
    face::PERSON_LIMIT,
    protocol::{Approval, ApprovalDecision, ApprovalScope},
    rpc::CallError,
    sidecar::Verdict,
};

pub(super) const REQUEST: &str = "session/request_permission";

const DENY: &str = "deny";
/// Under each id, how long the allowance lasts.
const ALLOW: [(&str, ApprovalScope); 4] = [
    ("allow", ApprovalScope::Once),
    ("allow_session", ApprovalScope::Session),
    ("allow_project", ApprovalScope::Project),
    ("allow_user", ApprovalScope::User),
];

/// Of the rules in an option's name, in characters. A rule that cannot be shown whole is not to be had here.
const RULES_MAX: usize = 200;

/// Resolves with what the person says. Where a client cannot ask them, nobody would see what waits, and the call is not
/// run; but where others may see it, it is left to them.
pub(super) fn ask(client: &Client, approval: &Approval) -> BoxFuture<'static, Option<Verdict>> {
    let request = client.with(&approval.session_id, |talk| (request(talk, approval), talk.is_shared));
    let peer = client.peer.clone();
    async move {
        let (request, is_shared) = request?;
        let decision = match peer.call::<RequestPermissionResponse>(REQUEST, &request, PERSON_LIMIT).await {
            Ok(response) => decision(&response.outcome),
            Err(error @ (CallError::Remote { .. } | CallError::Malformed { .. })) if is_shared => {
                tracing::info!(%error, "an approval is left to others");
                return None;
            }
            Err(error @ (CallError::Remote { .. } | CallError::Malformed { .. })) => {
                tracing::warn!(%error, "an approval could not be shown");
                ApprovalDecision::Nobody { reason: format!("the client could not show the question: {error}") }
            }
            Err(error @ (CallError::Timeout { .. } | CallError::Closed { .. })) => {
                tracing::warn!(%error, "an approval was not answered");
                return None;
            }
        };
        Some(Verdict::Approval(decision))
    }
    .boxed()
}

fn request(talk: &Talk, approval: &Approval) -> RequestPermissionRequest {
    let id = talk.calls.id_of(approval).map_or_else(|| ToolCallId::new(&*approval.call_id), ToolCallId::new);
    let who = approval.agent.as_ref().map(|agent| format!(" (agent {})", agent.name)).unwrap_or_default();
    let paths = approval.paths.iter().filter_map(|path| talk.roots.absolute(path));
    let fields = ToolCallUpdateFields::new()
        .title(format!("{}{who}", approval.title))
        .name(approval.tool.clone())
        .kind(kind_of(approval.class))
        .status(ToolCallStatus::Pending)
        .content(shown(approval, &talk.roots))
        .locations(paths.map(ToolCallLocation::new).collect::<Vec<_>>())
        .raw_input(approval.input.clone());
    RequestPermissionRequest::new(talk.id.clone(), ToolCallUpdate::new(id, fields), options(approval))
}

/// What deserves a look, and what would be done.
fn shown(approval: &Approval, roots: &Roots) -> Vec<ToolCallContent> {
    let outside = approval.outside.then_some("This is outside of the session's folders.");
    let warning: Vec<&str> = outside.into_iter().chain(approval.risk.as_deref()).collect();
    let mut shown = Vec::new();
    if !warning.is_empty() {
        shown.push(ToolCallContent::from(content::text(warning.join(" "))));
    }
    if let Some(command) = &approval.command {
        shown.push(verbatim(command));
    }
    if let Some(input) = approval.telling_input() {
        shown.push(verbatim(&input));
    }
    shown.extend(approval.diff.iter().flat_map(|diff| diffs(diff, roots)));
    shown
}

fn options(approval: &Approval) -> Vec<PermissionOption> {
    let rules = approval.rules.join(", ");
    let has_rules = !rules.is_empty() && rules.chars().count() <= RULES_MAX;
    let allow = ALLOW.iter().filter(|(_, scope)| *scope == ApprovalScope::Once || has_rules).map(|(id, scope)| {
        let (name, kind) = match scope {
            ApprovalScope::Once => ("Allow".to_owned(), PermissionOptionKind::AllowOnce),
            ApprovalScope::Session => (format!("Allow for this session: {rules}"), PermissionOptionKind::AllowAlways),
            ApprovalScope::Project => (format!("Always in this project: {rules}"), PermissionOptionKind::AllowAlways),
            ApprovalScope::User => (format!("Always, everywhere: {rules}"), PermissionOptionKind::AllowAlways),
        };
        PermissionOption::new(*id, name, kind)
    });
    allow.chain([PermissionOption::new(DENY, "Deny", PermissionOptionKind::RejectOnce)]).collect()
}

fn decision(outcome: &RequestPermissionOutcome) -> ApprovalDecision {
    match outcome {
        RequestPermissionOutcome::Selected(selected) => {
            let allowed = ALLOW.iter().find(|(id, _)| *id == &*selected.option_id.0);
            match allowed {
                Some((_, scope)) => ApprovalDecision::Allow { scope: *scope, input: None, hunks: None, rules: None },
                None => ApprovalDecision::Deny { reason: None },
            }
        }
        // The protocol has it for a turn that the client has cancelled.
        _ => ApprovalDecision::CancelTurn,
    }
}
