//! How much slower the store is than the engine it uses: 64 threads put 256 bytes each and wait until it is
//! durable; one committer batches what is waiting. Rounds of both, one after the other, so that a slow moment
//! of the machine meets both.
//!
//! `cargo run --release -p claviger-store --example store_throughput [SECONDS-A-ROUND]`

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement, for people")]
#![allow(clippy::cast_precision_loss, reason = "rates are shown, not computed with")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use claviger_acl::{Acl, Action, Preset};
use claviger_attest::{
    Issuer, KeyAlgorithm, Measurement, Peer, Role, SigningKey, self_signed_policy, verify_agent,
};
use claviger_proto::{DomainName, Secret};
use claviger_store::engine::{AnyEngine, Engine as _, Key, SledEngine, Tree, Txn};
use claviger_store::{
    AuditFacts, Command, DomainKeys, DomainRecord, Done, NewDomain, PutEntry, RootKey, Store, StoreId, Writer,
};
use rustls_pki_types::UnixTime;

const WRITERS: u64 = 64;
const BLOB: usize = 256;
const NOW: i64 = 1_795_500_000;

/// One job, and where its answer goes.
struct Job<T> {
    what: T,
    reply: Sender<()>,
}

/// Runs the writers for a while against a committer; gives jobs a second, and how many shared a commit.
fn run<T: Send>(
    seconds: f64,
    make: impl Fn(u64, u64) -> T + Sync,
    commit: impl FnMut(Vec<T>) + Send,
) -> (f64, f64) {
    let (jobs, waiting) = channel::<Job<T>>();
    let (stop, done, commits) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let started = Instant::now();
    std::thread::scope(|scope| {
        let commits = &commits;
        scope.spawn(move || committer(&waiting, commit, commits));
        for writer in 0..WRITERS {
            let (jobs, make, stop, done) = (jobs.clone(), &make, &stop, &done);
            scope.spawn(move || {
                let (reply, answer) = channel();
                for n in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    jobs.send(Job { what: make(writer, n), reply: reply.clone() }).unwrap();
                    answer.recv().unwrap();
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        drop(jobs);
        std::thread::sleep(Duration::from_secs_f64(seconds));
        stop.store(true, Ordering::Relaxed);
    });
    let done = done.into_inner() as f64;
    (done / started.elapsed().as_secs_f64(), done / commits.into_inner() as f64)
}

fn committer<T>(waiting: &Receiver<Job<T>>, mut commit: impl FnMut(Vec<T>), commits: &AtomicU64) {
    while let Ok(first) = waiting.recv() {
        let (mut batch, mut replies) = (vec![first.what], vec![first.reply]);
        for job in waiting.try_iter() {
            batch.push(job.what);
            replies.push(job.reply);
        }
        commit(batch);
        commits.fetch_add(1, Ordering::Relaxed);
        for reply in replies {
            let _ = reply.send(());
        }
    }
}

fn member(domain: &DomainName) -> (Acl, Peer) {
    let now = UnixTime::since_unix_epoch(Duration::from_secs(NOW.unsigned_abs()));
    let key = SigningKey::generate(KeyAlgorithm::P256).unwrap();
    let policy = self_signed_policy(&key, domain, now, 30).unwrap();
    let issuer = Issuer::new(key, policy.clone(), domain).unwrap();
    let agent = SigningKey::generate(KeyAlgorithm::P256).unwrap();
    let measurement = Measurement::from_bytes(&[4; 32]).unwrap();
    let leaf = issuer.identity(Role::Agent, agent.public().spki_der(), Some(&measurement), now, 10).unwrap();
    let acl = Acl::compile(domain, Preset::Members, &[]).unwrap();
    (acl, verify_agent(&policy, domain, &leaf, now).unwrap())
}

fn facts() -> AuditFacts {
    AuditFacts {
        time: NOW,
        request_id: "0123456789abcdef".to_owned(),
        action: "store".into(),
        outcome: "ok".into(),
        peer_fingerprint: Some([6; 32]),
        measurement: Some(vec![4; 32]),
        role: "agent".into(),
        source: "192.0.2.7:4711".into(),
        ..AuditFacts::default()
    }
}

fn new_domain(writer: &mut Writer, name: &DomainName) -> Arc<DomainKeys> {
    let record = DomainRecord {
        policy_certificate: Vec::new(),
        policy_key: None,
        broker_identity: None,
        preset: "members".to_owned(),
        references: Vec::new(),
        access: Vec::new(),
        created: NOW,
        home: None,
    };
    let new = NewDomain { name: name.clone(), record, audit: facts() };
    match writer.commit(vec![Command::CreateDomain(new)]).pop() {
        Some(Ok(Done::DomainCreated(keys))) => keys,
        _ => panic!("the domain wasn't made"),
    }
}

fn main() {
    let seconds = std::env::args().nth(1).map_or(2.0, |text| text.parse().unwrap());
    let dirs = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let bare = SledEngine::open(dirs[0].path()).unwrap();
    let engine = Arc::new(AnyEngine::from(SledEngine::open(dirs[1].path()).unwrap()));
    let (root, id) = (RootKey::generate().unwrap(), StoreId::generate().unwrap());
    let store = Store::create(engine, &root, id).unwrap();
    let mut writer = store.writer().unwrap();
    let domain: DomainName = "bench".parse().unwrap();
    let keys = new_domain(&mut writer, &domain);
    let (acl, peer) = member(&domain);
    let mut ratios = Vec::new();
    for round in 0..6_u64 {
        let make = |thread, n| {
            // Keys as the store's are: digests.
            let name = aws_lc_rs::digest::digest(
                &aws_lc_rs::digest::SHA256,
                format!("{round}/{thread}/{n}").as_bytes(),
            );
            Txn { put: vec![(Key::new(Tree::Entry, name.as_ref()), vec![7; BLOB])], ..Txn::default() }
        };
        let engine_alone =
            run(seconds, make, |batch| assert!(bare.commit(batch).unwrap().iter().all(Result::is_ok)));
        let make = |thread, n| {
            let name = format!("round{round}/writer{thread}/{n}").parse().unwrap();
            Command::Put(PutEntry {
                keys: Arc::clone(&keys),
                permit: acl.decide(&peer, Action::Store, &name).unwrap(),
                version: None,
                entry_type: "binary-blob".parse().unwrap(),
                exportable: true,
                options: claviger_proto::key_service::PutOptions::default(),
                blob: Secret::new(vec![7; BLOB]),
                now: NOW,
                audit: facts(),
            })
        };
        let whole = run(seconds, make, |batch| assert!(writer.commit(batch).iter().all(Result::is_ok)));
        let ratio = whole.0 / engine_alone.0;
        println!(
            "engine {:.0}/s ({:.0} a commit)  store {:.0}/s ({:.0} a commit)  ratio {ratio:.2}",
            engine_alone.0, engine_alone.1, whole.0, whole.1
        );
        ratios.push(ratio);
    }
    retrieve(&store, &keys, &acl, &peer);
    ratios.sort_by(f64::total_cmp);
    println!("median ratio {:.2}", f64::midpoint(ratios[2], ratios[3]));
}

fn retrieve(store: &Store, keys: &DomainKeys, acl: &Acl, peer: &Peer) {
    let started = Instant::now();
    let rounds = 200_000_u32;
    for n in 0..rounds {
        let name = format!("round1/writer{}/{}", n % 64, n % 100).parse().unwrap();
        let permit = acl.decide(peer, Action::Retrieve, &name).unwrap();
        assert_eq!(store.retrieve(keys, permit, None, 0).unwrap().blob.len(), BLOB);
    }
    println!("retrieve {:.2} µs", started.elapsed().as_secs_f64() * 1e6 / f64::from(rounds));
}
