//! The project's file, `.pillion/config.toml` in a root. Whoever wrote the repository wrote it.

use std::path::Path;

use super::{
    TURN_LIMIT, Warning,
    read::{self, Reader, snake_case},
    settings::{Mode, Settings},
    shown,
};

/// What a project's file may say anything about at all.
const HARMLESS: &[&str] = &["mode", "turn_limit", "max_tokens", "temperature", "thinking_tokens"];

/// Puts over `settings` what a root's file may set.
pub fn take_over(settings: &mut Settings, root: &Path, user_file: Option<&Path>, warnings: &mut Vec<Warning>) {
    let path = root.join(".pillion").join("config.toml");
    let Some(mut entries) = read::entries(&path, warnings) else { return };
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
    let said = reader.settings(entries);
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
    let mut lower = |name: &str, slot: &mut Option<u32>, said: Option<u32>, in_force: Option<u32>| match said {
        None => {}
        Some(said) if in_force.is_none_or(|in_force| said <= in_force) => *slot = Some(said),
        Some(_) => refuse(name, "a repository may set less than you did, and not more"),
    };
    let in_force = settings.turn_limit.or(Some(TURN_LIMIT));
    lower("turn_limit", &mut settings.turn_limit, said.turn_limit, in_force);
    let in_force = settings.max_tokens;
    lower("max_tokens", &mut settings.max_tokens, said.max_tokens, in_force);
    let in_force = settings.thinking_tokens;
    lower("thinking_tokens", &mut settings.thinking_tokens, said.thinking_tokens, in_force);
    if said.temperature.is_some() {
        settings.temperature = said.temperature;
    }
}
