//! How much a domain may take of the broker: the operator's word, whoever owns the domain and wherever it was made.

use std::sync::Arc;

use claviger_proto::DomainName;
use claviger_proto::admin::{DomainQuota, QuotaUse, Quotas};
use claviger_store::DomainChange;

use super::{AdminError, Registry};

impl Registry {
    /// What a domain may, and what it takes up.
    pub(super) async fn quota(&self, name: &DomainName) -> Result<DomainQuota, AdminError> {
        let domain = self.find(name)?;
        let (storage, keys) = (Arc::clone(&domain.storage), Arc::clone(&domain.keys));
        // One record; all of them, where a version that didn't count left the domain.
        let usage = actix_rt::task::spawn_blocking(move || storage.store.usage(&keys));
        let usage = usage.await.map_err(|_| AdminError::Stopping)??;
        let connections = domain.tenant.connections() as u64;
        Ok(DomainQuota {
            domain: name.clone(),
            set: domain.quotas,
            in_force: self.storage.tenants.in_force(&domain.quotas),
            used: QuotaUse { names: usage.names, bytes: usage.bytes, connections },
        })
    }

    /// Puts other quotas in force. A domain that is pulled from its home has its quotas from whoever runs this broker.
    pub(super) async fn set_quota(
        &self,
        name: &DomainName,
        quotas: Quotas,
    ) -> Result<DomainQuota, AdminError> {
        let domain = self.find(name)?;
        if let Some((which, most)) = quotas.out_of_bounds() {
            return Err(AdminError::Invalid(format!("a quota of {which} is 1 to {most}")));
        }
        if domain.quotas != quotas {
            let written = serde_json::to_vec(&quotas).map_err(|_| AdminError::Stopping)?;
            self.change(&domain, DomainChange::Quotas(written), self.event("quota-set")).await?;
        }
        self.quota(name).await
    }
}
