//! What a child does not get to know of this process's environment.

use std::ffi::OsString;

/// The variables of this process that a child must not see: the `named` ones and those that look like secrets.
pub(super) fn withheld(named: &[String]) -> Vec<OsString> {
    std::env::vars_os().map(|(name, _)| name).filter(|name| is_secret(&name.to_string_lossy(), named)).collect()
}

fn is_secret(name: &str, named: &[String]) -> bool {
    let upper = name.to_ascii_uppercase();
    ["_API_KEY", "_TOKEN", "_SECRET"].iter().any(|ending| upper.ends_with(ending))
        || (upper.starts_with("PILLION_") && upper.contains("KEY"))
        || named.iter().any(|other| other.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_names() {
        let named = ["MY_PASS".to_owned()];
        for name in ["ANTHROPIC_API_KEY", "gh_token", "AWS_SECRET", "PILLION_KEYS", "PILLION_MY_KEY_1", "My_Pass"] {
            assert!(is_secret(name, &named), "{name}");
        }
        for name in ["PATH", "HOME", "KEYBOARD", "TOKENIZERS", "API_KEYS_FILE", "PILLION_LOG", "MY_PASSWORDS"] {
            assert!(!is_secret(name, &named), "{name}");
        }
    }
}
