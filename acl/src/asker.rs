//! Who asks, as rules see it: a peer on its channel, or somebody who is only supposed.

use std::time::Duration;

use claviger_attest::{Measurement, Peer, PrincipalName, Standing};

use crate::AclError;
use crate::subject::Subject;

/// What of an asker rules can speak of. What isn't known is nobody's.
#[derive(Clone, Copy, Default)]
pub(crate) struct Asker<'a> {
    pub(crate) measurement: Option<&'a Measurement>,
    pub(crate) fingerprint: Option<&'a [u8; 32]>,
    pub(crate) instance: Option<&'a [u8]>,
    pub(crate) instance_label: Option<&'a str>,
}

impl<'a> From<&'a Peer> for Asker<'a> {
    fn from(peer: &'a Peer) -> Self {
        Self {
            measurement: peer.measurement(),
            fingerprint: Some(peer.fingerprint()),
            instance: peer.instance(),
            instance_label: peer.instance_label(),
        }
    }
}

/// What conditions ask about.
pub(crate) trait Proven {
    /// How old fresh evidence is, if there is any.
    fn age(&self) -> Option<Duration>;
    /// Whether this principal proved itself.
    fn is_principal(&self, name: &PrincipalName) -> bool;
}

impl Proven for Standing<'_> {
    fn age(&self) -> Option<Duration> {
        self.age()
    }

    fn is_principal(&self, name: &PrincipalName) -> bool {
        self.is_principal(name)
    }
}

/// Somebody about whom a domain's rules are asked, without being there: [`crate::Acl::suppose`] explains what the rules
/// would say, and gives no permit. By default it is a member of whom nothing else is known.
#[derive(Clone, Debug, Default)]
pub struct Supposed {
    /// What it runs.
    pub measurement: Option<Measurement>,
    /// SHA-256 of its certificate.
    pub fingerprint: Option<[u8; 32]>,
    /// The id of the instance that it is.
    pub instance: Option<[u8; 32]>,
    /// What the domain's owner calls the instance.
    pub instance_label: Option<String>,
    /// How old the fresh evidence is that it gave on its channel; `None` where it gave none.
    pub age: Option<Duration>,
    /// Those that proved themselves on its channel.
    pub principals: Vec<PrincipalName>,
}

impl Supposed {
    /// Sets the instance by its id, 64 lowercase hex digits, or by its label, as rules write both after `instance:`.
    ///
    /// # Errors
    /// What rules couldn't write either.
    pub fn set_instance(&mut self, text: &str) -> Result<(), AclError> {
        match format!("instance:{text}").parse() {
            Ok(Subject::Instance(id)) => self.instance = Some(id),
            Ok(Subject::InstanceLabel(label)) => self.instance_label = Some(label.as_str().to_owned()),
            _ => return Err(AclError::Instance),
        }
        Ok(())
    }

    pub(crate) fn asker(&self) -> Asker<'_> {
        Asker {
            measurement: self.measurement.as_ref(),
            fingerprint: self.fingerprint.as_ref(),
            instance: self.instance.as_ref().map(<[u8; 32]>::as_slice),
            instance_label: self.instance_label.as_deref(),
        }
    }
}

impl Proven for Supposed {
    fn age(&self) -> Option<Duration> {
        self.age
    }

    fn is_principal(&self, name: &PrincipalName) -> bool {
        self.principals.contains(name)
    }
}
