//! Failures.

use serde::{Deserialize, Serialize};

use crate::error::ErrorCode;

/// Why an admin call failed, after RFC 9457 (`application/problem+json`), with a stable code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{title}: {detail}")]
pub struct Problem {
    /// HTTP status.
    pub status: u16,
    /// The stable code.
    pub code: ErrorCode,
    /// What happened, in short.
    pub title: String,
    /// What happened here, and what to do next.
    pub detail: String,
}
