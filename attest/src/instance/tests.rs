//! Which ways lead to an instance, by what evidence claims. (The way of a ticket in user data, and what a renewal
//! keeps, have their tests where machines enrol.)

use super::*;
use crate::kind::sev_snp::SnpRequirements;

fn found(demand: &[InstanceWay], snp: &SnpRequirements, machine: &MachineClaims) -> Option<Instance> {
    instance(&InstanceDemand::new(demand.to_vec()).expect("a demand"), snp, machine)
}

fn block(key: u8) -> IdBlock {
    IdBlock { id_key_digest: [key; 48], author_key_digest: None, family_id: [1; 16], image_id: [2; 16] }
}

/// A machine that has everything.
fn whole() -> MachineClaims {
    MachineClaims {
        ticket: None,
        host_data: Some([3; 32]),
        chip_id: Some([4; 64]),
        id_block: Some(block(5)),
        reported_tcb: None,
    }
}

/// A domain that lists its chip and its ID key.
fn listing() -> SnpRequirements {
    SnpRequirements {
        chips: ChipId::new([4; 64]).map(|chip| vec![chip]),
        id_key_digests: Some(vec![HexBytes([5; 48])]),
        ..SnpRequirements::default()
    }
}

#[test]
fn nothing_that_isn_t_demanded_makes_an_instance_but_a_ticket_does() {
    assert_eq!(found(&[], &listing(), &whole()), None);
    let brings = MachineClaims { ticket: Some([9; 32]), ..whole() };
    for demand in [&[][..], &[InstanceWay::Chip], &[InstanceWay::Ticket]] {
        let instance = found(demand, &listing(), &brings).expect("an instance");
        assert_eq!((instance.id(), instance.spends), (&[9; 32][..], true));
    }
}

#[test]
fn t38_host_data_is_a_ticket_only_where_tickets_are_demanded_and_none_when_it_is_zero() {
    let instance = found(&[InstanceWay::Ticket], &listing(), &whole()).expect("an instance");
    assert_eq!(
        (instance.id(), instance.spends),
        (&sha256(&[3; 32])[..], true),
        "it has to be spent like any other"
    );
    let zero = MachineClaims { host_data: Some([0; 32]), ..whole() };
    assert_eq!(found(&[InstanceWay::Ticket], &listing(), &zero), None);
    let silent = MachineClaims { host_data: None, ..whole() };
    assert_eq!(found(&[InstanceWay::Ticket], &listing(), &silent), None);
}

#[test]
fn t38_a_chip_counts_when_it_is_listed_and_not_denied_and_shown() {
    let way = [InstanceWay::Chip];
    let instance = found(&way, &listing(), &whole()).expect("an instance");
    assert_eq!((instance.id(), instance.spends), (&sha256(&[4; 64])[..], false));
    let other = MachineClaims { chip_id: Some([8; 64]), ..whole() };
    let hidden = MachineClaims { chip_id: Some([0; 64]), ..whole() };
    let silent = MachineClaims { chip_id: None, ..whole() };
    for machine in [other, hidden, silent] {
        assert_eq!(found(&way, &listing(), &machine), None);
    }
    assert_eq!(found(&way, &SnpRequirements::default(), &whole()), None, "no list is no leave");
    let denied = SnpRequirements { denied_chips: listing().chips.expect("chips"), ..listing() };
    assert_eq!(found(&way, &denied, &whole()), None);
}

#[test]
fn t38_an_id_block_counts_under_a_listed_key_and_every_word_of_it_is_in_the_instance() {
    let way = [InstanceWay::IdBlock];
    let instance = found(&way, &listing(), &whole()).expect("an instance");
    assert_eq!((instance.id(), instance.spends), (&block(5).instance()[..], false));
    let foreign = MachineClaims { id_block: Some(block(6)), ..whole() };
    let without = MachineClaims { id_block: None, ..whole() };
    for machine in [foreign, without] {
        assert_eq!(found(&way, &listing(), &machine), None);
    }
    assert_eq!(found(&way, &SnpRequirements::default(), &whole()), None);
    let others = [
        block(6),
        IdBlock { family_id: [9; 16], ..block(5) },
        IdBlock { image_id: [9; 16], ..block(5) },
        IdBlock { family_id: [2; 16], image_id: [1; 16], ..block(5) },
    ];
    for other in others {
        assert_ne!(other.instance(), block(5).instance());
    }
}

#[test]
fn of_several_ways_the_first_that_fits_is_taken() {
    let ways = [InstanceWay::IdBlock, InstanceWay::Chip];
    assert_eq!(found(&ways, &listing(), &whole()).expect("one").id(), block(5).instance());
    let without = MachineClaims { id_block: None, ..whole() };
    assert_eq!(found(&ways, &listing(), &without).expect("one").id(), sha256(&[4; 64]));
}

#[test]
fn a_label_is_never_in_the_form_of_an_id() {
    for label in ["vm-7", "a", &"x".repeat(64), &"ab".repeat(31)] {
        assert!(is_instance_label(label), "{label}");
    }
    for label in ["", "a b", "a/b", "{instance}", &"x".repeat(65), &"ab".repeat(32), &"AB".repeat(32)] {
        assert!(!is_instance_label(label), "{label}");
    }
}

#[test]
fn user_data_carries_a_whole_ticket_or_none() {
    let with = |ticket: &[u8]| EvidenceUserData { ticket: Some(ticket.to_vec()) }.encode_to_vec();
    assert_eq!(ticket_of(&with(&[7; 32])), Ok(Some(sha256(&sha256(&[7; 32])))));
    assert_eq!(ticket_of(&[]), Ok(None));
    for bad in [with(&[7; 31]), with(&[7; 33]), with(&[]), vec![0xff; 3], vec![0; MAX_USER_DATA + 1]] {
        assert!(ticket_of(&bad).is_err());
    }
}

#[test]
fn t39_a_renewal_shows_the_chip_or_block_of_its_certificate_where_the_domain_demands_one() {
    use InstanceWay::{Chip, IdBlock, Ticket};
    let shows = |ways: &[InstanceWay], machine: &MachineClaims, kept: [u8; 32]| {
        let demand = InstanceDemand::new(ways.to_vec()).expect("a demand");
        still_shows(&demand, &listing(), machine, &Instance::known(kept))
    };
    let (chip, block) = (sha256(&[4; 64]), block(5).instance());
    for (ways, kept) in [(&[Chip][..], chip), (&[IdBlock], block), (&[IdBlock, Chip], chip)] {
        assert!(shows(ways, &whole(), kept), "{ways:?}");
        assert!(!shows(ways, &whole(), [9; 32]), "{ways:?}");
        let mixed: Vec<_> = [Ticket].iter().chain(ways).copied().collect();
        assert!(!shows(&mixed, &whole(), ticket_id(&[3; 32])), "host data makes nobody a ticket's instance");
        let elsewhere = MachineClaims { chip_id: Some([8; 64]), id_block: None, ..whole() };
        assert!(!shows(ways, &elsewhere, kept), "{ways:?}");
    }
    for ways in [&[][..], &[Ticket]] {
        assert!(shows(ways, &whole(), [9; 32]), "nothing that lasts is demanded");
    }
}
