//! The store by itself, as the broker has it: names, access decisions, heads and versions, seals, the audit trail, on the
//! same engine; with the writers and the batching of the bare engine ([`super::writers`]).

use std::path::Path;
use std::sync::Arc;

use claviger_acl::{Acl, Action, Preset};
use claviger_attest::{Peer, verify_agent};
use claviger_proto::key_service::PutOptions;
use claviger_proto::{EntryType, Secret, Version};
use claviger_store::{AuditFacts, Command, DataDir, DomainKeys, Done, PutEntry, Writer};
use rustls::pki_types::UnixTime;

use super::Plan;
use super::store::name_of;
use super::writers::{self, Commit, Stores, Which};
use crate::domain::Domain;
use crate::error::BenchError;
use crate::load::Run;
use crate::setting::ENTRY_BYTES;

/// Stores for a while, in a fresh data directory.
pub(super) fn run(plan: Plan, domain: &Domain, dir: &Path) -> Result<Run, BenchError> {
    let dir = tempfile::tempdir_in(dir)?;
    let data_dir = DataDir::open(&domain.data_dir(dir.path())?)?;
    let store = data_dir.store(&data_dir.unlock()?)?;
    let keys = store.domain(&domain.name)?.ok_or(BenchError::Answer("the domain isn't there"))?.keys;
    let acl = Acl::compile(&domain.name, Preset::Members, &[])?;
    let now = UnixTime::now();
    let agent = domain.agent()?;
    let peer = verify_agent(&domain.policy, &domain.name, agent.certificate(), now)?;
    let seconds = now.as_secs().cast_signed();
    writers::run(plan, Sealed { keys, acl, peer, now: seconds, writer: Some(store.writer()?) })
}

struct Sealed {
    keys: Arc<DomainKeys>,
    acl: Acl,
    peer: Peer,
    /// Seconds since 1970.
    now: i64,
    /// Until the committer takes it.
    writer: Option<Writer>,
}

impl Stores for Sealed {
    type Job = (Version, Command);

    fn job(&self, which: Which) -> Result<Self::Job, BenchError> {
        let name = name_of(which.writer, which.name)?;
        let refused = |_| BenchError::Answer("a store wasn't allowed");
        let put = PutEntry {
            keys: Arc::clone(&self.keys),
            permit: self.acl.decide(&self.peer, Action::Store, &name).map_err(refused)?,
            version: None,
            entry_type: EntryType::binary_blob(),
            exportable: true,
            options: PutOptions::default(),
            quota: claviger_store::Quota::default(),
            blob: Secret::new(vec![0xa5; ENTRY_BYTES]),
            now: self.now,
            audit: self.facts(),
        };
        let version =
            Version::new(which.version + 1).ok_or(BenchError::Answer("there is no such version"))?;
        Ok((version, Command::Put(put)))
    }

    fn committer(&mut self) -> Result<impl Commit<Self::Job> + 'static, BenchError> {
        self.writer.take().ok_or(BenchError::Answer("there is one committer"))
    }
}

impl Sealed {
    /// What the broker records of a store.
    fn facts(&self) -> AuditFacts {
        AuditFacts {
            time: self.now,
            request_id: "5a5a5a5a-0-5a5a5a".to_owned(),
            action: "store".into(),
            outcome: "ok".into(),
            peer_fingerprint: Some(*self.peer.fingerprint()),
            measurement: self.peer.measurement().map(|m| m.as_bytes().to_vec()),
            role: self.peer.role().as_str().into(),
            source: "192.0.2.7:4711".into(),
            ..AuditFacts::default()
        }
    }
}

impl Commit<(Version, Command)> for Writer {
    fn commit(&mut self, jobs: Vec<(Version, Command)>) -> Result<(), BenchError> {
        let (expected, commands): (Vec<_>, Vec<_>) = jobs.into_iter().unzip();
        for (expected, done) in expected.into_iter().zip(Self::commit(self, commands)) {
            match done? {
                Done::Stored { version, repeated: false } if version == expected => {}
                _ => return Err(BenchError::Answer("another version was stored than the next")),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use claviger_attest::KeyAlgorithm;
    use std::time::Duration;

    #[test]
    fn a_short_run_stores_something() {
        let dir = tempfile::tempdir().expect("a directory");
        let domain = Domain::make(KeyAlgorithm::P256).expect("a domain");
        let plan = Plan { rounds: 1, window: Duration::from_millis(50), versions: 2 };
        assert!(run(plan, &domain, dir.path()).expect("a run").operations > 0);
    }
}
