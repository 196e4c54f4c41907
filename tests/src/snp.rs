//! A SEV-SNP platform on disk: a folder that answers as Linux's configfs for reports does, with reports that a root of its
//! own stands behind. The programs under test take it for a platform; only a domain that names its root trusts it.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use claviger_attest::fakes::{FakePlatform, FakeReport};
use claviger_attest::{SnpProduct, SnpSigner, TableEntry, write_certificate_table};
use rustls::pki_types::UnixTime;
use tempfile::TempDir;

/// How often the folder is looked at.
const LOOK: Duration = Duration::from_millis(5);

const YEAR: u64 = 365 * 86_400;

/// A machine on the platform. It ends when it is dropped.
pub struct SnpMachine {
    dir: TempDir,
    measurement: [u8; 48],
    ended: Arc<AtomicBool>,
    playing: Option<JoinHandle<()>>,
}

impl SnpMachine {
    /// A machine that runs this, on a Genoa.
    pub fn start(measurement: u8) -> Self {
        Self::start_with(measurement, |_| {})
    }

    /// The same, with something else in its reports.
    pub fn start_with(measurement: u8, change: impl Fn(&mut FakeReport) + Send + 'static) -> Self {
        let dir = tempfile::Builder::new().prefix("claviger-snp-").tempdir().expect("a directory");
        let tsm = dir.path().join("tsm");
        fs::create_dir(&tsm).expect("a directory");
        let platform = FakePlatform::of(SnpProduct::Genoa);
        fs::write(dir.path().join("root.pem"), platform.root().to_pem()).expect("the root");
        let (ended, measurement) = (Arc::new(AtomicBool::new(false)), [measurement; 48]);
        let end = Arc::clone(&ended);
        let report = move |asked: [u8; 64]| {
            let mut report = platform.report(5);
            (report.measurement, report.report_data) = (measurement, asked);
            change(&mut report);
            report.sign(platform.vek_key(SnpSigner::Vcek))
        };
        let playing = thread::spawn(move || play(&tsm, &certificates(platform), &report, &end));
        Self { dir, measurement, ended, playing: Some(playing) }
    }

    /// Where its evidence comes from.
    pub fn evidence(&self) -> String {
        format!("sev-snp:tsm={}", self.dir.path().join("tsm").display())
    }

    /// What it runs, hex.
    pub fn measurement(&self) -> String {
        hex::encode(self.measurement)
    }

    /// A directory for whatever else it has.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A table of a policy file that lists it, and names its root.
    pub fn listed(&self, table: &str, more: &str) -> String {
        let (root, value) = (self.dir.path().join("root.pem").display().to_string(), self.measurement());
        format!("[[{table}]]\nkind = \"sev-snp\"\nvalue = {value:?}\nroots = [{root:?}]\n{more}\n")
    }
}

impl Drop for SnpMachine {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        drop(self.playing.take().map(JoinHandle::join));
    }
}

/// Its chain, valid in these years whenever this runs.
fn certificates(platform: &FakePlatform) -> Vec<u8> {
    let now = UnixTime::now().as_secs();
    let mut vek = platform.vek_certificate(SnpSigner::Vcek);
    vek.validity = (now - YEAR, now + YEAR);
    let vek = vek.sign(platform.intermediate_key(SnpSigner::Vcek));
    let ask = platform.intermediate_certificate(SnpSigner::Vcek).sign(&platform.ark);
    let ark = platform.ark_certificate().sign(&platform.ark);
    write_certificate_table(&[(TableEntry::Vcek, &vek), (TableEntry::Ask, &ask), (TableEntry::Ark, &ark)])
}

/// Plays the kernel: each entry says whose it is, and is answered once something is asked in it.
fn play(tsm: &Path, certificates: &[u8], report: &dyn Fn([u8; 64]) -> Vec<u8>, ended: &AtomicBool) {
    let mut answered: HashSet<PathBuf> = HashSet::new();
    while !ended.load(Ordering::Relaxed) {
        thread::sleep(LOOK);
        for entry in fs::read_dir(tsm).expect("the folder").flatten().map(|entry| entry.path()) {
            if answered.contains(&entry) {
                continue;
            }
            // Whole or not at all, for somebody waits for it.
            let put = |name: &str, bytes: &[u8]| {
                let new = entry.join("new");
                fs::write(&new, bytes)
                    .and_then(|()| fs::rename(&new, entry.join(name)))
                    .expect("an attribute");
            };
            if !entry.join("provider").exists() {
                put("provider", b"sev_guest\n");
            }
            let asked = fs::read(entry.join("inblob")).ok().and_then(|asked| asked.try_into().ok());
            if let Some(asked) = asked {
                put("auxblob", certificates);
                put("generation", b"1\n");
                put("outblob", &report(asked));
                answered.insert(entry);
            }
        }
    }
}
