//! What a report says, field by field, for people and for machines.

use claviger_attest::{SnpProduct, SnpReport, SnpSigner, SnpTcb};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

/// Bits of POLICY (56860 §4.3).
const POLICY: [(u32, &str); 9] = [
    (16, "smt"),
    (18, "migration_agent"),
    (19, "debug"),
    (20, "single_socket"),
    (21, "cxl"),
    (22, "aes_256_xts"),
    (23, "rapl_disabled"),
    (24, "ciphertext_hiding"),
    (25, "page_swap_disabled"),
];

/// Bits of `PLATFORM_INFO` (56860 §7.3).
const PLATFORM: [(u32, &str); 7] = [
    (0, "smt"),
    (1, "tsme"),
    (2, "ecc"),
    (3, "rapl_disabled"),
    (4, "ciphertext_hiding"),
    (5, "alias_check"),
    (7, "tio"),
];

/// Everything that a report says.
#[derive(Serialize)]
pub(super) struct Claims {
    version: u32,
    cpuid: Option<Cpuid>,
    guest_svn: u32,
    policy: Policy,
    family_id: String,
    image_id: String,
    vmpl: u32,
    signature_algorithm: u32,
    platform_info: Bits,
    author_key_enabled: bool,
    chip_key_masked: bool,
    signing_key: &'static str,
    report_data: String,
    measurement: String,
    host_data: String,
    id_key_digest: String,
    author_key_digest: String,
    report_id: String,
    report_id_ma: String,
    /// None where it is hidden.
    chip_id: Option<String>,
    current_tcb: Tcb,
    reported_tcb: Tcb,
    committed_tcb: Tcb,
    launch_tcb: Tcb,
    current_firmware: String,
    committed_firmware: String,
    launch_mitigations: Option<String>,
    current_mitigations: Option<String>,
    signature: Signature,
}

#[derive(Serialize)]
struct Cpuid {
    family: u8,
    model: u8,
    stepping: u8,
}

#[derive(Serialize)]
struct Policy {
    abi_major: u8,
    abi_minor: u8,
    #[serde(flatten)]
    bits: Bits,
}

/// A field of bits: raw, and those that have a name.
struct Bits {
    raw: u64,
    names: &'static [(u32, &'static str)],
}

/// A TCB version: the 8 bytes, and its parts if they are known.
#[derive(Serialize)]
struct Tcb {
    raw: String,
    parts: Option<SnpTcb>,
    #[serde(skip)]
    with_fmc: bool,
}

#[derive(Serialize)]
struct Signature {
    r: String,
    s: String,
}

impl Claims {
    /// Of a report that is of this product, as far as anybody knows.
    pub(super) fn of(report: &SnpReport, product: Option<SnpProduct>) -> Self {
        // Of the products that had reports of version 2, all order the parts of their TCBs as Milan does.
        let order = product.or((report.version() == 2).then_some(SnpProduct::Milan));
        let tcb = |bytes: [u8; 8]| Tcb {
            raw: hex::encode(bytes),
            parts: order.and_then(|product| SnpTcb::parse(product, bytes)),
            with_fmc: order == Some(SnpProduct::Turin),
        };
        let firmware = |(major, minor, build)| format!("{major}.{minor}.{build}");
        let [abi_minor, abi_major, ..] = report.policy().to_le_bytes();
        let signature = report.signature();
        let (r, s) = signature.split_at(48);
        let mitigations = report.mitigations();
        Self {
            version: report.version(),
            cpuid: report.cpuid().map(|[family, model, stepping]| Cpuid { family, model, stepping }),
            guest_svn: report.guest_svn(),
            policy: Policy { abi_major, abi_minor, bits: Bits { raw: report.policy(), names: &POLICY } },
            family_id: hex::encode(report.family_id()),
            image_id: hex::encode(report.image_id()),
            vmpl: report.vmpl(),
            signature_algorithm: report.signature_algorithm(),
            platform_info: Bits { raw: report.platform_info(), names: &PLATFORM },
            author_key_enabled: report.has_author_key(),
            chip_key_masked: report.chip_key_masked(),
            signing_key: signing_key(report),
            report_data: hex::encode(report.report_data()),
            measurement: report.measurement().to_string(),
            host_data: hex::encode(report.host_data()),
            id_key_digest: hex::encode(report.id_key_digest()),
            author_key_digest: hex::encode(report.author_key_digest()),
            report_id: hex::encode(report.report_id()),
            report_id_ma: hex::encode(report.report_id_ma()),
            chip_id: report.chip_id().map(|id| id.to_string()),
            current_tcb: tcb(report.current_tcb()),
            reported_tcb: tcb(report.reported_tcb()),
            committed_tcb: tcb(report.committed_tcb()),
            launch_tcb: tcb(report.launch_tcb()),
            current_firmware: firmware(report.current_firmware()),
            committed_firmware: firmware(report.committed_firmware()),
            launch_mitigations: mitigations.map(|(launch, _)| format!("{launch:#x}")),
            current_mitigations: mitigations.map(|(_, current)| format!("{current:#x}")),
            signature: Signature { r: hex::encode(r), s: hex::encode(s) },
        }
    }

    /// Lines for people.
    pub(super) fn lines(&self) -> Vec<String> {
        let cpuid = self.cpuid.as_ref().map(|Cpuid { family, model, stepping }| {
            format!("family {family:#x}, model {model:#x}, stepping {stepping:#x}")
        });
        let Policy { abi_major, abi_minor, bits } = &self.policy;
        let since = |field: &Option<String>, version| match field {
            Some(field) => field.clone(),
            None => format!("- (since version {version})"),
        };
        let yes = |yes| if yes { "yes" } else { "no" };
        let mut lines = Lines(Vec::new());
        lines.add("version", self.version);
        lines.add("CPU", since(&cpuid, 3));
        lines.add("measurement", &self.measurement);
        lines.add("report data", &self.report_data);
        lines.add("VMPL", self.vmpl);
        lines.add("guest policy", format!("{:#018x}", bits.raw));
        lines.add("  minimum ABI", format!("{abi_major}.{abi_minor}"));
        lines.bits(bits);
        lines.add("platform info", format!("{:#018x}", self.platform_info.raw));
        lines.bits(&self.platform_info);
        lines.add("chip id", self.chip_id.as_deref().unwrap_or("- (hidden)"));
        for (name, tcb) in [
            ("reported TCB", &self.reported_tcb),
            ("committed TCB", &self.committed_tcb),
            ("launch TCB", &self.launch_tcb),
            ("current TCB", &self.current_tcb),
        ] {
            lines.add(name, tcb.text());
        }
        lines.add("committed firmware", &self.committed_firmware);
        lines.add("current firmware", &self.current_firmware);
        lines.add("launch mitigations", since(&self.launch_mitigations, 5));
        lines.add("current mitigations", since(&self.current_mitigations, 5));
        lines.add("guest SVN", self.guest_svn);
        lines.add("family id", &self.family_id);
        lines.add("image id", &self.image_id);
        lines.add("host data", &self.host_data);
        lines.add("ID key digest", &self.id_key_digest);
        lines.add("author key", yes(self.author_key_enabled));
        lines.add("author key digest", &self.author_key_digest);
        lines.add("report id", &self.report_id);
        lines.add("migration agent's", &self.report_id_ma);
        lines.add("chip key masked", yes(self.chip_key_masked));
        lines.add("signing key", self.signing_key);
        let algorithm = if self.signature_algorithm == 1 { " (ECDSA P-384, SHA-384)" } else { "" };
        lines.add("signature algorithm", format!("{}{algorithm}", self.signature_algorithm));
        lines.add("signature r", &self.signature.r);
        lines.add("signature s", &self.signature.s);
        lines.0
    }
}

fn signing_key(report: &SnpReport) -> &'static str {
    match (report.signer(), report.key_info() >> 2 & 7) {
        (Some(SnpSigner::Vcek), _) => "vcek",
        (Some(SnpSigner::Vlek), _) => "vlek",
        (None, 7) => "none",
        (None, _) => "reserved",
    }
}

/// Names on the left, in a column.
struct Lines(Vec<String>);

impl Lines {
    fn add(&mut self, name: &str, value: impl std::fmt::Display) {
        self.0.push(format!("  {name:<22}{value}"));
    }

    fn bits(&mut self, bits: &Bits) {
        for (name, set) in bits.named() {
            self.add(&format!("  {}", name.replace('_', "-")), if set { "yes" } else { "no" });
        }
    }
}

impl Bits {
    fn named(&self) -> impl Iterator<Item = (&'static str, bool)> + '_ {
        self.names.iter().map(|(bit, name)| (*name, self.raw >> bit & 1 != 0))
    }
}

impl Serialize for Bits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("raw", &format!("{:#x}", self.raw))?;
        for (name, set) in self.named() {
            map.serialize_entry(name, &set)?;
        }
        map.end()
    }
}

impl Tcb {
    fn text(&self) -> String {
        let Some(parts) = self.parts else { return self.raw.clone() };
        let parts = parts.parts().into_iter().filter(|(name, _)| self.with_fmc || *name != "fmc");
        let parts: Vec<_> = parts.map(|(name, number)| format!("{name} {number}")).collect();
        format!("{} ({})", self.raw, parts.join(", "))
    }
}
