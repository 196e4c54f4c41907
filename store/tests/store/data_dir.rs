//! The data directory.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use claviger_store::engine::{Engine as _, Key, Tree};
use claviger_store::slot::{NewSlot, SlotError};
use claviger_store::{DataDir, DataDirError, StoreError};

struct Place {
    _temp: tempfile::TempDir,
    data: PathBuf,
    spec: NewSlot,
}

impl Place {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let data = temp.path().join("data");
        let spec = NewSlot::File { path: temp.path().join("key") };
        Self { _temp: temp, data, spec }
    }

    fn made() -> Self {
        let place = Self::new();
        DataDir::create(&place.data, &place.spec).unwrap();
        place
    }

    fn open(&self) -> Result<DataDir, DataDirError> {
        DataDir::open(&self.data)
    }
}

fn err<T>(outcome: Result<T, DataDirError>) -> DataDirError {
    outcome.err().unwrap()
}

#[test]
fn t23_a_data_directory_is_private_and_opens_again() {
    fn walk(path: &Path) {
        let mode = path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
        if path.is_dir() {
            for entry in fs::read_dir(path).unwrap() {
                walk(&entry.unwrap().path());
            }
        }
    }
    let place = Place::made();
    walk(&place.data);
    for name in ["broker.json", "slots.json", "store", "audit"] {
        assert!(place.data.join(name).exists(), "{name}");
    }
    let dir = place.open().unwrap();
    let store = dir.store(&dir.unlock().unwrap()).unwrap();
    assert!(store.domains().unwrap().is_empty());
    walk(&place.data);
}

#[test]
fn an_empty_directory_is_taken_and_made_private() {
    let place = Place::new();
    fs::create_dir(&place.data).unwrap();
    fs::set_permissions(&place.data, fs::Permissions::from_mode(0o755)).unwrap();
    DataDir::create(&place.data, &place.spec).unwrap();
    assert_eq!(place.data.metadata().unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn what_is_there_is_never_overwritten() {
    let place = Place::made();
    let before = fs::read(place.data.join("broker.json")).unwrap();
    let again = err(DataDir::create(&place.data, &place.spec));
    assert!(matches!(again, DataDirError::Exists { .. }), "{again}");
    assert_eq!(fs::read(place.data.join("broker.json")).unwrap(), before);
    place.open().unwrap();

    let other = Place::new();
    fs::create_dir(&other.data).unwrap();
    fs::write(other.data.join("precious"), "x").unwrap();
    fs::set_permissions(&other.data, fs::Permissions::from_mode(0o755)).unwrap();
    let refused = err(DataDir::create(&other.data, &other.spec));
    assert!(matches!(refused, DataDirError::NotEmpty { .. }), "{refused}");
    assert_eq!(fs::read_dir(&other.data).unwrap().count(), 1);
    assert_eq!(other.data.metadata().unwrap().permissions().mode() & 0o777, 0o755);
}

#[test]
fn what_is_no_data_directory_is_told_apart() {
    let place = Place::new();
    assert!(matches!(err(place.open()), DataDirError::Missing { .. }));
    fs::create_dir(&place.data).unwrap();
    assert!(matches!(err(place.open()), DataDirError::Missing { .. }));

    let place = Place::made();
    let marker = place.data.join("broker.json");
    fs::write(&marker, r#"{"format":2,"anything":"else"}"#).unwrap();
    assert!(matches!(err(place.open()), DataDirError::UnknownFormat { found: 2, .. }));
    for damaged in ["", "{}", r#"{"format":1}"#, r#"{"format":1,"broker":"xyz"}"#] {
        fs::write(&marker, damaged).unwrap();
        assert!(matches!(err(place.open()), DataDirError::Damaged { .. }), "{damaged}");
    }
}

#[test]
fn t23_a_data_directory_that_others_can_use_is_refused() {
    let place = Place::made();
    fs::set_permissions(&place.data, fs::Permissions::from_mode(0o750)).unwrap();
    let error = err(place.open());
    assert!(matches!(error, DataDirError::Mode { mode: 0o750, .. }));
    assert!(error.to_string().contains("chmod 700"));
}

#[test]
fn a_second_broker_is_told_so() {
    let place = Place::made();
    let _first = place.open().unwrap();
    assert!(matches!(err(place.open()), DataDirError::InUse { path } if path == place.data));
}

#[test]
fn t30_slots_or_a_store_of_another_broker_are_refused() {
    let (mine, other) = (Place::made(), Place::made());
    let slots = fs::read(mine.data.join("slots.json")).unwrap();
    fs::copy(other.data.join("slots.json"), mine.data.join("slots.json")).unwrap();
    let refused = err(mine.open().unwrap().unlock());
    assert!(matches!(refused, DataDirError::Slot(SlotError::OtherStore { .. })), "{refused}");

    fs::write(mine.data.join("slots.json"), slots).unwrap();
    fs::remove_dir_all(mine.data.join("store")).unwrap();
    fs::rename(other.data.join("store"), mine.data.join("store")).unwrap();
    let dir = mine.open().unwrap();
    let refused = err(dir.store(&dir.unlock().unwrap()));
    assert!(matches!(refused, DataDirError::Store(StoreError::OtherBroker)), "{refused}");
}

#[test]
fn a_wrong_and_a_missing_key_file_are_told_apart() {
    let place = Place::made();
    let NewSlot::File { path } = &place.spec else { panic!("another slot") };
    fs::write(path, [1; 32]).unwrap();
    let dir = place.open().unwrap();
    assert!(matches!(err(dir.unlock()), DataDirError::Slot(SlotError::WrongKey { .. })));
    fs::remove_file(path).unwrap();
    assert!(matches!(err(dir.unlock()), DataDirError::Slot(SlotError::KeyFileMissing { .. })));
}

#[test]
fn t42_a_store_that_lost_its_records_is_not_taken_for_a_new_one() {
    let place = Place::made();
    let dir = place.open().unwrap();
    let engine = dir.engine().unwrap();
    let delete = vec![Key::new(Tree::Broker, *b"identity")];
    engine.commit(vec![claviger_store::engine::Txn { delete, ..Default::default() }]).unwrap();
    drop(engine);
    let refused = err(dir.store(&dir.unlock().unwrap()));
    assert!(matches!(refused, DataDirError::Store(StoreError::Damaged { .. })), "{refused}");
}
