//! `key-client peer`

use claviger_client::certifier::{Look, Peer, look};
use claviger_client::cli::{Failure, OutputMode, Report, clock};
use claviger_client::{Error, Options};
use serde::Serialize;

use crate::args::{LookArgs, PeerCommand, PeerStateArgs, PinArgs, from_certifier};

#[derive(Serialize)]
struct Told {
    /// `claviger` or `certifier`.
    peer: &'static str,
    /// SHA-256 of the certificates by which a Certifier key server is accepted, hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprints: Option<Vec<String>>,
}

impl From<&Peer> for Told {
    fn from(peer: &Peer) -> Self {
        match peer {
            Peer::Claviger => Self { peer: "claviger", fingerprints: None },
            Peer::Certifier(pinned) => Self {
                peer: "certifier",
                fingerprints: Some(pinned.iter().map(ToString::to_string).collect()),
            },
        }
    }
}

impl Report for Told {
    fn text(&self) -> String {
        match &self.fingerprints {
            None => "requests go to a Claviger broker".to_owned(),
            Some(none) if none.is_empty() => {
                "requests go to a Certifier key server; none is accepted, for no fingerprint is pinned"
                    .to_owned()
            }
            Some(pinned) => {
                format!("requests go to a Certifier key server, by fingerprint\n  {}", pinned.join("\n  "))
            }
        }
    }
}

#[derive(Serialize)]
struct Looked {
    /// SHA-256 of the certificate that came, hex.
    fingerprint: String,
    subject: Option<String>,
    measurement: Option<String>,
    /// Its dates, seconds since 1970.
    not_before: Option<i64>,
    not_after: Option<i64>,
    /// Whether it would be accepted if it were pinned.
    acceptable: bool,
    /// Whether it is pinned.
    pinned: bool,
}

impl Looked {
    fn new(look: &Look, pinned: bool) -> Self {
        let facts = look.facts.as_ref();
        Self {
            fingerprint: look.fingerprint.to_string(),
            subject: facts.map(|facts| facts.subject.clone()),
            measurement: facts.and_then(|facts| facts.measurement).map(|measurement| measurement.to_string()),
            not_before: facts.map(|facts| clock::seconds(facts.not_before)),
            not_after: facts.map(|facts| clock::seconds(facts.not_after)),
            acceptable: look.fault.is_none(),
            pinned,
        }
    }
}

impl Report for Looked {
    fn text(&self) -> String {
        let mut lines = vec![format!("shown over the network: {}", self.fingerprint)];
        lines.extend(self.subject.as_ref().map(|subject| format!("  subject {subject}")));
        if let (Some(from), Some(until)) = (self.not_before, self.not_after) {
            lines.push(format!("  valid from {} to {}", clock::text(from), clock::text(until)));
        }
        lines.push(format!("  pinned here: {}", if self.pinned { "yes" } else { "no" }));
        if self.acceptable && !self.pinned {
            lines.push("  compare it with what the server's own machine tells, then pin it".to_owned());
        }
        lines.join("\n")
    }
}

pub(crate) async fn run(command: &PeerCommand, mode: OutputMode) -> Result<(), Failure> {
    match command {
        PeerCommand::Pin(args) => pin(args, mode),
        PeerCommand::Show(args) => show(args, mode),
        PeerCommand::Forget(args) => remember(args, &Peer::Claviger, mode),
        PeerCommand::Look(args) => look_at(args, mode).await,
    }
}

fn pin(args: &PinArgs, mode: OutputMode) -> Result<(), Failure> {
    let state = PeerStateArgs { state: args.state.clone() };
    remember(&state, &Peer::Certifier(args.fingerprints.iter().copied().collect()), mode)
}

fn remember(args: &PeerStateArgs, peer: &Peer, mode: OutputMode) -> Result<(), Failure> {
    let state = args.state.open()?;
    let identity = state.identity().map_err(Error::from)?;
    let lock = state.lock().map_err(Error::from)?;
    lock.remember_peer(peer, identity.policy()).map_err(Error::from)?;
    mode.tell(&Told::from(peer))
}

fn show(args: &PeerStateArgs, mode: OutputMode) -> Result<(), Failure> {
    let state = args.state.open()?;
    let identity = state.identity().map_err(Error::from)?;
    mode.tell(&Told::from(&state.peer(identity.policy()).map_err(Error::from)?))
}

async fn look_at(args: &LookArgs, mode: OutputMode) -> Result<(), Failure> {
    let state = args.state.open()?;
    let identity = state.identity().map_err(Error::from)?;
    let peer = state.peer(identity.policy()).map_err(Error::from)?;
    let seen = look(&args.broker, &identity, &Options::default()).await.map_err(from_certifier)?;
    let pinned = matches!(peer, Peer::Certifier(pinned) if pinned.contains(&seen.fingerprint));
    mode.tell(&Looked::new(&seen, pinned))?;
    seen.fault.map_or(Ok(()), |fault| {
        let next =
            "check the address; a server of this domain has a certificate under its policy certificate";
        Err(Failure::new("broker-refused", 3, format!("no such server would be accepted: {fault}"), next))
    })
}
