//! Names.

use claviger_proto::limits::{MAX_DOMAIN_NAME, MAX_RESOURCE_NAME};
use claviger_proto::{DomainName, ResourceName};

/// A domain's name, a newline, a resource's name.
pub fn names(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let (domain, name) = text.split_once('\n').unwrap_or(("dom0", text));
    let Ok(domain) = domain.parse::<DomainName>() else { return };
    assert!(domain.as_str().len() <= MAX_DOMAIN_NAME);
    assert_eq!(domain.to_string().parse::<DomainName>(), Ok(domain.clone()));
    if let Ok(name) = ResourceName::parse_in(&domain, name) {
        parsed(&domain, &name);
    }
}

fn parsed(domain: &DomainName, name: &ResourceName) {
    assert!((1..=MAX_RESOURCE_NAME).contains(&name.as_str().len()));
    assert!(name.segments().all(|segment| !matches!(segment, "" | "." | "..")));
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-/".contains(&b);
    assert!(name.as_str().bytes().all(allowed));
    assert_eq!(name.as_str().parse::<ResourceName>().as_ref(), Ok(name));
    // No spelling gets around the reserved names.
    let reserved = |text: String| text.parse::<ResourceName>().map(|name| name.is_reserved_in(domain));
    let text = name.as_str();
    for spelling in [text.to_ascii_uppercase(), text.replace('-', "_"), text.replace('_', "-")] {
        assert_eq!(reserved(spelling), Ok(name.is_reserved_in(domain)));
    }
}
