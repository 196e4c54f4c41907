//! What is said about names and versions without their secrets.

use serde::{Deserialize, Serialize};

use crate::error::ParseError;
use crate::fields::{Fields, Sink};
use crate::{EntryType, Version};

/// What can be done with a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It can be retrieved, if it is exportable.
    There,
    /// It is past its time. It can't be retrieved; deleting and destroying it are possible.
    Expired,
    /// It was deleted, which can be undone.
    Deleted,
    /// Its secret is gone for good. Its number stays taken.
    Destroyed,
}

impl State {
    const ALL: [(Self, i32, &str); 4] = [
        (Self::There, 1, "there"),
        (Self::Expired, 2, "expired"),
        (Self::Deleted, 3, "deleted"),
        (Self::Destroyed, 4, "destroyed"),
    ];

    /// The state as text.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(state, ..)| *state == self).map_or("", |(_, _, text)| text)
    }

    fn to_wire(self) -> i32 {
        Self::ALL.iter().find(|(state, ..)| *state == self).map_or(0, |(_, number, _)| *number)
    }

    fn from_wire(number: i32) -> Result<Self, ParseError> {
        let found = Self::ALL.iter().find(|(_, wire, _)| *wire == number);
        found.map(|(state, ..)| *state).ok_or(ParseError::Missing("state of a version"))
    }
}

/// A version, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionInfo {
    /// Which.
    pub version: Version,
    /// What the blob is.
    pub entry_type: EntryType,
    /// Whether a retrieve may return it.
    pub exportable: bool,
    /// When it was entered, seconds since 1970.
    pub entered: i64,
    /// From when on it can't be retrieved, seconds since 1970; `None` is never.
    pub expires: Option<i64>,
    /// What can be done with it.
    pub state: State,
}

/// A name, and its newest version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameInfo {
    /// The name as it goes over the wire of its domain's channels.
    pub name: String,
    /// Its newest version, in whatever state.
    pub latest: VersionInfo,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct VersionInfoWire {
    #[prost(int32, tag = "1")]
    version: i32,
    #[prost(string, tag = "2")]
    entry_type: String,
    #[prost(bool, tag = "3")]
    exportable: bool,
    #[prost(int64, tag = "4")]
    entered: i64,
    #[prost(int64, tag = "5")]
    expires: i64,
    #[prost(int32, tag = "6")]
    state: i32,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct NameInfoWire {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    latest: Option<VersionInfoWire>,
}

impl Fields for VersionInfo {
    fn write(&self, out: &mut impl Sink) {
        out.int32(1, Version::to_wire(Some(self.version)));
        out.text(2, self.entry_type.as_str());
        out.bool(3, self.exportable);
        out.int64(4, self.entered);
        out.int64(5, self.expires.unwrap_or(0));
        out.int32(6, self.state.to_wire());
    }
}

impl Fields for NameInfo {
    fn write(&self, out: &mut impl Sink) {
        out.text(1, &self.name);
        out.nested(2, &self.latest);
    }
}

impl VersionInfoWire {
    pub(super) fn read(self) -> Result<VersionInfo, ParseError> {
        Ok(VersionInfo {
            version: Version::from_wire(self.version)?.ok_or(ParseError::Missing("version"))?,
            entry_type: self.entry_type.parse()?,
            exportable: self.exportable,
            entered: self.entered,
            expires: Some(self.expires).filter(|expires| *expires != 0),
            state: State::from_wire(self.state)?,
        })
    }
}

impl NameInfoWire {
    pub(super) fn read(self) -> Result<NameInfo, ParseError> {
        let latest = self.latest.ok_or(ParseError::Missing("latest version"))?.read()?;
        Ok(NameInfo { name: self.name, latest })
    }
}
