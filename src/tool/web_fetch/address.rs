//! Which addresses of the network may be reached.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Whether anybody can reach it: not this machine, its own network, or what is reserved for something else.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// By IANA's registry of special-purpose addresses.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(a == 0
        || address.is_private()
        || (a == 100 && b & 0xC0 == 64)
        || address.is_loopback()
        // The address of the cloud's metadata, 169.254.169.254, among them.
        || address.is_link_local()
        || (a == 192 && b == 0 && c == 0)
        || address.is_documentation()
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && b & 0xFE == 18)
        || address.is_multicast()
        || a >= 240)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    let parts = address.segments();
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match parts {
        // NAT64 leads to the IPv4 address in it.
        [0x64, 0xFF9B, 0, 0, 0, 0, high, low] => embedded(high, low),
        // So does 6to4.
        [0x2002, high, low, ..] => embedded(high, low),
        // Teredo, benchmarking, ORCHID and what else is in 2001::/23; documentation.
        [0x2001, second, ..] => second >= 0x200 && second != 0xDB8,
        [0x3FFF, second, ..] => second & 0xF000 != 0,
        // Only 2000::/3 is given to anybody: neither ::/8 (this machine, old embeddings) nor fc00::/7, fe80::/10, ff00::/8.
        [first, ..] => first & 0xE000 == 0x2000,
    }
}

/// Hosts that the person allows although they are not public: `localhost`, `10.0.0.7`, or `*.corp.example` for all below
/// that name.
#[derive(Clone, Debug, Default)]
pub struct Allowed(Arc<[String]>);

impl Allowed {
    pub fn new(hosts: &[String]) -> Self {
        Self(hosts.iter().map(|host| bare(host)).collect())
    }

    pub fn has(&self, host: &str) -> bool {
        let host = bare(host);
        self.0.iter().any(|allowed| match allowed.strip_prefix('*') {
            Some(domain) => domain.starts_with('.') && host.len() > domain.len() && host.ends_with(domain),
            None => *allowed == host,
        })
    }
}

fn bare(host: &str) -> String {
    host.trim().trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase()
}

/// A host leads nowhere that may be reached.
#[derive(Debug, thiserror::Error)]
#[error(
    "{host} is on this machine or in its own network ({address}), which is not fetched from unless the person allows it: \
     `allow_hosts` under `[web_fetch]` in Pillion's configuration"
)]
pub struct NotPublic {
    pub host: String,
    pub address: IpAddr,
}

/// Looks names up and gives only the addresses that may be reached. What it gives is what is connected to, so that no
/// second look-up can lead elsewhere.
pub struct Resolver {
    allowed: Allowed,
}

impl Resolver {
    pub fn new(allowed: Allowed) -> Self {
        Self { allowed }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = self.allowed.clone();
        Box::pin(async move {
            let host = name.as_str();
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host, 0)).await?.collect();
            let addresses = permitted(&allowed, host, found)?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

fn permitted(
    allowed: &Allowed,
    host: &str,
    found: Vec<SocketAddr>,
) -> Result<Vec<SocketAddr>, Box<dyn std::error::Error + Send + Sync>> {
    let first = found.first().copied();
    let addresses: Vec<_> = found.into_iter().filter(|address| allowed.has(host) || is_public(address.ip())).collect();
    match first {
        _ if !addresses.is_empty() => Ok(addresses),
        Some(address) => Err(NotPublic { host: host.to_owned(), address: address.ip() }.into()),
        None => Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_reached() {
        for address in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:c0a8:101::1",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "1.1.1.1",
            "9.9.9.9",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "198.17.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "2002:808:808::1",
            "2a00:1450::1",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn a_name_is_reached_at_its_public_addresses_only() {
        let address = |text: &str| SocketAddr::new(text.parse().unwrap(), 0);
        let (inner, outer) = (address("10.0.0.1"), address("1.1.1.1"));
        let allowed = Allowed::new(&["intra".into(), "*.Corp.example".into()]);
        assert_eq!(permitted(&allowed, "rebind.example", vec![inner, outer]).unwrap(), [outer]);
        let refused = permitted(&allowed, "rebind.example", vec![inner]).unwrap_err().to_string();
        assert!(refused.contains("10.0.0.1") && refused.contains("allow_hosts"), "{refused}");
        assert!(permitted(&allowed, "none.example", Vec::new()).is_err());
        for host in ["intra", "INTRA.", "a.corp.example", "a.b.CORP.example"] {
            assert_eq!(permitted(&allowed, host, vec![inner]).unwrap(), [inner], "{host}");
        }
        for host in ["corp.example", "notcorp.example", "intra.example", "xintra"] {
            assert!(permitted(&allowed, host, vec![inner]).is_err(), "{host}");
        }
    }
}
