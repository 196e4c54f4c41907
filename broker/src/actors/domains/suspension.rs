//! Suspending a domain, and resuming it.

use claviger_proto::DomainName;
use claviger_proto::admin::{self, Suspend, Suspension};
use claviger_store::{AuditFacts, DomainChange};
use rustls::pki_types::UnixTime;

use super::{AdminError, Registry};
use crate::actors::audit::seconds;
use crate::domain::Access;

/// Longest reason, in bytes: a line.
const MAX_REASON: usize = 200;

impl Registry {
    /// From the next request on, on every channel. Suspended again, it is so since the first time, for the new reason.
    pub(super) async fn suspend(
        &self,
        name: &DomainName,
        Suspend { reason }: Suspend,
    ) -> Result<admin::Domain, AdminError> {
        let domain = self.find(name)?;
        if let Some(reason) = &reason
            && (reason.is_empty() || reason.len() > MAX_REASON || reason.contains(char::is_control))
        {
            let rule = format!("a reason is 1 to {MAX_REASON} bytes of text, in one line");
            return Err(AdminError::Invalid(rule));
        }
        let before = domain.access.suspended.as_ref();
        let since = before.map_or_else(|| seconds(UnixTime::now()), |before| before.since);
        let audit = AuditFacts { reason: reason.clone(), ..self.event("domain-suspend") };
        let access = Access { suspended: Some(Suspension { since, reason }), ..domain.access.clone() };
        self.update_as(&domain, DomainChange::Access(access.encode()), audit).await?;
        tracing::warn!(domain = %name, "a domain is suspended");
        self.show(name)
    }

    pub(super) async fn resume(&self, name: &DomainName) -> Result<admin::Domain, AdminError> {
        let domain = self.find(name)?;
        let access = Access { suspended: None, ..domain.access.clone() };
        self.update_as(&domain, DomainChange::Access(access.encode()), self.event("domain-resume")).await?;
        tracing::warn!(domain = %name, "a domain is resumed");
        self.show(name)
    }
}
