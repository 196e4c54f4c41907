//! Connecting step by step, and saying of each step what was negotiated, verified and decided: for who wants to know
//! why a machine gets no key. Nothing is kept, and no secret is asked for.

mod steps;

use std::net::SocketAddr;
use std::time::Instant;

use claviger_attest::{CertificateFacts, KeyAlgorithm, PolicyCertificate, SigningKey, self_signed_agent};
use claviger_proto::key_service::{List, Needs, PageSize, Retrieve, State, VersionInfo};
use claviger_proto::{DomainName, ErrorCode, ResourceName};
use tokio::net::TcpStream;
use tokio::time::timeout;

pub use steps::{Diagnosis, Outcome, Step, Trace};

use crate::address::Address;
use crate::admission;
use crate::channel::{Channel, Options};
use crate::error::{Error, Phase};
use crate::identity::Identity;
use crate::proving::Prover;
use crate::tls::{Seen, Session, Trust};
use crate::wire::Wire;
use steps::{Details, Steps, time_text};

/// The steps to a key service, in their order.
const KEY_SERVICE: &[&str] = &[
    "identity",
    "resolve",
    "connect",
    "hello",
    "server-certificate",
    "tls",
    "own-certificate",
    "service",
    PROOF,
    REQUEST,
];

/// There where something is proven on the channel.
const PROOF: &str = "proof";

/// There where a name is asked about.
const REQUEST: &str = "request";

/// The steps to an admission, which asks nobody who they are.
const ADMISSION: &[&str] = &["resolve", "connect", "hello", "server-certificate", "tls", "service"];

/// Goes the way of a retrieve, as this machine: to the answer whether there is `name`, without its secret; without
/// a name, to the first answer of any kind. With a prover, what it has is proven on the way, as a challenge would ask for it.
pub async fn trace_service(
    broker: &Address,
    identity: &Identity,
    name: Option<&ResourceName>,
    prover: Option<Prover>,
    options: &Options,
) -> Trace {
    let (with_proof, with_request) = (prover.is_some(), name.is_some());
    let there = |step: &&str| (*step != PROOF || with_proof) && (*step != REQUEST || with_request);
    let mut steps = Steps::new(KEY_SERVICE.iter().copied().filter(there));
    own_identity(&mut steps, identity, options);
    let mut trust =
        Trust::new(identity.domain(), identity.policy(), &identity.demands(&options.measurements));
    let seen = Seen::default();
    trust.seen = Some(seen.clone());
    let session = match Session::admitted(trust, identity, &options.time) {
        Ok(session) => session,
        Err(error) => {
            steps.unmade(error);
            return steps.done();
        }
    };
    if let Some(wire) = connect(&mut steps, broker, &session, &seen, options).await {
        let channel = Channel::over(wire, &session);
        match prover {
            None => drop(ask(&mut steps, channel, name).await),
            Some(prover) => prove(&mut steps, channel, name, prover).await,
        }
    }
    steps.done()
}

/// Goes the way of an enrolment, to the broker's challenge.
pub async fn trace_admission(
    admission: &Address,
    domain: &DomainName,
    policy: &PolicyCertificate,
    options: &Options,
) -> Trace {
    let mut steps = Steps::new(ADMISSION.iter().copied());
    let seen = Seen::default();
    match temporary(domain, policy, &seen, options) {
        Ok(session) => {
            if let Some(mut wire) = connect(&mut steps, admission, &session, &seen, options).await {
                let begun = Instant::now();
                match admission::challenge(&mut wire).await {
                    Ok(_) => steps.ok(begun, vec![("says", "a challenge: it is an admission".to_owned())]),
                    Err(error) => steps.failed(begun, error),
                }
            }
        }
        Err(error) => steps.unmade(error),
    }
    steps.done()
}

/// With a key of this moment, as an enrolment has it.
fn temporary(
    domain: &DomainName,
    policy: &PolicyCertificate,
    seen: &Seen,
    options: &Options,
) -> Result<Session, Error> {
    let key = SigningKey::generate(KeyAlgorithm::P256)?;
    let leaf = self_signed_agent(&key, options.time.current_time().ok_or(Error::NoClock)?)?;
    let mut trust = Trust::new(domain, policy, &options.measurements);
    trust.seen = Some(seen.clone());
    Session::self_signed(trust, &leaf, key.pkcs8_der(), &options.time)
}

/// What this machine thinks of its own certificate. The way goes on whatever that is: the broker's word counts.
fn own_identity(steps: &mut Steps, identity: &Identity, options: &Options) {
    let begun = Instant::now();
    let mut details = vec![("domain", identity.domain().to_string())];
    if let Ok(facts) = CertificateFacts::read(identity.certificate()) {
        details.extend(of_certificate(&facts));
    }
    let Some(now) = options.time.current_time() else { return steps.failed(begun, Error::NoClock) };
    details.push(("now", time_text(now)));
    match identity.verify(now) {
        Ok(_) => steps.ok(begun, details),
        Err(fault) => steps.doubtful(begun, details, &fault),
    }
}

fn of_certificate(facts: &CertificateFacts) -> Details {
    let mut details = vec![("subject", facts.subject.clone())];
    details.extend(facts.role.map(|role| ("role", role.to_string())));
    details.extend(facts.measurement.map(|measurement| ("measurement", measurement.to_string())));
    details.push(("not-before", time_text(facts.not_before)));
    details.push(("not-after", time_text(facts.not_after)));
    details
}

async fn connect(
    steps: &mut Steps,
    address: &Address,
    session: &Session,
    seen: &Seen,
    options: &Options,
) -> Option<Wire> {
    let tcp = tcp(steps, address, options).await?;
    let begun = Instant::now();
    let shaken = Wire::shake_hands(address, session, options.timeouts, tcp).await;
    // Before anything of the server is seen, it has judged the hello alone.
    let Some((leaf, at)) = seen.get() else {
        let error = shaken
            .err()
            .unwrap_or_else(|| Error::Closed { address: address.clone(), phase: Phase::Handshake });
        steps.failed(begun, error);
        return None;
    };
    let hello = vec![
        ("sni", session.domain.to_string()),
        ("alpn", String::from_utf8_lossy(claviger_proto::ALPN).into_owned()),
    ];
    steps.ok_at(begun, *at, hello);
    let details = CertificateFacts::read(leaf).map(|facts| of_certificate(&facts)).unwrap_or_default();
    match shaken {
        Err(error @ Error::BrokerRefused { .. }) => {
            steps.failed_with(*at, details, error);
            None
        }
        Err(error) => {
            steps.ok_at(*at, *at, details);
            steps.failed(*at, error);
            None
        }
        Ok(wire) => {
            steps.ok_at(*at, *at, details);
            steps.ok(*at, negotiated(&wire));
            Some(wire)
        }
    }
}

fn negotiated(wire: &Wire) -> Details {
    let tls = wire.tls();
    let mut details = Vec::new();
    details.extend(tls.protocol_version().map(|version| ("version", format!("{version:?}"))));
    details.extend(tls.negotiated_cipher_suite().map(|suite| ("suite", format!("{:?}", suite.suite()))));
    details.extend(tls.negotiated_key_exchange_group().map(|group| ("group", format!("{:?}", group.name()))));
    details
}

async fn tcp(steps: &mut Steps, address: &Address, options: &Options) -> Option<TcpStream> {
    let limit = options.timeouts.connect;
    let late = || Error::Timeout { address: address.clone(), phase: Phase::Connect, limit };
    let failed = |source| Error::Unreachable { address: address.clone(), source };
    let begun = Instant::now();
    let found = match timeout(limit, tokio::net::lookup_host(address.as_str())).await {
        Ok(found) => found.map(Iterator::collect::<Vec<SocketAddr>>).map_err(failed),
        Err(_) => Err(late()),
    };
    let found = match found {
        Ok(found) => found,
        Err(error) => {
            steps.failed(begun, error);
            return None;
        }
    };
    let shown: Vec<_> = found.iter().map(ToString::to_string).collect();
    steps.ok(begun, vec![("addresses", shown.join(" "))]);
    let begun = Instant::now();
    let connected = match timeout(limit, TcpStream::connect(found.as_slice())).await {
        Ok(connected) => connected.map_err(failed),
        Err(_) => Err(late()),
    };
    match connected {
        Ok(tcp) => {
            let peer = tcp.peer_addr().map(|peer| ("to", peer.to_string()));
            steps.ok(begun, peer.into_iter().collect());
            Some(tcp)
        }
        Err(error) => {
            steps.failed(begun, error);
            None
        }
    }
}

/// In TLS 1.3 the broker judges our certificate when we are done already: the first answer says what it found.
///
/// Returns the channel where it is a key service's, and nothing failed.
async fn ask(steps: &mut Steps, mut channel: Channel, name: Option<&ResourceName>) -> Option<Channel> {
    let begun = Instant::now();
    let answer = if let Some(name) = name {
        let describe = Retrieve { name: name.clone(), version: None };
        channel.describe(describe).await.map(|info| of_entry(name, &info))
    } else {
        let limit = PageSize::new(1).unwrap_or_default();
        let list = List { prefix: String::new(), after: None, limit };
        channel.list(list).await.map(|_| Vec::new())
    };
    match answer {
        Err(error @ Error::WrongPort { .. }) => {
            steps.skipped("admission judges nobody's certificate");
            steps.failed(begun, error);
        }
        Err(Error::Refused { refusal, request_id }) => {
            let code = refusal.code;
            let error = Error::Refused { refusal, request_id };
            match code {
                ErrorCode::CertificateRefused => steps.failed(begun, error),
                _ if name.is_some() => {
                    accepted(steps, begun);
                    steps.failed(begun, error);
                }
                // What it was asked is no matter here; that it says no more than that is.
                ErrorCode::NotFound | ErrorCode::UnknownRequest => {
                    accepted(steps, begun);
                    return Some(channel);
                }
                _ => {
                    steps.ok(begun, vec![("says", ADMITTED.to_owned())]);
                    steps.failed(begun, error);
                }
            }
        }
        Err(error) => steps.failed(begun, error),
        Ok(details) => {
            accepted(steps, begun);
            if name.is_some() {
                steps.ok(begun, details);
            }
            return Some(channel);
        }
    }
    None
}

/// Proves what the prover has, and asks for the name after that.
async fn prove(steps: &mut Steps, channel: Channel, name: Option<&ResourceName>, prover: Prover) {
    let Some(channel) = ask(steps, channel, None).await else { return };
    let all = [
        (Needs { principal: true, freshness: false }, "a principal"),
        (Needs { principal: false, freshness: true }, "fresh evidence"),
    ];
    let has: Vec<_> = all.iter().filter_map(|(needs, what)| prover.can(*needs).map(|_| *what)).collect();
    let details = vec![("proven", has.join(" and "))];
    let (begun, mut channel) = (Instant::now(), channel.proving(prover));
    match channel.prove().await {
        Ok(()) => steps.ok(begun, details),
        Err(error) => return steps.failed(begun, error),
    }
    let Some(name) = name else { return };
    let begun = Instant::now();
    match channel.describe(Retrieve { name: name.clone(), version: None }).await {
        Ok(info) => steps.ok(begun, of_entry(name, &info)),
        Err(error) => steps.failed(begun, error),
    }
}

const ADMITTED: &str = "this machine is admitted";

fn accepted(steps: &mut Steps, begun: Instant) {
    steps.ok(begun, vec![("says", ADMITTED.to_owned())]);
    steps.ok_at(begun, begun, vec![("says", "it is a key service".to_owned())]);
}

fn of_entry(name: &ResourceName, info: &VersionInfo) -> Details {
    let says = match (info.state, info.exportable) {
        (State::There, true) => "it is there; whether it may be retrieved, only retrieving it says",
        (State::There, false) => "it is there, and not exportable: no retrieve returns it",
        (_, _) => "it can't be retrieved in this state",
    };
    vec![
        ("name", name.to_string()),
        ("version", info.version.get().to_string()),
        ("type", info.entry_type.to_string()),
        ("exportable", info.exportable.to_string()),
        ("state", info.state.as_str().to_owned()),
        ("says", says.to_owned()),
    ]
}
