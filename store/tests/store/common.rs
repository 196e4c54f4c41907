//! A store in memory, a domain in it, and permits for it.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use claviger_acl::{Acl, Action, Permit, Preset};
use claviger_attest::{
    Issuer, KeyAlgorithm, Measurement, Peer, Role, SigningKey, self_signed_policy, verify_agent,
};
use claviger_proto::key_service::{PutOptions, State};
use claviger_proto::{DomainName, Entry, ResourceName, Secret, Version};
use claviger_store::audit::{self, Report};
use claviger_store::engine::{AnyEngine, Engine as _, Key, MemoryEngine, Tree, Txn};
use claviger_store::{
    AuditFacts, BrokerIdentity, Change, ChangeVersions, Command, DeleteDomain, DomainKeys, DomainRecord,
    Done, NewDomain, PutEntry, RootKey, Span, Store, StoreError, StoreId, Writer,
};
use rustls_pki_types::UnixTime;
use zeroize::Zeroizing;

pub(crate) const NOW: i64 = 1_795_500_000;

/// A member of a domain, and the domain's rules: makes permits.
pub(crate) struct Member {
    acl: Acl,
    peer: Peer,
}

impl Member {
    pub(crate) fn of(domain: &str) -> Self {
        let domain: DomainName = domain.parse().unwrap();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(NOW.unsigned_abs()));
        let key = SigningKey::generate(KeyAlgorithm::P256).unwrap();
        let policy = self_signed_policy(&key, &domain, now, 30).unwrap();
        let issuer = Issuer::new(key, policy.clone(), &domain).unwrap();
        let agent = SigningKey::generate(KeyAlgorithm::P256).unwrap();
        let measurement = Measurement::from_bytes(&[4; 32]).unwrap();
        let leaf =
            issuer.identity(Role::Agent, agent.public().spki_der(), Some(&measurement), now, 10).unwrap();
        let peer = verify_agent(&policy, &domain, &leaf, now).unwrap();
        Self { acl: Acl::compile(&domain, Preset::Members, &[]).unwrap(), peer }
    }

    pub(crate) fn may(&self, action: Action, name: &str) -> Permit {
        self.acl.decide(&self.peer, action, &name.parse().unwrap()).unwrap()
    }
}

pub(crate) fn id() -> StoreId {
    StoreId::from_bytes([1; 16])
}

pub(crate) fn root() -> RootKey {
    RootKey::from_bytes(Zeroizing::new([2; 32]))
}

pub(crate) fn facts(action: &'static str) -> AuditFacts {
    AuditFacts {
        time: NOW,
        request_id: "r-1".to_owned(),
        action: action.into(),
        outcome: "ok".into(),
        peer_fingerprint: Some([6; 32]),
        measurement: Some(vec![4; 32]),
        role: "agent".into(),
        source: "192.0.2.7:4711".into(),
        ..AuditFacts::default()
    }
}

pub(crate) fn record() -> DomainRecord {
    DomainRecord {
        policy_certificate: b"policy certificate".to_vec(),
        policy_key: Some(Secret::copy_from(b"policy key")),
        issuing: None,
        broker_identity: Some(BrokerIdentity {
            certificate: b"broker certificate".to_vec(),
            key: Secret::copy_from(b"broker key"),
        }),
        preset: "members".to_owned(),
        references: b"references".to_vec(),
        access: b"access rules".to_vec(),
        created: NOW,
        home: None,
    }
}

pub(crate) fn create_domain(writer: &mut Writer, name: &str) -> Result<Arc<DomainKeys>, StoreError> {
    let new = NewDomain { name: name.parse().unwrap(), record: record(), audit: facts("domain-create") };
    match writer.commit(vec![Command::CreateDomain(new)]).pop().unwrap()? {
        Done::DomainCreated(keys) => Ok(keys),
        _ => panic!("something else was done"),
    }
}

pub(crate) fn delete_domain(writer: &mut Writer, keys: &Arc<DomainKeys>) -> Result<(), StoreError> {
    let delete = DeleteDomain { keys: Arc::clone(keys) };
    match writer.commit(vec![Command::DeleteDomain(delete)]).pop().unwrap()? {
        Done::DomainDeleted => Ok(()),
        _ => panic!("something else was done"),
    }
}

/// A store with one domain, `alpha`.
pub(crate) struct World {
    pub(crate) engine: Arc<AnyEngine>,
    pub(crate) store: Store,
    pub(crate) writer: Writer,
    pub(crate) keys: Arc<DomainKeys>,
    pub(crate) member: Member,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::over(MemoryEngine::new().into())
    }

    pub(crate) fn over(engine: AnyEngine) -> Self {
        let engine = Arc::new(engine);
        let store = Store::create(Arc::clone(&engine), &root(), id()).unwrap();
        let mut writer = store.writer().unwrap();
        let keys = create_domain(&mut writer, "alpha").unwrap();
        Self { engine, store, writer, keys, member: Member::of("alpha") }
    }

    /// The store opened anew, over the same engine.
    pub(crate) fn reopen(self) -> Self {
        let Self { engine, store, writer, keys, member } = self;
        drop((store, writer, keys));
        let store = Store::open(Arc::clone(&engine), &root(), id()).unwrap();
        let writer = store.writer().unwrap();
        let keys = store.domain(&"alpha".parse().unwrap()).unwrap().unwrap().keys;
        Self { engine, store, writer, keys, member }
    }

    pub(crate) fn put_command(&self, name: &str, version: u32, blob: &[u8]) -> PutEntry {
        PutEntry {
            keys: Arc::clone(&self.keys),
            permit: self.member.may(Action::Store, name),
            version: Version::new(version),
            entry_type: "binary-blob".parse().unwrap(),
            exportable: true,
            blob: Secret::copy_from(blob),
            options: PutOptions::default(),
            quota: claviger_store::Quota::default(),
            now: NOW,
            audit: facts("store"),
        }
    }

    pub(crate) fn commit(&mut self, puts: Vec<PutEntry>) -> Vec<Result<(u32, bool), StoreError>> {
        let outcomes = self.writer.commit(puts.into_iter().map(Command::Put).collect());
        let stored = |done| match done {
            Done::Stored { version, repeated } => (version.get(), repeated),
            _ => panic!("something else was done"),
        };
        outcomes.into_iter().map(|outcome| outcome.map(stored)).collect()
    }

    /// Puts one version; 0 is the next.
    pub(crate) fn put(&mut self, name: &str, version: u32, blob: &[u8]) -> Result<u32, StoreError> {
        let put = self.put_command(name, version, blob);
        self.commit(vec![put]).pop().unwrap().map(|(version, _)| version)
    }

    /// To change one version, or all that there are (0).
    pub(crate) fn change_command(&self, name: &str, change: Change, version: u32) -> Command {
        let permit = || self.member.may(change.action(), name);
        // Of a name that isn't there, none.
        let none = RangeInclusive::new(1, 0);
        let all = || self.store.range(&self.keys, &permit()).unwrap_or(none);
        let span = Version::new(version).map_or_else(|| Span::Range(all()), Span::One);
        let action = match change {
            Change::Delete => "delete",
            Change::Undelete => "undelete",
            Change::Destroy => "destroy",
        };
        let keys = Arc::clone(&self.keys);
        Command::Change(ChangeVersions { keys, permit: permit(), change, span, audit: facts(action) })
    }

    /// Changes one version, or all that there are (0); gives those that changed.
    pub(crate) fn change(
        &mut self,
        name: &str,
        change: Change,
        version: u32,
    ) -> Result<Vec<u32>, StoreError> {
        let command = self.change_command(name, change, version);
        match self.writer.commit(vec![command]).pop().unwrap()? {
            Done::Changed(changed) => Ok(changed.into_iter().map(Version::get).collect()),
            _ => panic!("something else was done"),
        }
    }

    /// Gets one version; 0 is the latest.
    pub(crate) fn entry(&self, name: &str, version: u32) -> Result<Entry, StoreError> {
        self.entry_at(name, version, NOW)
    }

    fn entry_at(&self, name: &str, version: u32, now: i64) -> Result<Entry, StoreError> {
        let permit = self.member.may(Action::Retrieve, name);
        self.store.retrieve(&self.keys, permit, Version::new(version), now)
    }

    pub(crate) fn get_at(&self, name: &str, version: u32, now: i64) -> Result<Vec<u8>, StoreError> {
        self.entry_at(name, version, now).map(|entry| entry.blob.expose().to_vec())
    }

    /// Versions and their states, from the newest; asked for three at a time.
    pub(crate) fn states(&self, name: &str, now: i64) -> Vec<(u32, State)> {
        let (mut states, mut below) = (Vec::new(), None);
        loop {
            let permit = self.member.may(Action::Versions, name);
            let page = self.store.versions(&self.keys, &permit, below, 3, now);
            match page {
                Err(StoreError::NotFound) => return states,
                page => {
                    let page = page.unwrap();
                    let Some(last) = page.last() else { return states };
                    below = Some(last.version);
                    states.extend(page.iter().map(|info| (info.version.get(), info.state)));
                }
            }
        }
    }

    /// The domain's names, asked for two at a time.
    pub(crate) fn names(&self, prefix: &str, after: Option<&str>) -> Vec<String> {
        let (mut names, mut after): (Vec<String>, _) =
            (Vec::new(), after.map(|after| after.parse::<ResourceName>().unwrap()));
        loop {
            let Some(page) = self.store.names(&self.keys, prefix, after.as_ref(), 2) else {
                self.store.index_names(&self.keys).unwrap();
                continue;
            };
            let Some(last) = page.last() else { return names };
            after = Some(last.clone());
            names.extend(page.into_iter().map(String::from));
        }
    }

    /// What a verification finds of the entries and the trail in the engine.
    pub(crate) fn verify(&self, audit_dir: &std::path::Path) -> Report {
        audit::verify(&self.store, audit_dir, &self.keys, &|_, _| true).unwrap()
    }

    pub(crate) fn get(&self, name: &str, version: u32) -> Result<Vec<u8>, StoreError> {
        self.entry(name, version).map(|entry| entry.blob.expose().to_vec())
    }

    /// Everything that the engine holds in a tree.
    pub(crate) fn raw(&self, tree: Tree) -> Vec<(Key, Vec<u8>)> {
        let found = self.engine.scan(tree, b"", None, usize::MAX).unwrap();
        found.into_iter().map(|found| (Key::new(tree, found.key), found.value)).collect()
    }

    /// Writes to the engine past the store, as somebody with the disk can.
    pub(crate) fn tamper(&self, put: Vec<(Key, Vec<u8>)>, delete: Vec<Key>) {
        self.engine.commit(vec![Txn { put, delete, require: vec![] }]).unwrap();
    }
}

pub(crate) fn is_damaged<T>(outcome: &Result<T, StoreError>) -> bool {
    matches!(outcome, Err(StoreError::Damaged { .. }))
}

pub(crate) fn is_not_found<T>(outcome: &Result<T, StoreError>) -> bool {
    matches!(outcome, Err(StoreError::NotFound))
}
