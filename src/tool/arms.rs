//! Files that other programs run without asking: writing one is running something later.

use std::path::{Path, PathBuf};

use super::Context;
use crate::workspace::Location;

/// Folders whose files name programs to run, or are read as a program's own settings.
const FOLDERS: &[&str] = &[
    ".git",
    ".hg",
    ".githooks",
    ".vscode",
    ".idea",
    ".zed",
    ".helix",
    ".cargo",
    ".husky",
    ".devcontainer",
    ".pillion",
    ".ssh",
    ".config",
    ".vim",
    ".nvim",
    ".emacs.d",
    ".mise",
    ".yarn",
    // Other agents' hooks, servers and skills; the last is read by this one too.
    ".claude",
    ".codex",
    ".continue",
    ".cursor",
    ".gemini",
    ".kiro",
    ".opencode",
    ".roo",
    ".windsurf",
    ".agents",
];

const FILES: &[&str] = &[
    ".envrc",
    ".exrc",
    ".nvimrc",
    ".nvim.lua",
    ".vimrc",
    ".lazy.lua",
    ".lvimrc",
    ".emacs",
    ".gdbinit",
    ".lldbinit",
    ".bashrc",
    ".bash_profile",
    ".profile",
    ".zshrc",
    ".zshenv",
    ".zprofile",
    ".gitconfig",
    ".gitmodules",
    ".npmrc",
    ".mcp.json",
    ".bash_login",
    ".bash_logout",
    ".zlogin",
    ".zlogout",
    ".dir-locals.el",
    ".dir-locals-2.el",
    ".devcontainer.json",
    ".mise.toml",
    ".mise.local.toml",
    "mise.toml",
    "mise.local.toml",
    "opencode.json",
    "opencode.jsonc",
    ".pnpmfile.cjs",
    ".yarnrc",
    ".yarnrc.yml",
    ".pre-commit-config.yaml",
    "lefthook.yml",
    "lefthook.yaml",
    ".lefthook.yml",
    ".lefthook.yaml",
    "rust-toolchain.toml",
    "rust-toolchain",
];

/// Whether other programs run what stands in this file. Judged by its names below its root, for a path in no root by
/// all of them; upper and lower case are the same, as on many disks.
pub fn arms(path: &Path, roots: &[PathBuf]) -> bool {
    let path = below_root(path, roots).unwrap_or(path);
    let is_any = |name: &std::ffi::OsStr, known: &[&str]| known.iter().any(|known| name.eq_ignore_ascii_case(known));
    path.iter().any(|name| is_any(name, FOLDERS))
        || path.file_name().is_some_and(|name| is_any(name, FILES))
        || path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("code-workspace"))
}

/// The path relative to the innermost root that holds it.
pub fn below_root<'a>(path: &'a Path, roots: &[PathBuf]) -> Option<&'a Path> {
    let below = roots.iter().filter_map(|root| path.strip_prefix(root).ok());
    below.min_by_key(|path| path.as_os_str().len())
}

/// What is risky about changing this file.
pub(super) fn risk(location: &Location, context: &Context) -> Option<String> {
    let arms = arms(&location.path, &context.workspace.resolved_roots());
    arms.then(|| "Other programs run what stands in this file.".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_other_programs_run_is_known_by_its_names() {
        let root = PathBuf::from(if cfg!(windows) { "C:\\a\\.config" } else { "/a/.config" });
        let roots = [root.clone()];
        for name in [
            ".git/hooks/pre-commit",
            "x/.VSCode/tasks.json",
            ".git",
            "x/.envrc",
            ".Mcp.json",
            ".cargo/config",
            ".claude/settings.json",
            ".agents/skills/x/SKILL.md",
            "Lefthook.yml",
        ] {
            assert!(arms(&root.join(name), &roots), "{name}");
        }
        for name in ["src/main.rs", ".gitignore", ".github/x.md", "git/x", ".envrc/x", "x.envrc"] {
            assert!(!arms(&root.join(name), &roots), "{name}");
        }
        assert!(arms(&root.join("nvim/init.lua"), &[]), "in no root, the whole path counts");
    }
}
