//! The state directory on the command line, and how its key slot is opened.

use std::path::{Path, PathBuf};

use clap::Args;
use claviger_store::slot::{Factor, NewSlot, SlotKind, SlotSpec};

use super::failure::Failure;
use super::{passphrase, slot};
use crate::error::Error;
use crate::state::StateDir;

/// The options, to flatten into a command line.
#[derive(Args, Clone, Debug)]
pub struct StateArgs {
    /// The directory of this machine's sealed cryptstore
    #[arg(long, value_name = "DIR")]
    pub state_dir: PathBuf,
    /// A file with the passphrase of its key slot, or - for standard input; without it, systemd's credential, or whoever
    /// is at the terminal
    #[arg(long, value_name = "FILE|-")]
    pub passphrase_file: Option<PathBuf>,
}

impl StateArgs {
    /// The state directory, with what opens its slot: nothing but itself where that is a key file.
    pub fn open(&self) -> Result<StateDir, Failure> {
        let state = StateDir::new(&self.state_dir);
        let slots = state.slots().map_err(Error::from)?;
        let asks = |wanted: fn(&SlotKind) -> bool| slots.iter().any(wanted);
        let by_file = asks(|slot| matches!(slot, SlotKind::File { .. }));
        let named = self.passphrase_file.is_some() && !slots.is_empty();
        if !named
            && !by_file
            && let Some(factor) = slot::derived(&slots)
        {
            return Ok(state.opened_with(factor?));
        }
        if !named && (by_file || !asks(|slot| matches!(slot, SlotKind::Passphrase { .. }))) {
            return Ok(state);
        }
        let passphrase = passphrase::existing(self.passphrase_file(), &self.prompt("Passphrase"))?;
        Ok(state.opened_with(Factor::Passphrase(passphrase)))
    }

    /// What to make of a slot that was named for a new cryptstore.
    pub fn new_slot(&self, spec: Option<&SlotSpec>) -> Result<Option<NewSlot>, Failure> {
        let ask = || passphrase::new(self.passphrase_file(), &self.prompt("New passphrase"));
        spec.map(|spec| slot::new_slot(spec, ask)).transpose()
    }

    fn passphrase_file(&self) -> Option<&Path> {
        self.passphrase_file.as_deref()
    }

    fn prompt(&self, what: &str) -> String {
        format!("{what} of the cryptstore in {}", self.state_dir.display())
    }
}
