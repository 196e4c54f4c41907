//! The evidence package, and its two steps: what costs no signature, then the signatures.

use aws_lc_rs::digest::{SHA512, digest};
use claviger_proto::LvWriter;
use claviger_proto::trust::{EvidenceItem, EvidencePackage};

use super::case::{Case, Listed};
use super::chain::Chain;
use super::material::Material;
use super::product::SnpProduct;
use super::report::{NotAReport, SnpReport};
use super::requirements::SnpRequirements;
use super::roots::Roots;
use super::rules::{Broken, Judge, SnpOutcome, SnpRule};
use super::verify::{judge_chain, judge_report, product_of};
use crate::attested::{EndorsementNeeded, Endorsements, Expected};
use crate::digest::sha384;
use crate::error::AttestError;
use crate::instance::{IdBlock, MachineClaims, TicketId, ticket_of};
use crate::kind::{Claims, EvidenceKind};
use crate::reference::{ReferenceValue, ReferenceValues};

/// The raw report, 1184 bytes.
pub const ITEM_SNP_REPORT: &str = "sev-snp-report";
/// The certificate table as the host gave it, at most [`super::MAX_CERTIFICATE_TABLE`] bytes.
pub const ITEM_SNP_CERTIFICATES: &str = "sev-snp-certificates";
/// A serialized [`claviger_proto::evidence::EvidenceUserData`], at most [`claviger_proto::evidence::MAX_USER_DATA`] bytes.
pub const ITEM_USER_DATA: &str = "user-data";

const KIND: EvidenceKind = EvidenceKind::SevSnp;
const CERTIFICATES: &str = "certificates beside the report";

/// What the guest must have signed for this binding and this user data: the binding itself, or, with user data,
/// SHA-512( LV("claviger user data v1") ‖ LV(binding) ‖ LV(SHA-384(user data)) ).
pub fn snp_report_data(binding: &[u8; 64], user_data: Option<&[u8]>) -> [u8; 64] {
    let Some(user_data) = user_data else { return *binding };
    let parts = LvWriter::new().push(b"claviger user data v1").push(binding).push(&sha384(user_data));
    let mut out = [0; 64];
    out.copy_from_slice(digest(&SHA512, &parts.into_bytes()).as_ref());
    out
}

/// A package of these items.
pub fn snp_package(report: &[u8], certificates: Option<&[u8]>, user_data: Option<&[u8]>) -> EvidencePackage {
    let item = |kind: &str, bytes: &[u8]| EvidenceItem {
        evidence_type: kind.to_owned(),
        serialized: bytes.to_vec(),
    };
    let certificates = certificates.map(|bytes| item(ITEM_SNP_CERTIFICATES, bytes));
    let user_data = user_data.map(|bytes| item(ITEM_USER_DATA, bytes));
    let report = item(ITEM_SNP_REPORT, report);
    EvidencePackage {
        prover_type: "sev-snp-verifier".to_owned(),
        enclave_type: KIND.as_str().to_owned(),
        items: std::iter::once(report).chain(certificates).chain(user_data).collect(),
    }
}

/// Evidence that passed all that costs no signature and needs no certificate. Nothing of it is believed yet.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    report: SnpReport,
    /// As far as the evidence itself says it; a report of version 2 leaves it to a certificate, which costs to read.
    product: Option<SnpProduct>,
    material: Material,
    ticket: Option<TicketId>,
    report_data: [u8; 64],
    vmpls: Vec<u8>,
    roots: Roots,
    demands: SnpRequirements,
}

struct Items<'a> {
    report: &'a [u8],
    certificates: Option<&'a [u8]>,
    user_data: Option<&'a [u8]>,
}

fn items(package: &EvidencePackage) -> Result<Items<'_>, AttestError> {
    let wrong = AttestError::Items {
        expected: "a sev-snp-report, then a sev-snp-certificates if there is one, then a user-data if there is one",
    };
    let mut items =
        package.items.iter().map(|item| (item.evidence_type.as_str(), item.serialized.as_slice()));
    let Some((ITEM_SNP_REPORT, report)) = items.next() else { return Err(wrong) };
    let mut next = items.next();
    let mut optional = |kind: &str| match next {
        Some((found, bytes)) if found == kind => {
            next = items.next();
            Some(bytes)
        }
        _ => None,
    };
    let certificates = optional(ITEM_SNP_CERTIFICATES);
    let user_data = optional(ITEM_USER_DATA);
    if next.is_some() { Err(wrong) } else { Ok(Items { report, certificates, user_data }) }
}

pub(in crate::kind) fn screen(
    package: &EvidencePackage,
    policy: &ReferenceValues,
    expected: &Expected<'_>,
    now: i64,
) -> Result<Pending, AttestError> {
    let items = items(package)?;
    let report = SnpReport::parse(items.report).map_err(Broken::from)?;
    let ticket = items.user_data.map(ticket_of).transpose()?.flatten();
    let report_data = snp_report_data(expected.binding, items.user_data);
    let material = || items.certificates.map(Material::from_table).transpose().map(Option::unwrap_or_default);
    Submitted { report, report_data, ticket }.screen(material, policy, now)
}

/// A report, and what it has to say.
pub(super) struct Submitted {
    pub(super) report: SnpReport,
    pub(super) report_data: [u8; 64],
    pub(super) ticket: Option<TicketId>,
}

impl Submitted {
    /// Checks all that costs no signature. The certificates are read only for what the domain trusts: whose measurement
    /// isn't listed learns nothing else, and makes no more work.
    pub(super) fn screen(
        self,
        material: impl FnOnce() -> Result<Material, &'static str>,
        policy: &ReferenceValues,
        now: i64,
    ) -> Result<Pending, AttestError> {
        let Self { report, report_data, ticket } = self;
        let measurement = report.measurement();
        let trusted: Vec<_> = policy.trusted(KIND, &measurement, now)?.collect();
        let material = material().map_err(|why| AttestError::Statement { part: CERTIFICATES, why })?;
        let pending = Pending {
            product: product_of(&report, &material),
            vmpls: trusted.iter().map(|value| value.vmpl()).collect(),
            roots: roots_at(&trusted, &report),
            demands: policy.snp().clone(),
            material,
            ticket,
            report_data,
            report,
        };
        judge_report(&pending.case(&pending.material), &mut Judge::strict())?;
        pending.check_chip_list()?;
        Ok(pending)
    }
}

/// The roots that count for the values of this report's VMPL: AMD's, or those that they name instead.
pub(super) fn roots_at(trusted: &[&ReferenceValue], report: &SnpReport) -> Roots {
    let here = || trusted.iter().filter(|value| u32::from(value.vmpl()) == report.vmpl());
    Roots {
        amd: here().any(|value| value.roots().is_empty()),
        named: here().flat_map(|value| value.roots()).cloned().collect(),
    }
}

impl Pending {
    fn case<'a>(&'a self, material: &Material) -> Case<'a> {
        Case {
            report: &self.report,
            product: self.product.or_else(|| product_of(&self.report, material)),
            demands: Some(&self.demands),
            listed: Some(Listed::Now),
            vmpls: Some(&self.vmpls),
            report_data: Some(&self.report_data),
        }
    }

    /// Ahead of the rule itself, which is about what a certificate proves: none is looked for, for a chip that isn't listed
    /// by the report's own word.
    fn check_chip_list(&self) -> Result<(), Broken> {
        match (self.report.chip_id(), &self.demands.chips) {
            (Some(chip), Some(listed)) if !listed.contains(&chip) => {
                Err(Broken { rule: SnpRule::Chip, why: format!("the domain doesn't list the chip {chip}") })
            }
            _ => Ok(()),
        }
    }

    /// What has to be found before this can be verified; `None` if the evidence brought it.
    pub(crate) fn needs(&self) -> Option<EndorsementNeeded> {
        let brought = self.report.signer().is_some_and(|signer| self.material.has_vek(signer));
        (!brought).then(|| EndorsementNeeded {
            signer: self.report.signer(),
            product: self.product,
            chip_id: self.report.chip_id(),
            reported_tcb: self.report.reported_tcb(),
        })
    }

    pub(crate) fn verify(&self, endorsements: &Endorsements<'_>, now: i64) -> Result<Claims, AttestError> {
        let mut material = self.material.clone();
        let bad = |why| AttestError::Endorsement(why);
        endorsements.certificates.iter().try_for_each(|one| material.add_certificate(one)).map_err(bad)?;
        endorsements.crls.iter().try_for_each(|one| material.add_crl(one)).map_err(bad)?;
        material.lists = endorsements.lists.to_vec();
        let case = self.case(&material);
        let judge = &mut Judge::strict();
        let chain = judge_chain(&case, &material, &self.roots, endorsements.cache, now, judge)?;
        let chain = chain.ok_or_else(|| Broken::unreached(SnpRule::ReportSignature))?;
        Ok(self.claims(&chain))
    }

    fn claims(&self, chain: &Chain) -> Claims {
        let report = &self.report;
        let id_key_digest = report.id_key_digest();
        let id_block = (id_key_digest != [0; 48]).then(|| IdBlock {
            id_key_digest,
            author_key_digest: report.has_author_key().then(|| report.author_key_digest()),
            family_id: report.family_id(),
            image_id: report.image_id(),
        });
        let chip = chain.facts.chip.or(report.chip_id());
        let machine = MachineClaims {
            ticket: self.ticket,
            host_data: Some(report.host_data()),
            chip_id: chip.map(|chip| *chip.as_bytes()),
            id_block,
            reported_tcb: Some(u64::from_le_bytes(report.reported_tcb())),
        };
        Claims { measurement: report.measurement(), challenge_fresh: true, machine }
    }
}

/// Takes down that this isn't a report.
pub(super) fn not_a_report(why: NotAReport, judge: &mut Judge) {
    if let NotAReport::Version(_) = why {
        judge.amend(SnpRule::ReportLength, SnpOutcome::Passed);
    }
    let broken = Broken::from(why);
    judge.amend(broken.rule, SnpOutcome::Failed(broken.why));
}

impl From<NotAReport> for Broken {
    fn from(why: NotAReport) -> Self {
        match why {
            NotAReport::Length => {
                Self { rule: SnpRule::ReportLength, why: "it has another length".to_owned() }
            }
            NotAReport::Version(version) => {
                Self { rule: SnpRule::ReportVersion, why: format!("the version is {version}") }
            }
        }
    }
}

impl From<Broken> for AttestError {
    fn from(Broken { rule, why }: Broken) -> Self {
        Self::Snp { rule, why }
    }
}
