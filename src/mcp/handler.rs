//! What a server asks and tells of its own accord.
#![expect(deprecated, reason = "what newer versions of MCP leave, today's servers use")]

use std::sync::Arc;

use rmcp::{
    ClientHandler, RoleClient,
    model::{
        ClientCapabilities, CreateMessageRequestParams, CreateMessageResult, ElicitRequestParams, ElicitResult,
        ElicitationAction, ErrorCode, ErrorData, Implementation, InitializeRequestParams, ListRootsResult,
        LoggingMessageNotificationParam, ProgressNotificationParam, ProtocolVersion, Role, Root, RootsCapabilities,
        SamplingMessage, SamplingMessageContentBlock,
    },
    service::{InboundStreamOrigin, NotificationContext, RequestContext},
};
use serde_json::Value;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{
    call::{Asking, Calls},
    question,
};
use crate::{
    tool::{Answered, Choice, Errand, Profile, Question},
    transcript::StopReason,
    workspace::Workspace,
};

/// What a person is shown at most of what a server wants to say, to them or to the model, in characters.
pub const SHOWN: usize = 2000;

/// One connection's end that listens.
pub struct Handler {
    pub server: String,
    pub workspace: Arc<Workspace>,
    pub calls: Arc<Calls>,
    /// What the server offers has changed.
    pub changed: Arc<Notify>,
    pub sampling: bool,
    /// The server is gone: nobody is asked for it any more.
    pub gone: CancellationToken,
}

impl Handler {
    fn asking(&self, context: &RequestContext<RoleClient>) -> Option<Asking> {
        let request = match context.extensions.get::<InboundStreamOrigin>() {
            Some(InboundStreamOrigin::OutboundRequest(id)) => Some(id),
            _ => None,
        };
        self.calls.ask(request)
    }

    async fn sample(
        &self,
        params: CreateMessageRequestParams,
        asking: Asking,
    ) -> Result<CreateMessageResult, ErrorData> {
        let refused = |why: String| ErrorData::new(ErrorCode(-1), why, None);
        let mut task = String::new();
        for SamplingMessage { role, content, .. } in params.messages {
            for part in content.into_vec() {
                match part {
                    SamplingMessageContentBlock::Text(text) if role == Role::Assistant => {
                        task += &format!("You said: {}\n\n", text.text);
                    }
                    SamplingMessageContentBlock::Text(text) => task += &format!("{}\n\n", text.text),
                    _ => return Err(refused("only text can be put before the model".into())),
                }
            }
        }
        let instructions = params.system_prompt.unwrap_or_default();
        let shown = clipped(&format!("{instructions}\n\n{task}"), SHOWN);
        let choice = |label: &str| Choice { label: label.to_owned(), description: None };
        let question = Question {
            text: format!(
                "The MCP server `{}` wants an answer of your model to this:\n\n{}",
                self.server,
                shown.trim()
            ),
            choices: vec![choice("Allow once"), choice("Refuse")],
            allows_text: false,
        };
        if asking.desk.ask(question).await != Answered::Choice(0) {
            return Err(refused("the person refused it".into()));
        }
        let profile = Profile {
            name: format!("MCP server {}", self.server),
            instructions,
            tools: Some(Vec::new()),
            turn_limit: Some(1),
            ..Profile::default()
        };
        let errand = Errand { task, profile: Some(Arc::new(profile)), read_only: true, is_bare: true };
        let report = asking.desk.spawn(errand).await.map_err(|error| refused(error.0))?;
        if let Some(error) = report.error {
            return Err(refused(error));
        }
        let reason = if report.stop_reason == StopReason::MaxTokens { "maxTokens" } else { "endTurn" };
        let message = SamplingMessage::assistant_text(report.text);
        Ok(CreateMessageResult::new(message, "pillion".to_owned()).with_stop_reason(reason))
    }
}

impl ClientHandler for Handler {
    fn get_info(&self) -> InitializeRequestParams {
        let mut capabilities = ClientCapabilities::default();
        let mut roots = RootsCapabilities::default();
        roots.list_changed = Some(true);
        capabilities.roots = Some(roots);
        capabilities.elicitation = Some(Default::default());
        capabilities.sampling = self.sampling.then(Default::default);
        let me = Implementation::new("pillion", env!("CARGO_PKG_VERSION"));
        // The newest with a handshake, which all servers know.
        InitializeRequestParams::new(capabilities, me).with_protocol_version(ProtocolVersion::LATEST_WITH_INITIALIZE)
    }

    async fn list_roots(&self, _: RequestContext<RoleClient>) -> Result<ListRootsResult, ErrorData> {
        let root = |path: &std::path::PathBuf| {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let uri = reqwest::Url::from_file_path(path).ok()?;
            Some(Root::new(uri.to_string()).with_name(name))
        };
        Ok(ListRootsResult::new(self.workspace.roots().iter().filter_map(root).collect()))
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let declined = || ElicitResult::new(ElicitationAction::Decline);
        let Some(asking) = self.asking(&context) else {
            tracing::warn!(server = self.server, "a question outside of any call, or one too many, is declined");
            return Ok(declined());
        };
        let ElicitRequestParams::FormElicitationParams { message, requested_schema, .. } = request else {
            return Ok(declined());
        };
        let order = requested_schema.property_order.clone();
        let schema = serde_json::to_value(&requested_schema).unwrap_or_default();
        let answered = tokio::select! {
            biased;
            () = context.ct.cancelled() => return Ok(ElicitResult::new(ElicitationAction::Cancel)),
            () = self.gone.cancelled() => return Ok(ElicitResult::new(ElicitationAction::Cancel)),
            answered = question::ask(&asking.desk, &self.server, &message, &schema, order) => answered,
        };
        Ok(match answered {
            Some(content) => ElicitResult::new(ElicitationAction::Accept).with_content(content),
            None => declined(),
        })
    }

    async fn create_message(
        &self,
        params: CreateMessageRequestParams,
        context: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        let refused = |why: &'static str| Err(ErrorData::new(ErrorCode(-1), why, None));
        if !self.sampling {
            return refused("this client does not let servers use its model");
        }
        let Some(asking) = self.asking(&context) else {
            return refused("the model may be used only while a call of this server runs");
        };
        tokio::select! {
            biased;
            () = context.ct.cancelled() => refused("cancelled"),
            () = self.gone.cancelled() => refused("the connection is closed"),
            sampled = self.sample(params, asking) => sampled,
        }
    }

    async fn on_progress(&self, params: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        self.calls.progress(&params);
    }

    async fn on_logging_message(&self, params: LoggingMessageNotificationParam, _: NotificationContext<RoleClient>) {
        let text = match &params.data {
            Value::String(text) => text.clone(),
            data => data.to_string(),
        };
        tracing::info!(server = self.server, level = ?params.level, "{}", clipped(&text, SHOWN));
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.changed.notify_one();
    }

    async fn on_prompt_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.changed.notify_one();
    }

    async fn on_resource_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.changed.notify_one();
    }
}

/// At most so many characters.
pub fn clipped(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text.to_owned(),
    }
}
