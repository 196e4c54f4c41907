//! Where a broker gets its domains from: another broker.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use claviger_attest::PolicyCertificate;
use claviger_client::cli::Failure;
use claviger_client::cli::certificates::{read_policy, read_policy_of};
use claviger_client::{Address, Collector};
use claviger_proto::{DomainName, ErrorCode};

use super::ConfigError;

/// How often home is asked when nothing else is said, in seconds.
pub(super) const DEFAULT_EVERY: u64 = 60;

/// The shortest and the longest time between two pulls, in seconds: home verifies evidence each time, and a day is what an
/// owner may wait for a measurement to be distrusted.
pub(super) const EVERY: (u64, u64) = (1, 86_400);

/// Where this broker gets its domains from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bootstrap {
    /// The home broker's admission port.
    pub home: Address,
    /// Where this broker's evidence comes from.
    pub evidence: Collector,
    /// Which domains, each with its policy certificate.
    pub domains: Vec<PinnedDomain>,
    /// A folder with the policy certificates of others.
    pub folder: Option<PathBuf>,
    /// How long after a pull the next one begins.
    pub every: Duration,
}

/// A domain and the file of its policy certificate, which nobody but this broker's operator says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedDomain {
    /// Its name.
    pub name: DomainName,
    /// The file of its policy certificate, PEM or DER.
    pub policy: PathBuf,
}

impl fmt::Display for PinnedDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.policy.display())
    }
}

impl FromStr for PinnedDomain {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, file) = text.split_once('=').filter(|(_, file)| !file.is_empty()).ok_or_else(|| {
            format!("{text} is not DOMAIN=FILE, where FILE is the domain\'s policy certificate")
        })?;
        Ok(Self { name: name.parse().map_err(|error| format!("{error}"))?, policy: file.into() })
    }
}

/// The settings as they are written.
pub(super) struct Texts {
    pub(super) home: Option<String>,
    pub(super) evidence: Option<String>,
    pub(super) domains: Vec<String>,
    pub(super) folder: Option<PathBuf>,
    pub(super) every: Option<u64>,
}

impl Texts {
    pub(super) fn read(self) -> Result<Option<Bootstrap>, ConfigError> {
        let bad = |key, what: String| ConfigError::Value { key, what };
        let Some(home) = self.home else {
            let lone = |key| Err(bad(key, "it needs bootstrap, the address of the home broker".to_owned()));
            if self.folder.is_some() {
                return lone("bootstrap_domains_dir");
            }
            return match (self.evidence, self.domains.is_empty(), self.every) {
                (Some(_), ..) => lone("bootstrap_evidence"),
                (_, false, _) => lone("bootstrap_domains"),
                (_, _, Some(_)) => lone("bootstrap_every"),
                (None, true, None) => Ok(None),
            };
        };
        let evidence = self.evidence.ok_or_else(|| {
            bad(
                "bootstrap_evidence",
                "home gives nothing without evidence; say where it comes from".to_owned(),
            )
        })?;
        let domains = self.domains.iter().map(|text| text.parse()).collect::<Result<Vec<PinnedDomain>, _>>();
        let domains = domains.map_err(|what| bad("bootstrap_domains", what))?;
        let twice = |at: usize| domains[..at].iter().any(|other| other.name == domains[at].name);
        if domains.is_empty() && self.folder.is_none() {
            return Err(bad("bootstrap_domains", "it names no domain".to_owned()));
        }
        if let Some(at) = (0..domains.len()).find(|at| twice(*at)) {
            return Err(bad("bootstrap_domains", format!("{} is there twice", domains[at].name)));
        }
        let every = self.every.unwrap_or(DEFAULT_EVERY);
        if !(EVERY.0..=EVERY.1).contains(&every) {
            return Err(bad("bootstrap_every", format!("it is between {} and {}", EVERY.0, EVERY.1)));
        }
        Ok(Some(Bootstrap {
            home: home.parse().map_err(|error| bad("bootstrap", format!("{error}")))?,
            evidence: evidence.parse().map_err(|error| bad("bootstrap_evidence", format!("{error}")))?,
            domains,
            folder: self.folder,
            every: Duration::from_secs(every),
        }))
    }
}

impl Bootstrap {
    /// All domains, those of the folder as it is now with them, each with its policy certificate.
    pub(crate) fn pinned(&self) -> Result<Vec<(DomainName, PolicyCertificate)>, Failure> {
        let mut pinned = Vec::new();
        for domain in &self.domains {
            pinned.push((domain.name.clone(), read_policy_of(&domain.policy, &domain.name)?));
        }
        let Some(dir) = &self.folder else { return Ok(pinned) };
        let refused = |what: String| {
            let next = "see bootstrap_domains_dir in the book's chapter on the configuration";
            Failure::coded(ErrorCode::Refused, what, next)
        };
        for file in certificates_in(dir).map_err(refused)? {
            let policy = read_policy(&file)?;
            let name = policy.domain_named().unwrap_or_default().parse::<DomainName>();
            let name = name.map_err(|_| refused(format!("{} names no domain", file.display())))?;
            if pinned.iter().any(|(other, _)| *other == name) {
                return Err(refused(format!("{name} is there twice, the second time in {}", file.display())));
            }
            pinned.push((name, policy));
        }
        Ok(pinned)
    }
}

/// The files of a folder that are policy certificates by their names, in order.
fn certificates_in(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let fail = |error: std::io::Error| format!("{}: {error}", dir.display());
    let mut files = Vec::new();
    for entry in dir.read_dir().map_err(fail)? {
        files.push(entry.map_err(fail)?.path());
    }
    files.retain(|file| file.extension().is_some_and(|extension| extension == "pem"));
    files.sort();
    if files.is_empty() {
        return Err(format!("there is no policy certificate, *.pem, in {}", dir.display()));
    }
    Ok(files)
}

/// Each setting as text, in the order of the reference.
pub(super) fn values(bootstrap: Option<&Bootstrap>) -> [String; 5] {
    let Some(Bootstrap { home, evidence, domains, folder, every }) = bootstrap else {
        let none = String::new;
        return [none(), none(), none(), none(), DEFAULT_EVERY.to_string()];
    };
    let domains = domains.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let folder = folder.as_ref().map(|dir| dir.display().to_string()).unwrap_or_default();
    [home.to_string(), evidence.to_string(), domains, folder, every.as_secs().to_string()]
}
