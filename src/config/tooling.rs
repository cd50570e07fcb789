//! What is set of tools: hooks around them, budgets of their results, and how they reach the web.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Warning,
    entry::Entry,
    read::{Reader, snake_case},
    settings::Seconds,
};
use crate::{
    agent::hook::{CommandHook, HookPattern, When},
    tool::{self, Web},
};

const HOOK_NAMES: &[&str] = &["on", "tools", "command", "timeout"];
const BUDGET_NAMES: &[&str] = &["text", "images", "excess"];
const WEB_NAMES: &[&str] = &["allow_hosts", "proxy"];

/// The name among the budgets that is for every tool without one of its own.
pub(super) const ALL_TOOLS: &str = "default";

/// A command that is run at moments of a turn, and can deny what is to happen. What it is told and how it answers is in
/// the manual.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct HookSettings {
    /// When it runs.
    pub on: Option<HookMoment>,
    /// For `before_tool` and `after_tool`: names of tools, `*` for any part of one; all tools when absent.
    pub tools: Option<Vec<String>>,
    /// A command line for the shell.
    pub command: Option<String>,
    /// Seconds it may take (default 60). A call whose `before_tool` hook takes longer is not run.
    pub timeout: Option<Seconds>,
}

/// When a hook runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HookMoment {
    TurnStart,
    BeforeTool,
    AfterTool,
    TurnEnd,
}

/// How much of a tool's result reaches the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct BudgetSettings {
    /// The most bytes of text.
    pub text: Option<usize>,
    /// The most images.
    pub images: Option<usize>,
    /// What becomes of a longer result.
    pub excess: Option<Excess>,
}

/// What becomes of a result that is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Excess {
    /// The call fails.
    Fail,
    /// Its middle is left out, and gone.
    Clip,
    /// Its middle is left out, and the model can read it with `read_output`.
    Store,
}

/// How the web is reached.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct WebSettings {
    /// Hosts that may be reached although they are on this machine or in its own network: `localhost`, `10.0.0.7`, or
    /// `*.corp.example` for all below that name.
    pub allow_hosts: Option<Vec<String>>,
    /// The proxy for all but these hosts, for example `http://proxy.example:3128`. It looks names up itself, so where they
    /// lead is for it to guard. None is used when absent.
    pub proxy: Option<String>,
}

/// What is set of tools, in force.
#[derive(Clone, Debug, Default)]
pub struct Tooling {
    pub hooks: BTreeMap<String, HookSettings>,
    pub budgets: BTreeMap<String, BudgetSettings>,
    pub web: WebSettings,
}

impl Tooling {
    /// The hooks for a workspace with these roots; none for what is incomplete, which [`Self::check`] tells.
    pub fn hooks<'a>(&'a self, roots: &'a [PathBuf], withheld: &'a [String]) -> impl Iterator<Item = CommandHook> + 'a {
        self.hooks.iter().filter_map(|(name, hook)| hook.to_hook(name, roots, withheld).ok())
    }

    /// What is wrong with the hooks.
    pub fn check(&self, place: &str, warnings: &mut Vec<Warning>) {
        for (name, hook) in &self.hooks {
            if let Err(wrong) = hook.to_hook(name, &[], &[]) {
                let message = format!("The hook `{name}` is never run: {wrong}.");
                warnings.push(Warning { place: place.to_owned(), message });
            }
        }
    }

    /// The budget of all tools that need none of their own.
    pub fn budget(&self) -> tool::Budget {
        self.budgets.get(ALL_TOOLS).map_or_else(tool::Budget::default, |budget| budget.over(tool::Budget::default()))
    }

    /// The budgets of single tools.
    pub fn budgets(&self) -> impl Iterator<Item = (&str, tool::Budget)> {
        let all = self.budget();
        let of_one = self.budgets.iter().filter(|(name, _)| *name != ALL_TOOLS);
        of_one.map(move |(name, budget)| (name.as_str(), budget.over(all)))
    }

    pub fn web(&self) -> Web {
        let WebSettings { allow_hosts, proxy } = self.web.clone();
        Web { allow_hosts: allow_hosts.unwrap_or_default(), proxy }
    }
}

impl HookSettings {
    fn to_hook(&self, name: &str, roots: &[PathBuf], withheld: &[String]) -> Result<CommandHook, String> {
        let when = match self.on.ok_or("`on` is missing: turn_start, before_tool, after_tool or turn_end")? {
            HookMoment::TurnStart => When::TurnStart,
            HookMoment::BeforeTool => When::BeforeTool,
            HookMoment::AfterTool => When::AfterTool,
            HookMoment::TurnEnd => When::TurnEnd,
        };
        let tools =
            self.tools.iter().flatten().map(|pattern| HookPattern::new(pattern).map_err(|error| error.to_string()));
        Ok(CommandHook {
            name: name.to_owned(),
            when,
            tools: tools.collect::<Result<_, _>>()?,
            command: self.command.clone().ok_or("`command` is missing")?,
            time_limit: self.timeout.map_or(Duration::from_secs(60), Into::into),
            roots: roots.to_vec(),
            withheld: withheld.to_vec(),
        })
    }
}

impl BudgetSettings {
    fn over(self, budget: tool::Budget) -> tool::Budget {
        tool::Budget {
            text: self.text.unwrap_or(budget.text),
            images: self.images.unwrap_or(budget.images),
            excess: self.excess.map_or(budget.excess, |excess| match excess {
                Excess::Fail => tool::Excess::Fail,
                Excess::Clip => tool::Excess::Clip,
                Excess::Store => tool::Excess::Store,
            }),
        }
    }
}

impl From<tool::Budget> for BudgetSettings {
    fn from(budget: tool::Budget) -> Self {
        let excess = match budget.excess {
            tool::Excess::Fail => Excess::Fail,
            tool::Excess::Clip => Excess::Clip,
            tool::Excess::Store => Excess::Store,
        };
        Self { text: Some(budget.text), images: Some(budget.images), excess: Some(excess) }
    }
}

impl Reader<'_> {
    pub(super) fn hook(&mut self, entry: Entry) -> HookSettings {
        let mut hook = HookSettings::default();
        for entry in self.table(entry, "a table") {
            match snake_case(&entry.key).as_str() {
                "on" => {
                    let expected = "\"turn_start\", \"before_tool\", \"after_tool\" or \"turn_end\"";
                    self.take(&mut hook.on, &entry, expected);
                }
                "tools" => self.take(&mut hook.tools, &entry, "a list of names, each in quotes"),
                "command" => self.take(&mut hook.command, &entry, "a command line, in quotes"),
                "timeout" => self.take(&mut hook.timeout, &entry, "a number of seconds"),
                _ => self.unknown(&entry, HOOK_NAMES),
            }
        }
        hook
    }

    pub(super) fn budget(&mut self, entry: Entry) -> BudgetSettings {
        let mut budget = BudgetSettings::default();
        for entry in self.table(entry, "a table") {
            match snake_case(&entry.key).as_str() {
                "text" => self.take(&mut budget.text, &entry, "a number of bytes"),
                "images" => self.take(&mut budget.images, &entry, "a whole number"),
                "excess" => self.take(&mut budget.excess, &entry, "\"fail\", \"clip\" or \"store\""),
                _ => self.unknown(&entry, BUDGET_NAMES),
            }
        }
        budget
    }

    pub(super) fn web_fetch(&mut self, entry: Entry) -> WebSettings {
        let mut web = WebSettings::default();
        for entry in self.table(entry, "a table") {
            match snake_case(&entry.key).as_str() {
                "allow_hosts" => self.take(&mut web.allow_hosts, &entry, "a list of hosts, each in quotes"),
                "proxy" => self.proxy(&mut web.proxy, &entry),
                _ => self.unknown(&entry, WEB_NAMES),
            }
        }
        web
    }
}
