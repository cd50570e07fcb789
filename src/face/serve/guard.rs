//! Who may come in.
//!
//! A page of any web site can send requests to this machine's ports, under a name of its own that leads here if need be.
//! So a request must come under a name that is known, from no page or one that is listed, and with the token. On a Unix
//! socket the system says who the other side is, and no token is asked for.

use std::net::IpAddr;

use jsonrpsee::server::HttpRequest;
use subtle::ConstantTimeEq;

/// Browsers cannot set `Authorization` on a WebSocket: they may offer this protocol, and beside it `bearer.TOKEN`.
pub const PROTOCOL: &str = "pillion";

/// What requests are held against.
pub struct Guard {
    token: String,
    origins: Vec<String>,
    hosts: Vec<String>,
}

/// Why a request was turned away: an HTTP status, and a line for people.
#[derive(Debug, PartialEq)]
pub struct Refusal {
    pub status: u16,
    pub text: String,
}

impl Guard {
    pub fn new(token: &str, origins: &[String], hosts: &[String]) -> Self {
        let origins = origins.iter().map(|origin| origin.trim_end_matches('/').to_lowercase()).collect();
        let hosts = hosts.iter().map(|host| host.to_lowercase()).collect();
        Self { token: token.to_owned(), origins, hosts }
    }

    pub fn check_name<B>(&self, request: &HttpRequest<B>) -> Result<(), Refusal> {
        let host = header(request, "host").or_else(|| request.uri().host()).unwrap_or_default();
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        let name = name.trim_start_matches('[').trim_end_matches(']').to_lowercase();
        // An address leads nowhere but where it says; only a name can be another's.
        let is_known = name == "localhost" || name.parse::<IpAddr>().is_ok() || self.hosts.contains(&name);
        if is_known {
            return Ok(());
        }
        let text = format!("This server is not called {name:?}. If it should be, start it with --host {name}.");
        Err(Refusal { status: 421, text })
    }

    /// The origin, if the request comes from a page.
    pub fn check_origin<B>(&self, request: &HttpRequest<B>) -> Result<Option<String>, Refusal> {
        let Some(origin) = request.headers().get("origin") else { return Ok(None) };
        let origin = &*String::from_utf8_lossy(origin.as_bytes());
        if self.origins.contains(&origin.to_lowercase()) {
            return Ok(Some(origin.to_owned()));
        }
        let text =
            format!("Pages of {origin} may not use this server. If they should, start it with --origin {origin}.");
        Err(Refusal { status: 403, text })
    }

    pub fn check_token<B>(&self, request: &HttpRequest<B>) -> Result<(), Refusal> {
        let bearer = header(request, "authorization").and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        let shown = bearer.or_else(|| protocols(request).find_map(|protocol| protocol.strip_prefix("bearer.")));
        if shown.is_some_and(|shown| bool::from(shown.as_bytes().ct_eq(self.token.as_bytes()))) {
            return Ok(());
        }
        let text = match shown {
            None => "A token is needed: send the header `Authorization: Bearer TOKEN`.",
            Some(_) => "This is not the token of this server. It was told when the server was first started.",
        };
        Err(Refusal { status: 401, text: text.to_owned() })
    }
}

pub fn header<'a, B>(request: &'a HttpRequest<B>, name: &str) -> Option<&'a str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}

pub fn protocols<B>(request: &HttpRequest<B>) -> impl Iterator<Item = &str> {
    let offered = request.headers().get_all("sec-websocket-protocol").iter().filter_map(|value| value.to_str().ok());
    offered.flat_map(|value| value.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(guard: &Guard, headers: &[(&str, &str)]) -> u16 {
        let mut request = HttpRequest::builder();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).expect("a request");
        let checked = guard.check_name(&request).and_then(|()| guard.check_origin(&request));
        checked.and_then(|_| guard.check_token(&request)).map_or_else(|refusal| refusal.status, |()| 200)
    }

    #[test]
    fn name_origin_and_token_must_all_fit() {
        let guard = Guard::new("secret", &["https://ride.example/".to_owned()], &["pillion.lan".to_owned()]);
        let check = |headers: &[(&str, &str)], expected| assert_eq!(status(&guard, headers), expected, "{headers:?}");
        let token = ("authorization", "Bearer secret");
        check(&[("host", "127.0.0.1:7455"), token], 200);
        check(&[("host", "LocalHost"), ("authorization", "bearer secret")], 200);
        check(&[("host", "[::1]:7455"), token], 200);
        check(&[("host", "pillion.lan:1"), token], 200);
        check(&[("host", "rebound.example"), token], 421);
        check(&[("host", "localhost.rebound.example"), token], 421);
        check(&[token], 421);
        check(&[("host", "localhost"), ("origin", "https://ride.example"), token], 200);
        check(&[("host", "localhost"), ("origin", "https://other.example"), token], 403);
        check(&[("host", "localhost"), ("origin", "null"), token], 403);
        check(&[("host", "localhost"), ("origin", "https://ride.exämple"), token], 403);
        check(&[("host", "localhost")], 401);
        check(&[("host", "localhost"), ("authorization", "Bearer secre")], 401);
        check(&[("host", "localhost"), ("authorization", "Bearer secrets")], 401);
        check(&[("host", "localhost"), ("authorization", "Basic secret")], 401);
        check(&[("host", "localhost"), ("sec-websocket-protocol", "pillion, bearer.secret")], 200);
        check(&[("host", "localhost"), ("sec-websocket-protocol", "pillion, bearer.other")], 401);
    }
}
