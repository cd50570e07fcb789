//! What a client says about itself, and what we answer.

use agent_client_protocol_schema::{
    ProtocolVersion,
    v1::{
        AgentCapabilities, AuthMethod, AuthMethodAgent, ClientCapabilities, Implementation, InitializeRequest,
        InitializeResponse, McpCapabilities, PromptCapabilities, SessionAdditionalDirectoriesCapabilities,
        SessionCapabilities, SessionCloseCapabilities, SessionDeleteCapabilities, SessionListCapabilities,
        SessionResumeCapabilities,
    },
};

/// The one way to be let in: a model's key is where Pillion finds it.
pub(super) const BY_CONFIGURATION: &str = "configuration";

/// What a client can be asked and told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Abilities {
    pub(super) read_files: bool,
    pub(super) write_files: bool,
    /// It runs commands.
    pub(super) terminals: bool,
    /// It shows notices.
    pub(super) notices: bool,
    /// It shows that a conversation was made shorter.
    pub(super) compaction: bool,
    /// It puts forms before the person.
    pub(super) forms: bool,
}

impl Abilities {
    pub(super) fn read(capabilities: &ClientCapabilities) -> Self {
        let session = capabilities.session.as_ref();
        Self {
            read_files: capabilities.fs.read_text_file,
            write_files: capabilities.fs.write_text_file,
            terminals: capabilities.terminal,
            notices: session.is_some_and(|session| session.notices.is_some()),
            compaction: session.is_some_and(|session| session.compaction.is_some()),
            forms: capabilities.elicitation.as_ref().is_some_and(|elicitation| elicitation.supports_form()),
        }
    }
}

/// What others who watch the same session are told that the client is called.
pub(super) fn name(request: &InitializeRequest) -> String {
    let name = request.client_info.as_ref().map(|info| info.title.as_ref().unwrap_or(&info.name).trim());
    name.filter(|name| !name.is_empty()).unwrap_or("acp").to_owned()
}

/// The first version is all that there is of the protocol here: a client that cannot speak it leaves.
pub(super) fn answer() -> InitializeResponse {
    let capabilities = AgentCapabilities::new()
        .load_session(true)
        .prompt_capabilities(PromptCapabilities::new().image(true).embedded_context(true))
        .mcp_capabilities(McpCapabilities::new().http(true))
        .session_capabilities(
            SessionCapabilities::new()
                .list(SessionListCapabilities::new())
                .delete(SessionDeleteCapabilities::new())
                .additional_directories(SessionAdditionalDirectoriesCapabilities::new())
                .resume(SessionResumeCapabilities::new())
                .close(SessionCloseCapabilities::new()),
        );
    let by_configuration = AuthMethodAgent::new(BY_CONFIGURATION, "API key")
        .description("A provider's key in the environment, or a provider in Pillion's configuration file".to_owned());
    InitializeResponse::new(ProtocolVersion::V1)
        .agent_capabilities(capabilities)
        .auth_methods(vec![AuthMethod::Agent(by_configuration)])
        .meta(serde_json::Map::from_iter([("steering".to_owned(), serde_json::json!({"supported": true}))]))
        .agent_info(Implementation::new("pillion", env!("CARGO_PKG_VERSION")).title("Pillion".to_owned()))
}
