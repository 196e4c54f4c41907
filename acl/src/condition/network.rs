//! Networks that a peer's address can be in.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;

use crate::LineError;

/// A network. It is written in one way: no bit of its address beyond the prefix is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network(IpNet);

impl Network {
    /// An IPv4 address that came as an IPv6 one is an IPv4 address.
    pub(super) fn has(self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    /// The same by the bits of an address that is text. A second way to the same answer.
    pub(super) fn has_text(self, address: &str) -> bool {
        let Ok(address) = address.parse::<IpAddr>() else { return false };
        let (all, prefix) = (bits(address), usize::from(self.0.prefix_len()));
        let own = bits(self.0.addr());
        own.len() == all.len() && own[..prefix] == all[..prefix]
    }
}

/// Each bit as a digit: 32 of IPv4, however it is written, or 128.
fn bits(address: IpAddr) -> String {
    let v6 = |address: Ipv6Addr| match address.to_ipv4_mapped() {
        Some(address) => format!("{:032b}", address.to_bits()),
        None => format!("{:0128b}", address.to_bits()),
    };
    match address {
        IpAddr::V4(address) => format!("{:032b}", address.to_bits()),
        IpAddr::V6(address) => v6(address),
    }
}

impl FromStr for Network {
    type Err = LineError;

    fn from_str(text: &str) -> Result<Self, LineError> {
        let network: IpNet = text.parse().map_err(|_| LineError::Condition)?;
        // What is written with bits too many means another network, or one machine; and no peer's address is ever
        // looked at as a mapped one.
        let mapped = matches!(network, IpNet::V6(v6) if v6.addr().to_ipv4_mapped().is_some());
        if network.trunc() != network || mapped { Err(LineError::Condition) } else { Ok(Self(network)) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
