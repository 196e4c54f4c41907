//! What is counted and measured at the edge. Whatever usually happens is looked up once, for a look-up costs more
//! than to count.

use std::time::Duration;

use metrics::{Counter, Histogram, counter, histogram};

use super::handshake::HandshakeError;
use super::permits::TooMany;

/// The meters of a shard.
pub struct Meters {
    key_service: Counter,
    admission: Counter,
    done: Counter,
    hello: Histogram,
    tls: Histogram,
}

impl Meters {
    /// Looks them up, in the recorder of the process.
    pub fn new() -> Self {
        let connections =
            |listener: &'static str| counter!("claviger_connections_total", "listener" => listener);
        let seconds = |phase: &'static str| histogram!("claviger_handshake_seconds", "phase" => phase);
        Self {
            key_service: connections("key-service"),
            admission: connections("admission"),
            done: counter!("claviger_handshakes_total", "result" => "done", "phase" => "tls"),
            hello: seconds("hello"),
            tls: seconds("tls"),
        }
    }

    /// A connection of the key service is taken, or one of admission.
    pub fn connected(&self, admission: bool) {
        if admission { &self.admission } else { &self.key_service }.increment(1);
    }

    /// A connection is refused.
    pub fn refused(&self, reason: TooMany) {
        counter!("claviger_connections_refused_total", "reason" => reason.as_str()).increment(1);
    }

    /// A whole hello came, so long after the connection.
    pub fn hello(&self, took: Duration) {
        self.hello.record(took.as_secs_f64());
    }

    /// A handshake is done, so long after its hello.
    pub fn done(&self, took: Duration) {
        self.done.increment(1);
        self.tls.record(took.as_secs_f64());
    }

    /// A handshake failed.
    pub fn failed(&self, error: &HandshakeError) {
        let (phase, result) = (error.phase(), error.label());
        counter!("claviger_handshakes_total", "result" => result, "phase" => phase).increment(1);
    }
}

impl Default for Meters {
    fn default() -> Self {
        Self::new()
    }
}
