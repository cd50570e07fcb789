//! Tools with a typed input, whose documentation is what the model reads.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    Context, Output, Proposal, Tool, ToolError, ToolSpec,
    schema::{self, Shape},
};

/// A tool whose input is a Rust type. The doc comment of the type is the tool's description, those of its fields are
/// the fields' descriptions. [`typed`] makes a [`Tool`] of it.
#[async_trait]
pub trait Typed: Send + Sync + 'static {
    const NAME: &'static str;

    /// Always a struct with named fields.
    type Input: DeserializeOwned + JsonSchema + Send + Sync;

    /// As [`Tool::propose`].
    async fn propose(&self, input: &Self::Input, context: &Context) -> Result<Proposal, ToolError>;

    /// As [`Tool::run`].
    async fn run(&self, input: Self::Input, context: &Context) -> Result<Output, ToolError>;
}

struct Adapter<T> {
    tool: T,
    spec: ToolSpec,
    shape: Shape,
}

/// Makes a [`Tool`] of a typed one. What models get wrong without being unclear is put right: a number or a list in
/// quotes, a single item for a list of one, null for a field that may be absent. Anything else is an error that names the
/// field and says what it should be.
pub fn typed<T: Typed>(tool: T) -> Arc<dyn Tool> {
    let (description, input_schema) = schema::of::<T::Input>();
    let shape = Shape::new(input_schema.clone());
    Arc::new(Adapter { tool, spec: ToolSpec { name: T::NAME.to_owned(), description, input_schema }, shape })
}

impl<T: Typed> Adapter<T> {
    fn parse(&self, input: &Value) -> Result<T::Input, ToolError> {
        let input = self
            .shape
            .check(input)
            .map_err(|wrong| ToolError::new(format!("wrong input for {}, nothing was done: {wrong}", T::NAME)))?;
        serde_json::from_value(input)
            .map_err(|error| ToolError::new(format!("wrong input for {}, nothing was done: {error}", T::NAME)))
    }
}

#[async_trait]
impl<T: Typed> Tool for Adapter<T> {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn propose(&self, input: &Value, context: &Context) -> Result<Proposal, ToolError> {
        context.prepared.begin(input);
        self.tool.propose(&self.parse(input)?, context).await
    }

    async fn run(&self, input: Value, context: &Context) -> Result<Output, ToolError> {
        context.prepared.only_for(&input);
        self.tool.run(self.parse(&input)?, context).await
    }
}
