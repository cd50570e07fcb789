//! The check that stands before every tool.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use super::{Budget, Context, Output, Proposal, TimeLimit, Tool, ToolError, ToolSpec, shape};

/// A tool whose input fits its schema before it sees it.
struct Checked(Arc<dyn Tool>);

pub(super) fn wrap(tool: Arc<dyn Tool>) -> Arc<dyn Tool> {
    Arc::new(Checked(tool))
}

impl Checked {
    fn check(&self, input: &Value) -> Result<Value, ToolError> {
        let spec = self.0.spec();
        shape::check(&spec.input_schema, input)
            .map_err(|wrong| ToolError::new(format!("wrong input for {}, nothing was done: {wrong}", spec.name)))
    }
}

#[async_trait]
impl Tool for Checked {
    fn spec(&self) -> &ToolSpec {
        self.0.spec()
    }

    async fn propose(&self, input: &Value, context: &Context) -> Result<Proposal, ToolError> {
        context.prepared.begin(input);
        self.0.propose(&self.check(input)?, context).await
    }

    async fn run(&self, input: Value, context: &Context) -> Result<Output, ToolError> {
        context.prepared.only_for(&input);
        self.0.run(self.check(&input)?, context).await
    }

    fn title(&self, input: &Value) -> String {
        self.0.title(input)
    }

    fn reads_only(&self) -> bool {
        self.0.reads_only()
    }

    fn time_limit(&self) -> TimeLimit {
        self.0.time_limit()
    }

    fn budget(&self) -> Option<Budget> {
        self.0.budget()
    }
}
