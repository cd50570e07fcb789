//! Shows what was left out of a long result.

use std::io::{BufRead, BufReader, Read};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Budget, Context, Output, Proposal, ToolError, Typed, grep,
    page::{Page, room, with_notes},
    stopped,
};

pub struct ReadOutput;

/// Reads on in a result that was too long to be shown whole, or searches it. The result says its id.
///
/// Each line comes as its number, right-aligned in six columns, a tab, and the line itself. Without a limit you get up to
/// 2000 lines; a note says how to go on. With a pattern you get the lines that match.
#[derive(Deserialize, JsonSchema)]
pub struct Input {
    /// The id that the result gave.
    id: String,
    /// The first line to show, from 1.
    offset: Option<usize>,
    /// How many lines to show.
    limit: Option<usize>,
    /// For lines too long to be shown whole: the character, from 1, to begin each line at.
    column: Option<usize>,
    /// A regular expression: only the lines that it matches, wherever they are.
    pattern: Option<String>,
}

#[async_trait]
impl Typed for ReadOutput {
    const NAME: &'static str = "read_output";
    const READS_ONLY: bool = true;
    type Input = Input;

    async fn propose(&self, input: &Input, _: &Context) -> Result<Proposal, ToolError> {
        Ok(Proposal::harmless(match &input.pattern {
            Some(pattern) => format!("Search an output for {}", super::shortened(pattern, 60)),
            None => "Read on in an output".to_owned(),
        }))
    }

    async fn run(&self, input: Input, context: &Context) -> Result<Output, ToolError> {
        // Models that know it as a path write it as one.
        let id = input.id.strip_prefix("output:").unwrap_or(&input.id).to_owned();
        let Some(output) = context.outputs.open(&id) else {
            let message = format!("no output is kept under the id {id}: it was short, too long ago, or never was");
            return Err(ToolError::new(message));
        };
        let budget = context.budget;
        let reading = tokio::task::spawn_blocking(move || match &input.pattern {
            Some(pattern) => grep::search_output(pattern, input.limit, output),
            None => page(&id, &input, budget, output),
        });
        reading.await.map_err(|_| stopped())?.map(Output::text)
    }
}

fn page(id: &str, input: &Input, budget: Budget, output: impl Read) -> Result<String, ToolError> {
    let mut page = Page::new(input.offset, input.limit, input.column, room(budget));
    let failed = |error: std::io::Error| ToolError::new(format!("the kept output cannot be read: {error}"));
    let mut output = BufReader::with_capacity(64 << 10, output);
    let what = format!("the output {id}");
    for skipped in 0..page.first {
        if output.skip_until(b'\n').map_err(failed)? == 0 {
            return Err(page.past_the_end(&what, skipped));
        }
    }
    let mut line = Vec::new();
    while page.has_room() {
        line.clear();
        if output.read_until(b'\n', &mut line).map_err(failed)? == 0 {
            let is_past = page.lines == 0;
            return if is_past { Err(page.past_the_end(&what, page.first)) } else { Ok(with_notes(page.text, &[])) };
        }
        let line = String::from_utf8_lossy(&line);
        page.push(line.trim_end_matches(['\r', '\n']));
    }
    let has_more = output.read(&mut [0]).map_err(failed)? > 0;
    let note = format!("lines {} to {}; go on with offset {}", page.first + 1, page.next() - 1, page.next());
    Ok(with_notes(page.text, if has_more { std::slice::from_ref(&note) } else { &[] }))
}
