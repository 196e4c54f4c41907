//! Stock admission on the other end: what it is sent, and what of its answers is kept.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;

use claviger_attest::{
    KeyAlgorithm, PolicyCertificate, Role, SNP_REPORT_LEN, SimulatedSnp, SimulatedSnpGuest, SnpProduct,
    sha384,
};
use claviger_client::certifier::{CertifierError, certify, recertify};
use claviger_client::evidence::sev_snp::simulated;
use claviger_client::{
    Address, Admitted, Collector, Enrollment, Error, LaunchTicket, Options, Phase, ProtocolFault, Renewal,
    RenewedKey,
};
use claviger_proto::evidence::{ReportInfo, SevAttestation, SignedReport, UserData};
use claviger_proto::key::{KeyMessage, MessageKey};
use claviger_proto::trust::{EvidencePackage, TrustRequest, TrustResponse};
use prost::Message as _;
use rustls_pki_types::UnixTime;
use support::admission::platform;
use support::stock::{Reply, admission, at, certificate, data, framed, patient};
use support::{Domain, hasty};

const VALID: (i64, i64) = (-1, 365);

/// An enrolment in this domain with this evidence.
async fn enrolled(
    domain: &Domain,
    evidence: &str,
    algorithm: KeyAlgorithm,
    address: &Address,
    options: &Options,
) -> Result<Admitted, Error> {
    let collector: Collector = evidence.parse().unwrap();
    let (domain, policy) = (&domain.name, &domain.policy);
    let enrollment = Enrollment { domain, policy, collector: &collector, ticket: None, algorithm };
    certify(address, &enrollment, options).await
}

/// With a simulated enclave, and a service that answers so.
async fn answered(
    domain: &Domain,
    answer: impl Fn(&[u8]) -> Reply + Send + 'static,
) -> Result<Admitted, Error> {
    let (dir, _) = platform();
    let (address, _) = admission(move |body| answer(body)).await;
    let evidence = format!("simulated-enclave:{}", dir.path().display());
    enrolled(domain, &evidence, KeyAlgorithm::Rsa2048, &address, &hasty()).await
}

/// The request's evidence, where all around it is as the stock client has it.
fn evidence(body: &[u8], submitted: &str) -> EvidencePackage {
    let (request, evidence) = TrustRequest::decode_body(body).unwrap();
    assert_eq!(request.submitted_evidence_type, submitted);
    assert_eq!((request.purpose.as_str(), request.new_key), ("authentication", None));
    assert_eq!(
        (request.requesting_enclave_tag.as_str(), request.providing_enclave_tag.as_str()),
        ("requesting-enclave", "providing-enclave")
    );
    assert_eq!(evidence.prover_type, "vse-verifier");
    evidence
}

/// The SPKI of the key that was said to live in an enclave of this type; nothing of ours was said along.
fn key_said(said: &[u8], enclave: &str) -> Vec<u8> {
    let said = UserData::decode(said).unwrap();
    assert_eq!(said.enclave_type.as_deref(), Some(enclave));
    assert!(said.time.is_some());
    assert_eq!((said.policy_key, said.binding, said.evidence_data), (None, None, None));
    match KeyMessage::decode(&said.enclave_key.unwrap()).unwrap().key {
        MessageKey::Public(key) => key.spki_der().to_vec(),
        _ => panic!("a public key"),
    }
}

/// What a simulated enclave said.
fn said_in_enclave(body: &[u8]) -> Vec<u8> {
    let package = evidence(body, "vse-attestation-package");
    assert_eq!(package.enclave_type, "simulated-enclave");
    let kinds: Vec<_> = package.items.iter().map(|item| item.evidence_type.as_str()).collect();
    assert_eq!(kinds, ["signed-claim", "signed-vse-attestation-report"]);
    let report = SignedReport::decode(package.items[1].serialized.as_slice()).unwrap();
    assert_eq!(report.signing_algorithm.as_deref(), Some("rsa-2048-sha256-pkcs-sign"));
    let info = ReportInfo::decode(report.report.unwrap().as_slice()).unwrap();
    // Stock admission looks at the years alone.
    let year = |time: Option<String>| time.unwrap()[..4].parse::<u16>().unwrap();
    assert!(year(info.not_before) < year(info.not_after));
    key_said(&info.user_data.unwrap(), "simulated-enclave")
}

fn admitted(certificate: Vec<u8>) -> Reply {
    framed(&TrustResponse::Admitted(certificate).encode_body(None))
}

#[tokio::test]
async fn a_simulated_enclave_is_certified_with_keys_of_each_size() {
    let (dir, _) = platform();
    let evidence = format!("simulated-enclave:{}", dir.path().display());
    for algorithm in [KeyAlgorithm::Rsa2048, KeyAlgorithm::Rsa3072] {
        let domain = Domain::new("fleet");
        let of = domain.clone();
        let answer = move |body: &[u8]| admitted(certificate(&of, &said_in_enclave(body), VALID));
        let (address, asked) = admission(answer).await;
        let Admitted { identity, peer } =
            enrolled(&domain, &evidence, algorithm, &address, &patient()).await.unwrap();
        assert_eq!((peer.role(), peer.extension()), (Role::Agent, None), "all else is unknown");
        assert_eq!(peer.measurement(), Some(&support::measurement()));
        assert!(identity.verify(UnixTime::now()).is_ok());
        // Again, with the key that there is, and with another.
        let collector: Collector = evidence.parse().unwrap();
        for (key, same) in [(RenewedKey::Kept, true), (RenewedKey::New(algorithm), false)] {
            let renewal = Renewal { identity: &identity, collector: &collector, ticket: None, key };
            let renewed = recertify(&address, &renewal, &patient()).await.unwrap().identity;
            assert_ne!(renewed.certificate(), identity.certificate());
            assert_eq!(renewed.key().pkcs8_der() == identity.key().pkcs8_der(), same);
        }
        assert_eq!(asked.lock().unwrap().len(), 3);
    }
}

/// The files of a simulated SEV-SNP platform.
fn snp_platform() -> tempfile::TempDir {
    let product = SnpProduct::Milan;
    let platform = SimulatedSnp::generate(product, None).unwrap();
    let guest = SimulatedSnpGuest {
        product,
        chip_id: platform.chip_id(),
        measurement: [0x5a; 48],
        host_data: [0; 32],
        guest_svn: 0,
        vmpl: 0,
        debug: false,
    };
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes, _) in simulated::files(&platform, &guest, UnixTime::now()).unwrap() {
        fs::write(dir.path().join(name), bytes.expose()).unwrap();
    }
    dir
}

#[tokio::test]
async fn a_report_says_the_hash_of_what_was_said_and_comes_with_its_chain() {
    let (dir, domain) = (snp_platform(), Domain::new("fleet"));
    let chain = ["ark.der", "ask.der", "vcek.der"].map(|name| fs::read(dir.path().join(name)).unwrap());
    let issuing = domain.clone();
    let (address, _) = admission(move |body| {
        let package = evidence(body, "sev-platform-package");
        assert_eq!(package.enclave_type, "sev-enclave");
        let kinds: Vec<_> = package.items.iter().map(|item| item.evidence_type.as_str()).collect();
        assert_eq!(kinds, ["cert", "cert", "cert", "sev-attestation"]);
        let sent: Vec<_> = package.items[..3].iter().map(|item| item.serialized.as_slice()).collect();
        assert_eq!(sent, chain.each_ref().map(Vec::as_slice));
        let attestation = SevAttestation::decode(package.items[3].serialized.as_slice()).unwrap();
        let (said, report) = (attestation.what_was_said.unwrap(), attestation.report.unwrap());
        assert_eq!(report.len(), SNP_REPORT_LEN);
        assert_eq!(report[0x50..0x80], sha384(&said));
        assert_eq!(report[0x80..0x90], [0; 16]);
        admitted(certificate(&issuing, &key_said(&said, "sev-enclave"), VALID))
    })
    .await;
    let evidence = format!("sev-snp:simulated={}", dir.path().display());
    let done = enrolled(&domain, &evidence, KeyAlgorithm::Rsa2048, &address, &patient()).await;
    assert!(done.is_ok(), "{:?}", done.err());
    // The same, where the report is made by hand.
    let by_hand = tempfile::tempdir().unwrap();
    let (here, from) = (by_hand.path().to_owned(), dir.path().to_owned());
    for name in ["ark.der", "ask.der", "vcek.der"] {
        fs::copy(from.join(name), here.join(name)).unwrap();
    }
    let answering = std::thread::spawn(move || answer_by_hand(&here));
    let evidence = format!("sev-snp:{}", by_hand.path().display());
    // The service above would look at another report than this stand-in's; it is a report of this request, and that is sent.
    let done = enrolled(&domain, &evidence, KeyAlgorithm::Rsa2048, &address, &patient()).await;
    answering.join().unwrap();
    assert!(done.is_ok(), "{:?}", done.err());
    // Without the chain there is nothing to send: stock admission looks for none.
    fs::remove_file(by_hand.path().join("ask.der")).unwrap();
    let here = by_hand.path().to_owned();
    let answering = std::thread::spawn(move || answer_by_hand(&here));
    let done = enrolled(&domain, &evidence, KeyAlgorithm::Rsa2048, &address, &patient()).await;
    answering.join().unwrap();
    let error = done.err().unwrap();
    assert_eq!(error.code(), "evidence");
    assert!(error.to_string().contains("ASK's certificate isn't with it"), "{error}");
}

/// Plays the platform's owner: makes one report for what is asked.
fn answer_by_hand(dir: &std::path::Path) {
    let asked = (0..2000).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(5));
        fs::read(dir.join("report-data.bin")).ok()
    });
    let mut report = vec![0x5a; SNP_REPORT_LEN];
    report[0x50..0x90].copy_from_slice(&asked.unwrap());
    fs::write(dir.join("report.bin"), report).unwrap();
}

#[tokio::test]
async fn a_refusal_says_that_the_service_gives_no_reason() {
    let domain = Domain::new("fleet");
    let error =
        answered(&domain, |_| Reply::Bytes(data("bad_signature.response.frame"))).await.err().unwrap();
    assert!(matches!(error, Error::Certifier(CertifierError::NotAdmitted { .. })), "{error}");
    assert_eq!((error.code(), error.exit_status()), ("attestation-refused", 6));
}

type Answer = Box<dyn Fn(&[u8]) -> Reply + Send>;

#[tokio::test]
async fn a_certificate_that_isn_t_this_machine_s_in_this_domain_is_not_kept() {
    let (domain, other) = (Domain::new("fleet"), Domain::new("fleet"));
    let brokers = domain.leaf(Role::Broker).certificate;
    let agents = domain.leaf(Role::Agent).certificate;
    let (expired, early, foreign) = (domain.clone(), domain.clone(), other);
    let wrong: [(Answer, &str); 6] = [
        (Box::new(move |_| admitted(agents.clone())), "names another key"),
        (Box::new(move |_| admitted(brokers.clone())), "isn't meant for this use"),
        (Box::new(|_| admitted(b"no DER".to_vec())), "can't be read"),
        (
            Box::new(move |body| admitted(certificate(&expired, &said_in_enclave(body), (-3, -1)))),
            "has expired",
        ),
        (
            Box::new(move |body| admitted(certificate(&early, &said_in_enclave(body), (1, 3)))),
            "isn't valid yet",
        ),
        (
            Box::new(move |body| admitted(certificate(&foreign, &said_in_enclave(body), VALID))),
            "isn't signed by",
        ),
    ];
    for (answer, word) in wrong {
        let error = answered(&domain, answer).await.err().unwrap();
        assert_eq!(error.code(), "protocol");
        assert!(error.to_string().contains(word), "{word}: {error}");
    }
}

/// 2027-01-15: within the captured certificates' dates.
const CAPTURED: u64 = 1_800_000_000;

#[tokio::test]
async fn a_captured_answer_verifies_up_to_the_key_which_is_another_s() {
    let policy = PolicyCertificate::from_der(&data("policy_cert.der")).unwrap();
    let dom0 = Domain { policy, ..Domain::new("dom0") };
    let (dir, _) = platform();
    let evidence = format!("simulated-enclave:{}", dir.path().display());
    let (address, _) = admission(|_| Reply::Bytes(data("simulated_rsa2048.response.frame"))).await;
    let key = KeyAlgorithm::Rsa2048;
    let error = enrolled(&dom0, &evidence, key, &address, &at(CAPTURED)).await.err().unwrap();
    assert!(matches!(error, Error::Protocol { fault: ProtocolFault::OtherKey, .. }), "{error}");
    let late = enrolled(&dom0, &evidence, key, &address, &at(CAPTURED + 86_400 * 365)).await.err().unwrap();
    assert!(matches!(late, Error::Protocol { fault: ProtocolFault::Certificate(_), .. }), "{late}");
}

#[tokio::test]
async fn what_isn_t_an_answer_ends_in_an_error_and_never_in_waiting() {
    let domain = Domain::new("fleet");
    let challenge = TrustResponse::Challenge([9; 32]).encode_body(None);
    let cases: [(Vec<u8>, &str); 8] = [
        (Vec::new(), "closed"),
        (vec![9, 0], "closed"),
        (vec![9, 0, 0, 0, 1], "closed"),
        (0_i32.to_le_bytes().to_vec(), "protocol"),
        ((-1_i32).to_le_bytes().to_vec(), "protocol"),
        ((1_i32 << 20).to_le_bytes().to_vec(), "protocol"),
        (vec![2, 0, 0, 0, 0xff, 0xff], "protocol"),
        ([&u32::try_from(challenge.len()).unwrap().to_le_bytes(), &challenge[..]].concat(), "protocol"),
    ];
    for (bytes, code) in cases {
        let told = bytes.clone();
        let error = answered(&domain, move |_| Reply::Bytes(bytes.clone())).await.err().unwrap();
        assert_eq!(error.code(), code, "{told:?}: {error}");
    }
    let error = answered(&domain, |_| Reply::Silence).await.err().unwrap();
    assert!(matches!(error, Error::Timeout { phase: Phase::Answer, .. }), "{error}");
}

#[tokio::test]
async fn what_stock_admission_has_no_place_for_is_refused_before_it_is_sent() {
    let domain = Domain::new("fleet");
    let (dir, _) = platform();
    let evidence = format!("simulated-enclave:{}", dir.path().display());
    let (address, asked) = admission(|_| Reply::Silence).await;
    for algorithm in [KeyAlgorithm::P256, KeyAlgorithm::P384, KeyAlgorithm::Ed25519] {
        let error = enrolled(&domain, &evidence, algorithm, &address, &hasty()).await.err().unwrap();
        assert_eq!((error.code(), error.exit_status()), ("peer-lacks", 3), "{algorithm}");
    }
    let file = dir.path().join("ticket");
    claviger_client::files::write_private(&file, format!("{}\n", "ab".repeat(32)).as_bytes()).unwrap();
    let ticket = LaunchTicket::read(&file).ok();
    let collector: Collector = evidence.parse().unwrap();
    let enrollment = Enrollment {
        domain: &domain.name,
        policy: &domain.policy,
        collector: &collector,
        ticket: ticket.as_ref(),
        algorithm: KeyAlgorithm::Rsa2048,
    };
    assert!(enrollment.ticket.is_some());
    assert_eq!(certify(&address, &enrollment, &hasty()).await.err().unwrap().code(), "peer-lacks");
    assert!(asked.lock().unwrap().is_empty());
}
