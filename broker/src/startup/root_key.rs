//! Where a starting broker gets its root key from.

use claviger_client::evidence::KeyPlatform;
use claviger_store::slot::{Factor, Passphrase, SlotError, SlotKind};
use claviger_store::{DataDir, DataDirError, RootKey};

use super::StartError;

/// The root key, or `None` where the broker has to start sealed: what its slots ask for isn't there now, or the
/// passphrase that was given is another. Where every slot is one of files, a file that *is* there and is wrong is
/// an error, for nothing that could be given later would be right.
///
/// `passphrase` is asked when a slot wants one, with the number of wrong ones before, until it has no more.
pub(super) fn root_key(
    data_dir: &DataDir,
    mut passphrase: impl FnMut(u32) -> Option<Passphrase>,
) -> Result<Option<RootKey>, StartError> {
    let slots = data_dir.slots()?.list();
    let any = |is: fn(&SlotKind) -> bool| slots.iter().any(|slot| is(&slot.kind));
    match data_dir.open_slot(&Factor::KeyFiles) {
        Ok(opened) => return Ok(Some(opened.root)),
        Err(DataDirError::Slot(SlotError::NoSlotFor { .. })) => {}
        Err(DataDirError::Slot(error))
            if may_come_right(&error, any(|k| !matches!(k, SlotKind::File { .. }))) =>
        {
            tracing::warn!(%error, "no key file opens the store");
        }
        Err(error) => return Err(error.into()),
    }
    for kind in &slots {
        let SlotKind::Derived { from } = &kind.kind else { continue };
        // Another image or machine, or none that derives: another slot opens it, or somebody has to.
        match KeyPlatform::derive_again(from) {
            Ok(key) => match data_dir.open_slot(&Factor::Derived(key)) {
                Ok(opened) => return Ok(Some(opened.root)),
                Err(error) => tracing::warn!(%error, "the derived key doesn't open the store"),
            },
            Err(error) => tracing::warn!(%error, "no key is derived"),
        }
    }
    if any(|kind| matches!(kind, SlotKind::Passphrase { .. })) {
        for wrong in 0.. {
            let Some(passphrase) = passphrase(wrong) else { break };
            match data_dir.open_slot(&Factor::Passphrase(passphrase)) {
                Ok(opened) => return Ok(Some(opened.root)),
                Err(DataDirError::Slot(error @ SlotError::WrongPassphrase)) => tracing::error!(%error),
                Err(error) => return Err(error.into()),
            }
        }
    }
    tracing::warn!("starting sealed: nobody is served until key-admin unseal");
    Ok(None)
}

/// Whether waiting, or another slot, could still open the store.
fn may_come_right(error: &SlotError, other_slots: bool) -> bool {
    let file_is_wrong = matches!(
        error,
        SlotError::WrongKey { .. }
            | SlotError::KeyFileMode { .. }
            | SlotError::KeyFileKind { .. }
            | SlotError::KeyFileSize { .. }
    );
    matches!(error, SlotError::KeyFileMissing { .. }) || (file_is_wrong && other_slots)
}
