//! The mode and the model, named in the command or chosen from a menu.

use serde_json::{Value, json};

use super::Caller;
use crate::{
    protocol::{Mode, ModelInfo, ModelListResponse, Request},
    rpc::Error,
};

/// The modes as people choose them, and as they are written.
const MODES: [(&str, Mode, &str); 4] = [
    ("Ask before everything but reading", Mode::Ask, "ask"),
    ("Allow edits in these folders", Mode::AcceptEdits, "acceptEdits"),
    ("Plan, change nothing", Mode::Plan, "plan"),
    ("Allow everything in these folders", Mode::Auto, "auto"),
];

impl Caller {
    pub(super) async fn mode(&self, named: &str) -> Result<Value, Error> {
        if !named.is_empty() {
            let known = MODES.iter().find(|(_, _, name)| *name == named);
            let (_, mode, name) = known.ok_or_else(|| {
                let names = MODES.map(|(_, _, name)| name).join(", ");
                Error::invalid_params(format!("there is no mode {named:?}, only {names}"))
            })?;
            return self.set(Some(*mode), None, name).await;
        }
        let caller = self.clone();
        tokio::spawn(async move {
            let chosen = caller.plain.choose("How much may Pillion do unasked?", &MODES.map(|(title, ..)| title)).await;
            let chosen = chosen.flatten().and_then(|chosen| MODES.iter().find(|(title, ..)| *title == chosen));
            if let Some((title, mode, _)) = chosen {
                caller.tell_outcome(caller.set(Some(*mode), None, title).await);
            }
        });
        Ok(Value::Null)
    }

    pub(super) async fn model(&self, named: &str) -> Result<Value, Error> {
        let models: ModelListResponse = self.request(Request::ModelList(Default::default())).await?;
        if !named.is_empty() {
            // A provider has more models than are known here.
            let is_known =
                |model: &ModelInfo| named.strip_prefix(&model.provider).is_some_and(|rest| rest.starts_with('/'));
            if !models.models.iter().any(is_known) {
                let message =
                    format!("there is no model {named:?}: it is `provider/model`, with a provider that is set up");
                return Err(Error::invalid_params(message));
            }
            return self.set(None, Some(named.to_owned()), named).await;
        }
        let answer = serde_json::to_value(&models).map_err(|error| Error::internal(error.to_string()))?;
        let caller = self.clone();
        tokio::spawn(async move {
            let names: Vec<_> =
                models.models.iter().filter(|model| model.ready).map(|model| model.id.as_str()).collect();
            if let Some(Some(chosen)) = caller.plain.choose("Which model?", &names).await {
                caller.tell_outcome(caller.set(None, Some(chosen.clone()), &chosen).await);
            }
        });
        Ok(answer)
    }

    async fn set(&self, mode: Option<Mode>, model: Option<String>, name: &str) -> Result<Value, Error> {
        self.configure(mode, model).await?;
        self.plain.tell(&format!("Pillion: {name}."));
        Ok(json!({ "set": name }))
    }

    fn tell_outcome(&self, outcome: Result<Value, Error>) {
        if let Err(error) = outcome {
            self.plain.tell(&error.message);
        }
    }
}
