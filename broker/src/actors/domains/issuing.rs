//! A domain whose owner keeps the policy key: what is asked of the owner, and what the owner gave.

use claviger_attest::{BrokerMeasurements, IssuerCertificate, certificate_spki, verify_broker};
use claviger_proto::admin::{self, InstallIssuing, IssuingRequests};
use claviger_proto::{DomainName, Secret};
use claviger_store::{BrokerIdentity, DomainChange};
use rustls::pki_types::UnixTime;

use super::change::unhex;
use super::{AdminError, Registry};
use crate::actors::audit::seconds;
use crate::domain::{Asked, Domain, Issuing, signing_key};

impl Registry {
    /// The requests that wait for the owner; new ones where none do.
    pub(super) async fn issuing_requests(&self, name: &DomainName) -> Result<IssuingRequests, AdminError> {
        let (domain, mut issuing) = self.owner_held(name)?;
        let asked = match issuing.asked.take() {
            Some(asked) => asked,
            None => Asked::generate()?,
        };
        let (issuer, broker) = asked.requests().map_err(|fault| AdminError::Invalid(fault.to_string()))?;
        issuing.asked = Some(asked);
        let change = DomainChange::Issuing { issuing: issuing.encode(), identity: None };
        self.update(&domain, change, "issuing-request").await?;
        Ok(IssuingRequests { issuer: hex::encode(issuer), broker: hex::encode(broker) })
    }

    /// Puts into force what the owner signed, if it is for the keys that were asked for.
    pub(super) async fn install_issuing(
        &self,
        name: &DomainName,
        install: InstallIssuing,
    ) -> Result<admin::Domain, AdminError> {
        let (domain, issuing) = self.owner_held(name)?;
        let asked = issuing.asked.ok_or_else(|| AdminError::NothingAsked(name.clone()))?;
        let now = UnixTime::now();
        let issuer = unhex("issuer", &install.issuer)?;
        check_issuer(&domain, &issuer, &asked, now)?;
        let identity = match &install.broker_certificate {
            Some(text) => {
                Some(broker_identity(&domain, unhex("broker_certificate", text)?, asked.broker, now)?)
            }
            None if domain.installed => None,
            None => {
                let text = "the broker has no certificate of its own in this domain yet; give that as well";
                return Err(AdminError::Invalid(text.to_owned()));
            }
        };
        let issuing = Issuing { issuer: Some((issuer, asked.issuer)), asked: None };
        let change = DomainChange::Issuing { issuing: issuing.encode(), identity };
        self.update(&domain, change, "issuing-install").await?;
        tracing::info!(domain = %name, "a delegated issuer is installed");
        self.show(name)
    }

    fn owner_held(&self, name: &DomainName) -> Result<(std::sync::Arc<Domain>, Issuing), AdminError> {
        let domain = self.find(name)?;
        if domain.home.is_some() {
            return Err(AdminError::FromHome(name.clone()));
        }
        if domain.holds_policy_key {
            return Err(AdminError::HoldsPolicyKey(name.clone()));
        }
        let stored = self.storage.store.domain(name)?.ok_or_else(|| AdminError::NoDomain(name.clone()))?;
        let issuing = stored.record.issuing.as_ref().map(Issuing::decode).transpose()?;
        Ok((domain, issuing.unwrap_or_default()))
    }

    /// How long the delegated issuers last: the one that ends first.
    pub(super) fn watch_issuers(&self) {
        let now = seconds(UnixTime::now());
        let domains = self.domains();
        let ends = domains.iter().filter_map(|domain| issuer_end(domain));
        #[allow(clippy::cast_precision_loss, reason = "times are far below 2^52")]
        let left = ends.min().map_or(f64::INFINITY, |end| end.saturating_sub(now) as f64);
        metrics::gauge!("claviger_issuer_seconds_left").set(left);
    }
}

/// When a domain's delegated issuer ends, if it has one.
pub(super) fn issuer_end(domain: &Domain) -> Option<i64> {
    Some(seconds(domain.issuer.as_ref()?.delegate()?.not_after()))
}

fn check_issuer(domain: &Domain, der: &[u8], asked: &Asked, now: UnixTime) -> Result<(), AdminError> {
    let issuer = IssuerCertificate::verify(&domain.policy, der, now)?;
    domain.access.revocations.check_issuer(&issuer, now)?;
    let key = signing_key(&asked.issuer).map_err(|fault| AdminError::Invalid(fault.to_string()))?;
    if key.public().same_numbers(issuer.public_key()) {
        Ok(())
    } else {
        Err(AdminError::OtherRequest("issuer's"))
    }
}

fn broker_identity(
    domain: &Domain,
    certificate: Vec<u8>,
    key: Secret,
    now: UnixTime,
) -> Result<BrokerIdentity, AdminError> {
    verify_broker(&domain.policy, &domain.name, &certificate, &BrokerMeasurements::Any, now)?;
    let public = signing_key(&key).map_err(|fault| AdminError::Invalid(fault.to_string()))?;
    if certificate_spki(&certificate)? != public.public().spki_der() {
        return Err(AdminError::OtherRequest("broker's"));
    }
    Ok(BrokerIdentity { certificate, key })
}
