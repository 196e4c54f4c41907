//! What lies on a disk that others may have written to.

use std::fs;
use std::sync::LazyLock;

use claviger_attest::Measurement;
use claviger_client::cryptstore::certifier::{Contents, Seal, WrittenAlgorithm};
use claviger_client::cryptstore::{Cryptstore, SealedExport, Which};
use claviger_proto::Secret;
use claviger_proto::key::{PrivateKey, read_private};
use claviger_proto::stock_store::ProtectedBlob;
use claviger_store::audit::FindingKind;
use claviger_store::audit::export::{held, read_exported, verify_export};
use claviger_store::seal::{Aad, RecordKind, SealKey};
use claviger_store::slot::{Share, Slots};

/// A sealed record: nothing opens that wasn't sealed here.
pub fn sealed(data: &[u8]) {
    let key = SealKey::new(&[9; 32]);
    let aad = Aad { kind: RecordKind::Entry, name: "storage-disk-key", version: 1, ..Aad::default() };
    assert!(key.open(&aad, data).is_err());
    let sealed = key.seal(&aad, data).expect("randomness");
    assert!(key.open(&aad, &sealed).expect("its own seal").expose() == data);
    let elsewhere = Aad { version: 2, ..aad };
    assert!(key.open(&elsewhere, &sealed).is_err());
}

/// A file of key slots, read and not opened: its key files are paths, and not of this machine.
pub fn slots(data: &[u8]) {
    static DIR: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
        let memory = std::path::Path::new("/dev/shm");
        let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        dir.expect("a temporary directory")
    });
    let path = DIR.path().join(format!("slots-{:?}.json", std::thread::current().id()));
    fs::write(&path, data).expect("a file");
    // Either answer is right; a panic isn't.
    if let Ok(slots) = Slots::read(&path) {
        assert!(!slots.list().is_empty());
    }
}

/// A share of a split key, as somebody typed it.
pub fn share(data: &[u8]) {
    let Ok(share) = Share::from_text(&Secret::copy_from(data)) else { return };
    let line = share.to_text();
    assert!(data.trim_ascii().eq_ignore_ascii_case(line.expose()));
    assert!(Share::from_text(&line).expect("its own line").to_text() == line);
}

/// A sealed export: nothing opens that wasn't sealed for the key, and what opens is taken by a cryptstore.
pub fn export(data: &[u8]) {
    static KEY: LazyLock<PrivateKey> =
        LazyLock::new(|| read_private(include_bytes!("../data/export.key.pem")).expect("a key").0);
    let Ok(export) = SealedExport::parse(data) else { return };
    let Ok(entries) = export.open(&KEY) else { return };
    let taken = Cryptstore::empty().import(entries);
    assert!(taken.is_ok_and(|items| !items.is_empty()), "only what a cryptstore holds is ever sealed");
}

/// An exported audit trail, read and checked: only a whole one is judged, and nothing that nobody signed is intact.
pub fn audit_export(data: &[u8]) {
    let unsigned = verify_export(data, None, &|_, _, _| None);
    assert_eq!(unsigned.is_ok(), verify_export(data, None, &|_, _, _| Some([0; 32])).is_ok());
    if let Ok(verdict) = unsigned {
        assert!(!verdict.is_intact());
        assert_eq!(read_exported(data).expect("it was read").about, verdict.about);
        let kept = held(data, &|_, _, _| Some([0; 32])).expect("it was read");
        let since = kept.as_ref().map(|(about, seen)| (about, seen));
        // It goes on from itself.
        let again = verify_export(data, since, &|_, _, _| Some([0; 32])).expect("it was read");
        let apart =
            |kind: &FindingKind| matches!(kind, FindingKind::Regressed { .. } | FindingKind::OtherGeneration);
        assert!(!again.findings.iter().any(|finding| apart(&finding.kind)));
    }
}

/// A stock encrypted store: what is read is read again from what is written, and only what was sealed opens.
pub fn stock_file(data: &[u8]) {
    static SEAL: LazyLock<Seal> = LazyLock::new(|| {
        let measurement = Measurement::from_bytes(include_bytes!("../data/cf_utility.measurement"));
        Seal::simulated(measurement.expect("a measurement"))
    });
    if let Ok(blob) = ProtectedBlob::decode(data) {
        assert_eq!(ProtectedBlob::decode(&blob.clone().encode()), Ok(blob));
    }
    if let Ok(contents) = Contents::open(data, &SEAL) {
        taken(contents);
    }
}

/// What a stock store opens to: what is sound is taken by a cryptstore, written, and opened as the same again.
pub fn stock_content(data: &[u8]) {
    if let Ok(contents) = Contents::read(data) {
        taken(contents);
    }
}

fn taken(contents: Contents) {
    let contents = contents.salvaged();
    assert!(contents.identities.iter().all(|identity| identity.tags().iter().all(|tag| !tag.is_empty())));
    let mut cryptstore = Cryptstore::empty();
    let kept = cryptstore.import_certifier(None, contents.items, 0).expect("what is sound is taken");
    let what: Vec<_> = kept.into_iter().map(|(tag, version)| (tag, Which::Version(version))).collect();
    let seal = Seal::key(&[9; 64]);
    // The one thing that is taken and not written is too much at once.
    let Ok(file) = cryptstore.export_certifier(&what, false, &seal, WrittenAlgorithm::CbcHmacSha256) else {
        return;
    };
    let again = Contents::open(&file, &seal).expect("its own store").sound().ok().expect("sound");
    assert_eq!(again.items.len(), what.len());
    for item in again.items {
        let kept = cryptstore.get(&item.tag, item.version).expect("the item");
        assert!(item.encode() == kept.encode());
    }
}
