//! `--certs`: a folder with certificates, in one of three layouts, or one file of them; `--crl`: revocation lists.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use claviger_attest::{EndorsementNeeded, SnpProduct, SnpReport};
use claviger_client::cli::Failure;
use claviger_client::endorsements::{Endorser, Settings, Vcek};
use claviger_client::files::{FileError, read_bounded};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

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

/// Reads one file, a certificate (DER) or as many as it has (PEM); or a folder: its flat files, and the VCEK that this report needs from the folders by chip.
pub(super) async fn read(
    dir: &Path,
    report: Option<&SnpReport>,
    product: Option<SnpProduct>,
) -> Result<Found, Failure> {
    if dir.is_file() {
        return one_file(dir);
    }
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
        if let Some(certificate) = folders.kept(&vcek).await {
            found.certificates.push(certificate);
            break;
        }
    }
    Ok(found)
}

/// Reads revocation lists that were named one by one.
pub(super) fn read_crls(paths: &[PathBuf]) -> Result<Vec<Vec<u8>>, Failure> {
    paths.iter().map(|path| Ok(read_bounded(path, MAX_FILE)?.expose().to_vec())).collect()
}

fn one_file(path: &Path) -> Result<Found, Failure> {
    let bytes = read_bounded(path, MAX_FILE)?.expose().to_vec();
    let pem = || CertificateDer::pem_slice_iter(&bytes).filter_map(Result::ok).count();
    if bytes.first() != Some(&0x30) && pem() == 0 {
        let message =
            format!("{} is neither a certificate, DER or PEM, nor a folder of them", path.display());
        let next = "give the certificate of the key that signed, or a folder with it; lists go with --crl";
        return Err(Failure::new("usage", 2, message, next));
    }
    Ok(Found { certificates: vec![bytes], crls: Vec::new() })
}

fn flat(dir: &Path) -> Result<Found, Failure> {
    let failed = |source| FileError::system("reading", dir, source);
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.sort();
    let mut found = Found::default();
    let mut names = HashMap::<String, PathBuf>::new();
    for path in paths {
        let Some(name) = name_of(&path).filter(|_| path.is_file()) else { continue };
        if let Some(other) = names.insert(name.clone(), path.clone()) {
            let (one, two) = (other.display(), path.display());
            let message = format!("{one} and {two} are both {name}: which of them counts isn't clear");
            return Err(Failure::new("usage", 2, message, "leave one of them in the folder"));
        }
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
    fn two_files_of_one_name_are_refused_and_both_are_told() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("vcek.der"), [0x30]).unwrap();
        fs::write(dir.path().join("VCEK.pem"), "pem").unwrap();
        let Err(failure) = flat(dir.path()) else { panic!("it was read") };
        assert!(["vcek.der", "VCEK.pem"].iter().all(|name| failure.message().contains(name)));
        assert_eq!(failure.exit_status(), 2);
    }

    #[test]
    fn one_file_is_certificates_or_is_told_as_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("chain");
        fs::write(&path, [0x30, 0]).unwrap();
        assert_eq!(one_file(&path).unwrap().certificates, [[0x30, 0]]);
        fs::write(&path, "notes").unwrap();
        let Err(failure) = one_file(&path) else { panic!("it was read") };
        assert!(failure.message().contains("neither"), "{}", failure.message());
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
