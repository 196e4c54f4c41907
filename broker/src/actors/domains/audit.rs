//! Checkpoints, and the check of a domain's whole trail.

use std::sync::Arc;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use claviger_attest::{BrokerMeasurements, PolicyCertificate, verify_broker};
use claviger_proto::{DomainName, admin};
use claviger_store::audit::{self, Checkpoint};
use claviger_store::{CheckpointDomain, Command, SegmentHead};
use rustls::pki_types::{CertificateDer, UnixTime};

use super::{AdminError, Registry};
use crate::actors::audit::{SyncDomain, seconds};
use crate::domain::Domain;

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
        let mut heads: Vec<SegmentHead> = Vec::new();
        for shard in &self.shards {
            let head = shard.sync.send(SyncDomain(*domain.keys.generation())).await;
            heads.extend(head.map_err(|_| AdminError::Stopping)??);
        }
        let key = Arc::clone(&domain.leaf.key);
        let checkpoint = CheckpointDomain {
            keys: Arc::clone(&domain.keys),
            now: seconds(UnixTime::now()),
            heads,
            certificate: domain.leaf.certificate.clone(),
            sign: Box::new(move |bytes| key.sign(bytes).ok()),
        };
        self.storage.commit(Command::Checkpoint(checkpoint), None).await?;
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
                let signed_by_us = |checkpoint: &Checkpoint| is_signed(&domain.policy, &domain.name, checkpoint);
                audit::verify(&domain.storage.store, &domain.storage.audit_dir, &domain.keys, &signed_by_us)
            };
            actix_rt::task::spawn_blocking(check).await.map_err(|_| AdminError::Stopping)??
        };
        if report.findings.is_empty() {
            self.checkpoint(&domain).await?;
        }
        Ok(describe(name, report))
    }
}

/// A checkpoint is signed by a certificate of the broker's own in this domain, valid when it was made.
fn is_signed(policy: &PolicyCertificate, domain: &DomainName, checkpoint: &Checkpoint) -> bool {
    let made = UnixTime::since_unix_epoch(std::time::Duration::from_secs(
        u64::try_from(checkpoint.time()).unwrap_or(0),
    ));
    let certificate = checkpoint.certificate();
    if verify_broker(policy, domain, certificate, &BrokerMeasurements::Any, made).is_err() {
        return false;
    }
    let certificate = CertificateDer::from(certificate);
    let Ok(leaf) = webpki::EndEntityCert::try_from(&certificate) else { return false };
    let spki = leaf.subject_public_key_info();
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, spki.as_ref());
    key.verify(checkpoint.signed_bytes(), checkpoint.signature()).is_ok()
}

fn describe(name: &DomainName, report: audit::Report) -> admin::AuditReport {
    let segment = |segment: audit::SegmentReport| admin::AuditSegment {
        id: segment.id,
        records: segment.records,
        head: hex::encode(segment.head),
    };
    admin::AuditReport {
        domain: name.clone(),
        ok: report.findings.is_empty(),
        records: report.segments.iter().map(|segment| segment.records).sum(),
        segments: report.segments.into_iter().map(segment).collect(),
        checkpoints: report.checkpoints,
        findings: report.findings.iter().map(ToString::to_string).collect(),
    }
}
