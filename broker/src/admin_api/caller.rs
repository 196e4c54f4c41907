//! Who calls, decided anew for each call by what is in force at that moment: the operators of the configuration, the
//! record of the domain. Nothing but the key of a certificate is known from the handshake.

use std::future::{Ready, ready};
use std::ops::Deref;

use actix_web::body::BoxBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, web};
use claviger_attest::{CertificateFacts, PersonRole};
use claviger_proto::admin::Problem;
use claviger_proto::error::ErrorCode;
use rustls::pki_types::UnixTime;

use super::face::{Face, Remote};
use super::routes::{self, Failed};
use super::{Admin, socket};
use crate::actors::audit::seconds;
use crate::actors::domains::{AdminError, Caller};
use crate::domain::certificate_dates;

/// Which of the roles may call something over the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Who {
    /// Who runs the broker.
    pub(super) operator: bool,
    /// The domain's owner.
    pub(super) owner: bool,
    /// The domain's auditor.
    pub(super) auditor: bool,
}

/// A call that was admitted. There is no other way to what a handler works with.
pub(super) struct Call {
    /// What it works with.
    pub(super) admin: web::Data<Admin>,
    /// Who calls.
    pub(super) caller: Caller,
}

impl Deref for Call {
    type Target = Admin;

    fn deref(&self) -> &Admin {
        &self.admin
    }
}

impl FromRequest for Call {
    type Error = Failed;
    type Future = Ready<Result<Self, Failed>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let admin = request.app_data::<web::Data<Admin>>().cloned();
        let caller = request.extensions().get::<Caller>().cloned();
        let call = admin.zip(caller).map(|(admin, caller)| Self { admin, caller });
        ready(call.ok_or_else(|| refused("nobody has decided who may call this".to_owned())))
    }
}

/// Lets a call pass, with who makes it, or answers why it doesn't.
pub(super) async fn admit(
    who: Who,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let caller = judge(who, &request)?;
    request.extensions_mut().insert(caller);
    next.call(request).await
}

fn judge(who: Who, request: &ServiceRequest) -> Result<Caller, Failed> {
    let Some(remote) = request.conn_data::<Remote>() else {
        socket::check(request)?;
        return Ok(Caller::local());
    };
    let admin = request.app_data::<web::Data<Admin>>();
    let admin = admin.ok_or_else(|| refused("nobody has decided who may call this".to_owned()))?;
    let judged = match &remote.face {
        Face::Operator => operator(who, admin, remote),
        Face::Domain { .. } => person(who, admin, remote, request.match_info().get("domain")),
        Face::Nobody => Err(refused("the connection names no domain that is here".to_owned())),
    };
    judged.inspect_err(|Failed(problem)| {
        let (path, source) = (request.match_pattern().unwrap_or_default(), &remote.source);
        tracing::warn!(%source, path, why = problem.detail, "an admin call is refused");
        metrics::counter!("claviger_admin_refused_total").increment(1);
    })
}

/// Whether this certificate is one of the operators', and may call this.
fn operator(who: Who, admin: &Admin, remote: &Remote) -> Result<Caller, Failed> {
    let fingerprint = claviger_attest::sha256(&remote.leaf);
    let fingerprint: [u8; 32] = fingerprint.as_slice().try_into().unwrap_or_default();
    if !admin.live.is_operator(&fingerprint) {
        let hex = hex::encode(fingerprint);
        return Err(refused(format!(
            "the certificate {hex} is none of this broker's operators ([admin] operators); a domain's owner or auditor \
             names the domain and its policy certificate"
        )));
    }
    // Whoever lists one by mistake gives a machine nothing.
    if !CertificateFacts::read(&remote.leaf)
        .is_ok_and(|facts| facts.role.is_none() && facts.measurement.is_none())
    {
        return Err(refused("a machine's certificate administers nothing".to_owned()));
    }
    let now = seconds(UnixTime::now());
    if !certificate_dates(&remote.leaf).is_ok_and(|(from, until)| (from..=until).contains(&now)) {
        return Err(refused("the operator's certificate is outside its dates".to_owned()));
    }
    if who.operator { Ok(remote.caller("operator", fingerprint)) } else { Err(not_for("operator")) }
}

/// Whether this certificate is one of the channel's domain's people, and may call this there.
fn person(who: Who, admin: &Admin, remote: &Remote, asked: Option<&str>) -> Result<Caller, Failed> {
    let domains = admin.view.domains();
    if domains.is_sealed() {
        return Err(AdminError::Sealed.into());
    }
    let Face::Domain { name, generation } = &remote.face else { return Err(not_for("nobody")) };
    // One that was deleted and made anew is another.
    let domain = domains.get(name).filter(|domain| domain.keys.generation() == generation);
    let domain = domain.ok_or_else(|| AdminError::NoDomain(name.clone()))?;
    let person = domain.person(&remote.leaf, UnixTime::now()).map_err(|error| refused(error.to_string()))?;
    if !domain.knows(&person) {
        return Err(refused(format!(
            "this certificate of {} {} is not registered in {name}; have it registered: key-admin owner register",
            person.role(),
            person.name()
        )));
    }
    let may = match person.role() {
        PersonRole::Owner => who.owner,
        PersonRole::Auditor => who.auditor,
    };
    if !may {
        return Err(not_for(person.role().as_str()));
    }
    // Compared as it is written, so that no spelling means another domain to the handler.
    match asked {
        Some(asked) if asked == name.as_str() => {
            Ok(remote.caller(person.role().as_str(), *person.fingerprint()))
        }
        // Whether it is there or not.
        Some(asked) => Err(AdminError::NoDomain(routes::name(asked)?).into()),
        // The table has no such call for owners and auditors that is about any domain.
        None => Ok(remote.caller(person.role().as_str(), *person.fingerprint())),
    }
}

fn not_for(role: &str) -> Failed {
    refused(format!("this call is not for who is {role} here"))
}

pub(super) fn refused(detail: String) -> Failed {
    Failed(Problem { status: 403, code: ErrorCode::Refused, title: "not allowed".to_owned(), detail })
}
