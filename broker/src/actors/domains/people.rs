//! Who administers a domain over the network.

use claviger_proto::DomainName;
use claviger_proto::admin::{self, RegisterPerson};
use claviger_store::{AuditFacts, DomainChange};
use rustls::pki_types::UnixTime;

use super::change::unhex;
use super::{AdminError, Registry};
use crate::domain::{MAX_PEOPLE, Registered};

impl Registry {
    pub(super) fn people(&self, name: &DomainName) -> Result<Vec<admin::Person>, AdminError> {
        Ok(self.find(name)?.access.people.iter().map(Registered::describe).collect())
    }

    /// The certificate is the policy key's statement, so whoever brings it may be anybody who may call.
    pub(super) async fn register(
        &self,
        name: &DomainName,
        RegisterPerson { certificate }: RegisterPerson,
    ) -> Result<admin::Person, AdminError> {
        let domain = self.find(name)?;
        let now = UnixTime::now();
        let person = domain.person(&unhex("certificate", &certificate)?, now)?;
        let registered = Registered::new(&person, now);
        let described = registered.describe();
        if domain.knows(&person) {
            return Ok(described);
        }
        let mut access = domain.access.clone();
        if access.people.len() >= MAX_PEOPLE {
            let many =
                format!("a domain registers at most {MAX_PEOPLE} owners and auditors; remove one first");
            return Err(AdminError::Invalid(many));
        }
        let audit = self.about_person("owner-register", &registered);
        access.people.push(registered);
        self.update_as(&domain, DomainChange::Access(access.encode()), audit).await?;
        tracing::info!(domain = %name, role = described.role, person = described.name, "a person is registered");
        Ok(described)
    }

    pub(super) async fn unregister(&self, name: &DomainName, fingerprint: &str) -> Result<(), AdminError> {
        let domain = self.find(name)?;
        let mut access = domain.access.clone();
        let found = access.people.iter().position(|known| known.fingerprint == fingerprint);
        let gone = access.people.remove(found.ok_or_else(|| AdminError::NoPerson(name.clone()))?);
        let audit = self.about_person("owner-remove", &gone);
        self.update_as(&domain, DomainChange::Access(access.encode()), audit).await?;
        tracing::info!(domain = %name, role = gone.role, person = gone.name, "a person is registered no longer");
        Ok(())
    }

    fn about_person(&self, action: &'static str, person: &Registered) -> AuditFacts {
        let Registered { role, name, fingerprint, .. } = person;
        AuditFacts { name: Some(format!("{role} {name} {fingerprint}")), ..self.event(action) }
    }
}
