//! A stock program's admission: one frame with evidence on plain TCP, one frame with what came of it.
//!
//! It names no domain, so the listener has one; it answers no challenge, so the domain has to allow it, and evidence is
//! taken while it is new, and once.

use std::net::SocketAddr;
use std::sync::Arc;

use claviger_proto::DomainName;
use claviger_proto::error::ErrorCode;
use claviger_proto::key_service::Refusal;
use claviger_proto::trust::{
    EvidencePackage, PURPOSE_ATTESTATION, PURPOSE_AUTHENTICATION, TrustRequest, TrustResponse,
};
use claviger_store::AuditFacts;
use rustls::pki_types::UnixTime;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::judge::redeem;
use super::{bounds, sealed};
use crate::actors::attestor::{AdmitStock, Admitted, Rejected, StockArtifact, StockClaim, stock_issuer};
use crate::actors::audit::{admission_event, seconds, ticket_event};
use crate::config::Limits;
use crate::domain::Domain;
use crate::net::Shard;
use crate::net::evidence::{Asker, Examined, examine};
use crate::net::frame_io::{ReadError, linger, read_frame, write_frame};
use crate::net::permits::Places;
use crate::request_id::RequestId;

/// Serves one connection. `named` is the listener's domain, where it has one.
pub(super) async fn serve(
    stream: &mut TcpStream,
    source: SocketAddr,
    named: Option<&DomainName>,
    shard: &Shard,
    limits: &Limits,
) {
    let read = read_frame(stream, bounds(shard, None, limits, limits.first_frame)).await;
    let by = By { id: shard.ids.next(), source, shard, limits };
    let answer = match read {
        Ok(frame) => by.answer(named, &frame.body).await,
        Err(ReadError::Frame(error)) => Some(by.refuse(error.into())),
        Err(error) => {
            tracing::info!(id = %by.id, %source, %error, "a stock admission ended early");
            return;
        }
    };
    let Some(answer) = answer else { return };
    let refused = matches!(answer, TrustResponse::Refused(_));
    // Stock peers get none of our fields.
    if write_frame(stream, &answer.encode_body(None), limits.body).await.is_ok() {
        drop(stream.shutdown().await);
        if refused {
            linger(stream).await;
        }
    }
}

/// Who asks, and where.
struct By<'a> {
    id: RequestId,
    source: SocketAddr,
    shard: &'a Shard,
    limits: &'a Limits,
}

/// What is asked for.
struct Asked {
    wants: StockArtifact,
    submitted: String,
    evidence: EvidencePackage,
}

impl By<'_> {
    /// What one request gets; `None` where the broker is sealed under it.
    async fn answer(&self, named: Option<&DomainName>, body: &[u8]) -> Option<TrustResponse> {
        let domain = match self.domain(named) {
            Ok(domain) => domain,
            Err(refusal) => return Some(self.refuse(refusal)),
        };
        let asked = match read(body) {
            Ok(asked) => asked,
            Err(refusal) => return Some(self.refuse_for(&domain, refusal, None).await),
        };
        let wants = asked.wants;
        let mut lease = domain.storage.era.lease();
        let result = tokio::select! {
            () = lease.over() => return None,
            result = self.admit(&domain, asked) => result,
        };
        match result {
            Ok(admitted) => Some(self.admitted(&domain, wants, admitted).await),
            Err(rejected) => self.rejected(&domain, &rejected).await,
        }
    }

    /// The listener's domain, or the one that channels have which name none; if it allows this.
    fn domain(&self, named: Option<&DomainName>) -> Result<Arc<Domain>, Refusal> {
        let domains = self.shard.view.domains();
        if domains.is_sealed() {
            return Err(sealed());
        }
        let domain = named.map_or_else(|| domains.unnamed(), |name| domains.get(name));
        match domain {
            Some(domain) if domain.access.stock.admission => Ok(Arc::clone(domain)),
            Some(domain) => {
                let name = &domain.name;
                let why = format!(
                    "domain {name} doesn't allow stock evidence (key-admin domain stock allow {name} admission)"
                );
                Err(Refusal::new(ErrorCode::Refused, why))
            }
            None => {
                let why = "stock evidence names no domain, and this listener has none that is served here, nor the broker a \
                           default or only one (admission_listen = ADDRESS:PORT=DOMAIN)";
                Err(Refusal::new(ErrorCode::Refused, why))
            }
        }
    }

    async fn admit(&self, domain: &Arc<Domain>, asked: Asked) -> Result<Admitted, Rejected> {
        // As before a handshake: from here on there is work.
        let pace = || domain.tenant.handshake(self.limits);
        if self.shard.permits.handshake_rate.take(self.source.ip(), pace).is_err() {
            return Err(Rejected::Busy);
        }
        let Asked { wants, submitted, evidence } = asked;
        let claim = StockClaim { submitted, evidence, window: self.limits.stock_evidence };
        let current = || {
            let domains = self.shard.view.domains();
            let now = domains.current(domain).ok_or(Rejected::DomainGone)?;
            if !now.access.stock.admission {
                return Err(Rejected::StockNotAllowed);
            }
            stock_issuer(now, UnixTime::now())?;
            Ok(Arc::clone(now))
        };
        let by = Asker { id: self.id, source: self.source, places: Places::Admissions };
        let examined = examine(claim, current, self.limits.evidence, by, self.shard).await?;
        let Examined { domain, evidence, place } = examined;
        let now = UnixTime::now();
        let admit = AdmitStock { domain: Arc::clone(&domain), evidence, wants, id: self.id, now };
        let answer = self.shard.attestor.send(admit).await.unwrap_or(Err(Rejected::Internal));
        drop(place);
        let used = AuditFacts { action: "stock-evidence".into(), ..ticket_event(self.id, self.source) };
        let pending = match answer {
            Ok(admitted) => admitted.use_up(&domain, used, seconds(now)).await,
            Err(rejected) => Err(rejected),
        };
        redeem(pending, &domain, ticket_event(self.id, self.source), now).await
    }

    async fn admitted(&self, domain: &Domain, wants: StockArtifact, admitted: Admitted) -> TrustResponse {
        let (action, done) = match wants {
            StockArtifact::Certificate => ("stock-enroll", "stock-admitted"),
            StockArtifact::PlatformRule => ("stock-attest", "stock-attested"),
        };
        let event = admission_event(action, self.id, self.source, Some(&admitted), done);
        domain.tenant.meter().admission(true);
        self.told(domain, done);
        self.recorded(domain, &event, TrustResponse::Admitted(admitted.certificate)).await
    }

    async fn rejected(&self, domain: &Domain, rejected: &Rejected) -> Option<TrustResponse> {
        let next = rejected.next();
        tracing::info!(id = %self.id, domain = %domain.name, %rejected, next, "stock evidence is refused");
        if matches!(rejected, Rejected::DomainGone) {
            return None;
        }
        let refusal: Refusal = rejected.into();
        Some(self.refuse_for(domain, refusal, Some(rejected.to_string())).await)
    }

    /// What was refused before it was known to be a domain's business is for the log alone.
    fn refuse(&self, refusal: Refusal) -> TrustResponse {
        tracing::info!(id = %self.id, source = %self.source, %refusal, "stock evidence is refused");
        count(refusal.code.as_str());
        TrustResponse::Refused(refusal)
    }

    async fn refuse_for(&self, domain: &Domain, refusal: Refusal, why: Option<String>) -> TrustResponse {
        let code = refusal.code.as_str();
        // The log has what the peer isn't told.
        let why = why.unwrap_or_else(|| {
            tracing::info!(id = %self.id, domain = %domain.name, %refusal, "a stock request is refused");
            refusal.to_string()
        });
        let event = admission_event("stock-enroll", self.id, self.source, None, code);
        domain.tenant.meter().admission(false);
        self.told(domain, code);
        self.recorded(domain, &AuditFacts { reason: Some(why), ..event }, TrustResponse::Refused(refusal))
            .await
    }

    fn told(&self, domain: &Domain, result: &'static str) {
        let (id, source) = (self.id, self.source);
        tracing::info!(%id, %source, domain = %domain.name, result, "stock admission");
        count(result);
    }

    /// The answer, once it is recorded; what can't be recorded isn't given.
    async fn recorded(&self, domain: &Domain, event: &AuditFacts, answer: TrustResponse) -> TrustResponse {
        let event = AuditFacts { policy_version: Some(domain.serial), ..event.clone() };
        match self.shard.segments.append(domain, &event).await {
            Ok(()) => answer,
            Err(error) => {
                tracing::error!(id = %self.id, %error, "a stock admission could not be recorded");
                let text = "the broker can't keep its audit; try later";
                TrustResponse::Refused(Refusal::new(ErrorCode::Unavailable, text))
            }
        }
    }
}

fn count(result: &'static str) {
    metrics::counter!("claviger_admissions_total", "result" => result).increment(1);
}

fn read(body: &[u8]) -> Result<Asked, Refusal> {
    let (request, evidence) = TrustRequest::decode_body(body)?;
    let wants = match request.purpose.as_str() {
        PURPOSE_AUTHENTICATION => StockArtifact::Certificate,
        PURPOSE_ATTESTATION => StockArtifact::PlatformRule,
        _ => {
            let why = "stock programs are served the purposes \"authentication\" and \"attestation\"";
            return Err(Refusal::new(ErrorCode::UnknownRequest, why));
        }
    };
    if request.new_key.is_some() {
        let why = "a stock request has no field of ours";
        return Err(Refusal::new(ErrorCode::Malformed, why));
    }
    Ok(Asked { wants, submitted: request.submitted_evidence_type, evidence })
}
