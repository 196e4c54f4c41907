//! The part of the trail in files.

use std::io;
use std::path::Path;
use std::time::Duration;

use crate::audit::chain::ChainHead;
use crate::audit::segment_file::{BadHeader, SegmentName, Tail, Walked, is_torn, list, walk};
use crate::audit::verify::Verification;
use crate::audit::{AuditError, ChainId, FindingKind};

/// How long a shard may take from the first byte of a block in the file to the last: one write(2).
const SETTLE: Duration = Duration::from_millis(20);

/// Where a shard's chain is, between two of its segments.
struct Before {
    shard: u16,
    head: ChainHead,
    tail: Tail,
}

impl Verification<'_> {
    pub(super) fn files(&mut self, dir: &Path) -> Result<(), AuditError> {
        let (segments, others) = list(dir).map_err(|error| io("list", dir, error))?;
        for other in others {
            let name = other.file_name().unwrap_or_default().to_string_lossy().into_owned();
            self.find(name, FindingKind::Foreign);
        }
        let mut before: Option<Before> = None;
        for name in segments {
            let same_shard = before.take().filter(|before| before.shard == name.shard);
            let before_this = same_shard.unwrap_or_else(|| Before {
                shard: name.shard,
                head: ChainHead::empty(self.keys, ChainId::Shard(name.shard)),
                tail: Tail::Clean,
            });
            let bytes = read_settled(&dir.join(name.file_name()))?;
            before = Some(self.file(name, &bytes, before_this));
        }
        Ok(())
    }

    /// Checks one segment. Gives where the chain is after it.
    fn file(&mut self, name: SegmentName, bytes: &[u8], before: Before) -> Before {
        let chain = ChainId::Shard(name.shard);
        let place = name.file_name();
        // The checkpoints at the segment's start are passed once its header is known to be good.
        let mut passed = Vec::new();
        let walked = match walk(self.keys, name, bytes, &mut |_, after| passed.push(*after)) {
            Ok(walked) => walked,
            Err(bad) => {
                let kind = match bad {
                    BadHeader::Foreign => FindingKind::Foreign,
                    BadHeader::UnknownFormat(found) => FindingKind::UnknownFormat { found },
                };
                self.find(place.clone(), kind);
                self.segment(place, 0, false);
                return before;
            }
        };
        let mut ok = true;
        if !follows(&before, &walked) {
            self.find(place.clone(), FindingKind::Gap { record: walked.from.next });
            ok = false;
        }
        for head in std::iter::once(&walked.from).chain(&passed) {
            ok &= self.pass(chain, head);
        }
        let finding = match walked.tail {
            Tail::Clean => None,
            Tail::Torn => Some(FindingKind::TornTail),
            Tail::Broken => Some(FindingKind::Broken { record: walked.to.next }),
        };
        if let Some(kind) = finding {
            self.find(place.clone(), kind);
        }
        self.segment(place, walked.to.next - walked.from.next, ok && walked.tail != Tail::Broken);
        Before { shard: name.shard, head: walked.to, tail: walked.tail }
    }
}

/// Whether a segment goes on where the one before it ended. After a torn or broken end it skips a number.
fn follows(before: &Before, walked: &Walked) -> bool {
    let from = &walked.from;
    let number = match before.tail {
        Tail::Clean => from.next == before.head.next,
        Tail::Torn | Tail::Broken => from.next > before.head.next,
    };
    number && from.hash == before.head.hash
}

/// Reads a segment; when its last block is incomplete, again, for a shard may just be writing it.
pub(in crate::audit) fn read_settled(path: &Path) -> Result<Vec<u8>, AuditError> {
    let read = || std::fs::read(path).map_err(|error| io("read", path, error));
    let mut bytes = read()?;
    while is_torn(&bytes) {
        std::thread::sleep(SETTLE);
        let again = read()?;
        if again.len() == bytes.len() {
            break;
        }
        bytes = again;
    }
    Ok(bytes)
}

pub(in crate::audit) fn io(what: &'static str, path: &Path, error: io::Error) -> AuditError {
    AuditError::Io { what, path: path.to_owned(), error }
}
