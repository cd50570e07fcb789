//! The clients that all providers share, built when first needed.

use std::{
    error::Error as _,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use reqwest::{Client, Url};

use super::{Limits, Proxy, Route};
use crate::provider::{ErrorClass, error::Failure};

/// Builds the client for `base_url` if no call has done so yet. The first one for a remote provider reads the system's
/// certificates, which takes milliseconds: do this beside other work, on a thread that may block.
pub fn warm(base_url: &str, limits: Limits, route: &Route) {
    if let Ok(url) = Url::parse(base_url) {
        // What is wrong shows at the first call.
        drop(client(&url, limits.connect, route));
    }
}

/// True for the address of a server on this machine.
pub fn is_on_this_machine(base_url: &str) -> bool {
    Url::parse(base_url).is_ok_and(|url| is_local(&url))
}

pub fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    host == "localhost" || host.ends_with(".localhost") || address.is_some_and(|address| address.is_loopback())
}

/// One client for servers on this machine without TLS, which no proxy can reach, and one for all others; and one more for
/// each other way there.
pub fn client(url: &Url, connect: Duration, route: &Route) -> Result<Client, Failure> {
    static CLIENTS: Mutex<Vec<(bool, Duration, Route, Client)>> = Mutex::new(Vec::new());
    let plain = is_local(url) && url.scheme() == "http" && !matches!(route.proxy, Proxy::Url(_));
    let mut clients = CLIENTS.lock().unwrap_or_else(PoisonError::into_inner);
    let is_it =
        |(kind, limit, way, _): &&(bool, Duration, Route, Client)| (*kind, *limit, way) == (plain, connect, route);
    if let Some((.., client)) = clients.iter().find(is_it) {
        return Ok(client.clone());
    }
    // Fails if it was installed before, by an earlier client or by a program that uses this library: both are fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .user_agent(concat!("pillion/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(connect)
        .tcp_nodelay(true)
        // A connection of its own for each call: dropping the call closes it, and no call waits behind another.
        .http1_only()
        // A redirected key would go to somebody else, and a redirected POST becomes a GET.
        .redirect(reqwest::redirect::Policy::none());
    let failed = |error: reqwest::Error| {
        let reason = error.source().map(ToString::to_string).unwrap_or_default();
        Failure {
            advice: "Check the certificates and the proxy, those that are set and the system's.".into(),
            ..Failure::new(ErrorClass::Network, format!("the HTTP client cannot be built: {reason}"))
        }
    };
    match &route.proxy {
        Proxy::System if plain => builder = builder.no_proxy(),
        Proxy::System => {}
        Proxy::None => builder = builder.no_proxy(),
        Proxy::Url(url) => builder = builder.proxy(reqwest::Proxy::all(url.expose()).map_err(failed)?),
    }
    match &route.certificates {
        None if plain => builder = builder.tls_certs_only([]),
        None => {}
        Some(certificates) => builder = builder.tls_certs_merge(certificates.read().map_err(failed)?),
    }
    let client = builder.build().map_err(failed)?;
    clients.push((plain, connect, route.clone(), client.clone()));
    Ok(client)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_on_this_machine() {
        let local = |url: &str| is_local(&Url::parse(url).unwrap());
        for url in ["http://localhost:1/v1", "http://127.0.0.2", "https://[::1]:8/", "http://a.localhost"] {
            assert!(local(url), "{url}");
        }
        for url in ["https://api.anthropic.com", "http://10.0.0.1", "http://localhost.example.com", "http://0.0.0.0"] {
            assert!(!local(url), "{url}");
        }
    }
}
