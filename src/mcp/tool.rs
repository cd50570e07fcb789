//! A tool of a server as one of ours.

use std::{borrow::Cow, sync::Arc};

use async_trait::async_trait;
use rmcp::model::{CallToolRequest, CallToolRequestParams, ClientRequest, ServerResult, ToolAnnotations};
use serde_json::Value;

use super::{answer, handler::clipped, name, schema::Input, server::Server};
use crate::tool::{Class, Context, Output, Proposal, TimeLimit, Tool, ToolError, ToolSpec};

/// The longest description that a model is told, in characters, and the largest schema, in bytes: both are paid for with
/// each model call.
const DESCRIPTION: usize = 4000;
const SCHEMA: usize = 32 << 10;

pub struct McpTool {
    server: Arc<Server>,
    /// As the server calls it.
    name: Cow<'static, str>,
    title: String,
    /// What the server says of it, for the person.
    hints: String,
    spec: ToolSpec,
    input: Input,
}

/// What is offered of a server's tools.
pub fn offered(server: &Arc<Server>, tools: Vec<rmcp::model::Tool>) -> Vec<Arc<dyn Tool>> {
    let mut tools: Vec<_> = tools.into_iter().filter(|tool| server.spec.offers(&tool.name)).collect();
    let mut seen = std::collections::HashSet::new();
    tools.retain(|tool| seen.insert(tool.name.clone()));
    let names: Vec<&str> = tools.iter().map(|tool| &*tool.name).collect();
    let names = name::of_tools(&server.prefix, &names);
    let made = tools.into_iter().zip(names).filter_map(|(tool, name)| {
        let made = make(server, tool, name.clone());
        if made.is_none() {
            tracing::warn!(server = server.spec.name, tool = name, "a tool is left out: its schema is too large");
        }
        made
    });
    made.collect()
}

fn make(server: &Arc<Server>, tool: rmcp::model::Tool, name: String) -> Option<Arc<dyn Tool>> {
    let input = Input::new((*tool.input_schema).clone());
    if input.schema.to_string().len() > SCHEMA {
        return None;
    }
    let description = clipped(tool.description.as_deref().unwrap_or_default().trim(), DESCRIPTION);
    let annotations = tool.annotations.unwrap_or_default();
    let title = tool.title.or(annotations.title.clone()).unwrap_or_else(|| tool.name.clone().into_owned());
    Some(Arc::new(McpTool {
        title: clipped(title.lines().next().unwrap_or_default(), 80),
        hints: hints(&annotations),
        name: tool.name,
        server: server.clone(),
        spec: ToolSpec { name, description, input_schema: input.schema.clone() },
        input,
    }))
}

/// Advice, and no more: whoever wrote the server wrote it.
fn hints(annotations: &ToolAnnotations) -> String {
    let says = match (annotations.read_only_hint, annotations.destructive_hint) {
        (Some(true), _) => "It says of itself that it changes nothing.",
        (_, Some(true)) => "It says of itself that it may destroy something.",
        _ => return "What it does is up to the server.".to_owned(),
    };
    format!("{says} What it does is up to the server.")
}

#[async_trait]
impl Tool for McpTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    /// The server's own, which leaves out the time of the person.
    fn time_limit(&self) -> TimeLimit {
        TimeLimit::Unlimited
    }

    fn title(&self, _: &Value) -> String {
        format!("{}: {}", self.server.spec.name, self.title)
    }

    async fn propose(&self, input: &Value, _: &Context) -> Result<Proposal, ToolError> {
        Ok(Proposal {
            class: Class::Execute,
            title: self.title(input),
            paths: Vec::new(),
            outside: false,
            command: None,
            host: None,
            diff: None,
            risk: Some(self.hints.clone()),
            alone: true,
        })
    }

    async fn run(&self, input: Value, context: &Context) -> Result<Output, ToolError> {
        let mut params = CallToolRequestParams::new(self.name.clone());
        if let Value::Object(input) = input {
            params = params.with_arguments(self.input.of_server(input));
        }
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(params));
        match self.server.request(request, context).await? {
            ServerResult::CallToolResult(result) => answer::of_call(result),
            _ => Err(ToolError::new(format!(
                "the MCP server `{}` answered with something that is no result of a tool",
                self.server.spec.name
            ))),
        }
    }
}
