//! Quotes given by hand: the request is left in a directory, and the quote is waited for there, while the channel that
//! it is bound to stays open.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Fault, MAX_PART, QUOTE, REQUEST, SIGNATURE, check};
use crate::files::{FileError, read_bounded, write_private};

/// How long to wait at most: longer than any broker does.
const LONGEST: Duration = Duration::from_hours(1);
const LOOK: Duration = Duration::from_millis(100);

pub(super) async fn collect(dir: &Path, asked: &[u8; 32]) -> Result<(Vec<u8>, Vec<u8>), Fault> {
    write_private(&dir.join(REQUEST), asked)?;
    let quoted = wait(dir, asked, LONGEST).await;
    // It is worth nothing any more, and the next is another one.
    let _ = fs::remove_file(dir.join(REQUEST));
    quoted
}

/// A quote of this request, with its signature. One of an earlier request may be there, and one that is being written. The
/// signature is written after it, and is that of before until then: it is taken when both have rested for a moment.
async fn wait(dir: &Path, asked: &[u8; 32], longest: Duration) -> Result<(Vec<u8>, Vec<u8>), Fault> {
    let end = Instant::now() + longest;
    let mut last = None;
    loop {
        let quote = read(&dir.join(QUOTE))?;
        let answers = quote.as_ref().is_some_and(|quote| check(quote, asked).is_ok());
        let found = match quote.clone().filter(|_| answers) {
            Some(quote) => read(&dir.join(SIGNATURE))?.map(|signature| (quote, signature)),
            None => None,
        };
        if found.is_some() && found == last {
            return found.ok_or_else(|| late(dir, false));
        }
        last = found;
        if Instant::now() >= end {
            return Err(late(dir, quote.is_some() && !answers));
        }
        sleep(LOOK).await;
    }
}

/// A file that may not be there yet; one that is too large is another's.
fn read(path: &Path) -> Result<Option<Vec<u8>>, Fault> {
    match read_bounded(path, MAX_PART) {
        Ok(bytes) => Ok(Some(bytes.expose().to_vec())),
        Err(FileError::TooLarge { .. }) => Ok(Some(Vec::new())),
        Err(error) if error.kind() == Some(io::ErrorKind::NotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn late(dir: &Path, another: bool) -> Fault {
    Fault::Late { dir: dir.to_owned(), another }
}

/// The fault of a wait that ended for another reason than its own limit.
pub(super) fn given_up(dir: &Path) -> Fault {
    let _ = fs::remove_file(dir.join(REQUEST));
    late(dir, dir.join(QUOTE).exists())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    /// A quote with this qualifying data.
    fn quote(asked: [u8; 32]) -> Vec<u8> {
        let mut quote = vec![0xff, 0x54, 0x43, 0x47, 0x80, 0x18, 0, 0, 0, 32];
        quote.extend(asked);
        quote.extend([0; 25]);
        quote.extend([0, 0, 0, 1, 0, 0x0b, 3, 0x80, 0, 0, 0, 32]);
        quote.extend([5; 32]);
        quote
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    #[test]
    fn the_quote_of_this_request_is_waited_for_with_the_signature_that_stays() {
        let dir = tempfile::tempdir().unwrap();
        let here = dir.path().to_owned();
        fs::write(here.join(QUOTE), quote([6; 32])).unwrap();
        fs::write(here.join(SIGNATURE), b"of another").unwrap();
        let answering = std::thread::spawn(move || {
            let asked = (0..1000).find_map(|_| {
                std::thread::sleep(Duration::from_millis(5));
                fs::read(here.join(REQUEST)).ok()
            });
            let asked = <[u8; 32]>::try_from(asked.expect("a request")).unwrap();
            fs::write(here.join(QUOTE), &quote(asked)[..50]).unwrap();
            std::thread::sleep(Duration::from_millis(150));
            fs::write(here.join(SIGNATURE), b"of this").unwrap();
            fs::write(here.join(QUOTE), quote(asked)).unwrap();
        });
        let collected = run(collect(dir.path(), &[7; 32])).unwrap();
        answering.join().unwrap();
        assert_eq!(collected, (quote([7; 32]), b"of this".to_vec()));
        assert!(!dir.path().join(REQUEST).exists(), "a request that was answered is gone");
    }

    #[test]
    fn a_quote_that_doesn_t_come_is_told_as_such() {
        let dir = tempfile::tempdir().unwrap();
        let late = || run(wait(dir.path(), &[7; 32], Duration::ZERO)).unwrap_err();
        assert!(matches!(late(), Fault::Late { another: false, .. }));
        fs::write(dir.path().join(QUOTE), quote([6; 32])).unwrap();
        assert!(matches!(late(), Fault::Late { another: true, .. }));
        fs::write(dir.path().join(QUOTE), vec![7; MAX_PART + 1]).unwrap();
        assert!(late().to_string().contains("answers another request"));
        // The quote alone isn't enough.
        fs::write(dir.path().join(QUOTE), quote([7; 32])).unwrap();
        assert!(matches!(late(), Fault::Late { another: false, .. }));
    }
}
