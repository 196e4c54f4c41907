//! Revocation lists of a running broker: what is told of them, and that they don't go back.

use claviger_attest::SnpRevocationList;
use claviger_proto::time_text::time_to_text as text;

/// The lists in force, and the newest of each ARK that was seen since the start.
#[derive(Default)]
pub(super) struct Lists {
    seen: Vec<SnpRevocationList>,
}

impl Lists {
    /// Whether these may come into force: none is older than one that was seen. An older list would take back what a newer one
    /// revokes; also after it wasn't there for a while.
    pub(super) fn accept(&mut self, lists: &[SnpRevocationList], now: i64) -> bool {
        for list in lists {
            if let Some(newer) = self.seen.iter().find(|seen| list.is_older_than(seen)) {
                let product = list.product();
                let (issued, known) = (text(list.dates().0), text(newer.dates().0));
                tracing::error!(%product, issued, known, "a revocation list is older than the one that was known: the lists \
                    stay as they were; put the newer one into crl_dir, and send SIGHUP again");
                return false;
            }
        }
        for list in lists {
            self.seen.retain(|seen| !seen.same_ark(list));
            self.seen.push(list.clone());
            tell(list, now);
        }
        for gone in self.seen.iter().filter(|seen| !lists.iter().any(|list| list.same_ark(seen))) {
            let product = gone.product();
            tracing::warn!(%product, "a revocation list is gone: nothing of its ARK's counts as revoked from now on");
        }
        true
    }
}

fn tell(list: &SnpRevocationList, now: i64) {
    let (product, (from, until)) = (list.product(), list.dates());
    let (issued, until_text) = (text(from), text(until));
    if from <= now && now <= until {
        tracing::info!(%product, issued, until = until_text, "a revocation list is in force");
    } else {
        tracing::error!(%product, issued, until = until_text, "a revocation list isn't current: all that is under its ARK is \
            refused (rule revocation) until a current one is in crl_dir, and read with SIGHUP");
    }
}
