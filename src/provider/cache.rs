//! What a provider is asked to keep of a prompt, in words that hold for all of them.
//!
//! A prompt grows at its end, round by round, and providers that keep what came before charge a tenth of it. Some do so
//! by themselves, some want the places marked, some only a hint which calls belong together. A [`Cache`] says what is
//! wanted; each provider maps it to what it has.

use serde_json::{Map, Value};

use super::{
    ErrorClass,
    catalog::takes::{self, Takes},
    error::Failure,
};
use crate::transcript::Message;

/// The longest key that OpenAI takes, in characters.
const LONGEST_KEY: usize = 64;

/// What the provider is asked to keep of the prompt.
///
/// ```
/// use pillion::provider::cache::{Breakpoint, Breakpoints, Cache, Mode, Retention};
///
/// // The default: as well as the provider can, where it thinks best.
/// assert_eq!(Cache::default().mode, Mode::BestEffort);
///
/// // A long document in the first message is asked about again and again, for an hour, or not at all.
/// let document = Cache {
///     mode: Mode::Required,
///     breakpoints: Breakpoints::Explicit(vec![Breakpoint::Tools, Breakpoint::Message(0)]),
///     retention: Retention::Extended,
///     ..Cache::default()
/// };
/// # drop(document);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cache {
    pub mode: Mode,
    pub breakpoints: Breakpoints,
    pub retention: Retention,
    /// What calls with a common beginning have in common, at most 64 characters: it leads them to the same machine where
    /// a provider (OpenAI) has many. Elsewhere it makes no difference.
    pub key: Option<String>,
}

/// How much it matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Nothing is asked for. A provider that keeps prompts unasked still does.
    Disabled,
    /// What the provider cannot do is left out.
    #[default]
    BestEffort,
    /// What the provider cannot do is an error of class [`ErrorClass::BadRequest`], before anything is sent.
    Required,
}

/// Where the parts of the prompt end that are worth keeping.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Breakpoints {
    /// After the tools, after the system text, and at the end, which moves along.
    #[default]
    Automatic,
    /// Just here. A provider that takes fewer (Anthropic takes four) gets the last of them, which hold the most.
    Explicit(Vec<Breakpoint>),
}

/// The end of a part of the prompt. Everything before it is kept with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breakpoint {
    /// After the last tool.
    Tools,
    /// After the last block of system text.
    System,
    /// After this message of the request, from 0.
    Message(usize),
    /// After this part of this message, both from 0.
    Part(usize, usize),
}

/// For how long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retention {
    /// As the provider does when nobody says.
    #[default]
    Default,
    /// Some minutes after the last use.
    Short,
    /// An hour or more, where that can be had: Anthropic's hour (for what does not move, if the breakpoints are
    /// automatic), OpenAI's day.
    Extended,
}

/// How a server keeps prompts, as far as that is known of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Caching {
    /// Nothing is known.
    #[default]
    Unknown,
    /// By itself, and there is nothing to ask for.
    Implicit,
    /// By itself, and it takes `prompt_cache_key` and `prompt_cache_retention`: OpenAI's.
    Key,
    /// By itself, but for Anthropic's models, for which it takes Anthropic's `cache_control`.
    Control,
}

/// What a provider can be asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ability {
    /// It keeps prompts at all.
    pub keeps: bool,
    /// How many places can be marked.
    pub breakpoints: usize,
    pub extended: bool,
}

impl Caching {
    /// What can be asked for, for this model.
    pub fn ability(self, model: &str) -> Ability {
        match self {
            Self::Unknown => Ability::default(),
            Self::Control if !model.contains("claude") => Self::Implicit.ability(model),
            Self::Implicit => Ability { keeps: true, breakpoints: 0, extended: false },
            Self::Key => Ability { keeps: true, breakpoints: 0, extended: takes::of(model).long_cache },
            // The places of breakpoints are ours there, not the caller's.
            Self::Control => Ability { keeps: true, breakpoints: 0, extended: true },
        }
    }
}

impl Cache {
    /// Puts OpenAI's words for this into the body of a request to a model that takes this.
    pub(super) fn say(&self, takes: &Takes, body: &mut Map<String, Value>) {
        if self.mode == Mode::Disabled {
            return;
        }
        if let Some(key) = &self.key {
            body.insert("prompt_cache_key".into(), key.chars().take(LONGEST_KEY).collect::<String>().into());
        }
        if self.retention == Retention::Extended && takes.long_cache {
            body.insert("prompt_cache_retention".into(), "24h".into());
        }
    }

    /// Nothing.
    pub fn disabled() -> Self {
        Self { mode: Mode::Disabled, ..Self::default() }
    }

    /// What is asked for as well as it can be had, for as long as `retention` says.
    pub fn kept_for(retention: Retention) -> Self {
        Self { retention, ..Self::default() }
    }

    /// Refuses what must be and cannot, in a request of these messages.
    pub(super) fn check(&self, ability: Ability, messages: &[Message]) -> Result<(), Failure> {
        if self.mode != Mode::Required {
            return Ok(());
        }
        let missing = |breakpoint: &&Breakpoint| match **breakpoint {
            Breakpoint::Tools | Breakpoint::System => false,
            Breakpoint::Message(message) => messages.len() <= message,
            Breakpoint::Part(message, part) => {
                messages.get(message).is_none_or(|message| message.content.len() <= part)
            }
        };
        let marks = if let Breakpoints::Explicit(marks) = &self.breakpoints { marks.as_slice() } else { &[] };
        let problem = if !ability.keeps {
            "it is not known to keep prompts".to_owned()
        } else if marks.len() > ability.breakpoints {
            match ability.breakpoints {
                0 => "it takes no breakpoints".to_owned(),
                most => format!("it takes {most} breakpoints at most, not {}", marks.len()),
            }
        } else if self.retention == Retention::Extended && !ability.extended {
            "it does not keep prompts for longer than usual".to_owned()
        } else if let Some(breakpoint) = marks.iter().find(missing) {
            format!("the request has no place for the breakpoint {breakpoint:?}")
        } else {
            return Ok(());
        };
        Err(Failure {
            advice: "The cache is required as it was asked for; ask for it with best effort to do without.".into(),
            ..Failure::new(ErrorClass::BadRequest, format!("{problem} (nothing was sent)"))
        })
    }

    /// The explicit breakpoints in the order of the prompt, without doubles, at most the last `most`; `None` if they are
    /// left to the provider.
    pub(super) fn explicit(&self, most: usize) -> Option<Vec<Breakpoint>> {
        let Breakpoints::Explicit(breakpoints) = &self.breakpoints else { return None };
        let place = |breakpoint: &Breakpoint| match *breakpoint {
            Breakpoint::Tools => (0, 0, 0),
            Breakpoint::System => (1, 0, 0),
            Breakpoint::Part(message, part) => (2, message, part),
            Breakpoint::Message(message) => (2, message, usize::MAX),
        };
        let mut breakpoints = breakpoints.clone();
        breakpoints.sort_by_key(place);
        breakpoints.dedup();
        Some(breakpoints.split_off(breakpoints.len().saturating_sub(most)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Ability = Ability { keeps: true, breakpoints: 4, extended: true };

    fn messages() -> [Message; 2] {
        let mut second = Message::user("b");
        second.content.extend(Message::user("c").content);
        [Message::user("a"), second]
    }

    #[track_caller]
    fn refused(cache: Cache, ability: Ability, why: &str) {
        let required = Cache { mode: Mode::Required, ..cache.clone() };
        let failure = required.check(ability, &messages()).unwrap_err();
        assert!(failure.what.contains(why), "{}", failure.what);
        for mode in [Mode::Disabled, Mode::BestEffort] {
            assert_eq!(Cache { mode, ..cache.clone() }.check(ability, &messages()), Ok(()));
        }
    }

    fn at(breakpoints: &[Breakpoint]) -> Cache {
        Cache { breakpoints: Breakpoints::Explicit(breakpoints.to_vec()), ..Cache::default() }
    }

    #[test]
    fn what_must_be_and_cannot_is_refused() {
        refused(Cache::default(), Ability::default(), "not known to keep");
        refused(at(&[Breakpoint::Tools; 5]), ALL, "4 breakpoints at most, not 5");
        refused(at(&[Breakpoint::Tools]), Ability { breakpoints: 0, ..ALL }, "no breakpoints");
        refused(Cache::kept_for(Retention::Extended), Ability { extended: false, ..ALL }, "longer than usual");
        refused(at(&[Breakpoint::Message(2)]), ALL, "Message(2)");
        refused(at(&[Breakpoint::Part(1, 2)]), ALL, "Part(1, 2)");
        let fits = at(&[Breakpoint::System, Breakpoint::Part(1, 1), Breakpoint::Message(1)]);
        assert_eq!(
            Cache { mode: Mode::Required, retention: Retention::Extended, ..fits }.check(ALL, &messages()),
            Ok(())
        );
    }

    #[test]
    fn the_last_breakpoints_stay() {
        let all = at(&[
            Breakpoint::Message(1),
            Breakpoint::Tools,
            Breakpoint::Part(1, 0),
            Breakpoint::Message(0),
            Breakpoint::Tools,
            Breakpoint::System,
        ]);
        let expect = [Breakpoint::System, Breakpoint::Message(0), Breakpoint::Part(1, 0), Breakpoint::Message(1)];
        assert_eq!(all.explicit(4).unwrap(), expect);
        assert_eq!(Cache::default().explicit(4), None);
    }
}
