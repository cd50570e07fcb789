//! What a server says that it offers.

use futures::FutureExt;
use rmcp::{
    Peer, RoleClient,
    model::{PaginatedRequestParams, Prompt, Resource, ResourceTemplate, Tool},
    service::ServiceError,
};
use serde::Serialize;

/// The most pages of a list that are asked for.
const PAGES: usize = 50;

/// What is taken of a list at most: things, and bytes of all of them. Chosen: more than any server has that means well,
/// and little enough to be kept.
const THINGS: usize = 5000;
const BYTES: usize = 4 << 20;

/// What a server offers beside tools.
#[derive(Default)]
pub struct Offer {
    pub prompts: Vec<Prompt>,
    pub resources: Vec<Resource>,
    pub templates: Vec<ResourceTemplate>,
}

/// All that a server offers, as far as there is room for it.
pub async fn list(peer: &Peer<RoleClient>) -> Result<(Vec<Tool>, Offer), ServiceError> {
    let info = peer.peer_info();
    let has = info.as_ref().map(|info| &info.capabilities);
    let mut tools = Vec::new();
    let mut offer = Offer::default();
    if has.is_some_and(|has| has.tools.is_some()) {
        tools = pages(|page| peer.list_tools(page).map(|listed| listed.map(|l| (l.tools, l.next_cursor)))).await?;
    }
    if has.is_some_and(|has| has.prompts.is_some()) {
        offer.prompts =
            pages(|page| peer.list_prompts(page).map(|listed| listed.map(|l| (l.prompts, l.next_cursor)))).await?;
    }
    if has.is_some_and(|has| has.resources.is_some()) {
        offer.resources =
            pages(|page| peer.list_resources(page).map(|listed| listed.map(|l| (l.resources, l.next_cursor)))).await?;
        let templates = pages(|page| {
            peer.list_resource_templates(page).map(|listed| listed.map(|l| (l.resource_templates, l.next_cursor)))
        });
        // Many servers that have resources know no templates.
        offer.templates = match templates.await {
            Err(ServiceError::McpError(_)) => Vec::new(),
            templates => templates?,
        };
    }
    Ok((tools, offer))
}

async fn pages<T, P>(page: impl Fn(Option<PaginatedRequestParams>) -> P) -> Result<Vec<T>, ServiceError>
where
    T: Serialize,
    P: Future<Output = Result<(Vec<T>, Option<String>), ServiceError>>,
{
    let mut all = Vec::new();
    let mut bytes = 0;
    let mut cursor = None;
    for _ in 0..PAGES {
        let asked = cursor.map(|cursor| PaginatedRequestParams::default().with_cursor(Some(cursor)));
        let (things, next) = page(asked).await?;
        for thing in things {
            bytes += serde_json::to_vec(&thing).map_or(0, |written| written.len());
            if bytes > BYTES || all.len() == THINGS {
                tracing::warn!("an MCP server's list is too long; only its first {} entries are taken", all.len());
                return Ok(all);
            }
            all.push(thing);
        }
        cursor = next.filter(|cursor| !cursor.is_empty());
        if cursor.is_none() {
            break;
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// How much is taken of a server whose pages, all like this one, never end, and how many pages it was asked for.
    async fn taken(page: Vec<String>) -> (usize, usize) {
        let asked = Cell::new(0);
        let all = pages(|_| {
            asked.set(asked.get() + 1);
            let page = page.clone();
            async move { Ok((page, Some("more".to_owned()))) }
        });
        (all.await.unwrap().len(), asked.get())
    }

    #[tokio::test]
    async fn a_list_that_never_ends_is_taken_as_far_as_there_is_room() {
        assert_eq!(taken(vec!["small".into()]).await, (PAGES, PAGES));
        assert_eq!(taken(vec!["small".into(); 2000]).await, (THINGS, 3));
        assert_eq!(taken(vec!["x".repeat(BYTES / 4); 2]).await, (3, 2));
        assert_eq!(taken(vec!["x".repeat(BYTES)]).await, (0, 1));
    }
}
