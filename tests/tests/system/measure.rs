//! Launch digests, with `PyPI`'s `sev-snp-measure` as the judge.

#[path = "../../../attest/tests/firmware/mod.rs"]
mod firmware;

use std::fs;
use std::path::Path;
use std::process::Command;

use claviger_tests::programs::{Call, command};
use claviger_tests::tools;
use firmware::Image;

/// What sev-snp-measure says of the same machine.
fn judge(dir: &Path, line: &[&str]) -> String {
    let mut judge = Command::new(tools::path_of("sev-snp-measure").unwrap());
    let output = judge.args(["--mode", "snp"]).args(line).current_dir(dir).output().unwrap();
    assert!(output.status.success(), "{line:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_launch_digest_is_the_one_that_sev_snp_measure_calculates() {
    if !tools::have("sev-snp-measure", "none; pip install sev-snp-measure") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).unwrap();
    write("ovmf", &Image::default().build());
    write("plain", &Image::without_kernel_hashes().build());
    write("kernel", &vec![1; 3 << 20]);
    write("initrd", &vec![2; (5 << 20) + 1]);
    // Of Debian's package ovmf, where that is installed.
    for (name, path) in
        [("debian", "/usr/share/ovmf/OVMF.fd"), ("debian-code", "/usr/share/OVMF/OVMF_CODE.fd")]
    {
        if let Ok(image) = fs::read(path) {
            write(name, &image);
        }
    }
    let boot = ["--kernel", "kernel", "--initrd", "initrd", "--append", " console=ttyS0 root=/dev/vda1 "];
    for (image, boot) in [
        ("ovmf", &boot[..]),
        ("ovmf", &boot[..4]),
        ("ovmf", &boot[..2]),
        ("ovmf", &[]),
        ("plain", &[]),
        ("debian", &[]),
        ("debian-code", &[]),
    ] {
        if !dir.path().join(image).exists() {
            continue;
        }
        same(dir.path(), image, boot, "0x1", "1,17", &["EPYC-v4"]);
        same(dir.path(), image, boot, "0x21", "2", &["EPYC-Milan"]);
    }
    // Those that both know; the judge takes a while to start.
    let types = ["EPYC", "EPYC-IBPB", "EPYC-Rome-v3", "EPYC-Milan-v2", "EPYC-Genoa", "EPYC-Turin"];
    same(dir.path(), "ovmf", &boot, "0x1", "3", &types);
}

/// Several counts and types in one call, each against a call of its own.
#[track_caller]
fn same(dir: &Path, image: &str, boot: &[&str], features: &str, vcpus: &str, types: &[&str]) {
    let call = command("key-admin").args("measure snp --ovmf").arg(image).current_dir(dir);
    let call = boot.iter().fold(call, Call::arg);
    let call = call.args("--guest-features").arg(features).arg("--vcpus").arg(vcpus).arg("--vcpu-type");
    let told = call.arg(types.join(",")).run().ok();
    let told = told["measurements"].as_array().unwrap().clone();
    assert_eq!(told.len(), vcpus.split(',').count() * types.len());
    for one in told {
        let vcpus = one["vcpus"].to_string();
        let vcpu_type = one["vcpu_type"].as_str().unwrap();
        let mut line = vec!["--ovmf", image, "--guest-features", features];
        line.extend(["--vcpus", vcpus.as_str(), "--vcpu-type", vcpu_type]);
        line.extend_from_slice(boot);
        assert_eq!(one["measurement"], judge(dir, &line), "{line:?}");
    }
}

#[test]
fn a_program_s_measurement_is_what_a_simulated_platform_takes() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("app"), b"a program").unwrap();
    let told = command("key-admin").args("measure simulated app").current_dir(dir.path()).run().ok();
    let measurement = told["measurement"].as_str().unwrap();
    assert_eq!(measurement, hex::encode(claviger_attest::sha256(b"a program")));
    let made = command("key-admin").args("simulated init platform --measurement").arg(measurement);
    assert_eq!(made.current_dir(dir.path()).run().ok()["measurement"], measurement);
}
