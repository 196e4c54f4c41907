//! What a batch does to launch tickets of one domain.

use std::collections::HashMap;

use crate::audit::{AuditFacts, TrailHead};
use crate::domain::DomainKeys;
use crate::engine::{AnyEngine, Revision, Txn};
use crate::error::StoreError;
use crate::layout;
use crate::ticket::{self, Ticket, TicketFault, TicketId, TicketState};
use crate::writer::{Done, TicketChange};

/// The tickets that a batch has looked at.
#[derive(Default)]
pub(super) struct TicketPlan(HashMap<TicketId, Planned>);

struct Planned {
    /// As the engine has it.
    was: Option<(Vec<u8>, Revision)>,
    /// As it is after the commands so far.
    is: Option<Ticket>,
    changed: bool,
}

impl TicketPlan {
    /// Does one command, on top of those before it; the records of what it did go to `facts`. A ticket that can't be
    /// used is no error of the command: that somebody came with it is written down.
    pub(super) fn change(
        &mut self,
        engine: &AnyEngine,
        keys: &DomainKeys,
        change: TicketChange,
        audit: AuditFacts,
        facts: &mut Vec<AuditFacts>,
    ) -> Result<Done, StoreError> {
        let named = |id: &TicketId, audit: AuditFacts| AuditFacts { name: Some(hex::encode(id)), ..audit };
        match change {
            TicketChange::Create(new) => {
                for ticket in new {
                    facts.push(named(&ticket.id, audit.clone()));
                    let planned = self.load(engine, keys, &ticket.id)?;
                    (planned.is, planned.changed) = (Some(ticket), true);
                }
                Ok(Done::TicketsChanged)
            }
            TicketChange::Revoke { id, now } => {
                let planned = self.load(engine, keys, &id)?;
                let ticket = planned.is.as_mut().ok_or(StoreError::NotFound)?;
                match ticket.state {
                    TicketState::Used { .. } => return Err(StoreError::TicketUsed),
                    TicketState::Revoked { .. } => {}
                    TicketState::New => {
                        ticket.state = TicketState::Revoked { at: now };
                        planned.changed = true;
                    }
                }
                facts.push(named(&id, audit));
                Ok(Done::TicketsChanged)
            }
            TicketChange::Report { id, fault, now } => {
                self.load(engine, keys, &id)?.refuse(now);
                facts.push(named(&id, AuditFacts { outcome: fault.as_str().into(), ..audit }));
                Ok(Done::TicketSpent(Err(fault)))
            }
            TicketChange::Spend { id, certificate, now } => {
                let outcome = self.load(engine, keys, &id)?.spend(certificate, now);
                let word = outcome.as_ref().err().map_or("ok", |fault| fault.as_str());
                facts.push(named(&id, AuditFacts { outcome: word.into(), ..audit }));
                Ok(Done::TicketSpent(outcome))
            }
        }
    }

    fn load(
        &mut self,
        engine: &AnyEngine,
        keys: &DomainKeys,
        id: &TicketId,
    ) -> Result<&mut Planned, StoreError> {
        if !self.0.contains_key(id) {
            let (is, was) = match ticket::load(engine, keys, id)? {
                Some((ticket, raw, revision)) => (Some(ticket), Some((raw, revision))),
                None => (None, None),
            };
            self.0.insert(*id, Planned { was, is, changed: false });
        }
        self.0.get_mut(id).ok_or(StoreError::NotFound)
    }

    /// Adds what has changed to the domain's transaction, and to the sum in its trail's head.
    pub(super) fn finish(
        self,
        keys: &DomainKeys,
        trail: &mut TrailHead,
        txn: &mut Txn,
    ) -> Result<(), StoreError> {
        for (id, Planned { was, is, .. }) in self.0.into_iter().filter(|(_, planned)| planned.changed) {
            let Some(ticket) = is else { continue };
            let (place, raw) = ticket::seal(keys, &ticket)?;
            txn.require.push((layout::ticket(keys, &id), was.as_ref().map(|(_, revision)| *revision)));
            if let Some((old, _)) = was {
                trail.tickets.toggle(keys, &old);
            }
            trail.tickets.toggle(keys, &raw);
            txn.put.push((place, raw));
        }
        Ok(())
    }
}

impl Planned {
    /// Uses it up, or counts that it couldn't be.
    fn spend(&mut self, certificate: [u8; 32], now: i64) -> Result<(), TicketFault> {
        let ticket = self.is.as_mut().ok_or(TicketFault::Unknown)?;
        let usable = ticket.check(now);
        match usable {
            Ok(()) => {
                ticket.state = TicketState::Used { certificate, at: now };
                self.changed = true;
            }
            Err(_) => self.refuse(now),
        }
        usable
    }

    fn refuse(&mut self, now: i64) {
        if let Some(ticket) = &mut self.is {
            (ticket.refused, ticket.refused_last) = (ticket.refused.saturating_add(1), now);
            self.changed = true;
        }
    }
}
