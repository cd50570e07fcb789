//! Prompts, both ways: what a client sends as what the hub takes, and what was said as a client is shown it.

use agent_client_protocol_schema::v1::{
    ContentBlock, EmbeddedResource, EmbeddedResourceResource, ImageContent, ResourceLink, TextContent,
    TextResourceContents,
};

use crate::{protocol, rpc::Error};

pub(super) fn text(text: impl Into<String>) -> ContentBlock {
    ContentBlock::Text(TextContent::new(text))
}

/// A text as it is, where clients show Markdown.
pub(super) fn verbatim(text: &str) -> String {
    let longest = text.split(|char| char != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat((longest + 1).max(3));
    format!("{fence}\n{}\n{fence}", text.strip_suffix('\n').unwrap_or(text))
}

/// # Errors
///
/// What cannot be sent to a model.
pub(super) fn prompt(blocks: Vec<ContentBlock>) -> Result<Vec<protocol::ContentBlock>, Error> {
    blocks.into_iter().map(part).collect()
}

fn part(block: ContentBlock) -> Result<protocol::ContentBlock, Error> {
    Ok(match block {
        ContentBlock::Text(text) => protocol::ContentBlock::Text { text: text.text },
        ContentBlock::Image(ImageContent { data, mime_type, .. }) => {
            protocol::ContentBlock::Image { media_type: mime_type, data }
        }
        ContentBlock::ResourceLink(ResourceLink { uri, name, .. }) => linked(&uri, &name),
        ContentBlock::Resource(resource) => match resource.resource {
            EmbeddedResourceResource::TextResourceContents(contents) => {
                protocol::ContentBlock::Resource { uri: contents.uri, text: contents.text }
            }
            EmbeddedResourceResource::BlobResourceContents(contents) => match contents.mime_type {
                Some(media_type) if media_type.starts_with("image/") => {
                    protocol::ContentBlock::Image { media_type, data: contents.blob }
                }
                _ => {
                    let message =
                        format!("{} is neither text nor an image, and cannot be shown to a model", contents.uri);
                    return Err(Error::invalid_params(message));
                }
            },
            _ => return Err(unknown()),
        },
        ContentBlock::Audio(_) => return Err(Error::invalid_params("sound is not understood here: send text")),
        _ => return Err(unknown()),
    })
}

fn unknown() -> Error {
    Error::invalid_params("a part of the prompt is of a kind that is not known here")
}

/// What a link leads to: a file, lines of one, an address, or something that only the client knows.
fn linked(uri: &str, name: &str) -> protocol::ContentBlock {
    let (plain, fragment) = uri.rsplit_once('#').unwrap_or((uri, ""));
    if plain.starts_with("file:") {
        let path = plain.to_owned();
        return match lines(fragment) {
            Some((start_line, end_line)) => protocol::ContentBlock::Range { path, start_line, end_line },
            None if fragment.is_empty() => protocol::ContentBlock::File { path },
            // A file may have the sign in its name.
            None => protocol::ContentBlock::File { path: uri.to_owned() },
        };
    }
    if plain.starts_with("http:") || plain.starts_with("https:") {
        return protocol::ContentBlock::Url { url: uri.to_owned() };
    }
    protocol::ContentBlock::Text { text: format!("[{name}]({uri})") }
}

/// `L3`, `L3-L5`, `L3-5` and `L3:5`, from 1 and inclusive.
fn lines(fragment: &str) -> Option<(u32, u32)> {
    let (first, last) = fragment.strip_prefix('L')?.split_once(['-', ':']).unwrap_or((&fragment[1..], ""));
    let first: u32 = first.parse().ok()?;
    let last = last.strip_prefix('L').unwrap_or(last);
    Some((first, if last.is_empty() { first } else { last.parse().ok()? }))
}

/// What was said, as it is shown again. `uri` gives a path its URI.
pub(super) fn shown(block: &protocol::ContentBlock, uri: impl Fn(&str) -> String) -> ContentBlock {
    use protocol::ContentBlock as Said;
    let link = |path: &str, lines: Option<(u32, u32)>| {
        let name = path.rsplit(['/', '\\']).find(|part| !part.is_empty()).unwrap_or(path);
        let lines = lines.map(|(first, last)| format!("#L{first}-L{last}")).unwrap_or_default();
        ContentBlock::ResourceLink(ResourceLink::new(name, format!("{}{lines}", uri(path))))
    };
    let embedded = |uri: &str, text: &str| {
        let contents = TextResourceContents::new(text, uri);
        ContentBlock::Resource(EmbeddedResource::new(EmbeddedResourceResource::TextResourceContents(contents)))
    };
    match block {
        Said::Text { text: said } => text(said),
        Said::Command { .. } | Said::Comment { .. } => text(block.words().unwrap_or_default()),
        Said::File { path } | Said::Folder { path } => link(path, None),
        Said::Range { path, start_line, end_line } | Said::Symbol { path, start_line, end_line, .. } => {
            link(path, Some((*start_line, *end_line)))
        }
        Said::Selection { path, text, .. } => embedded(&uri(path), text),
        Said::Resource { uri, text } => embedded(uri, text),
        Said::Url { url } => ContentBlock::ResourceLink(ResourceLink::new(url, url)),
        Said::Image { media_type, data } => ContentBlock::Image(ImageContent::new(data, media_type)),
        Said::Diagnostics { problems } => {
            let lines =
                problems.iter().map(|problem| format!("{}:{}: {}", problem.path, problem.line, problem.message));
            text(lines.collect::<Vec<_>>().join("\n"))
        }
    }
}
