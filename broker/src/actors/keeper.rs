//! The keeper owns whether the broker is sealed: it unseals and seals, one at a time.

use std::rc::Rc;

use actix::{Actor, Context, Handler, Message, ResponseFuture};
use claviger_proto::Secret;
use claviger_proto::admin::{SealState, ShareCount, State, Unseal};
use claviger_store::slot::{Factor, Gathering, Opened, Passphrase, Progress, SlotError};
use claviger_store::{DataDir, DataDirError};
use tokio::sync::Mutex;

use super::domains::AdminError;
use crate::runtime::stack;
use crate::startup::{Sealed, Unsealable, Unsealed};

/// Unseal with this, or keep it until there are shares enough.
#[derive(Message)]
#[rtype(result = "Result<SealState, AdminError>")]
pub struct UnsealWith(pub Unseal);

/// Forget the shares that have come so far.
#[derive(Message)]
#[rtype(result = "Result<SealState, AdminError>")]
pub struct ForgetShares;

/// Forget the root key, and end all that was opened with it.
#[derive(Message)]
#[rtype(result = "Result<SealState, AdminError>")]
pub struct Seal;

/// The broker drains: channels finish what is under way.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Drain;

/// The broker is about to end.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Close;

/// See the module.
pub struct Keeper(Rc<Mutex<Core>>);

/// What the broker is.
pub(crate) enum Standing {
    /// It has no root key.
    Sealed(Sealed),
    /// It serves.
    Unsealed(Unsealed),
}

struct Core {
    /// `None` when the broker has ended.
    standing: Option<Standing>,
    gathering: Gathering,
}

impl Keeper {
    /// A keeper of a broker that is this.
    pub(crate) fn new(standing: Standing) -> Self {
        let core = Core { standing: Some(standing), gathering: Gathering::default() };
        Self(Rc::new(Mutex::new(core)))
    }
}

impl Actor for Keeper {
    type Context = Context<Self>;
}

macro_rules! handle {
    ($($message:ident => |$core:ident, $body:ident| $work:expr;)*) => {$(
        impl Handler<$message> for Keeper {
            type Result = ResponseFuture<<$message as Message>::Result>;

            fn handle(&mut self, $body: $message, _: &mut Context<Self>) -> Self::Result {
                let core = Rc::clone(&self.0);
                Box::pin(async move {
                    // One after another, in the order in which they came.
                    #[allow(unused_mut, reason = "not every message changes it")]
                    let mut $core = core.lock().await;
                    $work
                })
            }
        }
    )*};
}

handle! {
    UnsealWith => |core, with| core.unseal(with.0).await;
    ForgetShares => |core, _forget| core.forget();
    Seal => |core, _seal| core.seal().await;
    Drain => |core, _drain| core.drain();
    Close => |core, _close| core.close();
}

impl Core {
    async fn unseal(&mut self, with: Unseal) -> Result<SealState, AdminError> {
        let data_dir = match &self.standing {
            Some(Standing::Sealed(sealed)) => sealed.data_dir(),
            Some(Standing::Unsealed(_)) => return Err(AdminError::NotSealed),
            None => return Err(AdminError::Stopping),
        };
        let gathering = std::mem::take(&mut self.gathering);
        // A passphrase takes its time and its memory; the thread that runs everything else has neither to spare.
        let attempt = move || {
            let tried = attempt(&data_dir, gathering, with);
            stack::scrub();
            tried
        };
        let tried = actix_rt::task::spawn_blocking(attempt).await;
        let (gathering, outcome) = tried.map_err(|_| AdminError::Stopping)?;
        self.gathering = gathering;
        let Some(Opened { root, slot }) = outcome? else { return Ok(self.state(State::Sealed)) };
        let Some(Standing::Sealed(sealed)) = self.standing.take() else { return Err(AdminError::Stopping) };
        match sealed.unseal(root).await {
            Ok(unsealed) => {
                self.standing = Some(Standing::Unsealed(unsealed));
                tracing::info!(%slot, "unsealed");
                Ok(self.state(State::Ready))
            }
            Err((sealed, error)) => {
                self.standing = Some(Standing::Sealed(sealed));
                Err(AdminError::Start(Box::new(error)))
            }
        }
    }

    fn forget(&mut self) -> Result<SealState, AdminError> {
        self.gathering = Gathering::default();
        match &self.standing {
            Some(Standing::Sealed(_)) => Ok(self.state(State::Sealed)),
            Some(Standing::Unsealed(_)) => Err(AdminError::NotSealed),
            None => Err(AdminError::Stopping),
        }
    }

    /// A broker that is sealed is what was asked for.
    async fn seal(&mut self) -> Result<SealState, AdminError> {
        let sealed = match self.standing.take().ok_or(AdminError::Stopping)? {
            Standing::Sealed(sealed) => Ok(sealed),
            Standing::Unsealed(unsealed) => unsealed.seal().await,
        };
        match sealed {
            Ok(sealed) => {
                self.standing = Some(Standing::Sealed(sealed));
                Ok(self.state(State::Sealed))
            }
            Err(Unsealable::Occupied(unsealed)) => {
                self.standing = Some(Standing::Unsealed(unsealed));
                Err(AdminError::Occupied)
            }
            Err(Unsealable::StillHeld) => Err(AdminError::Stopping),
        }
    }

    fn drain(&self) {
        if let Some(Standing::Unsealed(unsealed)) = &self.standing {
            unsealed.drain();
        }
    }

    fn close(&mut self) {
        if let Some(Standing::Unsealed(unsealed)) = self.standing.take() {
            unsealed.close();
        }
    }

    fn state(&self, state: State) -> SealState {
        let count = |Progress { have, needed }| ShareCount { have, needed };
        SealState { state, shares: self.gathering.progress().map(count) }
    }
}

/// What was opened; `None` when more shares are needed. The shares are kept unless they have done their work.
fn attempt(
    data_dir: &DataDir,
    mut gathering: Gathering,
    with: Unseal,
) -> (Gathering, Result<Option<Opened>, DataDirError>) {
    let factor = match with {
        Unseal::Passphrase(typed) => match Passphrase::new(&typed.0) {
            Ok(passphrase) => Factor::Passphrase(passphrase),
            Err(error) => return (gathering, Err(error.into())),
        },
        Unseal::Key(key) => Factor::KeyBytes(Secret::copy_from(key.0.expose())),
        Unseal::Share(share) => match data_dir.gather(&mut gathering, &share.0) {
            Ok(Progress { have, needed }) if have < needed => return (gathering, Ok(None)),
            Ok(_) => Factor::Shares(std::mem::take(&mut gathering)),
            Err(error) => return (gathering, Err(error)),
        },
    };
    let opened = data_dir.open_slot(&factor).map(Some);
    if let Err(DataDirError::Slot(error @ (SlotError::WrongPassphrase | SlotError::WrongKeyBytes))) = &opened
    {
        tracing::warn!(%error, "an attempt to unseal");
    }
    (gathering, opened)
}
