//! A domain with its machines, as an owner has them: files, and a broker that serves it.

use std::fs;
use std::path::{Path, PathBuf};

use claviger_attest::{Issuer, KeyAlgorithm, Measurement, PolicyCertificate, Role, SigningKey};
use claviger_client::Identity;
use claviger_client::state::StateDir;
use claviger_proto::key::PrivateKey;
use claviger_proto::{DomainName, Secret};
use rustls::pki_types::UnixTime;
use serde_json::Value;

use crate::broker::Broker;
use crate::certificate::{Authority, unpem};
use crate::channel::{Channel, Credentials};
use crate::programs::{Call, Run, command};

/// A domain of a broker, and its owner's files.
pub struct Fleet {
    /// Its name.
    pub name: String,
    /// The policy key's file.
    pub policy_key: PathBuf,
    /// The policy certificate's file.
    pub policy_cert: PathBuf,
    /// The policy certificate.
    pub policy: PolicyCertificate,
    dir: PathBuf,
}

/// A machine: a simulated platform, and a place for its state.
pub struct Machine {
    /// The platform's files.
    pub platform: PathBuf,
    /// Where its agent keeps its state.
    pub state: PathBuf,
    /// What it runs, hex.
    pub measurement: String,
    /// The file that a domain trusts it by.
    pub root: PathBuf,
}

impl Fleet {
    /// Makes a policy key (P-256, for speed) and a domain of this name.
    pub fn create(broker: &Broker, name: &str, preset: &str) -> Self {
        let fleet = Self::generate(broker.dir(), name, "--algorithm p256");
        fleet.create_on(broker, preset).ok();
        fleet
    }

    /// Makes a policy key only.
    pub fn generate(dir: &Path, name: &str, options: &str) -> Self {
        let dir = dir.join(name);
        let generate = command("key-admin").args("policy-key generate").args(options);
        let made = generate.with("--domain", name).with("--out-dir", &dir).run().ok();
        let path = |key: &str| PathBuf::from(made[key].as_str().expect(key));
        Self::of_files(name, &dir, path("policy_key"), path("policy_certificate"))
    }

    /// A domain whose policy key and certificate a test made itself.
    pub fn of(dir: &Path, name: &str, policy: &Authority) -> Self {
        let dir = dir.join(name);
        fs::create_dir_all(&dir).expect("a directory");
        let (key, certificate) = (dir.join("policy-key.pem"), dir.join("policy-cert.pem"));
        fs::write(&key, policy.key_pem()).expect("a key file");
        fs::write(&certificate, policy.certificate_pem()).expect("a certificate file");
        Self::of_files(name, &dir, key, certificate)
    }

    fn of_files(name: &str, dir: &Path, policy_key: PathBuf, policy_cert: PathBuf) -> Self {
        let bytes = fs::read(&policy_cert).expect("the policy certificate");
        let der = if bytes.starts_with(b"-----") { unpem(&bytes) } else { bytes };
        let policy = PolicyCertificate::from_der(&der).expect("a policy certificate");
        Self { name: name.to_owned(), policy_key, policy_cert, policy, dir: dir.to_owned() }
    }

    /// Lets stock programs store and retrieve in it.
    pub fn allow_stock(&self, broker: &Broker) {
        broker.admin("domain stock allow").arg(&self.name).run().ok();
    }

    /// Lets stock programs do all that they can.
    pub fn allow_all_stock(&self, broker: &Broker) {
        broker.admin("domain stock allow").arg(&self.name).args("key-service admission").run().ok();
    }

    /// Creates the domain on a broker.
    pub fn create_on(&self, broker: &Broker, preset: &str) -> Run {
        let create = broker.admin("domain create").arg(&self.name).with("--preset", preset);
        create.with("--policy-key", &self.policy_key).with("--policy-cert", &self.policy_cert).run()
    }

    /// The domain's name, as the crates have it.
    pub fn domain(&self) -> DomainName {
        self.name.parse().expect("a domain name")
    }

    /// The policy key with its certificate, to make any certificate with.
    pub fn authority(&self) -> Authority {
        Authority::new(self.policy.der().to_vec(), self.private_key().pkcs8_der().to_vec())
    }

    fn private_key(&self) -> PrivateKey {
        let file = fs::read(&self.policy_key).expect("the policy key");
        claviger_proto::key::read_private(&file).expect("a policy key").0
    }

    /// A certificate that the policy key signs on the owner's word.
    pub fn issue(&self, role: Role, measurement: Option<&str>) -> Credentials {
        let policy_key = SigningKey::from_private(&self.private_key()).expect("a policy key");
        let issuer = Issuer::new(policy_key, self.policy.clone(), &self.domain()).expect("an issuer");
        let key = SigningKey::generate(KeyAlgorithm::P256).expect("a key");
        let measurement = measurement.map(|hex| hex.parse::<Measurement>().expect("a measurement"));
        let certificate =
            issuer.identity(role, key.public().spki_der(), measurement.as_ref(), UnixTime::now(), 1);
        Credentials { certificate: certificate.expect("a certificate"), key: key.pkcs8_der().to_vec() }
    }

    /// A member, by a certificate that the policy key signs on the owner's word.
    pub fn member(&self) -> Credentials {
        self.issue(Role::Agent, Some(&"ab".repeat(32)))
    }

    /// A channel of a new member, in our dialect.
    #[track_caller]
    pub fn channel(&self, broker: &Broker) -> Channel {
        Channel::ours(broker.listen, &self.name, &self.member())
    }

    /// A state directory of key-client with this certificate in it, whatever it is worth.
    pub fn state_of(&self, label: &str, own: &Credentials) -> PathBuf {
        let dir = self.dir.join(label);
        let key = PrivateKey::from_pkcs8_der(Secret::copy_from(&own.key)).expect("a private key");
        let identity = Identity::new(self.domain(), self.policy.clone(), own.certificate.clone(), key);
        let now = i64::try_from(UnixTime::now().as_secs()).expect("a time");
        let lock = StateDir::new(&dir).lock_or_make().expect("a state directory");
        lock.put_identity(&identity, now).expect("an identity is put");
        dir
    }

    /// Makes a simulated machine.
    pub fn machine(&self, label: &str) -> Machine {
        let platform = self.dir.join(label).join("platform");
        fs::create_dir_all(self.dir.join(label)).expect("a directory");
        let made = command("key-admin").args("simulated init").arg(&platform).run().ok();
        Machine {
            state: self.dir.join(label).join("state"),
            measurement: made["measurement"].as_str().expect("a measurement").to_owned(),
            root: platform.join("platform_key_file.bin"),
            platform,
        }
    }

    /// Has the domain trust what a machine runs.
    pub fn trust(&self, broker: &Broker, machine: &Machine, label: &str) -> Value {
        let add = broker.admin("trust add --kind simulated-enclave").with("--domain", &self.name);
        let add = add.with("--measurement", &machine.measurement).with("--label", label);
        add.with("--attest-root", &machine.root).run().ok()
    }

    /// Has a machine enrol.
    pub fn enroll(&self, broker: &Broker, machine: &Machine) -> Call {
        let evidence = format!("simulated-enclave:{}", machine.platform.display());
        command("key-client")
            .arg("enroll")
            .with("--domain", &self.name)
            .with("--policy-cert", &self.policy_cert)
            .with("--admission", broker.admission.to_string())
            .with("--evidence", evidence)
            .with("--state-dir", &machine.state)
    }

    /// A machine that the domain trusts and that has enrolled.
    pub fn admitted(&self, broker: &Broker, label: &str) -> Machine {
        let machine = self.machine(label);
        self.trust(broker, &machine, label);
        self.enroll(broker, &machine).run().ok();
        machine
    }

    /// Checks the domain's audit trail, which must be whole; how many records there are.
    #[track_caller]
    pub fn verify_audit(&self, broker: &Broker) -> u64 {
        let report = broker.admin("audit verify").with("--domain", &self.name).run().ok();
        assert_eq!((&report["ok"], &report["findings"]), (&true.into(), &serde_json::json!([])), "{report}");
        report["records"].as_u64().expect("a number of records")
    }
}

/// `key-client store NAME`, of what is in `blob`.
pub fn store(broker: &Broker, state: &Path, name: &str, blob: &[u8]) -> Call {
    client(broker, state, "store", name).with("--in", "-").stdin(blob)
}

/// `key-client retrieve NAME`.
pub fn retrieve(broker: &Broker, state: &Path, name: &str) -> Call {
    client(broker, state, "retrieve", name)
}

/// `key-client VERB NAME`, of a member's state directory.
pub fn client(broker: &Broker, state: &Path, verb: &str, name: &str) -> Call {
    let broker = broker.listen.to_string();
    command("key-client").arg(verb).arg(name).with("--broker", broker).with("--state-dir", state)
}
