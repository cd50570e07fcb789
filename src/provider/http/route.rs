//! The way to a server beside its address: proxies, and whose certificates are trusted.

use std::{fmt, sync::Arc};

use crate::provider::key::Key;

/// The way to a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    pub proxy: Proxy,
    /// Trusted beside the system's.
    pub certificates: Option<Certificates>,
}

/// What stands between us and a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Proxy {
    /// What the system or the environment (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`) says; nothing for a
    /// server on this machine without TLS.
    #[default]
    System,
    /// Nothing.
    None,
    /// An `http` or `https` address, which may hold a password.
    Url(Key),
}

/// Certificates of authorities, checked to be some.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificates(Arc<[u8]>);

impl Proxy {
    /// An address, or `none`.
    ///
    /// # Errors
    /// Says why this is no address of a proxy.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some(url) = Key::new(text).filter(|url| url.expose() != "none") else { return Ok(Self::None) };
        reqwest::Proxy::all(url.expose())
            .map_err(|_| "it is no address such as http://proxy.example:3128".to_owned())?;
        Ok(Self::Url(url))
    }
}

impl Certificates {
    /// Reads a PEM file's text.
    ///
    /// # Errors
    /// Says why it holds no certificates.
    pub fn from_pem(pem: &[u8]) -> Result<Self, String> {
        match reqwest::Certificate::from_pem_bundle(pem) {
            Ok(certificates) if certificates.is_empty() => Err("it holds no certificate in PEM format".to_owned()),
            Ok(_) => Ok(Self(pem.into())),
            Err(error) => Err(error.to_string()),
        }
    }

    pub(super) fn read(&self) -> reqwest::Result<Vec<reqwest::Certificate>> {
        reqwest::Certificate::from_pem_bundle(&self.0)
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Certificates({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies() {
        let password = Proxy::parse("http://me:sesame-open@proxy:3128").unwrap();
        assert_eq!(format!("{password:?}"), "Url(***)");
        assert_eq!(Proxy::parse(" none "), Ok(Proxy::None));
        assert_eq!(Proxy::parse(""), Ok(Proxy::None));
        assert!(Proxy::parse("http://").is_err());
    }

    #[test]
    fn what_holds_no_certificate() {
        assert!(Certificates::from_pem(b"").is_err());
        assert!(Certificates::from_pem(b"-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n").is_err());
    }
}
