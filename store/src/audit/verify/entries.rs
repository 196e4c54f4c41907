//! The entries against the trail: what it says was stored must be there.

use claviger_proto::ResourceName;

use crate::audit::verify::Verification;
use crate::audit::{AuditError, FindingKind};
use crate::entry::load;
use crate::error::StoreError;
use crate::layout::EntryPlace;

/// How many bytes of an entry's place are shown: enough to find it in the engine, and no name.
const SHOWN: usize = 24;

impl Verification<'_> {
    pub(super) fn entries(&mut self) -> Result<(), AuditError> {
        for (name, recorded) in std::mem::take(&mut self.stored) {
            let Ok(name) = name.parse::<ResourceName>() else { continue };
            let at = EntryPlace::new(self.keys, &name);
            let place = || format!("entry {}", hex::encode(&at.head().bytes[..SHOWN]));
            match load(self.engine, self.keys, &name, &at) {
                Ok(loaded) => {
                    let highest = loaded.and_then(|loaded| loaded.head.highest());
                    if highest.map_or(0, claviger_proto::Version::get) < recorded {
                        self.find(place(), FindingKind::EntryRolledBack);
                    }
                }
                Err(StoreError::Damaged { .. } | StoreError::UnknownFormat { .. }) => {
                    self.find(place(), FindingKind::EntryDamaged);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
