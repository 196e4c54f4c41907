//! Reading an export, part by part.

use std::io::Read;

use prost::Message as _;

use super::{
    About, BlockPart, CheckpointPart, DamagePart, EndPart, ExportError, HeaderPart, LONGEST, MAGIC, Part,
    SegmentPart, VERSION,
};

/// The parts of an export.
pub(super) struct Parts<R> {
    from: R,
    /// How many were read.
    number: u64,
}

impl<R: Read> Parts<R> {
    /// Reads what every export begins with.
    pub(super) fn open(mut from: R) -> Result<(Self, About), ExportError> {
        let mut start = [0; MAGIC.len() + 1];
        fill(&mut from, &mut start).map_err(|error| match error {
            ExportError::Incomplete => ExportError::Foreign,
            other => other,
        })?;
        if start[..MAGIC.len()] != MAGIC {
            return Err(ExportError::Foreign);
        }
        if start[MAGIC.len()] != VERSION {
            return Err(ExportError::UnknownVersion { found: start[MAGIC.len()] });
        }
        let mut parts = Self { from, number: 0 };
        let Part::Header(header) = parts.next()? else { return Err(parts.malformed()) };
        let about = about(header).ok_or_else(|| parts.malformed())?;
        Ok((parts, about))
    }

    pub(super) fn malformed(&self) -> ExportError {
        ExportError::Malformed { part: self.number }
    }

    /// The next part.
    pub(super) fn next(&mut self) -> Result<Part, ExportError> {
        let mut head = [0; 5];
        fill(&mut self.from, &mut head)?;
        self.number += 1;
        let [kind, length @ ..] = head;
        let length = u32::from_be_bytes(length);
        if length > LONGEST {
            return Err(self.malformed());
        }
        // Room for what is there, not for what the length promises.
        let mut body = Vec::new();
        let read = (&mut self.from).take(u64::from(length)).read_to_end(&mut body)?;
        if read < length as usize {
            return Err(ExportError::Incomplete);
        }
        decode(kind, &body).ok_or_else(|| self.malformed())
    }

    /// After the end there is nothing.
    pub(super) fn finish(mut self) -> Result<(), ExportError> {
        if self.from.read(&mut [0])? == 0 { Ok(()) } else { Err(self.malformed()) }
    }
}

fn fill(from: &mut impl Read, bytes: &mut [u8]) -> Result<(), ExportError> {
    from.read_exact(bytes).map_err(|error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => ExportError::Incomplete,
        _ => error.into(),
    })
}

fn decode(kind: u8, body: &[u8]) -> Option<Part> {
    match kind {
        1 => HeaderPart::decode(body).ok().map(Part::Header),
        2 => CheckpointPart::decode(body).ok().map(Part::Checkpoint),
        3 => SegmentPart::decode(body).ok().map(Part::Segment),
        4 => BlockPart::decode(body).ok().map(Part::Block),
        5 => DamagePart::decode(body).ok().map(Part::Damage),
        6 => EndPart::decode(body).ok().map(Part::End),
        _ => None,
    }
}

fn about(header: HeaderPart) -> Option<About> {
    Some(About {
        domain: header.domain.parse().ok()?,
        generation: header.generation.try_into().ok()?,
        epoch: header.epoch,
        time: header.time,
        policy: header.policy.try_into().ok()?,
        holds_policy_key: header.holds_policy_key,
    })
}

/// What an export says of itself, and how many parts it has. Nothing of it is checked: [`super::verify_export`] does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// What it says of itself.
    pub about: About,
    /// How many parts, the header and the end among them.
    pub parts: u64,
}

/// Reads an export to its end.
pub fn read_exported(from: impl Read) -> Result<Exported, ExportError> {
    let (mut parts, about) = Parts::open(from)?;
    while !matches!(parts.next()?, Part::End(_)) {}
    let number = parts.number;
    parts.finish()?;
    Ok(Exported { about, parts: number })
}
