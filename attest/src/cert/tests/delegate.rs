//! Delegated issuers and what comes by them, each time with one thing broken.

use super::*;
use crate::cert::delegate::{CHAIN, CRITICAL, LEAF_DATES, LEAF_ROLE, LIFE, PATH, ROLE, USAGE};
use crate::cert::extension::ISSUER;
use crate::cert::{DELEGATION_DAYS, IssuerCertificate, verify_agent_chain, verify_pinned};
use crate::error::IssueError;
use crate::revocation::{Revocation, Revocations, Revoked};

static KEY: LazyLock<SigningKey> = LazyLock::new(new_key);

/// The parts of a good delegated issuer.
struct Delegate {
    constraints: Vec<u8>,
    usage: Vec<u8>,
    said: Vec<u8>,
    more: Vec<Vec<u8>>,
    validity: (u64, u64),
}

impl Delegate {
    fn good() -> Self {
        Self {
            constraints: template::authority_without_others(),
            usage: template::key_usage(template::KEY_CERT_SIGN),
            said: admission(ISSUER),
            more: Vec::new(),
            validity: (NOW - 2 * DAY, NOW + 5 * DAY),
        }
    }

    fn name() -> Vec<u8> {
        template::name(&[(template::COMMON_NAME, "the delegate")])
    }

    fn sign(self) -> Vec<u8> {
        self.sign_by(&WORLD.policy_key)
    }

    fn sign_by(self, key: &SigningKey) -> Vec<u8> {
        let mut extensions = vec![self.constraints, self.usage, self.said];
        extensions.extend(self.more);
        extensions.retain(|extension| !extension.is_empty());
        let template = Template {
            issuer: WORLD.policy.subject_der(),
            subject: &Self::name(),
            spki: KEY.public().spki_der(),
            validity: self.validity,
            extensions: &extensions,
        };
        template.sign(key).expect("a signed fake")
    }
}

/// A leaf under the delegate.
fn under(fake: &Fake) -> Vec<u8> {
    let template = Template {
        issuer: &Delegate::name(),
        subject: &fake.subject,
        spki: WORLD.machine.public().spki_der(),
        validity: fake.validity,
        extensions: &fake.extensions,
    };
    template.sign(&KEY).expect("a signed fake")
}

fn verify_at(leaf: &[u8], between: &[Vec<u8>], now: u64) -> Result<Peer, CertificateError> {
    verify_agent_chain(&WORLD.policy, &domain(), leaf, between, at(now))
}

fn fault_of(delegate: Delegate) -> CertificateError {
    verify_at(&under(&agent()), &[delegate.sign()], NOW).expect_err("refused")
}

#[test]
fn an_agent_that_came_by_an_issuer_is_a_member_and_says_by_which() {
    let issuer = Delegate::good().sign();
    let peer = verify_at(&under(&agent()), std::slice::from_ref(&issuer), NOW).expect("a member");
    assert_eq!(peer.issuer().map(IssuerCertificate::der), Some(issuer.as_slice()));
    let direct = verify_at(&agent().sign(), &[issuer], NOW).expect("a member");
    assert!(direct.issuer().is_none(), "what the policy certificate issued needs nothing between");
}

#[test]
fn what_comes_by_an_issuer_comes_with_exactly_that() {
    let (leaf, issuer) = (under(&agent()), Delegate::good().sign());
    assert_eq!(verify_at(&leaf, &[], NOW).expect_err("alone"), CertificateError::Foreign);
    let two = [issuer.clone(), issuer.clone()];
    assert_eq!(verify_at(&leaf, &two, NOW).expect_err("two"), CertificateError::Delegation(CHAIN));
    let mut other = Delegate::good();
    other.validity.1 -= 1;
    let other = IssuerCertificate::read(&WORLD.policy, &other.sign()).expect("good as well");
    assert!(verify_at(&leaf, &[other.der().to_vec()], NOW).is_ok(), "the same key's");
    let foreign = verify_at(&leaf, &[Delegate::good().sign_by(&new_key())], NOW);
    assert_eq!(foreign.expect_err("another signed it"), CertificateError::Foreign);
    let self_signed = verify_at(&leaf, &[Delegate::good().sign_by(&KEY)], NOW);
    assert_eq!(self_signed.expect_err("it signed itself"), CertificateError::Foreign);
}

#[test]
fn an_issuer_is_an_authority_with_none_below_it() {
    let fault = CertificateError::Delegation(PATH);
    assert_eq!(
        fault_of(Delegate { constraints: template::basic_constraints(true), ..Delegate::good() }),
        fault
    );
    assert_eq!(
        fault_of(Delegate { constraints: template::basic_constraints(false), ..Delegate::good() }),
        fault
    );
    assert_eq!(fault_of(Delegate { constraints: Vec::new(), ..Delegate::good() }), fault);
    let value = |path| tlv(der::SEQUENCE, &[&[der::BOOLEAN, 1, 0xff, der::INTEGER, 1, path]]);
    let longer = template::extension(template::BASIC_CONSTRAINTS, true, &value(1));
    assert_eq!(fault_of(Delegate { constraints: longer, ..Delegate::good() }), fault);
    let not_critical = template::extension(template::BASIC_CONSTRAINTS, false, &value(0));
    assert_eq!(fault_of(Delegate { constraints: not_critical, ..Delegate::good() }), fault);
}

#[test]
fn an_issuers_key_signs_certificates_and_nothing_else() {
    let fault = CertificateError::Delegation(USAGE);
    let bits = template::DIGITAL_SIGNATURE | template::KEY_CERT_SIGN;
    let more = |bits| Delegate { usage: template::key_usage(bits), ..Delegate::good() };
    assert_eq!(fault_of(more(bits)), fault);
    assert_eq!(fault_of(more(template::DIGITAL_SIGNATURE)), fault);
    assert_eq!(fault_of(more(template::KEY_CERT_SIGN | template::CRL_SIGN)), fault);
    assert_eq!(fault_of(Delegate { usage: Vec::new(), ..Delegate::good() }), fault);
    let value = tlv(der::BIT_STRING, &[&[2, template::KEY_CERT_SIGN]]);
    let not_critical = template::extension(template::KEY_USAGE, false, &value);
    assert_eq!(fault_of(Delegate { usage: not_critical, ..Delegate::good() }), fault);
}

#[test]
fn an_issuer_says_that_it_is_one_and_nothing_critical_besides() {
    let fault = CertificateError::Delegation(ROLE);
    assert_eq!(fault_of(Delegate { said: Vec::new(), ..Delegate::good() }), fault);
    for role in [Role::Agent, Role::Broker] {
        let said = admission(&AdmissionExtension::new(role).encode());
        assert_eq!(fault_of(Delegate { said, ..Delegate::good() }), fault);
    }
    let critical = template::extension(template::EXTENDED_KEY_USAGE, true, &[0x30, 0]);
    let fault = CertificateError::Delegation(CRITICAL);
    assert_eq!(fault_of(Delegate { more: vec![critical], ..Delegate::good() }), fault);
}

#[test]
fn an_issuer_of_more_than_30_days_is_refused_and_one_of_30_is_not() {
    let from = NOW - DAY;
    let lasting = |seconds| Delegate { validity: (from, from + seconds), ..Delegate::good() };
    assert_eq!(fault_of(lasting(30 * DAY + 1)), CertificateError::Delegation(LIFE));
    assert!(verify_at(&under(&agent()), &[lasting(30 * DAY).sign()], NOW).is_ok());
}

#[test]
fn dates_of_issuer_and_leaf_count_at_each_request() {
    let (leaf, issuer) = (under(&agent()), Delegate::good().sign());
    let verify = |now| verify_at(&leaf, std::slice::from_ref(&issuer), now).map(drop);
    assert_eq!(verify(NOW - 2 * DAY - 1), Err(CertificateError::IssuerNotYetValid));
    assert_eq!(verify(NOW + DAY + 1), Err(CertificateError::Expired));
    assert_eq!(verify(NOW + 5 * DAY + 1), Err(CertificateError::IssuerExpired));
    assert_eq!(verify(NOW + 10 * DAY + 1), Err(CertificateError::PolicyExpired));
    let issuer = IssuerCertificate::read(&WORLD.policy, &issuer).expect("good");
    // A leaf whose own dates say nothing about it.
    let mut peer = verify_at(&leaf, &[issuer.der().to_vec()], NOW).expect("a member");
    peer.outlive(at(NOW + 9 * DAY));
    assert_eq!(peer.check_dates(at(NOW + 5 * DAY)), Ok(()));
    assert_eq!(peer.check_dates(at(NOW + 5 * DAY + 1)), Err(CertificateError::IssuerExpired));
}

#[test]
fn what_an_issuer_issued_lies_within_its_dates() {
    let issuer = [Delegate::good().sign()];
    let verify = |validity| {
        let mut fake = agent();
        fake.validity = validity;
        verify_at(&under(&fake), &issuer, NOW).map(drop)
    };
    let fault = Err(CertificateError::Delegation(LEAF_DATES));
    assert_eq!(verify((NOW - 2 * DAY, NOW + 5 * DAY)), Ok(()));
    assert_eq!(verify((NOW - 2 * DAY - 1, NOW + 5 * DAY)), fault);
    assert_eq!(verify((NOW - 2 * DAY, NOW + 5 * DAY + 1)), fault);
}

#[test]
fn an_issuer_makes_agents_only() {
    let issuer = [Delegate::good().sign()];
    let refused = |fake: Fake| verify_at(&under(&fake), &issuer, NOW).expect_err("refused");
    let silent = Fake::plain().with_usage(&[template::CLIENT_AUTH]);
    assert_eq!(refused(silent), CertificateError::Delegation(LEAF_ROLE));
    assert_eq!(refused(broker().with_usage(&[])), CertificateError::Malformed);
    let role = CertificateError::Role { expected: Role::Agent };
    let both: &[&[u8]] = &[template::CLIENT_AUTH, template::SERVER_AUTH];
    assert_eq!(refused(Fake::plain().with_role(Role::Broker).with_usage(both)), role);
    // And what says issuer is no machine, whoever signed it.
    assert_eq!(refused(Fake::plain().with(admission(ISSUER))), CertificateError::Extension);
    assert_eq!(WORLD.agent(&Delegate::good().sign()).expect_err("no leaf"), CertificateError::Authority);
}

#[test]
fn a_server_that_came_by_an_issuer_is_refused() {
    let leaf = under(&broker());
    assert_eq!(WORLD.broker(&leaf).expect_err("refused"), CertificateError::Foreign);
    assert!(WORLD.broker(&broker().sign()).is_ok());
    let pinned = [crate::sha256(&leaf)].into();
    let refused = verify_pinned(&WORLD.policy, &pinned, &leaf, at(NOW));
    assert_eq!(refused, Err(CertificateError::Foreign));
}

#[test]
fn a_leaf_makes_no_leaf_and_no_issuer_another() {
    // The issuer's key as an agent's, with a leaf under that.
    let leaf_as_issuer = Delegate {
        constraints: template::basic_constraints(false),
        usage: template::key_usage(template::DIGITAL_SIGNATURE),
        said: admission(&AdmissionExtension::new(Role::Agent).encode()),
        ..Delegate::good()
    };
    assert_eq!(fault_of(leaf_as_issuer), CertificateError::Delegation(PATH));
    // An issuer that the issuer signed: two between, or one that the policy key didn't sign.
    let second = Template {
        issuer: &Delegate::name(),
        subject: &Delegate::name(),
        spki: KEY.public().spki_der(),
        validity: (NOW - DAY, NOW + DAY),
        extensions: &[
            template::authority_without_others(),
            template::key_usage(template::KEY_CERT_SIGN),
            admission(ISSUER),
        ],
    };
    let second = second.sign(&KEY).expect("signed");
    assert_eq!(verify_at(&under(&agent()), &[second], NOW).expect_err("refused"), CertificateError::Foreign);
}

#[test]
fn each_bit_of_an_issuer_is_signed() {
    let (leaf, issuer) = (under(&agent()), Delegate::good().sign());
    for bit in 0..issuer.len() * 8 {
        let mut flipped = issuer.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(verify_at(&leaf, &[flipped], NOW).is_err(), "bit {bit}");
    }
}

#[test]
fn a_revoked_issuer_takes_what_came_by_it_along() {
    let issuer = [Delegate::good().sign()];
    let peer = verify_at(&under(&agent()), &issuer, NOW).expect("a member");
    let direct = WORLD.agent(&agent().sign()).expect("a member");
    let mut all = Revocations::default();
    let what = Revoked::Certificate(crate::sha256(&issuer[0]));
    let since = i64::try_from(NOW).expect("a time");
    let revocation = Revocation::new(what, String::new(), "operator".to_owned(), since, None);
    all.add(revocation.expect("a revocation"), at(NOW)).expect("room");
    let kind = "certificate";
    assert_eq!(all.check_peer(&peer, at(NOW)), Err(CertificateError::Revoked { kind }));
    assert_eq!(all.check_peer(&direct, at(NOW)), Ok(()));
}

#[test]
fn the_policy_key_signs_delegates_that_verify() {
    let issuer = WORLD.issuer();
    let spki = KEY.public().spki_der();
    let longest = issuer.delegate(spki, at(NOW - 9 * DAY), DELEGATION_DAYS).expect("signed");
    assert!(IssuerCertificate::verify(&WORLD.policy, &longest, at(NOW)).is_ok());
    let short = issuer.delegate(spki, at(NOW), 1).expect("signed");
    let short = IssuerCertificate::verify(&WORLD.policy, &short, at(NOW)).expect("verifies");
    assert_eq!(short.not_after(), at(NOW + DAY));
    assert!(matches!(issuer.delegate(spki, at(NOW), 31), Err(IssueError::Delegation)));
    let own = WORLD.policy_key.public().spki_der();
    assert!(matches!(issuer.delegate(own, at(NOW), 1), Err(IssueError::OwnDelegate)));
}
