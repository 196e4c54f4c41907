//! AMD SEV-SNP: a report by the processor, from wherever this machine gets one.

mod device;
mod files;
pub mod simulated;
mod tsm;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use claviger_attest::{SNP_REPORT_LEN, snp_package, snp_report_data};
use claviger_proto::trust::EvidencePackage;

use super::EvidenceError;
use crate::files::FileError;
pub use files::{CERTIFICATES, CERTIFICATES_DIR, REPORT, REQUEST};
pub use tsm::DEFAULT_PATH as TSM_PATH;

/// Where in a report what the guest asked to have signed is (SEV-SNP ABI, table 23).
const REPORT_DATA: std::ops::Range<usize> = 0x50..0x90;

/// Where a machine's reports come from. As text: `device`, `tsm`, `tsm=PATH`, `simulated=DIR`, or a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SevSnp {
    /// `/dev/sev-guest`. Brings no certificates.
    Device,
    /// Linux's configfs for reports, at this path.
    Tsm(PathBuf),
    /// A directory in which the request is left, and somebody puts the report.
    Files(PathBuf),
    /// The files of a simulated platform. For trying things out: whoever has the files can prove anything, to a domain
    /// that names their root.
    Simulated(PathBuf),
}

/// A report, and the certificate table where there is one.
struct Collected {
    report: Vec<u8>,
    certificates: Vec<u8>,
}

impl SevSnp {
    /// From its text after the kind; `None` where that is empty.
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "" | "tsm=" | "simulated=" => None,
            "device" => Some(Self::Device),
            "tsm" => Some(Self::Tsm(TSM_PATH.into())),
            _ => Some(match (text.strip_prefix("tsm="), text.strip_prefix("simulated=")) {
                (Some(path), _) => Self::Tsm(path.into()),
                (_, Some(dir)) => Self::Simulated(dir.into()),
                (None, None) => Self::Files(text.into()),
            }),
        }
    }

    /// Has the processor sign a binding, and with it what the machine itself has to say. The report is looked at only for being one, and of this binding: what it says
    /// is the broker's to judge.
    pub async fn collect(
        &self,
        binding: &[u8; 64],
        user_data: Option<&[u8]>,
    ) -> Result<EvidencePackage, EvidenceError> {
        let (report, certificates) = self.report(&snp_report_data(binding, user_data)).await?;
        let certificates = Some(certificates.as_slice()).filter(|table| !table.is_empty());
        Ok(snp_package(&report, certificates, user_data))
    }

    /// A report that says this, and the certificate table, empty where there is none.
    pub(super) async fn report(&self, asked: &[u8; 64]) -> Result<(Vec<u8>, Vec<u8>), Fault> {
        let Collected { report, certificates } = match self {
            Self::Device => device::collect(asked),
            Self::Tsm(path) => tsm::collect(path, asked),
            Self::Files(dir) => files::collect(dir, asked).await,
            Self::Simulated(dir) => simulated::collect(dir, asked),
        }?;
        check(&report, asked).map_err(|what| Fault::Report { place: self.to_string(), what })?;
        Ok((report, certificates))
    }
}

/// A report of this machine's that is bound to nothing: for what it says of the machine.
pub(super) fn device_report() -> Result<Vec<u8>, Fault> {
    device::collect(&[0; 64]).map(|collected| collected.report)
}

/// The fault of a channel that ended while a report was waited for.
pub(super) fn given_up(source: &SevSnp) -> Option<Fault> {
    match source {
        SevSnp::Files(dir) => Some(files::given_up(dir)),
        SevSnp::Device | SevSnp::Tsm(_) | SevSnp::Simulated(_) => None,
    }
}

/// What is wrong with a report that has to say this.
fn check(report: &[u8], asked: &[u8; 64]) -> Result<(), &'static str> {
    match report.get(REPORT_DATA) {
        _ if report.len() != SNP_REPORT_LEN => Err("it isn't the 1184 bytes of a report"),
        Some(data) if data == asked => Ok(()),
        _ => Err("it answers another request"),
    }
}

impl fmt::Display for SevSnp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device => f.write_str("device"),
            Self::Tsm(path) if path == Path::new(TSM_PATH) => f.write_str("tsm"),
            Self::Tsm(path) => write!(f, "tsm={}", path.display()),
            Self::Files(dir) => write!(f, "{}", dir.display()),
            Self::Simulated(dir) => write!(f, "simulated={}", dir.display()),
        }
    }
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The device isn't there, or isn't for this user.
    #[error("/dev/sev-guest can't be opened: {0}")]
    NoDevice(io::Error),
    /// The processor or the hypervisor gave none.
    #[error("/dev/sev-guest gave no report: {0}")]
    Device(String),
    /// There is no such configfs here.
    #[error("there is no configfs for reports at {}: {source}", path.display())]
    NoTsm {
        /// Where it should be.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A folder, but not the kernel's.
    #[error("{} isn't a configfs for reports: an entry that is made in it gets no {attribute}", path.display())]
    NotTsm {
        /// The folder.
        path: PathBuf,
        /// What didn't appear.
        attribute: String,
    },
    /// It is another platform's.
    #[error("reports of {} come from {provider:?}, which isn't SEV-SNP's sev_guest", path.display())]
    Provider {
        /// The configfs.
        path: PathBuf,
        /// What it says of itself.
        provider: String,
    },
    /// Somebody else wrote to the same entry.
    #[error("another process changed the report's entry at {} meanwhile", path.display())]
    Interference {
        /// The entry.
        path: PathBuf,
    },
    /// A report that isn't one, or not of this request.
    #[error("the report from sev-snp:{place} can't be used: {what}")]
    Report {
        /// From where.
        place: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Certificates that can't be sent along.
    #[error("the certificates in {} can't be used: {what}", dir.display())]
    Certificates {
        /// Where they are.
        dir: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
    /// The certificates aren't with the report, and stock admission looks for none.
    #[error("the report from sev-snp:{place} makes no stock evidence: {what}")]
    Chain {
        /// From where.
        place: String,
        /// What lacks, or is wrong.
        what: &'static str,
    },
    /// A simulated platform whose files aren't those of one.
    #[error("the simulated platform's {} can't be used: {what}", path.display())]
    Simulated {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Nobody put a report there.
    #[error("no report for this request came into {} in time{}", dir.display(), if *another { ": the one there answers another request" } else { "" })]
    Late {
        /// The directory.
        dir: PathBuf,
        /// Whether there is a report of something else.
        another: bool,
    },
    /// A file can't be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}

impl Fault {
    /// What to do next, as a sentence without its full stop.
    pub(super) fn next(&self) -> &'static str {
        match self {
            Self::NoDevice(_) => {
                "run this in an SEV-SNP guest whose kernel has the driver sev-guest, as root; or take sev-snp:tsm, or sev-snp:DIR"
            }
            Self::Device(_) => "look at the kernel's log; the hypervisor may limit how often it is asked",
            Self::NoTsm { .. } => {
                "mount configfs, load the module sev-guest (Linux 6.7 or later), run as root; or take sev-snp:device, or sev-snp:DIR"
            }
            Self::NotTsm { .. } => {
                "take sev-snp:tsm, which is the kernel's own at /sys/kernel/config/tsm/report; files that are put there by \
                 hand are sev-snp:DIR"
            }
            Self::Provider { .. } => {
                "run this in an SEV-SNP guest: on another platform there is no evidence of this kind"
            }
            Self::Interference { .. } => "try again",
            Self::Report { .. } => {
                "have the report made anew for this very request: its 64 bytes of report data are what is signed"
            }
            Self::Certificates { .. } => {
                "put there vcek or vlek, ask or asvk, and ark, each .der or .pem; or none, and the broker looks for them"
            }
            Self::Chain { .. } => {
                "have the host hand over its certificate table; or take sev-snp:DIR, with vcek.der, ask.der and ark.der in \
                 DIR"
            }
            Self::Simulated { .. } => "make a platform with: key-admin simulated init DIR --kind sev-snp",
            Self::Late { .. } => {
                "have a report made for the request as soon as it is there; how long the broker waits is its limit evidence_ms"
            }
            Self::File(error) => error.next(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_read_as_it_is_written() {
        for (text, source) in [
            ("device", SevSnp::Device),
            ("tsm", SevSnp::Tsm(TSM_PATH.into())),
            ("tsm=/run/tsm", SevSnp::Tsm("/run/tsm".into())),
            ("simulated=/run/platform", SevSnp::Simulated("/run/platform".into())),
            ("./device", SevSnp::Files("./device".into())),
            ("/run/report", SevSnp::Files("/run/report".into())),
        ] {
            assert_eq!(SevSnp::parse(text), Some(source.clone()));
            assert_eq!(source.to_string(), text);
        }
        assert!(SevSnp::parse("").is_none() && SevSnp::parse("tsm=").is_none());
        assert!(SevSnp::parse("simulated=").is_none());
    }

    #[test]
    fn a_report_is_whole_and_of_this_request() {
        let mut report = vec![0; SNP_REPORT_LEN];
        assert!(check(&report, &[7; 64]).unwrap_err().contains("another request"));
        report[REPORT_DATA].fill(7);
        assert!(check(&report, &[7; 64]).is_ok());
        assert!(check(&report[..SNP_REPORT_LEN - 1], &[7; 64]).is_err());
        report.push(0);
        assert!(check(&report, &[7; 64]).is_err());
    }
}
