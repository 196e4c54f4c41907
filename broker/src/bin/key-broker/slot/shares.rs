//! `key-broker slot split`, `key-broker slot combine`

use std::path::{Path, PathBuf};

use claviger_client::cli::args::USAGE;
use claviger_client::cli::{Failure, OutputMode, Report};
use claviger_client::files::{make_private_directory, write_new_private};
use claviger_proto::Secret;
use claviger_store::SlotSpec;
use claviger_store::slot::{NewSlot, Share, SplitPlan};
use serde::Serialize;

use super::open::{by_shares, failure};
use super::{At, NewPassphrase, Opening, put};

/// Add a slot whose key is split into shares, of which some are needed to open it.
///
/// Each share is a line of text, for one person to keep. They are shown once and kept nowhere else.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  key-broker slot split --data-dir /var/lib/claviger --shares 5 --threshold 3 --out-dir shares
  key-broker slot split --data-dir /var/lib/claviger --shares 5 --threshold 3 --out-dir -")]
pub(super) struct Split {
    #[command(flatten)]
    opening: Opening,
    /// How many shares there are: 2 to 255.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(2..))]
    shares: u8,
    /// How many of them are needed: 2 to N.
    #[arg(long, value_name = "M", value_parser = clap::value_parser!(u8).range(2..))]
    threshold: u8,
    /// Where their files are made (share-1.txt and so on; 0600), or - for standard output.
    #[arg(long, value_name = "DIR|-")]
    out_dir: PathBuf,
}

/// Open the root key by shares: to see that they are right, or to add another slot.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  key-broker slot combine --data-dir /var/lib/claviger --share-file a.txt --share-file b.txt
  key-broker slot combine --data-dir /var/lib/claviger --share-file - --key-slot passphrase")]
pub(super) struct Combine {
    #[command(flatten)]
    at: At,
    /// A file with one or more shares, a line each, or - for standard input; may be repeated.
    #[arg(long, value_name = "FILE|-", required = true)]
    share_file: Vec<PathBuf>,
    /// A slot to add, now that the root key is open.
    #[arg(long, value_name = "file:PATH|passphrase")]
    key_slot: Option<SlotSpec>,
    #[command(flatten)]
    new: NewPassphrase,
}

pub(super) fn split(args: &Split, output: OutputMode) -> Result<(), Failure> {
    let plan = plan(args)?;
    let (data_dir, opened) = args.opening.open()?;
    let prepared = data_dir.prepare_slot(&opened, &NewSlot::Shares(plan)).map_err(|error| failure(&error))?;
    let id = prepared.id();
    let shares: Vec<Secret> = prepared.shares().iter().map(Share::to_text).collect();
    let mut slots = data_dir.slots().map_err(|error| failure(&error))?;
    let told = |files, lines| Told { slot: id.to_string(), needed: args.threshold, files, shares: lines };
    if args.out_dir == Path::new("-") {
        slots.add(prepared).map_err(|error| failure(&error.into()))?;
        let lines = shares.iter().map(|share| String::from_utf8_lossy(share.expose()).into_owned()).collect();
        // Shares that nobody saw are of no use.
        return output.tell(&told(Vec::new(), lines)).inspect_err(|_| drop(slots.remove(id)));
    }
    // First the shares, then their slot: after a crash in between they are shares of no slot, and are told so.
    let files = write(&args.out_dir, &shares)?;
    if let Err(error) = slots.add(prepared) {
        undo(&files);
        return Err(failure(&error.into()));
    }
    output.tell(&told(files.iter().map(|file| file.display().to_string()).collect(), Vec::new()))
}

fn plan(args: &Split) -> Result<SplitPlan, Failure> {
    let Split { shares, threshold, .. } = args;
    SplitPlan::new(*shares, *threshold).map_err(|_| {
        let message = format!("--threshold {threshold} is more than --shares {shares}");
        let next = format!("give a --threshold from 2 to {shares}, or more --shares; nothing was changed");
        Failure::new("usage", USAGE, message, next)
    })
}

/// A file for each share; all of them or none.
fn write(dir: &Path, shares: &[Secret]) -> Result<Vec<PathBuf>, Failure> {
    make_private_directory(dir)?;
    let mut files = Vec::new();
    for (index, share) in shares.iter().enumerate() {
        let file = dir.join(format!("share-{}.txt", index + 1));
        let line = Secret::new([share.expose(), b"\n"].concat());
        if let Err(error) = write_new_private(&file, line.expose()) {
            undo(&files);
            return Err(error.into());
        }
        files.push(file);
    }
    Ok(files)
}

/// Takes away what this call has just made; the error that made it necessary is the one to tell.
fn undo(files: &[PathBuf]) {
    for file in files {
        drop(std::fs::remove_file(file));
    }
}

pub(super) fn combine(args: &Combine, output: OutputMode) -> Result<(), Failure> {
    let data_dir = args.at.data_dir()?;
    let opened = by_shares(&data_dir, &args.share_file)?;
    let added = match &args.key_slot {
        Some(spec) => Some(put(&data_dir, &opened, &args.new.slot(spec)?, None)?.to_string()),
        None => None,
    };
    output.tell(&Combined { slot: opened.slot.to_string(), added })
}

#[derive(Serialize)]
struct Told {
    slot: String,
    needed: u8,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    shares: Vec<String>,
}

impl Report for Told {
    fn text(&self) -> String {
        let Self { slot, needed, files, shares } = self;
        if files.is_empty() {
            return shares.join("\n");
        }
        format!(
            "added slot {slot}, opened by {needed} of {} shares:\n  {}\n\
             next: give each to another person, and remove the files",
            files.len(),
            files.join("\n  ")
        )
    }
}

#[derive(Serialize)]
struct Combined {
    slot: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    added: Option<String>,
}

impl Report for Combined {
    fn text(&self) -> String {
        let added = self.added.as_ref().map(|slot| format!("\nadded slot {slot}")).unwrap_or_default();
        format!("these shares open slot {}{added}", self.slot)
    }
}
