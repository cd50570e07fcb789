//! What of an address is a secret.

use reqwest::Url;

use crate::process::HIDDEN;

/// A part of a path from so many characters on, with a digit in it, is a token: words are shorter, and numbers, too.
const TOKEN: usize = 16;

/// The values in an address that are or may be secrets: a password or a lone name before the host, what the query says,
/// and tokens in the path. As they stand there, and as they are meant. Nothing for what is no address.
pub fn secrets_of(address: &str) -> Vec<String> {
    let Ok(url) = Url::parse(address) else { return Vec::new() };
    let mut secrets: Vec<String> = vec![url.password().unwrap_or(url.username()).to_owned()];
    secrets.extend(url.query_pairs().map(|(_, value)| value.into_owned()));
    secrets.extend(url.query().into_iter().flat_map(|query| query.split('&')).map(|pair| value_of(pair).to_owned()));
    secrets.extend(url.path_segments().into_iter().flatten().filter(|part| is_token(part)).map(str::to_owned));
    secrets.retain(|secret| !secret.is_empty());
    secrets
}

/// The address without them; what is no address stays as it is.
pub fn without_secrets(address: &str) -> String {
    let Some(mut url) = Url::parse(address).ok().filter(Url::has_host) else { return address.to_owned() };
    let before = url.clone();
    // Only an address without a host refuses these.
    if url.password().is_some() {
        let _ = url.set_password(Some(HIDDEN));
    } else if !url.username().is_empty() {
        let _ = url.set_username(HIDDEN);
    }
    let path: Vec<&str> = before.path().split('/').map(|part| if is_token(part) { HIDDEN } else { part }).collect();
    url.set_path(&path.join("/"));
    if let Some(query) = before.query() {
        let pairs = query.split('&').map(|pair| match value_of(pair) {
            "" => pair.to_owned(),
            value => format!("{}{HIDDEN}", &pair[..pair.len() - value.len()]),
        });
        url.set_query(Some(&pairs.collect::<Vec<_>>().join("&")));
    }
    if url == before { address.to_owned() } else { url.into() }
}

/// Of `name=value`, or of what has no name.
fn value_of(pair: &str) -> &str {
    pair.split_once('=').map_or(pair, |(_, value)| value)
}

fn is_token(part: &str) -> bool {
    part.len() >= TOKEN && part.contains(|letter: char| letter.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(address: &str, secrets: &[&str], without: &str) {
        assert_eq!(secrets_of(address), secrets, "{address}");
        assert_eq!(without_secrets(address), without, "{address}");
    }

    #[test]
    fn secrets_in_an_address_are_known_by_their_place() {
        check("https://models.example", &[], "https://models.example");
        check("not an address", &[], "not an address");
        check("file:///home/ada", &[], "file:///home/ada");
        check("https://me:pw@host/v1?key=a%20b&x", &["pw", "a b", "a%20b", "x"], "https://me:***@host/v1?key=***&***");
        check("http://token@host:8080", &["token"], "http://***@host:8080/");
        check(
            "https://host/deployments/s/Zm9v0123456789ab/mcp",
            &["Zm9v0123456789ab"],
            "https://host/deployments/s/***/mcp",
        );
    }
}
