//! The rules of the reference's proofs, under their numbers. Those that no proof here uses (2, 4 and 11) are left out.

use std::fmt;

use super::error::ProofError;
use super::statement::{Entity, Quality, Statement};

/// A rule by which two statements give a third.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// R1: if a measurement or environment is-trusted and a key speaks-for it, the key is-trusted-for-authentication.
    R1,
    /// R3: if a key is-trusted and says something, that is so.
    R3,
    /// R5: if a key is trusted and says that another is, that one is, provided the first's trust dominates the second's.
    R5,
    /// R6: if a key is-trusted-for-attestation and says that a key speaks-for a measurement or environment, or that an
    /// environment is-environment, that is so.
    R6,
    /// R7: if a measurement or environment is-trusted and a key speaks-for it, the key is-trusted-for-attestation.
    R7,
    /// R8: if an environment is-environment and a platform has-trusted-platform-property, the environment
    /// environment-platform-is-trusted, provided its platform has the properties.
    R8,
    /// R9: if an environment is-environment and its measurement is-trusted, the environment
    /// environment-measurement-is-trusted.
    R9,
    /// R10: if an environment environment-measurement-is-trusted and environment-platform-is-trusted, it is-trusted.
    R10,
}

impl Rule {
    /// Its number in the reference.
    pub fn number(self) -> u8 {
        match self {
            Self::R1 => 1,
            Self::R3 => 3,
            Self::R5 => 5,
            Self::R6 => 6,
            Self::R7 => 7,
            Self::R8 => 8,
            Self::R9 => 9,
            Self::R10 => 10,
        }
    }

    /// What two statements give by it.
    pub fn apply(self, first: &Statement, second: &Statement) -> Result<Statement, ProofError> {
        let nothing =
            || ProofError::Rule(format!("{self} of \"{first}\" and \"{second}\""), "anything".to_owned());
        let given = match self {
            Self::R1 => speaker(first, second, Quality::TrustedForAuthentication),
            Self::R3 => said(first, second, |trust, _| trust == Quality::Trusted),
            Self::R5 => said(first, second, |trust, said| match said {
                Statement::Is(Entity::Key(_), quality) => trust.dominates(*quality),
                _ => false,
            }),
            Self::R6 => said(first, second, |trust, said| {
                let attests = trust.dominates(Quality::TrustedForAttestation);
                let about = matches!(
                    said,
                    Statement::SpeaksFor(_, Entity::Measurement(_) | Entity::Environment(_))
                        | Statement::Is(Entity::Environment(_), Quality::IsEnvironment)
                );
                attests && about
            }),
            Self::R7 => speaker(first, second, Quality::TrustedForAttestation),
            Self::R8 => return r8(first, second).unwrap_or_else(|| Err(nothing())),
            Self::R9 => r9(first, second),
            Self::R10 => r10(first, second),
        };
        given.ok_or_else(nothing)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule {}", self.number())
    }
}

/// What a key says that is trusted enough to say it.
fn said(
    first: &Statement,
    second: &Statement,
    may: impl Fn(Quality, &Statement) -> bool,
) -> Option<Statement> {
    match (first, second) {
        (Statement::Is(Entity::Key(trusted), trust), Statement::Says(speaker, said))
            if trusted == speaker && may(*trust, said) =>
        {
            Some((**said).clone())
        }
        _ => None,
    }
}

/// A key that speaks for something trusted is trusted so.
fn speaker(first: &Statement, second: &Statement, quality: Quality) -> Option<Statement> {
    match (first, second) {
        (
            Statement::Is(trusted @ (Entity::Measurement(_) | Entity::Environment(_)), Quality::Trusted),
            Statement::SpeaksFor(key, about),
        ) if trusted == about => Some(Statement::Is(Entity::Key(key.clone()), quality)),
        _ => None,
    }
}

/// `None`: these aren't statements of this rule.
fn r8(first: &Statement, second: &Statement) -> Option<Result<Statement, ProofError>> {
    match (first, second) {
        (
            Statement::Is(Entity::Environment(environment), Quality::IsEnvironment),
            Statement::Is(Entity::Platform(demanded), Quality::TrustedPlatformProperty),
        ) => {
            let facts = &environment.platform;
            let lacking = demanded.iter().find(|property| !property.is_satisfied(facts));
            Some(match lacking {
                None => Ok(Statement::Is(
                    Entity::Environment(environment.clone()),
                    Quality::EnvironmentPlatformTrusted,
                )),
                Some(property) => {
                    let found = facts.properties().into_iter().find(|found| found.name == property.name);
                    let found = found.map(|found| found.to_string()).unwrap_or_default();
                    Err(ProofError::Platform { demanded: property.to_string(), found })
                }
            })
        }
        _ => None,
    }
}

fn r9(first: &Statement, second: &Statement) -> Option<Statement> {
    match (first, second) {
        (
            Statement::Is(Entity::Environment(environment), Quality::IsEnvironment),
            Statement::Is(Entity::Measurement(measurement), Quality::Trusted),
        ) if environment.measurement == *measurement => Some(Statement::Is(
            Entity::Environment(environment.clone()),
            Quality::EnvironmentMeasurementTrusted,
        )),
        _ => None,
    }
}

fn r10(first: &Statement, second: &Statement) -> Option<Statement> {
    match (first, second) {
        (
            Statement::Is(one @ Entity::Environment(_), Quality::EnvironmentMeasurementTrusted),
            Statement::Is(other, Quality::EnvironmentPlatformTrusted),
        ) if one == other => Some(Statement::Is(one.clone(), Quality::Trusted)),
        _ => None,
    }
}
