//! Checkpoints, and the check of a domain's whole trail.

use std::sync::Arc;
use std::time::Duration;

use claviger_attest::{BrokerMeasurements, SigningKey, verify_broker};
use claviger_proto::{DomainName, LvWriter, admin};
use claviger_store::audit;
use claviger_store::{CheckpointDomain, Command, SegmentHead};
use rustls::pki_types::{CertificateDer, UnixTime};

use super::registry::held_by;
use super::{AdminError, Registry};
use crate::actors::audit::{SyncDomain, seconds};
use crate::domain::{Domain, certificate_dates};

impl Registry {
    /// Makes a checkpoint of each domain that has records since its last one.
    pub(super) async fn checkpoint_changed(&self) {
        for domain in self.domains().iter() {
            if let Err(error) = self.checkpoint(domain).await {
                tracing::error!(domain = %domain.name, %error, "no checkpoint could be made");
            }
        }
    }

    /// Syncs the domain's segments on every shard and joins their heads in a signed checkpoint.
    async fn checkpoint(&self, domain: &Domain) -> Result<(), AdminError> {
        if !domain.installed {
            // There is no certificate to sign it by; the first checkpoint after that covers all that was before.
            return Ok(());
        }
        let mut heads: Vec<SegmentHead> = Vec::new();
        for shard in &self.shards {
            let head = shard.sync.send(SyncDomain(*domain.keys.generation())).await;
            heads.extend(head.map_err(|_| AdminError::Stopping)??);
        }
        let (key, certificate) = (Arc::clone(&domain.leaf.key), domain.leaf.certificate.clone());
        let checkpoint = CheckpointDomain {
            keys: Arc::clone(&domain.keys),
            now: seconds(UnixTime::now()),
            heads,
            sign: Box::new(move |bytes| sign(&key, &certificate, bytes)),
        };
        self.storage.commit(Command::Checkpoint(checkpoint)).await?;
        Ok(())
    }

    /// Checks everything that there is of the trail, then makes a checkpoint of what was found whole.
    pub(super) async fn verify_audit(&self, name: &DomainName) -> Result<admin::AuditReport, AdminError> {
        let domain = self.find(name)?;
        for shard in &self.shards {
            let synced = shard.sync.send(SyncDomain(*domain.keys.generation())).await;
            synced.map_err(|_| AdminError::Stopping)??;
        }
        let report = {
            let domain = Arc::clone(&domain);
            let check = move || {
                let ours = |bytes: &[u8], signature: &[u8]| is_signed(&domain, bytes, signature).is_some();
                audit::verify(&domain.storage.store, &domain.storage.audit_dir, &domain.keys, &ours)
            };
            actix_rt::task::spawn_blocking(check).await.map_err(|_| AdminError::Stopping)??
        };
        if report.findings.is_empty() {
            self.checkpoint(&domain).await?;
        }
        Ok(describe(&domain, report))
    }
}

/// A checkpoint's signature carries the certificate that it is checked with: LV(certificate) ‖ LV(ECDSA), for
/// the broker's certificate is renewed and old checkpoints stay.
fn sign(key: &SigningKey, certificate: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
    Some(LvWriter::new().push(certificate).push(&key.sign(bytes).ok()?).into_bytes())
}

/// `Some` if the broker's own key in this domain signed the bytes. The certificate is checked at its own
/// beginning: it may have expired since, the signature doesn't.
fn is_signed(domain: &Domain, bytes: &[u8], signature: &[u8]) -> Option<()> {
    let (certificate, rest) = split_lv(signature)?;
    let (signature, rest) = split_lv(rest)?;
    if !rest.is_empty() {
        return None;
    }
    let (not_before, _) = certificate_dates(certificate).ok()?;
    let then = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(not_before).ok()?));
    verify_broker(&domain.policy, &domain.name, certificate, &BrokerMeasurements::Any, then).ok()?;
    let certificate = CertificateDer::from(certificate);
    let leaf = webpki::EndEntityCert::try_from(&certificate).ok()?;
    leaf.verify_signature(webpki::aws_lc_rs::ECDSA_P256_SHA256, bytes, signature).ok()
}

fn split_lv(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

fn describe(domain: &Domain, report: audit::Report) -> admin::AuditReport {
    let segment = |segment: audit::SegmentReport| admin::AuditSegment {
        id: segment.id,
        records: segment.records,
        ok: segment.ok,
    };
    admin::AuditReport {
        domain: domain.name.clone(),
        policy_key_held_by: held_by(domain).to_owned(),
        ok: report.findings.is_empty(),
        records: report.segments.iter().map(|segment| segment.records).sum(),
        segments: report.segments.into_iter().map(segment).collect(),
        checkpoints: report.checkpoints,
        findings: report.findings.iter().map(ToString::to_string).collect(),
    }
}
