//! The products whose reports are known here.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An AMD EPYC product line: it has its own roots, and its own order of the parts of a TCB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SnpProduct {
    /// EPYC 7003.
    Milan,
    /// EPYC 9004 and 8004 (also the ones called Bergamo and Siena).
    Genoa,
    /// EPYC 9005.
    Turin,
}

impl SnpProduct {
    /// Every product.
    pub const ALL: &[Self] = &[Self::Milan, Self::Genoa, Self::Turin];

    /// Its name on command lines and in policy files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Milan => "milan",
            Self::Genoa => "genoa",
            Self::Turin => "turin",
        }
    }

    /// Its name in AMD's certificates and in the paths of AMD's key distribution service (57230).
    pub fn certificate_name(self) -> &'static str {
        match self {
            Self::Milan => "Milan",
            Self::Genoa => "Genoa",
            Self::Turin => "Turin",
        }
    }

    /// The product of a CPU family and model, as reports carry them since version 3 (extended parts added in).
    pub(super) fn of_cpuid(family: u8, model: u8) -> Option<Self> {
        match (family, model) {
            (0x19, 0x00..=0x0f) => Some(Self::Milan),
            (0x19, 0x10..=0x1f | 0xa0..=0xaf) => Some(Self::Genoa),
            (0x1a, 0x00..=0x11) => Some(Self::Turin),
            _ => None,
        }
    }

    /// The product that a VEK's `productName` extension names, with or without a stepping (57230, productName).
    pub(super) fn of_product_name(name: &str) -> Option<Self> {
        let line = name.split_once('-').map_or(name, |(line, _)| line);
        Self::ALL.iter().copied().find(|product| product.certificate_name() == line)
    }

    /// Bytes of a chip's id: the rest of the report's 64 is zero.
    pub fn chip_id_len(self) -> usize {
        match self {
            Self::Milan | Self::Genoa => 64,
            Self::Turin => 8,
        }
    }
}

impl fmt::Display for SnpProduct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Not the name of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a product is milan, genoa or turin")]
pub struct UnknownProduct;

impl FromStr for SnpProduct {
    type Err = UnknownProduct;

    fn from_str(text: &str) -> Result<Self, UnknownProduct> {
        Self::ALL.iter().copied().find(|product| product.as_str() == text).ok_or(UnknownProduct)
    }
}
