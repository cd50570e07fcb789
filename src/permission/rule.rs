//! What a rule says, matches and looks like.

use std::{
    fmt,
    path::{Component, Path},
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

/// Commands whose arguments can be made to run or destroy anything, so that leaving the arguments open allows all. Not
/// complete, and need not be: it only keeps what is *suggested* narrow.
const OPEN_ENDED: &[&str] = &[
    "awk",
    "bash",
    "builtin",
    "bun",
    "busybox",
    "cargo-watch",
    "cat",
    "chmod",
    "chown",
    "cmd",
    "command",
    "cp",
    "crontab",
    "curl",
    "dash",
    "dd",
    "deno",
    "doas",
    "docker",
    "entr",
    "env",
    "eval",
    "exec",
    "fd",
    "fdfind",
    "find",
    "fish",
    "gdb",
    "hg",
    "install",
    "kill",
    "ksh",
    "lldb",
    "ln",
    "make",
    "mkfifo",
    "mv",
    "nc",
    "ncat",
    "nice",
    "node",
    "nohup",
    "npx",
    "parallel",
    "perl",
    "php",
    "pip",
    "pkill",
    "podman",
    "powershell",
    "pwsh",
    "python",
    "python3",
    "rg",
    "rm",
    "rmdir",
    "rsync",
    "ruby",
    "scp",
    "screen",
    "sed",
    "setsid",
    "sftp",
    "sh",
    "socat",
    "ssh",
    "strace",
    "su",
    "sudo",
    "tar",
    "tee",
    "time",
    "timeout",
    "tmux",
    "unzip",
    "uvx",
    "vi",
    "vim",
    "watch",
    "wget",
    "xargs",
    "zip",
    "zsh",
];

/// Programs that only look, whatever they are told.
const HARMLESS: &[&str] = &["basename", "df", "dirname", "du", "ls", "pwd", "stat"];

/// What git may be told with any arguments: its other commands have some that run programs or overwrite work.
const GIT: &[&str] = &["add", "blame", "commit", "diff", "log", "ls-files", "show", "status"];

/// Options of otherwise harmless commands that name a program to run or a file to write.
const COMMANDEERING: &[&str] = &["--config", "--exec", "--ext-diff", "--open-files-in-pager", "--output"];

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
    (rest.is_empty() || rest.starts_with(' ')) && !command.contains(SHELL_OPERATORS) && !commandeers(rest)
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

/// Whether one of these words may turn a harmless command to another use. Quotes hide nothing, nor do the abbreviations
/// that programs take, and braces, of which a shell makes words, count as one.
fn commandeers(words: &str) -> bool {
    let plain = words.replace(['\'', '"', '\\'], "");
    plain.split_whitespace().any(|word| {
        let name = word.split('=').next().unwrap_or_default();
        let is_option = |option: &&str| word.starts_with(*option) || (name.len() > 2 && option.starts_with(name));
        word == "-c" || word.starts_with("-O") || word.contains('{') || COMMANDEERING.iter().any(is_option)
    })
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
        Some(command) => vec![rule(Some(command_pattern(command.trim_matches(' '))))],
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
fn command_pattern(command: &str) -> String {
    let mut words = command.split(' ');
    let is_plain = |word: &&str| {
        word.starts_with(|c: char| c.is_ascii_alphabetic())
            && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    };
    let Some(program) = words.next().filter(is_plain) else {
        return command.to_owned();
    };
    if OPEN_ENDED.contains(&program) || command.contains(SHELL_OPERATORS) || commandeers(command) {
        return command.to_owned();
    }
    match words.next() {
        Some(subcommand) if program == "git" && !GIT.contains(&subcommand) => command.to_owned(),
        Some(subcommand) if is_plain(&subcommand) => format!("{program} {subcommand} *"),
        _ if HARMLESS.contains(&program) => format!("{program} *"),
        _ => command.to_owned(),
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
