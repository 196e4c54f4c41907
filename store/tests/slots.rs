//! Key slots, as an agent or a broker uses them.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use claviger_proto::Secret;
use claviger_store::seal::Aad;
use claviger_store::slot::{
    Factor, Gathering, NewSlot, Opened, Passphrase, Progress, SlotContext, SlotError, SlotId, SlotKind,
    Slots, SplitPlan,
};
use claviger_store::{RootKey, SlotSpec, StoreId};

const STORE: [u8; 16] = [7; 16];

fn context() -> SlotContext<'static> {
    SlotContext { purpose: "agent", store: StoreId::from_bytes(STORE) }
}

struct Made {
    dir: tempfile::TempDir,
    root: RootKey,
}

impl Made {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = RootKey::generate().unwrap();
        let new = NewSlot::File { path: dir.path().join("key") };
        Slots::create(&dir.path().join("slots.json"), &context(), &root, &new).unwrap();
        Self { dir, root }
    }

    fn slots(&self) -> PathBuf {
        self.dir.path().join("slots.json")
    }

    fn key(&self) -> PathBuf {
        self.dir.path().join("key")
    }

    fn open(&self) -> Result<RootKey, SlotError> {
        Slots::read(&self.slots())?.open(&context())
    }

    /// Changes the text of `slots.json`.
    fn edit(&self, change: impl Fn(&mut serde_json::Value)) {
        let mut table = serde_json::from_slice(&fs::read(self.slots()).unwrap()).unwrap();
        change(&mut table);
        fs::write(self.slots(), serde_json::to_vec(&table).unwrap()).unwrap();
    }
}

fn error(outcome: Result<RootKey, SlotError>) -> SlotError {
    outcome.err().unwrap()
}

fn same(a: &RootKey, b: &RootKey) -> bool {
    let sealed = a.seal_key("t").seal(&Aad::default(), b"x").unwrap();
    b.seal_key("t").open(&Aad::default(), &sealed).is_ok()
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn the_root_key_comes_back_and_t23_the_files_are_private() {
    let made = Made::new();
    assert!(same(&made.open().unwrap(), &made.root));
    assert_eq!((mode(&made.key()), mode(&made.slots())), (0o600, 0o600));
    assert_eq!(fs::read(made.key()).unwrap().len(), 32);
}

#[test]
fn an_existing_key_file_is_the_key_and_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key");
    fs::write(&key, [9; 40]).unwrap();
    set_mode(&key, 0o400);
    let root = RootKey::generate().unwrap();
    let slots = dir.path().join("slots.json");
    Slots::create(&slots, &context(), &root, &NewSlot::File { path: key.clone() }).unwrap();
    assert_eq!(fs::read(&key).unwrap(), [9; 40]);
    assert!(same(&Slots::read(&slots).unwrap().open(&context()).unwrap(), &root));
}

#[test]
fn t23_a_key_file_that_everybody_can_change_is_refused_and_one_that_others_can_read_is_told() {
    let made = Made::new();
    for bad in [0o602, 0o666] {
        set_mode(&made.key(), bad);
        let error = error(made.open());
        assert!(matches!(error, SlotError::KeyFileMode { mode, .. } if mode == bad));
        assert!(error.to_string().contains("chmod 600"));
    }
    let exposed = || Slots::read(&made.slots()).unwrap().exposed_key_files();
    for told in [0o640, 0o604] {
        set_mode(&made.key(), told);
        made.open().unwrap();
        assert_eq!(exposed(), [(made.key(), told)]);
    }
    set_mode(&made.key(), 0o400);
    made.open().unwrap();
    assert!(exposed().is_empty());
}

#[test]
fn a_directory_with_its_own_key_file_can_be_moved() {
    let made = Made::new();
    let elsewhere = tempfile::tempdir().unwrap();
    let moved = |from: PathBuf| elsewhere.path().join(from.file_name().unwrap());
    fs::rename(made.key(), moved(made.key())).unwrap();
    fs::rename(made.slots(), moved(made.slots())).unwrap();
    assert!(same(&Slots::read(&moved(made.slots())).unwrap().open(&context()).unwrap(), &made.root));
}

#[test]
fn a_missing_a_strange_a_short_and_a_long_key_file_are_told_apart() {
    let made = Made::new();
    for length in [0, 31, 4097] {
        fs::write(made.key(), vec![1; length]).unwrap();
        let wanted = u64::try_from(length).unwrap();
        assert!(matches!(error(made.open()), SlotError::KeyFileSize { found, .. } if found == wanted));
    }
    fs::remove_file(made.key()).unwrap();
    assert!(matches!(error(made.open()), SlotError::KeyFileMissing { path } if path == made.key()));
    fs::create_dir(made.key()).unwrap();
    set_mode(&made.key(), 0o700);
    assert!(matches!(error(made.open()), SlotError::KeyFileKind { .. }));
}

#[test]
fn a_wrong_key_is_told_from_a_damaged_slot() {
    let made = Made::new();
    let right = fs::read(made.key()).unwrap();
    fs::write(made.key(), [1; 32]).unwrap();
    assert!(matches!(error(made.open()), SlotError::WrongKey { .. }));
    fs::write(made.key(), &right).unwrap();
    made.edit(|table| {
        let sealed = table["slots"][0]["sealed"].as_str().unwrap();
        let flipped = if sealed.ends_with('0') { "1" } else { "0" };
        table["slots"][0]["sealed"] = format!("{}{flipped}", &sealed[..sealed.len() - 1]).into();
    });
    assert!(matches!(error(made.open()), SlotError::Damaged { .. }));
    fs::write(made.slots(), "{").unwrap();
    assert!(matches!(error(made.open()), SlotError::Damaged { .. }));
}

#[test]
fn a_commitment_is_checked() {
    let made = Made::new();
    made.edit(|table| table["slots"][0]["commitment"] = "00".repeat(32).into());
    assert!(matches!(error(made.open()), SlotError::WrongKey { .. }));
}

#[test]
fn t30_the_slots_of_another_store_or_purpose_are_refused_even_when_relabelled() {
    let made = Made::new();
    let slots = Slots::read(&made.slots()).unwrap();
    let other_store = SlotContext { store: StoreId::from_bytes([8; 16]), ..context() };
    let other_purpose = SlotContext { purpose: "broker", ..context() };
    for other in [other_store, other_purpose] {
        assert!(matches!(error(slots.open(&other)), SlotError::OtherStore { .. }));
    }
    made.edit(|table| table["store"] = "08".repeat(16).into());
    let relabelled = Slots::read(&made.slots()).unwrap();
    assert!(matches!(error(relabelled.open(&other_store)), SlotError::Damaged { .. }));
    made.edit(|table| {
        table["store"] = "07".repeat(16).into();
        table["purpose"] = "broker".into();
    });
    let relabelled = Slots::read(&made.slots()).unwrap();
    assert!(matches!(error(relabelled.open(&other_purpose)), SlotError::Damaged { .. }));
}

#[test]
fn an_unknown_format_is_refused_and_slots_are_never_overwritten() {
    let made = Made::new();
    let again = Slots::create(&made.slots(), &context(), &made.root, &NewSlot::File { path: made.key() });
    assert!(matches!(again.err().unwrap(), SlotError::Exists { .. }));
    made.edit(|table| {
        *table = serde_json::json!({"format": 2, "whatever": true});
    });
    assert!(matches!(error(made.open()), SlotError::UnknownFormat { found: 2, .. }));
}

#[test]
fn a_slot_is_written_as_on_the_command_line() {
    assert_eq!(SlotSpec::File { path: "/a b".into() }, "file:/a b".parse().unwrap());
    assert_eq!("file:x".parse::<SlotSpec>().unwrap().to_string(), "file:x");
    assert_eq!("passphrase".parse::<SlotSpec>().unwrap(), SlotSpec::Passphrase);
    assert_eq!(SlotSpec::Passphrase.to_string(), "passphrase");
    for bad in ["", "file", "file:", "passphrase:", "passphrase:secret", "shamir", "/etc/key"] {
        assert!(matches!(bad.parse::<SlotSpec>(), Err(SlotError::Spec)));
    }
}

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(&Secret::copy_from(text.as_bytes())).unwrap()
}

impl Made {
    fn read(&self) -> Slots {
        Slots::read(&self.slots()).unwrap()
    }

    /// Adds a slot; its id and its shares.
    fn add(&self, new: &NewSlot) -> (SlotId, Vec<Secret>) {
        let mut slots = self.read();
        let prepared = slots.prepare(&context(), &self.root, new).unwrap();
        let shares = prepared.shares().iter().map(claviger_store::slot::Share::to_text).collect();
        let id = prepared.id();
        slots.add(prepared).unwrap();
        (id, shares)
    }

    fn with(&self, factor: &Factor) -> Result<Opened, SlotError> {
        self.read().open_with(&context(), factor)
    }

    fn gather(&self, shares: &[&Secret]) -> Result<(Gathering, Progress), SlotError> {
        let mut gathering = Gathering::default();
        let mut progress = None;
        for share in shares {
            progress = Some(self.read().gather(&context(), &mut gathering, share)?);
        }
        Ok((gathering, progress.unwrap()))
    }

    fn first_slot(&self) -> SlotId {
        self.read().list()[0].id
    }
}

fn err<T>(outcome: Result<T, SlotError>) -> SlotError {
    outcome.err().unwrap()
}

#[test]
fn a_passphrase_opens_its_slot_and_another_is_told() {
    let made = Made::new();
    let (id, _) = made.add(&NewSlot::Passphrase(passphrase("correct horse\n")));
    let opened = made.with(&Factor::Passphrase(passphrase("correct horse"))).unwrap();
    assert!(opened.slot == id && same(&opened.root, &made.root));
    for wrong in ["correct horsf", "Correct horse", "correct horse ", "c"] {
        let told = err(made.with(&Factor::Passphrase(passphrase(wrong))));
        assert!(matches!(told, SlotError::WrongPassphrase) && !told.is_ours(), "{wrong}");
    }
    // The other slot is as it was, and the file is private still.
    assert!(same(&made.open().unwrap(), &made.root));
    assert_eq!(mode(&made.slots()), 0o600);
    let info = &made.read().list()[1];
    assert_eq!(info.kind, SlotKind::Passphrase { memory_kib: 65536, passes: 3, lanes: 4 });
    let short = NewSlot::Passphrase(passphrase("seven77"));
    assert!(matches!(err(made.read().prepare(&context(), &made.root, &short)), SlotError::PassphraseShort));
}

#[test]
fn t20_a_forged_slot_takes_no_memory_and_is_told_as_damaged() {
    let made = Made::new();
    made.add(&NewSlot::Passphrase(passphrase("correct horse")));
    for (field, value) in [("memory_kib", u32::MAX), ("passes", 1 << 20), ("lanes", 1 << 20), ("lanes", 0)] {
        let before = fs::read(made.slots()).unwrap();
        made.edit(|table| table["slots"][1]["argon2id"][field] = value.into());
        let told = err(made.with(&Factor::Passphrase(passphrase("correct horse"))));
        assert!(matches!(told, SlotError::Damaged { .. }), "{field}: {told}");
        fs::write(made.slots(), before).unwrap();
    }
    fs::write(made.slots(), vec![b' '; (1 << 20) + 1]).unwrap();
    assert!(matches!(err(Slots::read(&made.slots())), SlotError::TooLarge { .. }));
}

#[test]
fn t30_what_a_slot_says_about_its_factor_is_authenticated() {
    let made = Made::new();
    let (_, shares) = made.add(&NewSlot::Shares(SplitPlan::new(3, 2).unwrap()));
    let factor = || Factor::Shares(made.gather(&[&shares[0], &shares[1]]).unwrap().0);
    made.with(&factor()).unwrap();
    // A digest of a share that nobody has yet.
    made.edit(|table| table["slots"][1]["split"]["digests"][2] = "00".repeat(32).into());
    assert!(matches!(err(made.with(&factor())), SlotError::Damaged { .. }));
    // A slot that says of itself that it is of another kind.
    made.edit(|table| table["slots"][0]["kind"] = "stone".into());
    assert!(matches!(err(Slots::read(&made.slots())), SlotError::Damaged { .. }));
}

#[test]
fn the_bytes_of_a_key_file_open_its_slot_wherever_they_come_from() {
    let made = Made::new();
    let key = fs::read(made.key()).unwrap();
    fs::remove_file(made.key()).unwrap();
    assert!(same(&made.with(&Factor::KeyBytes(Secret::copy_from(&key))).unwrap().root, &made.root));
    let told = err(made.with(&Factor::KeyBytes(Secret::copy_from(&[1; 32]))));
    assert!(matches!(told, SlotError::WrongKeyBytes));
    let told = err(made.with(&Factor::Passphrase(passphrase("x"))));
    assert!(matches!(told, SlotError::NoSlotFor { what: "a passphrase" }));
}

#[test]
fn slots_come_and_go_and_the_last_one_stays() {
    let made = Made::new();
    let other = made.dir.path().join("other.key");
    let (id, _) = made.add(&NewSlot::File { path: other.clone() });
    let mut slots = made.read();
    assert_eq!(slots.list().len(), 2);
    let first = made.first_slot();
    slots.remove(first).unwrap();
    assert!(matches!(err(slots.remove(first)), SlotError::NoSlot { slot } if slot == first));
    assert!(matches!(err(slots.remove(id)), SlotError::LastSlot));
    fs::remove_file(made.key()).unwrap();
    let opened = made.with(&Factor::KeyFiles).unwrap();
    assert!(opened.slot == id && same(&opened.root, &made.root));
    assert_eq!(id.to_string().parse::<SlotId>().unwrap(), id);
    assert!(matches!(err("xyz".parse::<SlotId>()), SlotError::Id));
}

#[test]
fn one_of_several_is_enough_and_a_wrong_file_says_more_than_a_missing_one() {
    let made = Made::new();
    let other = made.dir.path().join("other.key");
    made.add(&NewSlot::File { path: other.clone() });
    let key = fs::read(made.key()).unwrap();
    fs::remove_file(made.key()).unwrap();
    assert!(same(&made.open().unwrap(), &made.root));
    fs::write(made.key(), [1; 32]).unwrap();
    fs::remove_file(&other).unwrap();
    assert!(matches!(error(made.open()), SlotError::WrongKey { path } if path == made.key()));
    fs::write(made.key(), key).unwrap();
    assert!(same(&made.open().unwrap(), &made.root));
}

#[test]
fn a_passphrase_is_changed_in_one_step_that_a_failure_leaves_undone() {
    let made = Made::new();
    let (old, _) = made.add(&NewSlot::Passphrase(passphrase("correct horse")));
    let mut slots = made.read();
    let change = |slots: &Slots| {
        slots.prepare(&context(), &made.root, &NewSlot::Passphrase(passphrase("battery staple"))).unwrap()
    };
    let before = fs::read(made.slots()).unwrap();
    // Where the new file would be made there is a directory.
    let blocked = made.dir.path().join("slots.json.new");
    fs::create_dir(&blocked).unwrap();
    let new = change(&slots);
    assert!(matches!(err(slots.replace(old, new)), SlotError::Io { .. }));
    assert!(matches!(err(slots.remove(old)), SlotError::Io { .. }));
    assert_eq!(fs::read(made.slots()).unwrap(), before);
    assert_eq!(slots.list().len(), 2);
    fs::remove_dir(&blocked).unwrap();
    let new = change(&slots);
    let id = new.id();
    slots.replace(old, new).unwrap();
    assert_eq!(made.with(&Factor::Passphrase(passphrase("battery staple"))).unwrap().slot, id);
    assert!(made.with(&Factor::Passphrase(passphrase("correct horse"))).is_err());
}

#[test]
fn there_are_at_most_16_slots_with_a_name_each() {
    let made = Made::new();
    for _ in 0..15 {
        made.add(&NewSlot::File { path: made.key() });
    }
    let mut slots = made.read();
    let one_more = slots.prepare(&context(), &made.root, &NewSlot::File { path: made.key() }).unwrap();
    assert!(matches!(err(slots.add(one_more)), SlotError::TooManySlots(16)));
    assert_eq!(made.read().list().len(), 16);
    made.edit(|table| table["slots"][1] = table["slots"][0].clone());
    assert!(matches!(err(Slots::read(&made.slots())), SlotError::Damaged { .. }));
    made.edit(|table| table["slots"] = serde_json::json!([]));
    assert!(matches!(err(Slots::read(&made.slots())), SlotError::Damaged { .. }));
}

#[test]
fn enough_shares_open_their_slot_whichever_they_are() {
    let made = Made::new();
    let (id, shares) = made.add(&NewSlot::Shares(SplitPlan::new(5, 3).unwrap()));
    assert_eq!(made.read().list()[1].kind, SlotKind::Shamir { needed: 3, shares: 5 });
    for choice in [[0, 1, 2], [4, 2, 0], [1, 3, 4]] {
        let chosen = choice.map(|at: usize| &shares[at]);
        let (gathering, progress) = made.gather(&chosen).unwrap();
        assert_eq!(progress, Progress { have: 3, needed: 3 });
        let opened = made.with(&Factor::Shares(gathering)).unwrap();
        assert!(opened.slot == id && same(&opened.root, &made.root));
    }
    let all: Vec<_> = shares.iter().collect();
    made.with(&Factor::Shares(made.gather(&all).unwrap().0)).unwrap();
    let (two, progress) = made.gather(&all[..2]).unwrap();
    assert_eq!(progress, Progress { have: 2, needed: 3 });
    let told = err(made.with(&Factor::Shares(two)));
    assert!(matches!(told, SlotError::TooFewShares { have: 2, needed: 3 }));
    for (shares, needed) in [(1, 1), (3, 1), (2, 3), (0, 0)] {
        assert!(matches!(SplitPlan::new(shares, needed), Err(SlotError::SplitPlan)));
    }
    SplitPlan::new(255, 255).unwrap();
}

#[test]
fn wrong_foreign_and_repeated_shares_are_told_apart_and_change_nothing() {
    let made = Made::new();
    let other = Made::new();
    let plan = || NewSlot::Shares(SplitPlan::new(3, 2).unwrap());
    let (id, shares) = made.add(&plan());
    let (_, second) = made.add(&plan());
    let (foreign, foreign_shares) = other.add(&plan());
    let (mut gathering, _) = made.gather(&[&shares[0]]).unwrap();
    let slots = made.read();
    let mut add = |share: &Secret| slots.gather(&context(), &mut gathering, share);
    assert!(matches!(err(add(&shares[0])), SlotError::RepeatedShare { number: 1 }));
    let told = err(add(&foreign_shares[1]));
    assert!(matches!(told, SlotError::ForeignShare { number: 2, slot } if slot == foreign), "{told}");
    let told = err(add(&second[1]));
    assert!(matches!(told, SlotError::OtherSlotsShare { number: 2, slot } if slot == id), "{told}");
    // Whole, with a right checksum, of the right slot: and not what was given out.
    let text = |share: &Secret| String::from_utf8(share.expose().to_vec()).unwrap();
    let forged = |number: &str, needed: &str| {
        let part = text(&shares[0]).split('-').nth(6).unwrap().to_owned();
        let counted = format!("claviger-share-1-{id}-{needed}-{number}-{part}");
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, counted.as_bytes());
        Secret::copy_from(format!("{counted}-{}", hex::encode(&digest.as_ref()[..4])).as_bytes())
    };
    for (number, needed) in [("2", "2"), ("4", "2"), ("1", "3")] {
        let told = err(add(&forged(number, needed)));
        assert!(matches!(told, SlotError::WrongShare { .. }) && !told.is_ours(), "{number}: {told}");
    }
    add(&shares[2]).unwrap();
    made.with(&Factor::Shares(gathering)).unwrap();
}

#[test]
fn t30_no_slot_or_share_of_another_store_s_table_is_used() {
    let made = Made::new();
    let (_, shares) = made.add(&NewSlot::Shares(SplitPlan::new(2, 2).unwrap()));
    let other = SlotContext { store: StoreId::from_bytes([8; 16]), ..context() };
    let gathered = made.read().gather(&other, &mut Gathering::default(), &shares[0]);
    assert!(matches!(err(gathered), SlotError::OtherStore { .. }));
    let new = NewSlot::File { path: made.key() };
    assert!(matches!(err(made.read().prepare(&other, &made.root, &new)), SlotError::OtherStore { .. }));
}
