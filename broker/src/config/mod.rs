//! Configuration: flag > environment > file > default; an unknown key is an error; no port is bound yet.

mod limits;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use claviger_proto::DomainName;
use serde::Deserialize;

pub use limits::Limits;

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
    /// The file of the passphrase that opens the root key's slot, if it is given so.
    pub passphrase_file: Option<PathBuf>,
    /// The domain of a channel that names none.
    pub default_domain: Option<DomainName>,
    /// How many shards; one per core when absent.
    pub shards: usize,
    /// Every limit.
    pub limits: Limits,
}

/// One admission listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdmissionListen {
    /// Its address.
    pub address: SocketAddr,
    /// The domain that stock evidence, which names none, belongs to on this listener.
    pub stock_domain: Option<DomainName>,
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
    /// `--passphrase-file`
    pub passphrase_file: Option<PathBuf>,
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
    shards: Option<usize>,
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
    pub fn load(file: Option<&Path>, flags: Overrides) -> Result<Self, ConfigError> {
        let file = file.map(read).transpose()?.unwrap_or_default();
        let data_dir = flags.data_dir.or(file.data_dir).ok_or(ConfigError::NoDataDir)?;
        let listen = flags.listen.or(file.listen).unwrap_or(DEFAULT_LISTEN);
        let admission = if flags.admission.is_empty() {
            file.admission_listen.iter().map(|text| text.parse()).collect::<Result<_, _>>()?
        } else {
            flags.admission
        };
        let admin_socket =
            flags.admin_socket.or(file.admin_socket).unwrap_or_else(|| data_dir.join("admin.sock"));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let shards = file.shards.unwrap_or(cores);
        if !(1..=1024).contains(&shards) {
            return Err(ConfigError::Value { key: "shards", what: "it is between 1 and 1024".to_owned() });
        }
        file.limits.validate()?;
        Ok(Self {
            data_dir,
            listen,
            admission,
            ops_listen: flags.ops_listen.or(file.ops_listen),
            admin_socket,
            passphrase_file: flags.passphrase_file.or(file.passphrase_file),
            default_domain: file.default_domain,
            shards,
            limits: file.limits,
        })
    }
}

fn read(path: &Path) -> Result<File, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    toml::from_str(&text)
        .map_err(|source| ConfigError::Parse { path: path.to_owned(), source: Box::new(source) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Config, ConfigError> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("broker.toml");
        std::fs::write(&path, text).expect("a file");
        Config::load(Some(&path), Overrides { data_dir: Some("/data".into()), ..Overrides::default() })
    }

    #[test]
    fn an_unknown_key_is_an_error() {
        assert!(matches!(load("listn = '127.0.0.1:1'"), Err(ConfigError::Parse { .. })));
        assert!(matches!(load("[limits]\nfoo = 1"), Err(ConfigError::Parse { .. })));
    }

    #[test]
    fn the_command_line_wins_over_the_file() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("broker.toml");
        std::fs::write(&path, "data_dir = '/file'\nlisten = '127.0.0.1:1'\nops_listen = '127.0.0.1:2'")
            .expect("a file");
        let flags =
            Overrides { listen: Some("127.0.0.1:9".parse().expect("an address")), ..Overrides::default() };
        let config = Config::load(Some(&path), flags).expect("a configuration");
        assert_eq!(config.listen.port(), 9);
        assert_eq!(config.ops_listen.map(|a| a.port()), Some(2));
        assert_eq!(config.data_dir, PathBuf::from("/file"));
    }

    #[test]
    fn a_limit_out_of_range_is_named() {
        let error = load("[limits]\nconnections_per_address = 3").expect_err("below the floor");
        assert!(error.to_string().contains("connections_per_address"), "{error}");
    }

    #[test]
    fn an_admission_listener_may_name_its_stock_domain() {
        let parsed: AdmissionListen = "127.0.0.1:8123=dom0".parse().expect("a listener");
        assert_eq!(parsed.stock_domain.expect("a domain").as_str(), "dom0");
        assert!("127.0.0.1:8123=Dom".parse::<AdmissionListen>().is_err());
        assert!("nowhere".parse::<AdmissionListen>().is_err());
    }
}
