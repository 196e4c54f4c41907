//! One place to ask: folders, the cache, the service.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::budget::{Budget, Spending};
use super::error::EndorsementError;
use super::kds::{Kds, NotFetched};
use super::{Vcek, folder};

/// Most certificates that are kept in memory, about 16 MiB; the cache directory has them all.
const MAX_KNOWN: usize = 8192;
/// Most that are fetched at once: the KDS refuses who asks fast.
const MAX_IN_FLIGHT: usize = 4;
/// Longest time for which the service's word is taken that it wants to be left alone.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// Where to look, and how patient to be.
#[derive(Clone)]
pub struct Settings {
    /// Folders with a `vcek` in them, looked into in this order, never written to.
    pub folders: Vec<PathBuf>,
    /// Where what was fetched is kept, in the first layout; in memory alone without.
    pub cache: Option<PathBuf>,
    /// The service, if one is to be asked.
    pub kds: Option<Kds>,
    /// What one domain may have fetched.
    pub budget: Budget,
    /// What one address may, of that: it can't spend all of it alone.
    pub address_budget: Budget,
    /// How long the service's word that it has none counts. 10 minutes: a new chip's certificate may come late.
    pub missing_for: Duration,
    /// The pause after a fetch that failed; it doubles with each that follows, up to 64 times.
    pub pause: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            folders: Vec::new(),
            cache: None,
            kds: None,
            budget: Budget::default(),
            address_budget: Budget { fetches: 15, ..Budget::default() },
            missing_for: Duration::from_mins(10),
            pause: Duration::from_secs(2),
        }
    }
}

/// Gives certificates of chips' keys. Clones share everything.
#[derive(Clone)]
pub struct Endorser(Arc<Inner>);

struct Inner {
    settings: Mutex<Arc<Settings>>,
    state: Mutex<State>,
}

/// For whose evidence a certificate is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source<'a> {
    /// The domain.
    pub domain: &'a str,
    /// Where it comes from.
    pub address: IpAddr,
}

impl Source<'_> {
    fn budgets(&self, settings: &Settings) -> [(String, Budget); 2] {
        let Self { domain, address } = self;
        [
            (format!("domain {domain}"), settings.budget),
            (format!("address {address}"), settings.address_budget),
        ]
    }
}

/// A certificate, and where it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The certificate, DER; nobody has verified it.
    pub certificate: Vec<u8>,
    /// Where it was.
    pub place: Place,
}

/// Where a certificate was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It was known.
    Memory,
    /// In a folder, or in the cache.
    Folder,
    /// The service gave it.
    Service,
    /// The service gave it to somebody who asked for the same at the same time.
    Shared,
}

impl Place {
    /// A word for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "known",
            Self::Folder => "folder",
            Self::Service => "fetched",
            Self::Shared => "shared",
        }
    }
}

type Outcome = Result<Vec<u8>, EndorsementError>;

struct Known {
    certificate: Vec<u8>,
    /// Whether evidence verified with it.
    proven: bool,
}

#[derive(Default)]
struct State {
    known: HashMap<Vcek, Known>,
    missing: HashMap<Vcek, Instant>,
    in_flight: HashMap<Vcek, watch::Receiver<Option<Outcome>>>,
    spending: Spending,
    failures: u32,
    paused: Option<(Instant, String)>,
}

impl Endorser {
    /// One with these settings, and nothing known yet.
    pub fn new(settings: Settings) -> Self {
        Self(Arc::new(Inner { settings: Mutex::new(Arc::new(settings)), state: Mutex::default() }))
    }

    /// Has these settings count from now on; what is known stays known, and what is under way goes on as it began.
    pub fn set(&self, settings: Settings) {
        *self.0.settings.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }

    /// The certificate, for evidence of `source`, whose budgets a fetch costs. Who is known is answered
    /// without the service; of many that ask for one at once, one fetch is made.
    pub async fn get(&self, vcek: &Vcek, source: Source<'_>) -> Result<Found, EndorsementError> {
        let found = |place| move |certificate| Found { certificate, place };
        if let Some(known) = self.0.state().known.get(vcek) {
            return Ok(found(Place::Memory)(known.certificate.clone()));
        }
        let settings = self.0.settings();
        if let Some(kept) = look(&settings, vcek, folder::exact).await {
            self.0.state().know(vcek, &kept);
            return Ok(found(Place::Folder)(kept));
        }
        let refusal = match self.fetched(vcek, source, &settings).await {
            Ok(fetched) => return Ok(fetched),
            Err(refusal) => refusal,
        };
        // It may be of another TCB, so it comes last; the verifier sees.
        look(&settings, vcek, folder::of_some_tcb).await.map(found(Place::Folder)).ok_or(refusal)
    }

    /// The certificate from folders and cache alone; at no TCB in particular, where none says that it is of this one.
    pub async fn kept(&self, vcek: &Vcek) -> Option<Vec<u8>> {
        let settings = self.0.settings();
        match look(&settings, vcek, folder::exact).await {
            Some(exact) => Some(exact),
            None => look(&settings, vcek, folder::of_some_tcb).await,
        }
    }

    /// Takes down that evidence verified with this certificate.
    pub fn proven(&self, vcek: &Vcek, certificate: &[u8]) {
        if let Some(known) = self.0.state().known.get_mut(vcek) {
            known.proven |= known.certificate == certificate;
        }
    }

    /// Forgets a certificate that didn't verify, so that it is fetched anew, within the budget. One with which evidence has
    /// verified stays: then it is the evidence that is wrong, or who demands what it can't satisfy, and what is known of one
    /// machine isn't for another, or another domain, to take away.
    pub fn forget(&self, vcek: &Vcek) {
        let mut state = self.0.state();
        if state.known.get(vcek).is_some_and(|known| known.proven) {
            return;
        }
        state.known.remove(vcek);
        if let Some(cache) = &self.0.settings().cache {
            // What can't be removed is read again, and doesn't verify again.
            let _ = folder::forget(cache, vcek);
        }
    }

    async fn fetched(
        &self,
        vcek: &Vcek,
        source: Source<'_>,
        settings: &Arc<Settings>,
    ) -> Result<Found, EndorsementError> {
        let Some(kds) = &settings.kds else { return Err(EndorsementError::Offline) };
        let (mut outcome, place) = match self.0.state().next_step(vcek, source, settings)? {
            Step::Wait(outcome) => (outcome, Place::Shared),
            Step::Fetch(tell, outcome) => {
                // On a task of its own: who asked may go, others wait for it.
                tokio::spawn(fetch(self.0.clone(), kds.clone(), *vcek, tell));
                (outcome, Place::Service)
            }
        };
        let told = outcome.wait_for(Option::is_some).await;
        let told = told.ok().and_then(|told| told.clone()).unwrap_or(Err(EndorsementError::Busy));
        told.map(|certificate| Found { certificate, place })
    }
}

/// Reads files, on a thread that may wait for a disk.
async fn look(
    settings: &Arc<Settings>,
    vcek: &Vcek,
    find: fn(&std::path::Path, &Vcek) -> Option<Vec<u8>>,
) -> Option<Vec<u8>> {
    let (settings, vcek) = (Arc::clone(settings), *vcek);
    let looking = tokio::task::spawn_blocking(move || {
        settings.folders.iter().chain(&settings.cache).find_map(|root| find(root, &vcek))
    });
    looking.await.ok().flatten()
}

/// What is to be done for who asks.
enum Step {
    Wait(watch::Receiver<Option<Outcome>>),
    Fetch(watch::Sender<Option<Outcome>>, watch::Receiver<Option<Outcome>>),
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        // No invariant spans two of its fields.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn know(&mut self, vcek: &Vcek, certificate: &[u8]) {
        if self.known.len() >= MAX_KNOWN
            && let Some(some) = self.known.keys().next().copied()
        {
            self.known.remove(&some);
        }
        self.known.insert(*vcek, Known { certificate: certificate.to_vec(), proven: false });
    }

    /// Cheapest first; the budget is touched only where a fetch follows.
    fn next_step(
        &mut self,
        vcek: &Vcek,
        source: Source<'_>,
        settings: &Settings,
    ) -> Result<Step, EndorsementError> {
        let now = Instant::now();
        // One whose task is gone without a word has to be made again.
        if let Some(outcome) = self.in_flight.get(vcek).filter(|outcome| outcome.has_changed().is_ok()) {
            return Ok(Step::Wait(outcome.clone()));
        }
        self.missing.retain(|_, until| *until > now);
        if self.missing.contains_key(vcek) {
            return Err(EndorsementError::Missing);
        }
        if let Some((until, why)) = self.paused.as_ref().filter(|(until, _)| *until > now) {
            return Err(EndorsementError::Unavailable { why: why.clone(), retry: until.duration_since(now) });
        }
        if self.in_flight.len() >= MAX_IN_FLIGHT {
            return Err(EndorsementError::Busy);
        }
        if !self.spending.spend(&source.budgets(settings), now) {
            return Err(EndorsementError::OverBudget);
        }
        let (tell, outcome) = watch::channel(None);
        self.in_flight.insert(*vcek, outcome.clone());
        Ok(Step::Fetch(tell, outcome))
    }

    fn settle(&mut self, vcek: &Vcek, fetched: Result<Vec<u8>, NotFetched>, settings: &Settings) -> Outcome {
        let now = Instant::now();
        self.in_flight.remove(vcek);
        match fetched {
            Ok(certificate) => {
                (self.failures, self.paused) = (0, None);
                self.know(vcek, &certificate);
                Ok(certificate)
            }
            Err(NotFetched::Missing) => {
                (self.failures, self.paused) = (0, None);
                self.missing.insert(*vcek, now + settings.missing_for);
                Err(EndorsementError::Missing)
            }
            Err(NotFetched::Later(why, after)) => {
                let doubled = settings.pause.saturating_mul(1 << self.failures.min(6));
                self.failures = self.failures.saturating_add(1);
                let retry = doubled.max(after.unwrap_or_default()).min(LONGEST_PAUSE);
                self.paused = Some((now + retry, why.clone()));
                Err(EndorsementError::Unavailable { why, retry })
            }
        }
    }
}

async fn fetch(inner: Arc<Inner>, kds: Kds, vcek: Vcek, tell: watch::Sender<Option<Outcome>>) {
    let fetched = kds.fetch(&vcek).await;
    let settings = inner.settings();
    let outcome = inner.state().settle(&vcek, fetched, &settings);
    if let (Ok(certificate), Some(cache)) = (outcome.clone(), settings.cache.clone()) {
        // Who can't write it has it in memory; the next start fetches it again.
        let kept = tokio::task::spawn_blocking(move || folder::keep(&cache, &vcek, &certificate));
        drop(kept.await);
    }
    tell.send_replace(Some(outcome));
}
