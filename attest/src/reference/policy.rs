//! All that a domain's owner says about which machines it admits.

use serde::{Deserialize, Serialize};

use super::{BrokerValue, ReferenceValues};
use crate::attested::Attested;
use crate::error::AttestError;
use crate::instance::{Identified, InstanceDemand, Renews, identify};
use crate::kind::sev_snp::SnpRequirements;

/// All that a domain's owner says about which machines it admits: what may run, and whether a machine has to show
/// which one it is. A policy file is its text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct TrustPolicy {
    /// What may run, and what is demanded of platforms.
    pub references: ReferenceValues,
    /// What brokers elsewhere may run.
    pub brokers: Vec<BrokerValue>,
    /// How a machine shows which one it is.
    pub instance: InstanceDemand,
}

impl TrustPolicy {
    /// Says which machine this is, or refuses one of which the domain demands to know it and can't. `renews` is who
    /// renews its certificate: it keeps its instance, and has to show it where the domain demands a chip or an ID block.
    pub fn identify(
        &self,
        attested: Attested,
        renews: Option<Renews<'_>>,
    ) -> Result<Identified, AttestError> {
        identify(&self.instance, self.references.snp(), attested, renews)
    }
}

/// The serialized form.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Stored {
    #[serde(default)]
    references: ReferenceValues,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    brokers: Vec<BrokerValue>,
    #[serde(default)]
    sev_snp: SnpRequirements,
    #[serde(default)]
    instance: InstanceDemand,
}

impl From<TrustPolicy> for Stored {
    fn from(policy: TrustPolicy) -> Self {
        let sev_snp = policy.references.snp().clone();
        let TrustPolicy { references, brokers, instance } = policy;
        Self { references, brokers, sev_snp, instance }
    }
}

impl From<Stored> for TrustPolicy {
    fn from(Stored { mut references, brokers, sev_snp, instance }: Stored) -> Self {
        references.set_snp(sev_snp);
        Self { references, brokers, instance }
    }
}
