//! From the root to the key that signs reports: read first, then verified.

use std::sync::Arc;

use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED, ParsedPublicKey};
use claviger_proto::key::KeyKind;

use super::certs::{Certificate, Class, Dates};
use super::crl::Crl;
use super::material::Material;
use super::product::SnpProduct;
use super::report::{SnpReport, SnpSigner};
use super::revocation::{self, SnpRevocationList};
use super::roots::{Root, Roots};
use super::rules::{Broken, Judge, SnpOutcome, SnpRule};
use super::vek::VekFacts;

/// Most ASKs of one name that are tried.
const MAX_INTERMEDIATES: usize = 3;

/// A chain that reads; its names fit together, and no signature is verified.
pub(super) struct Unverified {
    vek: Certificate,
    pub(super) facts: VekFacts,
    intermediates: Vec<Certificate>,
    roots: Vec<Root>,
    /// The dates of the ARKs that came.
    ark_dates: Option<Dates>,
    crls: Vec<Crl>,
    lists: Vec<SnpRevocationList>,
}

/// A chain whose every signature holds. It says until when; that is looked at each time.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) facts: VekFacts,
    pub(super) dates: Vec<(&'static str, Dates)>,
    /// Of all the revocation lists that it was held against.
    list_dates: Option<Dates>,
    key: ParsedPublicKey,
}

/// Reads what came. `None`, with a thorough judge, where a rule failed that all the others need.
pub(super) fn read(
    material: &Material,
    roots: &Roots,
    report: &SnpReport,
    judge: &mut Judge,
) -> Result<Option<Unverified>, Broken> {
    let Some(signer) = report.signer() else { return Ok(None) };
    let parsed: Vec<_> = material.certificates.iter().map(|der| Certificate::parse(der)).collect();
    let Some(vek) = judge.value(SnpRule::VekPresent, pick_vek(&parsed, signer, report))? else {
        return Ok(None);
    };
    let Some(()) = judge.value(SnpRule::VekForm, check_vek(&vek, signer))? else { return Ok(None) };
    let Some(facts) = judge.value(SnpRule::VekExtensions, VekFacts::of(&vek, signer))? else {
        return Ok(None);
    };
    let known = parsed.iter().flatten();
    let intermediates = pick_intermediates(known.clone(), roots, &vek, signer, facts.product);
    let Some(intermediates) = judge.value(SnpRule::IntermediateForm, intermediates)? else {
        return Ok(None);
    };
    let product = facts.product;
    let arks: Vec<_> = known.filter(|certificate| certificate.class == Class::Ark(product)).collect();
    if roots.is_none() {
        // The domain names none for a report like this one: the rule vmpl has said so.
        judge.rule(SnpRule::RootPinned, SnpOutcome::NotReached)?;
        return Ok(None);
    }
    let Some(roots) = judge.value(SnpRule::RootPinned, pick_roots(&arks, roots, &intermediates, product))?
    else {
        return Ok(None);
    };
    let crls = material.crls.iter().map(|der| Crl::parse(der)).collect::<Result<Vec<_>, _>>();
    let crls = match crls {
        Ok(crls) => crls,
        Err(why) => {
            judge.rule(SnpRule::Revocation, SnpOutcome::Failed(why.to_owned()))?;
            return Ok(None);
        }
    };
    let ark_dates = arks.iter().map(|ark| ark.dates).reduce(narrower);
    let lists = material.lists.clone();
    Ok(Some(Unverified { vek, facts, intermediates, roots, ark_dates, crls, lists }))
}

/// The VEK that fits the report, if one does; else the first of its kind, to say what is wrong with it.
fn pick_vek(
    parsed: &[Result<Certificate, &'static str>],
    signer: SnpSigner,
    report: &SnpReport,
) -> Result<Certificate, String> {
    let fits = |vek: &&&Certificate| {
        VekFacts::of(vek, signer).is_ok_and(|facts| {
            facts.tcb.to_bytes(facts.product) == report.reported_tcb()
                && (facts.chip.is_none() || report.chip_id().is_none() || facts.chip == report.chip_id())
        })
    };
    let veks: Vec<_> = parsed.iter().flatten().filter(|one| one.class == Class::Vek(signer)).collect();
    match (veks.iter().find(fits).or(veks.first()), parsed.iter().find_map(|one| one.as_ref().err())) {
        (Some(vek), _) => Ok((*vek).clone()),
        (None, Some(why)) => Err(format!("one that came can't be read: {why}")),
        (None, None) => Err(match signer {
            SnpSigner::Vcek => "it neither came nor was found",
            SnpSigner::Vlek => {
                "a VLEK's didn't come, and no service gives it to others than its cloud provider"
            }
        }
        .to_owned()),
    }
}

fn check_vek(vek: &Certificate, signer: SnpSigner) -> Result<(), String> {
    if !vek.has_key(KeyKind::P384) {
        return Err("its key isn't one of P-384".to_owned());
    }
    match vek.issuer_class {
        Class::Intermediate(kind, _) if kind == signer => Ok(()),
        _ => Err("its issuer's name isn't that of an ASK (for a VCEK) or an ASVK (for a VLEK)".to_owned()),
    }
}

fn pick_intermediates<'a>(
    came: impl Iterator<Item = &'a Certificate>,
    roots: &Roots,
    vek: &Certificate,
    signer: SnpSigner,
    product: SnpProduct,
) -> Result<Vec<Certificate>, String> {
    let known = roots.ask(product).filter(|_| signer == SnpSigner::Vcek);
    let known = known.map(|der| Certificate::parse(der).expect("AMD's certificates are well-formed"));
    let candidates = known.into_iter().chain(came.cloned());
    let named: Vec<_> = candidates.filter(|one| one.subject == vek.issuer).take(MAX_INTERMEDIATES).collect();
    let mut first = match signer {
        SnpSigner::Vcek => "it neither came nor was found".to_owned(),
        SnpSigner::Vlek => "the ASVK neither came nor lies in a folder".to_owned(),
    };
    let check = |one: &Certificate| {
        one.check_authority()?;
        match (one.class, one.issuer_class) {
            _ if !one.has_key(KeyKind::Rsa4096) => Err("its key isn't RSA-4096"),
            (Class::Intermediate(kind, line), Class::Ark(root)) if kind == signer && line == root => Ok(()),
            _ => Err("its names aren't those of an ASK or ASVK under its product's ARK"),
        }
    };
    let good = named.into_iter().filter(|one| match check(one) {
        Ok(()) => true,
        Err(why) => {
            why.clone_into(&mut first);
            false
        }
    });
    let good: Vec<_> = good.collect();
    if good.is_empty() { Err(first) } else { Ok(good) }
}

fn pick_roots(
    arks: &[&Certificate],
    roots: &Roots,
    intermediates: &[Certificate],
    product: SnpProduct,
) -> Result<Vec<Root>, String> {
    let roots = roots.of(product);
    if let Some(other) = arks.iter().find(|ark| roots.iter().all(|root| root.spki != ark.spki)) {
        return Err(format!(
            "the ARK that came has another key, {}",
            hex::encode(crate::sha256(&other.spki))
        ));
    }
    let issued = |root: &Root| {
        root.certificate.is_none_or(|ark| intermediates.iter().any(|one| one.issuer == ark.subject))
    };
    let roots: Vec<_> = roots.into_iter().filter(issued).collect();
    if roots.is_empty() { Err(format!("no {product}'s root issued it")) } else { Ok(roots) }
}

fn narrower(a: Dates, b: Dates) -> Dates {
    (a.0.max(b.0), a.1.min(b.1))
}

impl Unverified {
    /// Whether the names are of one product, and of the report's.
    pub(super) fn product_outcome(&self, product: Option<SnpProduct>) -> SnpOutcome {
        let named = self
            .intermediates
            .iter()
            .all(|one| matches!(one.class, Class::Intermediate(_, line) if line == self.facts.product));
        let found = self.facts.product;
        SnpOutcome::of(named && product == Some(found), || match product {
            Some(product) if product != found => format!("the VEK is a {found}'s, the report a {product}'s"),
            _ => "the VEK's productName and its issuer's name are of two products".to_owned(),
        })
    }

    /// Whether all are within their dates now. Intermediates that aren't are left out, if one is.
    pub(super) fn keep_dates(&mut self, now: i64) -> SnpOutcome {
        let outcome = dates_outcome("VEK", self.vek.dates, now);
        if outcome != SnpOutcome::Passed {
            return outcome;
        }
        let root =
            self.roots.iter().filter_map(|root| root.certificate).map(|ark| ark.dates).reduce(narrower);
        let root = root.into_iter().chain(self.ark_dates).map(|dates| dates_outcome("ARK", dates, now));
        if let Some(failed) = root.into_iter().find(|outcome| *outcome != SnpOutcome::Passed) {
            return failed;
        }
        let last = self.intermediates.first().map(|one| dates_outcome("ASK or ASVK", one.dates, now));
        self.intermediates.retain(|one| within(one.dates, now));
        if self.intermediates.is_empty() {
            last.unwrap_or(SnpOutcome::NotReached)
        } else {
            SnpOutcome::Passed
        }
    }

    /// Verifies all signatures but the report's: the list's, the ASK's or ASVK's, the VEK's.
    pub(super) fn verify(self, now: i64, judge: &mut Judge) -> Result<Option<Arc<Chain>>, Broken> {
        let signed_by = |one: &Certificate| self.roots.iter().find(|root| one.signed_by(&root.spki)).cloned();
        let found: Vec<_> =
            self.intermediates.iter().filter_map(|one| Some((one, signed_by(one)?))).collect();
        let none = || "no root that counts signed it".to_owned();
        let first = found.first().ok_or_else(none);
        let Some((intermediate, root)) = judge.value(SnpRule::IntermediateSignature, first)? else {
            return Ok(None);
        };
        let signer = found.iter().find(|(one, _)| self.vek.signed_by(&one.spki));
        let signer = signer.ok_or_else(|| "another key signed it, or it was altered".to_owned());
        let signer = judge.value(SnpRule::VekSignature, signer)?;
        let (intermediate, root) = signer.map_or((*intermediate, root), |(one, root)| (*one, root));
        let (list_dates, outcome) = match self.revocation(intermediate, root, now) {
            Ok(None) => (None, SnpOutcome::NotDemanded),
            Ok(dates) => (dates, SnpOutcome::Passed),
            Err(why) => (None, SnpOutcome::Failed(why)),
        };
        let revoked = matches!(outcome, SnpOutcome::Failed(_));
        judge.rule(SnpRule::Revocation, outcome)?;
        if revoked || signer.is_none() {
            return Ok(None);
        }
        let Ok(key) = ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, &self.vek.key) else {
            judge.rule(SnpRule::VekForm, SnpOutcome::Failed("its key is no point of P-384".to_owned()))?;
            return Ok(None);
        };
        let mut dates = vec![("VEK", self.vek.dates), ("ASK or ASVK", intermediate.dates)];
        dates.extend(root.certificate.map(|ark| ("ARK", ark.dates)));
        dates.extend(self.ark_dates.map(|ark| ("ARK", ark)));
        Ok(Some(Arc::new(Chain { facts: self.facts, dates, list_dates, key })))
    }

    /// The dates of the lists of this ARK's, or `None` where no list of its is there. What a list speaks of is
    /// what the ARK issued (and, where it has a number of its own, the VEK: AMD numbers them all 0). Lists that came are
    /// known by their name, and the ARK must have signed them; the verifier's own are known by the key that did.
    fn revocation(&self, intermediate: &Certificate, root: &Root, now: i64) -> Result<Option<Dates>, String> {
        let ark = root.certificate.map(|ark| ark.serial.as_slice());
        let vek = Some(self.vek.serial.as_slice()).filter(|serial| !serial.is_empty());
        let serials: Vec<_> =
            [Some(intermediate.serial.as_slice()), ark, vek].into_iter().flatten().collect();
        let mut dates: Option<Dates> = None;
        let mut add = |list: Dates| dates = Some(dates.map_or(list, |dates| narrower(dates, list)));
        for list in self.crls.iter().filter(|list| list.issuer == intermediate.issuer) {
            if !list.signed_by(&root.spki) {
                return Err("the ARK didn't sign the list".to_owned());
            }
            add(revocation::check(list, &serials, now)?);
        }
        for list in self.lists.iter().filter(|list| list.is_of(&root.spki)) {
            add(list.check(&serials, now)?);
        }
        Ok(dates)
    }
}

impl Chain {
    /// Whether everything is within its dates now.
    pub(super) fn dates_outcome(&self, now: i64) -> SnpOutcome {
        let outcomes = self.dates.iter().map(|(what, dates)| dates_outcome(what, *dates, now));
        outcomes.into_iter().find(|outcome| *outcome != SnpOutcome::Passed).unwrap_or(SnpOutcome::Passed)
    }

    /// Whether the lists that it was held against count now.
    pub(super) fn revocation_outcome(&self, now: i64) -> SnpOutcome {
        match self.list_dates.map(|dates| revocation::outcome_of_dates(dates, now)) {
            None => SnpOutcome::NotDemanded,
            Some(Ok(())) => SnpOutcome::Passed,
            Some(Err(why)) => SnpOutcome::Failed(why),
        }
    }

    /// Whether the VEK signed the report: its raw bytes, as they came.
    pub(super) fn signed(&self, report: &SnpReport) -> SnpOutcome {
        let signed = self.key.verify_sig(report.signed(), &report.signature()).is_ok();
        SnpOutcome::of(signed, || "another key signed it, or it was altered".to_owned())
    }
}

fn within((from, until): Dates, now: i64) -> bool {
    from <= now && now <= until
}

fn dates_outcome(what: &str, dates: Dates, now: i64) -> SnpOutcome {
    SnpOutcome::of(within(dates, now), || {
        let state = if now < dates.0 { "isn't valid yet" } else { "has expired" };
        format!("the {what} {state}")
    })
}
