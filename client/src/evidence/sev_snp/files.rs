//! Reports given by hand: the request is left in a directory, and the report is waited for there, while the channel that
//! it is bound to stays open.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use claviger_attest::{MAX_CERTIFICATE_TABLE, SNP_REPORT_LEN, TableEntry, write_certificate_table};
use tokio::time::{Instant, sleep};

use super::{Collected, Fault, check};
use crate::files::{FileError, read_bounded, write_private};

/// The file with what is to be signed, `report_data`: 64 raw bytes.
pub const REQUEST: &str = "report-data.bin";
/// The file with the report: 1184 raw bytes.
pub const REPORT: &str = "report.bin";
/// The file with a certificate table, as a host gives it.
pub const CERTIFICATES: &str = "certificates.bin";
/// The directory with single certificates, `vcek.der` and so on; without it they may lie beside the report.
pub const CERTIFICATES_DIR: &str = "certs";

/// How long to wait at most: longer than any broker does.
const LONGEST: Duration = Duration::from_hours(1);
const LOOK: Duration = Duration::from_millis(100);

/// Certificates by what they may be called, with an extension after it.
const NAMES: [(&str, TableEntry); 5] = [
    ("vcek", TableEntry::Vcek),
    ("vlek", TableEntry::Vlek),
    ("ask", TableEntry::Ask),
    // A table has one place for AMD's key between root and the key that signs.
    ("asvk", TableEntry::Ask),
    ("ark", TableEntry::Ark),
];
const EXTENSIONS: [&str; 4] = ["der", "pem", "crt", "cer"];
/// Largest certificate file, in bytes.
const MAX_CERTIFICATE: usize = 16 << 10;

pub(super) async fn collect(dir: &Path, asked: &[u8; 64]) -> Result<Collected, Fault> {
    write_private(&dir.join(REQUEST), asked)?;
    let report = wait(dir, asked, LONGEST).await;
    // It is worth nothing any more, and the next is another one.
    let _ = fs::remove_file(dir.join(REQUEST));
    Ok(Collected { report: report?, certificates: certificates(dir)? })
}

/// A report of this request. One of an earlier request may be there, and one that is being written.
async fn wait(dir: &Path, asked: &[u8; 64], longest: Duration) -> Result<Vec<u8>, Fault> {
    let (path, end) = (dir.join(REPORT), Instant::now() + longest);
    loop {
        let another = match read_bounded(&path, SNP_REPORT_LEN) {
            Ok(report) if check(report.expose(), asked).is_ok() => return Ok(report.expose().to_vec()),
            Ok(_) | Err(FileError::TooLarge { .. }) => true,
            Err(error) if error.kind() == Some(io::ErrorKind::NotFound) => false,
            Err(error) => return Err(error.into()),
        };
        if Instant::now() >= end {
            return Err(late(dir, another));
        }
        sleep(LOOK).await;
    }
}

fn late(dir: &Path, another: bool) -> Fault {
    Fault::Late { dir: dir.to_owned(), another }
}

/// The fault of a wait that ended for another reason than its own limit.
pub(super) fn given_up(dir: &Path) -> Fault {
    let _ = fs::remove_file(dir.join(REQUEST));
    late(dir, dir.join(REPORT).exists())
}

fn certificates(dir: &Path) -> Result<Vec<u8>, Fault> {
    if let Some(table) = read_if_there(&dir.join(CERTIFICATES), MAX_CERTIFICATE_TABLE)? {
        return Ok(table);
    }
    let below = dir.join(CERTIFICATES_DIR);
    let dir = if below.is_dir() { below.as_path() } else { dir };
    let unusable = |what| Fault::Certificates { dir: dir.to_owned(), what };
    let mut found: Vec<(TableEntry, Vec<u8>)> = Vec::new();
    for (name, certificate) in NAMES {
        for extension in EXTENSIONS {
            let path = dir.join(format!("{name}.{extension}"));
            let Some(bytes) = read_if_there(&path, MAX_CERTIFICATE)? else { continue };
            if found.iter().any(|(there, _)| *there == certificate) {
                return Err(unusable(
                    "there are two for one place: one of vcek, vlek, of ask or asvk, and of ark",
                ));
            }
            found.push((certificate, bytes));
        }
    }
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let blobs: Vec<_> = found.iter().map(|(entry, bytes)| (*entry, bytes.as_slice())).collect();
    let table = write_certificate_table(&blobs);
    let small = table.len() <= MAX_CERTIFICATE_TABLE;
    small.then_some(table).ok_or_else(|| unusable("they are larger than a table may be, 64 KiB"))
}

fn read_if_there(path: &Path, limit: usize) -> Result<Option<Vec<u8>>, Fault> {
    match read_bounded(path, limit) {
        Ok(bytes) => Ok(Some(bytes.expose().to_vec())),
        Err(error) if error.kind() == Some(io::ErrorKind::NotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::evidence::sev_snp::REPORT_DATA;

    fn report(binding: u8) -> Vec<u8> {
        let mut report = vec![0; SNP_REPORT_LEN];
        report[REPORT_DATA].fill(binding);
        report
    }

    /// The request, once it is there.
    fn asked(dir: &Path) -> Vec<u8> {
        for _ in 0..1000 {
            match fs::read(dir.join(REQUEST)) {
                Ok(asked) => return asked,
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
        panic!("no request came")
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    #[test]
    fn the_report_of_this_request_is_waited_for_whatever_else_lies_there() {
        let dir = tempfile::tempdir().unwrap();
        let here = dir.path().to_owned();
        fs::write(here.join(REPORT), report(6)).unwrap();
        let answering = std::thread::spawn(move || {
            let asked = asked(&here);
            fs::write(here.join(REPORT), &report(asked[0])[..1000]).unwrap();
            std::thread::sleep(Duration::from_millis(150));
            fs::write(here.join(REPORT), report(asked[0])).unwrap();
        });
        let collected = run(collect(dir.path(), &[7; 64])).unwrap();
        answering.join().unwrap();
        assert_eq!(collected.report, report(7));
        assert!(collected.certificates.is_empty());
        assert!(!dir.path().join(REQUEST).exists(), "a request that was answered is gone");
    }

    #[test]
    fn a_report_that_doesn_t_come_is_told_as_such() {
        let dir = tempfile::tempdir().unwrap();
        let late = || run(wait(dir.path(), &[7; 64], Duration::ZERO)).unwrap_err();
        assert!(matches!(late(), Fault::Late { another: false, .. }));
        fs::write(dir.path().join(REPORT), report(6)).unwrap();
        assert!(matches!(late(), Fault::Late { another: true, .. }));
        fs::write(dir.path().join(REPORT), vec![7; SNP_REPORT_LEN + 1]).unwrap();
        assert!(matches!(late(), Fault::Late { another: true, .. }));
        assert!(late().to_string().contains("answers another request"));
        assert!(matches!(run(collect(&dir.path().join("absent"), &[7; 64])), Err(Fault::File(_))));
    }

    #[test]
    fn certificates_are_a_table_or_single_files_in_either_place() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        write("vcek.der", b"v");
        write("ask.pem", b"a");
        let made = |blobs: &[(TableEntry, &[u8])]| write_certificate_table(blobs);
        assert_eq!(
            certificates(dir.path()).unwrap(),
            made(&[(TableEntry::Vcek, b"v"), (TableEntry::Ask, b"a")])
        );
        write("asvk.der", b"b");
        assert!(matches!(certificates(dir.path()), Err(Fault::Certificates { .. })));
        write("certs/vlek.crt", b"l");
        assert_eq!(certificates(dir.path()).unwrap(), made(&[(TableEntry::Vlek, b"l")]));
        write(CERTIFICATES, b"the host's");
        assert_eq!(certificates(dir.path()).unwrap(), b"the host's");
    }
}
