//! The whole of scenario 1 in one process: real sockets, real files, a fresh directory.
//!
//! A domain is made, two machines prove what they run, one stores a disk key, the other retrieves it over a
//! mutually authenticated channel, a LUKS volume opens with it, and what must be refused is refused. The
//! machines speak through `claviger-client`, exactly as an agent does.

mod luks;
mod machines;
mod steps;

use std::path::Path;
use std::time::{Duration, Instant};

use claviger_acl::Preset;
use claviger_proto::error::ErrorCode;
use serde::Serialize;

use crate::config::{AdmissionListen, Config, Overrides};
use crate::{Broker, StartError};
use steps::Scene;

/// One step, done.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// Its name, stable.
    pub step: &'static str,
    /// Whether it went as it must.
    pub ok: bool,
    /// How long it took, in milliseconds.
    pub ms: u64,
    /// What happened.
    pub detail: String,
}

/// A step that didn't go as it must.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Failed(String);

impl Failed {
    #[allow(clippy::needless_pass_by_value, reason = "it is what `map_err` takes")]
    fn new(why: impl ToString) -> Self {
        Self(why.to_string())
    }

    /// What must be refused was refused, with this code; or it wasn't, which is a failure.
    fn expect_refusal<T>(result: Result<T, claviger_client::Error>, code: ErrorCode) -> Result<String, Self> {
        match result {
            Ok(_) => Err(Self::new("it was accepted")),
            Err(error) if error.code() == code.as_str() => Ok(format!("refused: {error}")),
            Err(error) => Err(Self(format!("it failed otherwise than by {code}: {error}"))),
        }
    }
}

/// A broker that quickstart started, and what it is called.
pub struct Quickstart {
    /// The broker, serving.
    pub broker: Broker,
    /// Whether every step went as it must.
    pub ok: bool,
}

/// Starts a broker in `dir`, which must be empty, and plays the scenario; each step is told as it ends.
/// Stops at the first that fails.
pub async fn run(dir: &Path, mut tell: impl FnMut(&Step)) -> Result<Quickstart, StartError> {
    let broker = Broker::start(config(dir)?, |_| None).await?;
    let mut scene = Scene::new(dir, &broker);
    let mut ok = true;
    for name in Scene::STEPS {
        let began = Instant::now();
        let result = scene.play(name).await;
        let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        ok = result.is_ok();
        let detail = result.unwrap_or_else(|failed| failed.to_string());
        tell(&Step { step: name, ok, ms, detail });
        if !ok {
            break;
        }
    }
    Ok(Quickstart { broker, ok })
}

/// What to try next, with the paths of this run.
pub fn what_next(dir: &Path, broker: &Broker) -> String {
    let (dir, listen) = (dir.display(), broker.addresses.listen);
    let domain = machines::DOMAIN;
    format!(
        "The broker goes on serving; from another terminal, in the project's directory, try:

  cargo run --release --bin key-client -- retrieve storage-disk-key --broker {listen} \\
      --state-dir {dir}/deployed/state --out {dir}/disk.key
  echo another secret | cargo run --release --bin key-client -- store web/token --broker {listen} \\
      --state-dir {dir}/deployment/state --in -
  cargo run --release --bin key-admin -- domain show {domain} --admin-socket {dir}/admin.sock
  cargo run --release --bin key-admin -- audit verify --domain {domain} --admin-socket {dir}/admin.sock

Ctrl-C stops it and removes {dir}."
    )
}

fn config(dir: &Path) -> Result<Config, StartError> {
    let data_dir = dir.join("broker");
    let slot = claviger_store::NewSlot::File { path: dir.join("root.key") };
    // Let go at once, so that the broker opens it as it would any other.
    let _made = claviger_store::DataDir::create(&data_dir, &slot)?;
    let any_port = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let flags = Overrides {
        data_dir: Some(data_dir),
        listen: Some(any_port),
        admission: vec![AdmissionListen { address: any_port, stock_domain: None }],
        ops_listen: Some(any_port),
        admin_socket: Some(dir.join("admin.sock")),
        ..Overrides::default()
    };
    let mut config = Config::load(None, flags)?;
    config.limits.drain = Duration::from_secs(2);
    Ok(config)
}

/// The preset that the scenario runs under: the deployment machine stores, members retrieve.
const PRESET: Preset = Preset::Provisioned;
