//! Certificates in folders, in two layouts: `vcek/<chip>/<tcb>.der`, with the TCB's 8 bytes in hex; and that of
//! Trustee's offline store, `vcek/<chip>/bl02_tee00_snp06_ucode21_vcek.der` (`_fmc..` before `_vcek` for a Turin) and, for
//! whatever TCB, `vcek/<chip>/vcek.der`.

use std::io;
use std::path::{Path, PathBuf};

use super::{MAX_CERTIFICATE, Vcek, is_one_der};
use crate::files::{FileError, make_private_directory, read_bounded, write_private};

/// The directory of a chip; `root` is the one above `vcek`.
fn chip_dir(root: &Path, vcek: &Vcek) -> PathBuf {
    root.join("vcek").join(vcek.chip_hex())
}

/// Ours.
fn own(root: &Path, vcek: &Vcek) -> PathBuf {
    chip_dir(root, vcek).join(format!("{}.der", vcek.tcb_hex()))
}

/// The certificate of exactly this TCB.
pub(super) fn exact(root: &Path, vcek: &Vcek) -> Option<Vec<u8>> {
    let parts: Vec<_> = vcek.parts().iter().map(|(name, number)| format!("{name}{number:02}")).collect();
    let trustee = chip_dir(root, vcek).join(format!("{}_vcek.der", parts.join("_")));
    read(&own(root, vcek)).or_else(|| read(&trustee))
}

/// The certificate of the chip that doesn't say for which TCB it is.
pub(super) fn of_some_tcb(root: &Path, vcek: &Vcek) -> Option<Vec<u8>> {
    read(&chip_dir(root, vcek).join("vcek.der"))
}

/// Keeps a certificate; who can't keep it fetches it again.
pub(super) fn keep(root: &Path, vcek: &Vcek, certificate: &[u8]) -> Result<(), FileError> {
    make_private_directory(&chip_dir(root, vcek))?;
    write_private(&own(root, vcek), certificate)
}

/// Takes away what was kept, and nothing that somebody else put into the folder in another layout.
pub(super) fn forget(root: &Path, vcek: &Vcek) -> io::Result<()> {
    match std::fs::remove_file(own(root, vcek)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// `None` for what isn't there or isn't a certificate: another place may have it.
fn read(path: &Path) -> Option<Vec<u8>> {
    let bytes = read_bounded(path, MAX_CERTIFICATE).ok()?;
    is_one_der(bytes.expose()).then(|| bytes.expose().to_vec())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::fs;

    use claviger_attest::{ChipId, SnpProduct};

    use super::*;

    fn der(byte: u8) -> Vec<u8> {
        vec![0x30, 0x81, 1, byte]
    }

    fn milan() -> Vcek {
        Vcek::new(SnpProduct::Milan, ChipId::new([0xab; 64]).unwrap(), [2, 0, 0, 0, 0, 0, 6, 115])
    }

    fn turin() -> Vcek {
        let mut chip = [0; 64];
        chip[..8].fill(0xcd);
        Vcek::new(SnpProduct::Turin, ChipId::new(chip).unwrap(), [1, 2, 3, 4, 0, 0, 0, 75])
    }

    #[test]
    fn both_layouts_are_read() {
        let (milan_chip, turin_chip) = ("ab".repeat(64), "cd".repeat(8));
        for (vcek, chip, name) in [
            (milan(), &milan_chip, "0200000000000673.der"),
            (milan(), &milan_chip, "bl02_tee00_snp06_ucode115_vcek.der"),
            (turin(), &turin_chip, "010203040000004b.der"),
            (turin(), &turin_chip, "bl02_tee03_snp04_ucode75_fmc01_vcek.der"),
        ] {
            let root = tempfile::tempdir().unwrap();
            let dir = root.path().join("vcek").join(chip);
            fs::create_dir_all(&dir).unwrap();
            fs::write(dir.join("vcek.der"), der(9)).unwrap();
            assert_eq!((exact(root.path(), &vcek), of_some_tcb(root.path(), &vcek)), (None, Some(der(9))));
            fs::write(dir.join(name), b"<html>").unwrap();
            assert_eq!(exact(root.path(), &vcek), None, "it isn't a certificate");
            fs::write(dir.join(name), der(1)).unwrap();
            assert_eq!(exact(root.path(), &vcek), Some(der(1)), "{name}");
        }
    }

    #[test]
    fn what_is_kept_is_found_until_it_is_forgotten() {
        let root = tempfile::tempdir().unwrap();
        keep(root.path(), &turin(), &der(1)).unwrap();
        assert_eq!(exact(root.path(), &turin()), Some(der(1)));
        assert_eq!(exact(root.path(), &milan()), None);
        forget(root.path(), &turin()).unwrap();
        forget(root.path(), &turin()).unwrap();
        assert_eq!(exact(root.path(), &turin()), None);
    }
}
