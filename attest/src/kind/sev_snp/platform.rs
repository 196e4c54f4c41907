//! Rules that need the product: TCB versions, and the chip's id.

use super::case::Case;
use super::form::Check;
use super::product::SnpProduct;
use super::requirements::MinimumTcb;
use super::rules::{SnpOutcome, SnpRule};
use super::tcb::SnpTcb;

pub(super) const PLATFORM: &[(SnpRule, Check)] = &[
    (SnpRule::Product, product),
    (SnpRule::TcbReserved, tcb_reserved),
    (SnpRule::ChipIdForm, chip_id_form),
    (SnpRule::TcbOrder, tcb_order),
    (SnpRule::ProductAllowed, product_allowed),
    (SnpRule::ReportedTcb, |case| floor(case, case.report.reported_tcb(), |minimum| minimum.reported)),
    (SnpRule::CommittedTcb, |case| floor(case, case.report.committed_tcb(), |minimum| minimum.committed)),
    (SnpRule::LaunchTcb, |case| floor(case, case.report.launch_tcb(), |minimum| minimum.launch)),
    (SnpRule::CurrentTcb, |case| floor(case, case.report.current_tcb(), |minimum| minimum.current)),
];

// A report of version 3 or later names its product; nobody may say otherwise.
fn product(case: &Case<'_>) -> SnpOutcome {
    let Some(cpuid) = case.report.cpuid() else {
        return if case.product.is_some() { SnpOutcome::Passed } else { SnpOutcome::NotReached };
    };
    match (case.report.product(), case.product) {
        (Some(named), Some(product)) if named == product => SnpOutcome::Passed,
        (Some(named), _) => SnpOutcome::Failed(format!("the report names {named}")),
        (None, _) => {
            SnpOutcome::Failed(format!("family, model and stepping {cpuid:x?} are of no known product"))
        }
    }
}

fn tcb_reserved(case: &Case<'_>) -> SnpOutcome {
    let Some(product) = case.product else { return SnpOutcome::NotReached };
    let report = case.report;
    let all = [report.reported_tcb(), report.committed_tcb(), report.current_tcb(), report.launch_tcb()];
    match all.into_iter().find(|raw| SnpTcb::parse(product, *raw).is_none()) {
        None => SnpOutcome::Passed,
        Some(raw) => SnpOutcome::Failed(format!("{} is no TCB version of a {product}", hex::encode(raw))),
    }
}

fn chip_id_form(case: &Case<'_>) -> SnpOutcome {
    let Some(product) = case.product else { return SnpOutcome::NotReached };
    let id = case.report.chip_id();
    let fits = id.is_none_or(|id| id.as_bytes()[product.chip_id_len()..].iter().all(|b| *b == 0));
    SnpOutcome::of(fits, || format!("it is longer than a {product}'s"))
}

fn tcb_order(case: &Case<'_>) -> SnpOutcome {
    let parse = |raw| case.product.and_then(|product| SnpTcb::parse(product, raw));
    let report = case.report;
    let (Some(reported), Some(committed), Some(current)) =
        (parse(report.reported_tcb()), parse(report.committed_tcb()), parse(report.current_tcb()))
    else {
        return SnpOutcome::NotReached;
    };
    let below = committed.below(reported).map(|part| ("committed", "reported", part));
    match below.or_else(|| current.below(committed).map(|part| ("current", "committed", part))) {
        None => SnpOutcome::Passed,
        Some((low, high, (part, have, need))) => {
            SnpOutcome::Failed(format!("{part} is {have} in the {low} TCB and {need} in the {high} one"))
        }
    }
}

fn product_allowed(case: &Case<'_>) -> SnpOutcome {
    let Some(demands) = case.demands else { return SnpOutcome::NotDemanded };
    let Some(product) = case.product else { return SnpOutcome::NotReached };
    if !demands.products.contains(&product) {
        return SnpOutcome::Failed(format!("the domain doesn't accept a {product}"));
    }
    // A floor for one product must not leave another without any.
    if !demands.minimum_tcb.is_empty() && !demands.minimum_tcb.contains_key(&product) {
        return SnpOutcome::Failed(format!("the domain names minimum TCBs, and none for a {product}"));
    }
    let unlisted =
        product == SnpProduct::Milan && demands.chips.is_none() && !demands.milan_without_chip_list;
    SnpOutcome::of(!unlisted, || {
        "a milan is accepted only where the domain lists chips, or says milan-without-chip-list".to_owned()
    })
}

fn floor(case: &Case<'_>, raw: [u8; 8], which: fn(&MinimumTcb) -> SnpTcb) -> SnpOutcome {
    let Some(demands) = case.demands.filter(|demands| !demands.minimum_tcb.is_empty()) else {
        return SnpOutcome::NotDemanded;
    };
    let Some(product) = case.product else { return SnpOutcome::NotReached };
    let Some(minimum) = demands.minimum_tcb.get(&product).map(which) else { return SnpOutcome::NotDemanded };
    let Some(tcb) = SnpTcb::parse(product, raw) else { return SnpOutcome::NotReached };
    match tcb.below(minimum) {
        None => SnpOutcome::Passed,
        Some((part, have, need)) => {
            SnpOutcome::Failed(format!("{part} is {have}, the domain asks for {need}"))
        }
    }
}
