//! Tools with a typed input, whose documentation is what the model reads.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Budget, Context, Output, Proposal, TimeLimit, Tool, ToolError, ToolSpec, schema, title};

/// A tool whose input is a Rust type. The doc comment of the type is the tool's description, those of its fields are
/// the fields' descriptions. [`typed`] makes a [`Tool`] of it.
#[async_trait]
pub trait Typed: Send + Sync + 'static {
    const NAME: &'static str;
    /// What its calls do, as titles begin, where that is not its name: `Search for`.
    const DOES: &'static str = Self::NAME;
    /// As [`Tool::reads_only`].
    const READS_ONLY: bool = false;

    /// Always a struct with named fields.
    type Input: DeserializeOwned + JsonSchema + Send + Sync;

    /// What the model reads after the description, known only at run time.
    fn notes(&self) -> String {
        String::new()
    }

    /// As [`Tool::propose`].
    async fn propose(&self, input: &Self::Input, context: &Context) -> Result<Proposal, ToolError>;

    /// As [`Tool::run`].
    async fn run(&self, input: Self::Input, context: &Context) -> Result<Output, ToolError>;

    /// As [`Tool::budget`].
    fn budget(&self) -> Option<Budget> {
        None
    }

    /// As [`Tool::time_limit`].
    fn time_limit(&self) -> TimeLimit {
        TimeLimit::Default
    }
}

struct Adapter<T> {
    tool: T,
    spec: ToolSpec,
}

/// Makes a [`Tool`] of a typed one. In a [`Registry`](super::Registry) its input is checked before it comes here.
pub fn typed<T: Typed>(tool: T) -> Arc<dyn Tool> {
    let (mut description, input_schema) = schema::of::<T::Input>();
    let notes = tool.notes();
    if !notes.is_empty() {
        description += "\n\n";
        description += &notes;
    }
    Arc::new(Adapter { tool, spec: ToolSpec { name: T::NAME.to_owned(), description, input_schema } })
}

impl<T: Typed> Adapter<T> {
    fn parse(input: Value) -> Result<T::Input, ToolError> {
        serde_json::from_value(input)
            .map_err(|error| ToolError::new(format!("wrong input for {}, nothing was done: {error}", T::NAME)))
    }
}

#[async_trait]
impl<T: Typed> Tool for Adapter<T> {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn time_limit(&self) -> TimeLimit {
        self.tool.time_limit()
    }

    async fn propose(&self, input: &Value, context: &Context) -> Result<Proposal, ToolError> {
        self.tool.propose(&Self::parse(input.clone())?, context).await
    }

    async fn run(&self, input: Value, context: &Context) -> Result<Output, ToolError> {
        self.tool.run(Self::parse(input)?, context).await
    }

    fn title(&self, input: &Value) -> String {
        title(T::DOES, input)
    }

    fn reads_only(&self) -> bool {
        T::READS_ONLY
    }

    fn budget(&self) -> Option<Budget> {
        self.tool.budget()
    }
}
