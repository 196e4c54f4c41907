//! A simulated platform: its keys, its certificates, and what it says of its guest, in a folder. It protects nothing.

use std::path::{Path, PathBuf};

use claviger_attest::{
    KeyError, SigningKey, SimulatedSnp, SimulatedSnpGuest, SnpProduct, TableEntry, write_certificate_table,
};
use claviger_proto::Secret;
use claviger_proto::key::read_private;
use rustls_pki_types::UnixTime;
use serde::{Deserialize, Serialize};

use super::{Collected, Fault};
use crate::files::read_bounded;

/// The root's private key, the ARK's: only for making another platform under it.
pub const ARK_KEY: &str = "ark-key.pem";
/// The ASK's private key, which signed the chip's certificate.
pub const ASK_KEY: &str = "ask-key.pem";
/// The chip's private key, which signs reports.
pub const VCEK_KEY: &str = "vcek-key.pem";
/// The root's public key, which a domain names.
pub const ROOT: &str = "root.pem";
/// The chip's certificate, DER.
pub const VCEK: &str = "vcek.der";
/// The ASK's certificate, DER.
pub const ASK: &str = "ask.der";
/// The root's certificate, DER.
pub const ARK: &str = "ark.der";
/// What the platform says of its guest: to be edited.
pub const GUEST: &str = "guest.json";

/// Largest file of a platform, in bytes: an RSA-4096 key is below 4 KiB.
const MAX_FILE: usize = 64 << 10;

/// [`GUEST`], as it is written.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct GuestFile {
    product: String,
    chip_id: String,
    measurement: String,
    host_data: String,
    guest_svn: u32,
    vmpl: u32,
    debug: bool,
}

/// The files of a new platform, and for each whether it is for its owner alone.
pub fn files(
    platform: &SimulatedSnp,
    guest: &SimulatedSnpGuest,
    now: UnixTime,
) -> Result<Vec<(&'static str, Secret, bool)>, KeyError> {
    let private =
        |name, key: &SigningKey| Ok((name, Secret::copy_from(key.to_private()?.to_pem().as_bytes()), true));
    let public = |name, bytes: &[u8]| (name, Secret::copy_from(bytes), false);
    let [vcek, ask, ark] = platform.certificates(now)?;
    let guest = GuestFile {
        product: guest.product.to_string(),
        chip_id: hex::encode(&guest.chip_id.as_bytes()[..guest.product.chip_id_len()]),
        measurement: hex::encode(guest.measurement),
        host_data: hex::encode(guest.host_data),
        guest_svn: guest.guest_svn,
        vmpl: guest.vmpl,
        debug: guest.debug,
    };
    let guest = serde_json::to_string_pretty(&guest).map_err(|_| KeyError::Failed)? + "\n";
    Ok(vec![
        private(ARK_KEY, platform.root())?,
        private(ASK_KEY, platform.ask())?,
        private(VCEK_KEY, platform.vcek())?,
        public(ROOT, platform.root().public().to_pem().as_bytes()),
        public(VCEK, &vcek),
        public(ASK, &ask),
        public(ARK, &ark),
        public(GUEST, guest.as_bytes()),
    ])
}

/// A report that says this, and the chain that vouches for it.
pub(super) fn collect(dir: &Path, asked: &[u8; 64]) -> Result<Collected, Fault> {
    let unusable = |name: &str, what: String| Fault::Simulated { path: dir.join(name), what };
    let pem = read(dir, VCEK_KEY)?;
    let (key, _) = read_private(pem.expose()).map_err(|error| unusable(VCEK_KEY, error.to_string()))?;
    let key = SigningKey::from_private(&key).map_err(|error| unusable(VCEK_KEY, error.to_string()))?;
    let report = guest(dir)?.report(*asked, &key);
    let report = report.map_err(|error| unusable(VCEK_KEY, error.to_string()))?;
    let (vcek, ask, ark) = (read(dir, VCEK)?, read(dir, ASK)?, read(dir, ARK)?);
    let certificates = write_certificate_table(&[
        (TableEntry::Vcek, vcek.expose()),
        (TableEntry::Ask, ask.expose()),
        (TableEntry::Ark, ark.expose()),
    ]);
    Ok(Collected { report, certificates })
}

/// What the platform in this folder says of its guest.
pub(in crate::evidence) fn guest(dir: &Path) -> Result<SimulatedSnpGuest, Fault> {
    let unusable = |what: String| Fault::Simulated { path: dir.join(GUEST), what };
    let file: GuestFile =
        serde_json::from_slice(read(dir, GUEST)?.expose()).map_err(|error| unusable(error.to_string()))?;
    let product: SnpProduct = file.product.parse().map_err(|error| unusable(format!("{error}")))?;
    let mut guest = SimulatedSnpGuest {
        product,
        chip_id: file.chip_id.parse().map_err(|error| unusable(format!("chip-id: {error}")))?,
        measurement: [0; 48],
        host_data: [0; 32],
        guest_svn: file.guest_svn,
        vmpl: file.vmpl,
        debug: file.debug,
    };
    hex::decode_to_slice(&file.measurement, &mut guest.measurement)
        .map_err(|_| unusable("measurement is 96 hex digits".to_owned()))?;
    hex::decode_to_slice(&file.host_data, &mut guest.host_data)
        .map_err(|_| unusable("host-data is 64 hex digits".to_owned()))?;
    Ok(guest)
}

fn read(dir: &Path, name: &str) -> Result<Secret, Fault> {
    Ok(read_bounded(&PathBuf::from(dir).join(name), MAX_FILE)?)
}
