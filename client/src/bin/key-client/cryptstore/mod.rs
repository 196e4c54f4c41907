//! `key-client cryptstore …`: the machine's own cryptstore, without a broker.

mod args;
mod certifier;
mod items;
mod seal;
mod show;
mod transfer;

use claviger_client::Error;
use claviger_client::cli::slot::check_alone;
use claviger_client::cli::{Failure, OutputMode, Report};
use claviger_client::state::{Cryptstore, StateDir, StateError};
use serde::Serialize;

pub(crate) use args::CryptstoreCommand;
use args::InitArgs;

pub(crate) fn run(command: &CryptstoreCommand, mode: OutputMode) -> Result<(), Failure> {
    match command {
        CryptstoreCommand::Init(args) => init(args, mode),
        CryptstoreCommand::Put(args) => items::put(args, mode),
        CryptstoreCommand::Get(args) => items::get(args, mode),
        CryptstoreCommand::List(args) => show::list(args, mode),
        CryptstoreCommand::Delete(args) => items::delete(args, mode),
        CryptstoreCommand::Generate(args) => items::generate(args, mode),
        CryptstoreCommand::Export(args) => transfer::export(args, mode),
        CryptstoreCommand::Import(args) => transfer::import(args, mode),
        CryptstoreCommand::Print(args) => show::print(args, mode),
    }
}

/// Changes it: all of the change is kept, or nothing.
fn update<T, E: Into<StateError>>(
    state: &StateDir,
    change: impl FnOnce(&mut Cryptstore) -> Result<T, E>,
) -> Result<T, Failure> {
    let lock = state.lock().map_err(Error::from)?;
    Ok(lock.update(change).map_err(Error::from)?)
}

fn load(state: &StateDir) -> Result<Cryptstore, Failure> {
    Ok(state.load().map_err(Error::from)?)
}

#[derive(Serialize)]
struct Made {
    state_dir: String,
}

impl Report for Made {
    fn text(&self) -> String {
        format!("made an empty cryptstore in {}", self.state_dir)
    }
}

fn init(args: &InitArgs, mode: OutputMode) -> Result<(), Failure> {
    let state = StateDir::new(&args.at.state_dir);
    if state.exists().map_err(Error::from)? {
        // Before anybody is asked for a passphrase.
        return Err(Error::from(StateError::Exists { dir: args.at.state_dir.clone() }).into());
    }
    if let Some(spec) = &args.key_slot {
        check_alone(spec, args.no_recovery)?;
    }
    let slot = args.at.new_slot(args.key_slot.as_ref())?;
    let lock = state.lock_or_make().map_err(Error::from)?;
    lock.create(slot.as_ref()).map_err(Error::from)?;
    mode.tell(&Made { state_dir: args.at.state_dir.display().to_string() })
}
