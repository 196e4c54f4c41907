//! A domain's keys.

use claviger_proto::DomainName;

/// The keys of one domain, made from its domain key: they seal its records and make the engine's keys out of
/// names. Shared as `Arc`; no `Debug`, no `Clone`; zeroized when the last holder lets go.
pub struct DomainKeys {
    name: DomainName,
    generation: [u8; 16],
    epoch: u32,
}

impl DomainKeys {
    /// Whose keys they are.
    pub fn domain(&self) -> &DomainName {
        &self.name
    }

    /// Which domain of that name, ever: random, so that a domain deleted and made again is another one.
    pub fn generation(&self) -> &[u8; 16] {
        &self.generation
    }

    /// Which of the domain's keys, counted from 1.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Whether the domain has been deleted. From then on nothing of it is found.
    pub fn is_destroyed(&self) -> bool {
        todo!()
    }

    /// The directory, under the data directory's `audit/`, of the domain's segments: a digest that tells
    /// nothing of the name.
    pub fn audit_dir_name(&self) -> String {
        todo!()
    }
}
