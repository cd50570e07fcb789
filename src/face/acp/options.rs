//! A session's settings as the protocol shows and changes them: modes, and config options for the model, the mode and
//! how hard the model thinks.

use agent_client_protocol_schema::v1::{
    SessionConfigOption, SessionConfigOptionCategory, SessionConfigOptionValue, SessionConfigSelectOption, SessionMode,
    SessionModeState,
};

use crate::{
    protocol::{Effort, Limits, Mode, ModelInfo, SessionConfigureParams, SessionInfo},
    rpc::Error,
};

const MODEL: &str = "model";
const MODE: &str = "mode";
const THINKING: &str = "thinking";

/// The model's own choice, or what is configured.
const BY_DEFAULT: &str = "default";
const OFF: &str = "off";
/// A number of tokens, which the settings gave.
const BUDGET: &str = "budget";

/// With the ids that the rest of Pillion has for them.
const MODES: [(Mode, &str, &str, &str); 4] = [
    (Mode::Ask, "ask", "Ask", "Reads inside the folders; asks before anything else"),
    (Mode::AcceptEdits, "acceptEdits", "Accept edits", "Edits inside the folders too; asks before commands"),
    (Mode::Plan, "plan", "Plan", "Looks and thinks; changes nothing"),
    (Mode::Auto, "auto", "Auto", "Does everything inside the folders; asks before it leaves them"),
];

const EFFORTS: [(Effort, &str, &str); 5] = [
    (Effort::Minimal, "minimal", "Minimal"),
    (Effort::Low, "low", "Low"),
    (Effort::Medium, "medium", "Medium"),
    (Effort::High, "high", "High"),
    (Effort::Max, "max", "Max"),
];

/// What can be set of a session.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Settings {
    pub(super) model: String,
    pub(super) mode: Mode,
    pub(super) limits: Limits,
}

impl From<&SessionInfo> for Settings {
    fn from(info: &SessionInfo) -> Self {
        Self { model: info.model.clone(), mode: info.mode, limits: info.limits }
    }
}

impl Settings {
    pub(super) fn modes(&self) -> SessionModeState {
        let modes = MODES.map(|(_, id, name, what)| SessionMode::new(id, name).description(what.to_owned()));
        SessionModeState::new(mode_id(self.mode), modes.to_vec())
    }

    pub(super) fn options(&self, models: &[ModelInfo]) -> Vec<SessionConfigOption> {
        let mut models: Vec<_> = models.iter().filter(|model| model.ready).map(|model| model.id.clone()).collect();
        if !models.contains(&self.model) {
            models.insert(0, self.model.clone());
        }
        let models: Vec<_> = models.into_iter().map(|id| SessionConfigSelectOption::new(id.clone(), id)).collect();
        let modes =
            MODES.map(|(_, id, name, what)| SessionConfigSelectOption::new(id, name).description(what.to_owned()));
        vec![
            SessionConfigOption::select(MODEL, "Model", self.model.clone(), models)
                .category(SessionConfigOptionCategory::Model),
            SessionConfigOption::select(MODE, "Mode", mode_id(self.mode), modes.to_vec())
                .description("How much happens without asking".to_owned())
                .category(SessionConfigOptionCategory::Mode),
            self.thinking().category(SessionConfigOptionCategory::ThoughtLevel),
        ]
    }

    fn thinking(&self) -> SessionConfigOption {
        let Limits { thinking_effort, thinking_tokens, .. } = self.limits;
        let mut choices =
            vec![SessionConfigSelectOption::new(BY_DEFAULT, "Default"), SessionConfigSelectOption::new(OFF, "Off")];
        choices.extend(EFFORTS.map(|(_, id, name)| SessionConfigSelectOption::new(id, name)));
        let current = match (thinking_effort, thinking_tokens) {
            (Some(effort), _) => {
                EFFORTS.iter().find(|(known, ..)| *known == effort).map_or(BY_DEFAULT, |known| known.1)
            }
            (None, Some(0)) => OFF,
            (None, Some(tokens)) => {
                choices.push(SessionConfigSelectOption::new(BUDGET, format!("{tokens} tokens")));
                BUDGET
            }
            (None, None) => BY_DEFAULT,
        };
        SessionConfigOption::select(THINKING, "Thinking", current, choices)
    }

    /// What to ask of the hub to have an option changed.
    ///
    /// # Errors
    ///
    /// If there is no such option or choice.
    pub(super) fn change(
        &self,
        session_id: &str,
        option: &str,
        value: &SessionConfigOptionValue,
    ) -> Result<SessionConfigureParams, Error> {
        let wrong = || Error::invalid_params(format!("`{option}` has no such choice"));
        let value = value.as_value_id().map(|value| &*value.0).ok_or_else(wrong)?;
        let mut change =
            SessionConfigureParams { session_id: session_id.to_owned(), model: None, mode: None, limits: None };
        match option {
            MODEL => change.model = Some(value.to_owned()),
            MODE => change.mode = Some(mode(value).ok_or_else(wrong)?),
            THINKING => {
                let (thinking_effort, thinking_tokens) = match value {
                    BY_DEFAULT => (None, None),
                    OFF => (None, Some(0)),
                    BUDGET => (None, self.limits.thinking_tokens.filter(|tokens| *tokens > 0)),
                    level => {
                        let known = EFFORTS.iter().find(|(_, id, _)| *id == level).ok_or_else(wrong)?;
                        (Some(known.0), None)
                    }
                };
                change.limits = Some(Limits { thinking_effort, thinking_tokens, ..self.limits });
            }
            _ => return Err(Error::invalid_params(format!("there is no option `{option}`"))),
        }
        Ok(change)
    }
}

pub(super) fn mode_id(mode: Mode) -> &'static str {
    MODES.iter().find(|(known, ..)| *known == mode).map_or("ask", |known| known.1)
}

pub(super) fn mode(id: &str) -> Option<Mode> {
    MODES.iter().find(|(_, known, ..)| *known == id).map(|known| known.0)
}
