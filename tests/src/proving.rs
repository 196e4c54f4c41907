//! Challenges on an open channel and their answers, by hand, so that a test can break one part.

use claviger_attest::{
    Binding, EXPORTER_LEN, Purpose, Role, SigningKey, certificate_spki, exporter_label, sha384,
    sign_as_principal,
};
use claviger_client::state::StateDir;
use claviger_proto::Secret;
use claviger_proto::key::PrivateKey;
use claviger_proto::trust::EvidencePackage;

use crate::broker::Broker;
use crate::certificate::pem;
use crate::channel::{Channel, Credentials};
use crate::fleet::{Fleet, Machine};
use crate::message::{Response, Writer, retrieve};

/// A channel of an agent, and what its bindings are made of.
pub struct Prover {
    /// The channel.
    pub channel: Channel,
    /// The agent's certificate and key.
    pub own: Credentials,
    policy: [u8; 48],
}

/// The parts of a binding that a test may have otherwise.
pub struct Parts {
    /// What it is for.
    pub purpose: Purpose,
    /// Who presents it.
    pub role: Role,
    /// The challenge.
    pub nonce: [u8; 32],
    /// The client's leaf.
    pub client: Vec<u8>,
    /// The server's leaf.
    pub server: Vec<u8>,
    /// A key that it is about, SPKI.
    pub spki: Option<Vec<u8>>,
    /// SHA-384 of the policy certificate.
    pub policy: [u8; 48],
    /// The channel's exporter.
    pub exporter: [u8; EXPORTER_LEN],
}

/// What a test changes of a binding, and what it is then.
pub type Change<'a> = (&'static str, Box<dyn Fn(&mut Parts) + 'a>);

impl Parts {
    /// The binding.
    pub fn digest(&self) -> [u8; 64] {
        let spki = self.spki.as_deref().map(sha384);
        let binding = Binding {
            role: self.role,
            purpose: self.purpose,
            policy_digest: &self.policy,
            nonce: &self.nonce,
            client_leaf: &sha384(&self.client),
            server_leaf: &sha384(&self.server),
            new_spki: spki.as_ref(),
            exporter: &self.exporter,
        };
        binding.digest()
    }
}

impl Prover {
    /// Opens a channel as this agent.
    pub fn open(broker: &Broker, fleet: &Fleet, own: &Credentials) -> Self {
        let channel = Channel::ours(broker.listen, &fleet.name, own);
        Self { channel, own: own.clone(), policy: *fleet.policy.digest() }
    }

    /// Opens a channel as a machine that has enrolled.
    pub fn of(broker: &Broker, fleet: &Fleet, machine: &Machine) -> Self {
        Self::open(broker, fleet, &machine.credentials())
    }

    /// Asks for this resource, which must be answered with a challenge: what it asks for.
    #[track_caller]
    pub fn challenged(&mut self, name: &str) -> [u8; 32] {
        self.channel.request(&retrieve(name)).refused("proof-needed").nonce()
    }

    /// A challenge that no request needs.
    pub fn challenge(&mut self) -> [u8; 32] {
        self.channel.request(&Writer::new().bytes(2, "challenge").done()).nonce()
    }

    /// What an answer to this challenge is bound to.
    pub fn parts(&self, purpose: Purpose, nonce: [u8; 32]) -> Parts {
        let exporter = self
            .channel
            .tls()
            .export_keying_material([0; EXPORTER_LEN], exporter_label(Role::Agent), Some(&nonce))
            .expect("an exporter");
        Parts {
            purpose,
            role: Role::Agent,
            nonce,
            client: self.own.certificate.clone(),
            server: self.channel.server_leaf(),
            spki: None,
            policy: self.policy,
            exporter,
        }
    }

    /// The key of this channel, SPKI.
    pub fn spki(&self) -> Vec<u8> {
        spki(&self.own.certificate)
    }

    /// The message with this machine's evidence for this challenge, with nothing wrong.
    pub fn fresh(&self, machine: &Machine, nonce: [u8; 32]) -> Vec<u8> {
        let binding = self.parts(Purpose::Freshness, nonce).digest();
        freshness(&machine.evidence(&self.spki(), &binding))
    }

    /// The message with these credentials for this challenge, with nothing wrong.
    pub fn signed(&self, chain: &[&Credentials], nonce: [u8; 32]) -> Vec<u8> {
        let parts =
            Parts { spki: Some(spki(&chain[0].certificate)), ..self.parts(Purpose::Principal, nonce) };
        signed_nonce(chain, &signature(chain[0], &parts.digest()))
    }

    /// Proves freshness, which must succeed.
    #[track_caller]
    pub fn prove_fresh(&mut self, machine: &Machine) -> &mut Self {
        let nonce = self.challenge();
        let body = self.fresh(machine, nonce);
        self.channel.request(&body).ok();
        self
    }

    /// Asks for a resource.
    pub fn retrieve(&mut self, name: &str) -> Response {
        self.channel.request(&retrieve(name))
    }
}

impl Machine {
    /// The certificate and key with which it enrolled.
    pub fn credentials(&self) -> Credentials {
        let identity = StateDir::new(&self.state).identity().expect("an identity");
        let (certificate, key) = (identity.certificate().to_vec(), identity.key().pkcs8_der().to_vec());
        Credentials { certificate, key }
    }
}

/// The SPKI that a certificate names.
pub fn spki(certificate: &[u8]) -> Vec<u8> {
    certificate_spki(certificate).expect("a certificate")
}

/// What a principal signs.
pub fn signature(by: &Credentials, binding: &[u8; 64]) -> Vec<u8> {
    let key = PrivateKey::from_pkcs8_der(Secret::copy_from(&by.key)).expect("a private key");
    sign_as_principal(&SigningKey::from_private(&key).expect("a key that signs"), binding).expect("signed")
}

/// A message with fresh evidence.
pub fn freshness(evidence: &EvidencePackage) -> Vec<u8> {
    let package = Writer::new().bytes(1, &evidence.prover_type).bytes(2, &evidence.enclave_type);
    let package = evidence.items.iter().fold(package, |package, item| {
        package.bytes(3, Writer::new().bytes(1, &item.evidence_type).bytes(2, &item.serialized).done())
    });
    let message = Writer::new().bytes(2, "freshness").bytes(108, "vse-attestation-package");
    message.bytes(109, package.done()).done()
}

/// A message with credentials and their signature.
pub fn signed_nonce(chain: &[&Credentials], signature: &[u8]) -> Vec<u8> {
    let chain: String = chain.iter().map(|own| pem("CERTIFICATE", &own.certificate)).collect();
    Writer::new().bytes(2, "signed-nonce").bytes(5, signature).bytes(6, chain).done()
}
