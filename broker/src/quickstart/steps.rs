//! The steps, in order.

use std::path::{Path, PathBuf};

use claviger_attest::{Issuer, KeyAlgorithm, PolicyCertificate, Role, SigningKey, self_signed_policy};
use claviger_client::{Address, Identity};
use claviger_proto::admin::{AddReference, CreateDomain, SecretHex};
use claviger_proto::error::ErrorCode;
use claviger_proto::key::PrivateKey;
use claviger_proto::key_service::{PutOptions, Retrieve, Store};
use claviger_proto::{DomainName, EntryType, ResourceName, Secret};
use rustls::pki_types::UnixTime;
use zeroize::Zeroizing;

use super::machines::{DOMAIN, Machine, connect};
use super::{Failed, PRESET, luks};
use crate::Broker;
use crate::actors::domains;

/// Bytes of a disk key: what AES-256-XTS takes.
const DISK_KEY: usize = 64;
const POLICY_DAYS: u32 = 365;

/// Everything that the steps hand on to each other.
pub(super) struct Scene {
    dir: PathBuf,
    admission: Address,
    broker: Address,
    admin: Option<actix::Addr<domains::DomainsActor>>,
    domain: DomainName,
    name: ResourceName,
    policy: Option<PolicyCertificate>,
    root: Option<SigningKey>,
    deployment: Option<Identity>,
    deployed: Option<Identity>,
    stored: Zeroizing<Vec<u8>>,
    retrieved: Zeroizing<Vec<u8>>,
}

type Played = Result<String, Failed>;

impl Scene {
    /// The steps' names, in the order in which they are played.
    pub(super) const STEPS: [&str; 11] = [
        "domain",
        "admit-deployment",
        "store",
        "admit-deployed",
        "retrieve",
        "luks-open",
        "luks-other-key-refused",
        "unknown-measurement-refused",
        "foreign-certificate-refused",
        "reserved-name-refused",
        "audit-verified",
    ];

    pub(super) fn new(dir: &Path, broker: &Broker) -> Self {
        let address = |socket: &std::net::SocketAddr| socket.to_string().parse().expect("an address is one");
        Self {
            dir: dir.to_owned(),
            admission: address(&broker.addresses.admission[0]),
            broker: address(&broker.addresses.listen),
            admin: broker.domains(),
            domain: DOMAIN.parse().expect("the scenario's domain is a domain name"),
            name: "storage-disk-key".parse().expect("the scenario's key has a resource name"),
            policy: None,
            root: None,
            deployment: None,
            deployed: None,
            stored: Zeroizing::default(),
            retrieved: Zeroizing::default(),
        }
    }

    pub(super) async fn play(&mut self, step: &str) -> Played {
        match step {
            "domain" => self.domain().await,
            "admit-deployment" => self.admit("deployment").await,
            "store" => self.store().await,
            "admit-deployed" => self.admit("deployed").await,
            "retrieve" => self.retrieve().await,
            "luks-open" => self.luks_open(),
            "luks-other-key-refused" => self.luks_other_key(),
            "unknown-measurement-refused" => self.unknown_measurement().await,
            "foreign-certificate-refused" => self.foreign_certificate().await,
            "reserved-name-refused" => self.reserved_name().await,
            "audit-verified" => self.audit().await,
            _ => Err(Failed::new("no such step")),
        }
    }

    async fn ask<M, T>(&self, message: M) -> Result<T, Failed>
    where
        M: actix::Message<Result = Result<T, domains::AdminError>> + Send + 'static,
        T: Send + 'static,
        domains::DomainsActor: actix::Handler<M>,
        actix::Context<domains::DomainsActor>: actix::dev::ToEnvelope<domains::DomainsActor, M>,
    {
        let admin = self.admin.as_ref().ok_or_else(|| Failed::new("the broker is sealed"))?;
        admin.send(message).await.map_err(Failed::new)?.map_err(Failed::new)
    }

    fn policy(&self) -> Result<&PolicyCertificate, Failed> {
        self.policy.as_ref().ok_or_else(|| Failed::new("there is no domain yet"))
    }

    fn deployment(&self) -> Result<&Identity, Failed> {
        self.deployment.as_ref().ok_or_else(|| Failed::new("the deployment machine isn't admitted yet"))
    }

    async fn domain(&mut self) -> Played {
        let key = SigningKey::generate(KeyAlgorithm::P384).map_err(Failed::new)?;
        let policy =
            self_signed_policy(&key, &self.domain, UnixTime::now(), POLICY_DAYS).map_err(Failed::new)?;
        let create = CreateDomain {
            name: self.domain.clone(),
            policy_certificate: hex::encode(policy.der()),
            policy_key: Some(SecretHex(Secret::copy_from(key.pkcs8_der()))),
            preset: Some(PRESET.to_string()),
        };
        self.ask(domains::Create(create)).await?;
        self.policy = Some(policy);
        self.root = Some(SigningKey::generate(KeyAlgorithm::Rsa2048).map_err(Failed::new)?);
        Ok(format!("{DOMAIN}, policy key P-384, preset {PRESET}"))
    }

    /// Makes a machine, has the domain trust what it runs, and has it enrol.
    async fn admit(&mut self, label: &'static str) -> Played {
        let machine = self.machine(label)?;
        let root = self.root.as_ref().ok_or_else(|| Failed::new("there is no platform root"))?;
        let reference = AddReference {
            kind: "simulated-enclave".to_owned(),
            measurement: machine.measurement.to_string(),
            label: Some(label.to_owned()),
            attest_root: Some(hex::encode(root.public().spki_der())),
            expires: None,
            pcrs: None,
        };
        self.ask(domains::Trust { domain: self.domain.clone(), reference }).await?;
        let identity =
            machine.enroll(&self.admission, &self.domain, self.policy()?).await.map_err(Failed::new)?;
        let told = format!("measurement {} admitted as {label}", machine.measurement);
        match label {
            "deployment" => self.deployment = Some(identity),
            _ => self.deployed = Some(identity),
        }
        Ok(told)
    }

    fn machine(&self, label: &str) -> Result<Machine, Failed> {
        let root = self.root.as_ref().ok_or_else(|| Failed::new("there is no platform root"))?;
        Machine::make(&self.dir.join(label), root)
    }

    async fn store(&mut self) -> Played {
        let mut key = Zeroizing::new(vec![0; DISK_KEY]);
        aws_lc_rs::rand::fill(&mut key).map_err(|_| Failed::new("no randomness"))?;
        let mut channel = connect(&self.broker, self.deployment()?).await.map_err(Failed::new)?;
        let store = Self::put(self.name.clone(), &key);
        let version = channel.store(store).await.map_err(Failed::new)?;
        self.stored = key;
        Ok(format!("{DOMAIN}/{} version {version}, {DISK_KEY} bytes", self.name))
    }

    fn put(name: ResourceName, blob: &[u8]) -> Store {
        let entry_type = EntryType::binary_blob();
        let (blob, options) = (Secret::copy_from(blob), PutOptions::default());
        Store { name, version: None, entry_type, exportable: true, blob, options }
    }

    async fn retrieve(&mut self) -> Played {
        let deployed =
            self.deployed.as_ref().ok_or_else(|| Failed::new("the deployed VM isn't admitted yet"))?;
        let mut channel = connect(&self.broker, deployed).await.map_err(Failed::new)?;
        let retrieve = Retrieve { name: self.name.clone(), version: None };
        let entry = channel.retrieve(retrieve).await.map_err(Failed::new)?;
        if entry.blob.expose() != self.stored.as_slice() {
            return Err(Failed::new("what came back is not what was stored"));
        }
        self.retrieved = entry.blob.into_zeroizing();
        Ok(format!("{DOMAIN}/{} came back as it was stored", self.name))
    }

    fn luks_open(&self) -> Played {
        let Some(cryptsetup) = luks::cryptsetup() else {
            return Ok(
                "skipped: install cryptsetup (Debian: cryptsetup-bin) to see a real volume open".to_owned()
            );
        };
        let volume = self.dir.join("volume.luks");
        luks::format(&cryptsetup, &volume, &self.stored)?;
        if luks::opens(&cryptsetup, &volume, &self.retrieved)? {
            return Ok("a LUKS2 volume made with the stored key opens with the retrieved one".to_owned());
        }
        Err(Failed::new("the volume doesn't open with the retrieved key"))
    }

    fn luks_other_key(&self) -> Played {
        let Some(cryptsetup) = luks::cryptsetup() else {
            return Ok("skipped: cryptsetup is not installed".to_owned());
        };
        let mut other = Zeroizing::new(vec![0; DISK_KEY]);
        aws_lc_rs::rand::fill(&mut other).map_err(|_| Failed::new("no randomness"))?;
        if luks::opens(&cryptsetup, &self.dir.join("volume.luks"), &other)? {
            return Err(Failed::new("the volume opens with another key"));
        }
        Ok("the volume stays closed to another key".to_owned())
    }

    async fn unknown_measurement(&self) -> Played {
        let machine = self.machine("unknown")?;
        let result = machine.enroll(&self.admission, &self.domain, self.policy()?).await;
        Failed::expect_refusal(result, ErrorCode::AttestationRefused)
    }

    /// A certificate that says all the right things, from a policy key with the same name that isn't ours.
    async fn foreign_certificate(&self) -> Played {
        let now = UnixTime::now();
        let foreign = SigningKey::generate(KeyAlgorithm::P384).map_err(Failed::new)?;
        let policy = self_signed_policy(&foreign, &self.domain, now, POLICY_DAYS).map_err(Failed::new)?;
        let issuer = Issuer::new(foreign, policy, &self.domain).map_err(Failed::new)?;
        let key = SigningKey::generate(KeyAlgorithm::P256).map_err(Failed::new)?;
        let like = self.deployment()?.verify(now).map_err(Failed::new)?;
        let certificate = issuer.identity(Role::Agent, key.public().spki_der(), like.measurement(), now, 1);
        let key = PrivateKey::from_pkcs8_der(Secret::copy_from(key.pkcs8_der())).map_err(Failed::new)?;
        let policy = self.policy()?.clone();
        let identity = Identity::new(self.domain.clone(), policy, certificate.map_err(Failed::new)?, key);
        let attempt = async {
            let mut channel = connect(&self.broker, &identity).await?;
            channel.retrieve(Retrieve { name: self.name.clone(), version: None }).await
        };
        Failed::expect_refusal(attempt.await, ErrorCode::CertificateRefused)
    }

    async fn reserved_name(&self) -> Played {
        let name: ResourceName = format!("{DOMAIN}-private-auth-key").parse().map_err(Failed::new)?;
        let mut channel = connect(&self.broker, self.deployment()?).await.map_err(Failed::new)?;
        let result = channel.store(Self::put(name, b"not a key")).await;
        Failed::expect_refusal(result, ErrorCode::ReservedName)
    }

    async fn audit(&self) -> Played {
        let report = self.ask(domains::VerifyAudit(self.domain.clone())).await?;
        match report.findings.first() {
            None => Ok(format!("{} records in {} segments are whole", report.records, report.segments.len())),
            Some(finding) => Err(Failed::new(finding)),
        }
    }
}
