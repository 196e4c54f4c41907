//! A share as its holder has it.

use aws_lc_rs::digest::{SHA256, digest};
use claviger_proto::Secret;
use zeroize::Zeroizing;

use super::field;
use crate::slot::{SlotError, SlotId};

const PREFIX: &str = "claviger-share-";
const VERSION: &str = "1";
/// Characters of a whole share: the prefix, the version, the id of the slot, two numbers of at most three digits, the
/// part, the checksum, and the dashes between them.
const LONGEST: usize = PREFIX.len() + 1 + 1 + 8 + 1 + 3 + 1 + 3 + 1 + 64 + 1 + 8;

/// One share of a split key. No `Debug`, no `Clone`; zeroized.
pub struct Share {
    pub(super) slot: SlotId,
    pub(super) needed: u8,
    pub(super) number: u8,
    pub(super) part: field::Bytes,
}

impl Share {
    /// Reads a share's line. Space around it doesn't matter, nor does the case of its letters.
    pub fn from_text(text: &Secret) -> Result<Self, SlotError> {
        let line = Zeroizing::new(text.expose().trim_ascii().to_ascii_lowercase());
        let line = std::str::from_utf8(&line).map_err(|_| SlotError::ShareForm)?;
        let rest = line.strip_prefix(PREFIX).ok_or(SlotError::ShareForm)?;
        let (version, rest) = rest.split_once('-').ok_or(SlotError::ShareForm)?;
        if version != VERSION {
            return Err(SlotError::ShareVersion);
        }
        let (counted, checksum) = line.rsplit_once('-').ok_or(SlotError::ShareForm)?;
        let fields: Vec<&str> = rest.split('-').collect();
        let [slot, needed, number, part, _] = fields[..] else { return Err(SlotError::ShareForm) };
        if checksum != self::checksum(counted) {
            return Err(SlotError::ShareMistyped);
        }
        let small = |text: &str| text.parse::<u8>().ok().filter(|number| *number > 0);
        let mut bytes = Zeroizing::new([0; field::SECRET]);
        hex::decode_to_slice(part, bytes.as_mut_slice()).map_err(|_| SlotError::ShareForm)?;
        let share = Self {
            slot: slot.parse().map_err(|_| SlotError::ShareForm)?,
            needed: small(needed).ok_or(SlotError::ShareForm)?,
            number: small(number).ok_or(SlotError::ShareForm)?,
            part: bytes,
        };
        // One spelling each: 7 is neither 07 nor +7.
        if share.to_text().expose() == line.as_bytes() { Ok(share) } else { Err(SlotError::ShareForm) }
    }

    /// Its line, without the line's end.
    pub fn to_text(&self) -> Secret {
        use std::fmt::Write as _;
        let mut line = Zeroizing::new(String::with_capacity(LONGEST));
        let part = Zeroizing::new(hex::encode(self.part.as_slice()));
        let Self { slot, needed, number, .. } = self;
        // Writing to a string doesn't fail.
        let _ = write!(line, "{PREFIX}{VERSION}-{slot}-{needed}-{number}-{}", part.as_str());
        let checksum = checksum(&line);
        let _ = write!(line, "-{checksum}");
        Secret::copy_from(line.as_bytes())
    }

    /// Whose share it is.
    pub fn slot(&self) -> SlotId {
        self.slot
    }

    /// Which one, from 1.
    pub fn number(&self) -> u8 {
        self.number
    }

    /// How many are needed.
    pub fn needed(&self) -> u8 {
        self.needed
    }
}

fn checksum(counted: &str) -> String {
    hex::encode(&digest(&SHA256, counted.as_bytes()).as_ref()[..4])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(share: &Share) -> String {
        String::from_utf8(share.to_text().expose().to_vec()).expect("ASCII")
    }

    fn read(text: &str) -> Result<Share, SlotError> {
        Share::from_text(&Secret::copy_from(text.as_bytes()))
    }

    fn share() -> Share {
        let part = Zeroizing::new(std::array::from_fn(|i| u8::try_from(i).unwrap_or(0)));
        Share { slot: SlotId::from_bytes([0xab, 1, 2, 3]), needed: 200, number: 255, part }
    }

    #[test]
    fn a_share_is_one_line_of_this_form() {
        let line = text(&share());
        let part = hex::encode(share().part.as_slice());
        let counted = format!("claviger-share-1-ab010203-200-255-{part}");
        assert_eq!(line, format!("{counted}-{}", checksum(&counted)));
        assert_eq!(line.len(), LONGEST);
        let again = read(&format!(" {}\r\n", line.to_uppercase())).expect("the same share");
        assert_eq!(text(&again), line);
    }

    #[test]
    fn every_mistyped_character_is_told() {
        let line = text(&share());
        for at in 0..line.len() {
            let other = if line.as_bytes()[at] == b'0' { "1" } else { "0" };
            let mut wrong = line.clone();
            wrong.replace_range(at..=at, other);
            let told = read(&wrong).err().expect("an error");
            let is_framing = at <= PREFIX.len() || line.as_bytes()[at] == b'-';
            assert!(is_framing || matches!(told, SlotError::ShareMistyped), "{wrong}: {told}");
        }
        for cut in 0..line.len() {
            assert!(read(&line[..cut]).is_err());
        }
    }

    #[test]
    fn other_versions_and_other_things_are_told() {
        let line = text(&share());
        assert!(matches!(read(&line.replace("share-1", "share-2")), Err(SlotError::ShareVersion)));
        for bad in ["", "hello", "claviger-share-", &format!("{line}-x"), &format!("{line} {line}")] {
            assert!(read(bad).is_err(), "{bad}");
        }
        let numbered = |number: &str| {
            let counted = format!("claviger-share-1-ab010203-2-{number}-{}", "00".repeat(32));
            read(&format!("{counted}-{}", checksum(&counted)))
        };
        numbered("1").expect("a share");
        for bad in ["0", "256", "x", "", "01", "+1"] {
            assert!(matches!(numbered(bad), Err(SlotError::ShareForm)), "{bad}");
        }
    }
}
