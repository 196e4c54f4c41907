//! Verification of SEV-SNP reports: AMD's own, where they are, and fakes that are signed anew after each change.
#![allow(clippy::unwrap_used, reason = "a test that can't go on is to fail")]
#![allow(clippy::print_stdout, reason = "who runs it is told what was left out")]

use claviger_attest::SnpRule;

/// Tests that each break one rule and nothing else: a good fake, what is changed, and the rule that must refuse.
macro_rules! breaks {
    ($($name:ident: $rule:ident, $base:expr => $change:expr;)*) => {
        $(
            #[test]
            fn $name() {
                let base = || $base;
                crate::support::changed(base(), |_| ()).accepted();
                crate::support::changed(base(), $change).refused_by(claviger_attest::SnpRule::$rule);
            }
        )*
        /// The rules that tests here break.
        pub(crate) const BROKEN: &[claviger_attest::SnpRule] = &[$(claviger_attest::SnpRule::$rule),*];
    };
}

mod chain;
mod extensions;
mod flips;
mod form;
mod genuine;
mod good;
mod instances;
mod package;
mod policy;
mod revocation;
mod support;
mod table;

#[test]
fn every_rule_has_a_test_that_breaks_it() {
    // These three are refused before there is a report to change, or without saying more.
    let elsewhere = [SnpRule::ReportLength, SnpRule::ReportVersion, SnpRule::Measurement];
    let broken = [form::BROKEN, policy::BROKEN, chain::BROKEN, extensions::BROKEN, &elsewhere].concat();
    let missing: Vec<_> = SnpRule::ALL.iter().filter(|rule| !broken.contains(rule)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn rules_have_names_of_their_own() {
    let mut codes: Vec<_> = SnpRule::ALL.iter().map(|rule| rule.code()).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), SnpRule::ALL.len());
    for rule in SnpRule::ALL {
        assert!(rule.code().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
        assert!(rule.next().len() > 20 && !rule.next().ends_with('.'), "{rule}");
        assert!(!rule.text().is_empty() && rule.source().chars().any(|c| c.is_ascii_digit()), "{rule}");
    }
}

#[test]
fn every_rule_is_documented_as_it_is() {
    let book = include_str!("../../../docs/attestation.md");
    for rule in SnpRule::ALL {
        let row = format!("| `{rule}` | {} | {} |", rule.text(), rule.source());
        assert!(book.contains(&row), "docs/attestation.md lacks the row:\n{row}");
    }
}
