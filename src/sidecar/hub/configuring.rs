//! What the settings say, and what follows from it.

use serde_json::Value;

use super::Hub;
use crate::{
    config::{Config, LOG_TARGET, Rules},
    context::skill_tool,
    permission::{Policy, Rule},
    protocol::{Mode, NoticeLevel},
    tool::{Registry, Shell, Standard},
    workspace::{Bins, Workspace},
};

impl Hub {
    pub(super) fn configure(&mut self, editor: Option<Value>) {
        if editor.is_some() {
            self.editor_settings = editor;
        }
        let (config, warnings) = Config::load(&self.workspace.roots(), self.editor_settings.as_ref());
        #[cfg(feature = "faces")]
        crate::log::set_level(config.log_level);
        self.providers.configure(&config);
        // A key that has a variable of its own stays out of commands like those that every provider has.
        self.tools = Registry::standard_with(Standard {
            shell: Shell { withheld: config.secret_variables(), background_after: config.background_after },
            bins: self.bins(),
            web: config.tooling.web(),
        });
        if let Err(error) = self.tools.add(skill_tool(config.places.clone())) {
            tracing::error!(%error, "the tool for skills is left out");
        }
        self.config = config;
        self.configure_servers();
        self.warnings = warnings.iter().map(ToString::to_string).collect();
        for fallback in &self.config.fallback {
            if let Err(error) = self.providers.get(fallback) {
                self.warnings.push(format!("The model {fallback} cannot be asked when another is too busy. {error}"));
            }
        }
        if let Some(model) = &self.config.compaction.model
            && let Err(error) = self.providers.get(model)
        {
            self.warnings.push(format!("The model {model} cannot summarise; the session's own does it. {error}"));
        }
        for warning in &self.warnings {
            tracing::warn!(target: LOG_TARGET, "{warning}");
        }
        self.providers.warm();
        // The roots may be others now, and a rule holds only where it was given.
        for session in self.sessions.values_mut() {
            let rules = stored_rules(&session.workspace);
            session.set_stored_rules(rules);
        }
    }

    /// Tells a session that is opened what nobody was told of yet, and what is wrong with the rules of its own roots.
    pub(super) fn tell_warnings(&mut self, session_id: &str) {
        let roots = self.workspace.roots();
        let Some(session) = self.sessions.get_mut(session_id) else { return };
        for warning in self.warnings.drain(..) {
            session.notice(NoticeLevel::Warning, warning);
        }
        let own = session.workspace.roots();
        if own != roots {
            // With the settings, these were told.
            let known = Rules::check(&roots);
            let wrong = Rules::check(&own).into_iter().filter(|warning| !known.contains(warning));
            session.warn(wrong.map(|warning| warning.to_string()).collect());
        }
    }

    /// Where deleted things go.
    pub(super) fn bins(&self) -> Bins {
        Bins { trash: true, kept_in: Some(self.store.deleted()) }
    }

    pub(super) fn policy(&self, workspace: &Workspace, mode: Mode) -> Policy {
        Policy { mode: mode.into(), rules: stored_rules(workspace) }
    }
}

/// The rules that are stored for a workspace's roots.
pub(super) fn stored_rules(workspace: &Workspace) -> Vec<Rule> {
    let stored = Rules::load(&workspace.roots());
    let rules = stored.iter().filter_map(|rule| {
        let parsed = rule.parse::<Rule>();
        if let Err(error) = &parsed {
            tracing::info!("a stored permission rule is passed over: {error}");
        }
        parsed.ok()
    });
    rules.collect()
}
