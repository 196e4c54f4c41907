//! `key-broker serve`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use claviger_broker::config::{AdmissionListen, Config, Overrides};
use claviger_broker::{Addresses, Broker, StartError};
use claviger_client::cli::{Failure, OutputMode, passphrase};
use claviger_store::slot::Passphrase;
use tokio::signal::unix::{SignalKind, signal};

/// Serve until SIGTERM or SIGINT; what is under way then is finished first.
#[derive(clap::Args)]
#[command(after_help = "Example:
  key-broker serve --data-dir /var/lib/claviger --listen 0.0.0.0:8120 \\
      --admission-listen 0.0.0.0:8123 --ops-listen 127.0.0.1:8122")]
pub(crate) struct Args {
    /// The data directory, made by `key-broker init`.
    #[arg(long, env = "CLAVIGER_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// A configuration file (TOML); flags win over it.
    #[arg(long, env = "CLAVIGER_CONFIG")]
    config: Option<PathBuf>,
    /// The key service's address; port 0 takes a free port [default: 127.0.0.1:8120].
    #[arg(long, env = "CLAVIGER_LISTEN")]
    listen: Option<SocketAddr>,
    /// Where agents are admitted, ADDRESS:PORT[=DOMAIN]; may be repeated. DOMAIN is the one of stock evidence, which
    /// names none; agents of ours name theirs, and stock evidence is refused in this version.
    #[arg(long)]
    admission_listen: Vec<AdmissionListen>,
    /// Address of /livez, /readyz and /metrics.
    #[arg(long, env = "CLAVIGER_OPS_LISTEN")]
    ops_listen: Option<SocketAddr>,
    /// The admin socket [default: admin.sock in the data directory].
    #[arg(long, env = "CLAVIGER_ADMIN_SOCKET")]
    admin_socket: Option<PathBuf>,
    /// A file that holds the passphrase of a key slot; without it, systemd's credential claviger-passphrase, or the
    /// terminal.
    #[arg(long, value_name = "FILE", env = "CLAVIGER_PASSPHRASE_FILE")]
    passphrase_file: Option<PathBuf>,
}

pub(crate) fn run(args: Args, output: OutputMode) -> ExitCode {
    claviger_broker::logging::install("info");
    match claviger_broker::runtime::block_on(serve(args, output)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Ended::Start(error)) => failure(&error).exit(output),
        Err(Ended::Failed(reason)) => {
            Failure::new("unavailable", 1, reason, "mend it, then start the broker again").exit(output)
        }
    }
}

enum Ended {
    Start(StartError),
    Failed(&'static str),
}

async fn serve(args: Args, output: OutputMode) -> Result<(), Ended> {
    let flags = Overrides {
        data_dir: args.data_dir,
        listen: args.listen,
        admission: args.admission_listen,
        ops_listen: args.ops_listen,
        admin_socket: args.admin_socket,
        passphrase_file: args.passphrase_file,
    };
    let start = |error: StartError| Ended::Start(error);
    let config = Config::load(args.config.as_deref(), flags).map_err(|error| start(error.into()))?;
    let handler = |kind| signal(kind).map_err(|error| start(StartError::Socket(error)));
    let (mut terminate, mut interrupt) =
        (handler(SignalKind::terminate())?, handler(SignalKind::interrupt())?);
    let passphrase_file = config.passphrase_file.clone();
    let passphrase = |wrong| passphrase_of_slot(passphrase_file.as_deref(), wrong);
    let broker = Broker::start(config, passphrase).await.map_err(start)?;
    announce(&broker.addresses, output);
    let failed = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        reason = broker.failed() => Some(reason),
    };
    tracing::info!(failed, "draining");
    drop(sd_notify::notify(&[sd_notify::NotifyState::Stopping]));
    broker.drain().await;
    failed.map_or(Ok(()), |reason| Err(Ended::Failed(reason)))
}

/// How often a passphrase is asked for at the terminal.
const ASKED: u32 = 3;

/// The passphrase that was given ahead, or that somebody types; `None` when there is none. A broker without it
/// starts sealed, so what is wrong with it is for the log.
fn passphrase_of_slot(file: Option<&Path>, wrong: u32) -> Option<Passphrase> {
    let told = |failure: &Failure| {
        tracing::error!(error = failure.message(), next = failure.next(), "no passphrase");
    };
    if wrong == 0 {
        if let Some((path, mode)) =
            file.and_then(|file| Some((file.display(), passphrase::exposed_mode(file)?)))
        {
            let mode = format!("{mode:o}");
            tracing::warn!(%path, mode, "others than its owner can read this passphrase; run chmod 600 on it");
        }
        match passphrase::given(file) {
            Ok(None) => {}
            Ok(given) => return given,
            Err(failure) => {
                told(&failure);
                return None;
            }
        }
    }
    let ahead = matches!(passphrase::given(file), Ok(Some(_)) | Err(_));
    if ahead || wrong >= ASKED || !passphrase::can_ask() {
        return None;
    }
    passphrase::ask("Passphrase of the root key").inspect_err(told).ok()
}

/// Says where the broker listens: on stdout for machines, in the log for people, and to systemd.
fn announce(addresses: &Addresses, output: OutputMode) {
    let Addresses { listen, admission, ops } = addresses;
    if output == OutputMode::Json {
        let ready = serde_json::json!({
            "event": "ready",
            "listen": listen.to_string(),
            "admission": admission.first().map(ToString::to_string),
            "ops": ops.map(|address| address.to_string()),
        });
        super::print(&ready.to_string());
    }
    let (listed, ops) = (list(admission), list(ops.as_slice()));
    tracing::info!(%listen, admission = listed, ops, "ready");
    drop(sd_notify::notify(&[sd_notify::NotifyState::Ready]));
}

fn list(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// How a broker that doesn't start says so.
pub(crate) fn failure(error: &StartError) -> Failure {
    let (code, next) = match (error.exit_status(), error) {
        (2, _) => ("configuration", "mend the configuration; nothing was started"),
        (7, _) => ("sealed", "give the key slot's file as it was when the broker was made"),
        (_, StartError::Bind(_) | StartError::AdminSocket(_)) => {
            ("address-in-use", "stop what is there, or choose another address")
        }
        _ => ("unavailable", "mend what is named; nothing was changed"),
    };
    Failure::new(code, error.exit_status(), error.to_string(), next)
}
