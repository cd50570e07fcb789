//! Which files a search looks at: those below its folder that no ignore rule excludes, with the open buffers over them.

use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
};

use globset::{GlobBuilder, GlobMatcher};
use ignore::{WalkBuilder, types::Types};
use ropey::Rope;

use super::{Class, Context, Proposal, ToolError};
use crate::workspace::Location;

/// The most lines or paths that a search shows, whatever limit the model asks for.
pub(super) const MOST: usize = 2000;

/// The bytes at which the result of a search ends, after the line that reaches them.
pub(super) const TEXT: usize = 80_000;

/// What a search covers.
pub(super) struct Scope {
    /// Where it starts: folders, files, or an untitled buffer. None is below another.
    pub starts: Vec<Location>,
    /// The open buffers it covers, by path.
    pub buffers: HashMap<PathBuf, Buffer>,
    pub filter: Filter,
}

/// An open buffer.
pub(super) struct Buffer {
    pub text: Rope,
    pub unsaved: bool,
    pub overtaken: bool,
    shown: String,
}

/// Which of the files below a start are meant.
pub(super) struct Filter {
    pub pattern: Option<Pattern>,
    pub types: Types,
    /// Also hidden files and those that ignore rules exclude.
    pub all: bool,
}

/// A glob pattern. Without a slash it is for the name alone, at any depth; with one for the path from the start.
pub(super) struct Pattern {
    matcher: GlobMatcher,
    /// True if it excludes what it matches.
    negated: bool,
    by_name: bool,
    /// It names something hidden itself.
    pub hidden: bool,
}

impl Pattern {
    /// `anchored`: for the path from the start even without a slash.
    pub(super) fn new(pattern: &str, anchored: bool) -> Result<Self, ToolError> {
        let (negated, body) = match pattern.strip_prefix('!') {
            Some(body) => (true, body),
            None => (false, pattern),
        };
        let body = body.trim_start_matches("./");
        let glob = GlobBuilder::new(body).literal_separator(true).build();
        let glob = glob.map_err(|error| ToolError::new(format!("`{pattern}` is no glob pattern: {}", error.kind())))?;
        let hidden = body.split('/').any(|part| part.starts_with('.') && part != "." && part != "..");
        Ok(Self {
            matcher: glob.compile_matcher(),
            negated,
            by_name: !anchored && !body.contains('/'),
            hidden: hidden && !negated,
        })
    }

    /// `path` is relative to the start; empty if it is the start itself, whose name is `name` then.
    fn matches(&self, path: &Path, name: &Path) -> bool {
        let path = if self.by_name || path.as_os_str().is_empty() { name } else { path };
        self.matcher.is_match(path) != self.negated
    }
}

impl Filter {
    pub(super) fn accepts(&self, start: &Path, path: &Path) -> bool {
        let relative = path.strip_prefix(start).unwrap_or(path);
        let name = name(path);
        let by_pattern = || self.pattern.as_ref().is_none_or(|pattern| pattern.matches(relative, name));
        let by_type = || self.types.is_empty() || self.types.matched(path, false).is_whitelist();
        by_type() && by_pattern()
    }

    fn shows_hidden(&self) -> bool {
        self.all || self.pattern.as_ref().is_some_and(|pattern| pattern.hidden)
    }
}

impl Scope {
    /// Below these starts; everything that is open or below a root if there is none.
    pub(super) fn new(starts: Vec<Location>, everything: bool, filter: Filter, context: &Context) -> Self {
        let mut buffers = HashMap::new();
        for buffer in context.workspace.buffers() {
            let Location { path, shown, .. } = buffer.location;
            let covered = match path.is_absolute() {
                true => starts.iter().any(|start| path.starts_with(&start.path)),
                false => everything || starts.iter().any(|start| path == start.path),
            };
            if covered {
                let (text, unsaved, overtaken) = (buffer.text, buffer.unsaved, buffer.overtaken);
                buffers.insert(path, Buffer { text, unsaved, overtaken, shown });
            }
        }
        Self { starts, buffers, filter }
    }

    /// The walk of everything on the disk; `None` if there is nothing there to walk.
    pub(super) fn walk(&self) -> Option<WalkBuilder> {
        let mut folders = self.starts.iter().map(|start| &start.path).filter(|path| path.is_absolute());
        let mut walk = WalkBuilder::new(folders.next()?);
        for folder in folders {
            walk.add(folder);
        }
        // Rules hold as in a repository also where there is none; but rules of folders above count in a repository only,
        // since a home folder may ignore everything.
        let in_repository =
            self.starts.iter().any(|start| start.path.ancestors().any(|path| path.join(".git").exists()));
        walk.require_git(in_repository).parents(in_repository || self.is_partial()).follow_links(false);
        walk.hidden(!self.filter.shows_hidden());
        if self.filter.all {
            walk.ignore(false).git_ignore(false).git_global(false).git_exclude(false);
        }
        walk.filter_entry(|entry| entry.file_name() != ".git" || entry.depth() == 0);
        Some(walk)
    }

    /// Buffers that a walk of the disk does not find: untitled ones, and those that were never saved.
    pub(super) fn only_open(&self) -> impl Iterator<Item = (&PathBuf, &Buffer)> {
        self.buffers.iter().filter(|(path, buffer)| {
            let start = self.start_of(path);
            (!path.is_absolute() || (buffer.unsaved && !path.exists()))
                && (self.filter.shows_hidden() || !is_hidden(path.strip_prefix(start).unwrap_or(path)))
                && self.filter.accepts(start, path)
        })
    }

    /// The start that a path is below.
    pub(super) fn start_of<'a>(&'a self, path: &'a Path) -> &'a Path {
        let start = self.starts.iter().find(|start| path.starts_with(&start.path));
        start.map_or(path, |start| &start.path)
    }

    /// How to name a file to the model and the person.
    pub(super) fn shown(&self, path: &Path) -> String {
        if let Some(buffer) = self.buffers.get(path) {
            return buffer.shown.clone();
        }
        let Some(start) = self.starts.iter().find(|start| path.starts_with(&start.path)) else {
            return path.display().to_string();
        };
        let relative = path.strip_prefix(&start.path).unwrap_or(path);
        let joined = match (start.shown.as_str(), relative.as_os_str().is_empty()) {
            (shown, true) => return shown.to_owned(),
            (".", false) => relative.to_path_buf(),
            (shown, false) => Path::new(shown).join(relative),
        };
        let shown = joined.display().to_string();
        if cfg!(windows) { shown.replace('\\', "/") } else { shown }
    }

    /// Whether it starts somewhere inside of what the person opened, so that rules from above are the project's own.
    fn is_partial(&self) -> bool {
        self.starts.iter().any(|start| start.inside && start.shown != "." && !Path::new(&start.shown).is_absolute())
    }
}

/// The last part of a path; of an untitled buffer's URI what comes after the scheme.
fn name(path: &Path) -> &Path {
    let uri = path.to_str().filter(|_| !path.is_absolute());
    match uri.and_then(|uri| uri.rsplit(['/', ':']).next()) {
        Some(name) => Path::new(name),
        None => path.file_name().map_or(path, Path::new),
    }
}

fn is_hidden(relative: &Path) -> bool {
    relative.components().any(|part| part.as_os_str().to_string_lossy().starts_with('.'))
}

/// Where a search with this `path` starts: there, or at all the roots.
pub(super) fn starts(path: Option<&str>, context: &Context) -> Result<Vec<Location>, ToolError> {
    let resolve = |path: &str| context.workspace.resolve(path).map_err(|error| ToolError::new(error.to_string()));
    let Some(path) = path else {
        let roots = context.workspace.roots();
        let roots = roots.iter().map(|root| resolve(&root.to_string_lossy()));
        let roots = roots.collect::<Result<Vec<_>, _>>()?;
        let is_below_another =
            |root: &Location| roots.iter().any(|other| other.path != root.path && root.path.starts_with(&other.path));
        return Ok(roots.iter().filter(|root| !is_below_another(root)).cloned().collect());
    };
    Ok(vec![resolve(path)?])
}

/// An error unless there is something to search at each of the places.
pub(super) fn exist(scope: &Scope) -> Result<(), ToolError> {
    let missing = scope
        .starts
        .iter()
        .find(|start| !start.path.exists() && scope.buffers.keys().all(|path| !path.starts_with(&start.path)));
    missing.map_or(Ok(()), |start| Err(ToolError::new(format!("{} does not exist", start.shown))))
}

/// The proposal of a search that starts there.
pub(super) fn proposal(title: String, starts: &[Location]) -> Proposal {
    Proposal {
        class: Class::Read,
        title,
        paths: starts.iter().map(|start| start.path.clone()).collect(),
        outside: starts.iter().any(|start| !start.inside),
        command: None,
        host: None,
        diff: None,
        risk: None,
        alone: false,
    }
}

/// Names of files that a missing one may be meant for: alike ones in its folder, and the same name elsewhere. At most 3.
pub(super) async fn near_names(location: &Location, context: &Context) -> Vec<String> {
    /// How many files are looked at.
    const LOOKED_AT: usize = 20_000;
    let Ok(starts) = starts(None, context) else { return Vec::new() };
    let filter = Filter { pattern: None, types: Types::empty(), all: false };
    let scope = Scope::new(starts, true, filter, context);
    let missing = location.clone();
    let looking = tokio::task::spawn_blocking(move || {
        let Some(name) = missing.path.file_name().map(|name| name.to_string_lossy().to_lowercase()) else {
            return Vec::new();
        };
        let walked = scope.walk().into_iter().flat_map(|walk| walk.build().flatten().map(|entry| entry.into_path()));
        let siblings = missing.path.parent().filter(|_| missing.inside).and_then(|folder| folder.read_dir().ok());
        let siblings = siblings.into_iter().flatten().flatten().map(|entry| entry.path());
        let open = scope.buffers.keys().cloned();
        let candidates: BTreeSet<PathBuf> = siblings.chain(open).chain(walked).take(LOOKED_AT).collect();
        let mut near: Vec<(f32, PathBuf)> = candidates
            .into_iter()
            .filter_map(|path| {
                let other = path.file_name()?.to_string_lossy().to_lowercase();
                let alike = match other == name {
                    true => 1.0,
                    false if path.parent() == missing.path.parent() => likeness(&name, &other),
                    false => 0.0,
                };
                (alike > 0.6).then_some((alike, path))
            })
            .collect();
        near.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        near.iter().take(3).map(|(_, path)| scope.shown(path)).collect()
    });
    looking.await.unwrap_or_default()
}

/// From 0 to 1.
pub(super) fn likeness(a: &str, b: &str) -> f32 {
    similar::TextDiff::from_chars(a, b).ratio()
}
