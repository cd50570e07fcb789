use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Lists the models that can be chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ModelListParams {}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelListResponse {
    pub models: Vec<ModelInfo>,
    /// The model a new session gets; absent if none is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}

/// A model that can be chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelInfo {
    /// `provider/model`, as `session/configure` takes it.
    pub id: String,
    pub provider: String,
    /// False if its key is missing; `hint` then says what to set.
    pub ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}
