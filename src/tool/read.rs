//! Shows a file, or what the editor has of it.

use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_STANDARD};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Context, Output, Proposal, ToolError, Typed, files, lines,
    page::{self, Page, with_notes},
    stopped,
};
use crate::{
    transcript::{Image, ResultContent},
    workspace::{Location, ReadError, Snapshot, Workspace},
};

/// The largest image: 5 MB in base64, which is what providers take.
const IMAGE: u64 = 3_750_000;

pub struct Read;

/// Reads a file, as the editor shows it where it is open, saved or not.
///
/// Each line comes as its number, right-aligned in six columns, a tab, and the line itself: the number and the tab are not
/// part of the file. Without a limit you get up to 2000 lines; a note says how to go on. Images (PNG, JPEG, GIF, WebP) are
/// shown as images.
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
    const READS_ONLY: bool = true;
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
        let location = resolve(&input.path, context)?;
        let proposal = Proposal {
            paths: vec![location.path.clone()],
            outside: !location.inside,
            ..Proposal::harmless(format!("Read {}{lines}", location.shown))
        };
        context.prepared.keep(location);
        Ok(proposal)
    }

    async fn run(&self, input: Input, context: &Context) -> Result<Output, ToolError> {
        let location = match context.prepared.take::<Location>() {
            Some(location) => location,
            None => resolve(&input.path, context)?,
        };
        if let Some(image) = image_at(&location, &context.workspace).await? {
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
        let room = page::room(context.budget);
        let (text, whole) = page(&snapshot, &location, &input, room)?;
        // What is cut from it later was not read.
        let whole = whole && text.len() <= context.budget.text;
        context.seen.note(&location, &snapshot, whole);
        Ok(Output::text(text))
    }
}

fn resolve(path: &str, context: &Context) -> Result<Location, ToolError> {
    context.workspace.resolve(path).map_err(|error| ToolError::new(error.to_string()))
}

/// The lines from `first` to `last` (from 1, both included), or all, as `read` shows them, and whether that is the whole
/// text. After `room` bytes the rest is left out, with a note that says how to read it.
pub fn shown_lines(
    snapshot: &Snapshot,
    location: &Location,
    lines: Option<(usize, usize)>,
    room: usize,
) -> Result<(String, bool), ToolError> {
    let limit = lines.map(|(first, last)| last.saturating_sub(first.max(1)) + 1);
    let path = location.shown.clone();
    let input = Input { path, offset: lines.map(|(first, _)| first), limit, column: None };
    page(snapshot, location, &input, room.min(page::BYTES))
}

/// The page and whether it is the whole text.
fn page(snapshot: &Snapshot, location: &Location, input: &Input, room: usize) -> Result<(String, bool), ToolError> {
    let total = lines::count(&snapshot.text);
    let mut page = Page::new(input.offset, input.limit, input.column, room);
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
    notes.extend(snapshot.encoding.map(str::to_owned));
    if snapshot.unsaved {
        notes.push("the editor shows this, with changes that are not saved yet".to_owned());
    }
    if snapshot.overtaken {
        notes.push(format!(
            "on the disk {} has another text, which the editor does not show: see it with bash, and have the person \
             reload the file or save it",
            location.shown
        ));
    }
    let whole = page.first == 0 && ends && !page.clipped && page.column == 0;
    Ok((with_notes(page.text, &notes), whole))
}

/// The image, if the file is one by its name and its first bytes.
pub async fn image_at(location: &Location, workspace: &Workspace) -> Result<Option<Image>, ToolError> {
    let extension = location.path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    if !matches!(extension.as_deref(), Some("png" | "jpg" | "jpeg" | "gif" | "webp")) {
        return Ok(None);
    }
    match workspace.read_bytes(location, IMAGE).await {
        Ok(bytes) => Ok(image_of(&bytes)),
        Err(ReadError::TooLarge { shown, size, .. }) => Err(ToolError::new(format!(
            "{shown} has {size} bytes, more than the {IMAGE} an image may have: make a smaller copy first"
        ))),
        // The text's way gives the error its words.
        Err(_) => Ok(None),
    }
}

/// The image that these bytes are, by the first of them: PNG, JPEG, GIF or WebP.
fn image_of(bytes: &[u8]) -> Option<Image> {
    let media_type = image_type(bytes)?.to_owned();
    Some(Image { media_type, data: BASE64_STANDARD.encode(bytes) })
}

/// The same image as the model can be shown it, whatever it is said to be.
///
/// # Errors
/// What is wrong with it, for the person and the model.
pub fn checked_image(image: &Image) -> Result<Image, String> {
    // Before decoding: a third more than the bytes.
    if image.data.len() as u64 > IMAGE.div_ceil(3) * 4 {
        return Err(format!("it is larger than the {IMAGE} bytes an image may have: make a smaller copy"));
    }
    let bytes = BASE64_STANDARD.decode(image.data.trim()).map_err(|error| format!("its base64 is broken: {error}"))?;
    image_of(&bytes).ok_or_else(|| "it is neither PNG, JPEG, GIF nor WebP".to_owned())
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
