//! Instances of machines on SEV-SNP platforms: rows 38 and 39 of the threat list.

use claviger_attest::{
    AttestError, ChipId, HexBytes, Identified, InstanceDemand, InstanceWay, Issuer, KeyAlgorithm, Moment,
    Proofs, Renews, SigningKey, SnpProduct, SnpRequirements, TrustPolicy, self_signed_policy, sha256,
    verify_agent,
};
use claviger_proto::Secret;
use claviger_proto::evidence::EvidenceUserData;

use crate::support::{Fake, but, changed, lenient, now};

/// The machine under a domain with this demand.
fn identified(fake: &Fake, ways: &[InstanceWay]) -> Result<Identified, AttestError> {
    let attested = fake.verify().unwrap();
    let instance = InstanceDemand::new(ways.to_vec()).unwrap();
    TrustPolicy { references: fake.policy(), instance, ..TrustPolicy::default() }.identify(attested, None)
}

#[track_caller]
fn refused(fake: &Fake, ways: &[InstanceWay]) {
    assert!(matches!(identified(fake, ways), Err(AttestError::NoInstance(_))));
}

fn instance_of(fake: &Fake, ways: &[InstanceWay]) -> Vec<u8> {
    identified(fake, ways).unwrap().instance().unwrap().id().to_vec()
}

#[test]
fn t38_a_ticket_is_shown_as_host_data_or_in_user_data() {
    let ticket = [7; 32];
    let by_host = but(|fake| fake.report.host_data = sha256(&ticket));
    let by_guest = but(|fake| {
        fake.user_data = Some(EvidenceUserData::with_ticket(&Secret::copy_from(&ticket)).to_vec());
    });
    for fake in [&by_host, &by_guest] {
        let machine = identified(fake, &[InstanceWay::Ticket]).unwrap();
        let id = sha256(&sha256(&ticket));
        assert_eq!(machine.spends(), Some(id));
        assert_eq!(machine.instance().unwrap().id(), id);
    }
    // The id is shown to many, and is nobody's ticket.
    let by_id = but(|fake| fake.report.host_data = sha256(&sha256(&ticket)));
    assert_ne!(instance_of(&by_id, &[InstanceWay::Ticket]), sha256(&sha256(&ticket)));
    refused(&but(|fake| fake.report.host_data = [0; 32]), &[InstanceWay::Ticket]);
    // What a host gives is no ticket where the domain demands none.
    assert_eq!(identified(&by_host, &[]).unwrap().instance(), None);
}

#[test]
fn t38_an_id_block_of_another_owner_is_no_instance() {
    let listing = |key: u8| {
        but(|fake| {
            let id_key_digests = Some(vec![HexBytes([key; 48])]);
            fake.demands = SnpRequirements { id_key_digests, ..lenient() };
        })
    };
    let ways = [InstanceWay::IdBlock];
    let own = instance_of(&listing(0x1d), &ways);
    let other = changed(listing(0x1d), |fake| fake.report.image_id[0] ^= 1);
    assert_ne!(instance_of(&other, &ways), own, "the owner gives each machine a block of its own");
    refused(&but(|_| ()), &ways);
    assert!(listing(0x1e).verify().is_err(), "a key that isn't listed");
}

#[test]
fn t25_t38_a_chip_is_an_instance_where_it_is_listed() {
    let ways = [InstanceWay::Chip];
    for product in SnpProduct::ALL {
        let listed = changed(Fake::of(*product, 5), |fake| {
            let chip = ChipId::new(claviger_attest::fakes::FakePlatform::chip_id(*product)).unwrap();
            fake.demands = SnpRequirements { chips: Some(vec![chip]), ..SnpRequirements::default() };
        });
        let chip = claviger_attest::fakes::FakePlatform::chip_id(*product);
        assert_eq!(instance_of(&listed, &ways), sha256(&chip));
        refused(&Fake::of(*product, 5), &ways);
    }
    refused(&Fake::vlek(SnpProduct::Genoa, 5), &ways);
}

#[test]
fn what_the_platform_says_is_in_the_admission_certificate() {
    let fake = but(|fake| fake.report.host_data = [9; 32]);
    let agent = SigningKey::generate(KeyAlgorithm::P256).unwrap();
    let attested = {
        use claviger_attest::{Endorsements, Expected, screen, snp_report_data};
        let binding = crate::support::BINDING;
        assert_eq!(fake.report.report_data, snp_report_data(&binding, None));
        let expected = Expected { binding: &binding, spki: agent.public().spki_der() };
        let screened = screen(crate::support::SUBMITTED, &fake.package(), &fake.policy(), &expected, now());
        let certificates = fake.certificates();
        let endorsements = Endorsements { certificates: &certificates, ..Endorsements::default() };
        screened.unwrap().verify(&endorsements, now()).unwrap()
    };
    let demand = InstanceDemand::new(vec![InstanceWay::Ticket]).unwrap();
    let policy = TrustPolicy { references: fake.policy(), instance: demand, ..TrustPolicy::default() };
    let machine = policy.identify(attested, None).unwrap().labelled(Some("vm-7".to_owned()));
    let domain = "fleet".parse().unwrap();
    let key = SigningKey::generate(KeyAlgorithm::P256).unwrap();
    let certificate = self_signed_policy(&key, &domain, now(), 30).unwrap();
    let issuer = std::sync::Arc::new(Issuer::new(key, certificate.clone(), &domain).unwrap());
    let leaf = issuer.into_admission().admit(&machine, now()).unwrap();
    let peer = verify_agent(&certificate, &domain, &leaf, now()).unwrap();
    assert_eq!((peer.instance(), peer.instance_label()), (Some(&sha256(&[9; 32])[..]), Some("vm-7")));
    let extension = peer.extension().unwrap();
    assert_eq!(extension.chip_id, machine.attested().machine().chip_id);
    assert_eq!(extension.reported_tcb, machine.attested().machine().reported_tcb);
    assert!(extension.chip_id.is_some() && extension.reported_tcb.is_some());
    // Fresh evidence is of the same chip, and shows it.
    let asked = Moment { steady: std::time::Instant::now(), wall: now() };
    let mut proofs = Proofs::default();
    for other in [Fake::vlek(SnpProduct::Genoa, 5), Fake::of(SnpProduct::Turin, 5)] {
        let elsewhere = proofs.prove_fresh(&other.verify().unwrap(), &peer, asked);
        assert!(matches!(elsewhere, Err(AttestError::OtherMachine)), "{elsewhere:?}");
    }
    proofs.prove_fresh(machine.attested(), &peer, asked).unwrap();
    let renews = Renews { peer: &peer, by_ticket: true };
    // A ticket more isn't passed over in silence.
    let ticket = EvidenceUserData::with_ticket(&Secret::copy_from(&[1; 32])).to_vec();
    let brings = but(|fake| fake.user_data = Some(ticket.clone())).verify().unwrap();
    assert!(matches!(policy.identify(brings, Some(renews)), Err(AttestError::Statement { .. })));
    // A renewal keeps it, whatever the host gives by then, and spends nothing.
    let again = but(|fake| fake.report.host_data = [8; 32]).verify().unwrap();
    let renewed = policy.identify(again, Some(renews)).unwrap();
    assert_eq!(renewed.instance().unwrap().id(), sha256(&[9; 32]));
    assert_eq!((renewed.instance().unwrap().label(), renewed.spends()), (Some("vm-7"), None));
}
