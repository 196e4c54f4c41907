#![allow(warnings)]
#[path = "store_throughput.rs"]
mod t;
use claviger_acl::*;
use claviger_proto::*;
use claviger_store::engine::*;
use claviger_store::*;
use std::sync::Arc;
use std::time::Instant;
fn cpu() -> f64 {
    let s = std::fs::read_to_string("/proc/self/schedstat").unwrap();
    s.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e3
}
fn bench(name: &str, mut f: impl FnMut(u64) -> Vec<u64>, n: u64) {
    let w = Instant::now();
    let c = cpu();
    for i in 0..n {
        f(i);
    }
    println!(
        "{name}: {:.2} us cpu/op {:.2} us wall/op",
        (cpu() - c) / (n as f64 * 64.0),
        w.elapsed().as_secs_f64() * 1e6 / (n as f64 * 64.0)
    );
}
fn main() {
    for eng in std::env::args().skip(1).collect::<Vec<_>>() {
        let mk = || -> (Option<tempfile::TempDir>, AnyEngine) {
            if eng.as_str() == "mem" {
                (None, MemoryEngine::new().into())
            } else {
                let d = tempfile::tempdir().unwrap();
                let e = SledEngine::open(d.path()).unwrap();
                (Some(d), e.into())
            }
        };
        let (_d, bare) = mk();
        let name = |i: u64, k: u64| {
            aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, format!("{i}/{k}").as_bytes())
                .as_ref()
                .to_vec()
        };
        let N = 200;
        bench(
            &format!("{eng} engine 64x256"),
            |i| {
                bare.commit(
                    (0..64)
                        .map(|k| Txn {
                            put: vec![(Key::new(Tree::Entry, name(i, k)), vec![7; 256])],
                            ..Default::default()
                        })
                        .collect(),
                )
                .unwrap();
                vec![]
            },
            N,
        );
        let (_d, bare) = mk();
        bench(
            &format!("{eng} engine 1txn 64x(310,120 adj)+block"),
            |i| {
                let mut t = Txn::default();
                for k in 0..64 {
                    let mut a = name(i, k);
                    a.extend([0; 21]);
                    let mut b = a.clone();
                    b[50] = 1;
                    t.put.push((Key::new(Tree::Entry, a), vec![7; 120]));
                    t.put.push((Key::new(Tree::Entry, b), vec![7; 310]));
                }
                t.put.push((Key::new(Tree::Audit, i.to_be_bytes().to_vec()), vec![7; 64 * 150]));
                bare.commit(vec![t]).unwrap();
                vec![]
            },
            N,
        );
        let (_d, e) = mk();
        let e = Arc::new(e);
        let (root, id) = (RootKey::generate().unwrap(), StoreId::generate().unwrap());
        let store = Store::create(e.clone(), &root, id).unwrap();
        let mut writer = store.writer().unwrap();
        let domain: DomainName = "bench".parse().unwrap();
        let keys = t::new_domain(&mut writer, &domain);
        let (acl, peer) = t::member(&domain);
        bench(
            &format!("{eng} store"),
            |i| {
                let b = (0..64)
                    .map(|k| {
                        let name = format!("r/{i}/{k}").parse().unwrap();
                        Command::Put(PutEntry {
                            keys: keys.clone(),
                            permit: acl.decide(&peer, Action::Store, &name).unwrap(),
                            version: None,
                            entry_type: "binary-blob".parse().unwrap(),
                            exportable: true,
                            blob: Secret::new(vec![7; 256]),
                            now: 1,
                            audit: t::facts(),
                        })
                    })
                    .collect();
                assert!(writer.commit(b).iter().all(|o| o.is_ok()));
                vec![]
            },
            N,
        );
        bench(
            &format!("{eng} retrieve"),
            |i| {
                for k in 0..64 {
                    let name = format!("r/{i}/{k}").parse().unwrap();
                    let p = acl.decide(&peer, Action::Retrieve, &name).unwrap();
                    store.retrieve(&keys, p, None).unwrap();
                }
                vec![]
            },
            N,
        );
    }
    let k = seal::SealKey::new(&[1; 32]);
    let aad = seal::Aad { name: "some/name", entry_type: "binary-blob", ..Default::default() };
    let b = vec![7u8; 256];
    let s = k.seal(&aad, &b).unwrap();
    bench(
        "seal 256",
        |_| {
            for _ in 0..64 {
                k.seal(&aad, &b).unwrap();
            }
            vec![]
        },
        500,
    );
    bench(
        "open 256",
        |_| {
            for _ in 0..64 {
                k.open(&aad, &s).unwrap();
            }
            vec![]
        },
        500,
    );
    let mut r = [0u8; 32];
    bench(
        "rand 32",
        |_| {
            for _ in 0..64 {
                aws_lc_rs::rand::fill(&mut r).unwrap();
            }
            vec![]
        },
        500,
    );
    let hk = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &r);
    bench(
        "hmac",
        |_| {
            for _ in 0..64 {
                std::hint::black_box(aws_lc_rs::hmac::sign(&hk, b"some/name/of/x"));
            }
            vec![]
        },
        500,
    );
    let prk = aws_lc_rs::hkdf::Prk::new_less_safe(aws_lc_rs::hkdf::HKDF_SHA256, &r);
    struct L;
    impl aws_lc_rs::hkdf::KeyType for L {
        fn len(&self) -> usize {
            32
        }
    }
    bench(
        "hkdf expand",
        |_| {
            for _ in 0..64 {
                let mut o = [0u8; 32];
                prk.expand(&[b"abc", &r], L).unwrap().fill(&mut o).unwrap();
                std::hint::black_box(o);
            }
            vec![]
        },
        500,
    );
    use aes_gcm::{Aes256Gcm, KeyInit};
    bench(
        "aes init",
        |_| {
            for _ in 0..64 {
                std::hint::black_box(Aes256Gcm::new_from_slice(&r).unwrap());
            }
            vec![]
        },
        500,
    );
}
