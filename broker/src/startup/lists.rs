//! Revocation lists of a running broker: what is told of them, and that they don't go back.

use claviger_attest::SnpRevocationList;

/// The lists in force: of each ARK the newest that was seen since the start, whether or not its file is still there. Else
/// what a list revokes could be taken back by whoever can remove a file.
#[derive(Default)]
pub(super) struct Lists {
    seen: Vec<SnpRevocationList>,
}

impl Lists {
    /// Takes these; an older one than what is in force of its ARK isn't taken. Returns the lists in force, and whether all
    /// were taken.
    pub(super) fn accept(&mut self, given: &[SnpRevocationList], now: i64) -> (Vec<SnpRevocationList>, bool) {
        let mut all = true;
        for list in given {
            if let Some(newer) = self.seen.iter().find(|seen| list.is_older_than(seen)) {
                let (product, issued, known) = (list.product(), list.dates_text().0, newer.dates_text().0);
                tracing::error!(%product, issued, known, "a revocation list is older than the one that is known, which stays \
                    in force; put the newer one into crl_dir, and send SIGHUP again");
                all = false;
                continue;
            }
            self.seen.retain(|seen| !seen.same_ark(list));
            self.seen.push(list.clone());
            tell(list, now);
        }
        for gone in self.seen.iter().filter(|seen| !given.iter().any(|list| list.same_ark(seen))) {
            let (product, (issued, until)) = (gone.product(), gone.dates_text());
            tracing::warn!(%product, issued, until, "a revocation list lies in crl_dir no longer; it stays in force until this \
                broker ends, or a newer one of its ARK takes its place");
        }
        (self.seen.clone(), all)
    }
}

fn tell(list: &SnpRevocationList, now: i64) {
    let (product, (_, until)) = (list.product(), list.dates());
    let (issued, until_text) = list.dates_text();
    if now <= until {
        tracing::info!(%product, issued, until = until_text, "a revocation list is in force");
    } else {
        tracing::error!(%product, issued, until = until_text, "a revocation list isn't current: all that is under its ARK is \
            refused (rule revocation) until a current one is in crl_dir, and read with SIGHUP");
    }
}

#[cfg(test)]
mod tests {
    use claviger_attest::SnpProduct;
    use claviger_attest::fakes::{FakeCrl, FakePlatform, FakeSignature};

    use super::*;

    fn list(issued: u64) -> SnpRevocationList {
        let platform = FakePlatform::of(SnpProduct::Genoa);
        let from = FakePlatform::NOW + issued;
        let list = FakeCrl {
            issuer: "ARK-Genoa".to_owned(),
            validity: (from, Some(from + 1000)),
            revoked: Vec::new(),
            extensions: Vec::new(),
            signature: FakeSignature::Pss,
        };
        let ark = platform.ark_certificate().sign(&platform.ark);
        SnpRevocationList::read(&list.sign(&platform.ark), &[ark]).expect("a list")
    }

    #[test]
    fn of_each_ark_the_newest_that_was_seen_is_in_force_whatever_else_is_there() {
        let [old, new] = [10, 20].map(list);
        let mut lists = Lists::default();
        let mut issued = |given: &[SnpRevocationList]| {
            let (lists, all) = lists.accept(given, 30);
            (lists.iter().map(|list| list.dates().0).collect::<Vec<_>>(), all)
        };
        let at = |list: &SnpRevocationList| list.dates().0;
        assert_eq!(issued(&[]), (vec![], true));
        assert_eq!(issued(std::slice::from_ref(&old)), (vec![at(&old)], true));
        assert_eq!(issued(std::slice::from_ref(&new)), (vec![at(&new)], true));
        // Gone, or an older one in its place.
        assert_eq!(issued(&[]), (vec![at(&new)], true));
        assert_eq!(issued(&[old]), (vec![at(&new)], false));
    }
}
