//! What a rule says, matches and looks like.

use std::{
    fmt,
    path::{Component, Path, PathBuf},
    str::FromStr,
};

use globset::GlobBuilder;

use super::{Call, Rule};
use crate::tool::{self, Class};

/// A text that is not a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a rule: write `tool`, or `tool(pattern)` as in `bash(cargo test *)` or `edit(src/**)`")]
pub struct RuleError(String);

/// What makes a shell read more than one simple command, or read or write a file. Stricter than any one shell: quoted
/// ones count too, and `$` and parentheses count alone.
const SHELL_OPERATORS: &[char] = &[';', '|', '&', '`', '$', '(', ')', '<', '>', '\n', '\r', '\0'];

/// Words in which a shell would put the names of files.
const WILDCARDS: &[char] = &['*', '?', '['];

/// Programs that only look, and show no file's text, whatever they are told.
const HARMLESS: &[&str] = &["basename", "df", "dirname", "ls", "pwd", "stat"];

/// What programs may be told with any arguments, but for those that [`commandeers`] knows: it builds, tests, or shows what
/// stands in the project. With anything else, open arguments may run, read or overwrite what nobody thought of.
const KNOWN: &[(&str, &[&str])] = &[
    ("cargo", &["bench", "build", "check", "clippy", "doc", "fmt", "nextest", "test", "tree"]),
    ("git", &["add", "blame", "commit", "diff", "log", "ls-files", "show", "status"]),
    ("go", &["build", "test", "vet"]),
    ("npm", &["test"]),
    ("pnpm", &["test"]),
    ("yarn", &["test"]),
];

/// Options of otherwise harmless commands that name a program to run, a file to write, or one to show the text of.
const COMMANDEERING: &[&str] = &[
    "--config",
    "--contents",
    "--exec",
    "--ext-diff",
    "--file",
    "--files0-from",
    "--ignore-revs-file",
    "--no-index",
    "--node-options",
    "--open-files-in-pager",
    "--output",
    "--pathspec-from-file",
    "--script-shell",
    "--toolexec",
    "--vettool",
    "-exec",
    "-o",
    "-toolexec",
    "-vettool",
];

/// Whether each thing the call touches is covered by some rule.
pub(super) fn allows(rules: &[Rule], call: &Call) -> bool {
    let mut rules = rules.iter().filter(|rule| rule.tool == call.tool);
    let whole_tool = |rule: &Rule| rule.pattern.is_none() && !call.outside;
    match call.command {
        Some(command) => rules
            .any(|rule| whole_tool(rule) || rule.pattern.as_deref().is_some_and(|p| covers_command(p, command, call))),
        None if call.paths.is_empty() => rules.any(|rule| {
            let covers = |host| rule.pattern.as_deref().is_some_and(|pattern| covers_host(pattern, host));
            whole_tool(rule) || call.host.is_some_and(covers)
        }),
        None => {
            let rules: Vec<&Rule> = rules.collect();
            call.paths.iter().all(|path| {
                let arms = call.class == Class::Edit && tool::arms(path, call.roots);
                rules.iter().any(|rule| match rule.pattern.as_deref() {
                    Some(pattern) if arms => names_path(pattern, path, call),
                    Some(pattern) => covers_path(pattern, path, call),
                    None => whole_tool(rule) && !arms,
                })
            })
        }
    }
}

fn covers_command(pattern: &str, command: &str, call: &Call) -> bool {
    if call.outside {
        return false;
    }
    let command = command.trim_matches(' ');
    if command == pattern {
        return true;
    }
    let Some(prefix) = pattern.strip_suffix(" *").filter(|prefix| !prefix.trim().is_empty()) else {
        return false;
    };
    let Some(rest) = command.strip_prefix(prefix) else {
        return false;
    };
    (rest.is_empty() || rest.starts_with(' ')) && !command.contains(SHELL_OPERATORS) && !commandeers(rest, call.roots)
}

fn covers_host(pattern: &str, host: &str) -> bool {
    let (pattern, host) = (pattern.trim().to_ascii_lowercase(), host.to_ascii_lowercase());
    match pattern.strip_prefix("*.") {
        Some(domain) if !domain.contains('*') => {
            host.strip_suffix(domain).is_some_and(|sub| sub.len() > 1 && sub.ends_with('.'))
        }
        _ => host == pattern,
    }
}

/// Whether one of these words may turn a harmless command to another use: as an option, as a path that leads out of the
/// roots, or as a pattern that a shell makes such words of. Quotes hide nothing, nor do the abbreviations that programs
/// take, and braces, of which a shell makes words, count as one.
fn commandeers(words: &str, roots: &[PathBuf]) -> bool {
    let unquoted = words.replace(['\'', '"'], "");
    let names_other = |word: &str| {
        let name = word.split('=').next().unwrap_or_default();
        let is_option = |option: &&str| word.starts_with(*option) || (name.len() > 2 && option.starts_with(name));
        // Of git commit, also among other letters: the file that has the message.
        let takes_text = name.starts_with('-') && !name.starts_with("--") && name.contains('F');
        word == "-c" || word.starts_with("-O") || takes_text || COMMANDEERING.iter().any(is_option)
    };
    let leads_elsewhere = |word: &str| matches_other(word) || leads_out(word, roots);
    let commandeers = |word: &str| names_other(word) || word.contains('{') || leads_elsewhere(word);
    // What hides a character from one shell stands between folders for another.
    unquoted.replace('\\', "").split_whitespace().any(commandeers)
        || unquoted.replace('\\', "/").split_whitespace().any(leads_elsewhere)
}

/// Whether a shell may find an option for this pattern, or a folder above. A file can have any name.
fn matches_other(word: &str) -> bool {
    let climbs = |part: &str| part.starts_with('.') && part.contains(WILDCARDS);
    word.contains(WILDCARDS) && (word.starts_with('-') || word.starts_with(WILDCARDS) || word.split('/').any(climbs))
}

/// Whether the word, or what it gives an option, may be the path of something outside the roots.
fn leads_out(word: &str, roots: &[PathBuf]) -> bool {
    let leads_out = |path: &str| {
        let climbs = path == ".." || path.ends_with("/..") || path.contains("../");
        let is_elsewhere = is_absolute(path) && tool::below_root(Path::new(path), roots).is_none();
        climbs || is_elsewhere || path.starts_with('~')
    };
    leads_out(word) || word.split_once('=').is_some_and(|(_, value)| leads_out(value))
}

/// Whether the pattern is this one path, without a wildcard.
fn names_path(pattern: &str, path: &Path, call: &Call) -> bool {
    candidate(pattern, path, call).is_some_and(|candidate| pattern == globset::escape(&candidate))
}

fn covers_path(pattern: &str, path: &Path, call: &Call) -> bool {
    let Some(candidate) = candidate(pattern, path, call) else {
        return false;
    };
    let glob = GlobBuilder::new(pattern).literal_separator(true).backslash_escape(true).build();
    glob.is_ok_and(|glob| glob.compile_matcher().is_match(candidate))
}

/// The path as the pattern would have it.
fn candidate(pattern: &str, path: &Path, call: &Call) -> Option<String> {
    let candidate = if is_absolute(pattern) { slashed(path) } else { relative(path, call) };
    candidate.filter(|candidate| !candidate.is_empty())
}

/// The path below its root, with `/` between its parts; the whole of it if it is no path on a disk (an untitled buffer).
fn relative(path: &Path, call: &Call) -> Option<String> {
    if !path.is_absolute() {
        return slashed(path);
    }
    tool::below_root(path, call.roots).and_then(slashed)
}

/// `None` for a path that is not plain text or not plainly where it says.
fn slashed(path: &Path) -> Option<String> {
    if path.components().any(|component| component == Component::ParentDir) {
        return None;
    }
    let text = path.to_str()?;
    Some(if cfg!(windows) { text.replace('\\', "/") } else { text.to_owned() })
}

fn is_absolute(pattern: &str) -> bool {
    pattern.starts_with('/') || Path::new(pattern).is_absolute()
}

pub(super) fn suggest(call: &Call) -> Vec<Rule> {
    let rule = |pattern| Rule { tool: call.tool.to_owned(), pattern };
    let rules: Vec<Rule> = match call.command {
        // It would be read as the prefix of others.
        Some(command) if command.trim_matches(' ').ends_with(" *") => Vec::new(),
        Some(command) => vec![rule(Some(command_pattern(command.trim_matches(' '), call.roots)))],
        None if call.paths.is_empty() => vec![rule(call.host.map(str::to_owned))],
        None => call
            .paths
            .iter()
            .filter_map(|path| relative(path, call).or_else(|| slashed(path)))
            .map(|path| rule(Some(globset::escape(&path))))
            .collect(),
    };
    // What cannot silence the call is not offered: a command that leaves the roots, a path that is no text, a name that
    // is no rule.
    let readable = rules.iter().all(|rule| rule.to_string().parse().as_ref() == Ok(rule));
    if readable && allows(&rules, call) { rules } else { Vec::new() }
}

/// `cargo test *` for `cargo test --lib`, `ls *` for `ls -l`; the command itself where open arguments would allow too much.
fn command_pattern(command: &str, roots: &[PathBuf]) -> String {
    let mut words = command.split(' ');
    let (program, subcommand) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let knows = |(known, subcommands): &(&str, &[&str])| *known == program && subcommands.contains(&subcommand);
    if command.contains(SHELL_OPERATORS) || commandeers(command, roots) {
        command.to_owned()
    } else if HARMLESS.contains(&program) {
        format!("{program} *")
    } else if KNOWN.iter().any(knows) {
        format!("{program} {subcommand} *")
    } else {
        command.to_owned()
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pattern {
            Some(pattern) => write!(f, "{}({pattern})", self.tool),
            None => f.write_str(&self.tool),
        }
    }
}

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let text = text.trim();
        let (tool, pattern) = match text.split_once('(') {
            Some((tool, rest)) => (tool, Some(rest.strip_suffix(')').ok_or_else(|| RuleError(text.to_owned()))?)),
            None => (text, None),
        };
        let is_name = !tool.is_empty() && !tool.contains(|c: char| c.is_whitespace() || matches!(c, '(' | ')'));
        if !is_name || pattern.is_some_and(|pattern| pattern.trim().is_empty()) {
            return Err(RuleError(text.to_owned()));
        }
        Ok(Self { tool: tool.to_owned(), pattern: pattern.map(str::to_owned) })
    }
}
