//! The seal of a stock enclave, as it is named on a command line.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use claviger_attest::Measurement;
use claviger_client::Error;
use claviger_client::cli::{Failure, input};
use claviger_client::cryptstore::certifier::Seal;
use claviger_client::evidence::certifier_sev_key;
use claviger_proto::{ErrorCode, Secret};

/// Largest file with a key or a measurement, in bytes: 128 hex digits and some space around them.
const MAX_FILE: usize = 1 << 10;

/// Which enclave's seal, and where what it needs comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SealSpec {
    /// A simulated enclave; the file with its measurement.
    SimulatedFile(PathBuf),
    /// A simulated enclave with this measurement.
    Simulated(Measurement),
    /// This SEV-SNP guest, by `/dev/sev-guest`.
    SevDevice,
    /// An SEV-SNP guest; the file with its derived key.
    SevDerivedKey(PathBuf),
    /// An SEV-SNP guest, or whichever enclave; the file with the key that seals.
    SealKey(PathBuf),
}

/// Not a seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a seal is simulated-enclave:FILE, simulated-enclave:measurement=HEX, sev-enclave:device, \
     sev-enclave:derived-key=FILE or sev-enclave:seal-key=FILE"
)]
pub(crate) struct NotASeal;

impl FromStr for SealSpec {
    type Err = NotASeal;

    fn from_str(text: &str) -> Result<Self, NotASeal> {
        let (kind, place) = text.split_once(':').ok_or(NotASeal)?;
        let (what, value) = match place.split_once('=') {
            Some((what @ ("measurement" | "derived-key" | "seal-key"), value)) => (what, value),
            _ => ("", place),
        };
        match (kind, what, value) {
            (_, _, "") => Err(NotASeal),
            ("simulated-enclave", "measurement", hex) => {
                hex.parse().map(Self::Simulated).map_err(|_| NotASeal)
            }
            ("simulated-enclave", "", file) => Ok(Self::SimulatedFile(file.into())),
            ("sev-enclave", "", "device") => Ok(Self::SevDevice),
            ("sev-enclave", "derived-key", file) => Ok(Self::SevDerivedKey(file.into())),
            ("sev-enclave", "seal-key", file) => Ok(Self::SealKey(file.into())),
            _ => Err(NotASeal),
        }
    }
}

impl SealSpec {
    /// Reads what the seal needs.
    pub(super) fn read(&self) -> Result<Seal, Failure> {
        Ok(match self {
            Self::Simulated(measurement) => Seal::simulated(*measurement),
            Self::SimulatedFile(path) => Seal::simulated(measurement(path)?),
            Self::SevDevice => {
                let key = certifier_sev_key().map_err(|error| {
                    Failure::from(Error::from(error)).with_next(
                        "run this as root in the SEV-SNP guest that the store belongs to; or give the key in a file \
                         (sev-enclave:derived-key=FILE)",
                    )
                })?;
                let key = exactly::<{ Seal::DERIVED_KEY_SIZE }>(&key);
                Seal::sev(
                    &*key
                        .ok_or_else(|| misfit(Path::new("/dev/sev-guest"), "a device with a 32-byte key"))?,
                )
            }
            Self::SevDerivedKey(path) => Seal::sev(&*key(path, "32 bytes, or 64 hex digits")?),
            Self::SealKey(path) => Seal::key(&*key(path, "64 bytes, or 128 hex digits")?),
        })
    }

    /// Whether it reads standard input.
    pub(super) fn reads_stdin(&self) -> bool {
        match self {
            Self::SimulatedFile(path) | Self::SevDerivedKey(path) | Self::SealKey(path) => {
                path == Path::new("-")
            }
            Self::Simulated(_) | Self::SevDevice => false,
        }
    }
}

/// A measurement as `cf_utility` has it in a file, or as text.
fn measurement(path: &Path) -> Result<Measurement, Failure> {
    let file = input::read(path, MAX_FILE)?;
    let raw = Measurement::from_bytes(file.expose());
    let text = || std::str::from_utf8(file.expose()).ok()?.trim().parse().ok();
    raw.ok().or_else(text).ok_or_else(|| misfit(path, "a measurement of 32 or 48 bytes, as such or in hex"))
}

fn key<const N: usize>(path: &Path, what: &str) -> Result<zeroize::Zeroizing<[u8; N]>, Failure> {
    let file = input::read(path, MAX_FILE)?;
    let text = || {
        let mut key = zeroize::Zeroizing::new([0; N]);
        let digits = file.expose().trim_ascii();
        hex::decode_to_slice(digits, key.as_mut_slice()).ok().map(|()| key)
    };
    exactly(&file).or_else(text).ok_or_else(|| misfit(path, what))
}

fn exactly<const N: usize>(secret: &Secret) -> Option<zeroize::Zeroizing<[u8; N]>> {
    let mut key = zeroize::Zeroizing::new([0; N]);
    if secret.len() != N {
        return None;
    }
    key.copy_from_slice(secret.expose());
    Some(key)
}

fn misfit(path: &Path, what: &str) -> Failure {
    let message = format!("{} isn't {what}", input::shown(path));
    Failure::coded(ErrorCode::Malformed, message, "check --seal")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_is_named_by_its_enclave_and_where_its_key_is() {
        let hex = "d44a9721e169650f0e2373f7e3bfccf940aa155cab21e26075f7d129a538cdd4";
        let good = [
            ("simulated-enclave:cf.measurement", SealSpec::SimulatedFile("cf.measurement".into())),
            ("simulated-enclave:a=b", SealSpec::SimulatedFile("a=b".into())),
            ("sev-enclave:device", SealSpec::SevDevice),
            ("sev-enclave:derived-key=k", SealSpec::SevDerivedKey("k".into())),
            ("sev-enclave:seal-key=k", SealSpec::SealKey("k".into())),
        ];
        assert!(good.iter().all(|(text, spec)| text.parse().as_ref() == Ok(spec)));
        let measured = format!("simulated-enclave:measurement={hex}").parse();
        assert!(matches!(measured, Ok(SealSpec::Simulated(measurement)) if measurement.to_string() == hex));
        for bad in [
            "",
            "simulated-enclave",
            "simulated-enclave:",
            "simulated-enclave:measurement=12",
            "simulated-enclave:seal-key=k",
            "sev-enclave:k",
            "sev-enclave:derived-key=",
            "tpm-enclave:device",
        ] {
            assert_eq!(bad.parse::<SealSpec>(), Err(NotASeal), "{bad}");
        }
    }
}
