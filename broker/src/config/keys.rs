//! What there is to set, as a table: the reference in docs/configuration.md is made from it.

use std::fmt::Write as _;

use super::Limits;

/// One setting.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    /// Its name, with its table's.
    pub(super) name: &'static str,
    /// What it says.
    pub(super) doc: &'static str,
    /// When a change of it counts.
    pub(super) when: When,
    /// The smallest and the largest number.
    pub(super) bounds: Option<(u64, u64)>,
}

/// When a changed setting counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// At the next start.
    Start,
    /// At the next SIGHUP, for whatever begins after it.
    Reload,
}

/// A setting outside `[limits]`, and what it is when it isn't set: a value, or an example of one.
struct Outer {
    key: Key,
    default: Result<&'static str, &'static str>,
}

const fn outer(
    name: &'static str,
    when: When,
    default: Result<&'static str, &'static str>,
    doc: &'static str,
) -> Outer {
    Outer { key: Key { name, doc, when, bounds: None }, default }
}

const OUTER: &[Outer] = &[
    outer(
        "data_dir",
        When::Start,
        Err("\"/var/lib/claviger\""),
        "The data directory, made by key-broker init. Has to be set here, by --data-dir or by CLAVIGER_DATA_DIR.",
    ),
    outer(
        "listen",
        When::Start,
        Ok("\"127.0.0.1:8120\""),
        "The key service's address; port 0 takes a free port.",
    ),
    outer(
        "admission_listen",
        When::Start,
        Ok("[]"),
        "Where agents are admitted, ADDRESS:PORT[=DOMAIN] each; DOMAIN is the one of stock evidence, which names none. \
         Without any, this broker admits nobody.",
    ),
    outer(
        "ops_listen",
        When::Start,
        Err("\"127.0.0.1:8122\""),
        "Address of /livez, /readyz and /metrics: plain HTTP for whoever reaches it. Without it they are off.",
    ),
    outer(
        "admin_socket",
        When::Start,
        Err("\"/run/claviger/admin.sock\""),
        "The admin socket. Without it, admin.sock in the data directory.",
    ),
    outer(
        "passphrase_file",
        When::Start,
        Err("\"/run/keys/claviger\""),
        "A file that holds the passphrase of a key slot. Without it, systemd's credential claviger-passphrase, or the \
         terminal.",
    ),
    outer(
        "default_domain",
        When::Reload,
        Err("\"fleet\""),
        "The domain of a channel that names none. Without it, the only domain.",
    ),
    outer(
        "vcek_dirs",
        When::Reload,
        Ok("[]"),
        "Folders with certificates of chips' keys for evidence that comes without: vcek/CHIP/TCB.der, or as Trustee's \
         offline store has them; files put there count at once. Beside it ask*.pem, asvk*.pem (or .der), read again at SIGHUP \
         only.",
    ),
    outer(
        "crl_dir",
        When::Reload,
        Err("\"/etc/claviger/crls\""),
        "A folder with the revocation lists of AMD's ARKs: *.crl, *.der or *.pem, one list each; a test platform's lies there \
         with its ARK's certificate, ark*.pem (or .der). Without it, no list is asked for. One that is past its end refuses \
         what is under its ARK. One that was read counts until the broker ends, or a newer one takes its place.",
    ),
    outer(
        "kds_url",
        When::Reload,
        Ok("\"https://kdsintf.amd.com\""),
        "The key distribution service that is asked for the others: AMD's, or a mirror of it. What it gives is held \
         against AMD's roots, so http:// will do. Empty, and none is ever asked.",
    ),
    outer(
        "kds_roots",
        When::Reload,
        Ok("\"/etc/ssl/certs/ca-certificates.crt\""),
        "The certificates (PEM) by which an https:// service's own is judged.",
    ),
    outer(
        "bootstrap",
        When::Start,
        Err("\"home.example:8123\""),
        "The admission port of the home broker that this broker gets its domains from. Without it, domains are made here.",
    ),
    outer(
        "bootstrap_evidence",
        When::Start,
        Err("\"sev-snp:device\""),
        "Where this broker's evidence for its home comes from, as in key-client enroll --evidence.",
    ),
    outer(
        "bootstrap_domains",
        When::Start,
        Err("[\"fleet=/etc/claviger/fleet-policy-cert.pem\"]"),
        "Which domains it gets, DOMAIN=FILE each; FILE is the domain's policy certificate.",
    ),
    outer(
        "bootstrap_domains_dir",
        When::Start,
        Err("\"/etc/claviger/domains\""),
        "A folder of policy certificates, *.pem, of further domains that it gets; each certificate names its domain.",
    ),
    outer(
        "bootstrap_every",
        When::Start,
        Err("60"),
        "How many seconds after one look at home the next is due, 1 to 86400; without it, 60.",
    ),
    outer("shards", When::Start, Err("2"), "How many cores serve, 1 to 1024. Without it, all."),
    outer(
        "log_format",
        When::Start,
        Ok("\"auto\""),
        "text, json, or auto: text on a terminal, JSON lines otherwise.",
    ),
    outer(
        "log_filter",
        When::Reload,
        Ok("\"info\""),
        "What is logged: error, warn, info, debug, trace, or such as info,claviger_broker=debug.",
    ),
];

/// Those of `[admin]`.
const ADMIN: &[Outer] = &[
    outer(
        "admin.listen",
        When::Start,
        Err("\"127.0.0.1:8121\""),
        "Address of the admin API over mutual TLS, for operators, owners and auditors. Without it only the admin socket is \
         there.",
    ),
    outer(
        "admin.operators",
        When::Reload,
        Ok("[]"),
        "Who operates the broker over the network: the SHA-256 of each one's certificate in hex, or its PEM file.",
    ),
];

/// All keys, those of `[limits]` last.
pub(super) fn keys() -> impl Iterator<Item = &'static Key> {
    OUTER.iter().chain(ADMIN).map(|outer| &outer.key).chain(Limits::KEYS)
}

/// All settings with their defaults and what they mean, as a configuration file.
pub fn reference() -> String {
    let mut text = String::new();
    outer_keys(OUTER, "", &mut text);
    text.push_str("[admin]\n");
    outer_keys(ADMIN, "admin.", &mut text);
    text.push_str("[limits]\n");
    for (key, value) in Limits::KEYS.iter().zip(Limits::default().values()) {
        describe(key, &mut text);
        let name = key.name.trim_start_matches("limits.");
        let _ = writeln!(text, "{name} = {value}\n");
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// Keys outside `[limits]`, in the table that their names begin with.
fn outer_keys(keys: &[Outer], table: &str, text: &mut String) {
    for Outer { key, default } in keys {
        let name = key.name.trim_start_matches(table);
        describe(key, text);
        // Writing to a string can't fail.
        let _ = match default {
            Ok(value) => writeln!(text, "{name} = {value}\n"),
            Err(example) => writeln!(text, "# {name} = {example}\n"),
        };
    }
}

/// Comment lines for a key.
fn describe(key: &Key, text: &mut String) {
    const WIDTH: usize = 100;
    let mut words = key.doc.trim().to_owned();
    if let Some((low, high)) = key.bounds {
        let _ = write!(words, " From {low} to {high}.");
    }
    words.push_str(match key.when {
        When::Start => " Read at the start.",
        When::Reload => " Read again at SIGHUP.",
    });
    let mut line = String::from("#");
    for word in words.split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH {
            text.push_str(&line);
            text.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    text.push_str(&line);
    text.push('\n');
}
