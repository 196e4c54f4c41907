//! A simulated platform: files under the names that the stock programs give them.

use std::fs;
use std::path::{Path, PathBuf};

use claviger_attest::{AttestError, KeyError, SimulatedPlatform};
use claviger_proto::Secret;
use claviger_proto::key::PublicKey;
use claviger_proto::trust::EvidencePackage;
use rustls_pki_types::UnixTime;

use super::EvidenceError;
use crate::files::{FileError, read_bounded};

const ATTEST_KEY: &str = "attest_key_file.bin";
const ENDORSEMENT: &str = "platform_attest_endorsement.bin";
const MEASUREMENT: &str = "cf_utility.measurement";
const MEASUREMENT_EXTENSION: &str = "measurement";

/// Largest file of a platform, in bytes: keys and endorsements are below 4 KiB.
const MAX_FILE: usize = 64 << 10;

/// A directory with `attest_key_file.bin`, `platform_attest_endorsement.bin`, and the measurement in
/// `cf_utility.measurement` or, without that, in the only file that ends in `.measurement`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimulatedEnclave {
    path: PathBuf,
}

/// What is wrong with a platform's files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// No measurement.
    #[error("it has no file that ends in .measurement")]
    NoMeasurement,
    /// More than one, and none of them with the stock name.
    #[error("it has several files that end in .measurement, and none is cf_utility.measurement")]
    SeveralMeasurements,
    /// The files don't make a platform.
    #[error("{0}")]
    Files(AttestError),
    /// Its key didn't sign.
    #[error("{0}")]
    Key(KeyError),
}

impl SimulatedEnclave {
    /// The platform whose files are in this directory.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes evidence for a key, bound to a channel.
    pub fn collect(
        &self,
        key: &PublicKey,
        binding: &[u8; 64],
        user_data: Option<&[u8]>,
        now: UnixTime,
    ) -> Result<EvidencePackage, EvidenceError> {
        let made = self.platform()?.evidence_with(key.spki_der(), binding, user_data, now);
        made.map_err(|error| self.fault(Fault::Key(error)))
    }

    /// The same as the stock programs do, bound to no channel.
    pub(super) fn collect_stock(
        &self,
        key: &PublicKey,
        now: UnixTime,
    ) -> Result<EvidencePackage, EvidenceError> {
        let made = self.platform()?.stock_evidence(key.spki_der(), now);
        made.map_err(|error| self.fault(Fault::Key(error)))
    }

    fn platform(&self) -> Result<SimulatedPlatform, EvidenceError> {
        let attest_key = read(&self.path.join(ATTEST_KEY))?;
        let endorsement = read(&self.path.join(ENDORSEMENT))?;
        let measurement = read(&self.measurement()?)?;
        SimulatedPlatform::from_files(attest_key.expose(), measurement.expose(), endorsement.expose())
            .map_err(|error| self.fault(Fault::Files(error)))
    }

    /// What it says that it runs.
    pub(super) fn measurement_bytes(&self) -> Result<Vec<u8>, EvidenceError> {
        Ok(read(&self.measurement()?)?.expose().to_vec())
    }

    fn measurement(&self) -> Result<PathBuf, EvidenceError> {
        let failed = |source| FileError::system("reading", &self.path, source);
        let stock = self.path.join(MEASUREMENT);
        if stock.try_exists().map_err(failed)? {
            return Ok(stock);
        }
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|extension| extension == MEASUREMENT_EXTENSION) {
                found.push(path);
            }
        }
        match found.len() {
            0 => Err(self.fault(Fault::NoMeasurement)),
            1 => Ok(found.remove(0)),
            _ => Err(self.fault(Fault::SeveralMeasurements)),
        }
    }

    fn fault(&self, fault: Fault) -> EvidenceError {
        EvidenceError::Simulated { dir: self.path.clone(), fault }
    }
}

fn read(path: &Path) -> Result<Secret, EvidenceError> {
    Ok(read_bounded(path, MAX_FILE)?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use claviger_attest::{KeyAlgorithm, SigningKey};

    use super::*;

    fn platform() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let measurement = "ab".repeat(32).parse().unwrap();
        let now = UnixTime::now();
        for (name, bytes) in SimulatedPlatform::generate(measurement, None, now).unwrap().files().unwrap() {
            fs::write(dir.path().join(name), bytes.expose()).unwrap();
        }
        dir
    }

    fn collect(dir: &Path) -> Result<EvidencePackage, EvidenceError> {
        let key = SigningKey::generate(KeyAlgorithm::P256).unwrap();
        SimulatedEnclave::new(dir).collect(key.public(), &[7; 64], None, UnixTime::now())
    }

    #[test]
    fn a_platform_s_files_make_evidence() {
        let dir = platform();
        assert_eq!(collect(dir.path()).unwrap().enclave_type, "simulated-enclave");
    }

    #[test]
    fn the_only_measurement_is_taken_whatever_its_name_and_of_several_the_stock_one() {
        let dir = platform();
        let (stock, other) = (dir.path().join(MEASUREMENT), dir.path().join("app.measurement"));
        fs::rename(&stock, &other).unwrap();
        assert!(collect(dir.path()).is_ok());
        fs::write(dir.path().join("b.measurement"), [1; 32]).unwrap();
        let several = collect(dir.path()).unwrap_err();
        assert!(matches!(several, EvidenceError::Simulated { fault: Fault::SeveralMeasurements, .. }));
        fs::copy(&other, &stock).unwrap();
        assert!(collect(dir.path()).is_ok());
    }

    #[test]
    fn a_missing_or_foreign_file_is_named() {
        let dir = platform();
        fs::remove_file(dir.path().join(MEASUREMENT)).unwrap();
        assert!(matches!(
            collect(dir.path()).unwrap_err(),
            EvidenceError::Simulated { fault: Fault::NoMeasurement, .. }
        ));
        let dir = platform();
        fs::copy(platform().path().join(ENDORSEMENT), dir.path().join(ENDORSEMENT)).unwrap();
        assert!(matches!(
            collect(dir.path()).unwrap_err(),
            EvidenceError::Simulated { fault: Fault::Files(_), .. }
        ));
        fs::remove_file(dir.path().join(ATTEST_KEY)).unwrap();
        assert!(collect(dir.path()).unwrap_err().to_string().contains(ATTEST_KEY));
    }
}
