//! Every limit of a running broker, with its default and its reason.

use std::time::Duration;

use claviger_proto::limits::{MAX_ADMISSION_FRAME, MAX_KEY_SERVICE_FRAME, MESSAGE_OVERHEAD};
use serde::Deserialize;

use super::ConfigError;

/// The floor of `connections_per_address`: a host's own agents must never shut each other out.
const MIN_PER_ADDRESS: usize = 256;

/// Limits, as in the `[limits]` table. Times are in milliseconds there.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Open connections in all (default 16 384): each costs about 30 KiB.
    pub connections: usize,
    /// Open connections from one address (default 4 096, at least 256): one host can't take them all.
    pub connections_per_address: usize,
    /// TLS handshakes under way in all (default 4 096): bounds memory and queued public-key work.
    pub handshakes: usize,
    /// Evidence being verified in all (default 64); more waits, silent agents don't count.
    pub admissions: usize,
    /// Stores that wait for their commit, in all (default 4 096): bounds the store actor's queue.
    pub pending_stores: usize,
    /// Keys being made (`generate`, `rotate`), in all (default 4): an RSA key takes a core for a second or more.
    pub keys_in_making: usize,
    /// Message bodies above 64 KiB in memory, in all (default 64): with the frame limit it bounds memory.
    pub large_bodies: usize,
    /// Largest message body of the key service, in bytes (default 1 MiB of data and 16 KiB around it).
    pub key_service_frame: usize,
    /// Largest message body at admission, in bytes (default 256 KiB).
    pub admission_frame: usize,
    /// From the connection to the whole `ClientHello` (default 5 s).
    #[serde(rename = "hello_ms", with = "millis")]
    pub hello: Duration,
    /// From the `ClientHello` to the end of the handshake (default 10 s: slow links, small machines).
    #[serde(rename = "handshake_ms", with = "millis")]
    pub handshake: Duration,
    /// From the handshake to the first frame's header (default 10 s).
    #[serde(rename = "first_frame_ms", with = "millis")]
    pub first_frame: Duration,
    /// From a frame's header to its last byte, and for writing an answer (default 20 s: 1 MiB on a slow link).
    #[serde(rename = "body_ms", with = "millis")]
    pub body: Duration,
    /// Between two requests of one connection (default 60 s).
    #[serde(rename = "idle_ms", with = "millis")]
    pub idle: Duration,
    /// For the agent to collect its evidence after the challenge (default 30 s: firmware is slow).
    #[serde(rename = "evidence_ms", with = "millis")]
    pub evidence: Duration,
    /// For what is under way when the broker is told to stop (default 10 s).
    #[serde(rename = "drain_ms", with = "millis")]
    pub drain: Duration,
    /// Longest time that an audit record may lie in the kernel before fdatasync (default 1 s).
    #[serde(rename = "audit_sync_ms", with = "millis")]
    pub audit_sync: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 16_384,
            connections_per_address: 4_096,
            handshakes: 4_096,
            admissions: 64,
            pending_stores: 4_096,
            keys_in_making: 4,
            large_bodies: 64,
            key_service_frame: MAX_KEY_SERVICE_FRAME,
            admission_frame: MAX_ADMISSION_FRAME,
            hello: Duration::from_secs(5),
            handshake: Duration::from_secs(10),
            first_frame: Duration::from_secs(10),
            body: Duration::from_secs(20),
            idle: Duration::from_mins(1),
            evidence: Duration::from_secs(30),
            drain: Duration::from_secs(10),
            audit_sync: Duration::from_secs(1),
        }
    }
}

impl Limits {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let within = |key, value: usize, low: usize, high: usize| {
            if (low..=high).contains(&value) {
                return Ok(());
            }
            Err(ConfigError::Value { key, what: format!("it is {value}, and has to be {low} to {high}") })
        };
        within("limits.connections", self.connections, 1, 1 << 20)?;
        within("limits.connections_per_address", self.connections_per_address, MIN_PER_ADDRESS, 1 << 20)?;
        within("limits.handshakes", self.handshakes, 1, 1 << 20)?;
        within("limits.admissions", self.admissions, 1, 1 << 16)?;
        within("limits.pending_stores", self.pending_stores, 1, 1 << 20)?;
        within("limits.keys_in_making", self.keys_in_making, 1, 1 << 10)?;
        within("limits.large_bodies", self.large_bodies, 1, 1 << 16)?;
        within("limits.key_service_frame", self.key_service_frame, MESSAGE_OVERHEAD, MAX_KEY_SERVICE_FRAME)?;
        within("limits.admission_frame", self.admission_frame, MESSAGE_OVERHEAD, MAX_ADMISSION_FRAME)?;
        let times = [
            ("limits.hello_ms", self.hello),
            ("limits.handshake_ms", self.handshake),
            ("limits.first_frame_ms", self.first_frame),
            ("limits.body_ms", self.body),
            ("limits.idle_ms", self.idle),
            ("limits.evidence_ms", self.evidence),
            ("limits.drain_ms", self.drain),
            ("limits.audit_sync_ms", self.audit_sync),
        ];
        for (key, time) in times {
            if time.is_zero() || time > Duration::from_hours(1) {
                let what = "it has to be between 1 and 3600000 milliseconds".to_owned();
                return Err(ConfigError::Value { key, what });
            }
        }
        Ok(())
    }
}

mod millis {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer};

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}
