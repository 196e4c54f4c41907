//! An admission by hand, step by step, so that a test can break one of the steps.

use std::fs;

use claviger_attest::{
    Binding, EXPORTER_LEN, EvidenceKind, KeyAlgorithm, Purpose, Role, SigningKey, SimulatedPlatform,
    exporter_label, prove_possession, self_signed_agent, sha384,
};
use claviger_proto::Secret;
use claviger_proto::key::PrivateKey;
use claviger_proto::trust::{EvidencePackage, KeyToCertify, TrustRequest};
use rustls::pki_types::UnixTime;

use crate::broker::Broker;
use crate::channel::{Channel, Credentials, Hello};
use crate::fleet::{Fleet, Machine};
use crate::message::TrustResponse;

/// An admission that has come to its challenge.
pub struct Admission {
    channel: Channel,
    nonce: [u8; 32],
    leaf: Vec<u8>,
    key: SigningKey,
    policy: [u8; 48],
}

impl Admission {
    /// Makes a key, connects with it, and waits for the challenge.
    pub fn begin(broker: &Broker, fleet: &Fleet) -> Self {
        let key = SigningKey::generate(KeyAlgorithm::P256).expect("a key");
        let leaf = self_signed_agent(&key, UnixTime::now()).expect("a certificate");
        Self::begin_with(broker, fleet, key, leaf)
    }

    /// Connects as who a machine is already, and waits for the challenge.
    pub fn begin_as(broker: &Broker, fleet: &Fleet, own: &Credentials) -> Self {
        let key = PrivateKey::from_pkcs8_der(Secret::copy_from(&own.key)).expect("a private key");
        let key = SigningKey::from_private(&key).expect("a key that signs");
        Self::begin_with(broker, fleet, key, own.certificate.clone())
    }

    fn begin_with(broker: &Broker, fleet: &Fleet, key: SigningKey, leaf: Vec<u8>) -> Self {
        let own = Credentials { certificate: leaf.clone(), key: key.pkcs8_der().to_vec() };
        let mut channel =
            Channel::connect(broker.admission, &Hello::ours(&fleet.name), Some(&own)).expect("a channel");
        let challenge = TrustResponse::read(&channel.receive().expect("a challenge"));
        assert_eq!(challenge.status(), "request-further-authentication");
        let nonce = challenge.artifact().and_then(|nonce| nonce.try_into().ok()).expect("a nonce");
        Self { channel, nonce, leaf, key, policy: *fleet.policy.digest() }
    }

    /// The SPKI of the key that is to be certified.
    pub fn spki(&self) -> Vec<u8> {
        self.key.public().spki_der().to_vec()
    }

    /// What evidence has to carry on this channel.
    pub fn binding(&self) -> [u8; 64] {
        self.binding_with(&self.nonce)
    }

    /// What the evidence of a renewal has to carry on this channel, for this new key.
    pub fn renewal_binding(&self, new: &SigningKey) -> [u8; 64] {
        self.binding_of(Purpose::Renew, &self.leaf, new.public().spki_der(), &self.nonce)
    }

    /// The same for another nonce than this channel's.
    pub fn binding_with(&self, nonce: &[u8; 32]) -> [u8; 64] {
        self.binding_of(Purpose::Enroll, &self.leaf, self.key.public().spki_der(), nonce)
    }

    /// The same for another purpose, leaf, key or nonce.
    pub fn binding_of(&self, purpose: Purpose, leaf: &[u8], spki: &[u8], nonce: &[u8; 32]) -> [u8; 64] {
        self.binding_as(Role::Agent, purpose, leaf, spki, nonce)
    }

    /// The same for another role.
    pub fn binding_as(
        &self,
        role: Role,
        purpose: Purpose,
        leaf: &[u8],
        spki: &[u8],
        nonce: &[u8; 32],
    ) -> [u8; 64] {
        let exporter = self
            .channel
            .tls()
            .export_keying_material([0; EXPORTER_LEN], exporter_label(role), Some(nonce))
            .expect("an exporter");
        let binding = Binding {
            role,
            purpose,
            policy_digest: &self.policy,
            nonce,
            client_leaf: &sha384(leaf),
            server_leaf: &sha384(&self.channel.server_leaf()),
            new_spki: Some(&sha384(spki)),
            exporter: &exporter,
        };
        binding.digest()
    }

    /// This end's certificate, DER.
    pub fn leaf(&self) -> &[u8] {
        &self.leaf
    }

    /// The channel's nonce.
    pub fn nonce(&self) -> [u8; 32] {
        self.nonce
    }

    /// Sends a message, whatever it is, and reads the answer.
    pub fn send(&mut self, body: &[u8]) -> TrustResponse {
        self.channel.send(body).expect("it is sent");
        TrustResponse::read(&self.channel.receive().expect("an answer"))
    }

    /// Submits evidence and reads the answer.
    pub fn submit(&mut self, evidence: EvidencePackage) -> TrustResponse {
        self.send(&request(evidence, "authentication"))
    }

    /// The channel, for what comes after.
    pub fn channel(&mut self) -> &mut Channel {
        &mut self.channel
    }

    /// The key, with a certificate that names it.
    pub fn credentials(&self, certificate: &[u8]) -> Credentials {
        Credentials { certificate: certificate.to_vec(), key: self.key.pkcs8_der().to_vec() }
    }
}

/// A request for the next certificate, for a new key that signs `proven`.
pub fn renewal(evidence: EvidencePackage, new: &SigningKey, proven: &[u8; 64]) -> Vec<u8> {
    let proof = prove_possession(new, proven).expect("a proof");
    let new_key = Some(KeyToCertify { spki: new.public().spki_der().to_vec(), proof });
    TrustRequest { new_key, ..message(evidence, "renewal") }.encode_body()
}

/// A request for a certificate.
pub fn request(evidence: EvidencePackage, purpose: &str) -> Vec<u8> {
    message(evidence, purpose).encode_body()
}

fn message(evidence: EvidencePackage, purpose: &str) -> TrustRequest {
    TrustRequest {
        requesting_enclave_tag: "requesting-enclave".to_owned(),
        providing_enclave_tag: "providing-enclave".to_owned(),
        submitted_evidence_type: submitted_type(&evidence).to_owned(),
        purpose: purpose.to_owned(),
        support: Some(evidence),
        new_key: None,
    }
}

/// The type that evidence of its kind is submitted as.
pub fn submitted_type(evidence: &EvidencePackage) -> &'static str {
    let kind = evidence.enclave_type.parse::<EvidenceKind>();
    kind.map_or("vse-attestation-package", EvidenceKind::submitted_evidence_type)
}

impl Machine {
    /// What its platform signs about this key and binding.
    pub fn evidence(&self, spki: &[u8], binding: &[u8; 64]) -> EvidencePackage {
        self.evidence_with(spki, binding, None)
    }

    /// The same, with this user data.
    pub fn evidence_with(
        &self,
        spki: &[u8],
        binding: &[u8; 64],
        user_data: Option<&[u8]>,
    ) -> EvidencePackage {
        let file = |name: &str| fs::read(self.platform.join(name)).expect(name);
        let (key, endorsement) = (file("attest_key_file.bin"), file("platform_attest_endorsement.bin"));
        SimulatedPlatform::from_files(&key, &file("cf_utility.measurement"), &endorsement)
            .expect("a platform")
            .evidence_with(spki, binding, user_data, UnixTime::now())
            .expect("evidence")
    }
}
