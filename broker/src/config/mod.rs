//! Configuration: flag > environment > file > default; an unknown key is an error; no port is bound yet.

mod admin;
mod bootstrap;
mod crls;
mod endorsements;
mod keys;
mod limits;
mod live;
mod place;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use claviger_client::endorsements::Kds;
use claviger_proto::DomainName;
use serde::Deserialize;

pub use admin::AdminListen;
pub use bootstrap::{Bootstrap, PinnedDomain};
pub use keys::reference;
pub use limits::Limits;
pub use live::{Changed, Live};

/// What is logged when nothing else is said.
pub const DEFAULT_LOG_FILTER: &str = "info";

/// Where the key service listens when nothing else is said.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8120);

/// Everything that a broker is started with.
#[derive(Clone, Debug)]
pub struct Config {
    /// The data directory, made by `key-broker init`.
    pub data_dir: PathBuf,
    /// The key service's address.
    pub listen: SocketAddr,
    /// Where agents are admitted; none means that this broker admits nobody over the network.
    pub admission: Vec<AdmissionListen>,
    /// `/livez`, `/readyz`, `/metrics`; none means off.
    pub ops_listen: Option<SocketAddr>,
    /// The admin API's Unix socket.
    pub admin_socket: PathBuf,
    /// The admin API over the network.
    pub admin: AdminListen,
    /// The file of the passphrase that opens the root key's slot, if it is given so.
    pub passphrase_file: Option<PathBuf>,
    /// The domain of a channel that names none.
    pub default_domain: Option<DomainName>,
    /// Folders with certificates of chips' keys.
    pub vcek_dirs: Vec<PathBuf>,
    /// A folder with the ARKs' revocation lists.
    pub crl_dir: Option<PathBuf>,
    /// Who is asked for the others; empty for nobody.
    pub kds_url: String,
    /// What an `https` service's certificate is judged by, PEM.
    pub kds_roots: PathBuf,
    /// Where this broker gets its domains from, if from another broker.
    pub bootstrap: Option<Bootstrap>,
    /// How many shards; one per core when absent.
    pub shards: usize,
    /// How logs are written.
    pub log_format: LogFormat,
    /// What is logged, as `tracing_subscriber::EnvFilter` reads it.
    pub log_filter: String,
    /// Every limit.
    pub limits: Limits,
}

/// How logs are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// Text on a terminal, JSON lines otherwise
    #[default]
    Auto,
    /// Text
    Text,
    /// JSON lines
    Json,
}

/// One admission listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdmissionListen {
    /// Its address.
    pub address: SocketAddr,
    /// The domain that stock evidence, which names none, belongs to on this listener.
    pub stock_domain: Option<DomainName>,
}

impl fmt::Display for AdmissionListen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        self.stock_domain.as_ref().map_or(Ok(()), |domain| write!(f, "={domain}"))
    }
}

impl FromStr for AdmissionListen {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let (address, domain) = match text.split_once('=') {
            Some((address, domain)) => (address, Some(domain)),
            None => (text, None),
        };
        let bad = |what: String| ConfigError::Value { key: "admission_listen", what };
        let address = address.parse().map_err(|_| bad(format!("{address} is not ADDRESS:PORT")))?;
        let stock_domain = domain.map(str::parse).transpose().map_err(|e| bad(format!("{e}")))?;
        Ok(Self { address, stock_domain })
    }
}

/// What the command line says; each wins over the file.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--data-dir`
    pub data_dir: Option<PathBuf>,
    /// `--listen`
    pub listen: Option<SocketAddr>,
    /// `--admission-listen`, repeated
    pub admission: Vec<AdmissionListen>,
    /// `--ops-listen`
    pub ops_listen: Option<SocketAddr>,
    /// `--admin-socket`
    pub admin_socket: Option<PathBuf>,
    /// `--admin-listen`
    pub admin_listen: Option<SocketAddr>,
    /// `--passphrase-file`
    pub passphrase_file: Option<PathBuf>,
    /// `--bootstrap`
    pub bootstrap: Option<String>,
    /// `--bootstrap-evidence`
    pub bootstrap_evidence: Option<String>,
    /// `--bootstrap-domain`, repeated
    pub bootstrap_domains: Vec<String>,
    /// `--bootstrap-domains`
    pub bootstrap_domains_dir: Option<PathBuf>,
    /// `--log-format`
    pub log_format: Option<LogFormat>,
    /// `--log-filter`
    pub log_filter: Option<String>,
}

/// The file, as written in TOML.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(clippy::struct_field_names, reason = "the names are the keys that people write")]
struct File {
    data_dir: Option<PathBuf>,
    listen: Option<SocketAddr>,
    admission_listen: Vec<String>,
    ops_listen: Option<SocketAddr>,
    admin_socket: Option<PathBuf>,
    passphrase_file: Option<PathBuf>,
    default_domain: Option<DomainName>,
    vcek_dirs: Vec<PathBuf>,
    crl_dir: Option<PathBuf>,
    kds_url: Option<String>,
    kds_roots: Option<PathBuf>,
    bootstrap: Option<String>,
    bootstrap_evidence: Option<String>,
    bootstrap_domains: Vec<String>,
    bootstrap_domains_dir: Option<PathBuf>,
    bootstrap_every: Option<u64>,
    shards: Option<usize>,
    log_format: Option<LogFormat>,
    log_filter: Option<String>,
    admin: admin::AdminTable,
    limits: Limits,
}

/// What is wrong with the configuration. The operator's to mend; nothing was started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file can't be read.
    #[error("the configuration {path} can't be read: {source}; check --config and the file's mode")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file isn't valid.
    #[error("the configuration {path} is not valid: {source}")]
    Parse {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// A value of the file can't be used.
    #[error("{error} ({path}, line {line})")]
    Line {
        /// Which setting, and why.
        error: Box<ConfigError>,
        /// Which file.
        path: PathBuf,
        /// Where in it, from 1.
        line: usize,
    },
    /// A value can't be used.
    #[error("the setting {key} can't be used: {what}")]
    Value {
        /// Which setting.
        key: &'static str,
        /// Why.
        what: String,
    },
    /// There is no data directory.
    #[error("no data directory is set; pass --data-dir, or set data_dir in the configuration")]
    NoDataDir,
}

impl Config {
    /// Merges the file (if any) and the command line.
    pub fn load(path: Option<&Path>, flags: Overrides) -> Result<Self, ConfigError> {
        let text = path.map(read).transpose()?.unwrap_or_default();
        let file = parse(path, &text)?;
        merge(file, flags).map_err(|error| place::find(error, path, &text))
    }

    /// Each setting as text, in the order of the reference.
    fn values(&self) -> Vec<String> {
        let path = |path: &Path| path.display().to_string();
        let admission = self.admission.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let mut values = vec![
            path(&self.data_dir),
            self.listen.to_string(),
            admission,
            self.ops_listen.map(|address| address.to_string()).unwrap_or_default(),
            path(&self.admin_socket),
            self.passphrase_file.as_deref().map(path).unwrap_or_default(),
            self.default_domain.as_ref().map(ToString::to_string).unwrap_or_default(),
            self.vcek_dirs.iter().map(|dir| path(dir)).collect::<Vec<_>>().join(" "),
            self.crl_dir.as_deref().map(path).unwrap_or_default(),
            self.kds_url.clone(),
            path(&self.kds_roots),
        ];
        values.extend(bootstrap::values(self.bootstrap.as_ref()));
        values.extend([
            self.shards.to_string(),
            format!("{:?}", self.log_format).to_lowercase(),
            self.log_filter.clone(),
        ]);
        values.extend(self.admin.values());
        values.extend(self.limits.values().iter().map(ToString::to_string));
        values
    }

    /// Each setting with its value as text (empty where it is off), in the order of the reference.
    pub fn settings(&self) -> impl Iterator<Item = (&'static str, String)> {
        keys::keys().map(|key| key.name).zip(self.values())
    }
}

fn merge(file: File, flags: Overrides) -> Result<Config, ConfigError> {
    let data_dir = flags.data_dir.or(file.data_dir).ok_or(ConfigError::NoDataDir)?;
    let admission = if flags.admission.is_empty() {
        file.admission_listen.iter().map(|text| text.parse()).collect::<Result<_, _>>()?
    } else {
        flags.admission
    };
    let bootstrap = bootstrap::Texts {
        home: flags.bootstrap.or(file.bootstrap),
        evidence: flags.bootstrap_evidence.or(file.bootstrap_evidence),
        domains: if flags.bootstrap_domains.is_empty() {
            file.bootstrap_domains
        } else {
            flags.bootstrap_domains
        },
        folder: flags.bootstrap_domains_dir.or(file.bootstrap_domains_dir),
        every: file.bootstrap_every,
    };
    let admin = file.admin.read(flags.admin_listen)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let config = Config {
        listen: flags.listen.or(file.listen).unwrap_or(DEFAULT_LISTEN),
        admission,
        ops_listen: flags.ops_listen.or(file.ops_listen),
        admin_socket: flags.admin_socket.or(file.admin_socket).unwrap_or_else(|| data_dir.join("admin.sock")),
        admin,
        data_dir,
        passphrase_file: flags.passphrase_file.or(file.passphrase_file),
        default_domain: file.default_domain,
        vcek_dirs: file.vcek_dirs,
        crl_dir: file.crl_dir,
        kds_url: file.kds_url.unwrap_or_else(|| Kds::AMD.to_owned()),
        kds_roots: file.kds_roots.unwrap_or_else(|| Kds::SYSTEM_ROOTS.into()),
        bootstrap: bootstrap.read()?,
        shards: file.shards.unwrap_or(cores),
        log_format: flags.log_format.or(file.log_format).unwrap_or_default(),
        log_filter: flags.log_filter.or(file.log_filter).unwrap_or_else(|| DEFAULT_LOG_FILTER.to_owned()),
        limits: file.limits,
    };
    config.validate()?;
    Ok(config)
}

impl Config {
    fn validate(&self) -> Result<(), ConfigError> {
        let value = |key, what: String| Err(ConfigError::Value { key, what });
        if !(1..=1024).contains(&self.shards) {
            return value("shards", "it is between 1 and 1024".to_owned());
        }
        if let Err(error) = crate::logging::filter(&self.log_filter) {
            return value("log_filter", error.to_string());
        }
        let mut taken = vec![("listen", self.listen)];
        let admission = self.admission.iter().map(|listen| ("admission_listen", listen.address));
        let ops = self.ops_listen.map(|address| ("ops_listen", address));
        let admin = self.admin.listen.map(|address| ("admin.listen", address));
        for (key, address) in admission.chain(ops).chain(admin) {
            // Port 0 is another port each time.
            if let Some((by, _)) = taken.iter().find(|(_, taken)| *taken == address && address.port() != 0) {
                return value(key, format!("{address} is taken by {by}"));
            }
            taken.push((key, address));
        }
        self.limits.validate()?;
        self.endorsements()?;
        self.authorities()?;
        self.revocation_lists().map(|_| ())
    }
}

fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })
}

fn parse(path: Option<&Path>, text: &str) -> Result<File, ConfigError> {
    let path = || path.unwrap_or(Path::new("")).to_owned();
    toml::from_str(text).map_err(|source| ConfigError::Parse { path: path(), source: Box::new(source) })
}
