//! `key-client trace` with something to prove: on its own channel, and told apart from what the rules say of it.

use std::path::Path;

use claviger_tests::broker::Broker;
use claviger_tests::certificate::{Authority, pem};
use claviger_tests::channel::Credentials;
use claviger_tests::fleet::{Fleet, Machine, store};
use claviger_tests::programs::Call;
use time::Duration;

use super::{details, fails_at, outcomes, start, trace, trace_admission};

fn rules(broker: &Broker, rules: &str) {
    broker.admin("acl rules set --domain fleet -").stdin(rules.as_bytes()).run().ok();
}

/// A trace to a disk that there is.
fn disk(broker: &Broker, machine: &Machine) -> Call {
    trace(broker.listen, &machine.state).arg("disks/a")
}

/// Which proofs of this kind the broker judged so, since it runs.
#[track_caller]
fn counted(broker: &Broker, kind: &str, result: &str, times: u32) {
    let (_, page) = broker.page("/metrics");
    let line = format!("claviger_proofs_total{{kind=\"{kind}\",result=\"{result}\"}} {times}\n");
    assert!(page.contains(&line), "{line} in\n{page}");
}

#[test]
fn t40_freshness_is_proven_on_the_trace_s_own_channel() {
    let (broker, fleet, machine) = start("members");
    store(&broker, &machine.state, "a", b"secret").run().ok();
    let evidence = |machine: &Machine| format!("simulated-enclave:{}", machine.platform.display());
    let with =
        |from: &Machine| trace(broker.listen, &machine.state).arg("a").with("--evidence", evidence(from));
    let run = with(&machine).run();
    let all = outcomes(&run);
    assert!(all.iter().all(|(_, outcome)| outcome == "ok"), "{run}");
    assert_eq!(all[8].0, "proof");
    counted(&broker, "freshness", "ok", 1);
    let stranger = fleet.machine("stranger");
    fails_at(&with(&stranger).run(), "proof", 6, "attestation-refused", &[]);
    let admission = trace_admission(broker.admission, &fleet).with("--evidence", evidence(&machine));
    admission.run().failed(2).is("usage").says(&["--broker"]);
}

/// Shows a disk only to who has proven what `unless` asks for.
fn guarded(unless: &str) -> (Broker, Fleet, Machine) {
    let (broker, fleet, machine) = start("members");
    store(&broker, &machine.state, "disks/a", b"secret").run().ok();
    rules(&broker, &format!("p, member, fleet, disks/**, versions, deny, unless {unless}\n"));
    (broker, fleet, machine)
}

#[test]
fn t41_a_request_under_a_rule_of_freshness_is_answered_to_who_has_proven_it() {
    let (broker, _fleet, machine) = guarded("fresh-within 5m");
    // What the rule asks for isn't tried by itself, and is named.
    fails_at(&disk(&broker, &machine).run(), "request", 3, "proof-needed", &["fresh evidence", "--evidence"]);
    counted(&broker, "freshness", "ok", 0);
    let fresh = disk(&broker, &machine)
        .with("--evidence", format!("simulated-enclave:{}", machine.platform.display()));
    let run = fresh.run();
    let told = run.ok();
    assert!(outcomes(&run).iter().all(|(_, outcome)| outcome == "ok"), "{run}");
    assert_eq!(details(&told, "proof")["proven"], "fresh evidence");
    assert_eq!(details(&told, "request")["name"], "disks/a");
    // Once for the step, and not again for the rule, which it is fresh enough for.
    counted(&broker, "freshness", "ok", 1);
}

/// A principal's files, for `--credentials` and `--credentials-key`.
fn as_principal(broker: &Broker, call: Call, chain: &Credentials, key: &Credentials) -> Call {
    let chain = broker.file("principal.pem", pem("CERTIFICATE", &chain.certificate));
    let key = broker.file("principal.key", pem("PRIVATE KEY", &key.key));
    call.with("--credentials", chain).with("--credentials-key", key)
}

#[test]
fn t40_a_principal_is_proven_on_the_trace_s_own_channel_and_a_wrong_one_told() {
    let (broker, fleet, machine) = guarded("principal ops");
    let staff = Authority::self_signed("staff", true, Duration::hours(1));
    let authority = broker.file("staff.pem", pem("CERTIFICATE", &staff.certificate));
    for name in ["ops", "night"] {
        let add = broker.admin("principal add --domain fleet").arg(name);
        add.with("--certificate", &authority).run().ok();
    }
    let issued = |name: &str| staff.issue_to(name, Duration::hours(1));
    let with = |own: &Credentials| as_principal(&broker, disk(&broker, &machine), own, own);
    fails_at(&disk(&broker, &machine).run(), "request", 3, "proof-needed", &["principal", "--credentials"]);
    let ops = issued("ops");
    let run = with(&ops).run();
    assert_eq!(details(&run.ok(), "proof")["proven"], "a principal", "{run}");
    assert!(outcomes(&run).iter().all(|(_, outcome)| outcome == "ok"), "{run}");
    counted(&broker, "principal", "ok", 1);
    // One that the domain knows, and not who the rule asks for: proven, asked for once more by the rule, and refused.
    fails_at(&with(&issued("night")).run(), "request", 3, "proof-needed", &["another principal"]);
    counted(&broker, "principal", "ok", 3);
    // One that the domain doesn't know, and one that ended, are told at the proof.
    fails_at(&with(&issued("stranger")).run(), "proof", 3, "refused", &["principal"]);
    fails_at(&with(&staff.issue_to("ops", -Duration::MINUTE)).run(), "proof", 3, "refused", &["principal"]);
    counted(&broker, "principal", "refused", 2);
    // Somebody else's key, and no file: nothing is connected for them.
    let other = as_principal(&broker, disk(&broker, &machine), &ops, &issued("ops"));
    other.run().failed(3).is("refused").says(&["principal.pem", "certificate's"]);
    let absent = with(&ops).with("--credentials", Path::new("absent.pem"));
    absent.run().failed(2);
    let admission = as_principal(&broker, trace_admission(broker.admission, &fleet), &ops, &ops);
    admission.run().failed(2).is("usage").says(&["--broker"]);
}

#[test]
fn both_are_proven_for_one_rule_that_asks_for_both() {
    let (broker, fleet, machine) = guarded("principal ops and fresh-within 1m");
    let ops = Authority::self_signed("ops", false, Duration::hours(1));
    let known = broker.file("ops.pem", pem("CERTIFICATE", &ops.certificate));
    broker.admin("principal add --domain fleet ops").with("--certificate", known).run().ok();
    let own = ops.credentials();
    let evidence = format!("simulated-enclave:{}", machine.platform.display());
    let run = as_principal(&broker, disk(&broker, &machine), &own, &own).with("--evidence", &evidence).run();
    assert_eq!(details(&run.ok(), "proof")["proven"], "a principal and fresh evidence", "{run}");
    // All that is given is proven before anything is asked for.
    let stranger = format!("simulated-enclave:{}", fleet.machine("stranger").platform.display());
    let foreign = as_principal(&broker, disk(&broker, &machine), &own, &own).with("--evidence", stranger);
    fails_at(&foreign.run(), "proof", 6, "attestation-refused", &[]);
    let half = disk(&broker, &machine).with("--evidence", evidence).run();
    fails_at(&half, "request", 3, "proof-needed", &["principal", "--credentials"]);
}
