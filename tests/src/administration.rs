//! The admin API over the network, as a test wants it: any certificate or none, any face, any call.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::broker::{Broker, Setup};
use crate::certificate::{Authority, pem, unpem};
use crate::channel::{Channel, Credentials, Hello};
use crate::fleet::Fleet;
use crate::programs::{Call, command};

/// An answer's status and body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The head, as text.
    pub head: String,
    /// The body; null where it is empty or no JSON.
    pub body: Value,
}

/// The hello of who names this domain, or none.
pub fn hello(domain: Option<&str>) -> Hello {
    let alpn = vec![b"http/1.1".to_vec()];
    Hello { server_name: domain.map(str::to_owned), alpn, ..Hello::default() }
}

/// A connection to the admin API of this broker.
#[track_caller]
pub fn open(broker: &Broker, domain: Option<&str>, own: &Credentials) -> Channel {
    let address = broker.admin_listen.expect("an admin listener");
    Channel::connect(address, &hello(domain), Some(own)).expect("a connection")
}

/// Makes a call on a connection.
#[track_caller]
pub fn call(channel: &mut Channel, method: &str, path: &str, body: &str) -> Answer {
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: broker\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    channel.send_bytes(format!("{head}{body}").as_bytes()).expect("the call is sent");
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        let more = channel.read_record().expect("an answer");
        assert!(!more.is_empty(), "an answer");
        bytes.extend(more);
    };
    let head = String::from_utf8(bytes[..end].to_vec()).expect("text").to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |length| length.trim().parse().expect("a number"));
    while bytes.len() < end + length {
        let more = channel.read_record().expect("a body");
        assert!(!more.is_empty(), "a body");
        bytes.extend(more);
    }
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    Answer { status, head, body: serde_json::from_slice(&bytes[end..]).unwrap_or_default() }
}

/// An operator of a broker: a certificate that vouches for itself, and its files.
pub struct Operator {
    /// The certificate and key.
    pub own: Credentials,
    /// The certificate's file.
    pub cert: PathBuf,
    /// The key's file.
    pub key: PathBuf,
}

/// A broker with the admin API over the network and this operator, serving.
pub fn start() -> (Broker, Operator) {
    let authority = Authority::self_signed("operator", false, time::Duration::hours(1));
    let own = authority.credentials();
    let hex = hex::encode(claviger_attest::sha256(&own.certificate));
    let config = format!("[admin]\nlisten = \"127.0.0.1:0\"\noperators = [\"{hex}\"]\n");
    let broker = Broker::start_with(Setup { config, ..Setup::default() });
    let cert = broker.file("operator-cert.pem", pem("CERTIFICATE", &own.certificate));
    let key = broker.file("operator-key.pem", pem("PRIVATE KEY", &own.key));
    (broker, Operator { own, cert, key })
}

/// Somebody with a certificate for administering a domain.
pub struct Person {
    /// The certificate and key.
    pub own: Credentials,
    /// Where the files are.
    pub dir: PathBuf,
    /// SHA-256 of the certificate.
    pub fingerprint: String,
}

impl Person {
    /// Has the domain's policy key certify somebody; the options are those of `owner certify`.
    pub fn certify(broker: &Broker, fleet: &Fleet, label: &str, options: &str) -> Self {
        let dir = broker.dir().join(label);
        let certify = command("key-admin").args("owner certify").with("--domain", &fleet.name);
        let certify = certify.with("--policy-key", &fleet.policy_key).with("--name", label);
        let made = certify.args(options).with("--out-dir", &dir).run().ok();
        let fingerprint = made["certificate_fingerprint"].as_str().expect("a fingerprint").to_owned();
        let read = |name: &str| std::fs::read(dir.join(name)).expect("a file");
        let own =
            Credentials { certificate: unpem(&read("admin-cert.pem")), key: unpem(&read("admin-key.pem")) };
        Self { own, dir, fingerprint }
    }

    /// The certificate's file.
    pub fn cert(&self) -> PathBuf {
        self.dir.join("admin-cert.pem")
    }

    /// Registers them on the broker's own socket.
    #[track_caller]
    #[must_use]
    pub fn register(self, broker: &Broker, fleet: &Fleet) -> Self {
        register(broker, &fleet.name, &self.cert()).run().ok();
        self
    }

    /// A call of key-admin as this person.
    pub fn admin(&self, broker: &Broker, fleet: &Fleet, line: &str) -> Call {
        remote(broker, &self.cert(), &self.dir.join("admin-key.pem"), line)
            .with("--admin-policy-cert", &fleet.policy_cert)
    }
}

impl Operator {
    /// A call of key-admin as this operator.
    pub fn admin(&self, broker: &Broker, line: &str) -> Call {
        remote(broker, &self.cert, &self.key, line)
            .with("--broker-cert", broker.data_dir().join("admin-cert.pem"))
    }
}

/// `owner register` on the broker's own socket.
pub fn register(broker: &Broker, domain: &str, certificate: &Path) -> Call {
    broker.admin("owner register").with("--domain", domain).with("--certificate", certificate)
}

/// A call of key-admin over the network, which doesn't say yet what it knows the broker by.
pub fn remote(broker: &Broker, cert: &Path, key: &Path, line: &str) -> Call {
    let address = broker.admin_listen.expect("an admin listener");
    command("key-admin")
        .args(line)
        .with("--broker", format!("https://{address}"))
        .with("--admin-cert", cert)
        .with("--admin-key", key)
}
