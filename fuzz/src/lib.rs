//! What each fuzz target does: one function per reader of bytes that come from outside.
//!
//! A reader must not panic, and what it accepts must survive being written and read again: two readings
//! of one message are how one part of a program decides about something else than another part opens.

pub mod attestation;
mod certifier;
mod keys;
mod names;
pub mod snp;
mod stock;
mod storage;
mod tpm;
mod wire;

/// A target: takes any bytes; panics when it found something.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also its file's in `fuzz_targets/` and its folder's in `seeds/`.
pub const TARGETS: &[(&str, Target)] = &[
    ("admission_extension", attestation::admission_extension),
    ("audit_export", storage::audit_export),
    ("certificate", attestation::certificate),
    ("certifier_clause", certifier::clause),
    ("certifier_evidence", certifier::evidence),
    ("certifier_policy", certifier::policy),
    ("domain_state", wire::domain_state),
    ("entry", wire::entry),
    ("evidence", attestation::evidence),
    ("export", storage::export),
    ("firmware", attestation::firmware),
    ("formats", keys::formats),
    ("frame", wire::frame),
    ("key_certificate", keys::certificate),
    ("key_jwk", keys::jwk),
    ("key_message", keys::key_message),
    ("key_openssh", keys::openssh),
    ("key_private", keys::private),
    ("key_public", keys::public),
    ("key_x509", keys::x509),
    ("names", names::names),
    ("policy_certificate", attestation::policy_certificate),
    ("principal", attestation::principal),
    ("request", wire::request),
    ("response", wire::response),
    ("sealed", storage::sealed),
    ("share", storage::share),
    ("slots", storage::slots),
    ("snp_certificates", snp::certificates),
    ("snp_evidence", snp::evidence),
    ("snp_report", snp::report),
    ("stock_content", storage::stock_content),
    ("stock_evidence", stock::evidence),
    ("stock_file", storage::stock_file),
    ("tpm_evidence", tpm::evidence),
    ("tpm_public", tpm::public),
    ("tpm_quote", tpm::quote),
    ("trust_request", wire::trust_request),
    ("trust_response", wire::trust_response),
];

/// Runs one target.
///
/// # Panics
/// When the target found something, or there is none of that name.
pub fn run(name: &str, data: &[u8]) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).expect("a target of this name");
    target(data);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    fn folder(name: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
    }

    #[test]
    fn every_target_has_its_file_and_its_seeds() {
        let names: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
        for (at, suffix) in [("fuzz_targets", ".rs"), ("seeds", "")] {
            let listed = fs::read_dir(folder(at)).expect("the folder is there");
            let found: BTreeSet<String> = listed
                .map(|entry| entry.expect("an entry").file_name().into_string().expect("a plain name"))
                .map(|file| file.strip_suffix(suffix).expect("the suffix").to_owned())
                .collect();
            assert_eq!(found, names, "{at}/ and TARGETS name the same targets");
        }
    }

    #[test]
    fn every_seed_passes() {
        for (name, target) in TARGETS {
            let mut seeds = 0;
            for seed in fs::read_dir(folder("seeds").join(name)).expect("the target's seeds") {
                let path = seed.expect("an entry").path();
                println!("{}", path.display());
                target(&fs::read(&path).expect("a seed"));
                seeds += 1;
            }
            assert!(seeds > 0, "{name} has no seed");
            target(b"");
        }
    }
}
