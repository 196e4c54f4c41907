//! A simulated platform, and an admission service that judges it.

use std::fs;
use std::sync::Arc;

use aws_lc_rs::digest;
use claviger_attest::{
    AdmissionIssuer, Binding, EXPORTER_LEN, EvidenceKind, Expected, Purpose, ReferenceValue, ReferenceValues,
    Role, SimulatedPlatform, TrustPolicy, exporter_label, verify,
};
use claviger_proto::ErrorCode;
use claviger_proto::key::PublicKey;
use claviger_proto::key_service::Refusal;
use claviger_proto::trust::{TrustRequest, TrustResponse};
use rustls_pki_types::UnixTime;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::{Domain, linger, measurement, read_frame, write_frame};

pub(crate) const NONCE: [u8; 32] = [9; 32];

/// A simulated platform's directory, and the reference values that trust it.
pub(crate) fn platform() -> (tempfile::TempDir, ReferenceValues) {
    let dir = tempfile::tempdir().unwrap();
    let platform = SimulatedPlatform::generate(measurement(), None, UnixTime::now()).unwrap();
    for (name, bytes) in platform.files().unwrap() {
        fs::write(dir.path().join(name), bytes.expose()).unwrap();
    }
    let root = platform.root().unwrap().clone();
    let kind = EvidenceKind::SimulatedEnclave;
    let mut references = ReferenceValues::default();
    references.add(ReferenceValue::new(kind, measurement(), None, vec![root]).unwrap());
    (dir, references)
}

pub(crate) fn sha384(bytes: &[u8]) -> [u8; 48] {
    digest::digest(&digest::SHA384, bytes).as_ref().try_into().unwrap()
}

/// What a broker computes for this channel.
pub(crate) fn binding(
    domain: &Domain,
    stream: &TlsStream<TcpStream>,
    server: &[u8],
    spki: &[u8],
) -> [u8; 64] {
    let (_, tls) = stream.get_ref();
    let client = tls.peer_certificates().unwrap()[0].clone();
    let exporter =
        tls.export_keying_material([0; EXPORTER_LEN], exporter_label(Role::Agent), Some(&NONCE)).unwrap();
    let binding = Binding {
        role: Role::Agent,
        purpose: Purpose::Enroll,
        policy_digest: domain.policy.digest(),
        nonce: &NONCE,
        client_leaf: &sha384(&client),
        server_leaf: &sha384(server),
        new_spki: Some(&sha384(spki)),
        exporter: &exporter,
    };
    binding.digest()
}

/// The key that the client's certificate on this channel names.
pub(crate) fn client_key(stream: &TlsStream<TcpStream>) -> PublicKey {
    let client = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
    PublicKey::from_spki_der(&spki_of(&client)).unwrap()
}

pub(crate) fn spki_of(certificate: &[u8]) -> Vec<u8> {
    rustls::server::ParsedCertificate::try_from(&certificate.to_vec().into())
        .unwrap()
        .subject_public_key_info()
        .to_vec()
}

pub(crate) async fn challenge(stream: &mut TlsStream<TcpStream>) {
    write_frame(stream, &TrustResponse::Challenge(NONCE).encode_body(Some("r1"))).await;
}

/// Admits as a broker does.
pub(crate) async fn admit(
    domain: Arc<Domain>,
    leaf: Vec<u8>,
    references: ReferenceValues,
    mut stream: TlsStream<TcpStream>,
) {
    challenge(&mut stream).await;
    let body = read_frame(&mut stream).await.unwrap();
    let (request, evidence) = TrustRequest::decode_body(&body).unwrap();
    assert_eq!(request.purpose, "authentication");
    let spki = client_key(&stream).spki_der().to_vec();
    let binding = binding(&domain, &stream, &leaf, &spki);
    let expected = Expected { binding: &binding, spki: &spki };
    let now = UnixTime::now();
    let answer = match verify(&request.submitted_evidence_type, &evidence, &references, &expected, now) {
        Ok(attested) => {
            let attested = TrustPolicy::default().identify(attested, None).unwrap();
            let issuer: AdmissionIssuer = domain.issuer.clone().into_admission();
            TrustResponse::Admitted(issuer.admit(&attested, now).unwrap())
        }
        Err(error) => TrustResponse::Refused(Refusal::new(ErrorCode::AttestationRefused, error.to_string())),
    };
    write_frame(&mut stream, &answer.encode_body(Some("r2"))).await;
    linger(stream).await;
}
