//! A stock policy as one of ours.

use claviger_proto::key::{Certificate, PublicKey};

use super::claim::{PolicyClaim, StockPolicy};
use super::demands::{Became, demand};
use super::error::ImportError;
use super::property::{Property, PropertyName};
use super::statement::{Entity, NamedKey};
use crate::kind::EvidenceKind;
use crate::kind::sev_snp::{SnpProduct, SnpRequirements, amd_certificates};
use crate::measurement::Measurement;
use crate::reference::{ReferenceValue, TrustPolicy};

/// How the names of SEV-SNP roots begin, in stock tools (`ARKKey`) and AMD's certificates (`ARK-Milan`). A name decides
/// nothing that stock verifiers don't: there, every key that is trusted for attestation is a root of both kinds.
const SNP_ROOT: &str = "ARK";

/// What was understood of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Understood {
    /// Which claim, counted from 1.
    pub claim: usize,
    /// What the policy key says, as stock programs print it.
    pub says: String,
    /// What became of it.
    pub becomes: String,
    /// Its last second, since 1970.
    pub not_after: i64,
}

/// A policy of ours that was made of a stock one.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The policy.
    pub policy: TrustPolicy,
    /// Claim by claim, where it comes from.
    pub understood: Vec<Understood>,
    /// What is taken otherwise than it is written, each as a sentence without its full stop.
    pub warnings: Vec<String>,
}

/// Which root a key is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Root {
    Simulated,
    Amd(SnpProduct),
    Snp,
}

/// The claims, by what they are about; each with its claim.
#[derive(Default)]
struct Sorted<'a> {
    roots: Vec<(&'a NamedKey, Root, &'a PolicyClaim)>,
    measurements: Vec<(Measurement, &'a PolicyClaim)>,
    platform: Option<(&'a [Property], &'a PolicyClaim)>,
}

impl StockPolicy {
    /// The policy of ours that admits the same machines, as far as ours can say it; what it can't is an error, unless ours
    /// is the stricter one, which is a warning.
    pub fn import(&self) -> Result<Imported, ImportError> {
        let sorted = self.sort();
        sorted.check_mixed()?;
        let simulated = sorted.values(EvidenceKind::SimulatedEnclave)?;
        let snp = sorted.values(sorted.snp_kind())?;
        sorted.check_idle(!simulated.is_empty(), !snp.is_empty())?;
        let mut warnings = sorted.warnings(!snp.is_empty());
        let mut requirements = SnpRequirements::default();
        let products = sorted.amd_products();
        if !products.is_empty() {
            requirements.products = products;
        }
        let mut became = Vec::new();
        if let Some((properties, _)) = sorted.platform {
            became = demand(properties, &mut requirements)?;
            warnings.extend(became.iter().filter_map(|became| became.warning.clone()));
        } else if !snp.is_empty() {
            return Err(ImportError::NoPlatform);
        }
        let mut policy = TrustPolicy::default();
        for value in simulated.into_iter().chain(snp) {
            policy.references.add(value);
        }
        policy.references.set_snp(requirements);
        // As a file has to be, so that what is written can be read.
        let policy = TrustPolicy::from_file(policy.to_file())
            .map_err(|error| ImportError::Policy(error.to_string()))?;
        Ok(Imported { understood: self.understood(&sorted, &became), policy, warnings })
    }

    fn sort(&self) -> Sorted<'_> {
        let mut sorted = Sorted::default();
        for claim in self.claims() {
            match &claim.entity {
                Entity::Key(key) => sorted.roots.push((key, root_of(key), claim)),
                Entity::Measurement(measurement) => sorted.measurements.push((*measurement, claim)),
                Entity::Platform(properties) => sorted.platform = Some((properties, claim)),
                // No claim is read as one about these.
                Entity::Environment(_) => {}
            }
        }
        sorted
    }

    fn understood(&self, sorted: &Sorted<'_>, became: &[Became]) -> Vec<Understood> {
        let claims = self.claims().iter().zip(self.statements()).enumerate();
        let told = claims.map(|(at, (claim, statement))| Understood {
            claim: at + 1,
            says: statement.to_string(),
            becomes: becomes(claim, sorted, became),
            not_after: claim.not_after,
        });
        told.collect()
    }
}

fn root_of(key: &NamedKey) -> Root {
    let amd = SnpProduct::ALL.iter().find(|product| amd_root(**product).is_some_and(|ark| ark == *key.key()));
    match amd {
        Some(product) => Root::Amd(*product),
        None if key.name().starts_with(SNP_ROOT) => Root::Snp,
        None => Root::Simulated,
    }
}

/// The key of AMD's root of a product.
pub(in crate::certifier) fn amd_root(product: SnpProduct) -> Option<PublicKey> {
    Certificate::from_der(amd_certificates(product).0).and_then(|ark| ark.public_key()).ok()
}

impl Root {
    fn kind(&self) -> EvidenceKind {
        match self {
            Self::Simulated => EvidenceKind::SimulatedEnclave,
            Self::Amd(_) => EvidenceKind::SevSnp,
            Self::Snp => EvidenceKind::SimulatedSev,
        }
    }
}

impl Sorted<'_> {
    /// The reference values of a kind: every measurement of it under every root of it, as stock verifiers have it, until
    /// the first of the claims behind it ends.
    fn values(&self, kind: EvidenceKind) -> Result<Vec<ReferenceValue>, ImportError> {
        let roots: Vec<_> = self.roots.iter().filter(|(_, root, _)| root.kind() == kind).collect();
        let named = roots.iter().filter(|(_, root, _)| !matches!(root, Root::Amd(_)));
        let keys: Vec<PublicKey> = named.map(|(key, _, _)| key.key().clone()).collect();
        let shared = roots.iter().map(|(_, _, claim)| claim.not_after);
        let platform = self
            .platform
            .filter(|_| kind != EvidenceKind::SimulatedEnclave)
            .map(|(_, claim)| claim.not_after);
        let shared = shared.chain(platform).min();
        let measurements =
            self.measurements.iter().filter(|(measurement, _)| self.kind_of(measurement) == kind);
        let value = |(measurement, claim): &(Measurement, &PolicyClaim)| {
            // An empty list of roots would mean AMD's own.
            let shared = shared.filter(|_| !roots.is_empty()).ok_or(ImportError::NoRoot(*measurement))?;
            let policy = |error: crate::error::ReferenceError| ImportError::Policy(error.to_string());
            // The last second of a claim is still good, the end of ours isn't: the stricter of both, by a second.
            ReferenceValue::new(kind, *measurement, None, keys.clone())
                .and_then(|value| value.expiring(Some(shared.min(claim.not_after))))
                .map_err(policy)
        };
        measurements.map(value).collect()
    }

    /// Of which kind measurements of 48 bytes are: AMD's roots lead to real platforms, any other to simulated ones.
    fn snp_kind(&self) -> EvidenceKind {
        let amd = self.roots.iter().any(|(_, root, _)| matches!(root, Root::Amd(_)));
        if amd { EvidenceKind::SevSnp } else { EvidenceKind::SimulatedSev }
    }

    fn kind_of(&self, measurement: &Measurement) -> EvidenceKind {
        let simulated = EvidenceKind::SimulatedEnclave;
        if measurement.as_bytes().len() == simulated.measurement_bytes() {
            simulated
        } else {
            self.snp_kind()
        }
    }

    fn check_mixed(&self) -> Result<(), ImportError> {
        let named = self.roots.iter().find(|(_, root, _)| *root == Root::Snp);
        match named {
            Some((key, _, _)) if self.snp_kind() == EvidenceKind::SevSnp => {
                Err(ImportError::MixedRoots(key.to_string()))
            }
            _ => Ok(()),
        }
    }

    fn check_idle(&self, simulated: bool, snp: bool) -> Result<(), ImportError> {
        let idle = |root: &Root| if *root == Root::Simulated { !simulated } else { !snp };
        match self.roots.iter().find(|(_, root, _)| idle(root)) {
            Some((key, _, _)) => Err(ImportError::IdleRoot(key.to_string())),
            None => Ok(()),
        }
    }

    fn amd_products(&self) -> Vec<SnpProduct> {
        let named = |product: &SnpProduct| self.roots.iter().any(|(_, root, _)| *root == Root::Amd(*product));
        SnpProduct::ALL.iter().copied().filter(named).collect()
    }

    fn warnings(&self, snp: bool) -> Vec<String> {
        let mut warnings = Vec::new();
        let ends: Vec<_> = self.roots.iter().map(|(_, _, claim)| claim.not_after).collect();
        if ends.iter().any(|end| Some(end) != ends.first()) {
            warnings.push(
                "the roots' claims end at different times, and each measurement ends with the first of them"
                    .to_owned(),
            );
        }
        if snp && self.snp_kind() == EvidenceKind::SimulatedSev {
            warnings.push(
                "of a simulated-sev platform, whose keys are files, a broker refuses debugging and migration, and looks at no \
                 other demand"
                    .to_owned(),
            );
        }
        let named =
            |name| self.platform.is_some_and(|(list, _)| list.iter().any(|property| property.name == name));
        for (name, what) in [
            (PropertyName::Debug, "guests that can be debugged"),
            (PropertyName::Migrate, "guests with a migration agent"),
        ] {
            if snp && self.platform.is_some() && !named(name) {
                warnings.push(format!(
                    "the policy says nothing of {}, and {what} stay refused, as ours does by itself",
                    name.as_str()
                ));
            }
        }
        warnings
    }
}

/// What a claim became, in words.
fn becomes(claim: &PolicyClaim, sorted: &Sorted<'_>, became: &[Became]) -> String {
    match &claim.entity {
        Entity::Key(key) => match root_of(key) {
            Root::Simulated => "a root of the simulated-enclave measurements".to_owned(),
            Root::Snp => "a root of the simulated-sev measurements".to_owned(),
            Root::Amd(product) => format!("AMD's own root: sev-snp.products has {product}"),
        },
        Entity::Measurement(measurement) => {
            format!("a trusted measurement of kind {}", sorted.kind_of(measurement))
        }
        Entity::Platform(_) => {
            let words: Vec<_> = became.iter().map(|became| became.words.as_str()).collect();
            format!("demands on sev-snp platforms: {}", words.join(", "))
        }
        Entity::Environment(_) => String::new(),
    }
}
