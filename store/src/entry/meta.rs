//! What is kept of one version beside its secret.

use claviger_proto::key_service::{State, VersionInfo};
use claviger_proto::{ResourceName, Version};

use crate::domain::DomainKeys;
use crate::seal::{Aad, RecordKind};
use crate::writer::PutEntry;

/// As an expiry: never.
const NEVER: i64 = 0;

/// What became of a version. Numbers are part of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    There = 1,
    Deleted = 2,
    Destroyed = 3,
}

/// What is kept of one version beside its secret.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct VersionMeta {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    #[prost(string, tag = "2")]
    pub(crate) entry_type: String,
    #[prost(bool, tag = "3")]
    pub(crate) exportable: bool,
    #[prost(int64, tag = "4")]
    pub(crate) entered: i64,
    #[prost(int64, tag = "5")]
    pub(crate) expires: i64,
    #[prost(uint32, tag = "6")]
    state: u32,
    /// Which of the domain's keys it is sealed under.
    #[prost(uint32, tag = "7")]
    epoch: u32,
}

impl VersionMeta {
    /// A version that is there, to be sealed under the domain's newest key.
    pub(crate) fn new(keys: &DomainKeys, version: Version, put: &PutEntry) -> Self {
        Self {
            version: version.get(),
            entry_type: put.entry_type.to_string(),
            exportable: put.exportable,
            entered: put.now,
            expires: put.options.expires.unwrap_or(NEVER),
            state: Stage::There as u32,
            epoch: keys.epoch(),
        }
    }

    /// What became of it; `None` for a state that isn't one of ours, and can't open anything either.
    pub(crate) fn stage(&self) -> Option<Stage> {
        [Stage::There, Stage::Deleted, Stage::Destroyed].into_iter().find(|stage| *stage as u32 == self.state)
    }

    /// The same version at another stage, to be sealed anew.
    #[must_use]
    pub(crate) fn at(&self, stage: Stage, keys: &DomainKeys) -> Self {
        Self { state: stage as u32, epoch: keys.epoch(), ..self.clone() }
    }

    /// Whether its secret can be got by anybody.
    pub(crate) fn is_available(&self, now: i64) -> bool {
        self.stage() == Some(Stage::There) && !self.is_expired(now)
    }

    /// Whether it may be handed out.
    pub(crate) fn is_releasable(&self, now: i64) -> bool {
        self.exportable && self.is_available(now)
    }

    fn is_expired(&self, now: i64) -> bool {
        self.expires != NEVER && self.expires <= now
    }

    /// What may be said of it.
    pub(crate) fn info(&self, now: i64) -> Option<VersionInfo> {
        let state = match self.stage()? {
            Stage::There if self.is_expired(now) => State::Expired,
            Stage::There => State::There,
            Stage::Deleted => State::Deleted,
            Stage::Destroyed => State::Destroyed,
        };
        Some(VersionInfo {
            version: Version::new(self.version)?,
            entry_type: self.entry_type.parse().ok()?,
            exportable: self.exportable,
            entered: self.entered,
            expires: Some(self.expires).filter(|expires| *expires != NEVER),
            state,
        })
    }

    /// What its secret is sealed together with.
    pub(crate) fn aad<'a>(&'a self, keys: &DomainKeys, name: &'a ResourceName) -> Aad<'a> {
        Aad {
            name: name.as_str(),
            version: self.version,
            entry_type: &self.entry_type,
            flags: if self.exportable { Aad::EXPORTABLE } else { 0 },
            entered: self.entered,
            expires: self.expires,
            // A state beyond a byte isn't one of ours; it can't open anything.
            state: u8::try_from(self.state).unwrap_or(u8::MAX),
            key_epoch: self.epoch,
            ..keys.aad(RecordKind::Entry)
        }
    }
}
