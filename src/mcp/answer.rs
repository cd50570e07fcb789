//! What a server says, in what the model reads.

use rmcp::model::{CallToolResult, ContentBlock, ResourceContents};
use serde_json::Value;

use crate::{
    tool::{Output, ToolError, checked_image},
    transcript::{Image, ResultContent},
};

/// The result of a call.
///
/// # Errors
/// What the server says is an error.
pub fn of_call(result: CallToolResult) -> Result<Output, ToolError> {
    let mut content: Vec<ResultContent> = result.content.into_iter().map(of_block).collect();
    let has_text = content.iter().any(|part| matches!(part, ResultContent::Text { .. }));
    // Servers say in text too what they say in structure.
    if let Some(structured) = result.structured_content.filter(|_| !has_text) {
        content.push(text(structured.to_string()));
    }
    if result.is_error == Some(true) {
        let texts = content.iter().filter_map(|part| match part {
            ResultContent::Text { text } => Some(text.as_str()),
            ResultContent::Image(_) => None,
        });
        let said = texts.collect::<Vec<_>>().join("\n");
        return Err(ToolError::new(if said.trim().is_empty() { "it failed and did not say why".into() } else { said }));
    }
    if content.is_empty() {
        content.push(text("(it gave no output)"));
    }
    Ok(Output { content, diff: None })
}

pub fn of_block(block: ContentBlock) -> ResultContent {
    match block {
        ContentBlock::Text(said) => text(said.text),
        ContentBlock::Image(image) => of_image(image.mime_type, image.data),
        ContentBlock::Audio(audio) => text(format!("[audio of type {} left out]", audio.mime_type)),
        ContentBlock::Resource(embedded) => of_resource(embedded.resource),
        ContentBlock::ResourceLink(link) => {
            let about = link.description.map(|about| format!(": {about}")).unwrap_or_default();
            text(format!("[resource {} <{}>{about}]", link.name, link.uri))
        }
        _ => text("[content of a kind that is not known here left out]"),
    }
}

pub fn of_resource(resource: ResourceContents) -> ResultContent {
    match resource {
        ResourceContents::TextResourceContents { uri, text: content, .. } => {
            text(format!("<resource uri={}>\n{content}\n</resource>", Value::from(uri)))
        }
        ResourceContents::BlobResourceContents { mime_type: Some(kind), blob, .. } if kind.starts_with("image/") => {
            of_image(kind, blob)
        }
        ResourceContents::BlobResourceContents { uri, mime_type, blob, .. } => {
            let kind = mime_type.unwrap_or_else(|| "unknown type".to_owned());
            text(format!("[resource <{uri}> left out: {} bytes of {kind}]", blob.len() / 4 * 3))
        }
        _ => text("[a resource of a kind that is not known here left out]"),
    }
}

/// A provider refuses a call for an image that is none, and so each later one of the conversation.
fn of_image(media_type: String, data: String) -> ResultContent {
    match checked_image(&Image { media_type, data }) {
        Ok(image) => ResultContent::Image(image),
        Err(wrong) => text(format!("[image left out: {wrong}]")),
    }
}

fn text(text: impl Into<String>) -> ResultContent {
    ResultContent::Text { text: text.into() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(media_type: &str, data: &str, expect: ResultContent) {
        let image = json!({"type": "image", "mimeType": media_type, "data": data});
        assert_eq!(of_block(serde_json::from_value(image).unwrap()), expect, "{media_type} {data}");
        let blob = json!({"uri": "test://a", "mimeType": media_type, "blob": data});
        assert_eq!(of_resource(serde_json::from_value(blob).unwrap()), expect, "{media_type} {data}");
    }

    #[test]
    fn an_image_is_what_it_is_and_not_what_it_is_said_to_be() {
        let png = "iVBORw0KGgo=";
        for media_type in ["image/png", "image/jpeg", "image/tiff"] {
            check(media_type, png, ResultContent::Image(Image { media_type: "image/png".into(), data: png.into() }));
            check(media_type, "bm90IGFuIGltYWdl", text("[image left out: it is neither PNG, JPEG, GIF nor WebP]"));
        }
        let broken = "[image left out: its base64 is broken: Invalid symbol 37, offset 0.]";
        check("image/png", "%%%%", text(broken));
    }
}
