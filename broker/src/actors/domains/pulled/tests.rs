//! What home gives, wrong in one thing at a time, and what becomes of the domain here.

use std::time::Duration;

use claviger_attest::{KeyAlgorithm, Measurement, Role, self_signed_policy};
use claviger_store::StoredDomain;

use super::*;
use crate::domain::Domains;
use crate::domain::testing::{Made, make};

const GENERATION: [u8; 16] = [7; 16];

fn now() -> i64 {
    seconds(UnixTime::now())
}

fn at(seconds: i64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds.try_into().expect("after 1970")))
}

/// A broker with a domain of its own, `alpha`, and the owner of `beta`, which is pulled.
struct Far {
    made: Made,
    registry: Registry,
    name: DomainName,
    key: SigningKey,
    policy: PolicyCertificate,
}

impl Far {
    fn new() -> Self {
        Self::since(now() - 60)
    }

    /// The same, with a policy certificate that is good for 100 days from then.
    fn since(from: i64) -> Self {
        let made = make("alpha", Preset::Closed);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let domains = Arc::new(Domains::new([Arc::clone(&made.domain)], None));
        let registry = Registry::new(Arc::clone(&made.domain.storage), provider, Vec::new(), domains);
        let key = SigningKey::generate(KeyAlgorithm::P256).expect("a key");
        let name = "beta".parse().expect("a name");
        let policy = self_signed_policy(&key, &name, at(from), 100).expect("a certificate");
        Self { made, registry, name, key, policy }
    }

    fn leaf(&self, role: Role, from: i64) -> BrokerLeaf {
        let copy = PrivateKey::from_pkcs8_der(Secret::copy_from(self.key.pkcs8_der())).expect("a key");
        let copy = SigningKey::from_private(&copy).expect("it signs");
        let issuer = Issuer::new(copy, self.policy.clone(), &self.name).expect("a pair");
        let key = SigningKey::generate(KeyAlgorithm::P256).expect("a key");
        let (spki, runs) = (key.public().spki_der(), Measurement::from_bytes(&[7; 32]).ok());
        let certificate = issuer.identity(role, spki, runs.as_ref(), at(from), 30).expect("a leaf");
        BrokerLeaf { certificate, key: Secret::copy_from(key.pkcs8_der()) }
    }

    /// The domain as home gives it for the first time, without the policy key.
    fn first(&self) -> Pulled {
        let state = DomainState {
            generation: GENERATION,
            serial: 3,
            time: now(),
            preset: "members".to_owned(),
            trust: Trust { revision: 2, ..Trust::default() }.encode(),
            access: Vec::new(),
            policy_key: None,
            certificate: None,
        };
        Pulled { state, identity: Some(self.leaf(Role::Broker, now() - 60)) }
    }

    /// The same with the policy key, and with a certificate that is as old as this.
    async fn held(&self, home: HomeMark, leaf_from: i64) {
        let leaf = self.leaf(Role::Broker, leaf_from);
        let record = DomainRecord {
            policy_certificate: self.policy.der().to_vec(),
            policy_key: Some(Secret::copy_from(self.key.pkcs8_der())),
            issuing: None,
            broker_identity: Some(BrokerIdentity { certificate: leaf.certificate, key: leaf.key }),
            preset: "members".to_owned(),
            references: self.first().state.trust,
            access: Vec::new(),
            created: 0,
            home: Some(home),
        };
        let new = NewDomain { name: self.name.clone(), record, audit: event("domain-pull-new") };
        self.registry.storage.commit(Command::CreateDomain(new)).await.expect("it is kept");
    }

    /// A pull after that: of `change`, and without a new certificate.
    async fn next(&self, change: impl FnOnce(&mut DomainState)) -> Result<bool, AdminError> {
        let mut pulled = self.first();
        (pulled.identity, pulled.state.policy_key) = (None, Some(Secret::copy_from(self.key.pkcs8_der())));
        change(&mut pulled.state);
        self.take(pulled).await
    }

    async fn take(&self, pulled: Pulled) -> Result<bool, AdminError> {
        take(&self.registry, &self.name, &self.policy, pulled).await
    }

    /// The first pull, with this about it, which isn't taken, and leaves nothing here.
    async fn refused(&self, change: impl FnOnce(&mut Pulled)) -> String {
        let mut pulled = self.first();
        change(&mut pulled);
        let why = self.take(pulled).await.expect_err("it isn't taken").to_string();
        assert!(self.stored().is_none(), "{why}");
        why
    }

    fn stored(&self) -> Option<StoredDomain> {
        self.registry.storage.store.domain(&self.name).expect("readable")
    }

    fn mark(&self) -> HomeMark {
        self.stored().expect("there").record.home.expect("pulled")
    }
}

fn mark(time: i64) -> HomeMark {
    HomeMark { generation: GENERATION, serial: 3, time }
}

#[actix_rt::test]
async fn what_holds_together_is_taken_and_served() {
    let far = Far::new();
    assert!(far.take(far.first()).await.expect("taken"));
    let served = far.registry.find(&far.name).expect("served");
    assert_eq!((served.preset, served.trust.revision, served.issuer.is_none()), (Preset::Members, 2, true));
    assert_eq!(far.mark().serial, 3);
}

#[actix_rt::test]
async fn t43_what_home_gives_is_taken_only_whole_and_of_now() {
    let far = Far::new();
    for (apart, taken) in [(skew() + 60, false), (-skew() - 60, false), (skew() - 60, true)] {
        let far = Far::new();
        let mut pulled = far.first();
        pulled.state.time += apart;
        let said = far.take(pulled).await.map_err(|error| error.to_string());
        assert_eq!(said.is_ok(), taken, "{said:?}");
        assert!(said.err().is_none_or(|why| why.contains("5 minutes apart")));
    }
    let large = vec![b' '; MAX_POLICY];
    assert!(far.refused(|it| it.state.trust.extend(large)).await.contains("too large"));
    assert!(far.refused(|it| it.state.trust = b"{}".to_vec()).await.contains("policy is of another version"));
    assert!(far.refused(|it| it.state.access = b"{".to_vec()).await.contains("rules are of another version"));
    far.refused(|it| it.state.preset = "open".to_owned()).await;
    let rules = Access { rules: "p, nobody".to_owned(), ..Default::default() };
    far.refused(|it| it.state.access = rules.encode()).await;
    let other = SigningKey::generate(KeyAlgorithm::P256).expect("a key");
    far.refused(|it| it.state.policy_key = Some(Secret::copy_from(other.pkcs8_der()))).await;
    far.refused(|it| it.identity = Some(far.leaf(Role::Agent, now() - 60))).await;
    far.refused(|it| it.identity = Some(Far::new().leaf(Role::Broker, now() - 60))).await;
    let ended = Far::since(now() - 101 * 86_400);
    let why = ended.take(Pulled { identity: None, ..far.first() }).await.expect_err("it isn't taken");
    assert!(why.to_string().contains("expired") && ended.stored().is_none(), "{why}");
}

#[actix_rt::test]
async fn a_policy_key_and_a_name_are_one_domains() {
    let far = Far::new();
    // The policy of a domain that was made here, under another name.
    let (policy, pulled) = (far.made.domain.policy.clone(), Pulled { identity: None, ..far.first() });
    let taken = take(&far.registry, &far.name, &policy, pulled).await;
    assert!(matches!(taken, Err(AdminError::Shared(_))), "{:?}", taken.err());
    assert!(far.stored().is_none());
    // Its name.
    let alpha = &far.made.domain.name;
    let pulled = Pulled { identity: None, ..far.first() };
    let taken = take(&far.registry, alpha, &policy, pulled).await;
    assert!(matches!(taken, Err(AdminError::MadeHere(_))), "{:?}", taken.err());
    let asked = identity(&far.registry, alpha).map(|_| ());
    assert!(matches!(asked, Err(AdminError::MadeHere(_))), "{:?}", asked.err());
}

#[actix_rt::test]
async fn t43_nothing_that_is_behind_or_another_s_is_taken() {
    let far = Far::new();
    far.held(mark(now() - 10), now() - 60).await;
    let revision = |revision| Trust { revision, ..Trust::default() }.encode();
    let said = |taken: Result<bool, AdminError>| taken.expect_err("it isn't taken").to_string();
    assert!(said(far.next(|it| it.serial = 2).await).contains("older state"));
    // Even where home's serial is ahead.
    let behind = far.next(|it| (it.serial, it.trust) = (9, revision(1))).await;
    assert!(said(behind).contains("older state"));
    let other = far.next(|it| (it.serial, it.generation) = (9, [8; 16])).await;
    assert!(said(other).contains("another domain of this name"));
    let policy = self_signed_policy(&far.key, &far.name, at(now() - 60), 10).expect("a certificate");
    let pulled = Pulled { identity: None, ..far.first() };
    let repinned = take(&far.registry, &far.name, &policy, pulled).await;
    assert!(said(repinned).contains("another policy certificate"));
    assert_eq!(far.mark().serial, 3);
    assert!(far.next(|it| (it.serial, it.trust) = (9, revision(2))).await.expect("taken"));
    assert_eq!(far.mark().serial, 9);
}

#[actix_rt::test]
async fn t43_the_time_at_home_never_goes_back() {
    let far = Far::new();
    let ahead = now() + skew() + 60;
    far.held(mark(ahead), now() - 60).await;
    let taken = far.next(|it| it.serial = 9).await.expect_err("it isn't taken");
    assert!(taken.to_string().contains("before the last pull"), "{taken}");
    // As far as clocks differ it is taken, and the later time kept.
    let far = Far::new();
    let ahead = now() + skew() - 60;
    far.held(mark(ahead), now() - 60).await;
    assert!(far.next(|it| it.serial = 9).await.expect("taken"));
    assert_eq!((far.mark().serial, far.mark().time), (9, ahead));
}

#[actix_rt::test]
async fn what_is_the_same_is_sealed_anew_once_an_hour() {
    let far = Far::new();
    let last = now() - TIME_STEP / 2;
    far.held(mark(last), now() - 60).await;
    assert!(!far.next(|_| ()).await.expect("looked at"));
    assert!(far.registry.find(&far.name).is_ok(), "it is served all the same");
    assert_eq!(far.mark().time, last);
    // A new certificate is kept at once, and so is what becomes of the policy key.
    let new = Pulled { identity: Some(far.leaf(Role::Broker, now() - 60)), ..far.first() };
    let (certificate, mut new) = (new.identity.as_ref().map(|leaf| leaf.certificate.clone()), new);
    new.state.policy_key = Some(Secret::copy_from(far.key.pkcs8_der()));
    assert!(far.take(new).await.expect("taken"));
    let kept = |far: &Far| far.stored().expect("there").record;
    assert_eq!(kept(&far).broker_identity.map(|identity| identity.certificate), certificate);
    assert!(far.next(|it| it.policy_key = None).await.expect("taken"));
    assert!(kept(&far).policy_key.is_none());

    let far = Far::new();
    far.held(mark(now() - TIME_STEP - 60), now() - 60).await;
    assert!(far.next(|_| ()).await.expect("taken"));
    assert!(far.mark().time >= now() - 60);
}

#[actix_rt::test]
async fn a_certificate_is_shown_at_home_until_its_last_third() {
    let of_age = async |age: i64| {
        let far = Far::since(now() - 90 * 86_400);
        far.held(mark(now()), now() - age).await;
        identity(&far.registry, &far.name).expect("readable").is_some()
    };
    assert!(of_age(86_400).await);
    assert!(!of_age(25 * 86_400).await, "its last third");
    assert!(!of_age(-86_400).await, "one of a time that this machine has lost");
}
