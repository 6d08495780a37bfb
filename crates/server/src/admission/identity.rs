//! Who is asking: from an [`Origin`] and a key to a [`Caller`].

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;

use crate::config::AdminKey;

/// Where a request came from, as the connection and its headers say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin<'h> {
    /// The other end of the connection.
    pub peer: IpAddr,
    /// The lines of `X-Forwarded-For`, in order. Anyone may have written them.
    pub forwarded_for: &'h [&'h str],
}

/// Who is asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Whoever has the admin key.
    Admin,
    /// Anyone else, by address.
    Public(IpAddr),
}

/// Tells callers apart.
#[derive(Debug)]
pub(crate) struct Identity {
    /// Networks whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The admin's key, if there is an admin.
    pub admin_key: Option<AdminKey>,
}

impl Identity {
    /// The caller behind a request. A wrong key makes nobody an admin, and is no error.
    pub(crate) fn caller(&self, origin: Origin<'_>, key: Option<&str>) -> Caller {
        if let (Some(admin), Some(key)) = (&self.admin_key, key)
            && admin.is(key)
        {
            return Caller::Admin;
        }
        Caller::Public(self.address(origin))
    }

    /// The right-most forwarded address that no trusted proxy has, if a trusted proxy forwards it.
    ///
    /// Each proxy appends whom it saw, so what stands left of a stranger's address is the stranger's
    /// own invention. Junk, or nobody but proxies, leaves the peer.
    fn address(&self, origin: Origin<'_>) -> IpAddr {
        let peer = origin.peer.to_canonical();
        if !self.trusts(peer) {
            return peer;
        }
        let lines = origin.forwarded_for.iter().rev();
        let entries = lines.flat_map(|line| line.rsplit(','));
        // An empty entry is none (RFC 9110, 5.6.1.2).
        for entry in entries.filter(|entry| !entry.trim().is_empty()) {
            match address_in(entry) {
                Some(address) if self.trusts(address) => {}
                Some(address) => return address,
                None => return peer,
            }
        }
        peer
    }

    /// Whether an address is a trusted proxy's.
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted_proxies
            .iter()
            .any(|net| net.contains(&address))
    }
}

/// The address in one entry, written plainly, with a port (`192.0.2.1:80`) or in brackets.
fn address_in(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim();
    let plain = || entry.parse::<IpAddr>().ok();
    let with_port = || entry.parse::<SocketAddr>().map(|socket| socket.ip()).ok();
    let in_brackets = || {
        let inside = entry.strip_prefix('[')?.strip_suffix(']')?;
        inside.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
    };
    let address = plain().or_else(with_port).or_else(in_brackets)?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(trusted: &[&str], peer: &str, forwarded_for: &[&str]) -> String {
        let identity = Identity {
            trusted_proxies: trusted.iter().map(|net| net.parse().unwrap()).collect(),
            admin_key: None,
        };
        let origin = Origin {
            peer: peer.parse().unwrap(),
            forwarded_for,
        };
        match identity.caller(origin, Some("wrong")) {
            Caller::Public(address) => address.to_string(),
            Caller::Admin => "admin".to_owned(),
        }
    }

    const LOOPBACK: &[&str] = &["127.0.0.0/8", "::1/128"];

    #[test]
    fn a_stranger_is_its_peer_whatever_the_header_says() {
        assert_eq!(seen(LOOPBACK, "192.0.2.9", &["198.51.100.1"]), "192.0.2.9");
        assert_eq!(seen(&[], "127.0.0.1", &["198.51.100.1"]), "127.0.0.1");
    }

    #[test]
    fn behind_a_proxy_the_right_most_stranger_counts() {
        assert_eq!(
            seen(LOOPBACK, "127.0.0.1", &["198.51.100.1"]),
            "198.51.100.1"
        );
        assert_eq!(
            seen(
                LOOPBACK,
                "127.0.0.1",
                &["10.0.0.1, 198.51.100.1 , 127.0.0.1"]
            ),
            "198.51.100.1"
        );
        assert_eq!(
            seen(LOOPBACK, "::1", &["203.0.113.1", "198.51.100.1,127.0.0.9"]),
            "198.51.100.1"
        );
        let chain = ["127.0.0.0/8", "10.0.0.0/8"];
        assert_eq!(
            seen(&chain, "127.0.0.1", &["198.51.100.1, 10.0.0.7"]),
            "198.51.100.1"
        );
    }

    #[test]
    fn empty_entries_are_none() {
        for lines in [
            &["198.51.100.1,"][..],
            &[", 198.51.100.1, , 127.0.0.1"],
            &["198.51.100.1", ""],
        ] {
            assert_eq!(seen(LOOPBACK, "127.0.0.1", lines), "198.51.100.1");
        }
    }

    #[test]
    fn junk_and_nobody_but_proxies_leave_the_peer() {
        for line in [
            "",
            "unknown",
            "198.51.100.1, _hidden",
            "999.1.1.1",
            "127.0.0.1",
            "1",
            ",,",
        ] {
            assert_eq!(seen(LOOPBACK, "127.0.0.1", &[line]), "127.0.0.1", "{line}");
        }
        assert_eq!(seen(LOOPBACK, "127.0.0.1", &[]), "127.0.0.1");
    }

    #[test]
    fn ports_brackets_and_mapped_addresses_are_understood() {
        for (entry, address) in [
            ("198.51.100.1:8080", "198.51.100.1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("2001:DB8:0::1", "2001:db8::1"),
            ("::ffff:198.51.100.1", "198.51.100.1"),
        ] {
            assert_eq!(seen(LOOPBACK, "::ffff:127.0.0.1", &[entry]), address);
        }
    }
}
