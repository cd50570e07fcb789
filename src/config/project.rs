//! The project's file, `.pillion/config.toml` in a root. Whoever wrote the repository wrote it.

use std::{
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use super::{
    TURN_LIMIT, Warning,
    read::{self, Reader, snake_case},
    settings::{Mode, Settings},
    shown,
};
use crate::provider::Thinking;

/// What a project's file may say anything about at all.
const HARMLESS: &[&str] =
    &["mode", "turn_limit", "max_tokens", "temperature", "thinking_tokens", "thinking_effort", "mcp"];

/// Puts over `settings` what a root's file may set, and gives the file's name.
pub fn take_over(
    settings: &mut Settings,
    root: &Path,
    user_file: Option<&Path>,
    warnings: &mut Vec<Warning>,
) -> PathBuf {
    let path = root.join(".pillion").join("config.toml");
    let Some(mut entries) = read::entries(&path, warnings) else { return path };
    let place = path.display().to_string();
    let mut reader = Reader::new(&place, warnings);
    entries.retain(|entry| {
        let harmless = HARMLESS.contains(&snake_case(&entry.key).as_str());
        if !harmless {
            let message = format!(
                "`{}` is refused here: this file comes with the repository, so it may be anybody's. If you want it, set \
                 it in {}.",
                entry.key,
                shown(user_file)
            );
            reader.warn(entry, message);
        }
        harmless
    });
    let mut said = reader.settings(entries);
    let mut refuse = |name: &str, why: &str| {
        let message = format!("`{name}` is refused here: {why}. If you want it, set it in {}.", shown(user_file));
        warnings.push(Warning { place: place.clone(), message });
    };

    if let Some(mode) = said.mode {
        if mode <= settings.mode.unwrap_or_default().min(Mode::Ask) {
            settings.mode = Some(mode);
        } else if settings.mode.unwrap_or_default() != mode {
            refuse("mode", "a repository may make Pillion stricter than you set it, and not laxer");
        }
    }
    // What is not set is the provider's to say, which may be less than any number here.
    let mut lower = |name: &str, slot: &mut Option<u32>, said: Option<u32>, allowed: RangeInclusive<u32>| match said {
        None => {}
        Some(said) if allowed.contains(&said) => *slot = Some(said),
        Some(_) => refuse(name, "a repository may set less than you did, and not more"),
    };
    let in_force = settings.turn_limit.unwrap_or(TURN_LIMIT);
    lower("turn_limit", &mut settings.turn_limit, said.turn_limit, 1..=in_force);
    let in_force = settings.max_tokens.unwrap_or(0);
    lower("max_tokens", &mut settings.max_tokens, said.max_tokens, 1..=in_force);
    let thinking = settings.thinking();
    let mut tokens = None;
    lower("thinking_tokens", &mut tokens, said.thinking_tokens, 0..=thinking.map_or(0, Thinking::budget));
    if tokens.is_some() {
        (settings.thinking_tokens, settings.thinking_effort) = (tokens, None);
    }
    if let Some(effort) = said.thinking_effort {
        // A budget of 0 is no reasoning, and not a little.
        let thinking = thinking.filter(|thinking| *thinking != Thinking::Budget(0));
        if thinking.is_some_and(|thinking| thinking.effort() >= effort.into()) {
            (settings.thinking_tokens, settings.thinking_effort) = (None, Some(effort));
        } else {
            refuse("thinking_effort", "a repository may set less than you did, and not more");
        }
    }
    if said.temperature.is_some() {
        settings.temperature = said.temperature;
    }
    for (name, server) in &mut said.mcp {
        for what in server.only_stricter() {
            refuse(
                &format!("mcp.{name}.{what}"),
                "a repository may switch a server off or hide its tools, and no more",
            );
        }
    }
    settings.take_over(Settings { mcp: said.mcp, ..Settings::default() });
    path
}
