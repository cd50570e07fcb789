//! Resources of all servers, behind one tool.

use std::sync::Weak;

use async_trait::async_trait;
use rmcp::model::{ClientRequest, ReadResourceRequest, ReadResourceRequestParams, ServerResult};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{answer, servers::Servers};
use crate::tool::{Class, Context, Output, Proposal, TimeLimit, ToolError, Typed};

/// Reads what MCP servers offer as resources: files, tables, pages and the like. Without `uri` it lists what there is;
/// with `server` and `uri` it reads one. A URI template can be read once its `{parts}` are filled in.
#[derive(Deserialize, JsonSchema)]
pub struct Input {
    /// The server's name. Without it, the resources of all servers are listed.
    server: Option<String>,
    /// The resource to read.
    uri: Option<String>,
}

pub struct Resources(pub Weak<Servers>);

/// The most that is listed of one server.
const LISTED: usize = 200;

impl Resources {
    fn list(&self, only: Option<&str>) -> String {
        let mut lines = Vec::new();
        for (server, offer) in self.0.upgrade().iter().flat_map(|servers| servers.offers()) {
            if only.is_some_and(|only| only != server.spec.name) {
                continue;
            }
            let name = &server.spec.name;
            let resources = offer.resources.iter().map(|resource| {
                (resource.uri.as_str(), resource.title.as_ref().unwrap_or(&resource.name), &resource.description)
            });
            let templates = offer.templates.iter().map(|template| {
                (
                    template.uri_template.as_str(),
                    template.title.as_ref().unwrap_or(&template.name),
                    &template.description,
                )
            });
            let all: Vec<_> = resources.chain(templates).collect();
            for (uri, title, about) in all.iter().take(LISTED) {
                let about = about.as_ref().map(|about| format!(" - {}", about.replace('\n', " "))).unwrap_or_default();
                lines.push(format!("{name}  {uri}  {title}{about}"));
            }
            if all.len() > LISTED {
                lines.push(format!("{name}  and {} more", all.len() - LISTED));
            }
        }
        if lines.is_empty() { "There are no resources.".to_owned() } else { lines.join("\n") }
    }
}

#[async_trait]
impl Typed for Resources {
    const NAME: &'static str = "mcp_resource";
    type Input = Input;

    /// The server's own.
    fn time_limit(&self) -> TimeLimit {
        TimeLimit::Unlimited
    }

    async fn propose(&self, input: &Input, _: &Context) -> Result<Proposal, ToolError> {
        let Some(uri) = &input.uri else { return Ok(Proposal::harmless("List resources of MCP servers")) };
        let Some(server) = &input.server else {
            return Err(ToolError::new(
                "`server` is missing: say whose resource it is, as the list without `uri` tells",
            ));
        };
        let risk = Some("What reading it does is up to the server.".to_owned());
        let title = format!("{server}: read {uri}");
        Ok(Proposal { class: Class::Network, risk, ..Proposal::harmless(title) })
    }

    async fn run(&self, input: Input, context: &Context) -> Result<Output, ToolError> {
        let (Some(name), Some(uri)) = (&input.server, input.uri) else {
            return Ok(Output::text(self.list(input.server.as_deref())));
        };
        let server = self.0.upgrade().and_then(|servers| servers.named(name));
        let server = server.ok_or_else(|| ToolError::new(format!("there is no MCP server `{name}`")))?;
        let request = ReadResourceRequest::new(ReadResourceRequestParams::new(uri));
        match server.request(ClientRequest::ReadResourceRequest(request), context).await? {
            ServerResult::ReadResourceResult(result) => {
                let content = result.contents.into_iter().map(answer::of_resource).collect();
                Ok(Output { content, diff: None })
            }
            _ => Err(ToolError::new(format!("the MCP server `{name}` answered with something that is no resource"))),
        }
    }
}
