//! Stock properties as our demands on SEV-SNP platforms, and the other way round.

use super::error::ImportError;
use super::property::{Comparator, Property, PropertyName, PropertyValue};
use crate::kind::sev_snp::{
    GuestPolicyDemands, MinimumTcb, SnpProduct, SnpRequirements, SnpTcb, Strength, Weakness,
};

/// What a property became.
pub(super) struct Became {
    /// Our words for it.
    pub(super) words: String,
    /// Where it is taken otherwise than it is written.
    pub(super) warning: Option<String>,
}

impl Became {
    fn plain(words: impl Into<String>) -> Self {
        Self { words: words.into(), warning: None }
    }
}

/// Adds what a claim demands of platforms. `products` in the requirements are those whose roots are trusted.
pub(super) fn demand(
    properties: &[Property],
    requirements: &mut SnpRequirements,
) -> Result<Vec<Became>, ImportError> {
    properties.iter().map(|property| one(property, requirements)).collect()
}

fn one(property: &Property, requirements: &mut SnpRequirements) -> Result<Became, ImportError> {
    let cannot = |why| ImportError::Property(property.to_string(), why);
    let guest = &mut requirements.guest_policy;
    match (property.name, property.value) {
        (PropertyName::Debug, PropertyValue::Word(false)) => {
            guest.debug = Weakness::Refused;
            Ok(Became::plain("guest-policy.debug = \"refused\""))
        }
        (PropertyName::Migrate, PropertyValue::Word(false)) => {
            guest.migration_agent = Weakness::Refused;
            Ok(Became::plain("guest-policy.migration-agent = \"refused\""))
        }
        (PropertyName::Smt, PropertyValue::Word(false)) => {
            guest.smt = Weakness::Refused;
            Ok(Became::plain("guest-policy.smt = \"refused\""))
        }
        (PropertyName::SingleSocket, PropertyValue::Word(true)) => {
            guest.single_socket = Strength::Required;
            Ok(Became::plain("guest-policy.single-socket = \"required\""))
        }
        (PropertyName::SingleSocket, PropertyValue::Word(false)) => {
            Err(cannot("it demands that a guest lacks a strength; without the property both are taken"))
        }
        (_, PropertyValue::Word(true)) => {
            Err(cannot("it demands that a guest has a weakness; without the property both are taken"))
        }
        (PropertyName::TcbVersion, PropertyValue::Number(comparator, number)) => {
            tcb(comparator, number, requirements)
                .ok_or(cannot("no product whose roots are trusted has a TCB with these parts"))
        }
        (name, PropertyValue::Number(comparator, number)) => {
            let number = u8::try_from(number).map_err(|_| cannot("a version has one byte"))?;
            if comparator == Comparator::Equal {
                return Err(cannot("ours knows a lowest ABI version, not an only one; write >="));
            }
            Ok(abi(name, number, guest))
        }
        _ => Err(cannot("its value is of another kind")),
    }
}

fn abi(name: PropertyName, number: u8, guest: &mut GuestPolicyDemands) -> Became {
    if name == PropertyName::ApiMajor {
        guest.minimum_abi.0 = number;
        return Became::plain(format!("guest-policy.minimum-abi: major {number}"));
    }
    guest.minimum_abi.1 = number;
    let warning = (number > 0).then(|| {
        "api-major and api-minor are taken as one version: a guest that asks for a higher major one may have a lower minor one"
            .to_owned()
    });
    Became { words: format!("guest-policy.minimum-abi: minor {number}"), warning }
}

/// The parts of the reported TCB, each at least as high: the bytes are the same in every product, what they are of isn't.
/// A product that can't report them is accepted no longer.
fn tcb(comparator: Comparator, number: u64, requirements: &mut SnpRequirements) -> Option<Became> {
    if (comparator, number) == (Comparator::AtLeast, 0) {
        return Some(Became::plain("no floor: every TCB is at least 0"));
    }
    let floor = |product: &SnpProduct| Some((*product, SnpTcb::parse(*product, number.to_le_bytes())?));
    let floors: Vec<_> = requirements.products.iter().filter_map(floor).collect();
    if floors.is_empty() {
        return None;
    }
    let words = floors.iter().map(|(product, tcb)| {
        let parts = tcb.parts().into_iter().filter(|(_, part)| *part > 0);
        let parts: Vec<_> = parts.map(|(name, part)| format!("{name} {part}")).collect();
        format!("{product}: {}", if parts.is_empty() { "any".to_owned() } else { parts.join(", ") })
    });
    let words = format!("minimum-tcb.reported ({})", words.collect::<Vec<_>>().join("; "));
    requirements.products = floors.iter().map(|(product, _)| *product).collect();
    requirements.minimum_tcb = floors
        .into_iter()
        .map(|(product, reported)| (product, MinimumTcb { reported, ..MinimumTcb::default() }))
        .collect();
    let warning = (comparator == Comparator::Equal).then(|| {
        format!(
            "tcb-version: = {number} is taken as a floor, part by part: platforms with newer firmware are admitted too, \
             which stock verifiers would refuse"
        )
    });
    Some(Became { words, warning })
}

/// What can be said of these demands in a stock claim. Never empty, since stock verifiers admit nothing by a platform
/// without properties.
pub(super) fn properties(requirements: &SnpRequirements) -> Vec<Property> {
    let guest = &requirements.guest_policy;
    let word = |name, is| Property { name, value: PropertyValue::Word(is) };
    let at_least =
        |name, number| Property { name, value: PropertyValue::Number(Comparator::AtLeast, number) };
    let (major, minor) = guest.minimum_abi;
    let mut properties = Vec::new();
    for (name, weakness) in [
        (PropertyName::Debug, guest.debug),
        (PropertyName::Migrate, guest.migration_agent),
        (PropertyName::Smt, guest.smt),
    ] {
        if weakness == Weakness::Refused {
            properties.push(word(name, false));
        }
    }
    if guest.single_socket == Strength::Required {
        properties.push(word(PropertyName::SingleSocket, true));
    }
    properties.push(at_least(PropertyName::ApiMajor, major.into()));
    properties.push(at_least(PropertyName::ApiMinor, minor.into()));
    properties.extend(common_tcb(requirements).map(|tcb| at_least(PropertyName::TcbVersion, tcb)));
    properties
}

/// The number that the floors of all products are, if they are one.
fn common_tcb(requirements: &SnpRequirements) -> Option<u64> {
    let numbers = requirements
        .minimum_tcb
        .iter()
        .map(|(product, floor)| u64::from_le_bytes(floor.reported.to_bytes(*product)));
    let mut numbers: Vec<_> = numbers.collect();
    numbers.dedup();
    match numbers.as_slice() {
        [only] => Some(*only),
        _ => None,
    }
}
