//! Reading a domain's audit trail.

use std::collections::BTreeMap;
use std::sync::Arc;

use claviger_proto::DomainName;
use claviger_proto::admin::{self, AuditPage, AuditQuery};
use claviger_store::AuditFacts;
use claviger_store::audit::{self, AuditRecord};

use super::{AdminError, Registry};

/// Most records of one answer: some 400 bytes each.
const MOST: usize = 10_000;

impl Registry {
    /// The newest records that fit, as far as each chain is good; whether it is whole, a verification says.
    pub(super) async fn search_audit(
        &self,
        name: &DomainName,
        query: AuditQuery,
    ) -> Result<AuditPage, AdminError> {
        let domain = Arc::clone(&self.find(name)?);
        let search = move || {
            let mut newest = Newest::of(query);
            let visit = &mut |record| newest.see(record);
            audit::read(&domain.storage.store, &domain.storage.audit_dir, &domain.keys, visit)?;
            Ok::<_, AdminError>(newest.page())
        };
        actix_rt::task::spawn_blocking(search).await.map_err(|_| AdminError::Stopping)?
    }
}

/// The newest of the records that fit. Chains are read one after another, so they are put in order here; those of
/// the same second by their chain and place.
struct Newest {
    query: AuditQuery,
    kept: BTreeMap<(i64, audit::ChainId, u64), AuditRecord>,
    more: bool,
}

impl Newest {
    fn of(mut query: AuditQuery) -> Self {
        query.limit = match query.limit {
            0 => MOST,
            limit => limit.min(MOST),
        };
        Self { query, kept: BTreeMap::new(), more: false }
    }

    fn see(&mut self, record: AuditRecord) {
        if fits(&self.query, &record.facts) {
            self.kept.insert((record.facts.time, record.chain, record.number), record);
            if self.kept.len() > self.query.limit {
                self.kept.pop_first();
                self.more = true;
            }
        }
    }

    fn page(self) -> AuditPage {
        AuditPage { records: self.kept.into_values().map(described).collect(), more: self.more }
    }
}

fn fits(query: &AuditQuery, facts: &AuditFacts) -> bool {
    let is = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
    let peer = |wanted: &String| facts.peer_fingerprint.is_some_and(|id| hex::encode(id).starts_with(wanted));
    query.since.is_none_or(|since| facts.time >= since)
        && query.until.is_none_or(|until| facts.time <= until)
        && is(&query.name, facts.name.as_deref().unwrap_or_default())
        && is(&query.action, &facts.action)
        && is(&query.outcome, &facts.outcome)
        && is(&query.request_id, &facts.request_id)
        && query.peer.as_ref().is_none_or(peer)
}

fn described(AuditRecord { chain, number, facts }: AuditRecord) -> admin::AuditRecord {
    admin::AuditRecord {
        segment: chain.to_string(),
        number,
        time: facts.time,
        request_id: facts.request_id,
        action: facts.action.into_owned(),
        outcome: facts.outcome.into_owned(),
        name: facts.name,
        version: facts.version,
        role: facts.role.into_owned(),
        peer: facts.peer_fingerprint.map(hex::encode),
        measurement: facts.measurement.map(hex::encode),
        source: facts.source.to_string(),
        reason: facts.reason,
        policy_version: facts.policy_version,
        evidence_age: facts.evidence_age,
        principals: facts.principals,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(shard: u16, number: u64, time: i64, name: &str) -> AuditRecord {
        let facts = AuditFacts {
            time,
            name: Some(name.to_owned()),
            action: "store".into(),
            outcome: "ok".into(),
            peer_fingerprint: Some([0xab; 32]),
            ..AuditFacts::default()
        };
        AuditRecord { chain: audit::ChainId::Shard(shard), number, facts }
    }

    fn found(query: AuditQuery, records: &[AuditRecord]) -> (Vec<i64>, bool) {
        let mut newest = Newest::of(query);
        records.iter().cloned().for_each(|record| newest.see(record));
        let page = newest.page();
        (page.records.iter().map(|record| record.time).collect(), page.more)
    }

    #[test]
    fn the_newest_of_all_chains_are_kept_in_order() {
        let all = [record(0, 0, 5, "a"), record(0, 1, 9, "b"), record(1, 0, 7, "a"), record(1, 1, 9, "a")];
        assert_eq!(found(AuditQuery::default(), &all), (vec![5, 7, 9, 9], false));
        let two = AuditQuery { limit: 2, ..AuditQuery::default() };
        assert_eq!(found(two, &all), (vec![9, 9], true));
    }

    #[test]
    fn each_thing_that_is_named_has_to_fit() {
        let all = [record(0, 0, 5, "a"), record(0, 1, 9, "b")];
        let text = |text: &str| Some(text.to_owned());
        for (query, times) in [
            (AuditQuery { since: Some(6), ..AuditQuery::default() }, vec![9]),
            (AuditQuery { until: Some(5), ..AuditQuery::default() }, vec![5]),
            (AuditQuery { name: text("b"), ..AuditQuery::default() }, vec![9]),
            (AuditQuery { action: text("retrieve"), ..AuditQuery::default() }, vec![]),
            (AuditQuery { outcome: text("not-found"), ..AuditQuery::default() }, vec![]),
            (AuditQuery { request_id: text("0123"), ..AuditQuery::default() }, vec![]),
            (AuditQuery { peer: text("abab"), ..AuditQuery::default() }, vec![5, 9]),
            (AuditQuery { peer: text("bb"), ..AuditQuery::default() }, vec![]),
        ] {
            assert_eq!(found(query.clone(), &all).0, times, "{query:?}");
        }
    }
}
