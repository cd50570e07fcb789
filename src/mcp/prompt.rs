//! Prompts of servers, as commands for the person.

use std::sync::Arc;

use async_trait::async_trait;
use rmcp::model::{GetPromptRequestParams, JsonObject, Prompt, PromptArgument, Role};
use serde_json::Value;

use super::{answer, handler::clipped, name, server::Server, servers::Servers};
use crate::{
    context::{Command, CommandSource, Listed},
    transcript::{Content, ResultContent},
};

/// What people see at most of a prompt's description and of its arguments, in characters.
const SHOWN: usize = 200;

/// `/mcp__server__prompt` followed by its arguments, in their order: each a word or something in double quotes, the last
/// the rest of the text.
#[async_trait]
impl CommandSource for Servers {
    async fn list(&self) -> Listed<Command> {
        let command = |(server, prompt, name): (Arc<Server>, Prompt, String)| {
            let description = prompt.description.or(prompt.title).unwrap_or_default();
            let arguments = prompt.arguments.iter().flatten().map(|argument| match argument.required {
                Some(true) => format!("<{}>", argument.name),
                _ => format!("[{}]", argument.name),
            });
            let arguments: Vec<String> = arguments.collect();
            Command {
                name,
                description: clipped(description.lines().next().unwrap_or_default(), SHOWN),
                arguments: (!arguments.is_empty()).then(|| clipped(&arguments.join(" "), SHOWN)),
                source: server.spec.name.clone(),
            }
        };
        Listed { items: self.prompts().into_iter().map(command).collect(), warnings: Vec::new() }
    }

    async fn expand(&self, name: &str, arguments: &str) -> Result<Vec<Content>, String> {
        let found = self.prompts().into_iter().find(|(_, _, known)| known == name);
        let (server, prompt, _) = found.ok_or("its server is not ready, or does not offer it any more")?;
        let arguments = named(prompt.arguments.as_deref().unwrap_or_default(), arguments)?;
        let prompt = server.prompt(GetPromptRequestParams::new(prompt.name).with_arguments(arguments)).await?;
        let content = prompt.messages.into_iter().map(|message| match answer::of_block(message.content) {
            // The person says it all; what the server would have the model say is told as such.
            ResultContent::Text { text } if message.role == Role::Assistant => {
                Content::Text { text: format!("You said: {text}") }
            }
            ResultContent::Text { text } => Content::Text { text },
            ResultContent::Image(image) => Content::Image(image),
        });
        Ok(content.collect())
    }
}

impl Servers {
    /// All prompts, with their names as commands.
    fn prompts(&self) -> Vec<(Arc<Server>, Prompt, String)> {
        let mut all = Vec::new();
        for (server, offer) in self.offers() {
            let names: Vec<&str> = offer.prompts.iter().map(|prompt| prompt.name.as_str()).collect();
            let names = name::of_tools(&server.prefix, &names);
            all.extend(offer.prompts.iter().cloned().zip(names).map(|(prompt, name)| (server.clone(), prompt, name)));
        }
        all
    }
}

/// The arguments by their names.
fn named(known: &[PromptArgument], mut text: &str) -> Result<JsonObject, String> {
    let mut named = JsonObject::new();
    for (index, argument) in known.iter().enumerate() {
        text = text.trim_start();
        let quoted = text.strip_prefix('"').and_then(|rest| rest.split_once('"'));
        let (value, rest) = match quoted {
            Some((value, rest)) => (value, rest),
            None if index + 1 == known.len() => (text.trim_end(), ""),
            None => text.split_once(char::is_whitespace).unwrap_or((text, "")),
        };
        text = rest;
        if quoted.is_some() || !value.is_empty() {
            named.insert(argument.name.clone(), Value::from(value));
        } else if argument.required == Some(true) {
            let about = argument.description.as_deref().map(|about| format!(" ({about})")).unwrap_or_default();
            return Err(format!("`{}`{about} is missing", argument.name));
        }
    }
    if !text.trim().is_empty() {
        return Err(format!("nothing takes `{}`", text.trim()));
    }
    Ok(named)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_are_words_and_the_last_is_the_rest() {
        let known = [PromptArgument::new("a").with_required(true), PromptArgument::new("b")];
        let check = |text, expected: Result<Value, &str>| {
            assert_eq!(named(&known, text).map(Value::Object), expected.map_err(str::to_owned), "{text}");
        };
        check("one two three ", Ok(json!({ "a": "one", "b": "two three" })));
        check(" \"one two\"  three", Ok(json!({ "a": "one two", "b": "three" })));
        check("\"\"", Ok(json!({ "a": "" })));
        check("one", Ok(json!({ "a": "one" })));
        check("one \"two\" three", Err("nothing takes `three`"));
        check("", Err("`a` is missing"));
        assert_eq!(named(&[], " x "), Err("nothing takes `x`".to_owned()));
    }
}
