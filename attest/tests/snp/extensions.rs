//! AMD's extensions in a VEK's certificate.

use claviger_attest::fakes::FakeExtension;
use claviger_attest::{SnpProduct, SnpRule, SnpSigner};

use crate::support::{Fake, changed};

const STRUCT_VERSION: &[u8] = &[1];
const PRODUCT_NAME: &[u8] = &[2];
const HW_ID: &[u8] = &[4];
const CSP_ID: &[u8] = &[5];

fn turin() -> Fake {
    Fake::of(SnpProduct::Turin, 5)
}

breaks! {
    an_unknown_struct_version: VekExtensions, Fake::good() => |fake| {
        fake.vek.amd_extension(STRUCT_VERSION).value = vec![2, 1, 2];
    };
    a_product_name_of_nothing_known: VekExtensions, Fake::good() => |fake| {
        fake.vek.amd_extension(PRODUCT_NAME).value = [&[0x16, 6][..], b"Venice"].concat();
    };
    a_product_name_of_another_product: ChainProduct, Fake::good() => |fake| {
        fake.vek.amd_extension(PRODUCT_NAME).value = [&[0x16, 8][..], b"Milan-B0"].concat();
    };
    a_product_name_in_another_string_type: VekExtensions, Fake::good() => |fake| {
        fake.vek.amd_extension(PRODUCT_NAME).value[0] = 0x0c;
    };
    a_level_with_something_after_it: VekExtensions, Fake::good() => |fake| {
        fake.vek.amd_extension(&[3, 1]).value.push(0);
    };
    a_level_that_is_negative: VekExtensions, Fake::good() => |fake| {
        fake.vek.amd_extension(&[3, 8]).value = vec![2, 1, 0xdb];
    };
    a_level_over_255: VekExtensions, Fake::good() => |fake| {
        fake.vek.amd_extension(&[3, 8]).value = vec![2, 2, 1, 0];
    };
    a_reserved_level: VekExtensions, Fake::good() => |fake| fake.vek.amd_extension(&[3, 4]).value = vec![2, 1, 1];
    an_fmc_level_on_a_genoa: VekExtensions, Fake::good() => |fake| {
        let fmc = FakeExtension { value: vec![2, 1, 0], ..fake.vek.amd_extension(&[3, 1]).clone() };
        let oid = [&fmc.oid[..fmc.oid.len() - 1], &[9]].concat();
        fake.vek.extensions.push(FakeExtension { oid, ..fmc });
    };
    a_chip_id_of_another_length: VekExtensions, Fake::good() => |fake| {
        fake.vek.amd_extension(HW_ID).value.truncate(8);
    };
    a_turin_s_chip_id_of_64_bytes: VekExtensions, turin() => |fake| {
        fake.vek.amd_extension(HW_ID).value = vec![0xc1; 64];
    };
    an_extension_of_somebody_else_s: VekExtensions, Fake::good() => |fake| {
        fake.vek.extensions.push(FakeExtension { oid: vec![0x55, 0x1d, 0x0e], critical: false, value: vec![4, 0] });
    };
    an_authority_key_id_that_is_critical: VekExtensions, Fake::good() => |fake| {
        fake.vek.extensions.push(FakeExtension { oid: vec![0x55, 0x1d, 0x23], critical: true, value: vec![0x30, 0] });
    };
    a_vcek_with_a_csp_id: VekExtensions, Fake::good() => |fake| {
        let vlek = fake.platform.vek_certificate(SnpSigner::Vlek).amd_extension(CSP_ID).clone();
        fake.vek.extensions.push(vlek);
    };
    a_vlek_with_a_chip_id: VekExtensions, Fake::vlek(SnpProduct::Genoa, 5) => |fake| {
        let vcek = fake.platform.vek_certificate(SnpSigner::Vcek).amd_extension(HW_ID).clone();
        fake.vek.extensions.push(vcek);
    };
}

#[test]
fn each_extension_is_there_and_once() {
    for (base, arcs) in [
        (
            Fake::good as fn() -> Fake,
            &[&[1][..], &[2], &[3, 1], &[3, 2], &[3, 3], &[3, 4], &[3, 5], &[3, 6], &[3, 7], &[3, 8], &[4]][..],
        ),
        (turin, &[&[3, 9]]),
        (|| Fake::vlek(SnpProduct::Genoa, 5), &[&[5]]),
    ] {
        for arc in arcs {
            changed(base(), |fake| fake.vek.drop_amd_extension(arc)).refused_by(SnpRule::VekExtensions);
            changed(base(), |fake| {
                let twice = fake.vek.amd_extension(arc).clone();
                fake.vek.extensions.push(twice);
            })
            .refused_by(SnpRule::VekExtensions);
        }
    }
}

#[test]
fn every_part_of_the_tcb_is_the_certificate_s() {
    for product in SnpProduct::ALL {
        let fmc: &[&[u8]] = if *product == SnpProduct::Turin { &[&[3, 9]] } else { &[] };
        for arc in [&[3, 1][..], &[3, 2], &[3, 3], &[3, 8]].iter().chain(fmc) {
            changed(Fake::of(*product, 5), |fake| fake.vek.amd_extension(arc).value = vec![2, 1, 0x7f])
                .refused_by(SnpRule::VekTcb);
        }
    }
}

#[test]
fn a_chip_id_in_an_octet_string_and_an_authority_key_id_are_accepted() {
    changed(Fake::good(), |fake| {
        let id = fake.vek.amd_extension(HW_ID);
        id.value = [&[4, 64][..], &id.value].concat();
        fake.vek.extensions.push(FakeExtension {
            oid: vec![0x55, 0x1d, 0x23],
            critical: false,
            value: vec![0x30, 0],
        });
    })
    .accepted();
}
