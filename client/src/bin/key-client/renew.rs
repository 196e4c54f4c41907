//! `key-client renew`

use claviger_attest::{CertificateFacts, SigningKey};
use claviger_client::certifier::{Peer, recertify};
use claviger_client::cli::{Failure, OutputMode, Report, clock};
use claviger_client::{Error, Identity, Renewal, RenewedKey, due_from, renew};
use rustls_pki_types::UnixTime;
use serde::Serialize;

use crate::args::{RenewArgs, from_certifier};

#[derive(Serialize)]
struct Told {
    /// False where it isn't due yet.
    renewed: bool,
    domain: String,
    /// What the certificate says that runs here, lowercase hex.
    measurement: Option<String>,
    /// SHA-256 of the certificate that the machine has now, hex.
    certificate_fingerprint: String,
    /// The same of the one before.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_fingerprint: Option<String>,
    /// The end of the certificate that the machine has now, seconds since 1970.
    not_after: i64,
    /// From when on that one is due for renewal.
    due: i64,
}

impl Report for Told {
    fn text(&self) -> String {
        let what = if self.renewed { "renewed" } else { "not due yet:" };
        format!(
            "{what} the certificate in domain {}\n  measurement {}\n  certificate {}, valid until {}\n  due for renewal from {}",
            self.domain,
            self.measurement.as_deref().unwrap_or("unknown"),
            self.certificate_fingerprint,
            clock::text(self.not_after),
            clock::text(self.due)
        )
    }
}

impl Told {
    fn of(identity: &Identity, due: UnixTime, facts: &CertificateFacts) -> Self {
        Self {
            renewed: false,
            domain: identity.domain().to_string(),
            measurement: facts.measurement.map(|measurement| measurement.to_string()),
            certificate_fingerprint: hex::encode(facts.fingerprint),
            previous_fingerprint: None,
            not_after: clock::seconds(facts.not_after),
            due: clock::seconds(due),
        }
    }
}

pub(crate) async fn run(args: &RenewArgs, mode: OutputMode) -> Result<(), Failure> {
    let state = args.state.open()?;
    // No lock while the network is waited for: a boot that puts a secret into the cryptstore must not wait for it.
    let old = state.identity().map_err(Error::from)?;
    let facts = read(&old)?;
    let due = match args.before {
        Some(before) => earlier(facts.not_after, before),
        None => due_from(facts.not_before, facts.not_after),
    };
    if args.if_due && clock::unix_time() < due {
        return mode.tell(&Told::of(&old, due, &facts));
    }
    let key = match (args.keep_key, args.key) {
        (true, _) => RenewedKey::Kept,
        (false, Some(algorithm)) => RenewedKey::New(algorithm),
        (false, None) => {
            RenewedKey::New(SigningKey::from_private(old.key()).map_err(Error::from)?.algorithm())
        }
    };
    let ticket = args.ticket.read()?;
    let renewal = Renewal { identity: &old, collector: &args.evidence, ticket: ticket.as_ref(), key };
    let options = args.brokers.options();
    let new = match args.peer.of(&state, &old)? {
        Peer::Claviger => renew(&args.admission, &renewal, &options).await?.identity,
        Peer::Certifier(_) => {
            recertify(&args.admission, &renewal, &options).await.map_err(from_certifier)?.identity
        }
    };
    let lock = state.lock().map_err(Error::from)?;
    lock.renew_identity(&old, &new, clock::now()).map_err(Error::from)?;
    lock.remember_evidence(&args.evidence).map_err(Error::from)?;
    let now = read(&new)?;
    let mut told = Told::of(&new, due_from(now.not_before, now.not_after), &now);
    told.renewed = true;
    told.previous_fingerprint = Some(hex::encode(facts.fingerprint));
    mode.tell(&told)
}

fn read(identity: &Identity) -> Result<CertificateFacts, Failure> {
    CertificateFacts::read(identity.certificate()).map_err(|error| {
        let next = "enroll this machine again (key-client enroll --replace)";
        Failure::new("damaged", 1, format!("this machine's own certificate can't be used: {error}"), next)
    })
}

/// `seconds` is positive.
fn earlier(time: UnixTime, seconds: i64) -> UnixTime {
    let earlier = time.as_secs().saturating_sub(seconds.unsigned_abs());
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(earlier))
}
