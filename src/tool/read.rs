//! Shows a file, or what the editor has of it.

use std::io::{BufRead, BufReader, Read as _};

use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_STANDARD};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Class, Context, Output, Proposal, ToolError, Typed, files, lines, stopped};
use crate::{
    transcript::{Image, ResultContent},
    workspace::{Location, ReadError, Snapshot},
};

/// Lines that are shown when the model does not say how many.
const LINES: usize = 2_000;

/// Characters that are shown at most. Chosen: some 20,000 tokens.
const PAGE: usize = 80_000;

/// The largest image: 5 MB in base64, which is what providers take.
const IMAGE: u64 = 3_750_000;

pub struct Read;

/// Reads a file, as the editor shows it where it is open, saved or not.
///
/// Each line comes as its number, right-aligned in six columns, a tab, and the line itself: the number and the tab are not
/// part of the file. Without a limit you get up to 2000 lines; a note says how to go on. Images (PNG, JPEG, GIF, WebP) are
/// shown as images. A long output of a command is read under the path `output:<call id>` that its result named.
#[derive(Deserialize, JsonSchema)]
pub struct Input {
    /// The file: absolute, or relative to the first root of the workspace.
    path: String,
    /// The first line to show, from 1.
    offset: Option<usize>,
    /// How many lines to show.
    limit: Option<usize>,
    /// For lines too long to be shown whole: the character, from 1, to begin each line at.
    column: Option<usize>,
}

#[async_trait]
impl Typed for Read {
    const NAME: &'static str = "read";
    type Input = Input;

    async fn propose(&self, input: &Input, context: &Context) -> Result<Proposal, ToolError> {
        let lines = match (input.offset, input.limit) {
            (None | Some(0 | 1), None) => String::new(),
            (first, None) => format!(" from line {}", first.unwrap_or(1)),
            (first, Some(limit)) => {
                let first = first.unwrap_or(1).max(1);
                format!(", lines {first} to {}", first.saturating_add(limit.max(1)) - 1)
            }
        };
        let mut proposal = Proposal {
            class: Class::Read,
            title: format!("Read {}{lines}", input.path),
            paths: Vec::new(),
            outside: false,
            command: None,
            diff: None,
            risk: None,
        };
        if !input.path.starts_with("output:") {
            let location = resolve(&input.path, context)?;
            proposal.title = format!("Read {}{lines}", location.shown);
            proposal.outside = !location.inside;
            proposal.paths.push(location.path.clone());
            context.prepared.keep(location);
        }
        Ok(proposal)
    }

    async fn run(&self, input: Input, context: &Context) -> Result<Output, ToolError> {
        if let Some(call_id) = input.path.strip_prefix("output:") {
            return read_output(call_id, &input, context).await;
        }
        let location = match context.prepared.take::<Location>() {
            Some(location) => location,
            None => resolve(&input.path, context)?,
        };
        if let Some(image) = read_image(&location, context).await? {
            return Ok(Output { content: vec![ResultContent::Image(image)], diff: None });
        }
        let snapshot = tokio::select! {
            biased;
            () = context.cancel.cancelled() => return Err(stopped()),
            snapshot = context.workspace.read(&location) => snapshot,
        };
        let snapshot = match snapshot {
            Ok(snapshot) => snapshot,
            Err(error) => return Err(explained(error, &location, context).await),
        };
        let (text, whole) = page(&snapshot, &location, &input)?;
        context.seen.note(&location, &snapshot, whole);
        Ok(Output::text(text))
    }
}

fn resolve(path: &str, context: &Context) -> Result<Location, ToolError> {
    context.workspace.resolve(path).map_err(|error| ToolError::new(error.to_string()))
}

/// What a page has shown so far.
struct Page {
    text: String,
    /// Of the first line, from 0.
    first: usize,
    lines: usize,
    limit: usize,
    column: usize,
    clipped: bool,
}

impl Page {
    fn new(input: &Input) -> Self {
        Self {
            text: String::new(),
            first: input.offset.unwrap_or(1).max(1) - 1,
            lines: 0,
            limit: input.limit.unwrap_or(LINES).max(1),
            column: input.column.unwrap_or(1).max(1) - 1,
            clipped: false,
        }
    }

    fn has_room(&self) -> bool {
        self.lines < self.limit && self.text.len() < PAGE
    }

    fn push(&mut self, line: &str) {
        self.clipped |= !lines::push_line(&mut self.text, self.first + self.lines + 1, line, self.column);
        self.lines += 1;
    }

    /// The number of the first line that is not on the page.
    fn next(&self) -> usize {
        self.first + self.lines + 1
    }

    fn past_the_end(&self, what: &str, total: usize) -> ToolError {
        let lines = if total == 1 { "1 line".to_owned() } else { format!("{total} lines") };
        ToolError::new(format!("{what} has {lines}, so there is nothing at line {}", self.first + 1))
    }
}

/// The page and whether it is the whole text.
fn page(snapshot: &Snapshot, location: &Location, input: &Input) -> Result<(String, bool), ToolError> {
    let total = lines::count(&snapshot.text);
    let mut page = Page::new(input);
    let mut notes = Vec::new();
    if total == 0 {
        notes.push(format!("{} is empty", location.shown));
    } else if page.first >= total {
        return Err(page.past_the_end(&location.shown, total));
    }
    let mut following = snapshot.text.lines_at(page.first.min(snapshot.text.len_lines()));
    while page.has_room()
        && page.first + page.lines < total
        && let Some(line) = following.next()
    {
        page.push(&lines::bare(line));
    }
    let ends = page.first + page.lines >= total;
    if !ends {
        notes.push(format!(
            "lines {} to {} of {total}; go on with offset {}",
            page.first + 1,
            page.next() - 1,
            page.next()
        ));
    }
    if ends && total > 0 && !matches!(snapshot.text.char(snapshot.text.len_chars() - 1), '\n' | '\r') {
        notes.push("no line end at the end".to_owned());
    }
    if snapshot.unsaved {
        notes.push("the editor shows this, with changes that are not saved yet".to_owned());
    }
    let whole = page.first == 0 && ends && !page.clipped && page.column == 0;
    Ok((with_notes(page.text, &notes), whole))
}

fn with_notes(mut text: String, notes: &[String]) -> String {
    for note in notes {
        text += &format!("[{note}]\n");
    }
    text.pop();
    text
}

async fn read_output(call_id: &str, input: &Input, context: &Context) -> Result<Output, ToolError> {
    let Some(output) = context.outputs.open(call_id) else {
        let message =
            format!("there is no output kept for the call {call_id}: it was short, too long ago, or never was");
        return Err(ToolError::new(message));
    };
    let mut page = Page::new(input);
    let call_id = call_id.to_owned();
    let read = move || {
        let mut output = BufReader::with_capacity(64 << 10, output);
        for skipped in 0..page.first {
            if output.skip_until(b'\n')? == 0 {
                return Ok(Err(page.past_the_end(&format!("output:{call_id}"), skipped)));
            }
        }
        let mut line = Vec::new();
        while page.has_room() {
            line.clear();
            if output.read_until(b'\n', &mut line)? == 0 {
                let past = page.lines == 0;
                return Ok(if past {
                    Err(page.past_the_end(&format!("output:{call_id}"), page.first))
                } else {
                    Ok(with_notes(page.text, &[]))
                });
            }
            let line = String::from_utf8_lossy(&line);
            page.push(line.trim_end_matches(['\r', '\n']));
        }
        let more = output.read(&mut [0])? > 0;
        let note = format!("lines {} to {}; go on with offset {}", page.first + 1, page.next() - 1, page.next());
        Ok::<_, std::io::Error>(Ok(with_notes(page.text, if more { std::slice::from_ref(&note) } else { &[] })))
    };
    match tokio::task::spawn_blocking(read).await {
        Ok(Ok(text)) => Ok(Output::text(text?)),
        Ok(Err(error)) => Err(ToolError::new(format!("the kept output cannot be read: {error}"))),
        Err(_) => Err(stopped()),
    }
}

/// The image, if the file is one by its name and its first bytes.
async fn read_image(location: &Location, context: &Context) -> Result<Option<Image>, ToolError> {
    let extension = location.path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    if !matches!(extension.as_deref(), Some("png" | "jpg" | "jpeg" | "gif" | "webp")) {
        return Ok(None);
    }
    match context.workspace.read_bytes(location, IMAGE).await {
        Ok(bytes) => Ok(image_type(&bytes)
            .map(|media_type| Image { media_type: media_type.to_owned(), data: BASE64_STANDARD.encode(&bytes) })),
        Err(ReadError::TooLarge { shown, size, .. }) => Err(ToolError::new(format!(
            "{shown} has {size} bytes, more than the {IMAGE} an image may have: make a smaller copy first"
        ))),
        // The text's way gives the error its words.
        Err(_) => Ok(None),
    }
}

fn image_type(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', 0x0D, 0x0A, 0x1A, 0x0A, ..] => Some("image/png"),
        [0xFF, 0xD8, 0xFF, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

/// The error with what to do instead.
async fn explained(error: ReadError, location: &Location, context: &Context) -> ToolError {
    let message = match &error {
        ReadError::NotFound(_) => {
            let near = files::near_names(location, context).await;
            let hint = match near.as_slice() {
                [] => String::new(),
                near => format!("; did you mean {}?", near.join(" or ")),
            };
            format!("{error}{hint}")
        }
        ReadError::Binary(_) => format!("{error}: look at it with bash, for example with file, strings or xxd"),
        _ => error.to_string(),
    };
    ToolError::new(message)
}
