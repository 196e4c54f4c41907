//! Launch tickets.

use serde::{Deserialize, Serialize};

/// Launch tickets to make. The tickets themselves stay with who asks; the broker gets their digests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateTickets {
    /// The id of each, hex: SHA-256 of its host data, which is SHA-256 of the ticket.
    pub ids: Vec<String>,
    /// What to call the machines that they are for.
    #[serde(default)]
    pub label: Option<String>,
    /// For how long they are good, in seconds.
    pub expires_in: i64,
}

/// A launch ticket, as the broker knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Its id, SHA-256 of its host data, hex: the instance that it makes.
    pub id: String,
    /// What its owner calls the machine that it is for.
    pub label: Option<String>,
    /// `new`, `used`, `expired` or `revoked`.
    pub state: String,
    /// When it was made, seconds since 1970.
    pub created: i64,
    /// From when on nobody can use it, seconds since 1970.
    pub expires: i64,
    /// SHA-256 of the admission certificate that came of it, hex.
    pub used_by: Option<String>,
    /// When it was used, seconds since 1970.
    pub used_at: Option<i64>,
    /// How often somebody came with it when it couldn't be used.
    pub refused: u32,
    /// When that was last, seconds since 1970.
    pub refused_last: Option<i64>,
}
