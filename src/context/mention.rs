//! What a person points to in a prompt, made into what the model reads.

use std::fmt::Write;

use super::{
    clip::clip,
    command::{CommandError, Commands, command_in, unescaped},
    comment::comments,
    folder,
};
use crate::{
    tool::{checked_image, image_at, shown_lines},
    transcript::{Content, Image, Message, Role},
    workspace::{ReadError, Seen, Workspace},
};

/// A part of a prompt. Paths are absolute, relative to the first root, or URIs, as [`Workspace::resolve`] takes them;
/// lines are counted from 1, both ends included.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// The first text of a prompt is a command if it begins with a slash and a name.
    Text(String),
    /// A comment that is the prompt: where it begins and what it says. It goes along with the first edit of its file.
    Comment {
        path: String,
        line: u32,
        text: String,
    },
    Image(Image),
    /// A file, as an editor shows it where it is open.
    File {
        path: String,
    },
    /// Some lines of a file.
    Range {
        path: String,
        first: u32,
        last: u32,
    },
    /// Lines of a file that have a name: a function, a type.
    Symbol {
        path: String,
        name: String,
        first: u32,
        last: u32,
    },
    /// What is in a folder.
    Folder {
        path: String,
    },
    /// Lines as they are on the screen.
    Selection {
        path: String,
        first: u32,
        last: u32,
        text: String,
    },
    Diagnostics(Vec<Diagnostic>),
    /// An address. Nothing is fetched: the model has a tool for that, which asks.
    Url(String),
    /// A text that is nowhere else.
    Resource {
        uri: String,
        text: String,
    },
    /// A prompt command, by name.
    Command {
        name: String,
        arguments: String,
    },
}

/// What an editor or a compiler has to say about a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub path: String,
    pub line: u32,
    pub severity: Severity,
    pub message: String,
    /// Who says so, and what it is called there: `rustc`, `E0308`.
    pub source: Option<String>,
    pub code: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Error,
    Warning,
    Information,
    Hint,
}

/// What a prompt is resolved in.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    pub workspace: &'a Workspace,
    /// What is shown whole counts as read.
    pub seen: &'a Seen,
    pub commands: &'a Commands,
}

/// A prompt for the model.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    pub message: Message,
    /// What could not be shown and why, for the person. The model is told in the place of it.
    pub warnings: Vec<String>,
}

/// Bytes that the mentions of one prompt come to, all together. Chosen: some 60,000 tokens.
const ROOM: usize = 240_000;

/// Bytes of a single one, as much as `read` shows at once.
const MOST: usize = 80_000;

/// What the model reads for these parts, in their order: texts as they are, files and lines numbered as `read` shows
/// them, commands as what they stand for. What is too long is clipped and says how to go on; what is not there says so.
///
/// A file outside the roots is shown too: the person has named this one, now.
///
/// # Errors
/// If a command cannot be had. Nothing was noted as seen then.
pub async fn resolve(parts: &[Part], surroundings: Surroundings<'_>) -> Result<Resolved, CommandError> {
    let mut expanded = expand(parts, surroundings.commands).await?;
    let mut showing = Showing { surroundings, room: ROOM, warnings: Vec::new() };
    let mut content = Vec::new();
    for (part, expansion) in parts.iter().zip(&mut expanded) {
        match (expansion.take(), part) {
            (Some(expansion), Part::Comment { path, line, text }) => {
                content.extend(expansion);
                content.push(showing.comment(path, *line, text).await);
            }
            (Some(expansion), _) => content.extend(expansion),
            (None, Part::Comment { path, line, text }) => {
                content.push(Content::Text { text: text.clone() });
                content.push(showing.comment(path, *line, text).await);
            }
            (None, Part::Image(image)) => content.push(showing.image(image)),
            (None, part) => content.extend(showing.show(part).await),
        }
    }
    content.retain(|part| !matches!(part, Content::Text { text } if text.trim().is_empty()));
    Ok(Resolved { message: Message { role: Role::User, content }, warnings: showing.warnings })
}

/// For each part that is a command, what it stands for.
async fn expand(parts: &[Part], commands: &Commands) -> Result<Vec<Option<Vec<Content>>>, CommandError> {
    let is_text =
        |part: &Part| matches!(part, Part::Text(text) | Part::Comment { text, .. } if !text.trim().is_empty());
    let first_text = parts.iter().position(is_text);
    let mut expanded = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        let command = match part {
            Part::Command { name, arguments } => Some((name.as_str(), arguments.trim())),
            Part::Text(text) | Part::Comment { text, .. } if Some(index) == first_text => command_in(text),
            _ => None,
        };
        expanded.push(match command {
            Some((name, arguments)) => Some(commands.expand(name, arguments).await?),
            None if Some(index) == first_text => match part {
                Part::Text(text) | Part::Comment { text, .. } => {
                    Some(vec![Content::Text { text: unescaped(text).to_owned() }])
                }
                _ => None,
            },
            None => None,
        });
    }
    Ok(expanded)
}

struct Showing<'a> {
    surroundings: Surroundings<'a>,
    /// Bytes that are left for mentions.
    room: usize,
    warnings: Vec<String>,
}

impl Showing<'_> {
    async fn show(&mut self, part: &Part) -> Vec<Content> {
        let text = match part {
            Part::Text(text) => text.clone(),
            Part::File { path } => return vec![self.file(path, None, None).await],
            Part::Range { path, first, last } => return vec![self.file(path, Some((*first, *last)), None).await],
            Part::Symbol { path, name, first, last } => {
                return vec![self.file(path, Some((*first, *last)), Some(name)).await];
            }
            Part::Folder { path } => self.folder(path).await,
            Part::Selection { path, first, last, text } => {
                let rest = |line| format!("clipped here: the selection goes on for more than line {line} of it");
                let text = self.within(text, rest);
                format!("<selection path={} lines=\"{first}-{last}\">\n{text}\n</selection>", quoted(path))
            }
            Part::Diagnostics(diagnostics) => self.diagnostics(diagnostics),
            Part::Url(url) => self.url(url),
            Part::Resource { uri, text } => {
                let rest = |line| format!("clipped here: what follows from line {line} on is not to be had");
                let text = self.within(text, rest);
                format!("<resource uri={}>\n{text}\n</resource>", quoted(uri))
            }
            // Taken care of before.
            Part::Image(_) | Part::Command { .. } | Part::Comment { .. } => return Vec::new(),
        };
        vec![Content::Text { text }]
    }

    /// Says where the prompt was written, and has it taken out of there.
    async fn comment(&mut self, path: &str, line: u32, words: &str) -> Content {
        let text = match self.take_along(path, line, words).await {
            Ok(shown) => format!(
                "[The person wrote this as a comment in {shown}, line {line}. It is taken out together with your first \
                 edit of that file, or when you are done: leave that to Pillion.]"
            ),
            Err(error) => {
                self.warnings.push(format!("The comment in {path} that says this stays where it is: {error}."));
                format!("[The person wrote this as a comment in {path}. Leave the comment as it is.]")
            }
        };
        Content::Text { text }
    }

    async fn take_along(&self, path: &str, line: u32, words: &str) -> Result<String, String> {
        let workspace = self.surroundings.workspace;
        let location = workspace.resolve(path).map_err(|error| error.to_string())?;
        let base = workspace.read(&location).await.map_err(|error| error.to_string())?;
        let text = base.text.clone();
        let found = tokio::task::spawn_blocking(move || comments(&text)).await.map_err(|error| error.to_string())?;
        let mut same: Vec<_> = found.into_iter().filter(|comment| comment.words == words.trim()).collect();
        // It may have moved; if there are several, only the very place tells which.
        if same.len() > 1 {
            same.retain(|comment| comment.lines.start + 1 == line as usize);
        }
        let comment = same.pop().ok_or("it was changed meanwhile")?;
        workspace.take_along(&location, &base, comment.range).await.map_err(|error| error.to_string())?;
        Ok(location.shown)
    }

    /// As much of a text as there is room for.
    fn within(&mut self, text: &str, rest: impl FnOnce(usize) -> String) -> String {
        let text = clip(text.trim_end_matches('\n'), self.room.min(MOST), rest);
        self.room = self.room.saturating_sub(text.len());
        text
    }

    async fn file(&mut self, path: &str, lines: Option<(u32, u32)>, symbol: Option<&str>) -> Content {
        let what = match lines {
            Some((first, last)) if first != last => format!("{path}, lines {first} to {last},"),
            Some((first, _)) => format!("{path}, line {first},"),
            None => path.to_owned(),
        };
        let text = match self.read(path, lines, symbol).await {
            Ok(content) => return content,
            Err(error) => self.cannot_show(&what, &error),
        };
        Content::Text { text }
    }

    async fn read(&mut self, path: &str, lines: Option<(u32, u32)>, symbol: Option<&str>) -> Result<Content, String> {
        let Surroundings { workspace, seen, .. } = self.surroundings;
        let location = workspace.resolve(path).map_err(|error| error.to_string())?;
        if lines.is_none()
            && let Some(image) = image_at(&location, workspace).await.map_err(|error| error.to_string())?
        {
            return Ok(Content::Image(image));
        }
        let snapshot = match workspace.read(&location).await {
            Err(ReadError::Directory(_)) if lines.is_none() => {
                return Ok(Content::Text { text: self.folder(path).await });
            }
            snapshot => snapshot.map_err(|error| error.to_string())?,
        };
        if self.room == 0 {
            return Err("the prompt is full. `read` it if it matters".to_owned());
        }
        let wanted = lines.map(|(first, last)| (first as usize, last as usize));
        let (text, whole) = shown_lines(&snapshot, &location, wanted, self.room).map_err(|error| error.to_string())?;
        self.room = self.room.saturating_sub(text.len());
        seen.note(&location, &snapshot, whole);
        let lines = lines.map(|(first, last)| format!(" lines=\"{first}-{last}\"")).unwrap_or_default();
        let (tag, name) = match symbol {
            Some(name) => ("symbol", format!(" name={}", quoted(name))),
            None => ("file", String::new()),
        };
        let path = quoted(&location.shown);
        Ok(Content::Text { text: format!("<{tag}{name} path={path}{lines}>\n{text}\n</{tag}>") })
    }

    async fn folder(&mut self, path: &str) -> String {
        let Surroundings { workspace, seen, .. } = self.surroundings;
        let listed = match workspace.resolve(path) {
            Ok(location) => folder::list(workspace, &location).await.map(|list| (location, list)),
            Err(error) => Err(error.to_string()),
        };
        match listed {
            Ok((location, list)) => {
                seen.touch(&location.path);
                let list = self.within(&list, |_| "clipped here: go on with `glob`".to_owned());
                format!("<folder path={}>\n{list}\n</folder>", quoted(&location.shown))
            }
            Err(error) => self.cannot_show(path, &error),
        }
    }

    fn diagnostics(&mut self, diagnostics: &[Diagnostic]) -> String {
        let mut text = String::new();
        for Diagnostic { path, line, severity, message, source, code } in diagnostics {
            let shown = self.surroundings.workspace.resolve(path).map_or_else(|_| path.clone(), |found| found.shown);
            let by: Vec<_> = source.iter().chain(code).map(String::as_str).collect();
            let by = if by.is_empty() { String::new() } else { format!(" [{}]", by.join(" ")) };
            // Writing to a string cannot fail.
            let _ =
                writeln!(text, "{shown}:{line}: {}:{by} {}", severity.name(), message.trim().replace('\n', "\n    "));
        }
        if text.is_empty() {
            text.push_str("none\n");
        }
        let rest = |line| format!("clipped here: {} in all, told up to line {line}", diagnostics.len());
        format!("<diagnostics>\n{}\n</diagnostics>", self.within(&text, rest))
    }

    fn url(&mut self, url: &str) -> String {
        let is_web = ["http://", "https://"].iter().any(|scheme| {
            url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)) && url.len() > scheme.len()
        });
        if !is_web || url.chars().any(|char| char.is_whitespace() || char.is_control()) {
            return self.cannot_show(url, "it is no address on the web, which begins with https:// or http://");
        }
        format!(
            "The person points to <{url}>. What is there has not been looked at; if it matters and you have the tool \
             `web_fetch`, fetch it."
        )
    }

    fn image(&mut self, image: &Image) -> Content {
        match checked_image(image) {
            Ok(image) => Content::Image(image),
            Err(error) => Content::Text { text: self.cannot_show("an image", &error) },
        }
    }

    /// Tells the person, and gives what the model is told.
    fn cannot_show(&mut self, what: &str, error: &str) -> String {
        self.warnings.push(format!("The model was not shown {what}: {error}."));
        format!("[The person points to {what} which cannot be shown here: {error}.]")
    }
}

impl Severity {
    fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Information => "information",
            Self::Hint => "hint",
        }
    }
}

/// An attribute's value.
fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('"', "&quot;").replace('\n', " "))
}
