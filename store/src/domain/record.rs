//! What describes a domain, and how it is kept.

use std::sync::Arc;

use claviger_proto::Secret;
use prost::Message as _;

use crate::domain::DomainKeys;
use crate::engine::{AnyEngine, Engine as _, Key, Revision};
use crate::error::{StoreError, damaged, sealed};
use crate::layout;
use crate::seal::{Aad, RecordKind};

/// The broker's own certificate in a domain, and its key.
pub struct BrokerIdentity {
    /// The certificate, DER.
    pub certificate: Vec<u8>,
    /// Its private key, PKCS#8 DER.
    pub key: Secret,
}

/// What describes a domain, for the broker to interpret. Carries secrets: no `Debug`, no `Clone`.
pub struct DomainRecord {
    /// The policy certificate, DER.
    pub policy_certificate: Vec<u8>,
    /// The policy key, PKCS#8 DER, when the broker holds it.
    pub policy_key: Option<Secret>,
    /// Where the owner keeps the policy key: the delegated issuer, and keys that wait for the owner's signature, as the
    /// broker serializes them.
    pub issuing: Option<Secret>,
    /// The broker's own certificate, once there is one.
    pub broker_identity: Option<BrokerIdentity>,
    /// The ACL preset's name.
    pub preset: String,
    /// The reference values, as the broker serializes them.
    pub references: Vec<u8>,
    /// The owner's own access rules and the principals that they speak of, as the broker serializes them.
    pub access: Vec<u8>,
    /// When it was created, seconds since 1970.
    pub created: i64,
    /// Where the domain was pulled from another broker: how far that was then.
    pub home: Option<HomeMark>,
}

/// How far a domain's home was when the domain was last pulled from it. What is older than that is never taken again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HomeMark {
    /// Which domain of its name, at home.
    pub generation: [u8; 16],
    /// The domain's serial at home.
    pub serial: u32,
    /// The time at home, seconds since 1970.
    pub time: i64,
}

impl HomeMark {
    /// Whether this is the same home, no further back than `last`.
    pub fn follows(&self, last: &Self) -> bool {
        self.generation == last.generation && self.serial >= last.serial && self.time >= last.time
    }
}

/// A domain as the store has it.
pub struct StoredDomain {
    /// Its keys.
    pub keys: Arc<DomainKeys>,
    /// Counts the changes of what describes it, from 1.
    pub serial: u32,
    /// What describes it.
    pub record: DomainRecord,
    /// What the operator says of its quotas, as the broker serializes it. Stays here: a broker elsewhere has its own.
    pub quotas: Vec<u8>,
}

/// The body of the record; the keys that belong to it are records of their own, in the broker's tree.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct DomainBody {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) policy_certificate: Vec<u8>,
    #[prost(string, tag = "2")]
    pub(crate) preset: String,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) references: Vec<u8>,
    #[prost(int64, tag = "4")]
    pub(crate) created: i64,
    #[prost(bytes = "vec", tag = "5")]
    pub(crate) broker_certificate: Vec<u8>,
    /// Counts the changes from 1. The trail's head has it too, so that an older record put back is found.
    #[prost(uint32, tag = "6")]
    pub(crate) serial: u32,
    /// At which serial the policy key was put; 0 when the broker doesn't hold it.
    #[prost(uint32, tag = "7")]
    pub(crate) policy_key_serial: u32,
    /// At which serial the broker's own key was put; 0 when there is none.
    #[prost(uint32, tag = "8")]
    pub(crate) broker_key_serial: u32,
    #[prost(bytes = "vec", tag = "12")]
    pub(crate) access: Vec<u8>,
    /// These three where the domain was pulled from another broker: see [`HomeMark`]. Else empty and 0.
    #[prost(bytes = "vec", tag = "13")]
    pub(crate) home_generation: Vec<u8>,
    #[prost(uint32, tag = "14")]
    pub(crate) home_serial: u32,
    #[prost(int64, tag = "15")]
    pub(crate) home_time: i64,
    #[prost(bytes = "vec", tag = "20")]
    pub(crate) quotas: Vec<u8>,
    /// At which serial the issuing keys were put; 0 when there are none.
    #[prost(uint32, tag = "24")]
    pub(crate) issuing_serial: u32,
}

impl DomainBody {
    pub(crate) fn set_home(&mut self, mark: HomeMark) {
        self.home_generation = mark.generation.to_vec();
        self.home_serial = mark.serial;
        self.home_time = mark.time;
    }

    /// An error where there is half of one.
    pub(crate) fn home(&self) -> Result<Option<HomeMark>, ()> {
        if self.home_generation.is_empty() {
            return Ok(None);
        }
        let generation = self.home_generation.as_slice().try_into().map_err(|_| ())?;
        Ok(Some(HomeMark { generation, serial: self.home_serial, time: self.home_time }))
    }
}

/// Loads the body of a domain's record.
pub(crate) fn load_body(engine: &AnyEngine, keys: &DomainKeys) -> Result<(DomainBody, Revision), StoreError> {
    let key = layout::domain_record(keys.generation());
    let (raw, revision) = engine.get(&key)?.ok_or_else(|| damaged("domain record", &key))?;
    let opened =
        keys.open(&keys.aad(RecordKind::Domain), &raw).map_err(|e| sealed(e, "domain record", &key))?;
    let body = DomainBody::decode(opened.expose()).map_err(|_| damaged("domain record", &key))?;
    Ok((body, revision))
}

/// Loads all that describes a domain.
pub(crate) fn load(engine: &AnyEngine, keys: Arc<DomainKeys>) -> Result<StoredDomain, StoreError> {
    let (mut body, _) = load_body(engine, &keys)?;
    let (serial, quotas) = (body.serial, std::mem::take(&mut body.quotas));
    let record = load_record(engine, &keys, body)?;
    Ok(StoredDomain { keys, serial, record, quotas })
}

fn load_record(engine: &AnyEngine, keys: &DomainKeys, body: DomainBody) -> Result<DomainRecord, StoreError> {
    let home =
        body.home().map_err(|()| damaged("domain record", &layout::domain_record(keys.generation())))?;
    let policy_key = load_key(engine, keys, KeyOf::Policy, body.policy_key_serial)?;
    let issuing = load_key(engine, keys, KeyOf::Issuing, body.issuing_serial)?;
    let broker_key = load_key(engine, keys, KeyOf::Broker, body.broker_key_serial)?;
    let certificate = body.broker_certificate;
    Ok(DomainRecord {
        policy_certificate: body.policy_certificate,
        policy_key,
        issuing,
        broker_identity: broker_key.map(|key| BrokerIdentity { certificate, key }),
        preset: body.preset,
        references: body.references,
        access: body.access,
        created: body.created,
        home,
    })
}

/// Which private key of a domain.
#[derive(Clone, Copy)]
pub(crate) enum KeyOf {
    Policy,
    Broker,
    Issuing,
}

impl KeyOf {
    pub(crate) fn place(self, keys: &DomainKeys) -> Key {
        match self {
            Self::Policy => layout::policy_key(keys.generation()),
            Self::Broker => layout::broker_key(keys.generation()),
            Self::Issuing => layout::issuing(keys.generation()),
        }
    }

    fn aad(self, keys: &DomainKeys, serial: u32) -> Aad<'static> {
        let kind = match self {
            Self::Policy => RecordKind::PolicyKey,
            Self::Broker => RecordKind::BrokerKey,
            Self::Issuing => RecordKind::Issuing,
        };
        Aad { version: serial, ..keys.aad(kind) }
    }
}

pub(crate) fn load_key(
    engine: &AnyEngine,
    keys: &DomainKeys,
    of: KeyOf,
    serial: u32,
) -> Result<Option<Secret>, StoreError> {
    if serial == 0 {
        return Ok(None);
    }
    let place = of.place(keys);
    let (raw, _) = engine.get(&place)?.ok_or_else(|| damaged("private key", &place))?;
    keys.open(&of.aad(keys, serial), &raw).map(Some).map_err(|e| sealed(e, "private key", &place))
}

/// Seals the body.
pub(crate) fn put_body(keys: &DomainKeys, body: &DomainBody) -> Result<(Key, Vec<u8>), StoreError> {
    let key = layout::domain_record(keys.generation());
    let raw = keys
        .seal(&keys.aad(RecordKind::Domain), &body.encode_to_vec())
        .map_err(|e| sealed(e, "domain record", &key))?;
    Ok((key, raw))
}

/// Seals a private key.
pub(crate) fn put_key(
    keys: &DomainKeys,
    of: KeyOf,
    serial: u32,
    secret: &Secret,
) -> Result<(Key, Vec<u8>), StoreError> {
    let key = of.place(keys);
    let raw =
        keys.seal(&of.aad(keys, serial), secret.expose()).map_err(|e| sealed(e, "private key", &key))?;
    Ok((key, raw))
}
