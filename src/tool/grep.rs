//! Searches the text of files, as the editor shows it where they are open.

mod hits;
mod matcher;

use std::{io::Read, sync::Mutex};

use async_trait::async_trait;
use grep_matcher::Matcher;
use grep_regex::RegexMatcherBuilder;
use grep_searcher::{BinaryDetection, Searcher, SearcherBuilder};
use ignore::{
    WalkState,
    types::{Types, TypesBuilder},
};
use schemars::JsonSchema;
use serde::Deserialize;

use self::{
    hits::{Collected, Hits, Wanted},
    matcher::LineMatcher,
};
use super::{
    Context, Output, Proposal, ToolError, Typed,
    files::{self, Filter, Pattern, Scope},
    stopped,
};

/// Lines or files that are shown when the model does not say how many.
const LIMIT: usize = 200;

/// What a file may take of memory at once, in bytes: its longest line, or all of it where matches may span lines.
const HEAP: usize = 64 << 20;

/// What a regular expression may take of memory, in bytes, and what its cache may. Chosen: no sane one comes near.
const REGEX: usize = 10 << 20;
const REGEX_CACHE: usize = 16 << 20;

/// The most lines of context, before and after.
const CONTEXT: usize = 50;

pub struct Grep;

/// Searches files for a regular expression (Rust's syntax, as in ripgrep) and shows the lines it matches.
///
/// Files that are open in the editor are searched as the editor shows them, saved or not, new ones too. Binary files,
/// hidden files and those that .gitignore or .ignore exclude are left out. Results are sorted by path. Use this in place of
/// grep or rg in bash.
#[derive(Deserialize, JsonSchema)]
pub struct Input {
    /// The regular expression. A brace, a parenthesis or a dot that is meant as such needs a backslash.
    pattern: String,
    /// The file or folder to search: all roots of the workspace if absent.
    path: Option<String>,
    /// Only files with such names, like `*.rs` or `src/**/*.{ts,tsx}`; with `!` in front, only others.
    glob: Option<String>,
    /// Only files of this type, by ripgrep's names: rust, py, ts, js, go, java, c, cpp, md ...
    #[serde(rename = "type")]
    kind: Option<String>,
    /// `content` shows the lines (the default), `files` only the paths, `counts` how many lines match in each.
    output_mode: Option<OutputMode>,
    /// Lines of context before each match.
    before: Option<usize>,
    /// Lines of context after each match.
    after: Option<usize>,
    /// Lines of context on both sides.
    context: Option<usize>,
    /// Whether upper and lower case are the same.
    case_insensitive: Option<bool>,
    /// Whether a match may span lines; then `.` matches line ends, too.
    multiline: Option<bool>,
    /// Also hidden and ignored files.
    all: Option<bool>,
    /// How many matching lines (or paths) to show at most: 200 if absent, never more than
    /// 2000.
    limit: Option<usize>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum OutputMode {
    #[default]
    Content,
    Files,
    Counts,
}

struct Search {
    scope: Scope,
    matcher: LineMatcher,
    searcher: SearcherBuilder,
    wanted: Wanted,
}

#[async_trait]
impl Typed for Grep {
    const NAME: &'static str = "grep";
    const DOES: &'static str = "search for";
    const READS_ONLY: bool = true;
    type Input = Input;

    async fn propose(&self, input: &Input, context: &Context) -> Result<Proposal, ToolError> {
        let search = Search::new(input, context).await?;
        let mut title = format!("Search for {}", super::shortened(&input.pattern, 60));
        if let Some(path) = &input.path {
            title += &format!(" in {path}");
        }
        let proposal = files::proposal(title, &search.scope.starts);
        context.prepared.keep(search);
        Ok(proposal)
    }

    async fn run(&self, input: Input, context: &Context) -> Result<Output, ToolError> {
        let search = match context.prepared.take::<Search>() {
            Some(search) => search,
            None => Search::new(&input, context).await?,
        };
        let context_of_run = context.clone();
        let searching = tokio::task::spawn_blocking(move || search.run(&context_of_run));
        let text = searching.await.map_err(|_| stopped())??;
        if context.cancel.is_cancelled() {
            return Err(stopped());
        }
        Ok(Output::text(text))
    }
}

impl Search {
    async fn new(input: &Input, context: &Context) -> Result<Self, ToolError> {
        // A pattern that names a line end can only be meant so.
        let multiline =
            input.multiline.unwrap_or(false) || input.pattern.contains(r"\n") || input.pattern.contains('\n');
        let pattern = input.glob.as_deref().map(|glob| Pattern::new(glob, false)).transpose()?;
        let types = input.kind.as_deref().map_or(Ok(Types::empty()), types)?;
        let filter = Filter { pattern, types, all: input.all.unwrap_or(false) };
        let starts = files::starts(input.path.as_deref(), context)?;
        context.workspace.refresh().await;
        let scope = Scope::new(starts, input.path.is_none(), filter, context);
        let mode = input.output_mode.unwrap_or_default();
        let lines = |asked: Option<usize>| match mode {
            OutputMode::Content => asked.or(input.context).unwrap_or(0).min(CONTEXT),
            OutputMode::Files | OutputMode::Counts => 0,
        };
        let (pattern, any_case) = (input.pattern.clone(), input.case_insensitive.unwrap_or(false));
        // Some patterns take a while to compile.
        let compiling = tokio::task::spawn_blocking(move || matcher(&pattern, any_case, multiline));
        let matcher = compiling.await.map_err(|_| stopped())??;
        let mut searcher = searcher(&matcher, multiline, mode);
        searcher.before_context(lines(input.before)).after_context(lines(input.after));
        let wanted = Wanted { mode, limit: input.limit.unwrap_or(LIMIT).clamp(1, files::MOST) };
        Ok(Self { scope, matcher, searcher, wanted })
    }

    fn run(&self, context: &Context) -> Result<String, ToolError> {
        let collected = Mutex::new(Collected::new(self.wanted));
        files::exist(&self.scope)?;
        self.search_files(context, &collected);
        let collected = collected.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut text = collected.text(|path| self.scope.shown(path));
        let accepts = |path: &std::path::Path| self.scope.filter.accepts(self.scope.start_of(path), path);
        let overtaken = self.scope.buffers.iter().filter(|(path, buffer)| buffer.overtaken && accepts(path));
        let mut overtaken: Vec<String> = overtaken.map(|(path, _)| self.scope.shown(path)).collect();
        if !overtaken.is_empty() {
            overtaken.sort_unstable();
            let these = overtaken.join(", ");
            text += &format!("\n[on the disk these have another text, which the editor does not show: {these}]");
        }
        Ok(text)
    }

    fn search_files(&self, context: &Context, collected: &Mutex<Collected>) {
        let scope = &self.scope;
        let search_buffer = |searcher: &mut Searcher, hits: &mut Hits, text: &ropey::Rope| {
            let whole;
            let bytes = match text.len_bytes() == text.chunk_at_byte(0).0.len() {
                true => text.chunk_at_byte(0).0.as_bytes(),
                false => {
                    whole = text.to_string();
                    whole.as_bytes()
                }
            };
            searcher.search_slice(&self.matcher, bytes, hits)
        };
        let keep = |path: &std::path::Path, hits: &mut Hits| {
            if hits.any()
                && let Ok(mut collected) = collected.lock()
            {
                collected.add(path, hits);
            }
        };
        let skip = || {
            if let Ok(mut collected) = collected.lock() {
                collected.skip();
            }
        };
        let mut searcher = self.searcher.build();
        for (path, buffer) in scope.only_open() {
            let mut hits = Hits::new(&self.matcher, self.wanted);
            if search_buffer(&mut searcher, &mut hits, &buffer.text).is_ok() {
                keep(path, &mut hits);
            }
        }
        let Some(mut walk) = scope.walk() else { return };
        walk.threads(std::thread::available_parallelism().map_or(1, usize::from));
        walk.build_parallel().run(|| {
            let mut searcher = self.searcher.build();
            // A matcher of its own spares the threads a lock.
            let matcher = self.matcher.clone();
            Box::new(move |entry| {
                if context.cancel.is_cancelled() {
                    return WalkState::Quit;
                }
                let Ok(entry) = entry else { return WalkState::Continue };
                let path = entry.path();
                let is_file = entry.file_type().is_some_and(|kind| kind.is_file());
                if !is_file || !scope.filter.accepts(scope.start_of(path), path) {
                    return WalkState::Continue;
                }
                let mut hits = Hits::new(&matcher, self.wanted);
                let searched = match scope.buffers.get(path) {
                    Some(buffer) => search_buffer(&mut searcher, &mut hits, &buffer.text),
                    None => searcher.search_path(&matcher, path, &mut hits),
                };
                match searched {
                    Ok(()) => keep(path, &mut hits),
                    Err(error) if is_too_large(&error) => skip(),
                    // A file that cannot be read, or vanished, has no matches.
                    Err(_) => {}
                }
                WalkState::Continue
            })
        });
    }
}

fn searcher(matcher: &LineMatcher, multiline: bool, mode: OutputMode) -> SearcherBuilder {
    let mut searcher = SearcherBuilder::new();
    searcher
        .multi_line(multiline)
        .line_terminator(matcher.line_terminator().unwrap_or_default())
        .line_number(mode == OutputMode::Content)
        .heap_limit(Some(HEAP))
        // What holds a NUL is no text.
        .binary_detection(BinaryDetection::quit(0));
    searcher
}

/// The lines of a kept output that match.
pub(super) fn search_output(pattern: &str, limit: Option<usize>, output: impl Read) -> Result<String, ToolError> {
    let matcher = matcher(pattern, false, false)?;
    let wanted = Wanted { mode: OutputMode::Content, limit: limit.unwrap_or(LIMIT).clamp(1, files::MOST) };
    let mut hits = Hits::new(&matcher, wanted);
    // What a program prints may hold anything.
    let mut searcher = searcher(&matcher, false, wanted.mode).binary_detection(BinaryDetection::none()).build();
    let searched = searcher.search_reader(&matcher, output, &mut hits);
    searched.map_err(|error| ToolError::new(format!("the kept output cannot be read: {error}")))?;
    let mut collected = Collected::new(wanted);
    collected.add("output".as_ref(), &mut hits);
    Ok(collected.text(|path| path.display().to_string()))
}

/// True for the searcher's own error, that [`HEAP`] is not enough: it has no kind, as errors of the system have.
fn is_too_large(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::Other && error.raw_os_error().is_none()
}

fn matcher(pattern: &str, any_case: bool, multiline: bool) -> Result<LineMatcher, ToolError> {
    let mut builder = RegexMatcherBuilder::new();
    builder.multi_line(true).case_insensitive(any_case).size_limit(REGEX).dfa_size_limit(REGEX_CACHE);
    // Lines of Windows end before their \r. Only where it matters, since it costs speed.
    builder.crlf(pattern.contains('$'));
    if multiline {
        builder.dot_matches_new_line(true).line_terminator(None);
    } else if !pattern.contains('$') {
        builder.line_terminator(Some(b'\n'));
    }
    let regex = builder.build(pattern).map_err(|error| {
        ToolError::new(format!("`{pattern}` is no regular expression: {error}. To search for it as it is, escape it"))
    })?;
    Ok(if multiline || any_case { LineMatcher::plain(regex) } else { LineMatcher::new(regex, pattern) })
}

fn types(name: &str) -> Result<Types, ToolError> {
    let mut builder = TypesBuilder::new();
    builder.add_defaults();
    let known = builder.definitions();
    if known.iter().all(|definition| definition.name() != name) {
        let mut near: Vec<_> = known.iter().map(|known| (files::likeness(known.name(), name), known.name())).collect();
        near.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        let near: Vec<&str> = near.iter().take(5).map(|(_, name)| *name).collect();
        let message =
            format!("there is no file type `{name}`; did you mean one of {}? A glob does, too", near.join(", "));
        return Err(ToolError::new(message));
    }
    builder.select(name).build().map_err(|error| ToolError::new(error.to_string()))
}
