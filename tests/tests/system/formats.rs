//! Formats, with programs from outside as judges: openssl, ssh-keygen, Python's cryptography.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use claviger_tests::broker::Broker;
use claviger_tests::fleet::{Fleet, retrieve, store};
use claviger_tests::message::{Writer, store_entry};
use claviger_tests::programs::command;
use claviger_tests::tools;
use tempfile::TempDir;

/// A cryptstore, and files beside it.
struct Desk {
    dir: TempDir,
}

impl Desk {
    fn new() -> Self {
        let desk = Self { dir: tempfile::tempdir().unwrap() };
        desk.cryptstore("init");
        desk
    }

    fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    fn cryptstore(&self, line: &str) -> Vec<u8> {
        let call = command("key-client").arg("cryptstore").args(line).current_dir(self.dir.path());
        let run = call.with("--state-dir", "state").run_text();
        assert_eq!(run.code(), Some(0), "{run}");
        run.stdout().to_vec()
    }

    /// Writes an item to a file called after its format.
    fn write(&self, tag: &str, format: &str) -> String {
        let file = format!("{tag}.{format}");
        self.cryptstore(&format!("get {tag} --format {format} --out {file}"));
        file
    }

    /// Runs another program; what it says.
    #[track_caller]
    fn other(&self, line: &str) -> Vec<u8> {
        let mut words = line.split(' ');
        let mut command = Command::new(words.next().unwrap());
        let output = command.args(words).current_dir(self.dir.path()).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// A private key as openssl writes it, PKCS#8 DER.
    fn pkcs8(&self, file: &str) -> Vec<u8> {
        self.other(&format!("openssl pkcs8 -topk8 -nocrypt -in {file} -outform DER"))
    }

    fn read(&self, file: &str) -> Vec<u8> {
        fs::read(self.path(file)).unwrap()
    }
}

/// How openssl makes a key of each kind.
const KEYS: [(&str, &str); 5] = [
    ("p256", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256"),
    ("p384", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384"),
    ("rsa2048", "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048"),
    ("rsa3072", "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072"),
    ("ed25519", "genpkey -algorithm ED25519"),
];

#[test]
fn openssl_s_keys_are_themselves_in_every_format() {
    if !tools::have("openssl", "openssl") {
        return;
    }
    let desk = Desk::new();
    for (name, generate) in KEYS {
        desk.other(&format!("openssl {generate} -out {name}.pem"));
        let private = desk.pkcs8(&format!("{name}.pem"));
        let public = desk.other(&format!("openssl pkey -in {name}.pem -pubout -outform DER"));
        desk.cryptstore(&format!("put {name} --in {name}.pem --format pem"));
        for (format, form) in [("pkcs8-pem", "PEM"), ("pkcs8-der", "DER"), ("pem", "PEM")] {
            let file = desk.write(name, format);
            // It reads the file, and would write the same one.
            desk.other(&format!("openssl pkey -in {file} -inform {form} -noout -check"));
            let again =
                desk.other(&format!("openssl pkcs8 -topk8 -nocrypt -in {file} -inform {form} -outform DER"));
            assert!(again == private, "{name} as {format}");
        }
        for (format, form) in [("spki-pem", "PEM"), ("spki-der", "DER")] {
            let file = desk.write(name, format);
            let again =
                desk.other(&format!("openssl pkey -pubin -in {file} -inform {form} -pubout -outform DER"));
            assert!(again == public, "{name} as {format}");
        }
        // There and back through what openssl doesn't read itself.
        for format in ["key-message", "jwk", "openssh", "pkcs8-der", "entry"] {
            if format == "openssh" && name.starts_with("rsa") {
                continue;
            }
            let file = desk.write(name, format);
            desk.cryptstore(&format!("put {name}-{format} --in {file} --format {format}"));
            let der = desk.read(&desk.write(&format!("{name}-{format}"), "pkcs8-der"));
            assert!(der == private, "{name} by {format}");
        }
    }
}

#[test]
fn openssl_s_older_forms_are_read_too() {
    if !tools::have("openssl", "openssl") {
        return;
    }
    let desk = Desk::new();
    for (name, make) in [
        ("sec1", "openssl ecparam -name prime256v1 -genkey -out sec1"),
        ("pkcs1", "openssl genrsa -traditional -out pkcs1 2048"),
    ] {
        desk.other(make);
        desk.cryptstore(&format!("put {name} --in {name} --format pem"));
        let private = desk.pkcs8(name);
        assert!(desk.read(&desk.write(name, "pkcs8-der")) == private, "{name}");
    }
}

#[test]
fn a_certificate_stays_what_openssl_made() {
    if !tools::have("openssl", "openssl") {
        return;
    }
    let desk = Desk::new();
    desk.other(
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 9 -subj /O=Claviger/CN=web",
    );
    let der = desk.other("openssl x509 -in cert.pem -outform DER");
    fs::write(desk.path("cert.der"), &der).unwrap();
    for (tag, line) in [
        ("a", "put a --in cert.pem --format x509-pem"),
        ("b", "put b --in cert.der --format x509-der"),
        ("c", "put c --in cert.der --type X509-der-cert"),
        ("d", "put d --in cert.pem --format pem --type own-type"),
    ] {
        desk.cryptstore(line);
        assert!(desk.read(&desk.write(tag, "x509-der")) == der, "{line}");
        for format in ["pem", "x509-pem"] {
            let file = desk.write(tag, format);
            assert!(desk.other(&format!("openssl x509 -in {file} -outform DER")) == der, "{line}, {format}");
        }
        let public = desk.read(&desk.write(tag, "spki-pem"));
        assert!(desk.other("openssl x509 -in cert.pem -noout -pubkey") == public, "{line}");
    }
    let told = String::from_utf8(desk.cryptstore("print a")).unwrap();
    let fingerprint = desk.other("openssl x509 -in cert.pem -noout -fingerprint -sha256");
    let fingerprint = String::from_utf8(fingerprint).unwrap();
    let fingerprint = fingerprint.trim().split('=').nth(1).unwrap().replace(':', "").to_lowercase();
    assert!(told.contains(&fingerprint) && told.contains("CN=web"), "{told}");
}

#[test]
fn ssh_keygen_reads_ours_and_ours_reads_its() {
    if !tools::have("ssh-keygen", "openssh-client") || !tools::have("openssl", "openssl") {
        return;
    }
    let desk = Desk::new();
    let public_of = |file: &str| {
        // ssh-keygen refuses a key that others can read, and ours is written 0600.
        let line = String::from_utf8(desk.other(&format!("ssh-keygen -y -P  -f {file}"))).unwrap();
        line.split(' ').take(2).map(str::trim).collect::<Vec<_>>().join(" ")
    };
    for (name, generate) in KEYS {
        desk.other(&format!("openssl {generate} -out {name}.pem"));
        desk.cryptstore(&format!("put {name} --in {name}.pem --format pem"));
        let ours = public_of(&desk.write(name, "openssh"));
        if name == "ed25519" {
            // ssh-keygen takes no SPKI of Ed25519; the 32 bytes at its end are the end of what ssh has, too.
            let spki = desk.read(&desk.write(name, "spki-der"));
            let blob = ours.split(' ').nth(1).unwrap();
            assert!(base64_decode(&desk, blob).ends_with(&spki[spki.len() - 32..]));
        } else {
            let spki = desk.write(name, "spki-pem");
            let expected = desk.other(&format!("ssh-keygen -i -m PKCS8 -f {spki}"));
            assert_eq!(String::from_utf8(expected).unwrap().trim(), ours, "{name}");
        }
    }
    for (kind, bits) in [("ecdsa", "256"), ("ecdsa", "384"), ("ed25519", "256")] {
        let name = format!("ssh-{kind}-{bits}");
        desk.other(&format!("ssh-keygen -q -t {kind} -b {bits} -N  -f {name}"));
        for format in ["openssh", "pem"] {
            desk.cryptstore(&format!("put {name}-{format} --in {name} --format {format}"));
            let again = desk.write(&format!("{name}-{format}"), "openssh");
            assert_eq!(public_of(&again), public_of(&name), "{name} by {format}");
        }
    }
}

fn base64_decode(desk: &Desk, text: &str) -> Vec<u8> {
    fs::write(desk.path("base64"), text).unwrap();
    desk.other("openssl base64 -d -A -in base64")
}

#[test]
fn a_jwk_is_the_same_key_to_python() {
    if !tools::have_python_cryptography() || !tools::have("openssl", "openssl") {
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/jwk_to_pkcs8.py");
    let desk = Desk::new();
    for (name, generate) in KEYS {
        desk.other(&format!("openssl {generate} -out {name}.pem"));
        desk.cryptstore(&format!("put {name} --in {name}.pem --format pem"));
        let jwk = desk.write(name, "jwk");
        let theirs = desk.other(&format!("python3 {} {jwk}", script.display()));
        let private = desk.pkcs8(&format!("{name}.pem"));
        assert!(theirs == private, "{name}");
    }
}

#[test]
fn a_key_is_stored_in_one_format_and_retrieved_in_another() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    let state = fleet.state_of("member", &fleet.member());
    let dir = broker.dir();
    let get = |name: &str, format: &str| {
        retrieve(&broker, &state, name).args("--out - --format").arg(format).run_text().stdout().to_vec()
    };
    let key = fs::read(&fleet.policy_key).unwrap();
    store(&broker, &state, "web/key", &key).args("--format pem").run().ok();
    assert_eq!(get("web/key", "pkcs8-pem"), key);
    let jwk = get("web/key", "jwk");
    store(&broker, &state, "again", &jwk).args("--format jwk --type binary-blob").run().ok();
    assert_eq!(get("again", "pem"), key);
    let certificate = fs::read(&fleet.policy_cert).unwrap();
    store(&broker, &state, "web/certificate", &certificate).args("--format pem").run().ok();
    assert_eq!(get("web/certificate", "x509-pem"), certificate);
    assert_eq!(get("web/certificate", "raw"), fleet.policy.der());
    assert_eq!(get("web/certificate", "spki-pem"), get("web/key", "spki-pem"));

    let out = dir.join("out");
    for (name, format, words) in [
        ("web/certificate", "pkcs8-pem", ["a certificate can't be written as pkcs8-pem", "x509-pem"]),
        ("web/key", "x509-pem", ["an EC private key can't be written as x509-pem", "openssh"]),
        ("web/key", "bits", ["an EC private key can't be written as bits", "jwk"]),
    ] {
        let refused = retrieve(&broker, &state, name).with("--out", &out).with("--format", format).run();
        refused.failed(3).is("refused").says(&words);
    }
    assert!(!out.exists());
    for (options, words) in [
        ("--format x509-pem", "isn't a CERTIFICATE"),
        ("--format pem --type X509-der-cert", "can't hold an EC private key"),
        ("--type X509-der-cert", "isn't one in DER"),
        ("--format bits", "use raw"),
    ] {
        let code =
            if words.contains("CERTIFICATE") || words.contains("DER") { "malformed" } else { "refused" };
        store(&broker, &state, "bad", &key).args(options).run().failed(3).is(code).says(&[words]);
    }
    retrieve(&broker, &state, "bad").args("--out -").run().failed(4).is("not-found");
    // The type that an entry says it has is no promise: a member that speaks the protocol itself stores anything.
    let lie = Writer::new().bytes(1, "lie").bytes(2, "X509-der-cert").int(3, 1).bytes(5, "noise").int(6, 1);
    fleet.channel(&broker).request(&store_entry("lie", &lie.done())).ok();
    for format in ["pem", "x509-der", "spki-pem"] {
        let refused = retrieve(&broker, &state, "lie").with("--out", &out).with("--format", format).run();
        refused.failed(3).is("malformed").says(&["isn't one in DER"]);
    }
    assert!(!out.exists());
    assert_eq!(get("lie", "raw"), b"noise");
}
