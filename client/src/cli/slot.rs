//! Key slots on a command line: how a new one is made, and how one opens by itself.

use claviger_store::slot::{Factor, NewSlot, Passphrase, SlotKind, SlotSpec};

use super::failure::Failure;
use crate::error::Error;
use crate::evidence::{KeyPlatform, NotAKeyPlatform};

/// What to make of a slot that was named, with the passphrase from `ask` if one is needed.
pub fn new_slot(
    spec: &SlotSpec,
    ask: impl FnOnce() -> Result<Passphrase, Failure>,
) -> Result<NewSlot, Failure> {
    spec.new_slot(ask, |platform| {
        let platform = platform.parse::<KeyPlatform>().map_err(|error: NotAKeyPlatform| {
            Failure::new("usage", 2, error.to_string(), "name the slot as derived:KIND:WHERE")
        })?;
        Ok(platform.derive_new().map_err(Error::from)?)
    })
}

/// Refuses a derived key as the only slot: with another image, guest policy or chip it is gone, and all that is under it.
pub fn check_alone(spec: &SlotSpec, no_recovery: bool) -> Result<(), Failure> {
    if no_recovery || !matches!(spec, SlotSpec::Derived { .. }) {
        return Ok(());
    }
    let message = "a derived key can't be the only slot: another image or another chip derives another key";
    let next =
        "make a passphrase or key file the first slot; or say --no-recovery, and lose what is sealed then";
    Err(Failure::new("refused", 3, message, next))
}

/// What opens the first of these slots whose platform derives its key on this machine; `None` where none is of that kind.
pub fn derived(slots: &[SlotKind]) -> Option<Result<Factor, Failure>> {
    let from = slots.iter().find_map(|slot| match slot {
        SlotKind::Derived { from } => Some(from),
        _ => None,
    })?;
    Some(KeyPlatform::derive_again(from).map(Factor::Derived).map_err(|error| Error::from(error).into()))
}
