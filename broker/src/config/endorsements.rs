//! Where certificates of chips' keys come from, as the endorser takes it, and those that are above them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use claviger_client::endorsements::{Budget, Kds, KdsError, Settings};
use claviger_client::files::read_bounded;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use super::{Config, ConfigError};

/// The cache's name in the data directory.
const CACHE: &str = "endorsements";

/// Most certificates that lie in folders for all evidence: an ASK and an ASVK of each product.
const MAX_AUTHORITIES: usize = 6;

/// Largest file of one, in bytes.
const MAX_FILE: usize = 16 << 10;

impl Config {
    /// The endorser's settings. AMD's own service is left out on a machine that has no certificates to judge it by: most
    /// brokers never need it.
    pub(crate) fn endorsements(&self) -> Result<Settings, ConfigError> {
        let value = |key, what: String| ConfigError::Value { key, what };
        if let Some(absent) = self.vcek_dirs.iter().find(|dir| !dir.is_dir()) {
            return Err(value("vcek_dirs", format!("{} is no folder", absent.display())));
        }
        let kds = match self.kds_url.as_str() {
            "" => None,
            url => match Kds::new(url, &self.kds_roots) {
                Ok(kds) => Some(kds.with_timeout(self.limits.certificate_fetch)),
                Err(KdsError::Roots(_)) if url == Kds::AMD => None,
                Err(error @ KdsError::Roots(_)) => return Err(value("kds_roots", error.to_string())),
                Err(error) => return Err(value("kds_url", error.to_string())),
            },
        };
        let limits = &self.limits;
        let budget = |fetches| Budget { fetches, within: limits.certificate_fetches_within };
        Ok(Settings {
            folders: self.vcek_dirs.clone(),
            cache: Some(self.data_dir.join(CACHE)),
            kds,
            budget: budget(limits.certificate_fetches),
            address_budget: budget(limits.certificate_fetches_per_address),
            missing_for: limits.certificate_missing,
            pause: limits.certificate_pause,
        })
    }

    /// The ASKs and ASVKs in the folders, DER: what evidence may lack besides, and no service is asked for. Files `ask…` and
    /// `asvk…`, DER or PEM. Nothing is trusted for lying there: the pinned root has to have signed it.
    pub(crate) fn authorities(&self) -> Result<Vec<Vec<u8>>, ConfigError> {
        let value = |what: String| ConfigError::Value { key: "vcek_dirs", what };
        let mut found = Vec::new();
        for dir in &self.vcek_dirs {
            for path in named(dir).map_err(|error| value(format!("{}: {error}", dir.display())))? {
                let bad = || value(format!("{} isn't a certificate, DER or PEM", path.display()));
                let bytes = read_bounded(&path, MAX_FILE).map_err(|error| value(error.to_string()))?;
                found.extend(certificates(bytes.expose()).ok_or_else(bad)?);
            }
        }
        if found.len() > MAX_AUTHORITIES {
            return Err(value(format!("there are more than {MAX_AUTHORITIES} certificates ask… and asvk…")));
        }
        Ok(found)
    }
}

/// The files of a folder that are called as these certificates are, in order.
fn named(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in dir.read_dir()? {
        let path = entry?.path();
        let stem = path.file_stem().and_then(OsStr::to_str).unwrap_or_default().to_lowercase();
        let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
        let called = stem.starts_with("ask") || stem.starts_with("asvk");
        if called && ["der", "pem", "crt", "cer"].contains(&extension) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// One certificate, DER, or as many as there are, PEM; `None` where there is something else.
pub(super) fn certificates(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let all = if bytes.first() == Some(&0x30) {
        vec![bytes.to_vec()]
    } else {
        let pem = CertificateDer::pem_slice_iter(bytes).take(MAX_AUTHORITIES + 1);
        pem.map(|one| one.ok().map(|one| one.to_vec())).collect::<Option<Vec<_>>>()?
    };
    let whole = |der: &Vec<u8>| X509Certificate::from_der(der).is_ok_and(|(rest, _)| rest.is_empty());
    (!all.is_empty() && all.iter().all(whole)).then_some(all)
}

#[cfg(test)]
mod tests {
    use claviger_attest::{SnpProduct, amd_certificates};

    use super::*;
    use crate::config::Overrides;

    #[test]
    fn what_lies_in_folders_is_certificates_and_few() {
        let dir = tempfile::tempdir().expect("a directory");
        let put = |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes).expect("a file");
        let load = || {
            let path = dir.path().join("broker.toml");
            let text = format!("vcek_dirs = [{:?}]", dir.path().display().to_string());
            std::fs::write(&path, text).expect("a file");
            Config::load(Some(&path), Overrides { data_dir: Some("/d".into()), ..Overrides::default() })
        };
        let (ark, ask) = amd_certificates(SnpProduct::Milan);
        put("ask-milan.der", ask);
        put("ark.der", ark);
        put("asvk.txt", b"notes");
        assert_eq!(load().expect("valid").authorities().expect("read"), [ask]);
        put("asvk.pem", b"no certificate");
        assert!(load().expect_err("bad").to_string().contains("asvk.pem"));
        std::fs::remove_file(dir.path().join("asvk.pem")).expect("removed");
        (0..MAX_AUTHORITIES).for_each(|number| put(&format!("ask-{number}.der"), ask));
        assert!(load().expect_err("too many").to_string().contains("more than 6"));
    }
}
