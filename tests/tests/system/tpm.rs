//! Machines with a TPM: swtpm, spoken to by tpm2-tools, as a machine's owner and a machine's agent would.

use std::fs;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use claviger_attest::{CertificateFacts, KeyAlgorithm, SigningKey, sha256};
use claviger_proto::evidence::{TpmAttestation, UserData};
use claviger_proto::key::{KeyMessage, MessageKey};
use claviger_proto::time_text::time_to_text;
use claviger_proto::trust::{EvidenceItem, EvidencePackage, TrustRequest};
use claviger_tests::broker::Broker;
use claviger_tests::fleet::{Fleet, retrieve, store};
use claviger_tests::programs::{Call, command};
use claviger_tests::stock::ask;
use claviger_tests::swtpm::{QUOTE_KEY, SwTpm};
use prost::Message as _;
use serde_json::Value;

const PCRS: &str = "sha256:0,7";

/// A broker with a domain, and a machine with a TPM whose quote key the domain's owner certified.
struct World {
    tpm: SwTpm,
    broker: Broker,
    fleet: Fleet,
}

impl World {
    fn new(algorithm: &str, scheme: &str) -> Option<Self> {
        let tpm = SwTpm::start()?;
        // What firmware would measure.
        tpm.tool("tpm2_pcrextend", &format!("7:sha256={}", "5a".repeat(32))).done();
        tpm.quote_key(algorithm, scheme);
        let broker = Broker::start();
        let fleet = Fleet::create(&broker, "fleet", "members");
        let world = Self { tpm, broker, fleet };
        world.certified();
        Some(world)
    }

    /// The two passes.
    fn certified(&self) {
        let tpm = &self.tpm;
        challenge(tpm, "activation").run().ok();
        tpm.activate(&tpm.path("activation/credential.bin")).done();
        fs::create_dir_all(self.evidence()).unwrap();
        self.certify("activation", "secret.bin")
            .with("--out", self.evidence().join("quote-cert.pem"))
            .run()
            .ok();
        fs::write(self.evidence().join("pcrs"), PCRS).unwrap();
        fs::write(self.evidence().join("quote-key.handle"), QUOTE_KEY).unwrap();
    }

    fn certify(&self, activation: &str, secret: &str) -> Call {
        command("key-admin")
            .args("tpm certify")
            .with("--activation", self.tpm.path(activation).join("activation.json"))
            .with("--secret", self.tpm.path(secret))
            .with("--domain", &self.fleet.name)
            .with("--policy-key", &self.fleet.policy_key)
    }

    fn evidence(&self) -> PathBuf {
        self.tpm.path("evidence")
    }

    /// What the machine's registers hold now, as its owner reads it from a quote.
    fn measurement(&self) -> Value {
        self.tpm.quote(self.tpm.dir(), PCRS, "00").done();
        let show = command("key-admin").args("attest show --kind tpm");
        show.with("--report", self.tpm.path("quote.bin")).run().ok()["claims"].take()
    }

    fn trust(&self, pcrs: &str) -> Call {
        let measurement = self.measurement()["measurement"].as_str().unwrap().to_owned();
        let add = self.broker.admin("trust add --domain fleet --kind tpm").with("--measurement", measurement);
        add.with("--pcrs", pcrs).with("--attest-root", &self.fleet.policy_key)
    }

    fn agent(&self, verb: &str, source: &str) -> Call {
        command("key-client")
            .arg(verb)
            .with("--admission", self.broker.admission.to_string())
            .with("--evidence", format!("tpm:{source}{}", self.evidence().display()))
            .with("--state-dir", self.tpm.path("machine"))
            .env("TPM2TOOLS_TCTI", self.tpm.tcti())
    }

    fn enroll(&self, source: &str) -> Call {
        self.agent("enroll", source).with("--domain", "fleet").with("--policy-cert", &self.fleet.policy_cert)
    }
}

/// `key-admin tpm challenge` for the quote key of this TPM, by the certificate of its endorsement key.
fn challenge(tpm: &SwTpm, out: &str) -> Call {
    tpm.tool("tpm2_getekcertificate", "-o ek.der").done();
    command("key-admin")
        .args("tpm challenge")
        .with("--ek-cert", tpm.path("ek.der"))
        .with("--ek-root", tpm.path("ca/swtpm-localca-rootca-cert.pem"))
        .with("--ek-chain", tpm.path("ca/issuercert.pem"))
        .with("--ak-pub", tpm.path("ak.pub"))
        .with("--out-dir", tpm.path(out))
}

#[test]
fn a_machine_enrols_by_its_tpm_renews_by_hand_and_ends_where_it_measures_something_else() {
    let Some(world) = World::new("ecc256", "ecdsa") else { return };
    let World { tpm, broker, fleet } = &world;
    // Nothing is trusted yet.
    world.enroll("tools=").run().failed(6).is("attestation-refused");
    // The digest of other registers than are quoted.
    world.trust("sha256:7").run().ok();
    world.enroll("tools=").run().failed(6).says(&["sha256:0,7"]);
    let trusted = world.trust(PCRS).run().ok();
    assert_eq!(trusted["pcrs"], PCRS);
    world.enroll("tools=").run().ok();
    let state = tpm.path("machine");
    let status = || command("key-client").arg("status").with("--state-dir", &state).run().ok();
    assert_eq!(status()["certificate"]["measurement"], trusted["measurement"]);
    store(broker, &state, "disks/a", b"secret").run().ok();
    let got = retrieve(broker, &state, "disks/a").args("--out -").run_text();
    assert_eq!(got.stdout(), b"secret", "{got}");

    // By hand, as a person in another shell would.
    let before = status()["certificate"]["fingerprint"].clone();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let asked = (0..3000).find_map(|_| {
                std::thread::sleep(std::time::Duration::from_millis(10));
                fs::read(world.evidence().join("qualifying-data.bin")).ok()
            });
            tpm.quote(&world.evidence(), PCRS, &hex::encode(asked.expect("a request"))).done();
        });
        world.agent("renew", "").run().ok();
    });
    assert_ne!(status()["certificate"]["fingerprint"], before);

    // Something else is measured; the old digest is no longer what the machine can quote.
    tpm.tool("tpm2_pcrextend", &format!("7:sha256={}", "01".repeat(32))).done();
    world.agent("renew", "tools=").run().failed(6).is("attestation-refused");
    fleet.verify_audit(broker);
}

#[test]
fn each_kind_of_quote_key_is_activated_and_quotes() {
    for (algorithm, scheme) in [("rsa", "rsassa"), ("ecc384", "ecdsa")] {
        let Some(world) = World::new(algorithm, scheme) else { return };
        world.trust(PCRS).run().ok();
        world.enroll("tools=").run().ok();
    }
}

#[test]
fn t26_only_the_tpm_that_holds_both_keys_opens_a_credential() {
    let Some(world) = World::new("ecc256", "ecdsa") else { return };
    let tpm = &world.tpm;
    let out = |name: &str| tpm.path(name);
    // The secret of an activation is that one's alone.
    challenge(tpm, "again").run().ok();
    let certify = world.certify("again", "secret.bin").with("--out", out("other.pem")).run();
    certify.failed(3).says(&["secret"]);
    // Another quote key in the same TPM: the credential is for another name.
    fs::rename(tpm.path("ak.pub"), tpm.path("first.pub")).unwrap();
    tpm.quote_key("ecc256", "ecdsa");
    tpm.activate(&out("again/credential.bin")).failed();
    // The same quote key's public area, of which one attribute is said otherwise.
    let mut lied = fs::read(tpm.path("ak.pub")).unwrap();
    lied[9] ^= 1 << 6;
    fs::write(tpm.path("ak.pub"), lied).unwrap();
    challenge(tpm, "lied").run().ok();
    tpm.activate(&out("lied/credential.bin")).failed();
    // A quote key of another TPM.
    let Some(other) = SwTpm::start() else { return };
    other.quote_key("ecc256", "ecdsa");
    fs::copy(other.path("ak.pub"), tpm.path("ak.pub")).unwrap();
    challenge(tpm, "foreign").run().ok();
    tpm.activate(&out("foreign/credential.bin")).failed();
    other.activate(&out("foreign/credential.bin")).failed();
    // Another maker's root.
    fs::copy(other.path("ca/swtpm-localca-rootca-cert.pem"), tpm.path("ca/swtpm-localca-rootca-cert.pem"))
        .unwrap();
    challenge(tpm, "rootless").run().failed(3).says(&["none of the roots", "--ek-root"]);
    assert!(!out("rootless").exists(), "what is refused leaves nothing");
    // A key that signs anything.
    tpm.tool("tpm2_createprimary", "-C e -c primary.ctx").done();
    let attributes = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign";
    let make = format!("-C primary.ctx -G rsa:rsassa-sha256 -u ak.pub -r ak.priv -a {attributes}");
    tpm.tool("tpm2_create", &make).done();
    fs::copy(tpm.path("ca/issuercert.pem"), tpm.path("ca/swtpm-localca-rootca-cert.pem")).unwrap();
    challenge(tpm, "anything").run().failed(3).says(&["restricted"]);
}

#[test]
fn an_endorsement_key_counts_by_its_fingerprint_where_there_is_no_certificate() {
    let Some(world) = World::new("ecc256", "ecdsa") else { return };
    let tpm = &world.tpm;
    let challenge = |fingerprint: &str, out: &str| {
        let call = command("key-admin").args("tpm challenge").with("--ek-pub", tpm.path("ek.pub"));
        let call = call.with("--ek-fingerprint", fingerprint).with("--ak-pub", tpm.path("ak.pub"));
        call.with("--out-dir", tpm.path(out)).run()
    };
    challenge(&"00".repeat(32), "wrong").failed(3).says(&["fingerprint"]);
    let kept: Value =
        serde_json::from_slice(&fs::read(tpm.path("activation/activation.json")).unwrap()).unwrap();
    challenge(kept["endorsement_key"].as_str().unwrap(), "known").ok();
    tpm.activate(&tpm.path("known/credential.bin")).done();
    world.certify("known", "secret.bin").with("--out", tpm.path("known.pem")).run().ok();
}

/// What `cf_utility` asks for with `--enclave_type=tpm-enclave`.
fn stock_request(world: &World, pcrs: &str) -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let key = SigningKey::generate(KeyAlgorithm::Rsa2048).unwrap();
    let key = KeyMessage::of("auth-key", MessageKey::Public(key.public().clone()));
    let said = UserData {
        enclave_type: Some("tpm-enclave".to_owned()),
        time: Some(time_to_text(i64::try_from(now).unwrap())),
        enclave_key: Some(key.encode().to_vec()),
        ..UserData::default()
    };
    let said = said.encode_to_vec();
    let tpm = &world.tpm;
    tpm.quote(tpm.dir(), pcrs, &hex::encode(sha256(&said))).done();
    let attestation = TpmAttestation {
        what_was_said: Some(said),
        quote: Some(fs::read(tpm.path("quote.bin")).unwrap()),
        signing_algorithm: Some("RSA-2048-SSA-SHA-256".to_owned()),
        // Without which algorithm, which hash, and its length.
        signature: Some(fs::read(tpm.path("signature.bin")).unwrap()[6..].to_vec()),
    };
    let certificate = fs::read(world.evidence().join("quote-cert.pem")).unwrap();
    let item = |kind: &str, serialized| EvidenceItem { evidence_type: kind.to_owned(), serialized };
    let evidence = EvidencePackage {
        prover_type: "vse-verifier".to_owned(),
        enclave_type: "tpm-enclave".to_owned(),
        items: vec![
            item("cert", claviger_tests::certificate::unpem(&certificate)),
            item("tpm-attestation", attestation.encode_to_vec()),
        ],
    };
    let request = TrustRequest {
        requesting_enclave_tag: "requesting-enclave".to_owned(),
        providing_enclave_tag: "providing-enclave".to_owned(),
        submitted_evidence_type: "tpm-platform-package".to_owned(),
        purpose: "authentication".to_owned(),
        support: Some(evidence),
        new_key: None,
    };
    request.encode_body()
}

#[test]
fn a_stock_program_is_admitted_by_its_tpm_once_and_by_the_trusted_registers_only() {
    let Some(world) = World::new("rsa", "rsassa") else { return };
    world.trust(PCRS).run().ok();
    world.fleet.allow_all_stock(&world.broker);
    let request = stock_request(&world, PCRS);
    let certificate = ask(world.broker.admission, &request).expect("it is admitted");
    let measurement = CertificateFacts::read(&certificate).unwrap().measurement.unwrap();
    assert_eq!(world.measurement()["measurement"], measurement.to_string());
    assert_eq!(ask(world.broker.admission, &request), None, "the same again");
    assert_eq!(ask(world.broker.admission, &stock_request(&world, "sha256:7")), None);
    ask(world.broker.admission, &stock_request(&world, PCRS)).expect("it is admitted again");
    // Our own agent, as one that speaks to a stock certifier.
    let told = world.enroll("tools=").args("--peer certifier").run().ok();
    assert_eq!(told["measurement"], measurement.to_string());
    world.fleet.verify_audit(&world.broker);
}
