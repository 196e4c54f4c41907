//! Has attestors judge what a peer brought, by the domain as it is when it has come.

use std::net::SocketAddr;
use std::sync::Arc;

use claviger_attest::{AttestError, Purpose, ScreenedBroker};
use claviger_proto::trust::{EvidencePackage, NONCE};
use claviger_store::AuditFacts;
use rustls::pki_types::UnixTime;

use super::Ended;
use super::wants::BrokerWants;
use crate::actors::attestor::{
    Admit, Admitted, Claim, Grant, Granted, Pending, Rejected, ToCertify, Wanted, issuer, report,
};
use crate::actors::audit::{seconds, ticket_event};
use crate::domain::Domain;
use crate::net::Shard;
use crate::net::binding::{bind_broker, channels_key};
use crate::net::evidence::{Asker, Examined, examine};
use crate::net::handshake::Channel;
use crate::net::permits::Places;
use crate::request_id::RequestId;

/// Who asks to be admitted, and where.
pub(super) struct By<'a> {
    pub(super) channel: &'a Channel,
    pub(super) source: SocketAddr,
    pub(super) shard: &'a Shard,
    pub(super) id: RequestId,
}

impl By<'_> {
    pub(super) async fn decide(&self, claim: Claim, key: ToCertify) -> Result<Admitted, Rejected> {
        let (binding, limit) = (claim.binding, self.channel.limits.evidence);
        let current = || {
            let domain = self.current()?;
            if let Some(peer) = key.renews() {
                domain.agents.check(peer, UnixTime::now())?;
            }
            // Somebody has to sign admissions in it.
            issuer(&domain, UnixTime::now())?;
            Ok(domain)
        };
        let Examined { domain, evidence, place } =
            examine(claim, current, limit, self.asker(), self.shard).await?;
        let now = UnixTime::now();
        let admit = Admit { domain: Arc::clone(&domain), evidence, binding, key, now };
        let answer = self.shard.attestor.send(admit).await.unwrap_or(Err(Rejected::Internal));
        let admitted = redeem(answer, &domain, ticket_event(self.id, self.source), now).await;
        drop(place);
        admitted
    }

    /// What a broker elsewhere asks for, with evidence that has to be bound to this channel as a broker's. `None`
    /// where the channel can't be bound to.
    pub(super) fn of_broker(
        &self,
        nonce: &[u8; NONCE],
        wants: BrokerWants,
        (submitted, evidence): (String, EvidencePackage),
    ) -> Option<(Claim, Wanted)> {
        let spki = channels_key(self.channel)?;
        let (purpose, wants) = match wants {
            BrokerWants::Certificate => (Purpose::Enroll, Wanted::Certificate),
            BrokerWants::State => (Purpose::Freshness, Wanted::State(self.channel.leaf()?.to_vec())),
        };
        let binding = bind_broker(self.channel, nonce, purpose, &spki)?;
        Some((Claim { submitted, evidence, binding, spki }, wants))
    }

    /// Gives a broker elsewhere the domain.
    pub(super) async fn give(&self, claim: Claim, wants: Wanted) -> Result<Granted, Rejected> {
        let limit = self.channel.limits.evidence;
        let current = || {
            let domain = self.current()?;
            domain.policy.check_dates(UnixTime::now())?;
            Ok(domain)
        };
        let examined = examine::<ScreenedBroker>(claim, current, limit, self.asker(), self.shard).await;
        let examined = examined.map_err(|rejected| match rejected {
            Rejected::Evidence(AttestError::UnknownMeasurement(measurement)) => {
                Rejected::NoBroker(measurement)
            }
            other => other,
        });
        let Examined { domain, evidence, place: _place } = examined?;
        let grant = Grant { domain, evidence, wants, now: UnixTime::now() };
        let granted = self.shard.attestor.send(grant).await.unwrap_or(Err(Rejected::Internal))?;
        let with_key = granted.state.policy_key.is_some();
        tracing::info!(id = %self.id, domain = %self.channel.domain.name, measurement = %granted.measurement, with_key,
            "a broker elsewhere has the domain");
        Ok(granted)
    }

    fn asker(&self) -> Asker {
        Asker { id: self.id, source: self.source, places: Places::Admissions }
    }

    /// The domain as it is now: what it trusts may have changed while the evidence was on its way.
    fn current(&self) -> Result<Arc<Domain>, Rejected> {
        let domains = self.shard.view.domains();
        domains.current(&self.channel.domain).cloned().ok_or(Rejected::DomainGone)
    }

    pub(super) fn ended(&self, rejected: &Rejected) -> Ended {
        let next = rejected.next();
        tracing::info!(id = %self.id, domain = %self.channel.domain.name, %rejected, next, "evidence is refused");
        match rejected {
            Rejected::DomainGone => Ended::Gone("the domain is gone"),
            other => Ended::Judged(other.into(), other.to_string()),
        }
    }
}

/// Has the launch ticket spent that an admission is for, if it is for one; what is no good is reported.
pub(super) async fn redeem(
    answer: Result<Pending, Rejected>,
    domain: &Domain,
    facts: AuditFacts,
    now: UnixTime,
) -> Result<Admitted, Rejected> {
    let now = seconds(now);
    let result = match answer {
        Ok(pending) => pending.redeem(domain, facts, now).await,
        Err(Rejected::Ticket { id, fault }) => {
            report(domain, id, fault, facts, now).await?;
            Err(Rejected::Ticket { id, fault })
        }
        Err(other) => Err(other),
    };
    if let Err(Rejected::Ticket { id, fault }) = &result {
        let (ticket, fault) = (hex::encode(id), fault.as_str());
        tracing::warn!(domain = %domain.name, ticket, fault, "a launch ticket is refused");
        metrics::counter!("claviger_tickets_refused_total", "fault" => fault).increment(1);
    }
    result
}
