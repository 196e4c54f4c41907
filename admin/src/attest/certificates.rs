//! `--certs`: a folder with certificates, in one of three layouts.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use claviger_attest::{EndorsementNeeded, SnpProduct, SnpReport};
use claviger_client::cli::Failure;
use claviger_client::endorsements::{Endorser, Settings, Vcek};
use claviger_client::files::{FileError, read_bounded};

/// Largest file that is read, in bytes: a certificate has 2 KiB, a revocation list some more.
const MAX_FILE: usize = 64 << 10;
/// Names of flat files, without what comes after the dot.
const CERTIFICATES: [&str; 5] = ["vcek", "vlek", "ask", "asvk", "ark"];
const REVOCATION_LIST: &str = "crl";
/// What comes after the dot; DER and PEM are told apart by what is in them.
const EXTENSIONS: [&str; 6] = ["der", "pem", "crt", "cer", "cert", "crl"];

/// What a folder had.
#[derive(Default)]
pub(super) struct Found {
    pub(super) certificates: Vec<Vec<u8>>,
    pub(super) crls: Vec<Vec<u8>>,
}

/// Reads the flat files, and the VCEK that this report needs from the folders by chip.
pub(super) async fn read(
    dir: &Path,
    report: Option<&SnpReport>,
    product: Option<SnpProduct>,
) -> Result<Found, Failure> {
    let mut found = flat(dir)?;
    let Some(report) = report else { return Ok(found) };
    let needed = EndorsementNeeded {
        signer: report.signer(),
        product: product.or(report.product()),
        chip_id: report.chip_id(),
        reported_tcb: report.reported_tcb(),
    };
    let folders = Endorser::new(Settings { folders: vec![dir.to_owned()], ..Settings::default() });
    for vcek in Vcek::needed(&needed) {
        // One that isn't there is the rule vek-present's business.
        if let Ok(certificate) = folders.get(&vcek, "").await {
            found.certificates.push(certificate);
            break;
        }
    }
    Ok(found)
}

fn flat(dir: &Path) -> Result<Found, Failure> {
    let failed = |source| FileError::system("reading", dir, source);
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.sort();
    let mut found = Found::default();
    for path in paths {
        let Some(name) = name_of(&path).filter(|_| path.is_file()) else { continue };
        let bytes = read_bounded(&path, MAX_FILE)?.expose().to_vec();
        if name == REVOCATION_LIST { found.crls.push(bytes) } else { found.certificates.push(bytes) }
    }
    Ok(found)
}

/// The name, lowercase, of a file that counts.
fn name_of(path: &Path) -> Option<String> {
    let lower = |part: Option<&OsStr>| part.and_then(OsStr::to_str).map(str::to_lowercase);
    let (name, extension) = (lower(path.file_stem())?, lower(path.extension())?);
    let known = CERTIFICATES.contains(&name.as_str()) || name == REVOCATION_LIST;
    (known && EXTENSIONS.contains(&extension.as_str())).then_some(name)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn flat_files_are_known_by_their_names() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["vcek.der", "ASVK.PEM", "ark.crt", "crl.crl", "vcek", "notes.txt", "vcek.old", "key.pem"]
        {
            fs::write(dir.path().join(name), name).unwrap();
        }
        // As the folders by chip have it.
        fs::create_dir(dir.path().join("vlek.der")).unwrap();
        let found = flat(dir.path()).unwrap();
        assert_eq!(found.certificates, [&b"ASVK.PEM"[..], b"ark.crt", b"vcek.der"]);
        assert_eq!(found.crls, [b"crl.crl"]);
    }

    #[test]
    fn a_file_that_is_too_large_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("ask.pem"), vec![b'a'; MAX_FILE + 1]).unwrap();
        let Err(failure) = flat(dir.path()) else { panic!("it was read") };
        assert!(failure.message().contains("ask.pem"), "{}", failure.message());
    }

    #[test]
    fn a_folder_that_is_not_there_is_told() {
        let Err(failure) = flat(Path::new("nowhere")) else { panic!("it was read") };
        assert_eq!(failure.exit_status(), 1);
    }
}
