//! What an argument of a program gives away.

use super::names_secret;

/// What an argument is, as the one before it says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expected {
    #[default]
    Any,
    /// A secret.
    Secret,
    /// A header or a variable: `Name: value` or `NAME=value`.
    Pair,
}

/// What must not be shown of an argument, and where it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    Nothing,
    Secret(usize),
    /// Of a header or a variable, which may be a secret.
    Value(usize),
    /// What may itself hold secrets.
    Address(usize),
}

impl Expected {
    /// What an argument holds that is expected to be this, and what is to be expected of the next one.
    pub fn look(self, text: &str) -> (Held, Self) {
        if self == Self::Secret {
            return (Held::Secret(0), Self::Any);
        }
        let mut is_pair = self == Self::Pair;
        let mut start = 0;
        // `--header=Authorization: Bearer ...`: a name may stand behind another.
        while let Some(length) = text[start..].find(['=', ':']) {
            let end = start + length;
            let name = text[start..end].trim_start_matches('-');
            if name.contains(char::is_whitespace) {
                return (Held::Nothing, Self::Any);
            }
            if text[end..].starts_with("://") {
                return (Held::Address(start), Self::Any);
            }
            if names_secret(name) || (name == "key" && name.len() < end - start) {
                return (Held::Secret(end + 1), Self::Any);
            }
            if is_pair {
                return (Held::Value(end + 1), Self::Any);
            }
            is_pair = names_pair(name);
            start = end + 1;
        }
        let next = match text.strip_prefix('-').map(|option| option.trim_start_matches('-')) {
            Some(option) if start == 0 && (names_secret(option) || option == "key") => Self::Secret,
            Some(option) if start == 0 && names_pair(option) => Self::Pair,
            _ => Self::Any,
        };
        (Held::Nothing, next)
    }
}

/// Whether an option is followed by a header or a variable.
fn names_pair(option: &str) -> bool {
    matches!(option, "header" | "headers" | "H" | "env" | "e")
}
