//! `key-admin attest`: reports and certificates in files, good and bad, and the rule that refuses each.

use std::fs;
use std::path::{Path, PathBuf};

use claviger_attest::fakes::{FakePlatform, FakeReport};
use claviger_attest::{SnpProduct, SnpSigner};
use claviger_proto::key::PublicKey;
use claviger_tests::programs::{Run, command};
use serde_json::Value;

/// Within the dates of the platform of tests.
const AT: &str = "2027-01-15T08:00:00Z";
const GENOA: SnpProduct = SnpProduct::Genoa;

/// A directory with a report, its certificates and a policy that names the platform's root; each good.
struct Case {
    dir: tempfile::TempDir,
    platform: &'static FakePlatform,
}

impl Case {
    fn good() -> Self {
        Self::of(GENOA, 5)
    }

    fn of(product: SnpProduct, version: u32) -> Self {
        let case = Self { dir: tempfile::tempdir().unwrap(), platform: FakePlatform::of(product) };
        fs::create_dir(case.path("certs")).unwrap();
        case.report(|report| report.version = version);
        case.certificates(SnpSigner::Vcek);
        case.policy("milan-without-chip-list = true\n");
        case
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    /// The report with one thing changed, signed anew.
    fn report(&self, change: impl FnOnce(&mut FakeReport)) {
        let mut report = self.platform.report(5);
        change(&mut report);
        // The field is reserved in older ones.
        if report.version == 2 {
            report.platform_info &= 0b111;
        }
        self.write("report.bin", report.sign(&self.platform.vcek));
    }

    fn certificates(&self, signer: SnpSigner) {
        let [vek, intermediate, ark] = self.platform.chain(signer);
        let (leaf, middle) = match signer {
            SnpSigner::Vcek => ("vcek", "ask"),
            SnpSigner::Vlek => ("vlek", "asvk"),
        };
        self.write(&format!("certs/{leaf}.der"), vek);
        self.write(&format!("certs/{middle}.pem"), pem(&intermediate));
        self.write("certs/ark.crt", ark);
    }

    fn policy(&self, demands: &str) {
        self.policy_under(self.platform.root(), demands);
    }

    fn policy_under(&self, root: &PublicKey, demands: &str) {
        let (value, root) = ("5a".repeat(48), root.to_pem());
        self.write(
            "policy.toml",
            format!(
                "format = 1\n[[measurement]]\nkind = \"sev-snp\"\nvalue = \"{value}\"\nroots = ['''{root}''']\n\
                 [sev-snp]\n{demands}"
            ),
        );
    }

    fn verify(&self, more: &str) -> Verdict {
        verify(self.dir.path(), &format!("--policy policy.toml --at {AT} {more}"))
    }
}

fn pem(der: &[u8]) -> String {
    pem_rfc7468::encode_string("CERTIFICATE", pem_rfc7468::LineEnding::LF, der).unwrap()
}

/// What `attest verify` said.
struct Verdict(Run, Value);

fn verify(dir: &Path, more: &str) -> Verdict {
    let call = command("key-admin").args("attest verify --kind sev-snp --report report.bin --certs certs");
    let run = call.args(more).current_dir(dir).run();
    let told = serde_json::from_slice(run.stdout()).unwrap_or_else(|_| panic!("{run}"));
    Verdict(run, told)
}

impl Verdict {
    #[track_caller]
    fn accepted(self) -> Value {
        assert_eq!(self.0.code(), Some(0), "{}", self.0);
        assert_eq!((&self.1["accepted"], &self.1["refused_by"]), (&Value::Bool(true), &Value::Null));
        self.1
    }

    /// Refused, with the exit code of evidence, and this rule named as the first that fails.
    #[track_caller]
    fn refused(self, rule: &str) -> Value {
        assert_eq!(self.0.code(), Some(6), "{}", self.0);
        assert_eq!(
            (&self.1["accepted"], self.1["refused_by"]["rule"].as_str()),
            (&Value::Bool(false), Some(rule))
        );
        self.1
    }

    #[track_caller]
    fn outcome(told: &Value, rule: &str) -> String {
        let rules = told["rules"].as_array().unwrap();
        let one = rules.iter().find(|one| one["rule"] == rule).unwrap();
        one["outcome"].as_str().unwrap().to_owned()
    }
}

#[test]
fn certificates_may_be_one_file_and_two_of_a_name_are_refused() {
    let case = Case::good();
    let [vek, ask, ark] = case.platform.chain(SnpSigner::Vcek);
    case.write("chain.pem", [pem(&vek), pem(&ask), pem(&ark)].concat());
    let call = |certs: &str| {
        let call = command("key-admin").args("attest verify --kind sev-snp --report report.bin");
        let call = call.args("--policy policy.toml").with("--at", AT).with("--certs", certs);
        call.current_dir(case.dir.path()).run()
    };
    call("chain.pem").ok();
    case.write("notes", "notes");
    call("notes").failed(2).says(&["notes", "neither"]);
    case.write("certs/vcek.pem", pem(&vek));
    call("certs").failed(2).says(&["vcek.der", "vcek.pem"]);
    let show = command("key-admin").args("attest show --kind sev-snp --report report.bin");
    assert_eq!(show.current_dir(case.dir.path()).run().ok()["kind"], "sev-snp");
}

#[test]
fn good_reports_are_accepted_in_every_version_of_every_product() {
    for product in SnpProduct::ALL {
        for version in [2, 3, 5] {
            let told = Case::of(*product, version).verify("").accepted();
            assert_eq!(
                (told["product"].as_str(), &told["claims"]["version"]),
                (Some(product.as_str()), &version.into())
            );
            assert_eq!(told["claims"]["reported_tcb"]["parts"]["microcode"], 219);
            let chip = hex::encode(FakePlatform::chip_id(*product));
            assert_eq!(told["proven"]["chip_id"].as_str(), Some(chip.as_str()));
        }
    }
}

#[test]
fn a_hidden_chip_is_the_one_that_its_certificate_proves_and_only_if_all_holds() {
    let case = Case::good();
    case.report(|report| report.chip_id = [0; 64]);
    let told = case.verify("").accepted();
    assert_eq!(told["claims"]["chip_id"], Value::Null);
    assert_eq!(told["proven"]["chip_id"].as_str(), Some("c1".repeat(64).as_str()));
    case.report(|report| (report.chip_id, report.policy) = ([0; 64], report.policy | 1 << 19));
    assert_eq!(case.verify("").refused("debug")["proven"]["chip_id"], Value::Null);
}

#[test]
fn each_kind_of_bad_report_is_refused_by_its_rule() {
    let with = |change: fn(&mut FakeReport)| {
        let case = Case::good();
        case.report(change);
        case.verify("")
    };
    with(|report| report.version = 6).refused("report-version");
    with(|report| report.version = 1).refused("report-version");
    with(|report| report.key_info |= 7 << 2).refused("signing-key");
    with(|report| report.key_info |= 2).refused("mask-chip-key");
    with(|report| report.policy |= 1 << 19).refused("debug");
    with(|report| report.measurement = [1; 48]).refused("measurement");
    with(|report| report.vmpl = 1).refused("vmpl");
    with(|report| report.cpuid = [0x19, 0x01, 0x01]).refused("chain-product");
    with(|report| report.chip_id = [2; 64]).refused("chip-id");
    with(|report| report.policy |= 1 << 40).refused("policy-reserved");
    for (length, rule) in [(0, "report-length"), (1183, "report-length"), (1185, "report-length")] {
        let case = Case::good();
        let mut report = fs::read(case.path("report.bin")).unwrap();
        report.resize(length, 0);
        case.write("report.bin", report);
        let told = case.verify("").refused(rule);
        assert_eq!(told["claims"], Value::Null);
    }
    let case = Case::good();
    let unsigned = case.platform.report(5).unsigned();
    case.write("report.bin", unsigned);
    case.verify("").refused("report-signature");
    case.write("report.bin", case.platform.report(5).sign(&case.platform.other));
    case.verify("").refused("report-signature");
}

#[test]
fn a_report_of_any_size_is_read_no_further_than_it_needs() {
    let case = Case::good();
    let run = command("key-admin").args("attest verify --kind sev-snp --report /dev/zero").run();
    assert_eq!(run.code(), Some(6), "{run}");
    let good = fs::read(case.path("report.bin")).unwrap();
    let call = command("key-admin").args("attest show --report -").stdin(good).run().ok();
    assert_eq!(call["product"], "genoa");
}

#[test]
fn t26_a_chain_that_is_not_amd_s_or_the_policy_s_is_refused() {
    let case = Case::good();
    // No policy names the platform's root.
    verify(case.dir.path(), &format!("--at {AT}")).refused("root-pinned");
    case.policy_under(case.platform.asvk.public(), "");
    case.verify("").refused("root-pinned");
    // The certificates say nothing of the root; its key doesn't fit.
    fs::remove_file(case.path("certs/ark.crt")).unwrap();
    case.verify("").refused("intermediate-signature");
}

#[test]
fn bad_certificates_are_refused_by_their_rules() {
    let vek = |change: fn(&mut claviger_attest::fakes::FakeCertificate)| {
        let case = Case::good();
        let mut vek = case.platform.vek_certificate(SnpSigner::Vcek);
        change(&mut vek);
        case.write("certs/vcek.der", vek.sign(&case.platform.ask));
        case.verify("")
    };
    vek(|vek| vek.amd_extension(&[4]).value = vec![9; 64]).refused("chip-id");
    vek(|vek| vek.amd_extension(&[3, 8]).value = vec![2, 1, 100]).refused("vek-tcb");
    vek(|vek| vek.drop_amd_extension(&[3, 3])).refused("vek-extensions");
    vek(|vek| vek.validity.1 = FakePlatform::NOW - 1).refused("chain-validity");
    let case = Case::good();
    verify(case.dir.path(), "--policy policy.toml --at 2060-01-01T00:00:00Z").refused("chain-validity");
    case.verify("--product turin").refused("product");
    case.write("certs/vcek.der", "no certificate");
    let told = case.verify("").refused("vek-present");
    assert_eq!(told["refused_by"]["why"], "a certificate is neither DER nor PEM");
    fs::remove_dir_all(case.path("certs")).unwrap();
    fs::create_dir(case.path("certs")).unwrap();
    case.verify("").refused("vek-present");
}

#[test]
fn a_vlek_is_verified_under_its_asvk_and_only_where_its_provider_is_listed() {
    let case = Case::good();
    let mut report = case.platform.report(5);
    (report.key_info, report.chip_id) = (0b00101, [0; 64]);
    case.write("report.bin", report.sign(&case.platform.vlek));
    case.verify("").refused("signer");
    case.policy("csp-ids = [\"CN=test.invalid\"]\n");
    // A VCEK is there, and is the wrong kind.
    case.verify("").refused("vek-present");
    case.certificates(SnpSigner::Vlek);
    let told = case.verify("").accepted();
    assert_eq!(
        (&told["proven"]["chip_id"], told["proven"]["csp_id"].as_str()),
        (&Value::Null, Some("CN=test.invalid"))
    );
    fs::remove_file(case.path("certs/asvk.pem")).unwrap();
    case.verify("").refused("intermediate-form");
}

#[test]
fn a_policy_s_floors_and_lists_count() {
    let case = Case::good();
    case.policy("[sev-snp.minimum-tcb.genoa.reported]\nmicrocode = 220\n");
    case.verify("").refused("minimum-reported-tcb");
    case.policy("products = [\"turin\"]\n");
    case.verify("").refused("product-allowed");
    case.policy(&format!("denied-chips = [\"{}\"]\n", "c1".repeat(64)));
    case.verify("").refused("chip-denied");
    let milan = Case::of(SnpProduct::Milan, 3);
    milan.policy("");
    milan.verify("").refused("product-allowed");
}

#[test]
fn what_the_guest_had_signed_counts_when_it_is_asked_for() {
    let case = Case::good();
    let good = case.verify(&format!("--report-data {}", "b1".repeat(64))).accepted();
    assert_eq!(Verdict::outcome(&good, "report-data"), "passed");
    assert_eq!(Verdict::outcome(&case.verify("").accepted(), "report-data"), "not-demanded");
    case.verify(&format!("--report-data {}", "b2".repeat(64))).refused("report-data");
    let short = command("key-admin").args("attest verify --kind sev-snp --report x --report-data b1").run();
    assert_eq!(short.code(), Some(2), "{short}");
}

#[test]
fn certificates_are_found_by_chip_in_both_layouts() {
    for (product, names) in [
        (GENOA, ["04010000000018db.der", "bl04_tee01_snp24_ucode219_vcek.der", "vcek.der"]),
        (SnpProduct::Turin, ["02040118000000db.der", "bl04_tee01_snp24_ucode219_fmc02_vcek.der", "vcek.der"]),
    ] {
        for name in names {
            let case = Case::of(product, 5);
            let chip = &FakePlatform::chip_id(product)[..product.chip_id_len()];
            let folder = case.path("certs").join("vcek").join(hex::encode(chip));
            fs::create_dir_all(&folder).unwrap();
            fs::rename(case.path("certs/vcek.der"), folder.join(name)).unwrap();
            case.verify("").accepted();
            fs::rename(folder.join(name), folder.join("other.der")).unwrap();
            case.verify("").refused("vek-present");
        }
    }
}

#[test]
fn files_that_cannot_be_read_are_no_verdict() {
    let case = Case::good();
    let failed = |more: &str, code: i32| {
        let call = command("key-admin").args("attest verify --kind sev-snp").args(more);
        call.current_dir(case.dir.path()).run().failed(code)
    };
    assert!(failed("--report nothing", 1).message.contains("nothing"));
    assert!(failed("--report report.bin --certs nothing", 1).message.contains("nothing"));
    case.write("policy.toml", "format = 2\n");
    failed("--report report.bin --policy policy.toml", 3);
    let show =
        command("key-admin").args("attest show --report policy.toml").current_dir(case.dir.path()).run();
    assert!(show.failed(3).message.contains("report-length"));
}

#[allow(clippy::print_stdout, reason = "who runs it is told what was left out")]
fn genuine() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors");
    let folder = std::env::var_os("CLAVIGER_VECTORS").map_or(beside, PathBuf::from).join("genuine-snp");
    if !folder.is_dir() {
        println!("skipped: no genuine reports at {} (CLAVIGER_VECTORS names the folder)", folder.display());
        return None;
    }
    Some(folder)
}

/// A directory with these files of the folder, by the names that the tool looks for.
fn copies(folder: &Path, files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("certs")).unwrap();
    for (from, to) in files {
        fs::copy(folder.join(from), dir.path().join(to)).unwrap();
    }
    dir
}

#[test]
fn genuine_reports_are_accepted_without_a_policy() {
    let Some(folder) = genuine() else { return };
    let report = ("test-report.bin", "report.bin");
    let dir = copies(&folder, &[report, ("test-vcek.der", "certs/vcek.der")]);
    let told = verify(dir.path(), "--at 2025-03-01T00:00:00Z").accepted();
    assert_eq!((told["product"].as_str(), &told["claims"]["version"]), (Some("milan"), &2.into()));
    assert_eq!(Verdict::outcome(&told, "debug"), "not-demanded");
    verify(dir.path(), "--product genoa --at 2025-03-01T00:00:00Z").refused("chain-product");

    let report = ("test-vlek-report.bin", "report.bin");
    let dir =
        copies(&folder, &[report, ("test-vlek.der", "certs/vlek.der"), ("milan-asvk.pem", "certs/asvk.pem")]);
    let told = verify(dir.path(), "--at 2025-03-01T00:00:00Z").accepted();
    assert_eq!(told["claims"]["vmpl"], 1);
    verify(dir.path(), "--at 2024-12-09T00:00:00Z").refused("chain-validity");
    verify(dir.path(), "--at 2025-12-11T00:00:00Z").refused("chain-validity");
}

#[test]
fn genuine_reports_under_broken_or_other_certificates_are_refused() {
    let Some(folder) = genuine() else { return };
    for vcek in ["test-vcek-invalid-legacy.der", "test-vcek-invalid-new.der", "certifier-milan/vcek.pem"] {
        let dir = copies(&folder, &[("test-report.bin", "report.bin"), (vcek, "certs/vcek.pem")]);
        verify(dir.path(), "--at 2025-03-01T00:00:00Z").refused("chip-id");
    }
}
