//! What one policy says otherwise than another.

use std::collections::BTreeMap;
use std::fmt;

use claviger_attest::{ReferenceValue, TrustPolicy, sha256};
use claviger_client::cli::clock;
use serde::Serialize;
use serde_json::Value;

/// One difference.
#[derive(Serialize)]
pub(super) struct Change {
    /// Where in the policy.
    at: String,
    /// What is there now; nothing where it is new.
    before: Option<String>,
    /// What will be; nothing where it goes.
    after: Option<String>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = &self.at;
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => write!(f, "~ {at}: {before} → {after}"),
            (None, Some(after)) => write!(f, "+ {at}: {after}"),
            (Some(before), None) => write!(f, "- {at}: {before}"),
            (None, None) => write!(f, "  {at}"),
        }
    }
}

/// What `new` says otherwise than `old`, in the order of the places.
pub(super) fn changes(old: &TrustPolicy, new: &TrustPolicy) -> Vec<Change> {
    let (old, mut new) = (statements(old), statements(new));
    let mut changes = Vec::new();
    for (at, before) in old {
        match new.remove(&at) {
            Some(after) if after == before => {}
            after => changes.push(Change { at, before: Some(before), after }),
        }
    }
    changes.extend(new.into_iter().map(|(at, after)| Change { at, before: None, after: Some(after) }));
    changes.sort_by(|a, b| a.at.cmp(&b.at));
    changes
}

/// All that a policy says, by place.
fn statements(policy: &TrustPolicy) -> BTreeMap<String, String> {
    let mut all: BTreeMap<_, _> =
        policy.references.iter().map(|value| statement("measurement", value)).collect();
    all.extend(policy.brokers.iter().map(|broker| {
        let (at, says) = statement("broker", &broker.value);
        (at, if broker.may_issue { says + ", may issue" } else { says })
    }));
    all.insert("instance.demand".to_owned(), policy.instance.to_string());
    let snp = serde_json::to_value(policy.references.snp()).unwrap_or_default();
    flatten("sev-snp", &snp, &mut all);
    all
}

fn statement(table: &str, value: &ReferenceValue) -> (String, String) {
    let label = value.label().map(|label| format!(" ({label})")).unwrap_or_default();
    let vmpl = if value.vmpl() == 0 { String::new() } else { format!(" vmpl {}", value.vmpl()) };
    let pcrs = value.pcrs().map(|pcrs| format!(" of {pcrs}")).unwrap_or_default();
    let mut roots: Vec<_> =
        value.roots().iter().map(|root| hex::encode(&sha256(root.spki_der())[..8])).collect();
    roots.sort();
    let end = value
        .expires()
        .map_or_else(|| "without an end".to_owned(), |end| format!("until {}", clock::text(end)));
    let roots = if roots.is_empty() { String::new() } else { format!(", roots {}", roots.join(" ")) };
    (format!("{table} {} {}{label}{vmpl}{pcrs}", value.kind(), value.measurement()), end + roots.as_str())
}

fn flatten(at: &str, value: &Value, all: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(key, value)| flatten(&format!("{at}.{key}"), value, all));
        }
        Value::Null => {}
        value => _ = all.insert(at.to_owned(), value.to_string()),
    }
}
