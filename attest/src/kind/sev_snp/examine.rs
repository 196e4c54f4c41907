//! A report looked at from all sides: every rule's verdict, for people. Nothing comes of it that admits anybody.

use std::sync::Arc;

use claviger_proto::key::PublicKey;
use rustls_pki_types::UnixTime;

use super::case::{Case, Listed};
use super::chain::Chain;
use super::hex_bytes::ChipId;
use super::material::Material;
use super::package::not_a_report;
use super::product::SnpProduct;
use super::report::SnpReport;
use super::roots::Roots;
use super::rules::{Judge, SnpOutcome, SnpRule, SnpVerdict};
use super::verify::{judge_chain, judge_report, product_of};
use crate::attested::Endorsements;
use crate::error::AttestError;
use crate::kind::EvidenceKind;
use crate::reference::ReferenceValues;

const KIND: EvidenceKind = EvidenceKind::SevSnp;

/// What to hold a report against. What isn't given is not demanded.
#[derive(Clone, Debug)]
pub struct SnpQuestion<'a> {
    /// A domain's policy; without one, only AMD's own rules count.
    pub policy: Option<&'a ReferenceValues>,
    /// The product that it must be of; else the report names it or, before version 3, the VEK's issuer.
    pub product: Option<SnpProduct>,
    /// What the guest must have had signed ([`super::snp_report_data`]).
    pub report_data: Option<&'a [u8; 64]>,
    /// Keys that count as ARKs instead of AMD's and the policy's; `None`: those do.
    pub roots: Option<&'a [PublicKey]>,
    /// The moment at which everything must be valid.
    pub now: UnixTime,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct SnpExamination {
    /// The report, if it is one at all.
    pub report: Option<SnpReport>,
    /// The product, as far as it could be told.
    pub product: Option<SnpProduct>,
    /// The chip that the VCEK's certificate proves, also where the report hides it; only of what is accepted.
    pub chip_id: Option<ChipId>,
    /// The provider that the VLEK's certificate proves; only of what is accepted.
    pub csp_id: Option<String>,
    /// The verdict of every rule, in their order.
    pub verdicts: Vec<SnpVerdict>,
}

impl SnpExamination {
    /// Whether every rule holds or wasn't demanded.
    pub fn accepted(&self) -> bool {
        let fine = |outcome: &SnpOutcome| matches!(outcome, SnpOutcome::Passed | SnpOutcome::NotDemanded);
        self.report.is_some() && self.verdicts.iter().all(|verdict| fine(&verdict.outcome))
    }

    /// The first rule that doesn't hold, and why.
    pub fn first_failure(&self) -> Option<(SnpRule, &str)> {
        self.verdicts.iter().find_map(|verdict| match &verdict.outcome {
            SnpOutcome::Failed(why) => Some((verdict.rule, why.as_str())),
            _ => None,
        })
    }
}

/// Looks at a report and its certificates; a rule that fails keeps none from being looked at that can be.
pub fn examine_snp(
    report: &[u8],
    endorsements: &Endorsements<'_>,
    question: &SnpQuestion<'_>,
) -> SnpExamination {
    let mut judge = Judge::thorough();
    let report = match SnpReport::parse(report) {
        Ok(report) => report,
        Err(why) => {
            not_a_report(why, &mut judge);
            let (product, chip_id, csp_id, verdicts) = (None, None, None, judge.verdicts());
            return SnpExamination { report: None, product, chip_id, csp_id, verdicts };
        }
    };
    let mut material = Material::default();
    let added = endorsements.certificates.iter().try_for_each(|one| material.add_certificate(one));
    let added = added.and_then(|()| endorsements.crls.iter().try_for_each(|one| material.add_crl(one)));
    material.lists = endorsements.lists.to_vec();
    // A name that was given must be the report's own, and the chain's.
    let product = question.product.or_else(|| product_of(&report, &material));
    let chain = look(&report, product, &material, question, &mut judge);
    if let Err(why) = added {
        judge.amend(SnpRule::VekPresent, SnpOutcome::Failed(why.to_owned()));
    }
    let (report, verdicts) = (Some(report), judge.verdicts());
    let mut found = SnpExamination { report, product, chip_id: None, csp_id: None, verdicts };
    if let Some(chain) = chain.filter(|_| found.accepted()) {
        found.chip_id = chain.facts.chip;
        found.csp_id.clone_from(&chain.facts.csp);
    }
    found
}

fn look(
    report: &SnpReport,
    product: Option<SnpProduct>,
    material: &Material,
    question: &SnpQuestion<'_>,
    judge: &mut Judge,
) -> Option<Arc<Chain>> {
    let seconds = i64::try_from(question.now.as_secs()).unwrap_or(i64::MAX);
    let measurement = report.measurement();
    let (listed, values) = match question.policy.map(|policy| policy.trusted(KIND, &measurement, seconds)) {
        None => (None, Vec::new()),
        Some(Ok(values)) => (Some(Listed::Now), values.collect()),
        Some(Err(AttestError::ExpiredMeasurement { at, .. })) => (Some(Listed::Until(at)), Vec::new()),
        Some(Err(_)) => (Some(Listed::Never), Vec::new()),
    };
    let vmpls: Vec<_> = values.iter().map(|value| value.vmpl()).collect();
    let case = Case {
        report,
        product,
        demands: question.policy.map(ReferenceValues::snp),
        listed,
        vmpls: (!values.is_empty()).then_some(&vmpls),
        report_data: question.report_data,
    };
    let roots = match question.roots {
        Some(keys) => Roots { amd: false, named: keys.to_vec() },
        None if values.is_empty() => Roots::amd(),
        None => super::package::roots_at(&values, report),
    };
    // A thorough judge never stops.
    let _ = judge_report(&case, judge);
    judge_chain(&case, material, &roots, None, seconds, judge).unwrap_or_default()
}
