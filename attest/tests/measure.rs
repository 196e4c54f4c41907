//! Launch digests, against the `sev` crate's own calculation; and firmware that nothing may come of.

mod firmware;

use claviger_attest::Measurement;
use claviger_attest::measure::{
    BootHashes, Firmware, GuestFeatures, MAX_VCPUS, MeasureError, SnpLaunch, VcpuType,
};
use claviger_attest::sha256;
use firmware::{CPUID, Image, KERNEL_HASHES, MEMORY, METADATA_FROM_END, SECRETS};
use proptest::prelude::*;
use sev::measurement::snp::{SnpMeasurementArgs, snp_calc_launch_digest};
use sev::measurement::vcpu_types::CpuType;
use sev::measurement::vmsa::GuestFeatures as SevFeatures;

const KERNEL: &[u8] = b"a kernel";
const INITRD: &[u8] = b"an initrd";

/// What a machine is started with.
#[derive(Clone, Copy)]
struct Start<'a> {
    kernel: bool,
    initrd: bool,
    append: Option<&'a str>,
    vcpus: u32,
    vcpu_type: &'a str,
    features: u64,
}

const START: Start<'_> = Start {
    kernel: true,
    initrd: true,
    append: Some("console=ttyS0"),
    vcpus: 4,
    vcpu_type: "EPYC-v4",
    features: 1,
};

impl Start<'_> {
    fn ours(&self, image: &[u8]) -> Result<Measurement, MeasureError> {
        let firmware = Firmware::parse(image)?;
        let initrd = self.initrd.then(|| sha256(INITRD));
        let boot = self.kernel.then(|| BootHashes::new(sha256(KERNEL), initrd, self.append)).transpose()?;
        let launch = SnpLaunch::new(&firmware, boot.as_ref())?;
        launch.measurement(self.vcpus, self.vcpu_type.parse()?, GuestFeatures::new(self.features)?)
    }

    fn theirs(&self, image: &[u8]) -> String {
        let dir = tempfile::tempdir().expect("a directory");
        let file = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            std::fs::write(&path, bytes).expect("a file");
            path
        };
        let arguments = SnpMeasurementArgs {
            vcpus: self.vcpus,
            vcpu_type: CpuType::try_from(self.vcpu_type).expect("a type"),
            ovmf_file: file("ovmf", image),
            guest_features: SevFeatures(self.features),
            kernel_file: self.kernel.then(|| file("kernel", KERNEL)),
            initrd_file: self.initrd.then(|| file("initrd", INITRD)),
            append: self.append,
            ovmf_hash_str: None,
            vmm_type: None,
        };
        snp_calc_launch_digest(arguments).expect("a digest").get_hex_ld()
    }
}

#[track_caller]
fn same(start: Start<'_>, image: &Image) {
    let image = image.build();
    assert_eq!(start.ours(&image).expect("a digest").to_string(), start.theirs(&image));
}

#[test]
fn a_launch_digest_is_the_one_that_the_sev_crate_calculates() {
    let image = Image::default();
    same(START, &image);
    same(Start { kernel: false, initrd: false, append: None, ..START }, &image);
    same(Start { initrd: false, append: None, ..START }, &image);
    same(Start { append: None, ..START }, &image);
    same(Start { append: Some(""), ..START }, &image);
    same(Start { features: 0x21, ..START }, &image);
    for vcpus in [1, 2, 3, 64] {
        same(Start { vcpus, ..START }, &image);
    }
    same(Start { kernel: false, initrd: false, append: None, ..START }, &Image::without_kernel_hashes());
    same(START, &Image { size: 0x5000, ..Image::default() });
    same(START, &Image { hash_table: Some(0x81_0000), ..Image::default() });
}

#[test]
fn a_launch_digest_is_the_one_that_sev_snp_measure_calculates() {
    // `sev-snp-measure --mode snp --vcpus 4 --vcpu-type EPYC-v4 --append console=ttyS0`, version 0.0.13.
    let known =
        "ef9984e0c7b1268b3a960232b77b4c1842cd5c62e875495a3bfa1e95d4a100aa9be7799f49024e5bd62c609e42cf7b03";
    assert_eq!(START.ours(&Image::default().build()).expect("a digest").to_string(), known);
}

#[test]
fn every_vcpu_type_is_known_by_its_name_in_whatever_case() {
    let image = Image::default().build();
    assert_eq!(VcpuType::all().count(), 18);
    for vcpu_type in VcpuType::all() {
        let name = vcpu_type.to_string();
        assert_eq!(name.to_lowercase().parse(), Ok(vcpu_type));
        let start = Start { vcpu_type: &name, ..START };
        assert_eq!(start.ours(&image).expect("a digest").to_string(), start.theirs(&image), "{name}");
    }
    assert_eq!("Skylake".parse::<VcpuType>(), Err(MeasureError::VcpuType));
}

#[test]
fn everything_that_is_measured_changes_the_digest() {
    let of = |start: Start<'_>, image: &Image| start.ours(&image.build()).expect("a digest");
    let good = of(START, &Image::default());
    for start in [
        Start { kernel: false, initrd: false, append: None, ..START },
        Start { initrd: false, ..START },
        Start { append: Some("console=ttyS1"), ..START },
        // QEMU passes it on to the byte.
        Start { append: Some("console=ttyS0 "), ..START },
        Start { append: Some(" console=ttyS0"), ..START },
        Start { vcpus: 5, ..START },
        Start { vcpu_type: "EPYC-Milan", ..START },
        Start { features: 0x21, ..START },
    ] {
        assert_ne!(of(start, &Image::default()), good);
    }
    let changed = |change: &dyn Fn(&mut Image)| {
        let mut image = Image::default();
        change(&mut image);
        of(START, &image)
    };
    let section = |at: usize, section: (u32, u32, u32)| {
        move |image: &mut Image| image.sections.as_mut().expect("sections")[at] = section
    };
    assert_ne!(changed(&|image| image.size = 0x3000), good);
    assert_ne!(changed(&|image| image.reset_address = Some(0x0080_b005)), good);
    assert_ne!(changed(&|image| image.hash_table = Some(0x81_0800)), good);
    assert_ne!(changed(&section(0, (0x80_0000, 0xa000, MEMORY))), good);
    assert_ne!(changed(&section(2, (0x80_d000, 0x1000, CPUID))), good);
}

#[track_caller]
fn refused(image: &[u8]) -> MeasureError {
    Firmware::parse(image).expect_err("this isn't firmware")
}

#[test]
fn firmware_that_sev_snp_can_t_start_is_refused_with_the_reason() {
    let reason = |image: &[u8]| refused(image).to_string();
    assert!(reason(&[]).contains("size"));
    assert!(reason(&vec![0; 4095]).contains("size"));
    assert!(reason(&vec![0; (64 << 20) + 4096]).contains("size"));
    assert!(reason(&vec![0; 4096]).contains("table of GUIDs"));
    let image = Image { sections: None, ..Image::default() };
    assert!(reason(&image.build()).contains("no SEV metadata"));
    for reset_address in [None, Some(0)] {
        assert!(reason(&Image { reset_address, ..Image::default() }.build()).contains("vCPUs start"));
    }
    let with = |section| Image { sections: Some(vec![section]), ..Image::default() }.build();
    assert_eq!(refused(&with((0, 4096, 7))), MeasureError::Section(7));
    // Of four bytes, not of one.
    assert_eq!(refused(&with((0, 4096, 0x101))), MeasureError::Section(0x101));
    assert!(reason(&with((0, 4095, MEMORY))).contains("whole pages"));
    assert!(reason(&with((0, 0x2000, KERNEL_HASHES))).contains("one page"));
    assert!(reason(&with((0, 0xffff_f000, MEMORY))).contains("more memory"));
}

#[test]
fn damaged_firmware_is_refused() {
    let good = Image::default().build();
    let end = good.len();
    let broken = |at: usize, bytes: &[u8]| {
        let mut image = good.clone();
        image[at..at + bytes.len()].copy_from_slice(bytes);
        refused(&image).to_string()
    };
    // The footer's length: shorter than the footer, longer than the image.
    let footer = end - 32 - 18;
    assert!(broken(footer, &[17, 0]).contains("GUIDs is damaged"));
    assert!(broken(footer, &[0xff, 0xff]).contains("GUIDs is damaged"));
    // Its GUID.
    assert!(broken(footer + 2, &[0]).contains("no table of GUIDs"));
    // The length of the entry before it, which is the metadata's.
    assert!(broken(footer - 18, &[0, 0]).contains("GUIDs is damaged"));
    assert!(broken(footer - 18, &[0xff, 0]).contains("GUIDs is damaged"));
    // Where the metadata is: before the image, at its end.
    assert!(broken(footer - 22, &[0xff; 4]).contains("metadata is damaged"));
    assert!(broken(footer - 22, &[0; 4]).contains("version 1"));
    let metadata = end - METADATA_FROM_END;
    assert!(broken(metadata, b"BSEV").contains("version 1"));
    assert!(broken(metadata + 8, &[2]).contains("version 1"));
    assert!(broken(metadata + 4, &[0xff; 4]).contains("metadata is damaged"));
    assert!(broken(metadata + 4, &[15, 0]).contains("metadata is damaged"));
    assert!(broken(metadata + 12, &[8]).contains("metadata is damaged"));
}

#[test]
fn a_kernel_that_wouldn_t_be_measured_is_refused() {
    let start = |image: &Image| START.ours(&image.build());
    assert_eq!(start(&Image::without_kernel_hashes()), Err(MeasureError::NoKernelHashes));
    assert_eq!(start(&Image { hash_table: None, ..Image::default() }), Err(MeasureError::NoKernelHashes));
    let mut image = Image::default();
    image.sections.as_mut().expect("sections").retain(|section| section.2 != KERNEL_HASHES);
    assert_eq!(start(&image), Err(MeasureError::NoKernelHashes));
    // A table that reaches out of its page by a byte.
    let at = |hash_table| start(&Image { hash_table: Some(hash_table), ..Image::default() });
    assert!(at(0x81_0000 + 4096 - 176).is_ok());
    assert!(at(0x81_0000 + 4096 - 175).is_err_and(|error| error.to_string().contains("out of its page")));
}

#[test]
fn what_no_machine_is_started_with_is_refused() {
    let image = Image { sections: Some(vec![(0x80_d000, 0x1000, SECRETS)]), ..Image::default() }.build();
    let plain = Start { kernel: false, initrd: false, append: None, ..START };
    for vcpus in [0, MAX_VCPUS + 1] {
        assert_eq!(Start { vcpus, ..plain }.ours(&image), Err(MeasureError::Vcpus));
    }
    assert!(Start { vcpus: MAX_VCPUS, ..plain }.ours(&image).is_ok());
    assert_eq!(Start { features: 0x20, ..plain }.ours(&image), Err(MeasureError::GuestFeatures));
    for (text, bits) in [("0x21", 0x21), ("0X1", 0), ("33", 33), ("", 0), ("0x+1", 0), ("0x", 0), ("-1", 0)] {
        assert_eq!(text.parse(), GuestFeatures::new(bits), "{text}");
    }
    assert_eq!(BootHashes::new([0; 32], None, Some("a\0b")), Err(MeasureError::CommandLine));
}

proptest! {
    #[test]
    fn no_firmware_panics(
        changes in prop::collection::vec((0usize..METADATA_FROM_END + 256, any::<u8>()), 1..8),
        cut in 0usize..0x2000,
    ) {
        let mut image = Image::default().build();
        let end = image.len();
        for (from_end, byte) in changes {
            image[end - 1 - from_end] = byte;
        }
        // Whatever it is: a digest or a refusal.
        drop(START.ours(&image));
        drop(START.ours(&image[cut..]));
        drop(Firmware::parse(&image[cut / 4096 * 4096..]));
    }
}
