//! The entries against the trail: what it says was stored, deleted or destroyed must be so.

use std::collections::BTreeMap;

use claviger_proto::{ResourceName, Version};

use crate::audit::verify::Verification;
use crate::audit::{AuditError, FindingKind, load_head};
use crate::engine::Engine as _;
use crate::entry::{Known, Stage, describe, load};
use crate::error::StoreError;
use crate::layout::EntryPlace;

/// How many bytes of an entry's place are shown: enough to find it in the engine, and no name.
const SHOWN: usize = 24;

/// What the trail says of a name.
#[derive(Default)]
pub(super) struct Recorded {
    /// The highest version.
    highest: u32,
    /// The versions that were deleted or destroyed.
    stages: BTreeMap<u32, Stage>,
}

impl Recorded {
    /// One more record of the name.
    pub(super) fn add(&mut self, action: &str, version: u32) {
        match action {
            "delete" => _ = self.stages.insert(version, Stage::Deleted),
            "destroy" => _ = self.stages.insert(version, Stage::Destroyed),
            "undelete" => _ = self.stages.remove(&version),
            _ => self.highest = version.max(self.highest),
        }
    }
}

/// What was found of a name.
enum Found {
    AsRecorded,
    /// It lacks versions.
    Older,
    /// A version isn't deleted or destroyed that was.
    OtherStage,
}

impl Verification<'_> {
    /// `records` is how many the trail had when it was read.
    pub(super) fn entries(&mut self, records: u64) -> Result<(), AuditError> {
        for (name, recorded) in std::mem::take(&mut self.stored) {
            let Ok(name) = name.parse::<ResourceName>() else { continue };
            let at = EntryPlace::new(self.keys, &name);
            let place = || format!("entry {}", hex::encode(&at.head().bytes[..SHOWN]));
            match self.compare(&name, at, &recorded) {
                Ok(Found::AsRecorded) => {}
                // It may have been undeleted since the trail was read; if the trail hasn't grown, it wasn't.
                Ok(Found::OtherStage) if self.has_grown(records) => {}
                Ok(Found::OtherStage | Found::Older) => self.find(place(), FindingKind::EntryRolledBack),
                Err(StoreError::Damaged { .. } | StoreError::UnknownFormat { .. }) => {
                    self.find(place(), FindingKind::EntryDamaged);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn has_grown(&self, records: u64) -> bool {
        load_head(self.engine, self.keys).is_ok_and(|head| head.chain.next > records)
    }

    fn compare(&self, name: &ResourceName, at: EntryPlace, recorded: &Recorded) -> Result<Found, StoreError> {
        let now = self.engine.revision();
        let Some(loaded) = load(self.engine, self.keys, name, &at)? else {
            return Ok(if recorded.highest == 0 { Found::AsRecorded } else { Found::Older });
        };
        if loaded.head.highest().map_or(0, Version::get) < recorded.highest {
            return Ok(Found::Older);
        }
        let current = Known::new(self.keys, name, at, loaded, now);
        for (version, stage) in &recorded.stages {
            let version = Version::new(*version);
            // The time says only whether it is expired, which is no matter here.
            let (meta, _) = describe(&current, self.engine, self.keys, name, version, 0)?;
            if meta.stage() != Some(*stage) {
                return Ok(Found::OtherStage);
            }
        }
        Ok(Found::AsRecorded)
    }
}
