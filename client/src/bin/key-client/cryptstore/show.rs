//! `list`, `print`.

use claviger_client::Error;
use claviger_client::cli::{Failure, OutputMode, Report, Table, clock};
use claviger_client::cryptstore::{Info, Which};
use serde::Serialize;

use super::args::{ListArgs, PrintArgs};
use super::load;
use crate::out;

#[derive(Serialize)]
struct Listed {
    /// The domain that the machine is a member of; null before it enrolled.
    domain: Option<String>,
    items: Vec<Info>,
}

impl Report for Listed {
    fn text(&self) -> String {
        let mut table = Table::new(["tag", "version", "type", "exportable", "bytes", "entered"]);
        for item in &self.items {
            table.row([
                item.tag.clone(),
                item.version.to_string(),
                item.entry_type.clone(),
                if item.exportable { "yes" } else { "no" }.to_owned(),
                item.bytes.to_string(),
                entered(item),
            ]);
        }
        table.render()
    }
}

/// When, or nothing where it isn't known.
fn entered(item: &Info) -> String {
    if item.entered == 0 { String::new() } else { clock::text(item.entered) }
}

pub(super) fn list(args: &ListArgs, mode: OutputMode) -> Result<(), Failure> {
    let cryptstore = load(&args.at.open()?)?;
    let shown = cryptstore.entries().filter(|entry| entry.tag.starts_with(&args.prefix));
    let mut items: Vec<_> = shown.map(Info::of).collect();
    items.sort_by(|a, b| (&a.tag, a.version).cmp(&(&b.tag, b.version)));
    mode.tell(&Listed { domain: cryptstore.domain().map(ToString::to_string), items })
}

#[derive(Serialize)]
struct Printed {
    #[serde(flatten)]
    info: Info,
    /// Every version that is there.
    versions: Vec<u32>,
    /// PEM, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<String>,
}

impl Report for Printed {
    fn text(&self) -> String {
        let info = &self.info;
        let versions: Vec<_> = self.versions.iter().map(u32::to_string).collect();
        let mut lines = vec![
            format!("{} version {} (of {})", info.tag, info.version, versions.join(", ")),
            format!("  type {}, {} bytes", info.entry_type, info.bytes),
            format!("  holds {}", info.holds.unwrap_or("something that isn't known here")),
            format!("  exportable {}", if info.exportable { "yes" } else { "no" }),
        ];
        if info.entered != 0 {
            lines.push(format!("  entered {}", clock::text(info.entered)));
        }
        if let Some(key) = &info.key {
            lines.push(format!("  {} public key {}", key.kind, key.fingerprint));
        }
        if let Some(certificate) = &info.certificate {
            lines.push(format!("  certificate {}", certificate.fingerprint));
            lines.push(format!("    subject {}", certificate.subject));
            lines.push(format!("    issuer {}", certificate.issuer));
            let dates = (clock::text(certificate.not_before), clock::text(certificate.not_after));
            lines.push(format!("    valid from {} until {}", dates.0, dates.1));
        }
        lines.join("\n")
    }
}

pub(super) fn print(args: &PrintArgs, mode: OutputMode) -> Result<(), Failure> {
    let cryptstore = load(&args.at.open()?)?;
    let tag = cryptstore.tag(&args.tag).map_err(Error::from)?;
    let which = Which::of(args.version.and_then(|version| version.0));
    let entry = cryptstore.find(&tag, which).map_err(Error::from)?;
    let public_key =
        args.public.then(|| cryptstore.public_key(&tag, which)).transpose().map_err(Error::from)?;
    let public_key = public_key.map(|key| key.to_pem());
    if let (OutputMode::Text, Some(pem)) = (mode, &public_key) {
        return out::to_stdout(pem.as_bytes());
    }
    let tagged = cryptstore.entries().filter(|other| other.tag == entry.tag);
    let mut versions: Vec<_> =
        tagged.filter_map(|other| other.version).map(claviger_proto::Version::get).collect();
    versions.sort_unstable();
    mode.tell(&Printed { info: Info::of(entry), versions, public_key })
}
