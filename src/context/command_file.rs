//! Commands kept in Markdown files.

use std::{collections::HashSet, path::Path, sync::Arc};

use async_trait::async_trait;

use super::{
    command::{Command, CommandSource, Listed, is_name},
    front,
    place::{Owner, Places, entries, read},
};
use crate::{transcript::Content, workspace::Workspace};

/// Characters of a description that is the text's first line.
const FIRST_LINE: usize = 100;

/// The commands in `commands/*.md` of the user's folder, and in `.pillion/commands/*.md` of each root. A command is
/// called like its file.
///
/// The front matter may have a `description`, and under `arguments` (or `argument-hint`) what a person may put behind
/// the name. In the text, `$ARGUMENTS` stands for all of that, `$1` to `$9` for single words of it (words in quotes are
/// one), and `$$` for a dollar sign. Any other `$` is itself. Arguments that the text has no place for are put after
/// it. What the arguments say is not looked at again, and nothing is ever run.
///
/// ```
/// use std::sync::Arc;
///
/// use pillion::{
///     context::{CommandFiles, Commands, Part, Places, Surroundings, resolve},
///     workspace::{Seen, Workspace},
/// };
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let folder = tempfile::tempdir()?;
/// std::fs::create_dir_all(folder.path().join(".pillion/commands"))?;
/// std::fs::write(folder.path().join(".pillion/commands/paint.md"), "Paint $1 in $2.")?;
/// let workspace = Workspace::new(vec![folder.path().to_path_buf()]);
/// let files = CommandFiles { places: Places::default(), workspace: workspace.clone() };
/// let commands = Commands::new(vec![Arc::new(files)]);
///
/// let (seen, parts) = (Seen::default(), [Part::Text("/paint 'the door' red".into())]);
/// let surroundings = Surroundings { workspace: &workspace, seen: &seen, commands: &commands };
/// assert_eq!(resolve(&parts, surroundings).await?.message.text(), "Paint the door in red.");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct CommandFiles {
    pub places: Places,
    pub workspace: Arc<Workspace>,
}

struct File {
    command: Command,
    body: String,
}

#[async_trait]
impl CommandSource for CommandFiles {
    async fn list(&self) -> Listed<Command> {
        let Listed { items, warnings } = self.files().await;
        Listed { items: items.into_iter().map(|file| file.command).collect(), warnings }
    }

    async fn expand(&self, name: &str, arguments: &str) -> Result<Vec<Content>, String> {
        let files = self.files().await.items;
        let file = files.into_iter().find(|file| file.command.name == name);
        let file = file.ok_or("its file is not there any more")?;
        Ok(vec![Content::Text { text: fill(&file.body, arguments) }])
    }
}

impl CommandFiles {
    /// The user's go before a project's: nobody else says what a person's own words mean.
    async fn files(&self) -> Listed<File> {
        let user = self.places.of_user(&self.workspace).map(|(user, owner)| (user.join("commands"), owner));
        let roots = self.workspace.resolved_roots();
        let project = roots.iter().map(|root| (root.join(".pillion").join("commands"), Owner::Project));
        let mut listed = Listed::default();
        let mut names = HashSet::new();
        for (folder, owner) in user.into_iter().chain(project) {
            let paths = match entries(&self.workspace, &folder, owner).await {
                Ok(paths) => paths,
                Err(warning) => {
                    listed.warnings.push(warning);
                    continue;
                }
            };
            for path in paths.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
                match self.file(&path, owner).await {
                    Ok(None) => {}
                    Ok(Some(file)) if names.insert(file.command.name.clone()) => listed.items.push(file),
                    Ok(Some(file)) => listed.warnings.push(format!(
                        "The command in {} is not used: another one is named /{} too.",
                        path.display(),
                        file.command.name
                    )),
                    Err(warning) => listed.warnings.push(warning),
                }
            }
        }
        listed
    }

    async fn file(&self, path: &Path, owner: Owner) -> Result<Option<File>, String> {
        let Some(found) = read(&self.workspace, path, owner).await? else { return Ok(None) };
        let wrong = |what: &str| format!("The command in {} is not used: {what}.", path.display());
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if !is_name(name) {
            return Err(wrong("its file's name has more than letters, digits, `-`, `_`, `:` and `.`"));
        }
        let page = front::parse(&found.text).map_err(|error| wrong(&error))?;
        let field = |name: &str| page.fields.get(name).filter(|value| !value.is_empty());
        let first_line = || {
            let line = page.body.lines().map(|line| line.trim_start_matches('#').trim()).find(|line| !line.is_empty());
            line.unwrap_or_default().chars().take(FIRST_LINE).collect()
        };
        let command = Command {
            name: name.to_owned(),
            description: field("description").map_or_else(first_line, |text| text.replace('\n', " ")),
            arguments: field("arguments").or_else(|| field("argument-hint")).cloned(),
            source: owner.name().to_owned(),
        };
        Ok(Some(File { command, body: page.body.trim().to_owned() }))
    }
}

/// The text with the arguments in their places.
fn fill(body: &str, arguments: &str) -> String {
    let words = words(arguments);
    let mut text = String::with_capacity(body.len() + arguments.len());
    let mut has_place = false;
    let mut rest = body;
    while let Some(at) = rest.find('$') {
        text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix("ARGUMENTS") {
            has_place = true;
            text.push_str(arguments);
            rest = after;
        } else if let Some(number @ b'1'..=b'9') = rest.bytes().next() {
            has_place = true;
            text.push_str(words.get(usize::from(number - b'1')).map_or("", String::as_str));
            rest = &rest[1..];
        } else {
            text.push('$');
            rest = rest.strip_prefix('$').unwrap_or(rest);
        }
    }
    text.push_str(rest);
    if !has_place && !arguments.is_empty() {
        text = format!("{text}\n\n{arguments}");
    }
    text
}

/// The words of what follows a command. Quotes of both kinds hold words together where they have an end; a quote inside
/// a word is an apostrophe.
fn words(arguments: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = arguments.trim_start();
    while !rest.is_empty() {
        let quoted = rest.chars().next().filter(|first| "'\"".contains(*first)).and_then(|quote| {
            let (word, after) = rest[1..].split_once(quote)?;
            (after.is_empty() || after.starts_with(char::is_whitespace)).then_some((word, after))
        });
        let (word, after) =
            quoted.unwrap_or_else(|| rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len())));
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_come_into_their_places_and_are_not_looked_at_again() {
        for (body, arguments, expected) in [
            ("Fix $1 in $2, $1!", "it 'the door'", "Fix it in the door, it!"),
            ("$ARGUMENTS", "a $1 $$ $ARGUMENTS", "a $1 $$ $ARGUMENTS"),
            ("$10 for $$1, $HOME and $", "x", "x0 for $1, $HOME and $"),
            ("none: [$3]", "a b", "none: []"),
            ("Look.", "", "Look."),
            ("Look.", "at this", "Look.\n\nat this"),
            ("é$1é", "🏍", "é🏍é"),
        ] {
            assert_eq!(fill(body, arguments), expected);
        }
    }

    #[test]
    fn words_may_be_quoted_and_apostrophes_are_letters() {
        let check = |arguments: &str, expected: &[&str]| assert_eq!(words(arguments), expected, "{arguments}");
        check("  a\tb  ", &["a", "b"]);
        check("\"a b\" 'c d' \"\"", &["a b", "c d", ""]);
        check("don't 'quote", &["don't", "'quote"]);
        check("'a'b 'c'", &["'a'b", "c"]);
    }
}
