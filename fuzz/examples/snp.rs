//! Makes `data/snp_*` and the seeds of the SEV-SNP targets, signed by the test keys of `claviger_attest::fakes`:
//! `cargo run --manifest-path fuzz/Cargo.toml --no-default-features --example snp`

use std::error::Error;
use std::fs;
use std::path::Path;

use claviger_attest::fakes::FakePlatform;
use claviger_attest::{SnpProduct, SnpSigner, snp_package};
use prost::Message as _;

fn main() -> Result<(), Box<dyn Error>> {
    let genoa = FakePlatform::of(SnpProduct::Genoa);
    let good = genoa.report(5).sign(&genoa.vcek);
    let table = genoa.certificate_table(SnpSigner::Vcek);
    put("data/snp_root.spki", genoa.root().spki_der())?;
    put("data/snp_report", &good)?;
    put("data/snp_certificates", &table)?;
    put("seeds/snp_report/genoa-5", &good)?;
    put("seeds/snp_report/genoa-4", &genoa.report(4).sign(&genoa.vcek))?;
    put("seeds/snp_report/other-key", &genoa.report(3).sign(&genoa.other))?;
    let (milan, turin) = (FakePlatform::of(SnpProduct::Milan), FakePlatform::of(SnpProduct::Turin));
    put("seeds/snp_report/milan-2", &milan.report(2).sign(&milan.vcek))?;
    put("seeds/snp_report/turin-5", &turin.report(5).sign(&turin.vcek))?;
    put("seeds/snp_certificates/genoa-vcek", &table)?;
    put("seeds/snp_certificates/turin-vlek", &turin.certificate_table(SnpSigner::Vlek))?;
    put("seeds/snp_evidence/good", &snp_package(&good, Some(&table), None).encode_to_vec())?;
    put("seeds/snp_evidence/bare", &snp_package(&good, None, Some(&[])).encode_to_vec())?;
    Ok(())
}

fn put(path: &str, bytes: &[u8]) -> Result<(), Box<dyn Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::create_dir_all(path.parent().ok_or("a folder")?)?;
    Ok(fs::write(path, bytes)?)
}
