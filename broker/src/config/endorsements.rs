//! Where certificates of chips' keys come from, as the endorser takes it.

use claviger_client::endorsements::{Budget, Kds, KdsError, Settings};

use super::{Config, ConfigError};

/// The cache's name in the data directory.
const CACHE: &str = "endorsements";

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
        Ok(Settings {
            folders: self.vcek_dirs.clone(),
            cache: Some(self.data_dir.join(CACHE)),
            kds,
            budget: Budget { fetches: limits.certificate_fetches, within: limits.certificate_fetches_within },
            missing_for: limits.certificate_missing,
            pause: limits.certificate_pause,
        })
    }
}
