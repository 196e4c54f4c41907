//! casbin itself: the source of what a policy means, and the oracle that the index is held equal to.

use std::collections::HashSet;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use casbin::function_map::{OperatorFunction, dynamic_to_str};
use casbin::{CoreApi as _, DefaultModel, Enforcer, MgmtApi as _, StringAdapter};
use claviger_attest::Peer;
use claviger_proto::ResourceName;
use serde::Serialize;

use crate::asker;
use crate::condition::Texts;
use crate::pattern::matches;
use crate::policy::{Policy, takes_part};
use crate::subject::Subject;
use crate::{AclError, Action, Situation};

/// RBAC with domains. `p_sub` may be anything that the peer is; deny wins; resources match by segments, with
/// the function below and none of casbin's own (whose `*` crosses segments and whose regular expressions
/// match anywhere in a name).
const MODEL: &str = r#"
[request_definition]
r = sub, dom, obj, act

[policy_definition]
p = sub, dom, obj, act, eft, cond

[role_definition]
g = _, _, _

[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))

[matchers]
m = r.dom == p.dom && r.act == p.act && resourceMatch(r.obj, p.obj, r.sub.instance_id) && takesPart(p.cond, r.sub.age, r.sub.principals, r.sub.source, r.sub.time, r.sub.tcb) && (g("member", p.sub, r.dom) || g(r.sub.measurement, p.sub, r.dom) || g(r.sub.fingerprint, p.sub, r.dom) || g(r.sub.instance, p.sub, r.dom) || g(r.sub.instance_label, p.sub, r.dom))
"#;

/// A policy as casbin holds it. Slow, and right by definition: for tests, and for explaining a decision.
pub struct Oracle(Enforcer);

/// Who asks, as the model's `r.sub`.
#[derive(Serialize, Hash)]
struct Asker {
    measurement: String,
    fingerprint: String,
    instance: String,
    instance_label: String,
    /// In hex alone, as it is in names.
    instance_id: String,
    /// Of its fresh evidence, in nanoseconds; nothing where there is none.
    age: String,
    /// Those that proved themselves, each with a comma after it.
    principals: String,
    source: String,
    /// Seconds since 1970.
    time: String,
    /// Its parts, with dots between them.
    tcb: String,
}

impl Oracle {
    /// Loads the policy into casbin, and checks that all of it is there.
    pub(crate) fn load(policy: &Policy) -> Result<Self, AclError> {
        let text = policy.to_string();
        let enforcer = ready(async {
            let model = DefaultModel::from_str(MODEL).await?;
            Enforcer::new(model, StringAdapter::new(&text)).await
        })?;
        let mut enforcer = enforcer.map_err(engine)?;
        enforcer.add_function(
            "resourceMatch",
            OperatorFunction::Arg3(|name, pattern, instance| {
                let [pattern, name, instance] = [&pattern, &name, &instance].map(dynamic_to_str);
                matches(&pattern, &name, &instance).into()
            }),
        );
        enforcer.add_function(
            "takesPart",
            OperatorFunction::Arg6(|condition, age, principals, source, time, tcb| {
                let [condition, age, principals, source, time, tcb] =
                    [&condition, &age, &principals, &source, &time, &tcb].map(dynamic_to_str);
                let [age, principals] = [&*age, &*principals];
                let [source, time, tcb] = [&*source, &*time, &*tcb];
                takes_part(&condition, &Texts { age, principals, source, time, tcb }).into()
            }),
        );
        // casbin skips lines that it doesn't understand; repeated lines count once.
        let given: HashSet<&str> = text.lines().collect();
        let loaded = enforcer.get_policy().len() + enforcer.get_grouping_policy().len();
        if loaded != given.len() {
            return Err(AclError::Engine("it skipped lines of the policy".to_owned()));
        }
        Ok(Self(enforcer))
    }

    /// What casbin says about a peer of any domain, in this situation. Reserved names and roles are none
    /// of its business.
    pub fn allows(
        &self,
        peer: &Peer,
        situation: &Situation<'_>,
        action: Action,
        name: &ResourceName,
    ) -> Result<bool, AclError> {
        let Situation { standing, source, time } = situation;
        let (instance, label) = Subject::of_instance(peer);
        let text = |subject: Option<Subject>| subject.as_ref().map_or_else(String::new, ToString::to_string);
        let asker = Asker {
            instance: text(instance),
            instance_label: text(label),
            instance_id: peer.instance().map_or_else(String::new, hex::encode),
            measurement: peer
                .measurement()
                .map_or_else(String::new, |m| Subject::Measurement(*m).to_string()),
            fingerprint: Subject::Fingerprint(*peer.fingerprint()).to_string(),
            age: standing.age().map(|age| age.as_nanos().to_string()).unwrap_or_default(),
            source: source.as_ref().map(ToString::to_string).unwrap_or_default(),
            time: time.map(|time| time.to_string()).unwrap_or_default(),
            tcb: asker::Asker::from(peer)
                .tcb
                .map(|tcb| tcb.parts().map(|(_, number)| number.to_string()).join("."))
                .unwrap_or_default(),
            principals: standing.principals().flat_map(|name| [name.as_str(), ","]).collect(),
        };
        self.0.enforce((asker, peer.domain().as_str(), name.as_str(), action.as_str())).map_err(engine)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn engine(error: casbin::Error) -> AclError {
    AclError::Engine(error.to_string())
}

/// The result of a future that has nothing to wait for. casbin is async for the sake of files and databases;
/// text in memory is there at once.
fn ready<F: Future>(future: F) -> Result<F::Output, AclError> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Ok(output),
        Poll::Pending => Err(AclError::Engine("it waited for something".to_owned())),
    }
}
