//! Every limit of a running broker: its key, its default, its bounds and its reason, in one table.

use std::time::Duration;

use claviger_proto::limits::{
    MAX_ADMISSION_FRAME, MAX_DATA, MAX_KEY_SERVICE_FRAME, MAX_RESOURCE_NAME, MESSAGE_OVERHEAD,
};
use claviger_store::PutLimits;
use serde::{Deserialize, Deserializer};

use super::ConfigError;
use super::keys::{Key, When};

/// The floor of `connections_per_address`: a host's own agents must never shut each other out.
const MIN_PER_ADDRESS: u64 = 256;

/// The longest of all times: an hour, in milliseconds.
const HOUR: u64 = 3_600_000;

/// What a limit is kept as; files have numbers.
trait Amount: Sized {
    fn from_number(number: u64) -> Self;
    fn number(&self) -> u64;
}

impl Amount for usize {
    fn from_number(number: u64) -> Self {
        Self::try_from(number).unwrap_or(Self::MAX)
    }

    fn number(&self) -> u64 {
        *self as u64
    }
}

impl Amount for u32 {
    fn from_number(number: u64) -> Self {
        Self::try_from(number).unwrap_or(Self::MAX)
    }

    fn number(&self) -> u64 {
        u64::from(*self)
    }
}

/// Milliseconds.
impl Amount for Duration {
    fn from_number(number: u64) -> Self {
        Self::from_millis(number)
    }

    fn number(&self) -> u64 {
        u64::try_from(self.as_millis()).unwrap_or(u64::MAX)
    }
}

fn amount<'de, D: Deserializer<'de>, A: Amount>(deserializer: D) -> Result<A, D::Error> {
    u64::deserialize(deserializer).map(A::from_number)
}

macro_rules! limits {
    ($(
        $(#[doc = $doc:literal])+
        $field:ident: $type:ty, $key:literal = $default:expr, $low:expr => $high:expr, $when:ident;
    )+) => {
        /// Limits, as in the `[limits]` table. Times are in milliseconds there.
        #[allow(clippy::doc_markdown, reason = "the same words are comments of the reference")]
        #[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct Limits {
            $(
                $(#[doc = $doc])+
                #[serde(rename = $key, deserialize_with = "amount")]
                pub $field: $type,
            )+
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($field: <$type as Amount>::from_number($default as u64),)+ }
            }
        }

        impl Limits {
            /// What there is to set.
            pub(super) const KEYS: &[Key] = &[$(
                Key {
                    name: concat!("limits.", $key),
                    doc: concat!($($doc),+),
                    when: When::$when,
                    bounds: Some(($low as u64, $high as u64)),
                },
            )+];

            /// Each with its value, in the order of `KEYS`.
            pub(super) fn values(&self) -> Vec<u64> {
                vec![$(self.$field.number(),)+]
            }

            /// These, with what can be changed while the broker runs as `new` has it.
            #[must_use]
            pub(super) fn reloaded(&self, new: &Self) -> Self {
                Self { $($field: if matches!(When::$when, When::Reload) { new.$field } else { self.$field },)+ }
            }
        }
    };
}

limits! {
    /// Open connections in all: each costs about 30 KiB.
    connections: usize, "connections" = 16_384, 1 => 1 << 20, Reload;
    /// Open connections from one address (IPv6: one /64 network): one host can't take them all.
    connections_per_address: usize, "connections_per_address" = 4_096, MIN_PER_ADDRESS => 1 << 20, Reload;
    /// TLS handshakes under way in all: bounds memory and queued public-key work.
    handshakes: usize, "handshakes" = 4_096, 1 => 1 << 20, Reload;
    /// TLS handshakes begun in a second, in all, and at most as many at once: each costs a core some 200 µs.
    handshakes_per_second: u32, "handshakes_per_second" = 10_000, 1 => 1_000_000, Reload;
    /// The same from one address (IPv6: one /64 network): one host can't take all of the processors' time.
    handshakes_per_second_per_address: u32, "handshakes_per_second_per_address" = 1_000, 1 => 1_000_000, Reload;
    /// Open connections of one domain's members, and as many of who asks to be admitted to it.
    connections_per_domain: usize, "connections_per_domain" = 8_192, 1 => 1 << 20, Reload;
    /// TLS handshakes begun in a second in one domain, and five times as many at once, for machines boot together: one domain
    /// can't take all of the processors' time.
    handshakes_per_second_per_domain: u32, "handshakes_per_second_per_domain" = 200, 1 => 1_000_000, Reload;
    /// Requests begun in a second in one domain: each costs a core some 10 µs, and a store more.
    requests_per_second_per_domain: u32, "requests_per_second_per_domain" = 10_000, 1 => 10_000_000, Reload;
    /// How many of a hundred one domain can take of the places that all draw from: handshakes under way, admissions,
    /// proofs, pending_stores, keys_in_making, large_bodies. One at least; 100 where a broker has one domain.
    share_per_domain: usize, "share_per_domain" = 50, 1 => 100, Start;
    /// Evidence being verified in all; more waits, silent agents don't count.
    admissions: usize, "admissions" = 64, 1 => 1 << 16, Start;
    /// Proofs being verified on open channels (fresh evidence, principals) in all; more waits. Apart from admissions,
    /// so that who only asks to be admitted takes no place of a member.
    proofs: usize, "proofs" = 64, 1 => 1 << 16, Start;
    /// Stores that wait for their commit, in all: bounds the store actor's queue.
    pending_stores: usize, "pending_stores" = 4_096, 1 => 1 << 20, Reload;
    /// Keys being made (generate, rotate), in all: an RSA key takes a core for a second or more.
    keys_in_making: usize, "keys_in_making" = 4, 1 => 1 << 10, Reload;
    /// Message bodies above 64 KiB in memory, in all: with the frame limit it bounds memory.
    large_bodies: usize, "large_bodies" = 64, 1 => 1 << 16, Start;
    /// Largest message body of the key service, in bytes: 1 MiB of secret and 16 KiB around it. Can only be lowered.
    key_service_frame: usize, "key_service_frame" = MAX_KEY_SERVICE_FRAME, MESSAGE_OVERHEAD => MAX_KEY_SERVICE_FRAME, Reload;
    /// Largest message body at admission, in bytes. Can only be lowered.
    admission_frame: usize, "admission_frame" = MAX_ADMISSION_FRAME, MESSAGE_OVERHEAD => MAX_ADMISSION_FRAME, Reload;
    /// Largest secret that is stored, in bytes. Can only be lowered.
    secret: usize, "secret_bytes" = MAX_DATA, 64 => MAX_DATA, Start;
    /// Longest new name, in bytes. Can only be lowered; names that have versions already go on.
    name: usize, "name_bytes" = MAX_RESOURCE_NAME, 1 => MAX_RESOURCE_NAME, Start;
    /// Versions of one name, destroyed ones too, for each is kept: what a loop that rotates can fill.
    versions_per_name: u32, "versions_per_name" = 10_000, 1 => 1 << 30, Start;
    /// Names of one domain that have had a version; none is given back, for versions are never used again.
    names_per_domain: usize, "names_per_domain" = 1 << 20, 1 => 1_u64 << 40, Start;
    /// Bytes that one domain stores: of its secrets that aren't destroyed, and 256 for each version.
    bytes_per_domain: usize, "bytes_per_domain" = 16_u64 << 30, 1 => 1_u64 << 50, Start;
    /// Domains that have metrics with their names; all others are counted together. 0: there are none of domains.
    domains_in_metrics: usize, "domains_in_metrics" = 100, 0 => 100_000, Start;
    /// From the connection to the whole ClientHello.
    hello: Duration, "hello_ms" = 5_000, 1 => HOUR, Reload;
    /// From the ClientHello to the end of the handshake: slow links, small machines.
    handshake: Duration, "handshake_ms" = 10_000, 1 => HOUR, Reload;
    /// From the handshake to the first request.
    first_frame: Duration, "first_frame_ms" = 10_000, 1 => HOUR, Reload;
    /// From a frame's first byte to its last, and for writing an answer: 1 MiB on a slow link.
    body: Duration, "body_ms" = 20_000, 1 => HOUR, Reload;
    /// Between two requests of one connection.
    idle: Duration, "idle_ms" = 60_000, 1 => HOUR, Reload;
    /// For the agent to collect its evidence after the challenge: firmware is slow.
    evidence: Duration, "evidence_ms" = 30_000, 1 => HOUR, Reload;
    /// How old evidence of stock programs may be, which answers no challenge: their clocks, and slow firmware.
    stock_evidence: Duration, "stock_evidence_ms" = 600_000, 1_000 => HOUR, Reload;
    /// For what is under way when the broker is told to stop.
    drain: Duration, "drain_ms" = 10_000, 1 => HOUR, Reload;
    /// Certificates of chips' keys that one domain's evidence may have fetched in the time below: work that only
    /// the word of who asks makes necessary.
    certificate_fetches: u32, "certificate_fetches" = 30, 1 => 1 << 20, Reload;
    /// The same from one address (IPv6: one /64 network): one host can't spend a domain's alone.
    certificate_fetches_per_address: u32, "certificate_fetches_per_address" = 15, 1 => 1 << 20, Reload;
    /// That time.
    certificate_fetches_within: Duration, "certificate_fetches_within_ms" = 600_000, 1_000 => 24 * HOUR, Reload;
    /// How long the service's word counts that it has no such certificate: a new chip's may come late.
    certificate_missing: Duration, "certificate_missing_ms" = 600_000, 1_000 => 24 * HOUR, Reload;
    /// For one fetch, from name resolution to the last byte.
    certificate_fetch: Duration, "certificate_fetch_ms" = 10_000, 1 => HOUR, Reload;
    /// Pause after a fetch that failed; doubles with each that follows, up to 64 times.
    certificate_pause: Duration, "certificate_pause_ms" = 2_000, 1 => HOUR, Reload;
    /// How long an audit record may lie in the kernel before fdatasync.
    audit_sync: Duration, "audit_sync_ms" = 1_000, 1 => HOUR, Start;
}

impl Limits {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        for (key, value) in Self::KEYS.iter().zip(self.values()) {
            let (low, high) = key.bounds.unwrap_or((0, u64::MAX));
            if !(low..=high).contains(&value) {
                let what = format!("it is {value}, and has to be {low} to {high}");
                return Err(ConfigError::Value { key: key.name, what });
            }
        }
        Ok(())
    }

    /// What the store's writer is to refuse.
    pub(crate) fn put_limits(&self) -> PutLimits {
        PutLimits {
            versions: self.versions_per_name,
            names: self.names_per_domain as u64,
            bytes: self.bytes_per_domain as u64,
            name: self.name,
            secret: self.secret,
        }
    }
}
