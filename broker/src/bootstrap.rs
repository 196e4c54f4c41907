//! A broker elsewhere: it gets its domains from a home broker, and goes on getting them as they are changed there.
//!
//! What it has got is sealed in its store, so that home may be away: it serves what it has, and says so.

use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use actix_rt::Arbiter;
use claviger_attest::PolicyCertificate;
use claviger_client::cli::Failure;
use claviger_client::{Error, Options, Pull, Pulled, pull};
use claviger_proto::{DomainName, ErrorCode, admin};
use parking_lot::RwLock;
use rustls::pki_types::UnixTime;
use tokio::time::sleep;

use crate::actors::audit::seconds;
use crate::actors::domains::{AdminError, DomainsActor, GiveUpPolicyKey, OwnIdentity, TakeOver};
use crate::config::Bootstrap;
use crate::startup::Gate;

/// How long after the first failure it is tried again; twice as long after each further one, up to the usual time.
const RETRY: Duration = Duration::from_secs(1);

/// How it goes with home, for who asks.
#[derive(Clone, Default)]
pub(crate) struct HomeView(Option<Arc<RwLock<admin::Home>>>);

impl HomeView {
    /// `None` for a broker that has no home.
    pub(crate) fn get(&self) -> Option<admin::Home> {
        self.0.as_ref().map(|home| home.read().clone())
    }

    fn note(&self, at: usize, result: &Result<bool, Fault>) {
        let Some(mut home) = self.0.as_ref().map(|home| home.write()) else { return };
        let Some(domain) = home.domains.get_mut(at) else { return };
        let now = seconds(UnixTime::now());
        match result {
            Ok(_) => (domain.why, domain.last_ok) = (None, Some(now)),
            Err(fault) => domain.why = Some(fault.to_string()),
        }
        word(result).clone_into(&mut domain.state);
    }
}

/// What a broker needs to get its domains.
pub(crate) struct Puller {
    config: Bootstrap,
    pinned: Vec<(DomainName, PolicyCertificate)>,
    gate: Gate,
    view: HomeView,
}

/// Why a pull came to nothing.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Client(#[from] Error),
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error("the broker is being sealed, or is stopping")]
    Gone,
}

/// A pull's result, a word for the status and for metrics.
fn word(result: &Result<bool, Fault>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(Fault::Client(Error::Refused { .. })) => "refused",
        Err(Fault::Client(_) | Fault::Gone) => "unreachable",
        Err(Fault::Admin(_)) => "not-taken",
    }
}

impl Puller {
    /// Reads the pinned policy certificates.
    pub(crate) fn new(config: Bootstrap, gate: Gate) -> Result<Self, Failure> {
        let pinned = config.pinned()?;
        let waiting = |(domain, _): &(DomainName, _)| admin::PulledDomain {
            domain: domain.clone(),
            state: "waiting".to_owned(),
            why: None,
            last_ok: None,
        };
        let home =
            admin::Home { address: config.home.to_string(), domains: pinned.iter().map(waiting).collect() };
        let view = HomeView(Some(Arc::new(RwLock::new(home))));
        Ok(Self { config, pinned, gate, view })
    }

    /// How it goes.
    pub(crate) fn view(&self) -> HomeView {
        self.view.clone()
    }

    /// Begins, on a thread of its own: a platform may take its time to sign.
    pub(crate) fn start(self) -> std::io::Result<Arbiter> {
        let arbiter = Arbiter::try_new()?;
        arbiter.spawn(self.run());
        Ok(arbiter)
    }

    async fn run(mut self) {
        let mut failures = 0;
        loop {
            let Ok(domains) = self.gate.wait_for(Option::is_some).await.map(|gate| gate.clone()) else {
                return;
            };
            let Some(domains) = domains else { continue };
            let well = self.round(&domains).await;
            failures = if well { 0 } else { failures + 1 };
            let wait = if well { self.config.every } else { retry(failures, self.config.every) };
            tokio::select! {
                () = sleep(wait) => {}
                // Sealed, or unsealed again.
                changed = self.gate.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Pulls every domain once; false when one of them wasn't got.
    async fn round(&self, domains: &Addr<DomainsActor>) -> bool {
        let mut well = true;
        for (at, (name, policy)) in self.pinned.iter().enumerate() {
            let mut gate = self.gate.clone();
            let result = tokio::select! {
                result = self.one(domains, name, policy) => result,
                // Nothing of what was opened is held on to.
                _ = gate.changed() => Err(Fault::Gone),
            };
            self.told(at, name, &result);
            well &= result.is_ok();
        }
        if well {
            #[allow(clippy::cast_precision_loss, reason = "a time is far below 2^52")]
            metrics::gauge!("claviger_bootstrap_last_ok_timestamp_seconds")
                .set(seconds(UnixTime::now()) as f64);
        }
        well
    }

    fn told(&self, at: usize, name: &DomainName, result: &Result<bool, Fault>) {
        let (home, before) = (&self.config.home, self.view.get());
        let before = before.and_then(|home| Some(home.domains.get(at)?.state.clone()));
        self.view.note(at, result);
        metrics::counter!("claviger_bootstrap_pulls_total", "result" => word(result)).increment(1);
        match result {
            Ok(changed) => {
                if *changed || before.as_deref() != Some("ok") {
                    tracing::info!(domain = %name, %home, changed, "the domain is as it is at home");
                }
            }
            Err(error) => {
                tracing::warn!(domain = %name, %home, %error, "the domain is not got from home; what is here is served");
            }
        }
    }

    async fn one(
        &self,
        domains: &Addr<DomainsActor>,
        name: &DomainName,
        policy: &PolicyCertificate,
    ) -> Result<bool, Fault> {
        let own = domains.send(OwnIdentity(name.clone())).await.map_err(|_| Fault::Gone)??;
        let pulled = match self.ask(name, policy, own.as_ref()).await {
            // What it runs now may be another image than the one that its certificate names.
            Err(Error::Refused { refusal, .. })
                if own.is_some() && refusal.code == ErrorCode::CertificateRefused =>
            {
                self.ask(name, policy, None).await
            }
            asked => asked,
        };
        // Only who has the domain's policy certificate says this: home, which never gives the key to one that it refuses.
        if let Err(Error::Refused { refusal, .. }) = &pulled
            && refusal.code == ErrorCode::AttestationRefused
        {
            let give_up = GiveUpPolicyKey { domain: name.clone(), policy: policy.clone() };
            domains.send(give_up).await.map_err(|_| Fault::Gone)??;
        }
        let take = TakeOver { domain: name.clone(), policy: policy.clone(), pulled: pulled? };
        Ok(domains.send(take).await.map_err(|_| Fault::Gone)??)
    }

    async fn ask(
        &self,
        domain: &DomainName,
        policy: &PolicyCertificate,
        identity: Option<&claviger_client::BrokerLeaf>,
    ) -> Result<Pulled, Error> {
        let Bootstrap { home, evidence, .. } = &self.config;
        pull(home, &Pull { domain, policy, collector: evidence, identity }, &Options::default()).await
    }
}

fn retry(failures: u32, usual: Duration) -> Duration {
    RETRY.saturating_mul(1 << (failures - 1).min(16)).min(usual)
}
