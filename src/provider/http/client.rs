//! The clients that all providers share, built when first needed.

use std::{
    error::Error as _,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use reqwest::{Client, Url};

use super::Limits;
use crate::provider::{ErrorClass, error::Failure};

/// Builds the client for `base_url` if no call has done so yet. The first one for a remote provider reads the system's
/// certificates, which takes milliseconds: do this beside other work, on a thread that may block.
pub fn warm(base_url: &str, limits: Limits) {
    if let Ok(url) = Url::parse(base_url) {
        // What is wrong shows at the first call.
        drop(client(&url, limits.connect));
    }
}

/// True for a server on this machine.
pub fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    host == "localhost" || host.ends_with(".localhost") || address.is_some_and(|address| address.is_loopback())
}

/// One client for servers on this machine without TLS, which no proxy can reach, and one for all others.
pub fn client(url: &Url, connect: Duration) -> Result<Client, Failure> {
    static CLIENTS: Mutex<Vec<(bool, Duration, Client)>> = Mutex::new(Vec::new());
    let plain = is_local(url) && url.scheme() == "http";
    let mut clients = CLIENTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, _, client)) = clients.iter().find(|(kind, limit, _)| (*kind, *limit) == (plain, connect)) {
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
    if plain {
        builder = builder.no_proxy().tls_certs_only([]);
    }
    let client = builder.build().map_err(|error| {
        let reason = error.source().map(ToString::to_string).unwrap_or_default();
        Failure {
            advice: "Check the system's certificates and proxy settings.".into(),
            ..Failure::new(ErrorClass::Network, format!("the HTTP client cannot be built: {reason}"))
        }
    })?;
    clients.push((plain, connect, client.clone()));
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
