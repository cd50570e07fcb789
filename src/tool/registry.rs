//! The tools that a model may call.

use std::{collections::BTreeMap, sync::Arc};

use super::{Tool, ToolSpec, bash::Bash, edit::Edit, glob::Glob, grep::Grep, read::Read, typed, write::Write};

/// Tools by name.
#[derive(Clone, Default)]
pub struct Registry {
    tools: BTreeMap<String, Arc<dyn Tool>>,
}

/// Two tools have one name, so that a call of it would be ambiguous.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there are two tools named `{0}`; rename or remove one of them")]
pub struct DuplicateTool(pub String);

impl Registry {
    pub fn new() -> Self {
        Self::default()
    }

    /// Read, write, edit, glob, grep and bash.
    pub fn standard() -> Self {
        Self::standard_without(Vec::new())
    }

    /// The standard ones. Commands see the environment without the variables `withheld`, beside those that
    /// [`crate::process::Command::spawn`] withholds anyway.
    pub fn standard_without(withheld: Vec<String>) -> Self {
        let tools = [typed(Read), typed(Write), typed(Edit), typed(Glob), typed(Grep), typed(Bash { withheld })];
        Self { tools: tools.into_iter().map(|tool| (tool.spec().name.clone(), tool)).collect() }
    }

    pub fn add(&mut self, tool: Arc<dyn Tool>) -> Result<(), DuplicateTool> {
        let name = tool.spec().name.clone();
        if self.tools.contains_key(&name) {
            return Err(DuplicateTool(name));
        }
        self.tools.insert(name, tool);
        Ok(())
    }

    pub fn get(&self, name: &str) -> Option<&Arc<dyn Tool>> {
        self.tools.get(name)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tools.keys().map(String::as_str)
    }

    /// What the model is told, sorted by name.
    pub fn specs(&self) -> Vec<ToolSpec> {
        self.tools.values().map(|tool| tool.spec().clone()).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.tools.is_empty()
    }

    pub fn len(&self) -> usize {
        self.tools.len()
    }
}
