//! Where a broker is.

use std::fmt;
use std::str::FromStr;

/// `HOST:PORT`, where `HOST` is a name, an IPv4 address or an IPv6 address in brackets. The host says only
/// where to connect: who answers there is proven by certificate, never by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(String);

/// Not a `HOST:PORT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an address is HOST:PORT, such as 10.0.0.7:8120 or [fd00::7]:8120")]
pub struct NotAnAddress;

impl Address {
    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Address {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let (host, port) = text.rsplit_once(':').ok_or(NotAnAddress)?;
        let bracketed = host.starts_with('[') && host.ends_with(']');
        let plain = !host.is_empty() && !host.contains([':', '/', '[', ']', ' ']);
        let numbered = port.parse::<u16>().is_ok_and(|number| number != 0);
        if (plain || bracketed) && numbered { Ok(Self(text.to_owned())) } else { Err(NotAnAddress) }
    }
}

impl From<std::net::SocketAddr> for Address {
    fn from(address: std::net::SocketAddr) -> Self {
        Self(address.to_string())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_a_port() {
        for good in ["10.0.0.7:8120", "broker.example:1", "[::1]:8120", "localhost:65535"] {
            assert!(good.parse::<Address>().is_ok(), "{good}");
        }
        for bad in ["", "broker", "broker:", ":8120", "::1:8120", "broker:0", "broker:65536", "http://b:1"] {
            assert_eq!(bad.parse::<Address>(), Err(NotAnAddress), "{bad}");
        }
    }
}
