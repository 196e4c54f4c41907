//! Brokers elsewhere: which of them a domain trusts, and the proof that one is among them.

use claviger_proto::trust::EvidencePackage;
use rustls_pki_types::UnixTime;
use serde::{Deserialize, Serialize};

use super::{ReferenceValue, ReferenceValues, TrustPolicy};
use crate::attested::{Attested, Expected, verify};
use crate::error::AttestError;

/// What a broker elsewhere may run. Agents are never admitted by this, nor brokers by what agents may run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrokerValue {
    /// The measurement, and under which roots.
    pub value: ReferenceValue,
    /// Whether such a broker is given the domain's policy key, so that it admits agents itself.
    #[serde(default)]
    pub may_issue: bool,
}

/// A broker elsewhere that was attested, and that the domain lists as one. Only [`TrustPolicy::attest_broker`] makes
/// one, so whoever has it has verified evidence against the list of brokers.
#[derive(Clone, Debug)]
pub struct ListedBroker {
    attested: Attested,
    may_issue: bool,
}

impl ListedBroker {
    /// What was attested.
    pub fn attested(&self) -> &Attested {
        &self.attested
    }

    /// Whether the owner lets it have the policy key.
    pub fn may_issue(&self) -> bool {
        self.may_issue
    }
}

impl TrustPolicy {
    /// Verifies the evidence of a broker elsewhere. `expected` has the binding of a broker
    /// ([`Role::Broker`](crate::Role::Broker)), which no agent's evidence carries.
    pub fn attest_broker(
        &self,
        submitted_type: &str,
        evidence: &EvidencePackage,
        expected: &Expected<'_>,
        now: UnixTime,
    ) -> Result<ListedBroker, AttestError> {
        let attested = verify(submitted_type, evidence, &self.broker_values(), expected, now)?;
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let mut about = self.brokers.iter().filter(|broker| {
            let value = &broker.value;
            value.kind() == attested.kind()
                && value.measurement() == attested.measurement()
                && !value.is_expired(seconds)
        });
        // Where it is listed more than once, under several roots or VMPLs, each of them has to say so.
        let may_issue = about.all(|broker| broker.may_issue);
        Ok(ListedBroker { attested, may_issue })
    }

    /// The list of brokers in the form that evidence is verified against, with the same demands on platforms.
    fn broker_values(&self) -> ReferenceValues {
        let values = self.brokers.iter().map(|broker| broker.value.clone()).collect();
        ReferenceValues(values, self.references.snp().clone())
    }
}
