//! Proofs take places of their own among the attestors: who asks to be admitted keeps no member out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use claviger_tests::broker::{Broker, Setup};
use claviger_tests::certificate::Authority;
use claviger_tests::fleet::{Fleet, Machine};
use claviger_tests::proving::Prover;

use super::{FRESH, fleet};

/// Which of the two limits have a place taken while members prove one thing after another.
fn taken(
    broker: &Broker,
    (fleet, machine): (&Fleet, &Machine),
    prove: impl Fn(&mut Prover) + Sync,
) -> [bool; 2] {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut prover = Prover::of(broker, fleet, machine);
                while !over.load(Ordering::Relaxed) {
                    prove(&mut prover);
                }
            });
        }
        let (mut taken, end) = ([false; 2], Instant::now() + Duration::from_secs(20));
        while taken == [false; 2] && Instant::now() < end {
            let (_, page) = broker.page("/metrics");
            let places = ["admissions", "proofs"].map(|permit| {
                let none = format!("claviger_permits_in_use{{permit=\"{permit}\"}} 0");
                !page.lines().any(|line| line == none)
            });
            taken = [taken[0] | places[0], taken[1] | places[1]];
        }
        over.store(true, Ordering::Relaxed);
        taken
    })
}

#[test]
fn a_member_s_proof_takes_a_place_of_proofs_and_none_of_admissions() {
    let config = "[limits]\nproofs = 1\nadmissions = 1\n".to_owned();
    let broker = Broker::start_with(Setup { config, ..Setup::default() });
    let (fleet, machine) = fleet(&broker, FRESH);
    let evidence = taken(&broker, (&fleet, &machine), |prover| {
        prover.prove_fresh(&machine);
    });
    assert_eq!(evidence, [false, true], "fresh evidence");
    // Nobody whom the domain knows; it takes an attestor all the same.
    let nobody = Authority::self_signed("ops", false, time::Duration::hours(1)).credentials();
    let signed = taken(&broker, (&fleet, &machine), |prover| {
        let nonce = prover.challenge();
        let body = prover.signed(&[&nobody], nonce);
        prover.channel.request(&body);
    });
    assert_eq!(signed, [false, true], "a principal's signature");
}
