//! Launch digests as a policy file has them.

use std::fmt::Write as _;
use std::path::Path;

use claviger_attest::EvidenceKind;
use claviger_client::cli::Failure;

use super::snp::Measured;
use crate::files::write_new;

/// A `[[measurement]]` for each digest; types that QEMU has several names for have one.
pub(super) fn tables(measurements: &[Measured], label: Option<&str>) -> String {
    let mut text = String::new();
    for (at, one) in measurements.iter().enumerate() {
        let same = |other: &&Measured| other.measurement == one.measurement;
        if measurements[..at].iter().any(|earlier| same(&earlier)) {
            continue;
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str("[[measurement]]\n");
        for machine in measurements.iter().filter(same) {
            let Measured { vcpus, vcpu_type, guest_features, .. } = machine;
            line(
                &mut text,
                format_args!("# {vcpus} vCPUs of type {vcpu_type}, guest features {guest_features}"),
            );
        }
        line(&mut text, format_args!("kind = \"{}\"", EvidenceKind::SevSnp));
        line(&mut text, format_args!("value = \"{}\"", one.measurement));
        if let Some(label) = label {
            line(&mut text, format_args!("label = \"{label}\""));
        }
    }
    text
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing into memory doesn't fail.
    let _ = writeln!(text, "{line}");
}

/// Writes a whole new policy file.
pub(super) fn write(path: &Path, started_with: &[String], tables: &str) -> Result<(), Failure> {
    let mut text = "# Launch digests, calculated by key-admin measure snp from\n".to_owned();
    for what in started_with {
        line(&mut text, format_args!("#   {what}"));
    }
    line(&mut text, format_args!("format = 1\n\n{}", tables.trim_end()));
    write_new(path, text.as_bytes())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn measured(vcpus: u32, vcpu_type: &str, measurement: &str) -> Measured {
        let (vcpu_type, measurement) = (vcpu_type.to_owned(), measurement.to_owned());
        Measured { vcpus, vcpu_type, guest_features: "0x1".to_owned(), measurement }
    }

    #[test]
    fn each_digest_is_there_once_with_all_that_have_it() {
        let all = [measured(1, "EPYC", "aa"), measured(2, "EPYC", "bb"), measured(1, "EPYC-v1", "aa")];
        assert_eq!(
            tables(&all, Some("web")),
            "[[measurement]]\n\
             # 1 vCPUs of type EPYC, guest features 0x1\n\
             # 1 vCPUs of type EPYC-v1, guest features 0x1\n\
             kind = \"sev-snp\"\nvalue = \"aa\"\nlabel = \"web\"\n\n\
             [[measurement]]\n\
             # 2 vCPUs of type EPYC, guest features 0x1\n\
             kind = \"sev-snp\"\nvalue = \"bb\"\nlabel = \"web\"\n"
        );
        assert!(!tables(&all, None).contains("label"));
    }
}
