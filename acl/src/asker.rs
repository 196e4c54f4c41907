//! Who asks, as rules see it: a peer on its channel, or somebody who is only supposed.

use std::net::IpAddr;
use std::time::Duration;

use claviger_attest::{Measurement, Peer, PrincipalName, SnpTcb, Standing};

use crate::AclError;
use crate::condition::tcb;
use crate::subject::Subject;

/// What of an asker rules can speak of. What isn't known is nobody's.
#[derive(Clone, Copy, Default)]
pub(crate) struct Asker<'a> {
    pub(crate) measurement: Option<&'a Measurement>,
    pub(crate) fingerprint: Option<&'a [u8; 32]>,
    pub(crate) instance: Option<&'a [u8]>,
    pub(crate) instance_label: Option<&'a str>,
    /// The platform's reported TCB.
    pub(crate) tcb: Option<SnpTcb>,
}

impl<'a> From<&'a Peer> for Asker<'a> {
    fn from(peer: &'a Peer) -> Self {
        Self {
            measurement: peer.measurement(),
            fingerprint: Some(peer.fingerprint()),
            instance: peer.instance(),
            instance_label: peer.instance_label(),
            tcb: peer.extension().and_then(|extension| extension.reported_tcb).and_then(tcb::reported),
        }
    }
}

/// What conditions ask about.
pub(crate) trait Known {
    /// How old fresh evidence is, if there is any.
    fn age(&self) -> Option<Duration>;
    /// Whether this principal proved itself.
    fn is_principal(&self, name: &PrincipalName) -> bool;
    /// From which address it asks.
    fn source(&self) -> Option<IpAddr>;
    /// When, in seconds since 1970.
    fn time(&self) -> Option<u64>;
}

/// How somebody asks: what it proved on its channel, from where it comes, and when. By default nothing is known.
#[derive(Clone, Debug, Default)]
pub struct Situation<'a> {
    /// What of its proofs counts.
    pub standing: Standing<'a>,
    /// The address of the other end of its channel, as it is seen here.
    pub source: Option<IpAddr>,
    /// The time of the question, in seconds since 1970.
    pub time: Option<u64>,
}

impl<'a> From<Standing<'a>> for Situation<'a> {
    /// Of a peer of whom nothing else is known.
    fn from(standing: Standing<'a>) -> Self {
        Self { standing, ..Self::default() }
    }
}

impl Known for Situation<'_> {
    fn age(&self) -> Option<Duration> {
        self.standing.age()
    }

    fn is_principal(&self, name: &PrincipalName) -> bool {
        self.standing.is_principal(name)
    }

    fn source(&self) -> Option<IpAddr> {
        self.source
    }

    fn time(&self) -> Option<u64> {
        self.time
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
    /// The address that it asks from.
    pub source: Option<IpAddr>,
    /// When it asks, in seconds since 1970.
    pub time: Option<u64>,
    /// Its platform's reported TCB.
    pub tcb: Option<SnpTcb>,
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

    /// Sets the TCB as rules write it: `bootloader=4 snp=22`. A part that isn't named is 0.
    ///
    /// # Errors
    /// What rules couldn't write either.
    pub fn set_tcb(&mut self, text: &str) -> Result<(), AclError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        self.tcb = Some(tcb::parse(&words).map_err(|_| AclError::Tcb)?);
        Ok(())
    }

    /// Sets the TCB that this peer's certificate says, where it says one.
    pub fn set_tcb_of(&mut self, peer: &Peer) {
        self.tcb = Asker::from(peer).tcb;
    }

    pub(crate) fn asker(&self) -> Asker<'_> {
        Asker {
            measurement: self.measurement.as_ref(),
            fingerprint: self.fingerprint.as_ref(),
            instance: self.instance.as_ref().map(<[u8; 32]>::as_slice),
            instance_label: self.instance_label.as_deref(),
            tcb: self.tcb,
        }
    }
}

impl Known for Supposed {
    fn age(&self) -> Option<Duration> {
        self.age
    }

    fn is_principal(&self, name: &PrincipalName) -> bool {
        self.principals.contains(name)
    }

    fn source(&self) -> Option<IpAddr> {
        self.source
    }

    fn time(&self) -> Option<u64> {
        self.time
    }
}
