//! Prompt commands: texts that a prompt names, whoever has them.

use std::sync::Arc;

use async_trait::async_trait;

use crate::transcript::Content;

/// A command, as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// What follows the slash.
    pub name: String,
    /// One line.
    pub description: String,
    /// What may follow the name, for a person: `<issue> [priority]`.
    pub arguments: Option<String>,
    /// Where it comes from: `user`, `project`, or what another source calls itself.
    pub source: String,
}

/// What was found, and what could not be used and why, for the person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<T> {
    pub items: Vec<T>,
    pub warnings: Vec<String>,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self { items: Vec::new(), warnings: Vec::new() }
    }
}

/// Somebody who has commands.
#[async_trait]
pub trait CommandSource: Send + Sync + 'static {
    /// The commands as they are now.
    async fn list(&self) -> Listed<Command>;

    /// What the model reads in place of `/name arguments`. Only text and images are used.
    ///
    /// # Errors
    /// What is wrong with the arguments or the command, for the person.
    async fn expand(&self, name: &str, arguments: &str) -> Result<Vec<Content>, String>;
}

/// The commands of several sources. Where two have a name in common, the earlier source's counts.
#[derive(Clone, Default)]
pub struct Commands {
    sources: Vec<Arc<dyn CommandSource>>,
}

/// A command that cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    #[error(
        "There is no command /{name}.{} Nothing was sent to the model. To say it as it is, put a backslash before the \
         slash.",
        hint(.near)
    )]
    Unknown { name: String, near: Vec<String> },
    #[error("The command /{name} cannot be used: {reason}. Nothing was sent to the model.")]
    Failed { name: String, reason: String },
}

fn hint(near: &[String]) -> String {
    if near.is_empty() { String::new() } else { format!(" Did you mean /{}?", near.join(" or /")) }
}

impl Commands {
    pub fn new(sources: Vec<Arc<dyn CommandSource>>) -> Self {
        Self { sources }
    }

    /// All commands, by name. What is hidden behind another one of its name is left out, with a warning.
    pub async fn list(&self) -> Listed<Command> {
        let mut all: Listed<Command> = Listed::default();
        for source in &self.sources {
            let Listed { items, warnings } = source.list().await;
            all.warnings.extend(warnings);
            for command in items {
                match all.items.iter().find(|known| known.name == command.name) {
                    None => all.items.push(command),
                    Some(known) => all.warnings.push(format!(
                        "The command /{} of {} is not used: {} has one of that name.",
                        command.name, command.source, known.source
                    )),
                }
            }
        }
        all.items.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// What the model reads in place of `/name arguments`.
    pub async fn expand(&self, name: &str, arguments: &str) -> Result<Vec<Content>, CommandError> {
        let mut names = Vec::new();
        for source in &self.sources {
            let Listed { items, .. } = source.list().await;
            if items.iter().any(|command| command.name == name) {
                let expanded = source.expand(name, arguments).await;
                let mut content = expanded.map_err(|reason| CommandError::Failed { name: name.to_owned(), reason })?;
                content.retain(|part| match part {
                    Content::Text { text } => !text.trim().is_empty(),
                    part => matches!(part, Content::Image(_)),
                });
                if content.is_empty() {
                    return Err(CommandError::Failed { name: name.to_owned(), reason: "it says nothing".to_owned() });
                }
                return Ok(content);
            }
            names.extend(items.into_iter().map(|command| command.name));
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let near = similar::get_close_matches(name, &names, 3, 0.6);
        let near = near.into_iter().map(str::to_owned).collect();
        Err(CommandError::Unknown { name: name.to_owned(), near })
    }
}

/// The command that a prompt's text is, with its arguments: a slash, a name, and then nothing or a space.
pub fn command_in(text: &str) -> Option<(&str, &str)> {
    let rest = text.trim_start().strip_prefix('/')?;
    let (name, arguments) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    is_name(name).then_some((name, arguments.trim()))
}

/// A text as it was meant: a slash behind a backslash begins no command.
pub fn unescaped(text: &str) -> &str {
    match text.trim_start().strip_prefix('\\') {
        Some(rest) if command_in(rest).is_some() => rest,
        _ => text,
    }
}

pub fn is_name(name: &str) -> bool {
    let is_fine = |char: char| char.is_alphanumeric() || "-_:.".contains(char);
    name.starts_with(char::is_alphanumeric) && name.len() <= 128 && name.chars().all(is_fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_told_from_a_path_and_a_comment() {
        for (text, expected) in [
            ("/fix", Some(("fix", ""))),
            (" \n/fix:it  the  door \n", Some(("fix:it", "the  door"))),
            ("/fix\nall", Some(("fix", "all"))),
            ("/home/ada is full", None),
            ("// a comment", None),
            ("/", None),
            ("/-x", None),
            ("\\/fix", None),
            ("please /fix", None),
        ] {
            assert_eq!(command_in(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_backslash_makes_a_slash_a_slash() {
        for (text, expected) in
            [("\\/fix it", "/fix it"), ("\\alpha", "\\alpha"), ("\\/a/b", "\\/a/b"), ("/fix", "/fix")]
        {
            assert_eq!(unescaped(text), expected);
        }
    }
}
