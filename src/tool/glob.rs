//! Finds files by name.

use std::{path::PathBuf, sync::Mutex, time::SystemTime};

use async_trait::async_trait;
use ignore::{WalkState, types::Types};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Context, Output, Proposal, ToolError, Typed,
    files::{self, Filter, Pattern, Scope},
    stopped,
};

/// Paths that are listed when the model does not say how many.
const LIMIT: usize = 100;

pub struct Glob;

/// Finds files by a glob pattern, the most recently changed first.
///
/// A pattern without a slash, like `*.rs`, finds names at any depth; one with a slash, like `src/**/*.{ts,tsx}`, is for the
/// whole path. Hidden files and those that .gitignore or .ignore exclude are left out, unless the pattern names something
/// hidden or `all` is set. Files that are open in the editor and not saved yet are found, too.
#[derive(Deserialize, JsonSchema)]
pub struct Input {
    /// The glob pattern.
    pattern: String,
    /// The folder to look in: all roots of the workspace if absent.
    path: Option<String>,
    /// Also hidden and ignored files.
    all: Option<bool>,
    /// How many paths to list at most: 100 if absent, never more than 2000.
    limit: Option<usize>,
}

struct Search {
    scope: Scope,
    limit: usize,
}

#[async_trait]
impl Typed for Glob {
    const NAME: &'static str = "glob";
    const DOES: &'static str = "find";
    const READS_ONLY: bool = true;
    type Input = Input;

    async fn propose(&self, input: &Input, context: &Context) -> Result<Proposal, ToolError> {
        let search = Search::new(input, context)?;
        let mut title = format!("Find {}", input.pattern);
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
            None => Search::new(&input, context)?,
        };
        files::exist(&search.scope)?;
        let cancel = context.cancel.clone();
        let found = tokio::task::spawn_blocking(move || search.run(|| cancel.is_cancelled()));
        let text = found.await.map_err(|_| stopped())?;
        if context.cancel.is_cancelled() {
            return Err(stopped());
        }
        Ok(Output::text(text))
    }
}

impl Search {
    fn new(input: &Input, context: &Context) -> Result<Self, ToolError> {
        let (folder, pattern) = split(&input.pattern);
        let path = match (&input.path, folder) {
            (None, "") => None,
            (None, folder) => Some(folder.to_owned()),
            (Some(path), "") => Some(path.clone()),
            (Some(path), folder) => Some(PathBuf::from(path).join(folder).to_string_lossy().into_owned()),
        };
        let starts = files::starts(path.as_deref(), context)?;
        let all = input.all.unwrap_or(false);
        let filter = Filter { pattern: Some(Pattern::new(pattern, !folder.is_empty())?), types: Types::empty(), all };
        let scope = Scope::new(starts, path.is_none(), filter, context);
        Ok(Self { scope, limit: input.limit.unwrap_or(LIMIT).clamp(1, files::MOST) })
    }

    fn run(&self, is_cancelled: impl Fn() -> bool + Sync) -> String {
        let scope = &self.scope;
        let found: Mutex<Vec<(SystemTime, PathBuf)>> = Mutex::default();
        let take = |changed: SystemTime, path: PathBuf| {
            if let Ok(mut found) = found.lock() {
                found.push((changed, path));
            }
        };
        let now = SystemTime::now();
        // What the person types at this moment is the newest there is.
        scope.only_open().for_each(|(path, _)| take(now, path.clone()));
        if let Some(mut walk) = scope.walk() {
            walk.threads(std::thread::available_parallelism().map_or(1, usize::from));
            walk.build_parallel().run(|| {
                Box::new(|entry| {
                    if is_cancelled() {
                        return WalkState::Quit;
                    }
                    let Ok(entry) = entry else { return WalkState::Continue };
                    let is_file = entry.file_type().is_some_and(|kind| !kind.is_dir());
                    if is_file && scope.filter.accepts(scope.start_of(entry.path()), entry.path()) {
                        let unsaved = scope.buffers.get(entry.path()).is_some_and(|buffer| buffer.unsaved);
                        let changed = || entry.metadata().ok()?.modified().ok();
                        let changed = if unsaved { now } else { changed().unwrap_or(SystemTime::UNIX_EPOCH) };
                        take(changed, entry.into_path());
                    }
                    WalkState::Continue
                })
            });
        }
        let mut found = found.into_inner().unwrap_or_default();
        found.sort_unstable_by(|(a, a_path), (b, b_path)| b.cmp(a).then_with(|| a_path.cmp(b_path)));
        if found.is_empty() {
            return "no files found".to_owned();
        }
        let mut text = String::new();
        let mut listed = 0;
        for (_, path) in found.iter().take(self.limit) {
            if text.len() >= files::TEXT {
                break;
            }
            text += &scope.shown(path);
            text.push('\n');
            listed += 1;
        }
        if found.len() > listed {
            let total = found.len();
            text += &format!("[the newest {listed} of {total}; narrow the pattern or raise the limit]\n");
        }
        text.pop();
        text
    }
}

/// A pattern as the folder it begins with, up to the first special character, and the rest. So a pattern may begin with `/`
/// or `..`, and is confined like any path.
fn split(pattern: &str) -> (&str, &str) {
    let special = pattern.find(['*', '?', '[', '{', '!', '\\']).unwrap_or(pattern.len());
    match pattern[..special].rfind('/') {
        Some(0) => ("/", &pattern[1..]),
        Some(at) => (&pattern[..at], &pattern[at + 1..]),
        None => ("", pattern),
    }
}
