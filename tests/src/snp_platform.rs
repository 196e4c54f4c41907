//! SEV-SNP hardware that doesn't exist: a folder that answers as Linux's configfs for reports does, and reports to be
//! submitted by hand. What it signs is real report bytes, under a root of its own that a domain has to name.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use claviger_attest::fakes::{FakePlatform, FakeReport};
use claviger_attest::{
    SnpProduct, SnpSigner, TableEntry, snp_package, snp_report_data, write_certificate_table,
};
use claviger_proto::trust::EvidencePackage;
use tempfile::TempDir;

/// How often the folder is looked at.
const LOOK: Duration = Duration::from_millis(2);

/// What the platform says of every guest, and which certificates its host hands out.
#[derive(Clone, Debug)]
pub struct Shape {
    /// The report, but for `report_data`.
    pub report: FakeReport,
    /// The certificate table; none if it is empty.
    pub table: Vec<u8>,
    /// Whether another key than the chip's signs.
    pub forged: bool,
}

/// A platform. Its folder and its thread end with it.
pub struct SnpPlatform {
    dir: TempDir,
    fake: &'static FakePlatform,
    shape: Arc<Mutex<Shape>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl SnpPlatform {
    /// A platform of this product with which nothing is wrong, and whose host hands out the whole chain.
    pub fn start(product: SnpProduct) -> Self {
        let fake = FakePlatform::of(product);
        let shape =
            Shape { report: fake.report(3), table: fake.certificate_table(SnpSigner::Vcek), forged: false };
        let dir = tempfile::Builder::new().prefix("claviger-tsm-").tempdir().expect("a directory");
        let (shape, stop) = (Arc::new(Mutex::new(shape)), Arc::new(AtomicBool::new(false)));
        fs::create_dir(dir.path().join("tsm")).expect("a directory");
        fs::write(dir.path().join("root.pem"), fake.root().to_pem()).expect("a root");
        let thread = std::thread::spawn({
            let (tsm, shape, stop) = (dir.path().join("tsm"), Arc::clone(&shape), Arc::clone(&stop));
            move || {
                while !stop.load(Ordering::Relaxed) {
                    play(&tsm, fake, &shape);
                    std::thread::sleep(LOOK);
                }
            }
        });
        Self { dir, fake, shape, stop, thread: Some(thread) }
    }

    /// Changes what it says from now on.
    pub fn change(&self, change: impl FnOnce(&mut Shape)) -> &Self {
        change(&mut self.shape.lock().unwrap_or_else(PoisonError::into_inner));
        self
    }

    /// Has its host hand out all but the certificate of the chip's key.
    pub fn without_vcek(&self) -> &Self {
        let [_, ask, ark] = self.fake.chain(SnpSigner::Vcek);
        self.change(|shape| {
            shape.table = write_certificate_table(&[(TableEntry::Ask, &ask), (TableEntry::Ark, &ark)]);
        })
    }

    /// What it is made of.
    pub fn fake(&self) -> &'static FakePlatform {
        self.fake
    }

    /// `--evidence` for its guests.
    pub fn evidence_option(&self) -> String {
        format!("sev-snp:tsm={}", self.dir.path().join("tsm").display())
    }

    /// The file with its root, by which a policy trusts it.
    pub fn root(&self) -> PathBuf {
        self.dir.path().join("root.pem")
    }

    /// What its guests run, hex.
    pub fn measurement(&self) -> String {
        hex::encode(self.shape().report.measurement)
    }

    /// A policy's entry that trusts what its guests run, under its root.
    pub fn policy_entry(&self, label: &str) -> String {
        let (value, root) = (self.measurement(), self.root().display().to_string());
        format!(
            "[[measurement]]\nkind = \"sev-snp\"\nvalue = {value:?}\nlabel = {label:?}\nroots = [{root:?}]\n"
        )
    }

    /// Evidence for this binding, to be submitted by hand.
    pub fn evidence(&self, binding: &[u8; 64], user_data: Option<&[u8]>) -> EvidencePackage {
        let shape = self.shape();
        let report = report(self.fake, &shape, snp_report_data(binding, user_data));
        snp_package(&report, Some(shape.table.as_slice()).filter(|table| !table.is_empty()), user_data)
    }

    fn shape(&self) -> Shape {
        self.shape.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for SnpPlatform {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn report(fake: &FakePlatform, shape: &Shape, report_data: [u8; 64]) -> Vec<u8> {
    let key = if shape.forged { &fake.other } else { fake.vek_key(SnpSigner::Vcek) };
    FakeReport { report_data, ..shape.report.clone() }.sign(key)
}

/// Plays the kernel in every entry that somebody made.
fn play(tsm: &Path, fake: &FakePlatform, shape: &Mutex<Shape>) {
    for entry in fs::read_dir(tsm).into_iter().flatten().flatten() {
        let entry = entry.path();
        let put = |name: &str, bytes: &[u8]| {
            // Whole at once, as the kernel's are; whoever asked may be gone.
            let new = entry.join("new");
            drop(fs::write(&new, bytes).and_then(|()| fs::rename(&new, entry.join(name))));
        };
        if !entry.join("provider").exists() {
            put("provider", b"sev_guest\n");
        }
        let Ok(asked) = fs::read(entry.join("inblob")) else { continue };
        let (Ok(asked), false) = (asked.try_into(), entry.join("outblob").exists()) else { continue };
        let shape = shape.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if !shape.table.is_empty() {
            put("auxblob", &shape.table);
        }
        put("generation", b"1\n");
        put("outblob", &report(fake, &shape, asked));
    }
}
