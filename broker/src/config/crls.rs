//! Revocation lists: files of a folder, each of which must be one, signed by an ARK.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use claviger_attest::SnpRevocationList;
use claviger_client::files::read_bounded;

use rustls::pki_types::UnixTime;

use super::endorsements::certificates;
use super::{Config, ConfigError};
use crate::actors::audit::seconds;

/// Most files: a list of each product, of AMD and of test platforms, with their ARKs.
const MAX_FILES: usize = 16;

/// Largest of them, in bytes.
const MAX_FILE: usize = 128 << 10;

const EXTENSIONS: [&str; 5] = ["crl", "der", "pem", "crt", "cer"];

impl Config {
    /// The revocation lists of the folder, in the order of their names. Their signatures were verified, and none is of a
    /// time to come; whether they are past their end is looked at with each report.
    pub(crate) fn revocation_lists(&self) -> Result<Vec<SnpRevocationList>, ConfigError> {
        let Some(dir) = &self.crl_dir else { return Ok(Vec::new()) };
        let value = |what: String| ConfigError::Value { key: "crl_dir", what };
        let paths = files(dir).map_err(|error| value(format!("{}: {error}", dir.display())))?;
        if paths.len() > MAX_FILES {
            return Err(value(format!("there are more than {MAX_FILES} files in {}", dir.display())));
        }
        let now = seconds(UnixTime::now());
        let (mut arks, mut lists) = (Vec::new(), Vec::<(PathBuf, SnpRevocationList)>::new());
        let (of_arks, of_lists): (Vec<_>, Vec<_>) = paths.into_iter().partition(|path| is_ark(path));
        let read = |path: &Path| read_bounded(path, MAX_FILE).map_err(|error| value(error.to_string()));
        for path in of_arks {
            let bad = || value(format!("{} isn't a certificate, DER or PEM", path.display()));
            arks.extend(certificates(read(&path)?.expose()).ok_or_else(bad)?);
        }
        for path in of_lists {
            let list = SnpRevocationList::read(read(&path)?.expose(), &arks);
            let list = list.map_err(|error| value(format!("{}: {error}", path.display())))?;
            // It would be newer than the right one, and keep that from being taken.
            if list.dates().0 > now {
                let (path, issued) = (path.display(), list.dates_text().0);
                return Err(value(format!(
                    "{path} is a revocation list that doesn't count yet: it was issued at {issued}; compare the clocks, or take \
                     it away until then"
                )));
            }
            if let Some((other, _)) = lists.iter().find(|(_, other)| other.same_ark(&list)) {
                let (path, other) = (path.display(), other.display());
                return Err(value(format!(
                    "{other} and {path} are lists of the same ARK; leave the newer one"
                )));
            }
            lists.push((path, list));
        }
        Ok(lists.into_iter().map(|(_, list)| list).collect())
    }
}

/// The files that count, in order.
fn files(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in dir.read_dir()? {
        let path = entry?.path();
        let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default().to_lowercase();
        if EXTENSIONS.contains(&extension.as_str()) && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn is_ark(path: &Path) -> bool {
    let stem = path.file_stem().and_then(OsStr::to_str).unwrap_or_default().to_lowercase();
    stem.starts_with("ark") && path.extension().is_none_or(|extension| extension != "crl")
}

#[cfg(test)]
mod tests {
    use claviger_attest::fakes::{FakeCrl, FakePlatform, FakeSignature};
    use claviger_attest::{SnpProduct, amd_certificates};

    use super::*;
    use crate::config::Overrides;

    fn list(serial: u8) -> Vec<u8> {
        list_from(serial, UnixTime::now().as_secs())
    }

    fn list_from(serial: u8, from: u64) -> Vec<u8> {
        let platform = FakePlatform::of(SnpProduct::Genoa);
        let list = FakeCrl {
            issuer: "ARK-Genoa".to_owned(),
            validity: (from, Some(from + 10)),
            revoked: vec![vec![serial]],
            extensions: Vec::new(),
            signature: FakeSignature::Pss,
        };
        list.sign(&platform.ark)
    }

    #[test]
    fn what_lies_in_the_folder_is_lists_of_arks_one_each() {
        let dir = tempfile::tempdir().expect("a directory");
        let put = |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes).expect("a file");
        let load = |crls: &Path| {
            let path = dir.path().join("broker.toml");
            std::fs::write(&path, format!("crl_dir = {:?}", crls.display().to_string())).expect("a file");
            Config::load(Some(&path), Overrides { data_dir: Some("/d".into()), ..Overrides::default() })
                .and_then(|config| config.revocation_lists())
        };
        let platform = FakePlatform::of(SnpProduct::Genoa);
        let refused = |says: &[&str]| {
            let error = load(dir.path()).expect_err("bad").to_string();
            assert!(says.iter().all(|word| error.contains(word)), "{error}");
        };
        assert!(load(dir.path()).expect("none").is_empty());
        put("notes.txt", b"notes");
        put("genoa.crl", &list(9));
        refused(&["genoa.crl", "no ARK signed it"]);
        put("ark-test.der", &platform.ark_certificate().sign(&platform.ark));
        assert_eq!(load(dir.path()).expect("read").len(), 1);
        put("genoa-2.pem", &list(8));
        refused(&["genoa-2.pem"]);
        std::fs::remove_file(dir.path().join("genoa-2.pem")).expect("removed");
        put("older.der", &list(8));
        refused(&["genoa.crl", "older.der", "same ARK"]);
        std::fs::remove_file(dir.path().join("genoa.crl")).expect("removed");
        put("older.der", &list_from(8, UnixTime::now().as_secs() + 3600));
        refused(&["older.der", "doesn't count yet", "compare the clocks"]);
        put("older.der", &list_from(8, UnixTime::now().as_secs()));
        assert_eq!(load(dir.path()).expect("read").len(), 1);
        put("older.der", amd_certificates(SnpProduct::Milan).0);
        refused(&["older.der"]);
        put("older.der", b"<html>");
        refused(&["older.der", "isn't exactly one"]);
        let error = load(Path::new("/nowhere")).expect_err("no folder").to_string();
        assert!(error.contains("crl_dir") && error.contains("/nowhere"), "{error}");
    }
}
