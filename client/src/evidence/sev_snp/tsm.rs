//! Linux's configfs for reports (`Documentation/ABI/testing/configfs-tsm-report`): an entry is a directory that one
//! makes; what is written to `inblob` is signed when `outblob` is read; `generation` counts the writes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use claviger_attest::MAX_CERTIFICATE_TABLE;

use super::{Collected, Fault};
use crate::files::{FileError, read_bounded};

/// Where the kernel has it.
pub const DEFAULT_PATH: &str = "/sys/kernel/config/tsm/report";

/// What `provider` says on SEV-SNP.
const PROVIDER: &str = "sev_guest";
/// One write, of `inblob`, to an entry that nobody else knows.
const GENERATION: &str = "1";
/// Largest of the short attributes and of a report, in bytes.
const MAX_REPORT: usize = 16 << 10;
/// How long an attribute may take to appear. The kernel has them at once; a stand-in that watches a directory doesn't.
const APPEARS: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(10);

/// An entry of this process's own, until it is dropped.
struct Entry(PathBuf);

impl Drop for Entry {
    fn drop(&mut self) {
        // What is left behind is an entry without use; the result is worth more than telling of it.
        let _ = fs::remove_dir(&self.0);
    }
}

pub(super) fn collect(path: &Path, asked: &[u8; 64]) -> Result<Collected, Fault> {
    let entry = Entry::make(path)?;
    let provider = entry.read("provider", MAX_REPORT)?;
    let provider = String::from_utf8_lossy(&provider).trim().to_owned();
    if provider != PROVIDER {
        return Err(Fault::Provider { path: path.to_owned(), provider });
    }
    let inblob = entry.0.join("inblob");
    fs::write(&inblob, asked).map_err(|source| FileError::system("writing", &inblob, source))?;
    let report = entry.read("outblob", MAX_REPORT)?;
    let certificates = entry.certificates()?;
    // Whoever wrote in between had another report made of it.
    if String::from_utf8_lossy(&entry.read("generation", MAX_REPORT)?).trim() != GENERATION {
        return Err(Fault::Interference { path: entry.0.clone() });
    }
    Ok(Collected { report, certificates })
}

impl Entry {
    fn make(path: &Path) -> Result<Self, Fault> {
        let none = |source| Fault::NoTsm { path: path.to_owned(), source };
        let mut random = [0; 8];
        aws_lc_rs::rand::fill(&mut random)
            .map_err(|_| none(io::Error::other("the system gives no randomness")))?;
        let entry = path.join(format!("claviger-{}", hex::encode(random)));
        fs::create_dir(&entry).map_err(none)?;
        Ok(Self(entry))
    }

    fn read(&self, attribute: &str, limit: usize) -> Result<Vec<u8>, Fault> {
        let (path, end) = (self.0.join(attribute), Instant::now() + APPEARS);
        loop {
            match read_bounded(&path, limit) {
                Ok(bytes) => return Ok(bytes.expose().to_vec()),
                Err(error) if error.kind() == Some(io::ErrorKind::NotFound) && Instant::now() < end => {
                    thread::sleep(LOOK);
                }
                Err(error) if error.kind() == Some(io::ErrorKind::NotFound) => {
                    return Err(self.lacks(attribute));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The kernel has every attribute at once, so this isn't the kernel's.
    fn lacks(&self, attribute: &str) -> Fault {
        let path = self.0.parent().unwrap_or(&self.0).to_owned();
        Fault::NotTsm { path, attribute: attribute.to_owned() }
    }

    /// The host's table; a host needn't have one, and older kernels have no place for it.
    fn certificates(&self) -> Result<Vec<u8>, Fault> {
        match read_bounded(&self.0.join("auxblob"), MAX_CERTIFICATE_TABLE) {
            Ok(bytes) => Ok(bytes.expose().to_vec()),
            Err(error) if error.kind() == Some(io::ErrorKind::NotFound) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use claviger_attest::SNP_REPORT_LEN;

    use crate::evidence::sev_snp::REPORT_DATA;

    /// What a stand-in for the kernel answers; each test changes one thing.
    #[derive(Clone, Copy)]
    struct Kernel {
        provider: &'static str,
        generation: &'static str,
        certificates: Option<&'static [u8]>,
    }

    const KERNEL: Kernel =
        Kernel { provider: "sev_guest\n", generation: "1\n", certificates: Some(b"a table") };

    /// Collects from a folder in which somebody plays the kernel.
    fn collect_from(kernel: Kernel) -> (Result<Collected, Fault>, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_owned();
        let playing = thread::spawn(move || {
            let entry = first_entry(&path);
            let write = |name: &str, bytes: &[u8]| fs::write(entry.join(name), bytes).unwrap();
            write("provider", kernel.provider.as_bytes());
            if kernel.provider != KERNEL.provider {
                return;
            }
            let mut report = vec![0; SNP_REPORT_LEN];
            report[REPORT_DATA].copy_from_slice(&wait_for(&entry.join("inblob"), 64));
            if let Some(certificates) = kernel.certificates {
                write("auxblob", certificates);
            }
            write("generation", kernel.generation.as_bytes());
            fs::write(entry.join("new"), report).unwrap();
            fs::rename(entry.join("new"), entry.join("outblob")).unwrap();
        });
        let collected = collect(dir.path(), &[7; 64]);
        playing.join().unwrap();
        (collected, dir)
    }

    fn first_entry(path: &Path) -> PathBuf {
        loop {
            if let Some(entry) = fs::read_dir(path).unwrap().next() {
                return entry.unwrap().path();
            }
            thread::sleep(LOOK);
        }
    }

    fn wait_for(path: &Path, length: usize) -> Vec<u8> {
        loop {
            match fs::read(path) {
                Ok(bytes) if bytes.len() == length => return bytes,
                _ => thread::sleep(LOOK),
            }
        }
    }

    #[test]
    fn a_report_is_read_with_the_host_s_table_if_it_has_one() {
        let collected = collect_from(KERNEL).0.unwrap();
        assert_eq!(collected.report[REPORT_DATA], [7; 64]);
        assert_eq!(collected.certificates, b"a table");
        let collected = collect_from(Kernel { certificates: None, ..KERNEL }).0.unwrap();
        assert!(collected.certificates.is_empty());
    }

    #[test]
    fn a_write_of_somebody_else_s_is_noticed() {
        for generation in ["0", "2\n", ""] {
            let fault = collect_from(Kernel { generation, ..KERNEL }).0.err().unwrap();
            assert!(matches!(fault, Fault::Interference { .. }), "{fault}");
        }
    }

    #[test]
    fn another_platform_s_reports_are_refused() {
        let fault = collect_from(Kernel { provider: "tdx_guest\n", ..KERNEL }).0.err().unwrap();
        assert!(fault.to_string().contains("tdx_guest"), "{fault}");
    }

    #[test]
    fn where_there_is_no_configfs_the_error_says_what_is_missing() {
        let fault = collect(Path::new("/nowhere/tsm"), &[7; 64]).err().unwrap();
        assert!(fault.to_string().contains("/nowhere/tsm") && fault.next().contains("configfs"), "{fault}");
    }

    #[test]
    fn a_folder_that_no_kernel_answers_in_is_told_as_one() {
        let dir = tempfile::tempdir().unwrap();
        let fault = Entry::make(dir.path()).unwrap().lacks("provider");
        let path = dir.path().display().to_string();
        assert!(fault.to_string().contains(&path) && fault.to_string().contains("provider"), "{fault}");
        assert!(fault.next().contains(DEFAULT_PATH), "{}", fault.next());
    }

    #[test]
    fn no_entry_is_left_where_the_attributes_are_the_kernel_s() {
        // The kernel's attributes go with the directory: in its stand-in there is nothing to go with here.
        let dir = tempfile::tempdir().unwrap();
        drop(Entry::make(dir.path()).unwrap());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
