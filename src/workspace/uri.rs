//! The URIs editors name their documents by.

use std::{
    fmt::Write,
    path::{Path, PathBuf},
};

/// What a URI names.
#[derive(Debug, PartialEq, Eq)]
pub enum Named {
    /// An absolute path.
    File(PathBuf),
    /// Something that only the editor has, as `untitled:Untitled-1`.
    Other,
    /// A `file:` URI that names no path of this machine.
    Malformed,
}

/// What `text` names if it is a URI; `None` if it reads as a plain path.
pub fn parse(text: &str) -> Option<Named> {
    let (scheme, rest) = text.split_once(':')?;
    // One letter is a Windows drive.
    let is_scheme = scheme.len() > 1
        && scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.chars().all(|char| char.is_ascii_alphanumeric() || "+-.".contains(char));
    if !is_scheme {
        return None;
    }
    if scheme.eq_ignore_ascii_case("file") && rest.starts_with('/') {
        return Some(file(rest).map_or(Named::Malformed, Named::File));
    }
    // A file may have a colon in its name; of the URIs without `//` only this one is met in editors.
    (rest.starts_with("//") || scheme == "untitled").then_some(Named::Other)
}

/// The URI of a path; one that is a URI already, as that of an untitled buffer, stays as it is.
pub fn of(path: &Path) -> String {
    let text = path.to_string_lossy();
    if !path.is_absolute() {
        return text.into_owned();
    }
    let text = if cfg!(windows) { text.replace('\\', "/") } else { text.into_owned() };
    let text = text.trim_start_matches("//?/");
    let mut uri = String::from(if text.starts_with('/') { "file://" } else { "file:///" });
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => uri.push(char::from(byte)),
            _ => {
                let _ = write!(uri, "%{byte:02X}");
            }
        }
    }
    uri
}

/// The path of what follows `file:`.
fn file(rest: &str) -> Option<PathBuf> {
    let (host, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find('/')?),
        None => ("", rest),
    };
    // No `?` or `#` ends it: such a URI has neither query nor fragment, and not every editor encodes them.
    let path = decode(path)?;
    let local = host.is_empty() || host.eq_ignore_ascii_case("localhost");
    if cfg!(windows) {
        let path = path.replace('/', "\\");
        return Some(PathBuf::from(if local {
            path.trim_start_matches('\\').to_owned()
        } else {
            format!("\\\\{host}{path}")
        }));
    }
    local.then(|| PathBuf::from(path))
}

/// Undoes percent-encoding. `None` if what comes out is no UTF-8 or has a NUL.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let digits = tail.get(..2).filter(|digits| *first == b'%' && digits.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_paths_are_no_uris() {
        for path in ["src/main.rs", "/a/b", "C:\\x", "c:/x", "a:b", "notes: today.md", "std::fs"] {
            assert_eq!(parse(path), None, "{path}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn file_uris_are_decoded() {
        let file = |path: &str| Some(Named::File(PathBuf::from(path)));
        assert_eq!(parse("file:///a%20b/%C3%A9.rs"), file("/a b/é.rs"));
        assert_eq!(parse("file:///a%2"), file("/a%2"));
        assert_eq!(parse("file:///a%é%+F"), file("/a%é%+F"));
        assert_eq!(parse("file:///c#/a"), file("/c#/a"));
        assert_eq!(parse("FILE://localhost/a"), file("/a"));
        assert_eq!(parse("file:/a"), file("/a"));
        assert_eq!(parse("file://elsewhere/a"), Some(Named::Malformed));
        assert_eq!(parse("file:///a%00"), Some(Named::Malformed));
        assert_eq!(parse("file:///a%FF"), Some(Named::Malformed));
    }

    #[cfg(unix)]
    #[test]
    fn paths_become_uris_and_come_back() {
        for path in ["/a b/é.rs", "/c#/a?%41", "/[x]/y:z"] {
            assert_eq!(parse(&of(path.as_ref())), Some(Named::File(PathBuf::from(path))), "{path}");
        }
        assert_eq!(of("/a b/é".as_ref()), "file:///a%20b/%C3%A9");
    }

    #[test]
    fn other_schemes_are_kept() {
        assert_eq!(parse("untitled:Untitled-1"), Some(Named::Other));
        assert_eq!(parse("vscode-remote://ssh/x"), Some(Named::Other));
    }
}
