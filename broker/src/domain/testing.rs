//! Domains for tests: real keys, a real store in memory.

use std::sync::Arc;

use actix_rt::Arbiter;
use claviger_acl::Preset;
use claviger_attest::{Issuer, KeyAlgorithm, Measurement, Role, SigningKey, self_signed_policy};
use claviger_proto::Secret;
use claviger_store::engine::{AnyEngine, MemoryEngine};
use claviger_store::{AuditFacts, Command, DomainRecord, NewDomain, RootKey, Store, StoreId};
use rustls::pki_types::UnixTime;

use super::{Domain, build, issue_leaf};
use crate::actors::store::StoreActor;
use crate::config::{Config, Live, Overrides};
use crate::era::Era;
use crate::net::tenant::Tenants;
use crate::ops::domains::DomainMeters;
use crate::runtime::failure::Failure;
use crate::storage::Storage;

/// A domain that serves, and the issuer that its owner would have.
pub(crate) struct Made {
    pub(crate) domain: Arc<Domain>,
    pub(crate) issuer: Issuer,
    _audit: tempfile::TempDir,
}

/// Makes one. Call it on an actix `System`.
pub(crate) fn make(name: &str, preset: Preset) -> Made {
    let name = name.parse().expect("a domain name");
    let key = SigningKey::generate(KeyAlgorithm::P256).expect("a key");
    let pkcs8 = Secret::copy_from(key.pkcs8_der());
    let policy = self_signed_policy(&key, &name, UnixTime::now(), 10).expect("a certificate");
    let issuer = Issuer::new(key, policy.clone(), &name).expect("an issuer");
    let store = Store::create(
        Arc::new(AnyEngine::from(MemoryEngine::new())),
        &RootKey::generate().expect("randomness"),
        StoreId::generate().expect("randomness"),
    )
    .expect("a store");
    let record = DomainRecord {
        policy_certificate: policy.der().to_vec(),
        policy_key: Some(pkcs8),
        issuing: None,
        broker_identity: Some(issue_leaf(&issuer, UnixTime::now()).expect("a leaf")),
        preset: preset.to_string(),
        references: Vec::new(),
        access: Vec::new(),
        created: 0,
        home: None,
    };
    let mut writer = store.writer().expect("the writer");
    let new = NewDomain { name: name.clone(), record, audit: AuditFacts::default() };
    for done in writer.commit(vec![Command::CreateDomain(new)]) {
        done.expect("created");
    }
    let audit = tempfile::tempdir().expect("a temporary directory");
    let writer = StoreActor::start_on(&Arbiter::current(), writer, Failure::new().0);
    let flags = Overrides { data_dir: Some(audit.path().to_owned()), ..Overrides::default() };
    let live = Live::new(&Config::load(None, flags).expect("defaults"));
    let tenants = Tenants::new(live, Arc::new(DomainMeters::new(0)));
    let audit_dir = audit.path().to_owned();
    let storage = Arc::new(Storage { store, writer, audit_dir, tenants, era: Era::default() });
    let stored = storage.store.domain(&name).expect("readable").expect("there");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let domain = Arc::new(build(&stored, &storage, &provider).expect("a domain"));
    Made { domain, issuer, _audit: audit }
}

impl Made {
    /// A member's certificate that is good for `days` from `from`.
    pub(crate) fn member(&self, from: UnixTime, days: u32) -> Vec<u8> {
        let key = SigningKey::generate(KeyAlgorithm::P256).expect("a key");
        let measurement = Measurement::from_bytes(&[7; 32]).expect("a measurement");
        let spki = key.public().spki_der();
        self.issuer.identity(Role::Agent, spki, Some(&measurement), from, days).expect("a certificate")
    }
}
