//! May this call run? A pure function of a policy and a call, which asks when in doubt.
//!
//! ```
//! use pillion::permission::{Call, Decision, Mode, Policy, decide};
//! use pillion::tool::Class;
//!
//! let policy = Policy { mode: Mode::Ask, rules: vec!["bash(cargo test *)".parse()?] };
//! let bash = |command| Call {
//!     tool: "bash",
//!     class: Class::Execute,
//!     paths: &[],
//!     outside: false,
//!     command: Some(command),
//!     host: None,
//!     roots: &[],
//! };
//! assert_eq!(decide(&policy, &bash("cargo test --lib")), Decision::Allow);
//! assert_eq!(decide(&policy, &bash("cargo test; rm -rf .")), Decision::Ask);
//! # Ok::<(), pillion::permission::RuleError>(())
//! ```

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::tool::{self, Class};

mod rule;

pub use rule::RuleError;

/// How much happens without asking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// Reading inside the roots is allowed; everything else asks.
    #[default]
    Ask,
    /// Edits inside the roots are allowed too, except to files that other programs run.
    AcceptEdits,
    /// Nothing that changes anything may run.
    Plan,
    /// Everything inside the roots is allowed; what leaves them asks, and so do edits to files that other programs run.
    Auto,
}

/// What the person has decided beforehand.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    pub mode: Mode,
    pub rules: Vec<Rule>,
}

/// A kind of call that was allowed beforehand. Shown to the person as it will be stored: `bash(cargo test *)`,
/// `edit(src/**)`, or `plan` for every call of a tool inside the roots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    pub tool: String,
    /// What the call must match. `None` matches every call of the tool inside the roots.
    ///
    /// For a call with a command line: the exact command, or a prefix that ends in ` *`, which takes further arguments,
    /// but never a command that a shell would read as more than one simple command, nor an option that names a program
    /// or a file, a path that leads out of the roots, or a wildcard that may become one of these. A command that leaves
    /// the roots matches nothing.
    ///
    /// For a call that reaches a host: its name as in the address, `docs.rs`, with `:port` unless that is the scheme's
    /// own; or `*.docs.rs` for every host below that name, and not for itself.
    ///
    /// For a call on files: a glob (`*` stays within a folder, `**` does not) on the path relative to its root; an
    /// absolute glob is matched against the whole path and is the only one that reaches outside the roots. A file that
    /// other programs run ([`tool::arms`]) is changed by a rule that names it only, without a wildcard.
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
    /// The host it reaches, as in [`Proposal::host`](crate::tool::Proposal::host).
    pub host: Option<&'a str>,
    /// What `paths` are relative to in rules; absolute, like them.
    pub roots: &'a [PathBuf],
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    Allow,
    Ask,
    /// With a reason that the model reads.
    Deny(String),
}

/// Whether this call runs, waits for a person, or does not run.
///
/// [`Mode::Plan`] comes before the rules: they never let anything change in it. Otherwise a call runs if its mode or a
/// rule allows it, and asks if nothing does. A call on several files needs a rule for each.
pub fn decide(policy: &Policy, call: &Call) -> Decision {
    let changes = matches!(call.class, Class::Edit | Class::Execute);
    if policy.mode == Mode::Plan && changes {
        return Decision::Deny(format!(
            "plan mode: nothing may be changed or run, so `{}` was not called. Go on reading, and say what you would do.",
            call.tool
        ));
    }
    let allowed_by_mode = match policy.mode {
        Mode::Ask | Mode::Plan => call.class == Class::Read,
        Mode::AcceptEdits => matches!(call.class, Class::Read | Class::Edit),
        Mode::Auto => true,
    };
    let arms = call.class == Class::Edit && call.paths.iter().any(|path| tool::arms(path, call.roots));
    if (allowed_by_mode && !call.outside && !arms) || rule::allows(&policy.rules, call) {
        return Decision::Allow;
    }
    Decision::Ask
}

/// The rules that, taken together, would silence this call and others like it; none where only the person's word will
/// do. As narrow as is of use: the very files, and the very command, its arguments left open only where it is known to
/// build, test or look, whatever they are.
pub fn suggest(call: &Call) -> Vec<Rule> {
    rule::suggest(call)
}

#[cfg(test)]
mod tests;
