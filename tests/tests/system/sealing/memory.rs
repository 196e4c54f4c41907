//! What a broker's memory holds.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use claviger_tests::broker::Setup;
use claviger_tests::certificate::unpem;
use claviger_tests::tools::have_python_cryptography;

use super::{PASSPHRASE, Sealed};

/// Which of these is anywhere in what a process can write to.
pub(crate) fn in_memory<'a>(pid: u32, secrets: &[(&'a str, &[u8])]) -> Vec<&'a str> {
    const PAGE: usize = 4096;
    let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let mut found = Vec::new();
    for line in maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|mode| mode.starts_with("rw")))
    {
        let (from, to) = line.split(' ').next().and_then(|range| range.split_once('-')).unwrap();
        let [from, to] = [from, to].map(|address| u64::from_str_radix(address, 16).unwrap());
        let mut bytes = vec![0; usize::try_from(to - from).unwrap()];
        // Some regions can't be read, and none of those is a heap.
        if memory.read_exact_at(&mut bytes, from).is_err() {
            continue;
        }
        // Most of it was never used.
        for at in (0..bytes.len()).step_by(PAGE).filter(|at| bytes[*at..at + PAGE] != [0; PAGE]) {
            for (name, secret) in secrets {
                let end = bytes.len().min(at + PAGE + secret.len() - 1);
                let begins = bytes[at..end].windows(secret.len()).any(|window| window == *secret);
                if begins && !found.contains(name) {
                    found.push(*name);
                }
            }
        }
    }
    found
}

/// None of these is in its memory, at once or very soon: the last connection's buffer is wiped when it has ended.
#[track_caller]
fn forgets(pid: u32, secrets: &[(&str, &[u8])]) {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let found = in_memory(pid, secrets);
        if found.is_empty() {
            return;
        }
        assert!(Instant::now() < end, "{found:?} are in memory still");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The keys that come out of a slot of a file, by the format's description alone.
fn keys_of(table: &Path, key_file: &Path) -> Vec<(String, Vec<u8>)> {
    const SCRIPT: &str = "
import hashlib, hmac, json, struct, sys
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
table, factor = json.load(open(sys.argv[1])), open(sys.argv[2], 'rb').read()
slot = next(slot for slot in table['slots'] if slot['kind'] == 'file')
salt, sealed = bytes.fromhex(slot['salt']), bytes.fromhex(slot['sealed'])
expand = lambda key, info, length: HKDFExpand(SHA256(), length, info).derive(key)
extracted = hmac.new(salt, factor, hashlib.sha256).digest()
both = expand(extracted, b'claviger slot v1', 64)
assert both[32:].hex() == slot['commitment']
record = expand(both[:32], b'claviger record v1' + sealed[1:33], 32)
whose = [bytes([1, 1, 1, 0]), bytes.fromhex(table['store']), table['purpose'].encode(), bytes(4), b'file',
         bytes(4), bytes(8), bytes(8), bytes(4), salt]
aad = b''.join(struct.pack('>H', len(part)) + part for part in whose)
try:
    root = AESGCM(record).decrypt(bytes(12), sealed[33:], aad)
except Exception:
    sys.exit('the slot is not what its description says')
store = expand(root, b'claviger root v1 store', 32)
for name, key in (('extracted', extracted), ('slot', both[:32]), ('record', record), ('root', root), ('store', store)):
    print('the', name, 'key;' + key.hex())

# What an HMAC with the key of the store works with: SHA-256 after one block, as eight words in memory (FIPS 180-4).
primes = [n for n in range(2, 312) if all(n % d for d in range(2, n))]
fraction = lambda number: int((number - int(number)) * 2**32)
turn = lambda word, by: (word >> by | word << 32 - by) & 0xffffffff
def after(block):
    words = list(struct.unpack('>16I', block))
    for i in range(16, 64):
        a, b = words[i - 15], words[i - 2]
        s, t = turn(a, 7) ^ turn(a, 18) ^ a >> 3, turn(b, 17) ^ turn(b, 19) ^ b >> 10
        words.append((words[i - 16] + s + words[i - 7] + t) & 0xffffffff)
    start = [fraction(prime**0.5) for prime in primes[:8]]
    a, b, c, d, e, f, g, h = start
    for prime, word in zip(primes, words):
        one = h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + (e & f ^ ~e & g) + fraction(prime**(1 / 3)) + word
        two = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + (a & b ^ a & c ^ b & c)
        a, b, c, d, e, f, g, h = (one + two) & 0xffffffff, a, b, c, (d + one) & 0xffffffff, e, f, g
    return struct.pack('=8I', *((x + y) & 0xffffffff for x, y in zip(start, (a, b, c, d, e, f, g, h))))
assert after(b'\\x80' + bytes(63)) == struct.pack('=8I', *struct.unpack('>8I', hashlib.sha256().digest()))
for name, pad in (('inner', 0x36), ('outer', 0x5c)):
    block = bytes(byte ^ pad for byte in store + bytes(32))
    print('the', name, 'state;' + after(block).hex())
";
    let python = Command::new("python3").args(["-c", SCRIPT]).arg(table).arg(key_file).output().unwrap();
    assert!(python.status.success(), "{}", String::from_utf8_lossy(&python.stderr));
    let lines = String::from_utf8(python.stdout).unwrap();
    let pairs = lines.lines().map(|line| line.split_once(';').unwrap());
    pairs.map(|(name, key)| (name.to_owned(), hex::decode(key).unwrap())).collect()
}

#[test]
fn t17_no_key_from_the_slot_to_the_store_is_left_when_it_is_sealed() {
    if !have_python_cryptography() {
        return;
    }
    let mut sealed = Sealed::new();
    let keys = keys_of(&sealed.broker.data_dir().join("slots.json"), &sealed.key);
    let all: Vec<(&str, &[u8])> = keys.iter().map(|(name, key)| (name.as_str(), key.as_slice())).collect();
    sealed.unseal("--key-file", &sealed.key).ok();
    sealed.serves();
    let mut works_with = in_memory(sealed.broker.pid(), &all);
    works_with.sort_unstable();
    // And nothing that was only needed on the way.
    assert_eq!(works_with, ["the inner state", "the outer state"]);
    sealed.seal().ok();
    forgets(sealed.broker.pid(), &all);
    sealed.broker.stop();
    fs::copy(&sealed.key, sealed.broker.key_file()).unwrap();
    sealed.broker.serve();
    sealed.serves();
    assert_eq!(in_memory(sealed.broker.pid(), &all).len(), 2);
    sealed.seal().ok();
    forgets(sealed.broker.pid(), &all);
}

#[test]
fn t17_a_sealed_broker_has_no_key_in_memory_and_says_none_of_what_opened_it() {
    let env = vec![("CLAVIGER_LOG", "trace".to_owned())];
    let mut sealed = Sealed::with(Setup { env, ..Setup::default() });
    let (key, pid) = (fs::read(&sealed.key).unwrap(), sealed.broker.pid());
    // PKCS#8 of P-256: the private number of the policy key, which the broker keeps.
    let policy_key = unpem(&fs::read(&sealed.fleet.policy_key).unwrap());
    let number = &policy_key[36..68];
    let shares = [0, 1].map(|at: usize| fs::read_to_string(&sealed.shares[at]).unwrap().trim().to_owned());
    let parts = [0, 1].map(|at: usize| shares[at].split('-').nth(6).unwrap().to_owned());
    // As they are, and as they cross the admin socket.
    let whole = [PASSPHRASE.as_bytes().to_vec(), key, shares[0].clone().into(), shares[1].clone().into()];
    let sent = whole.each_ref().map(hex::encode);
    let raw = parts.each_ref().map(|part| hex::decode(part).unwrap());
    let factors: Vec<(&str, &[u8])> = vec![
        ("the passphrase", &whole[0]),
        ("the passphrase in hex", sent[0].as_bytes()),
        ("the key file", &whole[1]),
        ("the key file in hex", sent[1].as_bytes()),
        ("a share", parts[0].as_bytes()),
        ("another share", parts[1].as_bytes()),
        ("a share in hex", sent[2].as_bytes()),
        ("another share in hex", sent[3].as_bytes()),
        ("a part", &raw[0]),
        ("another part", &raw[1]),
    ];
    let known = ("the policy key", number);
    assert!(in_memory(pid, &[known]).is_empty());
    // At once: a later connection would write over what the last one left.
    sealed.unseal("--passphrase-file", &sealed.passphrase).ok();
    forgets(pid, &factors[..2]);
    sealed.serves();
    assert!(!in_memory(pid, &[known]).is_empty(), "this would find it");
    sealed.seal().ok();
    forgets(pid, &[known]);
    sealed.unseal("--key-file", &sealed.key).ok();
    forgets(pid, &factors);
    sealed.seal().ok();
    sealed.unseal("--share-file", &sealed.shares[0]).ok();
    sealed.unseal("--share-file", &sealed.shares[1]).ok();
    forgets(pid, &factors);
    sealed.serves();
    sealed.seal().ok();
    forgets(pid, &[&[known], &factors[..]].concat());
    sealed.broker.stop();
    let said = [sealed.broker.log(), fs::read_to_string(sealed.broker.stdout_file()).unwrap()].concat();
    assert!(said.contains("\"TRACE\""));
    for (name, factor) in factors {
        assert!(!said.as_bytes().windows(factor.len()).any(|window| window == factor), "{name}");
    }
}
