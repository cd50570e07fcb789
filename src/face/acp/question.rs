//! Putting a question of the model before the person: as a form (`elicitation/create`) where the client shows them; else
//! one with choices as if it were a call to allow.

use std::collections::BTreeMap;

use agent_client_protocol_schema::v1::{
    CreateElicitationRequest, CreateElicitationResponse, ElicitationAction, ElicitationContentValue,
    ElicitationFormMode, ElicitationSchema, ElicitationSessionScope, EnumOption, PermissionOption,
    PermissionOptionKind, RequestPermissionOutcome, RequestPermissionRequest, RequestPermissionResponse,
    StringPropertySchema, ToolCallStatus, ToolCallUpdate, ToolCallUpdateFields, ToolKind,
};
use futures::{FutureExt, future::BoxFuture};

use super::{client::Client, permission::REQUEST};
use crate::{
    face::PERSON_LIMIT,
    protocol::{Choice, Question, QuestionAnswer},
    rpc::{CallError, Peer},
    sidecar::Verdict,
};

const CHOICE: &str = "choice";
const ANSWER: &str = "answer";
const DECLINE: &str = "decline";

/// Resolves with what the person says; with `None` if the client cannot ask this.
pub(super) fn ask(client: &Client, question: Question) -> BoxFuture<'static, Option<Verdict>> {
    let peer = client.peer.clone();
    let has_forms = client.abilities.forms;
    let call = client.with(&question.session_id, |talk| {
        let agent = question.agent.as_ref().map(|agent| &*agent.call_id);
        talk.calls.id(agent, &question.call_id).map(str::to_owned)
    });
    async move {
        let call = call.flatten();
        let answer = match has_forms {
            true => ask_by_form(&peer, &question, call).await,
            false if question.choices.is_empty() => return None,
            false => ask_by_options(&peer, &question, call).await,
        };
        let answer = answer.inspect_err(|error| tracing::warn!(%error, "a question was not answered"));
        answer.ok().map(Verdict::Question)
    }
    .boxed()
}

async fn ask_by_form(peer: &Peer, question: &Question, call: Option<String>) -> Result<QuestionAnswer, CallError> {
    let scope = ElicitationSessionScope::new(question.session_id.clone()).tool_call_id(call.map(Into::into));
    let form = ElicitationFormMode::new(scope, schema(question));
    let request = CreateElicitationRequest::new(form, text(question));
    let response: CreateElicitationResponse = peer.call("elicitation/create", &request, PERSON_LIMIT).await?;
    Ok(match response.action {
        ElicitationAction::Accept(accepted) => answer(question, &accepted.content.unwrap_or_default()),
        _ => QuestionAnswer::Decline,
    })
}

fn text(question: &Question) -> String {
    let who = question.agent.as_ref().map(|agent| format!("{}: ", agent.name)).unwrap_or_default();
    format!("{who}{}", question.text)
}

fn schema(question: &Question) -> ElicitationSchema {
    let mut schema = ElicitationSchema::new();
    if !question.choices.is_empty() {
        let options = question.choices.iter().map(|Choice { label, description }| {
            // The label is the value: a client may show either.
            EnumOption::new(label, label).description(description.clone())
        });
        let property = StringPropertySchema::new().title("Choice".to_owned()).one_of(options.collect::<Vec<_>>());
        schema = schema.property(CHOICE, property, !question.allows_text);
    }
    if question.allows_text || question.choices.is_empty() {
        let title = if question.choices.is_empty() { "Answer" } else { "In your own words" };
        let property = StringPropertySchema::new().title(title.to_owned());
        schema = schema.property(ANSWER, property, question.choices.is_empty());
    }
    schema
}

/// Words count more than a choice, which a form may have made by itself.
fn answer(question: &Question, content: &BTreeMap<String, ElicitationContentValue>) -> QuestionAnswer {
    let given = |name: &str| match content.get(name) {
        Some(ElicitationContentValue::String(text)) if !text.trim().is_empty() => Some(text.clone()),
        _ => None,
    };
    if let Some(text) = given(ANSWER).filter(|_| question.allows_text || question.choices.is_empty()) {
        return QuestionAnswer::Text { text };
    }
    let chosen = given(CHOICE).and_then(|label| question.choices.iter().position(|choice| choice.label == label));
    chosen.map_or(QuestionAnswer::Decline, |index| QuestionAnswer::Choice { index })
}

async fn ask_by_options(peer: &Peer, question: &Question, call: Option<String>) -> Result<QuestionAnswer, CallError> {
    let fields =
        ToolCallUpdateFields::new().title(text(question)).kind(ToolKind::Other).status(ToolCallStatus::Pending);
    let call = ToolCallUpdate::new(call.unwrap_or_else(|| question.call_id.clone()), fields);
    let options = question.choices.iter().enumerate().map(|(index, Choice { label, description })| {
        let name = match description {
            Some(description) => format!("{label}: {description}"),
            None => label.clone(),
        };
        PermissionOption::new(index.to_string(), name, PermissionOptionKind::AllowOnce)
    });
    let decline = PermissionOption::new(DECLINE, "Decide yourself", PermissionOptionKind::RejectOnce);
    let request =
        RequestPermissionRequest::new(question.session_id.clone(), call, options.chain([decline]).collect::<Vec<_>>());
    let response: RequestPermissionResponse = peer.call(REQUEST, &request, PERSON_LIMIT).await?;
    Ok(match response.outcome {
        RequestPermissionOutcome::Selected(selected) => match selected.option_id.0.parse() {
            Ok(index) => QuestionAnswer::Choice { index },
            Err(_) => QuestionAnswer::Decline,
        },
        _ => QuestionAnswer::Decline,
    })
}
