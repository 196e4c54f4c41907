//! Properties of SEV-SNP platforms: what stock policies demand, and what a report says.

use std::fmt;

use claviger_proto::certifier_policy::{PROPERTY_INT, PROPERTY_STRING, Property as Wire};

use super::error::ClaimFault;

macro_rules! names {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)*) => {
        /// A property that stock policies can name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum PropertyName {
            $($(#[$doc])* $variant,)*
        }

        impl PropertyName {
            /// Its name in claims.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            fn of_name(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

names! {
    /// The guest runs on one socket only: POLICY bit 20.
    SingleSocket = "single-socket";
    /// The host may read the guest's memory: POLICY bit 19.
    Debug = "debug";
    /// The guest may run where threads share a core: POLICY bit 16.
    Smt = "smt";
    /// A migration agent may copy the guest: POLICY bit 18.
    Migrate = "migrate";
    /// The major version of the firmware ABI that the guest asks for at least: POLICY bits 8 to 15.
    ApiMajor = "api-major";
    /// The minor one: POLICY bits 0 to 7.
    ApiMinor = "api-minor";
    /// The 8 bytes of `REPORTED_TCB` as one little-endian number; compared byte by byte, which is part by part.
    TcbVersion = "tcb-version";
}

/// How a number is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparator {
    /// `=`
    Equal,
    /// `>=`
    AtLeast,
}

impl Comparator {
    /// Its sign in claims.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::AtLeast => ">=",
        }
    }
}

/// What a property must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PropertyValue {
    /// `yes` or `no`.
    Word(bool),
    /// A number, compared so.
    Number(Comparator, u64),
}

/// One demand on a platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Property {
    /// On what.
    pub name: PropertyName,
    /// What it must be.
    pub value: PropertyValue,
}

impl Property {
    pub(super) fn read(wire: &Wire) -> Result<Self, ClaimFault> {
        let given = wire.name.clone().unwrap_or_default();
        let name = PropertyName::of_name(&given).ok_or(ClaimFault::Property(given))?;
        let comparator = match wire.comparator.as_deref() {
            Some("=") => Comparator::Equal,
            Some(">=") => Comparator::AtLeast,
            _ => return Err(ClaimFault::Comparator(name)),
        };
        let numeric =
            matches!(name, PropertyName::ApiMajor | PropertyName::ApiMinor | PropertyName::TcbVersion);
        let value = match (wire.value_type.as_deref(), wire.word.as_deref(), wire.number) {
            (Some(PROPERTY_INT), None | Some(""), Some(number)) if numeric => {
                PropertyValue::Number(comparator, number)
            }
            (Some(PROPERTY_STRING), Some(word @ ("yes" | "no")), None | Some(0)) if !numeric => {
                if comparator != Comparator::Equal {
                    return Err(ClaimFault::Comparator(name));
                }
                PropertyValue::Word(word == "yes")
            }
            _ => return Err(ClaimFault::Value(name)),
        };
        Ok(Self { name, value })
    }

    pub(super) fn wire(&self) -> Wire {
        let mut wire = Wire { name: Some(self.name.as_str().to_owned()), ..Wire::default() };
        match self.value {
            PropertyValue::Word(is) => {
                wire.value_type = Some(PROPERTY_STRING.to_owned());
                wire.comparator = Some(Comparator::Equal.as_str().to_owned());
                wire.word = Some(word(is).to_owned());
            }
            PropertyValue::Number(comparator, number) => {
                wire.value_type = Some(PROPERTY_INT.to_owned());
                wire.comparator = Some(comparator.as_str().to_owned());
                wire.number = Some(number);
            }
        }
        wire
    }

    /// Whether a platform that is this has it.
    pub fn is_satisfied(&self, facts: &PlatformFacts) -> bool {
        match (self.value, facts.get(self.name)) {
            (PropertyValue::Word(wanted), PropertyValue::Word(found)) => wanted == found,
            (PropertyValue::Number(Comparator::Equal, wanted), PropertyValue::Number(_, found)) => {
                wanted == found
            }
            (PropertyValue::Number(Comparator::AtLeast, wanted), PropertyValue::Number(_, found)) => {
                // One high part must not make up for a low one. The other numbers have one byte anyway.
                wanted.to_le_bytes().iter().zip(found.to_le_bytes()).all(|(wanted, found)| found >= *wanted)
            }
            _ => false,
        }
    }
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.as_str();
        match self.value {
            PropertyValue::Word(is) => write!(f, "{name}: {}", word(is)),
            PropertyValue::Number(comparator, number) => {
                write!(f, "{name}: {} {number}", comparator.as_str())
            }
        }
    }
}

fn word(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

/// What a report says of its platform and guest, by the bits of AMD's ABI (56860 §4.3; stock programs read the guest's
/// policy one bit off).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlatformFacts {
    /// `POLICY`.
    pub policy: u64,
    /// `REPORTED_TCB`.
    pub tcb: [u8; 8],
}

impl PlatformFacts {
    fn bit(&self, bit: u32) -> PropertyValue {
        PropertyValue::Word(self.policy >> bit & 1 != 0)
    }

    fn get(&self, name: PropertyName) -> PropertyValue {
        let number = |number| PropertyValue::Number(Comparator::Equal, number);
        match name {
            PropertyName::Smt => self.bit(16),
            PropertyName::Migrate => self.bit(18),
            PropertyName::Debug => self.bit(19),
            PropertyName::SingleSocket => self.bit(20),
            PropertyName::ApiMajor => number(self.policy >> 8 & 0xff),
            PropertyName::ApiMinor => number(self.policy & 0xff),
            PropertyName::TcbVersion => number(u64::from_le_bytes(self.tcb)),
        }
    }

    /// All of it, as properties.
    pub fn properties(&self) -> [Property; 7] {
        use PropertyName::{ApiMajor, ApiMinor, Debug, Migrate, SingleSocket, Smt, TcbVersion};
        [SingleSocket, Debug, Smt, Migrate, ApiMajor, ApiMinor, TcbVersion]
            .map(|name| Property { name, value: self.get(name) })
    }
}
