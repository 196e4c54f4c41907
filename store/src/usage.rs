//! What a domain takes up here, and how much it may.
//!
//! The sum is kept in the head of the domain's trail, so it moves in the very commit that moves what it counts. Nothing is
//! counted on the way of a request.

use crate::domain::DomainKeys;
use crate::engine::{AnyEngine, Key, Tree};
use crate::entry::Head;
use crate::error::{StoreError, damaged};
use crate::layout::{EntryPart, EntryPlace};
use crate::seal::OVERHEAD;
use crate::store::scan_all;

/// Bytes that a version counts beside its secret, and goes on to count when it is destroyed: its seal, its share of the
/// name's head, the mark that stays.
pub const VERSION_BYTES: u64 = 256;

/// What a domain takes up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Names that have had a version. None is ever given back: a name's versions are never used again.
    pub names: u64,
    /// Bytes of all secrets that aren't destroyed, and [`VERSION_BYTES`] for each version.
    pub bytes: u64,
}

impl Usage {
    /// One more version, of a secret of so many bytes; the first of its name, or another.
    pub(crate) fn add_version(&mut self, first: bool, secret: usize) {
        self.names += u64::from(first);
        self.bytes = self.bytes.saturating_add(cost(secret));
    }

    /// A secret, whose sealed record had so many bytes, is destroyed.
    pub(crate) fn give_back(&mut self, record: usize) {
        self.bytes = self.bytes.saturating_sub(secret_of(record));
    }
}

/// What a version with a secret of so many bytes counts.
pub(crate) fn cost(secret: usize) -> u64 {
    VERSION_BYTES + secret as u64
}

/// Bytes of the secret in a sealed record of so many.
fn secret_of(record: usize) -> u64 {
    record.saturating_sub(OVERHEAD) as u64
}

/// How much a domain may take up here, where that isn't what every domain may ([`crate::PutLimits`]). The broker's
/// operator says so, not the domain's owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Most names.
    pub names: Option<u64>,
    /// Most bytes, counted as in [`Usage::bytes`].
    pub bytes: Option<u64>,
    /// Most versions of one name, destroyed ones too.
    pub versions: Option<u32>,
}

/// Counts what a domain takes up, from every record that there is.
pub(crate) fn count(engine: &AnyEngine, keys: &DomainKeys) -> Result<Usage, StoreError> {
    let mut usage = Usage::default();
    scan_all(engine, Tree::Entry, keys.generation(), |found| {
        let key = Key::new(Tree::Entry, found.key);
        match EntryPlace::part(&key.bytes).ok_or_else(|| damaged("entry", &key))? {
            EntryPart::Head => {
                let head = Head::open(keys, &key, &found.value)?;
                let (first, highest) = head.range().into_inner();
                let versions = u64::from(highest) + 1 - u64::from(first).min(u64::from(highest) + 1);
                usage.names += 1;
                usage.bytes += versions * VERSION_BYTES + secret_of(Head::beside_bytes(&key, &found.value)?);
            }
            EntryPart::Page => {}
            EntryPart::Version => usage.bytes += secret_of(found.value.len()),
        }
        Ok(())
    })?;
    Ok(usage)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use claviger_acl::{Acl, Preset};
    use claviger_proto::key_service::PutOptions;
    use claviger_proto::{DomainName, Secret};

    use super::*;
    use crate::audit::load_head;
    use crate::engine::{Engine as _, MemoryEngine, Txn};
    use crate::writer::{Command, Done, PutEntry, Writer};
    use crate::{AuditFacts, DomainRecord, NewDomain, RootKey, Store, StoreId};

    fn put(writer: &mut Writer, keys: &Arc<DomainKeys>, name: &str) {
        let acl = Acl::compile(keys.domain(), Preset::Closed, &[]).expect("rules");
        let put = PutEntry {
            keys: Arc::clone(keys),
            permit: acl.permit_import(&name.parse().expect("a name")).expect("a permit"),
            version: None,
            entry_type: "binary-blob".parse().expect("a type"),
            exportable: true,
            blob: Secret::new(vec![1; 10]),
            options: PutOptions::default(),
            quota: Quota::default(),
            now: 1,
            audit: AuditFacts::default(),
        };
        assert!(writer.commit(vec![Command::Put(put)])[0].is_ok());
    }

    fn create(writer: &mut Writer, name: DomainName) -> Arc<DomainKeys> {
        let record = DomainRecord {
            policy_certificate: vec![1],
            policy_key: None,
            issuing: None,
            broker_identity: None,
            preset: "closed".to_owned(),
            references: Vec::new(),
            access: Vec::new(),
            created: 0,
            home: None,
        };
        let new = NewDomain { name, record, audit: AuditFacts::default() };
        match writer.commit(vec![Command::CreateDomain(new)]).pop() {
            Some(Ok(Done::DomainCreated(keys))) => keys,
            _ => panic!("no domain"),
        }
    }

    #[test]
    fn a_domain_of_a_version_that_did_not_count_is_counted_once() {
        let engine = Arc::new(AnyEngine::from(MemoryEngine::new()));
        let (root, id) = (RootKey::generate().expect("randomness"), StoreId::generate().expect("randomness"));
        let store = Store::create(Arc::clone(&engine), &root, id).expect("a store");
        let mut writer = store.writer().expect("the writer");
        let keys = create(&mut writer, "alpha".parse().expect("a domain"));
        put(&mut writer, &keys, "a");
        drop(writer);
        // As such a version left it.
        let mut head = load_head(&engine, &keys).expect("a head");
        head.usage = None;
        let put_back = vec![head.seal(&keys).expect("sealed")];
        engine.commit(vec![Txn { put: put_back, ..Txn::default() }]).expect("written");
        let one = Usage { names: 1, bytes: cost(10) };
        assert_eq!(store.usage(&keys).expect("counted"), one);
        let mut writer = store.writer().expect("the writer");
        put(&mut writer, &keys, "b");
        let two = Usage { names: 2, bytes: 2 * cost(10) };
        assert_eq!(load_head(&engine, &keys).expect("a head").usage, Some(two));
    }
}
