//! Ready-made policies.

use std::fmt;
use std::str::FromStr;

use claviger_proto::DomainName;
use serde::{Deserialize, Serialize};

use crate::{AclError, Action};

/// A ready-made policy of a domain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// Nobody may do anything.
    #[default]
    Closed,
    /// Every member may do everything.
    Members,
    /// Every member retrieves, and sees which names and versions there are; those with the label `deployment`
    /// may do everything.
    Provisioned,
    /// Each instance may do everything below `instances/` and its own id, and nothing else; those with the label
    /// `deployment` may do everywhere what isn't getting secrets.
    Instances,
}

impl Preset {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Closed, Self::Members, Self::Provisioned, Self::Instances];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Members => "members",
            Self::Provisioned => "provisioned",
            Self::Instances => "instances",
        }
    }

    /// The policy, as the text that a domain's owner could have written. A domain's name has no character
    /// that means anything in it.
    pub fn policy(self, domain: &DomainName) -> String {
        match self {
            Self::Closed => String::new(),
            Self::Members => rules(domain, "member", EVERYTHING, &Action::ALL),
            Self::Provisioned => {
                let provide = Action::ALL.into_iter().filter(|action| !CONSUME.contains(action));
                let deployment = rules(domain, "label:deployment", EVERYTHING, &provide.collect::<Vec<_>>());
                deployment + rules(domain, "member", EVERYTHING, &CONSUME).as_str()
            }
            Self::Instances => {
                let provide = Action::ALL.into_iter().filter(|action| *action != Action::Retrieve);
                let deployment = rules(domain, "label:deployment", EVERYTHING, &provide.collect::<Vec<_>>());
                deployment + rules(domain, "member", OWN, &Action::ALL).as_str()
            }
        }
    }
}

/// What a machine does that was provided for.
const CONSUME: [Action; 3] = [Action::Retrieve, Action::List, Action::Versions];

const EVERYTHING: &str = "**";

/// What belongs to the instance that asks.
const OWN: &str = "instances/{instance}/**";

fn rules(domain: &DomainName, subject: &str, resource: &str, actions: &[Action]) -> String {
    let rule = |rules: String, action| {
        rules + format!("p, {subject}, {domain}, {resource}, {action}, allow\n").as_str()
    };
    actions.iter().fold(String::new(), rule)
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Preset {
    type Err = AclError;

    fn from_str(text: &str) -> Result<Self, AclError> {
        Self::ALL.into_iter().find(|preset| preset.as_str() == text).ok_or(AclError::UnknownPreset)
    }
}
