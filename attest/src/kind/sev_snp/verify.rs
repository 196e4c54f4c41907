//! The order of the rules: the report alone, then its certificates, then signatures.

use std::sync::Arc;

use super::cache::SnpChainCache;
use super::case::Case;
use super::chain::{self, Chain, Unverified};
use super::demands::DEMANDS;
use super::form::{Check, FORM};
use super::material::Material;
use super::platform::PLATFORM;
use super::product::SnpProduct;
use super::report::{SnpReport, SnpSigner};
use super::roots::Roots;
use super::rules::{Broken, Judge, SnpOutcome, SnpRule};
use super::vek::VekFacts;

/// The product: as the report names it or, before version 3, as the VEK's issuer does. The second is only a
/// guess until the chain is verified, and the chain must then be of that product.
pub(super) fn product_of(report: &SnpReport, material: &Material) -> Option<SnpProduct> {
    match report.cpuid() {
        Some(_) => report.product(),
        None => material.product_of_vek(report.signer()?),
    }
}

fn run(rules: &[(SnpRule, Check)], case: &Case<'_>, judge: &mut Judge) -> Result<(), Broken> {
    rules.iter().try_for_each(|(rule, check)| judge.rule(*rule, check(case)))
}

/// The rules that need no certificate. Those that need the product wait where it isn't known.
pub(super) fn judge_report(case: &Case<'_>, judge: &mut Judge) -> Result<(), Broken> {
    judge.rule(SnpRule::ReportLength, SnpOutcome::Passed)?;
    judge.rule(SnpRule::ReportVersion, SnpOutcome::Passed)?;
    run(FORM, case, judge)?;
    run(DEMANDS, case, judge)?;
    if case.product.is_none() && case.report.cpuid().is_none() { Ok(()) } else { run(PLATFORM, case, judge) }
}

/// The rules about certificates, and the report's signature at the very end. A chain that comes back is one of
/// which every rule held; a thorough judge may give none.
pub(super) fn judge_chain(
    case: &Case<'_>,
    material: &Material,
    roots: &Roots,
    cache: Option<&SnpChainCache>,
    now: i64,
    judge: &mut Judge,
) -> Result<Option<Arc<Chain>>, Broken> {
    if case.report.cpuid().is_none() {
        run(PLATFORM, case, judge)?;
    }
    let identity = cache.map(|cache| (cache, material.identity(roots, case.report.signer())));
    let known = identity.and_then(|(cache, identity)| cache.get(&identity));
    let chain = if let Some(chain) = known {
        judge.rule(SnpRule::ChainValidity, chain.dates_outcome(now))?;
        judge_facts(case, &chain.facts, judge)?;
        judge.rule(SnpRule::ChainProduct, same_product(case, &chain.facts))?;
        judge.rule(SnpRule::Revocation, chain.revocation_outcome(now))?;
        chain
    } else {
        let Some(unverified) = chain::read(material, roots, case.report, judge)? else { return Ok(None) };
        let Some(chain) = verify_anew(case, unverified, now, judge)? else { return Ok(None) };
        if let Some((cache, identity)) = identity {
            cache.put(identity, Arc::clone(&chain));
        }
        chain
    };
    judge.rule(SnpRule::ReportSignature, chain.signed(case.report))?;
    Ok(Some(chain))
}

fn verify_anew(
    case: &Case<'_>,
    mut unverified: Unverified,
    now: i64,
    judge: &mut Judge,
) -> Result<Option<Arc<Chain>>, Broken> {
    judge.rule(SnpRule::ChainProduct, unverified.product_outcome(case.product))?;
    judge.rule(SnpRule::ChainValidity, unverified.keep_dates(now))?;
    judge_facts(case, &unverified.facts, judge)?;
    unverified.verify(now, judge)
}

fn same_product(case: &Case<'_>, facts: &VekFacts) -> SnpOutcome {
    SnpOutcome::of(case.product == Some(facts.product), || format!("the VEK is a {}'s", facts.product))
}

/// What the certificate says against what the report says and the domain demands.
fn judge_facts(case: &Case<'_>, facts: &VekFacts, judge: &mut Judge) -> Result<(), Broken> {
    judge.rule(SnpRule::ChipIdMatch, chip_id_match(case, facts))?;
    judge.rule(SnpRule::VekTcb, vek_tcb(case, facts))?;
    judge.rule(SnpRule::CspId, csp_id(case, facts))?;
    judge.rule(SnpRule::Chip, chip(case, facts))
}

// A chip that the host hides is named by its VCEK all the same; a VLEK names none.
fn chip_id_match(case: &Case<'_>, facts: &VekFacts) -> SnpOutcome {
    let Some(certified) = facts.chip else { return SnpOutcome::NotDemanded };
    let reported = case.report.chip_id();
    SnpOutcome::of(reported.is_none_or(|id| id == certified), || {
        "the certificate is another chip's".to_owned()
    })
}

fn vek_tcb(case: &Case<'_>, facts: &VekFacts) -> SnpOutcome {
    let Some(reported) = super::tcb::SnpTcb::parse(facts.product, case.report.reported_tcb()) else {
        return SnpOutcome::NotReached;
    };
    let parts = facts.tcb.parts().into_iter().zip(reported.parts());
    match parts.into_iter().find(|((_, certified), (_, reported))| certified != reported) {
        None => SnpOutcome::Passed,
        Some(((part, certified), (_, reported))) => SnpOutcome::Failed(format!(
            "{part} is {certified} in the certificate and {reported} in the report"
        )),
    }
}

fn csp_id(case: &Case<'_>, facts: &VekFacts) -> SnpOutcome {
    let (Some(demands), Some(csp)) = (case.demands, facts.csp.as_ref()) else {
        return SnpOutcome::NotDemanded;
    };
    SnpOutcome::of(demands.csp_ids.contains(csp), || format!("it is {csp:?}"))
}

// The chip is the one that a VCEK proves. A VLEK proves none; what a report under it says is the word of
// firmware on a product whose keys aren't public.
fn chip(case: &Case<'_>, facts: &VekFacts) -> SnpOutcome {
    let Some(demands) = case.demands else { return SnpOutcome::NotDemanded };
    let unproven = case.report.chip_id().filter(|_| facts.product != SnpProduct::Milan);
    let chip = facts.chip.or(unproven);
    if demands.chips.is_none() && demands.denied_chips.is_empty() {
        return SnpOutcome::NotDemanded;
    }
    let Some(chip) = chip else {
        return SnpOutcome::Failed("the domain asks which chip it is, and nothing proves it".to_owned());
    };
    if demands.denied_chips.contains(&chip) {
        return SnpOutcome::Failed("the domain denies this chip".to_owned());
    }
    let listed = demands.chips.as_ref().is_none_or(|chips| chips.contains(&chip));
    SnpOutcome::of(listed, || format!("the domain doesn't list the chip {chip}"))
}

impl Material {
    /// Whether a VEK of this kind came, by its name.
    pub(super) fn has_vek(&self, signer: SnpSigner) -> bool {
        self.product_of_vek(signer).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_listed_in_the_order_in_which_they_are_looked_at() {
        let first = [SnpRule::ReportLength, SnpRule::ReportVersion];
        let tables = [FORM, DEMANDS, PLATFORM].into_iter().flatten().map(|(rule, _)| *rule);
        let looked_at: Vec<_> = first.into_iter().chain(tables).collect();
        assert_eq!(SnpRule::ALL[..looked_at.len()], looked_at);
        assert_eq!(SnpRule::ALL[looked_at.len()], SnpRule::VekPresent);
        assert_eq!(SnpRule::ALL.last(), Some(&SnpRule::ReportSignature));
    }
}
