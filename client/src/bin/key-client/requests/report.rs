//! What the requests report.

use claviger_client::cli::table::Table;
use claviger_client::cli::{Report, clock};
use claviger_proto::key_service::{State, VersionInfo};
use claviger_proto::{ResourceName, Version};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Stored<'a> {
    #[serde(skip)]
    pub(super) did: &'static str,
    pub(super) name: &'a str,
    pub(super) version: u32,
}

impl Report for Stored<'_> {
    fn text(&self) -> String {
        format!("{} {} version {}", self.did, self.name, self.version)
    }
}

/// A version, without its secret.
#[derive(Serialize)]
struct VersionRow {
    version: u32,
    #[serde(rename = "type")]
    entry_type: String,
    state: State,
    exportable: bool,
    /// Seconds since 1970.
    entered: i64,
    /// Seconds since 1970; null is never.
    expires: Option<i64>,
}

impl VersionRow {
    fn new(info: &VersionInfo) -> Self {
        Self {
            version: info.version.get(),
            entry_type: info.entry_type.to_string(),
            state: info.state,
            exportable: info.exportable,
            entered: info.entered,
            expires: info.expires,
        }
    }

    fn cells(&self) -> [String; 6] {
        [
            self.version.to_string(),
            self.entry_type.clone(),
            self.state.as_str().to_owned(),
            if self.exportable { "yes" } else { "no" }.to_owned(),
            clock::text(self.entered),
            self.expires.map(clock::text).unwrap_or_default(),
        ]
    }
}

/// A name and one of its versions.
#[derive(Serialize)]
pub(super) struct NameRow {
    name: String,
    #[serde(flatten)]
    version: VersionRow,
}

impl NameRow {
    pub(super) fn new(name: &ResourceName, info: &VersionInfo) -> Self {
        Self { name: name.to_string(), version: VersionRow::new(info) }
    }
}

#[derive(Serialize)]
pub(super) struct Names {
    pub(super) names: Vec<NameRow>,
}

impl Report for Names {
    fn text(&self) -> String {
        let mut table = Table::new(["name", "latest", "type", "state", "exportable", "entered", "expires"]);
        for NameRow { name, version } in &self.names {
            let [number, entry_type, state, exportable, entered, expires] = version.cells();
            table.row([name.clone(), number, entry_type, state, exportable, entered, expires]);
        }
        table.render()
    }
}

#[derive(Serialize)]
pub(super) struct VersionList {
    name: String,
    /// From the newest.
    versions: Vec<VersionRow>,
}

impl VersionList {
    pub(super) fn new(name: &ResourceName, infos: &[VersionInfo]) -> Self {
        Self { name: name.to_string(), versions: infos.iter().map(VersionRow::new).collect() }
    }
}

impl Report for VersionList {
    fn text(&self) -> String {
        let mut table = Table::new(["version", "type", "state", "exportable", "entered", "expires"]);
        for version in &self.versions {
            table.row(version.cells());
        }
        table.render()
    }
}

#[derive(Serialize)]
#[serde(transparent)]
pub(super) struct Shown(pub(super) NameRow);

impl Report for Shown {
    fn text(&self) -> String {
        let [number, entry_type, state, exportable, entered, expires] = self.0.version.cells();
        let expires = if expires.is_empty() { "never".to_owned() } else { expires };
        format!(
            "{} version {number}\n  type        {entry_type}\n  state       {state}\n  exportable  {exportable}\n  \
             entered     {entered}\n  expires     {expires}",
            self.0.name
        )
    }
}

#[derive(Serialize)]
pub(super) struct Changed {
    #[serde(skip)]
    did: &'static str,
    name: String,
    /// Those that changed, from the newest.
    versions: Vec<u32>,
    /// Those among what was undeleted that can't be got all the same, for they have expired.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    expired: Vec<u32>,
}

impl Changed {
    pub(super) fn new(did: &'static str, name: &ResourceName, changed: &[Version]) -> Self {
        let versions = changed.iter().map(|version| version.get()).collect();
        Self { did, name: name.to_string(), versions, expired: Vec::new() }
    }

    pub(super) fn with_expired(mut self, expired: Vec<u32>) -> Self {
        self.expired = expired;
        self
    }
}

impl Report for Changed {
    fn text(&self) -> String {
        let done = match self.versions.len() {
            0 => format!("nothing to do: {} is so already", self.name),
            _ => format!("{} {} {}", self.did, self.name, counted(&self.versions)),
        };
        if self.expired.is_empty() {
            return done;
        }
        let (expired, name) = (counted(&self.expired), &self.name);
        format!("{done}\n  expired, and can't be retrieved: {expired}; store {name} anew, or rotate it")
    }
}

fn counted(versions: &[u32]) -> String {
    let list: Vec<_> = versions.iter().map(u32::to_string).collect();
    format!("{} {}", if list.len() == 1 { "version" } else { "versions" }, list.join(", "))
}
