//! May this call run? A pure function of a policy and a call, which asks when in doubt.

use std::path::PathBuf;

use crate::tool::Class;

/// How much happens without asking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Reading inside the roots is allowed; everything else asks.
    #[default]
    Ask,
    /// Edits inside the roots are allowed too.
    AcceptEdits,
    /// Nothing that changes anything may run.
    Plan,
    /// Everything inside the roots is allowed; what leaves them asks.
    Auto,
}

/// What the person has decided beforehand.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    pub mode: Mode,
    pub rules: Vec<Rule>,
}

/// A kind of call that was allowed beforehand. Shown to the person as it will be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub tool: String,
    /// What the call must match; see [`decide`]. `None` matches every call of the tool inside the roots.
    pub pattern: Option<String>,
}

/// A call at the gate.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    pub tool: &'a str,
    pub class: Class,
    pub paths: &'a [PathBuf],
    pub outside: bool,
    pub command: Option<&'a str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    Allow,
    Ask,
    /// With a reason that the model reads.
    Deny(String),
}
