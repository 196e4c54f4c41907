//! Checkpoints, and the check of a domain's whole trail.

use std::io;
use std::sync::Arc;

use claviger_attest::{sign_as_broker, verify_signed_by_broker};
use claviger_proto::DomainName;
use claviger_proto::admin::{self, AuditSync, AuditTerms};
use claviger_store::audit;
use claviger_store::audit::export::{self, About, ExportError};
use claviger_store::{CheckpointDomain, Command, DomainChange, SegmentHead};
use rustls::pki_types::UnixTime;

use super::registry::held_by;
use super::{AdminError, Registry};
use crate::actors::audit::{SyncDomain, seconds};
use crate::domain::{Access, Domain};
use crate::era::Lease;
use crate::storage::Storage;

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
            sign: Box::new(move |bytes| sign_as_broker(&key, &certificate, bytes).ok()),
        };
        self.storage.commit(Command::Checkpoint(checkpoint)).await?;
        Ok(())
    }

    /// Makes a checkpoint, so that it covers what there is; what an export or the checkpoint itself is made from then.
    pub(super) async fn exportable(&self, name: &DomainName) -> Result<Trail, AdminError> {
        let domain = self.find(name)?;
        self.checkpoint(&domain).await?;
        let lease = domain.storage.era.lease();
        Ok(Trail(domain, lease))
    }

    /// Has records on the disk before their answers leave, or only written.
    pub(super) async fn set_audit(
        &self,
        name: &DomainName,
        terms: AuditTerms,
    ) -> Result<admin::Domain, AdminError> {
        let domain = self.find(name)?;
        let durable_audit = terms.sync == AuditSync::Durable;
        if domain.access.durable_audit != durable_audit {
            let access = Access { durable_audit, ..domain.access.clone() };
            self.update(&domain, DomainChange::Access(access.encode()), "audit-terms").await?;
        }
        self.show(name)
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
                let ours = |bytes: &[u8], signature: &[u8]| {
                    verify_signed_by_broker(&domain.policy, &domain.name, bytes, signature).is_ok()
                };
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

/// A domain's trail, to be written out. Whoever seals the broker waits for it to be dropped.
pub struct Trail(Arc<Domain>, #[expect(dead_code, reason = "held, not looked at")] Lease);

impl Trail {
    /// Writes all of it.
    pub fn export(&self, to: &mut dyn io::Write) -> Result<(), ExportError> {
        let Storage { store, audit_dir, .. } = &*self.0.storage;
        export::export(store, audit_dir, &self.0.keys, &self.about(), to)
    }

    /// Writes its newest checkpoint.
    pub fn checkpoint(&self, to: &mut dyn io::Write) -> Result<(), ExportError> {
        // There is one: it was just made.
        export::checkpoint(&self.0.storage.store, &self.0.keys, &self.about(), to).map(|_| ())
    }

    fn about(&self) -> About {
        let now = seconds(UnixTime::now());
        About::new(&self.0.keys, now, *self.0.policy.fingerprint(), self.0.issuer.is_some())
    }
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
