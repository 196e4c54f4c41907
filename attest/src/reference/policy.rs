//! All that a domain's owner says about which machines it admits.

use serde::{Deserialize, Serialize};

use super::ReferenceValues;
use crate::attested::Attested;
use crate::cert::Peer;
use crate::error::AttestError;
use crate::instance::{Identified, InstanceDemand, Listed, identify};

/// All that a domain's owner says about which machines it admits: what may run, and whether a machine has to show
/// which one it is. A policy file is its text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustPolicy {
    /// What may run.
    #[serde(default)]
    pub references: ReferenceValues,
    /// How a machine shows which one it is.
    #[serde(default)]
    pub instance: InstanceDemand,
}

impl TrustPolicy {
    /// Says which machine this is, or refuses one of which the domain demands to know it and can't. `renews` is the
    /// peer whose certificate is renewed: it keeps its instance.
    pub fn identify(&self, attested: Attested, renews: Option<&Peer>) -> Result<Identified, AttestError> {
        identify(&self.instance, self.listed(), attested, renews)
    }

    pub(super) fn listed(&self) -> Listed<'_> {
        Listed::default()
    }
}
