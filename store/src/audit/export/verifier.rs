//! Checking an export: what its hashes, keys and signatures say, and no more.

mod walk;

use std::io::Read;

use serde::Serialize;

use super::reader::Parts;
use super::{About, ExportError, Part};
use crate::audit::{Checkpoint, Finding, FindingKind};
use walk::Walk;

/// A checkpoint with a good signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckpointSeen {
    /// Which, counted from 1.
    pub sequence: u64,
    /// When it was made, seconds since 1970.
    pub time: i64,
    /// Its digest, SHA-256 in hex: the same for whoever was shown the same.
    pub digest: String,
    /// SHA-256 of the certificate whose key signed it, in hex.
    pub signer: String,
}

/// What was found of one chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChainSeen {
    /// Which.
    pub chain: String,
    /// How many good records it has.
    pub records: u64,
    /// How many of them the last checkpoint covers. Of the others nobody could tell if they were cut off.
    pub covered: u64,
}

/// What a verification of an export found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What the export says of itself; domain and generation are vouched for by the checkpoints.
    pub about: About,
    /// Each chain.
    pub chains: Vec<ChainSeen>,
    /// Checkpoints with good signatures.
    pub checkpoints: u64,
    /// The newest of them.
    pub last: Option<CheckpointSeen>,
    /// Records of an earlier format, which could be shown to somebody else as other records.
    pub uncommitted: u64,
    /// What is wrong, or worth knowing.
    pub findings: Vec<Finding>,
}

impl Verdict {
    /// Good records over all chains.
    pub fn records(&self) -> u64 {
        self.chains.iter().map(|chain| chain.records).sum()
    }

    /// Whether nothing speaks of tampering or loss; a torn tail doesn't.
    pub fn is_intact(&self) -> bool {
        self.findings.iter().all(|finding| finding.kind == FindingKind::TornTail)
    }
}

/// Checks that a broker of this domain signed these bytes: gets what the export says of itself, the bytes and the
/// signature, and gives the SHA-256 of the certificate that did.
pub type CheckSignature<'a> = &'a dyn Fn(&About, &[u8], &[u8]) -> Option<[u8; 32]>;

/// Checks an export. `since` is the newest checkpoint that the verifier has kept from before, by [`held`].
pub fn verify_export(
    from: impl Read,
    since: Option<(&About, &CheckpointSeen)>,
    check: CheckSignature<'_>,
) -> Result<Verdict, ExportError> {
    let (mut parts, about) = Parts::open(from)?;
    let of_this = |held: &About| held.domain == about.domain && held.generation == about.generation;
    let comparable = since.filter(|(held, _)| of_this(held)).map(|(_, seen)| seen.clone());
    let other = since.is_some() && comparable.is_none();
    let mut walk = Walk::new(about, comparable);
    if other {
        walk.find("your checkpoint", FindingKind::OtherGeneration);
    }
    loop {
        match parts.next()? {
            // The reading order is that of the writing: what a checkpoint covers comes after it.
            Part::Checkpoint(part) if !walk.in_chains() => walk.checkpoint(part, check),
            Part::Segment(part) => walk.segment(&part).ok_or_else(|| parts.malformed())?,
            Part::Block(part) => walk.block(&part).ok_or_else(|| parts.malformed())?,
            Part::Damage(part) => walk.damage(&part).ok_or_else(|| parts.malformed())?,
            Part::End(end) if walk.is_all(end) => break,
            _ => return Err(parts.malformed()),
        }
    }
    parts.finish()?;
    Ok(walk.end())
}

/// The newest good checkpoint of a file, which is a checkpoint's or an earlier export.
pub fn held(
    from: impl Read,
    check: CheckSignature<'_>,
) -> Result<Option<(About, CheckpointSeen)>, ExportError> {
    let (mut parts, about) = Parts::open(from)?;
    let mut newest: Option<CheckpointSeen> = None;
    loop {
        match parts.next()? {
            Part::Checkpoint(part) => {
                let seen = Checkpoint::read(part.sequence, part.body)
                    .and_then(|(checkpoint, signature)| good(&about, &checkpoint, &signature, check));
                newest = newest.into_iter().chain(seen).max_by_key(|seen| seen.sequence);
            }
            Part::Header(_) => return Err(parts.malformed()),
            Part::End(_) => break,
            Part::Segment(_) | Part::Block(_) | Part::Damage(_) => {}
        }
    }
    parts.finish()?;
    Ok(newest.map(|newest| (about, newest)))
}

fn good(
    about: &About,
    checkpoint: &Checkpoint,
    signature: &[u8],
    check: CheckSignature<'_>,
) -> Option<CheckpointSeen> {
    let bytes = checkpoint.signed_bytes(&about.domain, &about.generation);
    let signer = check(about, &bytes, signature)?;
    Some(CheckpointSeen {
        sequence: checkpoint.sequence,
        time: checkpoint.time,
        digest: hex::encode(Checkpoint::digest(&bytes)),
        signer: hex::encode(signer),
    })
}
