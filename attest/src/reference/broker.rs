//! Brokers elsewhere: which of them a domain trusts, and the proof that one is among them.

use claviger_proto::trust::EvidencePackage;
use rustls_pki_types::UnixTime;
use serde::{Deserialize, Serialize};

use super::{ReferenceValue, ReferenceValues, TrustPolicy};
use crate::attested::{Attested, EndorsementNeeded, Endorsements, Expected, Screened, screen};
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

/// Evidence of a broker elsewhere that passed all that costs no signature, against the list of brokers. Only
/// [`TrustPolicy::screen_broker`] makes one.
#[derive(Clone, Debug)]
pub struct ScreenedBroker {
    screened: Screened,
    /// Those of the list that aren't past their end.
    listed: Vec<BrokerValue>,
}

impl ScreenedBroker {
    /// As [`Screened::needs`].
    pub fn needs(&self) -> Option<EndorsementNeeded> {
        self.screened.needs()
    }

    /// Verifies the signatures, up to a root that counts.
    pub fn verify(self, endorsements: &Endorsements<'_>, now: UnixTime) -> Result<ListedBroker, AttestError> {
        let attested = self.screened.verify(endorsements, now)?;
        let mut about = self.listed.iter().filter(|broker| {
            broker.value.kind() == attested.kind() && broker.value.measurement() == attested.measurement()
        });
        // Where it is listed more than once, under several roots or VMPLs, each of them has to say so.
        let may_issue = about.all(|broker| broker.may_issue);
        Ok(ListedBroker { attested, may_issue })
    }
}

/// A broker elsewhere that was attested, and that the domain lists as one. Only [`ScreenedBroker::verify`] makes
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
    /// Checks all of the evidence of a broker elsewhere that costs no signature. `expected` has the binding of a broker
    /// ([`Role::Broker`](crate::Role::Broker)), which no agent's evidence carries.
    pub fn screen_broker(
        &self,
        submitted_type: &str,
        evidence: &EvidencePackage,
        expected: &Expected<'_>,
        now: UnixTime,
    ) -> Result<ScreenedBroker, AttestError> {
        let screened = screen(submitted_type, evidence, &self.broker_values(), expected, now)?;
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let listed =
            self.brokers.iter().filter(|broker| !broker.value.is_expired(seconds)).cloned().collect();
        Ok(ScreenedBroker { screened, listed })
    }

    /// The list of brokers in the form that evidence is verified against, with the same demands on platforms.
    fn broker_values(&self) -> ReferenceValues {
        let values = self.brokers.iter().map(|broker| broker.value.clone()).collect();
        ReferenceValues(values, self.references.snp().clone())
    }
}
