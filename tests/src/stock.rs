//! A stock program at admission: its evidence, made here and now, and its one exchange on plain TCP.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use claviger_attest::SigningKey;
use claviger_proto::evidence::{REPORT_FORMAT, ReportInfo, SignedReport, UserData};
use claviger_proto::key::{KeyMessage, MessageKey, read_private};
use claviger_proto::time_text::time_to_text;
use claviger_proto::trust::{EvidenceItem, EvidencePackage, TrustRequest};
use prost::Message as _;

use crate::channel::connect;
use crate::message::{TrustResponse, frame};

/// What a stock program says and has its platform report; a test changes what it wants to break.
pub struct Statement {
    /// What the enclave says.
    pub said: UserData,
    /// What its platform reports beside it.
    pub report: ReportInfo,
    /// What it asks for.
    pub purpose: String,
    /// As what it is submitted.
    pub submitted: String,
}

impl Statement {
    /// What `cf_utility` says for a new key on the simulated platform in `dir`.
    pub fn of(dir: &Path, key: &SigningKey) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let now = i64::try_from(now).expect("a time");
        let kind = || Some("simulated-enclave".to_owned());
        let key = KeyMessage::of("auth-key", MessageKey::Public(key.public().clone()));
        Self {
            said: UserData {
                enclave_type: kind(),
                time: Some(time_to_text(now)),
                enclave_key: Some(key.encode().to_vec()),
                ..UserData::default()
            },
            report: ReportInfo {
                enclave_type: kind(),
                measurement: Some(fs::read(dir.join("cf_utility.measurement")).expect("a measurement")),
                not_before: Some(time_to_text(now)),
                not_after: Some(time_to_text(now + 3600)),
                user_data: None,
            },
            purpose: "authentication".to_owned(),
            submitted: "vse-attestation-package".to_owned(),
        }
    }

    /// The same, said at another time.
    #[must_use]
    pub fn at(mut self, seconds_from_now: i64) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let time = i64::try_from(now).expect("a time") + seconds_from_now;
        self.said.time = Some(time_to_text(time));
        self
    }

    /// The request's body, signed by the platform in `dir`.
    pub fn request(mut self, dir: &Path) -> Vec<u8> {
        self.report.user_data = Some(self.said.encode_to_vec());
        let message = self.report.encode_to_vec();
        let file = fs::read(dir.join("attest_key_file.bin")).expect("an attestation key");
        let key = SigningKey::from_private(&read_private(&file).expect("a key").0).expect("a key that signs");
        let public = KeyMessage::of("attestKey", MessageKey::Public(key.public().clone()));
        let report = SignedReport {
            format: Some(REPORT_FORMAT.to_owned()),
            signing_key: Some(public.encode().to_vec()),
            signing_algorithm: Some("rsa-2048-sha256-pkcs-sign".to_owned()),
            signature: Some(key.sign(&message).expect("a signature")),
            report: Some(message),
        };
        let endorsement = fs::read(dir.join("platform_attest_endorsement.bin")).expect("an endorsement");
        let item = |kind: &str, serialized| EvidenceItem { evidence_type: kind.to_owned(), serialized };
        let evidence = EvidencePackage {
            prover_type: "vse-verifier".to_owned(),
            enclave_type: "simulated-enclave".to_owned(),
            items: vec![
                item("signed-claim", endorsement),
                item("signed-vse-attestation-report", report.encode_to_vec()),
            ],
        };
        let request = TrustRequest {
            requesting_enclave_tag: "requesting-enclave".to_owned(),
            providing_enclave_tag: "providing-enclave".to_owned(),
            submitted_evidence_type: self.submitted,
            purpose: self.purpose,
            support: Some(evidence),
            new_key: None,
        };
        request.encode_body()
    }
}

/// Sends these bytes and nothing more, and reads one response to the connection's end.
pub fn exchange(to: SocketAddr, bytes: &[u8]) -> io::Result<TrustResponse> {
    let mut tcp = connect(to)?;
    tcp.write_all(bytes)?;
    let mut header = [0; 4];
    tcp.read_exact(&mut header)?;
    let mut body = vec![0; usize::try_from(i32::from_le_bytes(header)).expect("a length")];
    tcp.read_exact(&mut body)?;
    // The client closes, in stock; ours ends its side too.
    drop(tcp.shutdown(Shutdown::Write));
    let mut rest = Vec::new();
    tcp.read_to_end(&mut rest)?;
    assert!(rest.is_empty(), "one response to a connection");
    let response = TrustResponse::read(&body);
    assert!(response.0.numbers().iter().all(|number| *number < 100), "{:?}", response.0);
    assert_eq!(
        (response.0.text(2), response.0.text(3)),
        (Some("requesting-enclave"), Some("providing-enclave"))
    );
    Ok(response)
}

/// One request, and what came of it; `None` for `failed`.
#[track_caller]
pub fn ask(to: SocketAddr, body: &[u8]) -> Option<Vec<u8>> {
    let response = exchange(to, &frame(body)).expect("a response");
    match response.status() {
        "succeeded" => Some(response.artifact().expect("an artifact").to_vec()),
        "failed" => None,
        other => panic!("{other}"),
    }
}
