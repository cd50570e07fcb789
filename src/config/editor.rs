//! The editor's settings. Editors merge a repository's files (`.vscode/settings.json`) into the person's own and do not
//! say which is which.

use std::path::Path;

use serde_json::Value;

use super::{
    Warning, entry,
    read::Reader,
    settings::{Kind, Settings},
    shown,
    tooling::WebSettings,
};

const PLACE: &str = "the editor's settings";

/// Puts over `settings`, which hold all layers below, what an editor may set.
///
/// No program to run, no laxer mode, and nothing that sends a key of another layer, or one from the environment,
/// somewhere: where a provider is reached is heard only for a provider that nothing below knows, with a key beside it.
pub fn take_over(settings: &mut Settings, editor: &Value, user_file: Option<&Path>, warnings: &mut Vec<Warning>) {
    let mut said = Reader::new(PLACE, warnings).settings(entry::from_json(editor));
    let mut refuse = |name: &str| {
        let message = format!(
            "`{name}` is refused here: editors mix a repository's settings into these, so it may be anybody's. If you \
             want it, set it in {}.",
            shown(user_file)
        );
        warnings.push(Warning { place: PLACE.to_owned(), message });
    };

    if said.mode.is_some_and(|mode| mode > settings.mode.unwrap_or_default()) {
        refuse("mode");
        said.mode = None;
    }
    // Whoever stands in between could ask for the key, and with a certificate of theirs read it.
    if said.proxy.take().is_some() {
        refuse("proxy");
    }
    if said.ca_file.take().is_some() {
        refuse("ca_file");
    }
    // What is read of a project goes to the model.
    if said.instruction_files.take().is_some() {
        refuse("instruction_files");
    }
    for (name, provider) in &mut said.providers {
        let mut refuse = |what: &str| refuse(&format!("providers.{name}.{what}"));
        if provider.api_key_command.take().is_some() {
            refuse("api_key_command");
        }
        if provider.script.take().is_some() {
            refuse("script");
        }
        if provider.proxy.take().is_some() {
            refuse("proxy");
        }
        if provider.ca_file.take().is_some() {
            refuse("ca_file");
        }
        if provider.base_url.is_some() && provider.api_key_env.take().is_some() {
            refuse("api_key_env");
        }
        let stands_alone = provider.api_key.is_some() && !settings.providers.contains_key(name);
        if !stands_alone && provider.base_url.take().is_some() {
            refuse("base_url");
        }
        if !stands_alone && !std::mem::take(&mut provider.headers).is_empty() {
            refuse("headers");
        }
        let is_scripted = provider.kind == Some(Kind::Scripted);
        if (!stands_alone || is_scripted) && provider.kind.take().is_some() {
            refuse("kind");
        }
    }
    if !std::mem::take(&mut said.hooks).is_empty() {
        refuse("hooks");
    }
    if std::mem::take(&mut said.web_fetch) != WebSettings::default() {
        refuse("web_fetch");
    }
    for (name, server) in &mut said.mcp {
        for what in server.only_stricter() {
            refuse(&format!("mcp.{name}.{what}"));
        }
    }
    settings.take_over(said);
}
