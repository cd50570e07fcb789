//! What a child does not get to know of this process's environment.

use std::ffi::OsString;

/// The variables of this process that a child must not see: the `named` ones and those that look like secrets.
pub(super) fn withheld(named: &[String]) -> Vec<OsString> {
    std::env::vars_os().map(|(name, _)| name).filter(|name| is_secret(&name.to_string_lossy(), named)).collect()
}

/// The values of this process's variables that look like secrets.
pub fn secrets() -> Vec<String> {
    let secret = |(name, value): (OsString, OsString)| {
        is_secret(&name.to_string_lossy(), &[]).then(|| value.to_string_lossy().into_owned())
    };
    std::env::vars_os().filter_map(secret).collect()
}

const ENDINGS: &[&str] = &["_KEY", "_TOKEN", "_SECRET", "PASSWORD", "_PASSWD", "_PAT", "_CREDENTIALS"];
const WHOLE: &[&str] = &["API_KEY", "TOKEN", "SECRET"];

/// Stands where a secret stood.
pub const HIDDEN: &str = "***";

/// Whether a variable, a header, a field, or an option of a program, of this name holds a secret.
pub fn names_secret(name: &str) -> bool {
    /// Anywhere in a name, without what stands between its words.
    const PARTS: &[&str] =
        &["apikey", "accesskey", "authorization", "password", "passwd", "secret", "bearer", "credential", "cookie"];
    let plain = name.to_ascii_lowercase().replace(['-', '_'], "");
    PARTS.iter().any(|part| plain.contains(part)) || plain.ends_with("token") || is_secret(&name.replace('-', "_"), &[])
}

fn is_secret(name: &str, named: &[String]) -> bool {
    let upper = name.to_ascii_uppercase();
    ENDINGS.iter().any(|ending| upper.ends_with(ending))
        || WHOLE.contains(&upper.as_str())
        || (upper.starts_with("PILLION_") && upper.contains("KEY"))
        // Of OpenTelemetry: what a collector is shown.
        || (upper.starts_with("OTEL_") && upper.ends_with("_HEADERS"))
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
        for name in ["AWS_SECRET_ACCESS_KEY", "OPENAI_KEY", "API_KEY", "TOKEN", "SECRET", "PASSWORD", "DB_PASSWORD"] {
            assert!(is_secret(name, &named), "{name}");
        }
        for name in
            ["OTEL_EXPORTER_OTLP_HEADERS", "PGPASSWORD", "DB_PASSWD", "GITHUB_PAT", "GOOGLE_APPLICATION_CREDENTIALS"]
        {
            assert!(is_secret(name, &named), "{name}");
        }
        for name in [
            "SSH_AUTH_SOCK",
            "AWS_ACCESS_KEY_ID",
            "GIT_ASKPASS",
            "OLDPWD",
            "KEY",
            "PATH",
            "HOME",
            "KEYBOARD",
            "TOKENIZERS",
            "API_KEYS_FILE",
            "PILLION_LOG",
            "MY_PASSWORDS",
        ] {
            assert!(!is_secret(name, &named), "{name}");
        }
    }
}
