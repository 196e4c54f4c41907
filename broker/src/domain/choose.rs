//! Which domain a channel belongs to (from its `ClientHello`, before anything is sent).

use std::sync::Arc;

use claviger_proto::ALPN;
use rustls::AlertDescription;

use super::{Domain, Domains};

/// What of a `ClientHello` the choice looks at.
#[derive(Debug, Default)]
pub struct Hello<'a> {
    /// `server_name`, if sent.
    pub server_name: Option<&'a str>,
    /// `certificate_authorities`, each a DER `Name`.
    pub authorities: Vec<&'a [u8]>,
    /// `application_layer_protocol_negotiation`, if sent.
    pub alpn: Option<Vec<&'a [u8]>>,
}

/// No domain: the alert that says so, and the reason for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What the peer is told.
    pub alert: AlertDescription,
    /// What the log is told.
    pub reason: &'static str,
}

/// Chooses the domain: by SNI, else by the policy certificate's subject, else the default or only one.
/// Hints that disagree are refused, never resolved.
pub fn choose(domains: &Domains, hello: &Hello<'_>) -> Result<Arc<Domain>, Refused> {
    let chosen = chosen(domains, hello)?;
    if chosen.installed {
        Ok(chosen)
    } else {
        Err(Refused { alert: AlertDescription::AccessDenied, reason: "awaits-owner" })
    }
}

fn chosen(domains: &Domains, hello: &Hello<'_>) -> Result<Arc<Domain>, Refused> {
    if domains.is_sealed() {
        return Err(Refused { alert: AlertDescription::InternalError, reason: "sealed" });
    }
    if hello.alpn.as_ref().is_some_and(|offered| !offered.contains(&ALPN)) {
        return Err(Refused { alert: AlertDescription::NoApplicationProtocol, reason: "unknown-alpn" });
    }
    let by_subject = by_subject(domains, &hello.authorities)?;
    match (hello.server_name, by_subject) {
        (Some(name), hinted) => {
            let named = by_server_name(domains, name)
                .ok_or(Refused { alert: AlertDescription::UnrecognisedName, reason: "unknown-domain" })?;
            let disagree = hinted.is_some_and(|hinted| hinted.name != named.name)
                || (hinted.is_none() && !hello.authorities.is_empty());
            if disagree {
                return Err(Refused { alert: AlertDescription::IllegalParameter, reason: "hints-disagree" });
            }
            Ok(Arc::clone(named))
        }
        (None, Some(domain)) => Ok(Arc::clone(domain)),
        (None, None) if !hello.authorities.is_empty() => {
            Err(Refused { alert: AlertDescription::UnrecognisedName, reason: "unknown-authority" })
        }
        (None, None) => domains
            .unnamed()
            .cloned()
            .ok_or(Refused { alert: AlertDescription::UnrecognisedName, reason: "no-domain-named" }),
    }
}

/// SNI `<domain>`, or `<first 32 hex digits of the policy certificate's SHA-256>.<domain>`.
pub(crate) fn by_server_name<'d>(domains: &'d Domains, name: &str) -> Option<&'d Arc<Domain>> {
    let (pin, name) = match name.split_once('.') {
        Some((pin, name)) => (Some(pin), name),
        None => (None, name),
    };
    let domain = domains.get(&name.parse().ok()?)?;
    let fingerprint = || hex::encode(&domain.policy.fingerprint()[..16]);
    pin.is_none_or(|pin| pin == fingerprint()).then_some(domain)
}

/// At most one of the names may be ours; names of others are ignored, as RFC 8446 has it.
fn by_subject<'d>(domains: &'d Domains, authorities: &[&[u8]]) -> Result<Option<&'d Arc<Domain>>, Refused> {
    let mut ours = authorities.iter().filter_map(|name| domains.with_subject(name));
    let first = ours.next();
    match (first, ours.find(|other| first.is_some_and(|first| first.name != other.name))) {
        (_, Some(_)) => {
            Err(Refused { alert: AlertDescription::IllegalParameter, reason: "several-authorities" })
        }
        (first, None) => Ok(first),
    }
}

#[cfg(test)]
mod tests {
    use claviger_acl::Preset;

    use super::*;
    use crate::domain::testing::{Made, make};

    fn two() -> (Made, Made, Domains) {
        let (a, b) = (make("alpha", Preset::Closed), make("beta", Preset::Closed));
        let domains = Domains::new([Arc::clone(&a.domain), Arc::clone(&b.domain)], None);
        (a, b, domains)
    }

    fn named(server_name: &str) -> Hello<'_> {
        Hello { server_name: Some(server_name), alpn: Some(vec![ALPN]), ..Hello::default() }
    }

    fn hinted<'a>(of: &[&'a Made]) -> Hello<'a> {
        let authorities = of.iter().map(|made| made.domain.policy.subject_der()).collect();
        Hello { authorities, ..Hello::default() }
    }

    fn chosen(domains: &Domains, hello: &Hello<'_>) -> Result<String, &'static str> {
        choose(domains, hello).map(|domain| domain.name.to_string()).map_err(|refused| refused.reason)
    }

    #[actix_rt::test]
    async fn by_server_name_with_and_without_the_certificates_digest() {
        let (a, b, domains) = two();
        assert_eq!(chosen(&domains, &named("alpha")), Ok("alpha".to_owned()));
        let pin = |made: &Made| hex::encode(&made.domain.policy.fingerprint()[..16]);
        assert_eq!(chosen(&domains, &named(&format!("{}.beta", pin(&b)))), Ok("beta".to_owned()));
        assert_eq!(chosen(&domains, &named(&format!("{}.beta", pin(&a)))), Err("unknown-domain"));
        for name in ["gamma", "Alpha", "alpha.beta", ".alpha", "alpha."] {
            assert_eq!(chosen(&domains, &named(name)), Err("unknown-domain"), "{name}");
        }
    }

    #[actix_rt::test]
    async fn by_authority_as_stock_peers_say_it() {
        let (a, b, domains) = two();
        assert_eq!(chosen(&domains, &hinted(&[&b])), Ok("beta".to_owned()));
        assert_eq!(chosen(&domains, &hinted(&[&a, &b])), Err("several-authorities"));
        assert_eq!(chosen(&domains, &hinted(&[&a, &a])), Ok("alpha".to_owned()));
        let foreign = Hello { authorities: vec![b"0\0"], ..Hello::default() };
        assert_eq!(chosen(&domains, &foreign), Err("unknown-authority"));
    }

    #[actix_rt::test]
    async fn hints_that_disagree_are_refused() {
        let (a, _b, domains) = two();
        let mut hello = hinted(&[&a]);
        hello.server_name = Some("alpha");
        assert_eq!(chosen(&domains, &hello), Ok("alpha".to_owned()));
        hello.server_name = Some("beta");
        assert_eq!(chosen(&domains, &hello), Err("hints-disagree"));
    }

    #[actix_rt::test]
    async fn without_a_hint_the_only_or_the_default_domain() {
        let (a, b, domains) = two();
        let nothing = Hello::default();
        assert_eq!(chosen(&domains, &nothing), Err("no-domain-named"));
        let one = Domains::new([Arc::clone(&a.domain)], None);
        assert_eq!(chosen(&one, &nothing), Ok("alpha".to_owned()));
        let both = [Arc::clone(&a.domain), Arc::clone(&b.domain)];
        let with_default = Domains::new(both, Some("beta".parse().expect("a name")));
        assert_eq!(chosen(&with_default, &nothing), Ok("beta".to_owned()));
    }

    #[actix_rt::test]
    async fn another_protocol_and_a_sealed_broker_are_refused() {
        let (_a, _b, domains) = two();
        let http = Hello { server_name: Some("alpha"), alpn: Some(vec![b"h2"]), ..Hello::default() };
        assert_eq!(chosen(&domains, &http), Err("unknown-alpn"));
        assert_eq!(chosen(&Domains::default(), &named("alpha")), Err("sealed"));
    }
}
