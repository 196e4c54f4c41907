//! What of the configuration can change while the broker runs.

use std::collections::BTreeSet;
use std::sync::Arc;

use claviger_proto::DomainName;
use parking_lot::RwLock;

use super::keys::{When, keys};
use super::{AdminListen, Config, Limits};

/// What is in force now. Whoever begins something takes the limits once, and keeps them to its end.
#[derive(Clone, Debug)]
pub struct Live(Arc<RwLock<Current>>);

#[derive(Debug)]
struct Current {
    limits: Arc<Limits>,
    default_domain: Option<DomainName>,
    operators: Arc<BTreeSet<[u8; 32]>>,
}

/// A setting that is another in the new configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Which.
    pub key: &'static str,
    /// Whether it counts from now on; else from the next start.
    pub in_force: bool,
}

impl Live {
    /// What a broker starts with.
    pub fn new(config: &Config) -> Self {
        let limits = Arc::new(config.limits.clone());
        let (default_domain, operators) =
            (config.default_domain.clone(), Arc::clone(&config.admin.operators));
        Self(Arc::new(RwLock::new(Current { limits, default_domain, operators })))
    }

    /// The limits of this moment.
    pub fn limits(&self) -> Arc<Limits> {
        Arc::clone(&self.0.read().limits)
    }

    /// The domain of a channel that names none.
    pub fn default_domain(&self) -> Option<DomainName> {
        self.0.read().default_domain.clone()
    }

    /// Whether the certificate of this SHA-256 is an operator's.
    pub fn is_operator(&self, fingerprint: &[u8; 32]) -> bool {
        self.0.read().operators.contains(fingerprint)
    }

    /// Takes over what can be taken over.
    pub(crate) fn reload(&self, new: &Config) {
        let mut current = self.0.write();
        current.limits = Arc::new(current.limits.reloaded(&new.limits));
        current.default_domain.clone_from(&new.default_domain);
        current.operators.clone_from(&new.admin.operators);
    }
}

impl Config {
    /// This one, with what can be changed while the broker runs as `new` has it; and what is another in `new`.
    pub(crate) fn reloaded(&self, new: &Self) -> (Self, Vec<Changed>) {
        let pairs = self.values().into_iter().zip(new.values());
        let changed = keys()
            .zip(pairs)
            .filter(|(_, (old, new))| old != new)
            .map(|(key, _)| Changed { key: key.name, in_force: key.when == When::Reload })
            .collect();
        let now = Self {
            limits: self.limits.reloaded(&new.limits),
            default_domain: new.default_domain.clone(),
            vcek_dirs: new.vcek_dirs.clone(),
            crl_dir: new.crl_dir.clone(),
            kds_url: new.kds_url.clone(),
            kds_roots: new.kds_roots.clone(),
            admin: AdminListen { operators: Arc::clone(&new.admin.operators), ..self.admin.clone() },
            log_filter: new.log_filter.clone(),
            ..self.clone()
        };
        (now, changed)
    }
}
