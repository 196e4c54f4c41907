//! Shares of a split key.

use claviger_proto::Secret;
use claviger_store::StoreId;
use claviger_store::slot::{
    Factor, Gathering, NewSlot, Progress, SlotContext, SlotError, SlotKind, SplitPlan,
};

use super::{Made, context, err, same};

#[test]
fn enough_shares_open_their_slot_whichever_they_are() {
    let made = Made::new();
    let (id, shares) = made.add(&NewSlot::Shares(SplitPlan::new(5, 3).unwrap()));
    assert_eq!(made.read().list()[1].kind, SlotKind::Shamir { needed: 3, shares: 5 });
    for choice in [[0, 1, 2], [4, 2, 0], [1, 3, 4]] {
        let chosen = choice.map(|at: usize| &shares[at]);
        let (gathering, progress) = made.gather(&chosen).unwrap();
        assert_eq!(progress, Progress { have: 3, needed: 3 });
        let opened = made.with(&Factor::Shares(gathering)).unwrap();
        assert!(opened.slot == id && same(&opened.root, &made.root));
    }
    let all: Vec<_> = shares.iter().collect();
    made.with(&Factor::Shares(made.gather(&all).unwrap().0)).unwrap();
    let (two, progress) = made.gather(&all[..2]).unwrap();
    assert_eq!(progress, Progress { have: 2, needed: 3 });
    let told = err(made.with(&Factor::Shares(two)));
    assert!(matches!(told, SlotError::TooFewShares { have: 2, needed: 3 }));
    for (shares, needed) in [(1, 1), (3, 1), (2, 3), (0, 0)] {
        assert!(matches!(SplitPlan::new(shares, needed), Err(SlotError::SplitPlan)));
    }
    SplitPlan::new(255, 255).unwrap();
}

#[test]
fn wrong_foreign_and_repeated_shares_are_told_apart_and_change_nothing() {
    let made = Made::new();
    let other = Made::new();
    let plan = || NewSlot::Shares(SplitPlan::new(3, 2).unwrap());
    let (id, shares) = made.add(&plan());
    let (_, second) = made.add(&plan());
    let (foreign, foreign_shares) = other.add(&plan());
    let (mut gathering, _) = made.gather(&[&shares[0]]).unwrap();
    let slots = made.read();
    let mut add = |share: &Secret| slots.gather(&context(), &mut gathering, share);
    assert!(matches!(err(add(&shares[0])), SlotError::RepeatedShare { number: 1 }));
    let told = err(add(&foreign_shares[1]));
    assert!(matches!(told, SlotError::ForeignShare { number: 2, slot } if slot == foreign), "{told}");
    let told = err(add(&second[1]));
    assert!(matches!(told, SlotError::OtherSlotsShare { number: 2, slot } if slot == id), "{told}");
    // Whole, with a right checksum, of the right slot: and not what was given out.
    let text = |share: &Secret| String::from_utf8(share.expose().to_vec()).unwrap();
    let forged = |number: &str, needed: &str| {
        let part = text(&shares[0]).split('-').nth(6).unwrap().to_owned();
        let counted = format!("claviger-share-1-{id}-{needed}-{number}-{part}");
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, counted.as_bytes());
        Secret::copy_from(format!("{counted}-{}", hex::encode(&digest.as_ref()[..4])).as_bytes())
    };
    for (number, needed) in [("2", "2"), ("4", "2"), ("1", "3")] {
        let told = err(add(&forged(number, needed)));
        assert!(matches!(told, SlotError::WrongShare { .. }) && !told.is_ours(), "{number}: {told}");
    }
    add(&shares[2]).unwrap();
    made.with(&Factor::Shares(gathering)).unwrap();
}

#[test]
fn t30_no_slot_or_share_of_another_store_s_table_is_used() {
    let made = Made::new();
    let (_, shares) = made.add(&NewSlot::Shares(SplitPlan::new(2, 2).unwrap()));
    let other = SlotContext { store: StoreId::from_bytes([8; 16]), ..context() };
    let gathered = made.read().gather(&other, &mut Gathering::default(), &shares[0]);
    assert!(matches!(err(gathered), SlotError::OtherStore { .. }));
    let new = NewSlot::File { path: made.key() };
    assert!(matches!(err(made.read().prepare(&other, &made.root, &new)), SlotError::OtherStore { .. }));
}
