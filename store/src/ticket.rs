//! Launch tickets: what is kept of them, and how it is read.
//!
//! Only a ticket's id comes here, of which neither the ticket nor its host data can be made. Each is a record of its own; the head of the domain's trail carries a keyed sum
//! over all of them, so that one that was put back from an older state is found when the store is opened.

use prost::Message as _;

use crate::domain::DomainKeys;
use crate::engine::{AnyEngine, Engine as _, Key, Revision, Tree};
use crate::error::{StoreError, damaged, sealed};
use crate::layout;
use crate::seal::{Aad, RecordKind};
use crate::store::scan_all;

/// A launch ticket's id: the SHA-256 of the SHA-256 of the ticket, which is its host data.
pub type TicketId = [u8; 32];

/// A launch ticket, as the broker knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Which.
    pub id: TicketId,
    /// What its owner calls the machine that it is for.
    pub label: Option<String>,
    /// When it was made, seconds since 1970.
    pub created: i64,
    /// From when on nobody can use it, seconds since 1970.
    pub expires: i64,
    /// Whether it was used, or can't be any more.
    pub state: TicketState,
    /// How often somebody came with it when it couldn't be used.
    pub refused: u32,
    /// When that was last, seconds since 1970; 0 for never.
    pub refused_last: i64,
}

/// What became of a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TicketState {
    /// Nothing yet.
    New,
    /// It was used.
    Used {
        /// SHA-256 of the admission certificate that came of it.
        certificate: [u8; 32],
        /// When, seconds since 1970.
        at: i64,
    },
    /// Its owner took it back.
    Revoked {
        /// When, seconds since 1970.
        at: i64,
    },
}

/// Why a ticket can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TicketFault {
    /// The domain made no such ticket.
    #[error("the launch ticket isn't one of this domain; ask the domain's owner for one")]
    Unknown,
    /// Its time is over.
    #[error("the launch ticket has expired; ask the domain's owner for a new one")]
    Expired,
    /// Its owner took it back.
    #[error("the launch ticket was revoked; ask the domain's owner for a new one")]
    Revoked,
    /// A machine used it already: this one, whose answer was lost, or another.
    #[error("the launch ticket was used already, and is good once; ask the domain's owner for a new one")]
    Used,
}

impl TicketFault {
    /// As metrics and the trail have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Used => "used",
        }
    }
}

impl Ticket {
    /// Whether it can be used at `now`, seconds since 1970.
    pub fn check(&self, now: i64) -> Result<(), TicketFault> {
        match self.state {
            TicketState::Used { .. } => Err(TicketFault::Used),
            TicketState::Revoked { .. } => Err(TicketFault::Revoked),
            TicketState::New if now >= self.expires => Err(TicketFault::Expired),
            TicketState::New => Ok(()),
        }
    }
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct TicketBody {
    #[prost(bytes = "vec", tag = "1")]
    id: Vec<u8>,
    #[prost(string, optional, tag = "2")]
    label: Option<String>,
    #[prost(int64, tag = "3")]
    created: i64,
    #[prost(int64, tag = "4")]
    expires: i64,
    #[prost(bytes = "vec", tag = "5")]
    used_by: Vec<u8>,
    #[prost(int64, tag = "6")]
    used_at: i64,
    #[prost(int64, optional, tag = "7")]
    revoked_at: Option<i64>,
    #[prost(uint32, tag = "8")]
    refused: u32,
    #[prost(int64, tag = "9")]
    refused_last: i64,
}

impl From<&Ticket> for TicketBody {
    fn from(ticket: &Ticket) -> Self {
        let mut body = Self {
            id: ticket.id.to_vec(),
            label: ticket.label.clone(),
            created: ticket.created,
            expires: ticket.expires,
            refused: ticket.refused,
            refused_last: ticket.refused_last,
            ..Self::default()
        };
        match ticket.state {
            TicketState::New => {}
            TicketState::Used { certificate, at } => {
                (body.used_by, body.used_at) = (certificate.to_vec(), at);
            }
            TicketState::Revoked { at } => body.revoked_at = Some(at),
        }
        body
    }
}

impl TicketBody {
    fn into_ticket(self) -> Option<Ticket> {
        let state = match (self.used_by.is_empty(), self.revoked_at) {
            (true, None) => TicketState::New,
            (true, Some(at)) => TicketState::Revoked { at },
            (false, None) => {
                TicketState::Used { certificate: self.used_by.try_into().ok()?, at: self.used_at }
            }
            (false, Some(_)) => return None,
        };
        Some(Ticket {
            id: self.id.try_into().ok()?,
            label: self.label,
            created: self.created,
            expires: self.expires,
            state,
            refused: self.refused,
            refused_last: self.refused_last,
        })
    }
}

fn aad<'a>(keys: &DomainKeys, place: &'a Key) -> Aad<'a> {
    Aad { bound_to: &place.bytes, ..keys.aad(RecordKind::Ticket) }
}

/// Seals a ticket.
pub(crate) fn seal(keys: &DomainKeys, ticket: &Ticket) -> Result<(Key, Vec<u8>), StoreError> {
    let place = layout::ticket(keys, &ticket.id);
    let body = TicketBody::from(ticket).encode_to_vec();
    let raw = keys.seal(&aad(keys, &place), &body).map_err(|e| sealed(e, "ticket", &place))?;
    Ok((place, raw))
}

fn open(keys: &DomainKeys, place: &Key, raw: &[u8]) -> Result<Ticket, StoreError> {
    let opened = keys.open(&aad(keys, place), raw).map_err(|e| sealed(e, "ticket", place))?;
    let ticket = TicketBody::decode(opened.expose()).ok().and_then(TicketBody::into_ticket);
    ticket.ok_or_else(|| damaged("ticket", place))
}

/// A ticket as the engine has it: what it is, its record, and that record's revision.
pub(crate) type Kept = (Ticket, Vec<u8>, Revision);

/// Loads a ticket.
pub(crate) fn load(engine: &AnyEngine, keys: &DomainKeys, id: &TicketId) -> Result<Option<Kept>, StoreError> {
    let place = layout::ticket(keys, id);
    let Some((raw, revision)) = engine.get(&place)? else { return Ok(None) };
    let ticket = open(keys, &place, &raw)?;
    // The place has half of the digest; another ticket at it is none of this id.
    Ok((ticket.id == *id).then_some((ticket, raw, revision)))
}

/// All tickets of a domain, in no order.
pub(crate) fn load_all(engine: &AnyEngine, keys: &DomainKeys) -> Result<Vec<Ticket>, StoreError> {
    let mut tickets = Vec::new();
    scan_all(engine, Tree::Domain, &layout::tickets(keys.generation()), |found| {
        tickets.push(open(keys, &Key::new(Tree::Domain, found.key), &found.value)?);
        Ok(())
    })?;
    Ok(tickets)
}

/// A sum over records, in any order, that who hasn't the domain's key can't aim at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TicketSum(pub(crate) [u8; 32]);

impl TicketSum {
    /// Adds a record, or takes it away again.
    pub(crate) fn toggle(&mut self, keys: &DomainKeys, raw: &[u8]) {
        for (sum, byte) in self.0.iter_mut().zip(keys.digest(b"ticket record", raw)) {
            *sum ^= byte;
        }
    }

    /// The sum over the records that the engine has.
    pub(crate) fn of_all(engine: &AnyEngine, keys: &DomainKeys) -> Result<Self, StoreError> {
        let mut sum = Self::default();
        scan_all(engine, Tree::Domain, &layout::tickets(keys.generation()), |found| {
            sum.toggle(keys, &found.value);
            Ok(())
        })?;
        Ok(sum)
    }
}
