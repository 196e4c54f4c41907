//! Putting an entry into a domain from this machine.

use std::sync::Arc;

use claviger_proto::admin::{ImportEntry, Imported};
use claviger_proto::key_service::PutOptions;
use claviger_proto::{DomainName, EntryType, ResourceName, Version};
use claviger_store::{Command, Done, PutEntry, StoreError};
use rustls::pki_types::UnixTime;

use super::{AdminError, Registry};
use crate::actors::audit::seconds;

impl Registry {
    /// The same way that a machine's store goes, with the operator's permit and a record of its own kind.
    pub(super) async fn import(
        &self,
        domain: &DomainName,
        entry: ImportEntry,
    ) -> Result<Imported, AdminError> {
        let domain = self.find(domain)?;
        let ImportEntry { name, entry_type, version, exportable, blob } = entry;
        let name = ResourceName::parse_in(&domain.name, &name)?;
        let entry_type: EntryType = entry_type.parse()?;
        let invalid = || AdminError::Invalid(format!("a version is 1 to {}", Version::MAX));
        let version = version.map(|number| Version::new(number).ok_or_else(invalid)).transpose()?;
        let put = PutEntry {
            keys: Arc::clone(&domain.keys),
            permit: domain.acl.permit_import(&name)?,
            version,
            entry_type,
            exportable,
            blob: blob.0,
            options: PutOptions::default(),
            quota: domain.quota(),
            now: seconds(UnixTime::now()),
            audit: self.event("entry-import"),
        };
        match self.storage.commit(Command::Put(put)).await? {
            Done::Stored { version, .. } => {
                tracing::info!(domain = %domain.name, version = version.get(), "an entry is imported");
                Ok(Imported { domain: domain.name.clone(), name: name.to_string(), version: version.get() })
            }
            // The writer answers a put with what it stored.
            _ => Err(StoreError::Stopped.into()),
        }
    }
}
