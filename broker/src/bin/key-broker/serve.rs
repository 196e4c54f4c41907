//! `key-broker serve`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use claviger_broker::config::{AdmissionListen, Config, LogFormat, Overrides};
use claviger_broker::logging::{self, Logs};
use claviger_broker::{Addresses, Broker, StartError};
use claviger_client::cli::{Failure, OutputMode, passphrase};
use claviger_store::slot::Passphrase;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::systemd;

/// Serve until SIGTERM or SIGINT; what is under way then is finished first. SIGHUP reads the configuration again.
#[derive(clap::Args)]
#[command(after_help = "Example:
  key-broker serve --data-dir /var/lib/claviger --listen 0.0.0.0:8120 \\
      --admission-listen 0.0.0.0:8123 --ops-listen 127.0.0.1:8122
  key-broker serve --data-dir /var/lib/claviger --listen 0.0.0.0:8120 \\
      --bootstrap home.example:8123 --bootstrap-evidence sev-snp:device \\
      --bootstrap-domain fleet=/etc/claviger/fleet-policy-cert.pem")]
pub(crate) struct Args {
    #[command(flatten)]
    settings: Settings,
    /// Check the configuration and the flags, start nothing: `key-broker config check`.
    #[arg(long)]
    check_config: bool,
}

/// Where the configuration is, and what wins over it.
#[derive(clap::Args)]
pub(crate) struct Settings {
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
    /// Address of the admin API over mutual TLS; without it only the admin socket is there.
    #[arg(long, env = "CLAVIGER_ADMIN_LISTEN")]
    admin_listen: Option<SocketAddr>,
    /// A file that holds the passphrase of a key slot; without it, systemd's credential claviger-passphrase, or the
    /// terminal.
    #[arg(long, value_name = "FILE", env = "CLAVIGER_PASSPHRASE_FILE")]
    passphrase_file: Option<PathBuf>,
    /// Get the domains from the home broker whose admission port this is.
    #[arg(long, value_name = "HOME:PORT", env = "CLAVIGER_BOOTSTRAP")]
    bootstrap: Option<String>,
    /// Where this broker's evidence for its home comes from: sev-snp:device, sev-snp:tsm[=PATH],
    /// or to try things out simulated-enclave:DIR, sev-snp:simulated=DIR.
    #[arg(long, value_name = "KIND:WHERE", env = "CLAVIGER_BOOTSTRAP_EVIDENCE")]
    bootstrap_evidence: Option<String>,
    /// A domain to get from home, and the file of its policy certificate; may be repeated.
    #[arg(long, value_name = "DOMAIN=FILE")]
    bootstrap_domain: Vec<String>,
    /// A folder of policy certificates, *.pem: get the domain that each of them names.
    #[arg(long, value_name = "DIR", env = "CLAVIGER_BOOTSTRAP_DOMAINS")]
    bootstrap_domains: Option<PathBuf>,
    /// How logs are written [default: auto].
    #[arg(long, value_enum, env = "CLAVIGER_LOG_FORMAT")]
    log_format: Option<LogFormat>,
    /// What is logged, such as `warn` or `info,claviger_broker=debug` [default: info].
    #[arg(long, value_name = "FILTER", env = "CLAVIGER_LOG")]
    log_filter: Option<String>,
}

impl Settings {
    /// The file, and what wins over it.
    pub(crate) fn parts(self) -> (Option<PathBuf>, Overrides) {
        let flags = Overrides {
            data_dir: self.data_dir,
            listen: self.listen,
            admission: self.admission_listen,
            ops_listen: self.ops_listen,
            admin_socket: self.admin_socket,
            admin_listen: self.admin_listen,
            passphrase_file: self.passphrase_file,
            bootstrap: self.bootstrap,
            bootstrap_evidence: self.bootstrap_evidence,
            bootstrap_domains: self.bootstrap_domain,
            bootstrap_domains_dir: self.bootstrap_domains,
            log_format: self.log_format,
            // A variable that is set to nothing is as one that isn't set.
            log_filter: self.log_filter.filter(|text| !text.is_empty()),
        };
        (self.config, flags)
    }
}

pub(crate) fn run(args: Args, output: OutputMode) -> ExitCode {
    if args.check_config {
        return super::config::check(args.settings, output);
    }
    match claviger_broker::runtime::block_on(serve(args, output)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Ended::Start(error)) => failure(&error).exit(output),
        Err(Ended::Failed(reason)) => {
            Failure::new("unavailable", 1, reason, "mend it, then start the broker again").exit(output)
        }
        Err(Ended::AtOnce) => {
            let what = "ended at once, by a second signal: what was under way is cut off";
            Failure::new("cut-off", 1, what, "nothing that was acknowledged is lost; start it again")
                .exit(output)
        }
    }
}

enum Ended {
    Start(StartError),
    Failed(&'static str),
    AtOnce,
}

/// The signals that a broker listens to.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Returns when it is told to stop.
    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

async fn serve(args: Args, output: OutputMode) -> Result<(), Ended> {
    let (path, flags) = args.settings.parts();
    let start = |error: StartError| Ended::Start(error);
    let config = Config::load(path.as_deref(), flags.clone()).map_err(|error| start(error.into()))?;
    let filter = logging::filter(&config.log_filter).unwrap_or_default();
    let logs = logging::start(config.log_format, filter);
    let mut signals = Signals::new().map_err(|error| start(StartError::Socket(error)))?;
    let passphrase_file = config.passphrase_file.clone();
    let passphrase = |wrong| passphrase_of_slot(passphrase_file.as_deref(), wrong);
    let mut broker = Broker::start(config, passphrase).await.map_err(start)?;
    announce(&broker.addresses, output);
    systemd::ready(broker.state());
    let failed =
        watch(&mut broker, &mut signals, &logs, || Config::load(path.as_deref(), flags.clone())).await;
    tracing::info!(failed, "draining");
    systemd::stopping();
    drain(broker, &mut signals).await?;
    failed.map_or(Ok(()), |reason| Err(Ended::Failed(reason)))
}

/// Returns when it is to stop, with the reason if there is one.
async fn watch(
    broker: &mut Broker,
    signals: &mut Signals,
    logs: &Logs,
    load: impl Fn() -> Result<Config, claviger_broker::config::ConfigError>,
) -> Option<&'static str> {
    let mut state = broker.watch();
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => return None,
            _ = signals.interrupt.recv() => return None,
            reason = broker.failed() => return Some(reason),
            () = beat(broker) => {}
            changed = state.changed() => {
                // The broker holds the other end.
                if changed.is_ok() {
                    systemd::state(*state.borrow_and_update());
                }
            }
            _ = signals.hangup.recv() => {
                systemd::reloading();
                reload(broker, logs, load()).await;
                systemd::ready(broker.state());
            }
        }
    }
}

/// Tells systemd, when it is time, that every event loop comes round. Where one is stuck, it isn't told.
async fn beat(broker: &Broker) {
    let Some(every) = systemd::watchdog() else { return std::future::pending().await };
    tokio::time::sleep(every).await;
    broker.turn().await;
    systemd::alive();
}

/// Takes over what can be; a file that can't be used changes nothing.
async fn reload(broker: &mut Broker, logs: &Logs, new: Result<Config, claviger_broker::config::ConfigError>) {
    let counted =
        |result| metrics::counter!("claviger_config_reloads_total", "result" => result).increment(1);
    let new = match new {
        Ok(new) => new,
        Err(error) => {
            counted("error");
            tracing::error!(%error, "the configuration can't be used; nothing of it is taken over");
            return;
        }
    };
    let (changed, all_taken) = broker.reload(&new).await;
    if let Ok(filter) = logging::filter(&new.log_filter) {
        logs.set(filter);
    }
    for change in changed {
        let key = change.key;
        if change.in_force {
            tracing::info!(key, "a setting is changed");
        } else {
            tracing::warn!(key, "a changed setting counts only from the next start");
        }
    }
    if all_taken {
        counted("ok");
        tracing::info!("the configuration is read again");
    } else {
        counted("error");
        tracing::error!("the configuration is read again, but not every revocation list is taken");
    }
}

/// Has the broker finish what is under way; a second signal ends it at once.
async fn drain(broker: Broker, signals: &mut Signals) -> Result<(), Ended> {
    let mut draining = std::pin::pin!(broker.drain());
    loop {
        let beat = async {
            match systemd::watchdog() {
                Some(every) => tokio::time::sleep(every).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = &mut draining => return Ok(()),
            () = signals.stop() => {
                tracing::warn!("a second signal: what is under way is cut off");
                return Err(Ended::AtOnce);
            }
            () = beat => systemd::alive(),
        }
    }
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

/// Says where the broker listens: on stdout for machines, in the log for people.
fn announce(addresses: &Addresses, output: OutputMode) {
    let Addresses { listen, admission, ops, admin } = addresses;
    if output == OutputMode::Json {
        let ready = serde_json::json!({
            "event": "ready",
            "listen": listen.to_string(),
            "admission": admission.first().map(ToString::to_string),
            "ops": ops.map(|address| address.to_string()),
            "admin": admin.map(|address| address.to_string()),
        });
        super::print(&ready.to_string());
    }
    let (listed, ops, admin) = (list(admission), list(ops.as_slice()), list(admin.as_slice()));
    tracing::info!(%listen, admission = listed, ops, admin, "ready");
}

fn list(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// How a broker that doesn't start says so.
pub(crate) fn failure(error: &StartError) -> Failure {
    let (code, next) = match (error.exit_status(), error) {
        (2, _) => ("configuration", "mend the configuration; nothing was started"),
        (5, _) => ("in-use", "stop the other broker, then try again"),
        (7, _) => ("sealed", "give the key slot's file as it was when the broker was made"),
        (_, StartError::Bind(_) | StartError::AdminSocket(_)) => {
            ("address-in-use", "stop what is there, or choose another address")
        }
        _ => ("unavailable", "mend what is named; nothing was changed"),
    };
    Failure::new(code, error.exit_status(), error.to_string(), next)
}
