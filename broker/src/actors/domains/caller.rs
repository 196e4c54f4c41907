//! Who makes an administrative call, for the records of what it changes.

use std::sync::Arc;

use actix::Message;

/// Who calls.
#[derive(Clone, Debug)]
pub struct Caller {
    /// `operator`, `owner` or `auditor`.
    pub role: &'static str,
    /// SHA-256 of the certificate, where there is one.
    pub fingerprint: Option<[u8; 32]>,
    /// From where: an address, or the admin socket.
    pub source: Arc<str>,
}

impl Caller {
    /// Whoever calls on the local socket, and what the broker does by itself.
    pub fn local() -> Self {
        Self { role: "operator", fingerprint: None, source: "admin-socket".into() }
    }
}

/// A call, and who makes it.
pub struct By<M> {
    /// Who.
    pub caller: Caller,
    /// What.
    pub message: M,
}

impl<M: Message> Message for By<M> {
    type Result = M::Result;
}
