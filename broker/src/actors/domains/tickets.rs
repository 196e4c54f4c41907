//! Launch tickets: made, listed, taken back.

use std::sync::Arc;

use claviger_attest::is_instance_label;
use claviger_proto::{DomainName, admin};
use claviger_store::{Command, Ticket, TicketChange, TicketFault, TicketId, TicketState, Tickets};
use rustls::pki_types::UnixTime;

use super::{AdminError, Registry};
use crate::actors::audit::seconds;
use crate::domain::Domain;

/// Most tickets that one call makes: they share a commit.
const MAX_AT_ONCE: usize = 1000;

/// Most tickets that a domain keeps: opening the store reads each.
const MAX_TICKETS: usize = 100_000;

/// Longest life of a ticket, in seconds: a year, as long as an admission lasts.
const MAX_LIFE: i64 = 365 * 86_400;

impl Registry {
    pub(super) async fn create_tickets(
        &self,
        name: &DomainName,
        create: admin::CreateTickets,
    ) -> Result<Vec<admin::Ticket>, AdminError> {
        let domain = self.find(name)?;
        if create.label.as_deref().is_some_and(|label| !is_instance_label(label)) {
            return invalid(
                "a ticket's label is 1 to 64 of [A-Za-z0-9._-], and doesn't look like an id (64 hex digits)",
            );
        }
        if !(1..=MAX_AT_ONCE).contains(&create.ids.len()) {
            return invalid("one call makes 1 to 1000 tickets");
        }
        if !(1..=MAX_LIFE).contains(&create.expires_in) {
            return invalid("a ticket is good for at least a second and at most a year");
        }
        let now = seconds(UnixTime::now());
        let mut tickets: Vec<Ticket> = Vec::with_capacity(create.ids.len());
        for id in &create.ids {
            let id = ticket_id(id)?;
            if tickets.iter().any(|ticket| ticket.id == id) || self.ticket(&domain, &id)?.is_some() {
                return Err(AdminError::TicketTaken);
            }
            tickets.push(Ticket {
                id,
                label: create.label.clone(),
                created: now,
                expires: now.saturating_add(create.expires_in),
                state: TicketState::New,
                refused: 0,
                refused_last: 0,
            });
        }
        if self.all_tickets(&domain).await?.len() + tickets.len() > MAX_TICKETS {
            return invalid("a domain keeps at most 100000 tickets");
        }
        let described = tickets.iter().map(|ticket| describe(ticket, now)).collect();
        self.change_tickets(&domain, TicketChange::Create(tickets), "ticket-create").await?;
        Ok(described)
    }

    /// All of a domain's tickets, the newest last.
    pub(super) async fn list_tickets(&self, name: &DomainName) -> Result<Vec<admin::Ticket>, AdminError> {
        let domain = self.find(name)?;
        let mut tickets = self.all_tickets(&domain).await?;
        tickets.sort_by(|a, b| (a.created, &a.label, a.id).cmp(&(b.created, &b.label, b.id)));
        let now = seconds(UnixTime::now());
        Ok(tickets.iter().map(|ticket| describe(ticket, now)).collect())
    }

    pub(super) async fn revoke_ticket(&self, name: &DomainName, id: &str) -> Result<(), AdminError> {
        let domain = self.find(name)?;
        let id = ticket_id(id)?;
        if self.ticket(&domain, &id)?.is_none() {
            return Err(AdminError::NoTicket(name.clone()));
        }
        let revoke = TicketChange::Revoke { id, now: seconds(UnixTime::now()) };
        self.change_tickets(&domain, revoke, "ticket-revoke").await
    }

    fn ticket(&self, domain: &Domain, id: &TicketId) -> Result<Option<Ticket>, AdminError> {
        Ok(self.storage.store.ticket(&domain.keys, id)?)
    }

    async fn all_tickets(&self, domain: &Arc<Domain>) -> Result<Vec<Ticket>, AdminError> {
        let domain = Arc::clone(domain);
        let read = move || domain.storage.store.tickets(&domain.keys);
        Ok(actix_rt::task::spawn_blocking(read).await.map_err(|_| AdminError::Stopping)??)
    }

    async fn change_tickets(
        &self,
        domain: &Domain,
        change: TicketChange,
        action: &'static str,
    ) -> Result<(), AdminError> {
        let keys = Arc::clone(&domain.keys);
        let command = Command::Tickets(Tickets { keys, change, audit: self.event(action) });
        self.storage.commit(command).await?;
        Ok(())
    }
}

fn invalid<T>(why: &str) -> Result<T, AdminError> {
    Err(AdminError::Invalid(why.to_owned()))
}

fn ticket_id(text: &str) -> Result<TicketId, AdminError> {
    let plain = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    let id = hex::decode(text).ok().filter(|_| plain).and_then(|bytes| bytes.try_into().ok());
    id.map_or_else(|| invalid("a ticket's id is 64 lowercase hex digits"), Ok)
}

fn describe(ticket: &Ticket, now: i64) -> admin::Ticket {
    let (used_by, used_at) = match &ticket.state {
        TicketState::Used { certificate, at } => (Some(hex::encode(certificate)), Some(*at)),
        TicketState::New | TicketState::Revoked { .. } => (None, None),
    };
    admin::Ticket {
        id: hex::encode(ticket.id),
        label: ticket.label.clone(),
        state: ticket.check(now).err().map_or("new", TicketFault::as_str).to_owned(),
        created: ticket.created,
        expires: ticket.expires,
        used_by,
        used_at,
        refused: ticket.refused,
        refused_last: (ticket.refused > 0).then_some(ticket.refused_last),
    }
}
