//! Changes of a domain's own access rules and of the principals that they speak of.

use claviger_acl::Acl;
use claviger_attest::{PrincipalName, TrustedPrincipal, sha256};
use claviger_proto::DomainName;
use claviger_proto::admin::{self, AclRules, AclRulesInForce, AddPrincipal, StockPeers};
use claviger_store::DomainChange;
use rustls::pki_types::UnixTime;

use super::{AdminError, ChangeRules, Registry};
use crate::actors::audit::seconds;
use crate::domain::{Access, labels};

/// Largest text of rules, in bytes: some hundred lines, and compiled anew at every change of the domain.
const MAX_RULES: usize = 32 << 10;

/// Most certificates by which a domain knows principals.
const MAX_PRINCIPALS: usize = 256;

impl Registry {
    pub(super) fn rules(&self, name: &DomainName) -> Result<AclRulesInForce, AdminError> {
        let domain = self.find(name)?;
        let known =
            |name: &PrincipalName| domain.access.principals.iter().any(|trusted| trusted.name() == name);
        // It may be made known later, so this is no fault.
        let unknown = domain.acl.principals().filter(|name| !known(name)).map(|name| {
            format!(
                "rules ask for principal {name}, whom {} doesn't know, so nobody can be it; key-admin principal add \
                 makes it known",
                domain.name
            )
        });
        Ok(AclRulesInForce { rules: domain.access.rules.clone(), warnings: unknown.collect() })
    }

    pub(super) async fn set_rules(
        &self,
        ChangeRules { domain: name, rules: AclRules { rules }, if_match }: ChangeRules,
    ) -> Result<AclRulesInForce, AdminError> {
        let name = &name;
        let domain = self.find(name)?;
        if if_match.is_some_and(|tags| !names(&tags, &rules_tag(&domain.access.rules))) {
            return Err(AdminError::RulesChanged(name.clone()));
        }
        if rules.len() > MAX_RULES {
            return Err(AdminError::Invalid(format!("rules have at most {MAX_RULES} bytes")));
        }
        Acl::compile_with(name, domain.preset, &rules, &labels(&domain.trust, seconds(UnixTime::now())))?;
        let access = Access { rules, ..domain.access.clone() };
        self.update(&domain, DomainChange::Access(access.encode()), "acl-rules").await?;
        self.rules(name)
    }

    pub(super) async fn set_stock(
        &self,
        name: &DomainName,
        stock: StockPeers,
    ) -> Result<admin::Domain, AdminError> {
        let domain = self.find(name)?;
        if domain.access.stock != stock {
            let access = Access { stock, ..domain.access.clone() };
            self.update(&domain, DomainChange::Access(access.encode()), "stock-peers").await?;
        }
        self.show(name)
    }

    pub(super) fn principals(&self, name: &DomainName) -> Result<Vec<admin::Principal>, AdminError> {
        Ok(self.find(name)?.access.principals.iter().map(describe).collect())
    }

    pub(super) async fn add_principal(
        &self,
        name: &DomainName,
        add: AddPrincipal,
    ) -> Result<admin::Principal, AdminError> {
        let domain = self.find(name)?;
        let certificate = super::change::unhex("certificate", &add.certificate)?;
        let trusted = TrustedPrincipal::new(add.name.parse()?, &certificate)?;
        trusted.check_dates(UnixTime::now())?;
        let described = describe(&trusted);
        let mut access = domain.access.clone();
        if access.principals.add(trusted) {
            if access.principals.len() > MAX_PRINCIPALS {
                let many = format!("a domain knows principals by at most {MAX_PRINCIPALS} certificates");
                return Err(AdminError::Invalid(many));
            }
            self.update(&domain, DomainChange::Access(access.encode()), "principal-add").await?;
        }
        Ok(described)
    }

    pub(super) async fn remove_principal(
        &self,
        name: &DomainName,
        principal: &str,
    ) -> Result<(), AdminError> {
        let domain = self.find(name)?;
        let principal: PrincipalName = principal.parse()?;
        let mut access = domain.access.clone();
        if !access.principals.remove(&principal) {
            return Err(AdminError::NoPrincipal(name.clone()));
        }
        self.update(&domain, DomainChange::Access(access.encode()), "principal-remove").await
    }
}

/// The entity tag of a text of rules (RFC 9110 8.8.3): its digest, for who read the same text changes the same.
pub fn rules_tag(rules: &str) -> String {
    format!("\"{}\"", hex::encode(sha256(rules.as_bytes())))
}

/// Whether an `If-Match` names this tag (RFC 9110 13.1.1); `*` is any.
fn names(tags: &str, tag: &str) -> bool {
    tags.split(',').map(str::trim).any(|named| named == "*" || named == tag)
}

fn describe(trusted: &TrustedPrincipal) -> admin::Principal {
    admin::Principal {
        name: trusted.name().to_string(),
        fingerprint: hex::encode(trusted.fingerprint()),
        authority: trusted.is_authority(),
        not_after: seconds(trusted.not_after()),
    }
}
