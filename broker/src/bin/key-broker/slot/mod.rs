//! `key-broker slot`: the ways to the root key of a data directory that no broker is using.

mod open;
mod shares;

use std::path::PathBuf;
use std::process::ExitCode;

use claviger_client::cli::{Failure, OutputMode, Report, Table, passphrase, slot};
use claviger_store::slot::{NewSlot, Opened, SlotId, SlotInfo, SlotKind};
use claviger_store::{DataDir, SlotSpec};
use open::{OpenBy, failure};
use serde::Serialize;

/// Add, list, change and remove the key slots of a data directory, while its broker is stopped.
///
/// Each slot holds the same root key, sealed under something else: any one of them is enough to start the broker.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// List the slots
    #[command(after_help = "Example:\n  key-broker slot list --data-dir /var/lib/claviger")]
    List(At),
    Add(Add),
    Remove(Remove),
    ChangePassphrase(Change),
    Split(shares::Split),
    Combine(shares::Combine),
}

#[derive(clap::Args)]
struct At {
    /// The data directory.
    #[arg(long, env = "CLAVIGER_DATA_DIR")]
    data_dir: PathBuf,
}

/// What a command that changes something opens the root key with first.
#[derive(clap::Args)]
struct Opening {
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    by: OpenBy,
}

impl At {
    fn data_dir(&self) -> Result<DataDir, Failure> {
        DataDir::open(&self.data_dir).map_err(|error| failure(&error))
    }
}

impl Opening {
    fn open(&self) -> Result<(DataDir, Opened), Failure> {
        let data_dir = self.at.data_dir()?;
        let opened = self.by.open(&data_dir)?;
        Ok((data_dir, opened))
    }
}

/// A slot to make, as it is asked for.
#[derive(clap::Args)]
struct NewPassphrase {
    /// A file that holds the new passphrase, or - for standard input; without it, it is asked for twice.
    #[arg(long, value_name = "FILE|-")]
    new_passphrase_file: Option<PathBuf>,
}

impl NewPassphrase {
    fn slot(&self, spec: &SlotSpec) -> Result<NewSlot, Failure> {
        // The credential is what the broker starts with, which isn't the new one.
        slot::new_slot(spec, || match &self.new_passphrase_file {
            Some(file) => passphrase::read(file),
            None => passphrase::ask_twice("New passphrase of the root key"),
        })
    }
}

/// Add a slot, opening the root key by one that is there.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  key-broker slot add --data-dir /var/lib/claviger --key-slot passphrase
  key-broker slot add --data-dir /var/lib/claviger --key-slot file:/media/stick/root.key
  key-broker slot add --data-dir /var/lib/claviger --key-slot derived:sev-snp:device")]
struct Add {
    #[command(flatten)]
    opening: Opening,
    /// What the new slot asks for.
    #[arg(long, value_name = "file:PATH|passphrase|derived:KIND:WHERE")]
    key_slot: SlotSpec,
    #[command(flatten)]
    new: NewPassphrase,
}

/// Remove a slot, opening the root key by one that is there; the last slot stays.
///
/// The root key stays the same: who has both what the removed slot asks for and an older copy of slots.json has it.
#[derive(clap::Args)]
#[command(after_help = "Example:
  key-broker slot remove 3f2a9c01 --data-dir /var/lib/claviger")]
struct Remove {
    /// Which, as `slot list` shows it.
    #[arg(value_name = "SLOT")]
    slot: SlotId,
    #[command(flatten)]
    opening: Opening,
}

/// Put another passphrase in the place of one, in one step: after a crash it is either the old or the new one.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  key-broker slot change-passphrase --data-dir /var/lib/claviger
  key-broker slot change-passphrase --data-dir /var/lib/claviger \\
      --passphrase-file old --new-passphrase-file new")]
struct Change {
    /// Which slot; without it, the one that the passphrase opens, or the only one of passphrases.
    #[arg(long)]
    slot: Option<SlotId>,
    #[command(flatten)]
    opening: Opening,
    #[command(flatten)]
    new: NewPassphrase,
}

pub(crate) fn run(args: &Args, output: OutputMode) -> ExitCode {
    let done = match &args.command {
        Command::List(at) => list(at, output),
        Command::Add(args) => add(args, output),
        Command::Remove(args) => remove(args, output),
        Command::ChangePassphrase(args) => change(args, output),
        Command::Split(args) => shares::split(args, output),
        Command::Combine(args) => shares::combine(args, output),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.exit(output),
    }
}

fn list(at: &At, output: OutputMode) -> Result<(), Failure> {
    let slots = at.data_dir()?.slots().map_err(|error| failure(&error))?;
    output.tell(&List { slots: slots.list().iter().map(Shown::from).collect() })
}

fn add(args: &Add, output: OutputMode) -> Result<(), Failure> {
    let (data_dir, opened) = args.opening.open()?;
    let new = args.new.slot(&args.key_slot)?;
    let slot = put(&data_dir, &opened, &new, None)?;
    output.tell(&Done { slot: slot.to_string(), done: "added" })
}

fn remove(args: &Remove, output: OutputMode) -> Result<(), Failure> {
    let (data_dir, _opened) = args.opening.open()?;
    let mut slots = data_dir.slots().map_err(|error| failure(&error))?;
    slots.remove(args.slot).map_err(|error| failure(&error.into()))?;
    output.tell(&Done { slot: args.slot.to_string(), done: "removed" })
}

fn change(args: &Change, output: OutputMode) -> Result<(), Failure> {
    let data_dir = args.opening.at.data_dir()?;
    let opened = args.opening.by.open_for_passphrase(&data_dir)?;
    let slots = data_dir.slots().map_err(|error| failure(&error))?.list();
    let old = passphrase_slot(&slots, args.slot, opened.slot)?;
    let new = args.new.slot(&SlotSpec::Passphrase)?;
    let slot = put(&data_dir, &opened, &new, Some(old))?;
    output.tell(&Done { slot: slot.to_string(), done: "changed" })
}

/// Which slot's passphrase is to be changed.
fn passphrase_slot(slots: &[SlotInfo], named: Option<SlotId>, opened: SlotId) -> Result<SlotId, Failure> {
    let all: Vec<SlotId> = slots
        .iter()
        .filter(|slot| matches!(slot.kind, SlotKind::Passphrase { .. }))
        .map(|slot| slot.id)
        .collect();
    match (named.or_else(|| all.contains(&opened).then_some(opened)), &all[..]) {
        (Some(slot), _) if all.contains(&slot) => Ok(slot),
        (None, [only]) => Ok(*only),
        (Some(slot), _) => {
            let message = format!("there is no slot {slot} of a passphrase");
            Err(Failure::new("not-found", 4, message, "key-broker slot list shows those there are"))
        }
        (None, _) => {
            let message = format!("there are {} slots of passphrases", all.len());
            Err(Failure::new("refused", 3, message, "say which with --slot; key-broker slot list shows them"))
        }
    }
}

/// Makes a slot, and puts it into the table: in the place of another, or as one more.
fn put(
    data_dir: &DataDir,
    opened: &Opened,
    new: &NewSlot,
    in_place_of: Option<SlotId>,
) -> Result<SlotId, Failure> {
    let prepared = data_dir.prepare_slot(opened, new).map_err(|error| failure(&error))?;
    let id = prepared.id();
    let mut slots = data_dir.slots().map_err(|error| failure(&error))?;
    let put = match in_place_of {
        Some(old) => slots.replace(old, prepared),
        None => slots.add(prepared),
    };
    put.map_err(|error| failure(&error.into()))?;
    Ok(id)
}

/// A slot, as it is shown.
#[derive(Serialize)]
struct Shown {
    slot: String,
    #[serde(flatten)]
    kind: ShownKind,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum ShownKind {
    File { path: String },
    Passphrase { memory_kib: u32, passes: u32, lanes: u32 },
    Shamir { needed: u8, shares: usize },
    Derived { platform: String, vmpl: u32, guest_svn: u32, tcb: String },
    Unknown,
}

impl From<&SlotInfo> for Shown {
    fn from(info: &SlotInfo) -> Self {
        let kind = match &info.kind {
            SlotKind::File { path } => ShownKind::File { path: path.display().to_string() },
            SlotKind::Passphrase { memory_kib, passes, lanes } => {
                ShownKind::Passphrase { memory_kib: *memory_kib, passes: *passes, lanes: *lanes }
            }
            SlotKind::Shamir { needed, shares } => ShownKind::Shamir { needed: *needed, shares: *shares },
            SlotKind::Derived { from } => ShownKind::Derived {
                platform: from.platform.clone(),
                vmpl: from.vmpl,
                guest_svn: from.guest_svn,
                tcb: format!("{:016x}", from.tcb),
            },
            _ => ShownKind::Unknown,
        };
        Self { slot: info.id.to_string(), kind }
    }
}

#[derive(Serialize)]
struct List {
    slots: Vec<Shown>,
}

impl Report for List {
    fn text(&self) -> String {
        let mut table = Table::new(["slot", "kind", "opened by"]);
        for Shown { slot, kind } in &self.slots {
            let (kind, by) = match kind {
                ShownKind::File { path } => ("file", path.clone()),
                ShownKind::Passphrase { memory_kib, passes, .. } => (
                    "passphrase",
                    format!("a passphrase (Argon2id, {} MiB, {passes} passes)", memory_kib >> 10),
                ),
                ShownKind::Shamir { needed, shares } => ("shamir", format!("{needed} of {shares} shares")),
                ShownKind::Derived { platform, tcb, .. } => ("derived", format!("{platform}, at TCB {tcb}")),
                ShownKind::Unknown => ("unknown", "a newer version".to_owned()),
            };
            table.row([slot.clone(), kind.to_owned(), by]);
        }
        table.render()
    }
}

#[derive(Serialize)]
struct Done {
    slot: String,
    done: &'static str,
}

impl Report for Done {
    fn text(&self) -> String {
        format!("{} slot {}", self.done, self.slot)
    }
}
