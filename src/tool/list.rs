//! Lists a folder.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use ignore::types::Types;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Context, Output, Proposal, ToolError, Typed,
    files::{self, Filter, Scope},
    stopped,
};

/// Entries that are listed when the model does not say how many.
const LIMIT: usize = 300;

/// The deepest a listing goes. Chosen: no tree that fits the limit is deeper.
const DEEPEST: usize = 20;

/// The most entries that are looked at.
const LOOKED_AT: usize = 200_000;

pub struct List;

/// Lists what is in a folder: folders with a slash at the end, sorted by path.
///
/// What is open in the editor and not on the disk yet is listed, too. Hidden entries and those that .gitignore or .ignore
/// exclude are left out, and a note says so. To find files by their names, use glob.
#[derive(Deserialize, JsonSchema)]
pub struct Input {
    /// The folder: absolute, or relative to the first root of the workspace; all roots if absent.
    path: Option<String>,
    /// How deep to go: 1, if absent, is what is in the folder itself.
    depth: Option<usize>,
    /// Also hidden and ignored entries.
    all: Option<bool>,
    /// How many entries to list at most: 300 if absent, never more than 2000.
    limit: Option<usize>,
}

struct Listing {
    scope: Scope,
    depth: usize,
    limit: usize,
}

/// What is known of an entry.
#[derive(Clone, Copy, Default)]
struct Entry {
    is_folder: bool,
    is_link: bool,
    /// It is in the editor only.
    is_new: bool,
}

#[async_trait]
impl Typed for List {
    const NAME: &'static str = "list";
    const READS_ONLY: bool = true;
    type Input = Input;

    async fn propose(&self, input: &Input, context: &Context) -> Result<Proposal, ToolError> {
        let listing = Listing::new(input, context)?;
        let title = format!("List {}", input.path.as_deref().unwrap_or("the workspace"));
        let proposal = files::proposal(title, &listing.scope.starts);
        context.prepared.keep(listing);
        Ok(proposal)
    }

    async fn run(&self, input: Input, context: &Context) -> Result<Output, ToolError> {
        let listing = match context.prepared.take::<Listing>() {
            Some(listing) => listing,
            None => Listing::new(&input, context)?,
        };
        files::exist(&listing.scope)?;
        let cancel = context.cancel.clone();
        let listed = tokio::task::spawn_blocking(move || listing.run(|| cancel.is_cancelled()));
        let text = listed.await.map_err(|_| stopped())??;
        if context.cancel.is_cancelled() {
            return Err(stopped());
        }
        Ok(Output::text(text))
    }
}

impl Listing {
    fn new(input: &Input, context: &Context) -> Result<Self, ToolError> {
        let starts = files::starts(input.path.as_deref(), context)?;
        let filter = Filter { pattern: None, types: Types::empty(), all: input.all.unwrap_or(false) };
        let scope = Scope::new(starts, input.path.is_none(), filter, context);
        let depth = input.depth.unwrap_or(1).clamp(1, DEEPEST);
        Ok(Self { scope, depth, limit: input.limit.unwrap_or(LIMIT).clamp(1, files::MOST) })
    }

    fn run(&self, is_cancelled: impl Fn() -> bool) -> Result<String, ToolError> {
        let scope = &self.scope;
        if let Some(file) = scope.starts.iter().find(|start| start.path.is_file()) {
            return Err(ToolError::new(format!("{} is a file, not a folder: use read to see it", file.shown)));
        }
        let mut found: BTreeMap<PathBuf, Entry> = BTreeMap::new();
        for (path, _) in scope.only_open() {
            self.add_open(path, &mut found);
        }
        let mut is_cut = false;
        if let Some(mut walk) = scope.walk() {
            walk.max_depth(Some(self.depth)).sort_by_file_name(Ord::cmp);
            for entry in walk.build().flatten().filter(|entry| entry.depth() > 0) {
                if is_cancelled() {
                    return Err(stopped());
                }
                is_cut = found.len() >= LOOKED_AT;
                if is_cut {
                    break;
                }
                let kind = entry.file_type();
                let is_link = kind.is_some_and(|kind| kind.is_symlink());
                let entry_kind = Entry { is_folder: kind.is_some_and(|kind| kind.is_dir()), is_link, is_new: false };
                found.insert(entry.into_path(), entry_kind);
            }
        }
        Ok(self.text(&found, is_cut))
    }

    /// A buffer without a file, and the folders above it that are no more on the disk than itself.
    fn add_open(&self, path: &Path, found: &mut BTreeMap<PathBuf, Entry>) {
        let start = self.scope.start_of(path);
        let depth = path.strip_prefix(start).map_or(1, |below| below.components().count());
        for (above, path) in path.ancestors().take_while(|path| *path != start || depth == 0).enumerate() {
            if depth.saturating_sub(above) <= self.depth && (above == 0 || !path.exists()) {
                found.insert(path.to_path_buf(), Entry { is_folder: above > 0, is_new: true, is_link: false });
            }
            if !path.is_absolute() {
                break;
            }
        }
    }

    fn text(&self, found: &BTreeMap<PathBuf, Entry>, is_cut: bool) -> String {
        let mut text = String::new();
        let mut listed = 0;
        for (path, entry) in found.iter().take(self.limit) {
            if text.len() >= files::TEXT {
                break;
            }
            text += &self.scope.shown(path);
            if entry.is_folder {
                text.push('/');
            }
            if entry.is_link {
                text += " (link)";
            }
            if entry.is_new {
                text += " (not saved yet)";
            }
            text.push('\n');
            listed += 1;
        }
        if found.is_empty() {
            text += "(nothing)\n";
        }
        if found.len() > listed {
            let total = if is_cut { format!("more than {LOOKED_AT}") } else { found.len().to_string() };
            text += &format!("[the first {listed} of {total}; list a folder below, or raise the limit]\n");
        }
        let left_out = if is_cut { Vec::new() } else { self.left_out(found) };
        if !left_out.is_empty() {
            text += &format!("[hidden or ignored, left out here: {}; `all` shows them]\n", left_out.join(", "));
        }
        text.pop();
        text
    }

    /// The names in the folder itself that are left out: the first ten.
    fn left_out(&self, found: &BTreeMap<PathBuf, Entry>) -> Vec<String> {
        const NAMED: usize = 10;
        if self.scope.filter.all {
            return Vec::new();
        }
        let entries = self.scope.starts.iter().filter_map(|start| start.path.read_dir().ok());
        let entries = entries.flat_map(|entries| entries.take(LOOKED_AT).flatten());
        let mut left_out: Vec<PathBuf> = entries
            .map(|entry| entry.path())
            .filter(|path| !found.contains_key(path) && !path.ends_with(".git"))
            .collect();
        left_out.sort();
        let more = left_out.len().saturating_sub(NAMED);
        let mut names: Vec<String> = left_out.iter().take(NAMED).map(|path| self.scope.shown(path)).collect();
        if more > 0 {
            names.push(format!("{more} more"));
        }
        names
    }
}
