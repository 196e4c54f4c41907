//! What a domain's owner takes back, and for how long machines are admitted.

use std::sync::Arc;

use claviger_attest::{ADMISSION_DAYS, Revocation, Revoked, SHORTEST_ADMISSION};
use claviger_proto::DomainName;
use claviger_proto::admin::{self, AddRevocation, AdmissionTerms};
use claviger_store::{AuditFacts, Command, DomainChange, UpdateDomain};
use rustls::pki_types::UnixTime;

use super::{AdminError, Registry};
use crate::actors::audit::seconds;
use crate::domain::{Access, Domain};

impl Registry {
    pub(super) fn revocations(&self, name: &DomainName) -> Result<Vec<admin::Revocation>, AdminError> {
        Ok(self.find(name)?.access.revocations.iter().map(describe).collect())
    }

    pub(super) async fn revoke(
        &self,
        name: &DomainName,
        add: AddRevocation,
    ) -> Result<admin::Revocation, AdminError> {
        let domain = self.find(name)?;
        let AddRevocation { kind, what, reason, lasts } = add;
        let now = UnixTime::now();
        let since = seconds(now);
        let until = lasts.map(|lasts| since.saturating_add(lasts));
        let what = Revoked::new(&kind, &what)?;
        let revocation =
            Revocation::new(what, reason.unwrap_or_default(), self.role().to_owned(), since, until)?;
        let described = describe(&revocation);
        let mut access = domain.access.clone();
        let audit = self.about("revocation-add", revocation.what(), revocation.reason());
        access.revocations.add(revocation, now)?;
        self.put_access(&domain, &access, audit).await?;
        tracing::info!(domain = %name, kind, what = described.what, "something is revoked");
        Ok(described)
    }

    /// Takes a revocation back.
    pub(super) async fn reinstate(
        &self,
        name: &DomainName,
        kind: &str,
        what: &str,
    ) -> Result<(), AdminError> {
        let domain = self.find(name)?;
        let what = Revoked::new(kind, what)?;
        let mut access = domain.access.clone();
        if !access.revocations.remove(&what) {
            return Err(AdminError::NoRevocation(name.clone()));
        }
        self.put_access(&domain, &access, self.about("revocation-remove", &what, "")).await
    }

    pub(super) async fn set_admission(
        &self,
        name: &DomainName,
        AdmissionTerms { lasts }: AdmissionTerms,
    ) -> Result<admin::Domain, AdminError> {
        let domain = self.find(name)?;
        let most = u64::from(ADMISSION_DAYS) * 86_400;
        let fits = (SHORTEST_ADMISSION.as_secs()..=most).contains(&lasts);
        let lasts = u32::try_from(lasts).ok().filter(|_| fits).ok_or_else(|| {
            AdminError::Invalid(format!("an admission lasts at least 30m and at most {ADMISSION_DAYS}d"))
        })?;
        let admission_seconds = (u64::from(lasts) < most).then_some(lasts);
        if domain.access.admission_seconds != admission_seconds {
            let access = Access { admission_seconds, ..domain.access.clone() };
            self.update(&domain, DomainChange::Access(access.encode()), "admission-terms").await?;
        }
        self.show(name)
    }

    async fn put_access(
        &self,
        domain: &Domain,
        access: &Access,
        audit: AuditFacts,
    ) -> Result<(), AdminError> {
        if domain.home.is_some() {
            return Err(AdminError::FromHome(domain.name.clone()));
        }
        let (keys, change) = (Arc::clone(&domain.keys), DomainChange::Access(access.encode()));
        self.storage.commit(Command::UpdateDomain(UpdateDomain { keys, change, audit })).await?;
        self.reload(&domain.name).await?;
        Ok(())
    }

    /// The record of a change, with what it is about and why.
    fn about(&self, action: &'static str, what: &Revoked, reason: &str) -> AuditFacts {
        let reason = Some(reason).filter(|reason| !reason.is_empty()).map(str::to_owned);
        AuditFacts { name: Some(format!("{} {what}", what.kind())), reason, ..self.event(action) }
    }
}

fn describe(revocation: &Revocation) -> admin::Revocation {
    admin::Revocation {
        kind: revocation.what().kind().to_owned(),
        what: revocation.what().to_string(),
        reason: revocation.reason().to_owned(),
        by: revocation.by().to_owned(),
        since: revocation.since(),
        until: revocation.until(),
    }
}
