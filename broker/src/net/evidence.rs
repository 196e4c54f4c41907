//! The way of evidence, from admission or from an open channel: screened, endorsed, and then verified by whoever has a use
//! for it. A place among the attestors is held only while one of them works; waiting for the network holds none.

use std::marker::PhantomData;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use claviger_client::endorsements::{EndorsementError, Source, Vcek};
use rustls::pki_types::UnixTime;
use tokio::sync::{OwnedSemaphorePermit, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use super::Shard;
use super::permits::Places;
use super::rate::network;
use crate::actors::attestor::{Endorsed, Passed, Rejected, Screen};
use crate::domain::Domain;
use crate::request_id::RequestId;

/// Evidence that is ready to be verified.
pub struct Examined<'a, S> {
    /// The domain that it was screened by.
    pub domain: Arc<Domain>,
    /// The evidence, with what it needs.
    pub evidence: Endorsed<S>,
    /// A place among the attestors, to be kept until it is verified.
    pub place: AttestorPlace<'a>,
}

/// A place among the attestors: of the domain's share, and of all.
pub struct AttestorPlace<'a> {
    _own: OwnedSemaphorePermit,
    _all: SemaphorePermit<'a>,
}

/// Whose evidence it is, as the log and budgets have it.
#[derive(Clone, Copy)]
pub struct Asker {
    /// The request.
    pub id: RequestId,
    /// Where it comes from.
    pub source: SocketAddr,
    /// Whose places among the attestors it takes.
    pub places: Places,
}

/// Has evidence screened, and finds the certificate that it lacks. `current` gives the domain as it is now: what it
/// trusts may change while something is on its way.
pub async fn examine<S: Passed>(
    claim: S::Claim,
    current: impl Fn() -> Result<Arc<Domain>, Rejected>,
    limit: Duration,
    by: Asker,
    shard: &Shard,
) -> Result<Examined<'_, S>, Rejected> {
    let (claim, end) = (Arc::new(claim), Instant::now() + limit);
    // Only evidence that has come holds a place, and waits for it as long as it took itself: agents that are
    // silent keep nobody out.
    let asked = current()?;
    let place = place(by.places, &asked, shard, end).await?;
    let domain = current()?;
    let screened: S = screen(&domain, &claim, shard).await?;
    let vceks = screened.needs().map(|needed| Vcek::needed(&needed)).unwrap_or_default();
    if vceks.is_empty() {
        // It has all, or nothing can be found: then a rule will say what is missing.
        return Ok(Examined { domain, evidence: Endorsed { screened, found: None }, place });
    }
    drop(place);
    let found = find(&vceks, &domain, end, by, shard).await?;
    let place = self::place(by.places, &domain, shard, end).await?;
    let now = current()?;
    let screened = if Arc::ptr_eq(&now, &domain) { screened } else { screen(&now, &claim, shard).await? };
    Ok(Examined { domain: now, evidence: Endorsed { screened, found: Some(found) }, place })
}

/// A place among the attestors. The domain's own share first: who waits for that keeps no other domain out.
pub async fn place<'s>(
    places: Places,
    domain: &Domain,
    shard: &'s Shard,
    end: Instant,
) -> Result<AttestorPlace<'s>, Rejected> {
    let both = async {
        let own = domain.tenant.at_attestors(places).await?;
        let all = shard.permits.at_attestors(places).acquire().await.ok()?;
        Some(AttestorPlace { _own: own, _all: all })
    };
    timeout_at(end, both).await.ok().flatten().ok_or(Rejected::Busy)
}

async fn screen<S: Passed>(
    domain: &Arc<Domain>,
    claim: &Arc<S::Claim>,
    shard: &Shard,
) -> Result<S, Rejected> {
    let (domain, claim) = (Arc::clone(domain), Arc::clone(claim));
    let screen = Screen { domain, claim, now: UnixTime::now(), of: PhantomData };
    shard.attestor.send(screen).await.unwrap_or(Err(Rejected::Internal))
}

/// The first of these certificates that there is.
async fn find(
    vceks: &[Vcek],
    domain: &Domain,
    end: Instant,
    by: Asker,
    shard: &Shard,
) -> Result<(Vcek, Vec<u8>), Rejected> {
    let Asker { id, source, .. } = by;
    let source = Source { domain: domain.name.as_str(), address: network(source.ip()) };
    let mut last = EndorsementError::Missing;
    for vcek in vceks {
        let asked = timeout_at(end, shard.endorser.get(vcek, source)).await;
        let found = asked.unwrap_or(Err(EndorsementError::Late));
        let result = found.as_ref().map_or_else(EndorsementError::as_str, |found| found.place.as_str());
        metrics::counter!("claviger_endorsements_total", "result" => result).increment(1);
        match found {
            Ok(found) => {
                tracing::info!(%id, domain = %domain.name, %vcek, result, "a chip's certificate is found");
                return Ok((*vcek, found.certificate));
            }
            Err(error) => {
                tracing::warn!(%id, domain = %domain.name, %vcek, result, %error, "no certificate of a chip");
                // What may be had later says more than that there is none of another product.
                if last == EndorsementError::Missing {
                    last = error;
                }
            }
        }
    }
    Err(last.into())
}
