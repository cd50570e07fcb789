//! Permission rules that outlive a session. They are kept among the user's own files: what lies in a project's folder
//! came with the project.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{Warning, folder};
use crate::permission::Rule;

/// What a stored rule holds for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleScope {
    /// Sessions on these roots, or on some of them.
    Project(Vec<PathBuf>),
    /// Everything this user does.
    User,
}

/// The stored rules, as text; what they mean is [`permission`](crate::permission)'s business.
#[derive(Clone, Copy, Debug)]
pub struct Rules;

/// Where rules are kept.
pub(super) struct Files {
    pub user: Option<PathBuf>,
    pub projects: Option<PathBuf>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// What the rules are for, since the file's name is only a mark of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    root: Option<PathBuf>,
    #[serde(default)]
    rules: Vec<String>,
}

impl Rules {
    /// Where the user's own rules are kept; `None` if there is no home folder.
    pub fn user_file() -> Option<PathBuf> {
        Files::of_this_user().user
    }

    /// The user's rules, then those that were stored for each of these roots. Files that cannot be read are passed over
    /// with a word in the log: then more is asked.
    pub fn load(roots: &[PathBuf]) -> Vec<String> {
        Files::of_this_user().load(roots)
    }

    /// What is wrong with the user's rules, and with those that were stored for these roots.
    pub fn check(roots: &[PathBuf]) -> Vec<Warning> {
        Files::of_this_user().check(roots)
    }

    /// Stores a rule; one that is there already is left. Each file is replaced in one step.
    ///
    /// # Errors
    /// If a file cannot be written, or holds something that is not ours to overwrite.
    pub fn add(scope: &RuleScope, rule: &str) -> io::Result<()> {
        Files::of_this_user().add(scope, rule)
    }
}

impl Files {
    fn of_this_user() -> Self {
        let user = folder::user_file(&|name| std::env::var(name).ok());
        Self {
            user: user.map(|file| file.with_file_name("rules.toml")),
            projects: folder::state().map(|state| state.join("projects")),
        }
    }

    pub fn load(&self, roots: &[PathBuf]) -> Vec<String> {
        let mut rules = self.user.as_deref().map(|file| read_or_none(file, None)).unwrap_or_default();
        let mut of_roots = roots.iter().map(|root| {
            let root = real(root);
            self.project(&root).map(|file| read_or_none(&file, Some(&root))).unwrap_or_default()
        });
        // A rule must have been given for every root that it would hold for.
        let mut shared = of_roots.next().unwrap_or_default();
        for others in of_roots {
            shared.retain(|rule| others.contains(rule));
        }
        shared.retain(|rule| !rules.contains(rule));
        rules.extend(shared);
        rules
    }

    pub fn check(&self, roots: &[PathBuf]) -> Vec<Warning> {
        let mut files: Vec<(PathBuf, Option<PathBuf>)> = self.user.iter().map(|file| (file.clone(), None)).collect();
        let roots = roots.iter().map(|root| real(root));
        files.extend(roots.filter_map(|root| Some((self.project(&root)?, Some(root)))));
        let mut warnings = Vec::new();
        for (path, root) in files {
            let wrong = match read(&path, root.as_deref()) {
                Ok(file) => {
                    file.rules.iter().filter_map(|rule| Some(rule.parse::<Rule>().err()?.to_string())).collect()
                }
                Err(error) => vec![format!("No rule in this file counts until this is mended: {error}")],
            };
            let place = path.display().to_string();
            warnings.extend(wrong.into_iter().map(|message| Warning { place: place.clone(), message }));
        }
        warnings
    }

    pub fn add(&self, scope: &RuleScope, rule: &str) -> io::Result<()> {
        let no_home = || io::Error::new(io::ErrorKind::NotFound, "there is no home folder; set PILLION_STATE_DIR");
        match scope {
            RuleScope::User => add(self.user.as_deref().ok_or_else(no_home)?, None, rule),
            RuleScope::Project(roots) => roots.iter().try_for_each(|root| {
                let root = real(root);
                add(&self.project(&root).ok_or_else(no_home)?, Some(&root), rule)
            }),
        }
    }

    /// The file of a root: its last name for people, and a mark of its whole path.
    fn project(&self, root: &Path) -> Option<PathBuf> {
        let name: String = root
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .chars()
            .map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' })
            .take(40)
            .collect();
        let mark = fnv1a(root.as_os_str().as_encoded_bytes());
        Some(self.projects.as_ref()?.join(format!("{name}-{mark:016x}")).join("rules.toml"))
    }
}

/// One folder has many names; its rules hold under each.
fn real(root: &Path) -> PathBuf {
    fs::canonicalize(root).unwrap_or_else(|_| root.to_owned())
}

fn read_or_none(path: &Path, root: Option<&Path>) -> Vec<String> {
    match read(path, root) {
        Ok(file) => file.rules,
        Err(error) => {
            tracing::info!(path = %path.display(), %error, "stored permission rules are passed over");
            Vec::new()
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "Pillion's own files")]
fn read(path: &Path, root: Option<&Path>) -> io::Result<File> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(File::default()),
        text => text?,
    };
    let invalid = |message: String| io::Error::new(io::ErrorKind::InvalidData, message);
    let file: File = toml::from_str(&text).map_err(|error| {
        let line = 1 + text.get(..error.span().map_or(0, |span| span.start)).unwrap_or_default().matches('\n').count();
        invalid(format!("line {line}: {}", error.message()))
    })?;
    if file.root.as_deref() != root {
        return Err(invalid("it is for another folder".to_owned()));
    }
    Ok(file)
}

fn add(path: &Path, root: Option<&Path>, rule: &str) -> io::Result<()> {
    let mut file =
        read(path, root).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
    if file.rules.iter().any(|known| known == rule) {
        return Ok(());
    }
    file.root = root.map(Path::to_owned);
    file.rules.push(rule.to_owned());
    let text = toml::to_string_pretty(&file).map_err(io::Error::other)?;
    folder::replace_private(
        path,
        &format!("# Calls that Pillion runs without asking. Take out what should ask.\n\n{text}"),
    )
}

/// FNV-1a, of 64 bits: the same in every version, which std's hasher does not promise.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}
