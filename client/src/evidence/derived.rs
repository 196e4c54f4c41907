//! Keys that a platform derives for this machine alone, for key slots.
//!
//! On SEV-SNP the processor derives it (ABI, `MSG_KEY_REQ`) from a root of the chip, and mixes in the guest's measurement,
//! its policy, its SVN, the TCB and its privilege level: another image, another guest or another chip gets another key.
//! There is no way from one platform to another: a device that isn't there is an error.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use aws_lc_rs::hmac;
use claviger_attest::SnpReport;
use claviger_proto::{LvWriter, Secret};
use claviger_store::slot::{DerivedFrom, DerivedKey};
use sev::firmware::guest::{DerivedKey as KeyRequest, Firmware, GuestFieldSelect};

use super::simulated_enclave::SimulatedEnclave;
use super::{EvidenceError, sev_snp};
use crate::files::read_bounded;

/// In the files of a simulated platform, the root of its derived keys.
pub const SIMULATED_ROOT: &str = "derived_key_root.bin";

/// Bytes of that root.
const SIMULATED_ROOT_LEN: usize = 32;

/// The version of the request that every firmware knows; version 2 mixes in mitigations, which older ones don't know.
const REQUEST_VERSION: u32 = 1;

/// A platform that derives keys. As text: `sev-snp:device`, `sev-snp:simulated=DIR`, `simulated-enclave:DIR`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyPlatform {
    /// `/dev/sev-guest`.
    SevSnp,
    /// A simulated platform's files. For trying things out: whoever has the files has the key.
    Simulated(PathBuf),
    /// A simulated SEV-SNP platform's files, likewise.
    SimulatedSevSnp(PathBuf),
}

/// Not a platform that derives keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a derived key comes from sev-snp:device, sev-snp:simulated=DIR or simulated-enclave:DIR")]
pub struct NotAKeyPlatform;

impl FromStr for KeyPlatform {
    type Err = NotAKeyPlatform;

    fn from_str(text: &str) -> Result<Self, NotAKeyPlatform> {
        match text.split_once(':') {
            Some(("sev-snp", "device")) => Ok(Self::SevSnp),
            Some(("sev-snp", place)) => match place.strip_prefix("simulated=") {
                Some(dir) if !dir.is_empty() => Ok(Self::SimulatedSevSnp(dir.into())),
                _ => Err(NotAKeyPlatform),
            },
            Some(("simulated-enclave", dir)) if !dir.is_empty() => Ok(Self::Simulated(dir.into())),
            _ => Err(NotAKeyPlatform),
        }
    }
}

impl fmt::Display for KeyPlatform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SevSnp => f.write_str("sev-snp:device"),
            Self::Simulated(dir) => write!(f, "simulated-enclave:{}", dir.display()),
            Self::SimulatedSevSnp(dir) => write!(f, "sev-snp:simulated={}", dir.display()),
        }
    }
}

impl KeyPlatform {
    /// The key for a new slot, with this machine's VMPL, SVN and TCB as they are now.
    pub fn derive_new(&self) -> Result<DerivedKey, EvidenceError> {
        let (platform, (vmpl, guest_svn, tcb)) = match self {
            Self::SevSnp => (self.to_string(), current().map_err(|cause| self.no_key(cause))?),
            Self::Simulated(dir) => (Self::Simulated(absolute(dir)).to_string(), (0, 0, 0)),
            Self::SimulatedSevSnp(dir) => {
                let guest = sev_snp::simulated::guest(dir).map_err(|cause| self.no_key(cause.into()))?;
                let now = (guest.vmpl, guest.guest_svn, u64::from_le_bytes(guest.tcb()));
                (Self::SimulatedSevSnp(absolute(dir)).to_string(), now)
            }
        };
        self.derive(DerivedFrom { platform, vmpl, guest_svn, tcb })
    }

    /// The key of a slot that was made with this.
    pub fn derive_again(from: &DerivedFrom) -> Result<DerivedKey, EvidenceError> {
        let platform = from.platform.parse::<Self>().map_err(|_| EvidenceError::Collector)?;
        platform.derive(from.clone())
    }

    fn derive(&self, from: DerivedFrom) -> Result<DerivedKey, EvidenceError> {
        let key = match self {
            Self::SevSnp => by_processor(&from),
            Self::Simulated(dir) => SimulatedEnclave::new(dir)
                .measurement_bytes()
                .and_then(|measurement| simulated(dir, &measurement, &[], &from)),
            Self::SimulatedSevSnp(dir) => simulated_snp(dir, &from),
        };
        Ok(DerivedKey { key: key.map_err(|cause| self.no_key(cause))?, from })
    }

    fn no_key(&self, cause: EvidenceError) -> EvidenceError {
        EvidenceError::NoKey { platform: self.to_string(), cause: Box::new(cause) }
    }
}

/// This machine's VMPL, SVN and committed TCB, from a report of its own: no higher privilege, SVN or TCB can be mixed in.
fn current() -> Result<(u32, u32, u64), EvidenceError> {
    let collected = sev_snp::device_report()?;
    let report = SnpReport::read(&collected)
        .map_err(|_| sev_snp::Fault::Device("its report can't be read".to_owned()))?;
    Ok((report.vmpl(), report.guest_svn(), u64::from_le_bytes(report.committed_tcb())))
}

fn by_processor(from: &DerivedFrom) -> Result<Secret, EvidenceError> {
    let mut fields = GuestFieldSelect::default();
    fields.set_guest_policy(true);
    fields.set_measurement(true);
    fields.set_svn(true);
    fields.set_tcb_version(true);
    // The chip's own root, which no host chooses.
    ask_processor(KeyRequest::new(false, fields, from.vmpl, from.guest_svn, from.tcb, None))
}

/// The key that stock programs (Certifier Framework) have the processor of an SEV-SNP guest derive for their seal: from
/// the chip's own root, its measurement and its policy, and nothing else.
pub fn certifier_sev_key() -> Result<Secret, EvidenceError> {
    let mut fields = GuestFieldSelect::default();
    fields.set_guest_policy(true);
    fields.set_measurement(true);
    let key = ask_processor(KeyRequest::new(false, fields, 0, 0, 0, None));
    key.map_err(|cause| KeyPlatform::SevSnp.no_key(cause))
}

fn ask_processor(request: KeyRequest) -> Result<Secret, EvidenceError> {
    let mut device = Firmware::open().map_err(sev_snp::Fault::NoDevice)?;
    let key = device.get_derived_key(Some(REQUEST_VERSION), request);
    let key = zeroize::Zeroizing::new(key.map_err(|error| sev_snp::Fault::Device(error.to_string()))?);
    Ok(Secret::copy_from(key.as_slice()))
}

/// The program may be started from another directory next time.
fn absolute(dir: &Path) -> PathBuf {
    std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned())
}

/// As the processor does it for its guest: with its policy, and never for a higher SVN or privilege than there is now.
fn simulated_snp(dir: &Path, from: &DerivedFrom) -> Result<Secret, EvidenceError> {
    let guest = sev_snp::simulated::guest(dir)?;
    let what = if from.guest_svn > guest.guest_svn {
        Some("guest-svn is lower than when the key was made")
    } else if from.vmpl < guest.vmpl {
        Some("vmpl is a less privileged one (a greater number) than when the key was made")
    } else {
        None
    };
    if let Some(what) = what {
        let path = dir.join(sev_snp::simulated::GUEST);
        return Err(sev_snp::Fault::Simulated { path, what: what.to_owned() }.into());
    }
    simulated(dir, &guest.measurement, &guest.policy().to_be_bytes(), from)
}

/// A key from the platform's root, and from the fields that a processor mixes in.
fn simulated(
    dir: &Path,
    measurement: &[u8],
    policy: &[u8],
    from: &DerivedFrom,
) -> Result<Secret, EvidenceError> {
    let path = dir.join(SIMULATED_ROOT);
    let root = read_bounded(&path, SIMULATED_ROOT_LEN)?;
    if root.len() != SIMULATED_ROOT_LEN {
        let short = io::Error::new(io::ErrorKind::InvalidData, "it isn't 32 bytes");
        return Err(crate::files::FileError::system("reading", &path, short).into());
    }
    let mixed = LvWriter::new()
        .push(b"claviger simulated derived key v1")
        .push(measurement)
        .push(&from.vmpl.to_be_bytes())
        .push(&from.guest_svn.to_be_bytes())
        .push(&from.tcb.to_be_bytes());
    // A simulated enclave has no policy.
    let mixed = if policy.is_empty() { mixed } else { mixed.push(policy) }.into_bytes();
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, root.expose()), &mixed);
    Ok(Secret::copy_from(tag.as_ref()))
}
