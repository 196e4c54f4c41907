//! `claviger-bench snp`: what a SEV-SNP report costs, against its one signature and against the `sev` crate.

use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED, ParsedPublicKey};
use claviger_attest::{
    Endorsements, EvidenceKind, Expected, Measurement, ReferenceValue, ReferenceValues, SnpChainCache,
    TableEntry, screen, snp_package, write_certificate_table,
};
use claviger_proto::key::PublicKey;
use claviger_proto::trust::EvidencePackage;
use rustls::pki_types::UnixTime;
use serde::Serialize;
use sev::certs::snp::{Certificate, Chain, Verifiable as _, ca};
use sev::firmware::guest::AttestationReport;
use sev::parser::ByteParser as _;

use crate::compare::{Comparison, Named, Target};
use crate::error::BenchError;
use crate::report::{Report, Told};
use crate::serve::control::process_cpu;

const SIGNATURE: Named = Named {
    ratio: "snp_verify_vs_primitive",
    ours: "snp_verify_cpu",
    limit: "p384_verify_cpu",
    unit: "us",
    target: Target::AtMost(1.2),
};

const SEV: Named = Named {
    ratio: "snp_verify_vs_sev",
    ours: "snp_verify_cpu",
    limit: "sev_verify_cpu",
    unit: "us",
    target: Target::AtMost(0.1),
};

const OLD: Named = Named {
    ratio: "snp_version_2_vs_primitive",
    ours: "snp_version_2_cpu",
    limit: "p384_verify_cpu",
    unit: "us",
    target: Target::AtMost(1.2),
};

const FIRST: Named = Named {
    ratio: "snp_first_vs_primitive",
    ours: "snp_first_cpu",
    limit: "p384_verify_cpu",
    unit: "us",
    target: Target::None,
};

/// Measure the verification of a SEV-SNP report, in some seconds.
///
/// All sides verify the same report in turn, on one core. The platform is a made one, whose root the bench trusts
/// by name; no hardware and no network is needed.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How often each side is measured.
    #[arg(long, default_value_t = 13, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Seconds that each side is measured for, each time.
    #[arg(long, default_value_t = 0.25, value_parser = crate::start::seconds)]
    seconds: f64,
}

/// How it was measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Setting {
    rounds: u32,
    seconds: f64,
}

impl Told for Setting {
    fn told(&self) -> String {
        format!("medians of {} rounds of {} s, all sides in turn, on one core", self.rounds, self.seconds)
    }
}

pub(crate) fn run(args: &Args) -> Result<Report<Setting>, BenchError> {
    crate::start::warn_of_debug_build();
    let window = Duration::from_secs_f64(args.seconds);
    let (new, old) = (Ours::of(&NEW)?, Ours::of(&OLD_VERSION)?);
    let (primitive, sev) = (Primitive::of(&NEW)?, Sev::of(&NEW)?);
    // The chains are remembered from here on.
    let warm = |ours: &Ours| ours.verify(&ours.cache);
    warm(&new)?;
    warm(&old)?;
    let mut rounds = Vec::new();
    for _ in 0..args.rounds {
        rounds.push([
            each(window, || warm(&new))?,
            each(window, || primitive.verify())?,
            each(window, || sev.verify())?,
            each(window, || warm(&old))?,
            each(window, || new.verify(&SnpChainCache::new()))?,
        ]);
    }
    let pair = |ours: usize, limit: usize| -> Vec<(f64, f64)> {
        rounds.iter().map(|round| (round[ours], round[limit])).collect()
    };
    let comparisons = vec![
        Comparison::of(SIGNATURE, &pair(0, 1)),
        Comparison::of(SEV, &pair(0, 2)),
        Comparison::of(OLD, &pair(3, 1)),
        Comparison::of(FIRST, &pair(4, 1)),
    ];
    Ok(Report { comparisons, setting: Setting { rounds: args.rounds, seconds: args.seconds } })
}

/// Processor time of one, in microseconds.
fn each(window: Duration, mut verify: impl FnMut() -> Result<(), BenchError>) -> Result<f64, BenchError> {
    /// Between two looks at the clock, which is a system call.
    const AT_ONCE: u32 = 8;
    let (before, mut count) = (process_cpu(), 0_u32);
    loop {
        for _ in 0..AT_ONCE {
            verify()?;
        }
        count += AT_ONCE;
        let spent = process_cpu().saturating_sub(before);
        if spent >= window {
            return Ok(spent.as_secs_f64() * 1e6 / f64::from(count));
        }
    }
}

/// A report and its chain, of the platform that attest's tests have.
struct Case {
    report: &'static [u8],
    vcek: &'static [u8],
    ask: &'static [u8],
    ark: &'static [u8],
}

/// The newest version of a report, of a Genoa.
const NEW: Case = Case {
    report: include_bytes!("../data/genoa-v5.report"),
    vcek: include_bytes!("../data/genoa-vcek.der"),
    ask: include_bytes!("../data/genoa-ask.der"),
    ark: include_bytes!("../data/genoa-ark.der"),
};

/// The oldest: it doesn't name its product, so that its certificate has to be asked.
const OLD_VERSION: Case = Case { report: include_bytes!("../data/genoa-v2.report"), ..NEW };

/// The root's key.
const ROOT: &[u8] = include_bytes!("../data/root.spki.der");
/// What the reports were made for.
const BINDING: [u8; 64] = [0xb1; 64];
/// A time at which all certificates are valid: 2027-01-15.
const NOW: u64 = 1_800_000_000;

fn now() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(NOW))
}

/// Our side: evidence with a certificate table, as the broker verifies it.
struct Ours {
    package: EvidencePackage,
    policy: ReferenceValues,
    cache: SnpChainCache,
}

impl Ours {
    fn of(case: &Case) -> Result<Self, BenchError> {
        let entries =
            [(TableEntry::Vcek, case.vcek), (TableEntry::Ask, case.ask), (TableEntry::Ark, case.ark)];
        let table = write_certificate_table(&entries);
        let wrong = |_| BenchError::Evidence("it can't be set up");
        let measurement = Measurement::from_bytes(&case.report[0x90..0xc0]).map_err(wrong)?;
        let root = PublicKey::from_spki_der(ROOT).map_err(|_| BenchError::Evidence("the root is no key"))?;
        let value =
            ReferenceValue::new(EvidenceKind::SevSnp, measurement, None, vec![root]).map_err(wrong)?;
        let mut policy = ReferenceValues::default();
        policy.add(value);
        let package = snp_package(case.report, Some(&table), None);
        Ok(Self { package, policy, cache: SnpChainCache::new() })
    }

    fn verify(&self, cache: &SnpChainCache) -> Result<(), BenchError> {
        let refused = |_| BenchError::Evidence("ours refuses it");
        let expected = Expected { binding: &BINDING, spki: b"" };
        let submitted = EvidenceKind::SevSnp.submitted_evidence_type();
        let screened = screen(submitted, &self.package, &self.policy, &expected, now()).map_err(refused)?;
        let endorsements = Endorsements { cache: Some(cache), ..Endorsements::default() };
        screened.verify(&endorsements, now()).map(drop).map_err(refused)
    }
}

/// The report's signature alone, by the same library, with the key parsed already.
struct Primitive {
    key: ParsedPublicKey,
    signed: &'static [u8],
    signature: Vec<u8>,
}

impl Primitive {
    fn of(case: &Case) -> Result<Self, BenchError> {
        let vcek = Certificate::from_der(case.vcek)?;
        let key = ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, vcek.public_key_sec1())
            .map_err(|_| BenchError::Evidence("the VCEK is no key"))?;
        let number = |at: usize| case.report[at..at + 48].iter().rev().copied();
        Ok(Self {
            key,
            signed: &case.report[..0x2a0],
            signature: number(0x2a0).chain(number(0x2e8)).collect(),
        })
    }

    fn verify(&self) -> Result<(), BenchError> {
        self.key
            .verify_sig(self.signed, &self.signature)
            .map_err(|_| BenchError::Evidence("aws-lc-rs refuses it"))
    }
}

/// The `sev` crate: the chain's signatures and the report's, no other rule. Certificates and report are parsed
/// already.
struct Sev {
    chain: Chain,
    report: AttestationReport,
}

impl Sev {
    fn of(case: &Case) -> Result<Self, BenchError> {
        let (ark, ask) = (Certificate::from_der(case.ark)?, Certificate::from_der(case.ask)?);
        let chain = Chain { ca: ca::Chain { ark, ask }, vek: Certificate::from_der(case.vcek)? };
        Ok(Self { chain, report: AttestationReport::from_bytes(case.report)? })
    }

    fn verify(&self) -> Result<(), BenchError> {
        Ok((&self.chain, &self.report).verify()?)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use claviger_attest::fakes::FakePlatform;
    use claviger_attest::{SnpProduct, SnpSigner};

    use super::*;

    fn platform() -> &'static FakePlatform {
        FakePlatform::of(SnpProduct::Genoa)
    }

    #[test]
    fn all_sides_accept_the_same_reports() {
        for case in [&NEW, &OLD_VERSION] {
            let ours = Ours::of(case).expect("ours");
            ours.verify(&ours.cache).expect("verified");
            assert_eq!(ours.cache.len(), 1, "what is measured has its chain remembered");
            ours.verify(&ours.cache).expect("verified again");
            Primitive::of(case).and_then(|side| side.verify()).expect("aws-lc-rs");
            Sev::of(case).and_then(|side| side.verify()).expect("sev");
        }
    }

    #[test]
    fn all_sides_refuse_a_report_that_was_altered() {
        let mut altered = NEW.report.to_vec();
        altered[0x140] ^= 1;
        let case = Case { report: altered.leak(), ..NEW };
        let ours = Ours::of(&case).expect("ours");
        assert!(ours.verify(&ours.cache).is_err());
        assert!(Primitive::of(&case).expect("aws-lc-rs").verify().is_err());
        assert!(Sev::of(&case).expect("sev").verify().is_err());
    }

    #[test]
    fn the_files_are_of_the_platform_of_attest_s_tests() {
        assert_eq!(platform().root().spki_der(), ROOT);
        assert_eq!((FakePlatform::NOW, platform().report(5).report_data), (NOW, BINDING));
        for (version, case) in [(5, &NEW), (2, &OLD_VERSION)] {
            assert_eq!(platform().report(version).unsigned()[..0x2a0], case.report[..0x2a0]);
        }
    }

    #[test]
    #[ignore = "writes bench/data anew"]
    fn write_the_files() {
        let [vcek, ask, ark] = platform().chain(SnpSigner::Vcek);
        let report = |version| platform().report(version).sign(&platform().vcek);
        for (name, bytes) in [
            ("genoa-v5.report", report(5)),
            ("genoa-v2.report", report(2)),
            ("genoa-vcek.der", vcek),
            ("genoa-ask.der", ask),
            ("genoa-ark.der", ark),
            ("root.spki.der", platform().root().spki_der().to_vec()),
        ] {
            fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(name), bytes).expect(name);
        }
    }
}
