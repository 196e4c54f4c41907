//! Stock programs: their evidence answers no challenge, so it is good once.

use std::sync::Arc;

use actix::{Handler, Message, SyncContext};
use claviger_attest::certifier::{Goal, NamedKey, StockFacts, policy_statements, prove};
use claviger_attest::{Attested, Measurement, ScreenedStock};
use claviger_proto::trust::EvidencePackage;
use claviger_store::{AuditFacts, Command, Done, Once, StoreError};
use rustls::pki_types::UnixTime;
use tracing::Level;

use super::{Admitted, Attestor, Endorsed, Pending, Rejected, Verifier, identify, stock_issuer, with_ticket};
use crate::actors::audit::seconds;
use crate::domain::{Domain, skew};
use crate::request_id::RequestId;
use crate::runtime::panics;

/// The most that `limits.stock_evidence_ms` can be, in seconds: as long evidence is remembered that was used.
const LONGEST: i64 = 3_600;

/// Verify this evidence of a stock program and, if it holds, give it what it asks for.
#[derive(Message)]
#[rtype(result = "Result<StockAdmitted, Rejected>")]
pub struct AdmitStock {
    /// Whose policy counts.
    pub domain: Arc<Domain>,
    /// What was submitted.
    pub evidence: Endorsed<ScreenedStock>,
    /// What it asks for.
    pub wants: StockArtifact,
    /// In which request.
    pub id: RequestId,
    /// Now.
    pub now: UnixTime,
}

/// What a stock program asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StockArtifact {
    /// An admission certificate.
    Certificate,
    /// The domain's word that its key may attest.
    PlatformRule,
}

/// What a stock program gets, once it is written down that its evidence is used up.
pub struct StockAdmitted {
    pending: Pending,
    statement: [u8; 32],
    until: i64,
}

impl StockAdmitted {
    /// Uses up the evidence, durably and once; what came of it waits for its launch ticket, if it is for one. After a crash
    /// in between the evidence is used up, and nobody has what came of it.
    pub async fn use_up(self, domain: &Domain, audit: AuditFacts, now: i64) -> Result<Pending, Rejected> {
        let Self { pending, statement, until } = self;
        let once = Once { keys: Arc::clone(&domain.keys), what: statement, until, now, audit };
        match domain.storage.commit(Command::Once(once)).await {
            Ok(Done::Once(true)) => Ok(pending),
            Ok(Done::Once(false)) => Err(Rejected::Repeated),
            Ok(_) => Err(StoreError::Stopped.into()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Handler<AdmitStock> for Attestor {
    type Result = Result<StockAdmitted, Rejected>;

    fn handle(&mut self, admit: AdmitStock, _: &mut SyncContext<Self>) -> Self::Result {
        panics::contain("attestor", || self::admit(&self.0, admit)).unwrap_or(Err(Rejected::Internal))
    }
}

fn admit(verifier: &Verifier, admit: AdmitStock) -> Result<StockAdmitted, Rejected> {
    let AdmitStock { domain, evidence, wants, id, now } = admit;
    let issuer = stock_issuer(&domain, now)?;
    let statement = *evidence.screened.statement();
    // Of the evidence alone, so that the same evidence has the same, whatever the limit and the clocks do meanwhile.
    let until = evidence.screened.time().saturating_add(LONGEST).saturating_add(skew());
    let package = tracing::enabled!(Level::DEBUG).then(|| evidence.screened.evidence().clone());
    let attested = verifier.verify(evidence, now)?;
    if let Some(package) = package {
        explain(&domain, &attested, &package, wants, now, id);
    }
    let machine = identify(&domain, attested, None, now)?;
    let (machine, ticket) = with_ticket(&domain, machine, now)?;
    let measurement: Measurement = *machine.attested().measurement();
    let artifact = match wants {
        StockArtifact::Certificate => issuer.admit_stock(&machine, now)?,
        StockArtifact::PlatformRule => issuer.platform_rule(&machine, now)?,
    };
    let pending = Pending {
        admitted: Admitted { certificate: artifact, issuer: None, measurement, enrolment: None },
        ticket,
    };
    Ok(StockAdmitted { pending, statement, until })
}

/// Prints why: the proof by which a verifier of the framework's own would admit it. That it was decided otherwise, by all that
/// the domain demands, doesn't hang on it.
fn explain(
    domain: &Domain,
    attested: &Attested,
    evidence: &EvidencePackage,
    wants: StockArtifact,
    now: UnixTime,
    id: RequestId,
) {
    let policy_key = NamedKey::new("policyKey", domain.policy.public_key().clone());
    let (kind, measurement, now) = (attested.kind(), attested.measurement(), seconds(now));
    let said = policy_statements(&domain.trust.policy, &policy_key, kind, measurement, now);
    let goal = match wants {
        StockArtifact::Certificate => Goal::Authentication,
        StockArtifact::PlatformRule => Goal::Attestation,
    };
    let proof = StockFacts::read(evidence, now).map_err(|error| error.to_string());
    let proof =
        proof.and_then(|facts| prove(&policy_key, &said, &facts, goal).map_err(|error| error.to_string()));
    match proof {
        Ok(proof) => {
            for (at, step) in proof.steps().iter().enumerate() {
                tracing::debug!(%id, domain = %domain.name, step = at + 1, %step, "why stock evidence is taken");
            }
        }
        Err(error) => {
            tracing::debug!(%id, domain = %domain.name, error, "no proof in the terms of stock verifiers");
        }
    }
}
