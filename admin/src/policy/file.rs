//! Policy files: read, with the line of what is wrong; and written.

use std::path::Path;

use claviger_attest::{PolicyFile, PolicyFileError, PolicyTable, TrustPolicy};
use claviger_client::cli::certificates::MAX_FILE;
use claviger_client::cli::{Failure, input};
use claviger_proto::ErrorCode;
use claviger_proto::key::read_root;
use serde::Deserialize;
use serde::de::IgnoredAny;
use toml::Spanned;

/// Largest policy file, in bytes: more than a broker keeps.
const MAX_POLICY: usize = 1 << 20;

const PEM: &str = "-----BEGIN ";

/// Reads a policy file, with the roots that it names in it, and checks it as a whole.
pub(crate) fn load(path: &Path) -> Result<(PolicyFile, TrustPolicy), Failure> {
    let bytes = input::read(path, MAX_POLICY)?;
    let text = std::str::from_utf8(bytes.expose()).map_err(|_| refused(path, None, "it isn't text"))?;
    let mut file: PolicyFile = toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| line_at(text, span.start));
        refused(path, line, error.message().trim_end())
    })?;
    let lines = EntryLines::of(text);
    file.read_roots(|table, at, root| {
        root_of(path, root).map_err(|why| refused(path, lines.get(table, at), &format!("a root {why}")))
    })?;
    let policy = TrustPolicy::from_file(file.clone()).map_err(|PolicyFileError { entry, fault }| {
        refused(path, entry.and_then(|(table, at)| lines.get(table, at)), &fault.to_string())
    })?;
    Ok((file, policy))
}

/// A root is PEM, or the file of a key or certificate beside the policy's; of either only the public half is sent.
fn root_of(policy: &Path, root: &str) -> Result<String, String> {
    if root.trim_start().starts_with(PEM) {
        let key = read_root(root.as_bytes()).map_err(|error| format!("can't be used: {error}"))?;
        return Ok(key.to_pem());
    }
    let path = policy.parent().unwrap_or(Path::new("")).join(root);
    let named = |why: &str| format!("is neither PEM nor a key file ({}): {why}", path.display());
    let bytes = input::read(&path, MAX_FILE).map_err(|failure| named(failure.message()))?;
    let key = read_root(bytes.expose()).map_err(|error| named(&error.to_string()))?;
    Ok(key.to_pem())
}

/// The lines at which `[[measurement]]`s and `[[broker]]`s begin.
struct EntryLines {
    measurement: Vec<usize>,
    broker: Vec<usize>,
}

impl EntryLines {
    fn of(text: &str) -> Self {
        #[derive(Default, Deserialize)]
        struct Places {
            #[serde(default)]
            measurement: Vec<Spanned<IgnoredAny>>,
            #[serde(default)]
            broker: Vec<Spanned<IgnoredAny>>,
        }
        let places = toml::from_str::<Places>(text).unwrap_or_default();
        let lines = |places: &[Spanned<IgnoredAny>]| {
            places.iter().map(|place| line_at(text, place.span().start)).collect()
        };
        Self { measurement: lines(&places.measurement), broker: lines(&places.broker) }
    }

    fn get(&self, table: PolicyTable, at: usize) -> Option<usize> {
        let lines = match table {
            PolicyTable::Measurement => &self.measurement,
            PolicyTable::Broker => &self.broker,
        };
        lines.get(at).copied()
    }
}

fn line_at(text: &str, byte: usize) -> usize {
    text.as_bytes().iter().take(byte).filter(|byte| **byte == b'\n').count() + 1
}

fn refused(path: &Path, line: Option<usize>, why: &str) -> Failure {
    let line = line.map(|line| format!(" line {line}")).unwrap_or_default();
    let message = format!("the policy {}{line}: {why}", input::shown(path));
    Failure::coded(ErrorCode::Refused, message, "correct the file and try again; nothing was changed")
}

/// The text of a file.
pub(super) fn text(file: &PolicyFile) -> String {
    toml::to_string_pretty(file).expect("a policy file is tables of plain data")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::fs;

    use claviger_attest::{KeyAlgorithm, SigningKey};

    use super::*;

    fn read(dir: &Path, text: &str) -> Result<(PolicyFile, TrustPolicy), Failure> {
        fs::write(dir.join("policy.toml"), text).unwrap();
        load(&dir.join("policy.toml"))
    }

    fn entry(more: &str) -> String {
        format!("[[measurement]]\nkind = \"simulated-enclave\"\nvalue = \"{}\"\n{more}\n", "ab".repeat(32))
    }

    /// Of a digest that is too short for its kind.
    fn sev_snp(table: &str) -> String {
        entry("").replace("simulated-enclave", "sev-snp").replace("measurement", table)
    }

    #[test]
    fn a_root_may_be_a_file_of_either_half_and_only_the_public_one_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let key = SigningKey::generate(KeyAlgorithm::P256).unwrap();
        let private = key.to_private().unwrap().to_pem();
        fs::write(dir.path().join("root.pem"), private.as_bytes()).unwrap();
        for root in [
            "\"root.pem\"".to_owned(),
            format!("'''\n{}'''", *private),
            format!("'''{}'''", key.public().to_pem()),
        ] {
            let (file, policy) =
                read(dir.path(), &format!("format = 1\n{}", entry(&format!("roots = [{root}]")))).unwrap();
            assert!(policy.references.iter().next().unwrap().has_root(key.public()));
            assert!(!text(&file).contains("PRIVATE"));
            let (_, again) = read(dir.path(), &text(&file)).unwrap();
            assert_eq!(again, policy);
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("other"), "no key").unwrap();
        let good = entry("label = \"web\"\nroots = [\"root.pem\"]");
        let key = SigningKey::generate(KeyAlgorithm::P256).unwrap();
        fs::write(dir.path().join("root.pem"), key.public().to_pem()).unwrap();
        for (text, line, word) in [
            ("format = 1\nother = 2\n".to_owned(), " line 2:", "unknown field `other`"),
            ("format = 2\n".to_owned(), ":", "format is 2"),
            ("format = \n".to_owned(), " line 1:", ""),
            (
                format!("format = 1\n\n{}", entry("roots = [\"other\"]")),
                " line 3:",
                "neither PEM nor a key file",
            ),
            (format!("format = 1\n\n{}", entry("roots = [\"absent\"]")), " line 3:", "absent"),
            (format!("format = 1\n{good}{good}"), " line 7:", "the same as number 1"),
            (format!("format = 1\n{good}expires = \"soon\"\n"), " line 2:", "RFC 3339"),
            (format!("format = 1\n{}", entry("vmpl = 300")), " line 5:", "300"),
            (
                format!("format = 1\n{}", sev_snp("measurement")),
                " line 2:",
                "96 hex digits, and this one has 64",
            ),
            (
                format!("format = 1\n\n{}", sev_snp("broker")),
                " line 3:",
                "96 hex digits, and this one has 64",
            ),
            (
                format!("format = 1\n{good}").replace("\"\nlabel", &format!("{}\"\nlabel", "ab".repeat(16))),
                " line 2:",
                "64 hex digits, and this one has 96",
            ),
            ("format = 1\n[sev-snp]\nsmt = 1\n".to_owned(), " line 3:", "smt"),
            ("format = 1\n[instance]\ndemand = \"disk\"\n".to_owned(), " line 3:", "demand is"),
            ("format = 1\n[instance]\ndemand = \"chip\"\n".to_owned(), ":", "lists no chips"),
        ] {
            let failure = read(dir.path(), &text).unwrap_err();
            let message = failure.message();
            assert!(
                message.contains(&format!("policy.toml{line}")) && message.contains(word),
                "{message}\n{text}"
            );
            assert_eq!(failure.exit_status(), 3);
        }
    }
}
