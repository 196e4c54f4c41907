//! What there is: parts of a binding, an attacker's means, and the channels that can come about.

use std::fmt;

/// A part of the binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Role,
    Purpose,
    Policy,
    Nonce,
    ClientLeaf,
    ServerLeaf,
    NewSpki,
    Exporter,
}

impl Part {
    pub(crate) const ALL: [Self; 8] = [
        Self::Role,
        Self::Purpose,
        Self::Policy,
        Self::Nonce,
        Self::ClientLeaf,
        Self::ServerLeaf,
        Self::NewSpki,
        Self::Exporter,
    ];
}

/// A set of parts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Parts(u8);

impl Parts {
    pub(crate) const ALL: Self = Self(0xff);

    pub(crate) fn of(parts: &[Part]) -> Self {
        Self(parts.iter().fold(0, |set, part| set | 1 << *part as u8))
    }

    pub(crate) fn every() -> impl Iterator<Item = Self> {
        (0..=0xff).map(Self)
    }

    pub(crate) fn has(self, part: Part) -> bool {
        self.0 & 1 << part as u8 != 0
    }

    pub(crate) fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    pub(crate) fn contains(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    pub(crate) fn len(self) -> u32 {
        self.0.count_ones()
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(Part::ALL.iter().filter(|part| self.has(**part))).finish()
    }
}

/// What an attacker has, besides the network: it passes messages on, diverts connections, opens its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Means(u8);

impl Means {
    pub(crate) const NONE: Self = Self(0);
    /// A domain of its own, in which the victim is a member as well, and its broker.
    pub(crate) const OTHER_DOMAIN: Self = Self(1);
    /// The key of another machine of the domain.
    pub(crate) const LEAKED_AGENT_KEY: Self = Self(2);
    /// Machines that take any certificate of the domain for a broker's.
    pub(crate) const UNCHECKED_ROLE: Self = Self(4);
    /// The victim's own admission key.
    pub(crate) const LEAKED_MEMBER_KEY: Self = Self(8);
    /// The TLS key of a broker of the domain.
    pub(crate) const LEAKED_BROKER_KEY: Self = Self(16);
    /// The victim's end of a channel, with the answer that the victim made last; not the victim.
    pub(crate) const LEAKED_SESSION: Self = Self(32);
    /// The victim's guest signs what the attacker wants: root in it.
    pub(crate) const REPORT_ORACLE: Self = Self(64);

    const NAMES: [(Self, &str); 7] = [
        (Self::OTHER_DOMAIN, "other domain"),
        (Self::LEAKED_AGENT_KEY, "leaked agent key"),
        (Self::UNCHECKED_ROLE, "unchecked role"),
        (Self::LEAKED_MEMBER_KEY, "leaked member key"),
        (Self::LEAKED_BROKER_KEY, "leaked broker key"),
        (Self::LEAKED_SESSION, "leaked session"),
        (Self::REPORT_ORACLE, "report oracle"),
    ];

    pub(crate) fn every() -> impl Iterator<Item = Self> {
        (0..128).map(Self)
    }

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl fmt::Debug for Means {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> =
            Self::NAMES.iter().filter(|(means, _)| self.has(*means)).map(|(_, name)| *name).collect();
        f.write_str(if names.is_empty() { "a relay" } else { "" })?;
        f.write_str(&names.join(" + "))
    }
}

/// Certificates, each of a key of its own, which it stands for as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaf {
    /// The victim's temporary one, and its admission certificate, in the domain and in the attacker's.
    VictimNew,
    Victim,
    VictimNewElsewhere,
    VictimElsewhere,
    /// The key that the victim asks a renewal for.
    VictimNext,
    /// The principal's behind the victim.
    Person,
    /// The attacker's temporary one.
    AttackerNew,
    /// Another machine's of the domain.
    Agent,
    /// The brokers' of the domain, and that of the attacker's own.
    Broker,
    SecondBroker,
    BrokerElsewhere,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Honest,
    Attacker,
}

/// A TLS channel. Its exporter is its own: only what is at its two ends can compute it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Session {
    pub(crate) id: u16,
    pub(crate) client: End,
    pub(crate) client_leaf: Leaf,
    pub(crate) server: End,
    pub(crate) server_leaf: Leaf,
    pub(crate) elsewhere: bool,
}

impl Means {
    /// Whether the attacker can use this certificate's key.
    pub(crate) fn owns(self, leaf: Leaf) -> bool {
        match leaf {
            Leaf::AttackerNew => true,
            Leaf::Agent => self.has(Self::LEAKED_AGENT_KEY),
            Leaf::Victim => self.has(Self::LEAKED_MEMBER_KEY),
            Leaf::Broker => self.has(Self::LEAKED_BROKER_KEY),
            Leaf::BrokerElsewhere => self.has(Self::OTHER_DOMAIN),
            _ => false,
        }
    }

    /// Every channel that an honest machine or broker takes part in, twice, for what one run gives may help in another.
    pub(crate) fn sessions(self) -> Vec<Session> {
        let mut all = Vec::new();
        let mut add = |client, client_leaf, server, server_leaf, elsewhere| {
            for _ in 0..2 {
                let id = u16::try_from(all.len()).unwrap_or(u16::MAX) + 1;
                all.push(Session { id, client, client_leaf, server, server_leaf, elsewhere });
            }
        };
        for honest in [Leaf::Broker, Leaf::SecondBroker] {
            for leaf in [Leaf::VictimNew, Leaf::Victim] {
                add(End::Honest, leaf, End::Honest, honest, false);
            }
            for leaf in [Leaf::AttackerNew, Leaf::Agent, Leaf::Victim] {
                if self.owns(leaf) {
                    add(End::Attacker, leaf, End::Honest, honest, false);
                }
            }
        }
        // Where the host diverts the victim to: to who has a key that the victim takes for a broker's.
        for server in [Leaf::Broker, Leaf::Agent] {
            if self.owns(server) && (server == Leaf::Broker || self.has(Self::UNCHECKED_ROLE)) {
                for leaf in [Leaf::VictimNew, Leaf::Victim] {
                    add(End::Honest, leaf, End::Attacker, server, false);
                }
            }
        }
        if self.has(Self::OTHER_DOMAIN) {
            for leaf in [Leaf::VictimNewElsewhere, Leaf::VictimElsewhere] {
                add(End::Honest, leaf, End::Attacker, Leaf::BrokerElsewhere, true);
            }
        }
        all
    }
}
