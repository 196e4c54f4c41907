//! Reports that say what a domain doesn't want: refused alike, and told apart in the operator's log alone.

use claviger_attest::SnpProduct;
use claviger_attest::fakes::FakeReport;
use claviger_tests::snp_platform::{Shape, SnpPlatform};

use super::World;

/// Refused with exit 6, by this rule in the log and by none in what the peer sees.
#[track_caller]
fn refused(world: &World, rule: &str, change: impl FnOnce(&mut Shape)) {
    let log = world.broker.log();
    let good = std::cell::Cell::new(None);
    world.platform.change(|shape| {
        good.set(Some(shape.clone()));
        change(shape);
    });
    let failure = world.enroll(&world.machine("refused")).run().failed(6);
    failure.is("attestation-refused").says(&["doesn't satisfy this domain", "log"]);
    let told = format!("{} {}", failure.message, failure.next);
    assert!(!told.contains(rule), "{told}");
    let now = world.broker.log();
    let line = now[log.len()..].lines().find(|line| line.contains("evidence is refused")).unwrap().to_owned();
    assert!(line.contains(&format!("by the rule {rule} ")), "{rule}: {line}");
    assert!(line.contains("\"id\":") && line.contains("\"next\":"), "{line}");
    world.platform.change(|shape| *shape = good.into_inner().unwrap());
}

fn report(change: impl FnOnce(&mut FakeReport)) -> impl FnOnce(&mut Shape) {
    |shape| change(&mut shape.report)
}

#[test]
fn t24_t29_what_a_report_must_not_say() {
    let world = World::new();
    world.apply(
        "[sev-snp.minimum-tcb.genoa.reported]\nsnp = 20\n[sev-snp.minimum-tcb.genoa.committed]\nsnp = 24",
    );
    world.enrolled("good");
    refused(&world, "debug", report(|report| report.policy |= 1 << 19));
    refused(&world, "migration-agent", report(|report| report.policy |= 1 << 18));
    refused(&world, "policy-reserved", report(|report| report.policy &= !(1 << 17)));
    refused(&world, "vmpl", report(|report| report.vmpl = 2));
    refused(&world, "alias-check", report(|report| report.platform_info &= !(1 << 5)));
    refused(&world, "report-version", report(|report| report.version = 6));
    // Row 24: an old TCB, reported or committed, and one that its certificate doesn't know.
    let older = |tcb: &mut [u8; 8], snp: u8| tcb[6] = snp;
    refused(&world, "minimum-reported-tcb", report(|report| older(&mut report.reported_tcb, 19)));
    refused(
        &world,
        "minimum-committed-tcb",
        report(|report| {
            older(&mut report.reported_tcb, 23);
            older(&mut report.committed_tcb, 23);
        }),
    );
    refused(&world, "vek-tcb", report(|report| older(&mut report.reported_tcb, 21)));
    refused(&world, "tcb-order", report(|report| older(&mut report.committed_tcb, 25)));
    refused(&world, "chip-id", report(|report| report.chip_id = [1; 64]));
    refused(&world, "report-signature", |shape| shape.forged = true);
    world.enrolled("good-again");
}

#[test]
fn t26_a_root_that_the_domain_does_not_name_counts_nothing() {
    let world = World::new();
    let (value, broker) = (world.platform.measurement(), &world.broker);
    // AMD's roots, and a root of somebody else's.
    let other = SnpPlatform::start(SnpProduct::Genoa);
    let apply = |roots: &str| {
        let text = format!("format = 1\n[[measurement]]\nkind = \"sev-snp\"\nvalue = {value:?}\n{roots}\n");
        let file = broker.file("policy.toml", text);
        broker.admin("policy apply --domain fleet").arg(file).run().ok();
    };
    apply("");
    refused(&world, "root-pinned", |_| {});
    let pem = other.fake().other.public().to_pem();
    let foreign = broker.file("foreign.pem", pem);
    apply(&format!("roots = [{:?}]", foreign.display().to_string()));
    refused(&world, "root-pinned", |_| {});
    apply(&format!("roots = [{:?}]", world.platform.root().display().to_string()));
    world.enrolled("named");
}

#[test]
fn t25_a_milan_is_taken_by_a_list_of_chips_or_a_waiver_alone() {
    let mut world = World::new();
    world.platform = SnpPlatform::start(SnpProduct::Milan);
    world.apply("");
    refused(&world, "product-allowed", |_| {});
    let own = hex::encode([0xc1; 64]);
    world.apply(&format!("[sev-snp]\nchips = [{:?}]", hex::encode([1; 64])));
    refused(&world, "chip", |_| {});
    world.apply(&format!("[sev-snp]\nchips = [{own:?}]"));
    world.enrolled("listed");
    world.apply("[sev-snp]\nmilan-without-chip-list = true");
    world.enrolled("waived");
    world.apply(&format!("[sev-snp]\nmilan-without-chip-list = true\ndenied-chips = [{own:?}]"));
    refused(&world, "chip-denied", |_| {});
    world.apply("[sev-snp]\nproducts = [\"genoa\", \"turin\"]");
    refused(&world, "product-allowed", |_| {});
}

#[test]
fn a_measurement_that_has_expired_is_told_with_its_end_to_the_operator_alone() {
    let world = World::new();
    let entry = world.platform.policy_entry("web") + "expires = \"2026-01-01T00:00:00Z\"\n";
    let file = world.broker.file("policy.toml", format!("format = 1\n{entry}"));
    world.broker.admin("policy apply").arg(file).with("--domain", &world.fleet.name).run().ok();
    let failure = world.enroll(&world.machine("late")).run().failed(6);
    failure.is("attestation-refused");
    let told = format!("{} {}", failure.message, failure.next);
    assert!(!told.contains("2026-01-01"), "{told}");
    let log = world.broker.log();
    let line = log.lines().find(|line| line.contains("evidence is refused")).unwrap();
    assert!(line.contains("expired at 2026-01-01T00:00:00Z") && line.contains("later end"), "{line}");
    let trail = world.broker.admin("audit list --domain").arg(&world.fleet.name).run().ok();
    let records = trail["records"].as_array().unwrap();
    let record = records.iter().find(|record| record["outcome"] == "attestation-refused").unwrap();
    assert!(record["reason"].as_str().unwrap().contains("expired at 2026-01-01"), "{record}");
}
