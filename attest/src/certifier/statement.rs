//! Statements: what a clause says, once it is understood.

use std::fmt;

use claviger_proto::key::{KeyKind, PublicKey};

use super::property::{PlatformFacts, Property};
use crate::measurement::Measurement;

/// Longest name of a key that is shown, in characters: whoever made the key chose it.
const MAX_NAME: usize = 64;

/// How many bytes of an RSA modulus stock programs show.
const SHOWN: usize = 20;

/// A key under the name that it came with. Only the key counts.
#[derive(Clone, Debug)]
pub struct NamedKey {
    name: String,
    key: PublicKey,
}

impl NamedKey {
    /// A key under a name; of the name only what can be shown is kept.
    pub fn new(name: &str, key: PublicKey) -> Self {
        let shown = |c: &char| !c.is_control() && !matches!(c, ',' | '[' | ']');
        Self { name: name.chars().filter(shown).take(MAX_NAME).collect(), key }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }
}

impl PartialEq for NamedKey {
    fn eq(&self, other: &Self) -> bool {
        self.key.same_numbers(&other.key)
    }
}

impl Eq for NamedKey {}

impl fmt::Display for NamedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, number) = match self.key.kind() {
            KeyKind::P256 => ("ecc-P-256", self.key.ec_point().map(|point| point[1..=32].to_vec())),
            KeyKind::P384 => ("ecc-P-384", self.key.ec_point().map(|point| point[1..=48].to_vec())),
            KeyKind::Ed25519 => ("ed25519", None),
            KeyKind::Rsa1024 | KeyKind::Rsa2048 | KeyKind::Rsa3072 | KeyKind::Rsa4096 => {
                ("rsa", self.key.rsa_modulus().map(|modulus| modulus[..SHOWN.min(modulus.len())].to_vec()))
            }
        };
        write!(f, "Key[{kind}, {}, {}]", self.name, hex::encode(number.unwrap_or_default()))
    }
}

/// A platform together with what runs on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    /// What the platform is.
    pub platform: PlatformFacts,
    /// What runs there.
    pub measurement: Measurement,
}

/// Who or what a statement is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entity {
    /// A key.
    Key(NamedKey),
    /// What runs.
    Measurement(Measurement),
    /// Any SEV-SNP platform that has these properties.
    Platform(Vec<Property>),
    /// A platform together with what runs on it.
    Environment(Environment),
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => key.fmt(f),
            Self::Measurement(measurement) => write!(f, "Measurement[{measurement}]"),
            Self::Platform(properties) => platform(f, properties),
            Self::Environment(Environment { platform: facts, measurement }) => {
                f.write_str("environment[")?;
                platform(f, &facts.properties())?;
                write!(f, ", measurement: {measurement}]")
            }
        }
    }
}

fn platform(f: &mut fmt::Formatter<'_>, properties: &[Property]) -> fmt::Result {
    f.write_str("platform[amd-sev-snp")?;
    properties.iter().try_for_each(|property| write!(f, ", {property}"))?;
    f.write_str("]")
}

/// What something is said to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quality {
    /// `is-trusted`
    Trusted,
    /// `is-trusted-for-attestation`
    TrustedForAttestation,
    /// `is-trusted-for-authentication`
    TrustedForAuthentication,
    /// `has-trusted-platform-property`
    TrustedPlatformProperty,
    /// `is-environment`
    IsEnvironment,
    /// `environment-platform-is-trusted`
    EnvironmentPlatformTrusted,
    /// `environment-measurement-is-trusted`
    EnvironmentMeasurementTrusted,
}

impl Quality {
    /// The verb.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trusted => "is-trusted",
            Self::TrustedForAttestation => "is-trusted-for-attestation",
            Self::TrustedForAuthentication => "is-trusted-for-authentication",
            Self::TrustedPlatformProperty => "has-trusted-platform-property",
            Self::IsEnvironment => "is-environment",
            Self::EnvironmentPlatformTrusted => "environment-platform-is-trusted",
            Self::EnvironmentMeasurementTrusted => "environment-measurement-is-trusted",
        }
    }

    /// Whether who is this may say that another is `other`: each kind of trust dominates itself, and `is-trusted` both
    /// others.
    pub fn dominates(self, other: Self) -> bool {
        let trust = [Self::Trusted, Self::TrustedForAttestation, Self::TrustedForAuthentication];
        trust.contains(&self) && trust.contains(&other) && (self == other || self == Self::Trusted)
    }
}

/// A statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    /// Something is something.
    Is(Entity, Quality),
    /// A key speaks for a measurement or an environment.
    SpeaksFor(NamedKey, Entity),
    /// A key says something.
    Says(NamedKey, Box<Statement>),
}

impl Statement {
    /// A key says this.
    #[must_use]
    pub fn said_by(self, key: &NamedKey) -> Self {
        Self::Says(key.clone(), Box::new(self))
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(entity, quality) => write!(f, "{entity} {}", quality.as_str()),
            Self::SpeaksFor(key, entity) => write!(f, "{key} speaks-for {entity}"),
            Self::Says(key, said) => write!(f, "{key} says {said}"),
        }
    }
}
