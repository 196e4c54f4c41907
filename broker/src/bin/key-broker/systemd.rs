//! What systemd is told (`sd_notify(3)`). Without systemd all of it does nothing.

use std::time::Duration;

use claviger_proto::admin::State;
use sd_notify::NotifyState;

/// It serves, or would if it weren't sealed.
pub(crate) fn ready(state: State) {
    tell(&[NotifyState::Ready, NotifyState::Status(status(state))]);
}

/// What it does now.
pub(crate) fn state(state: State) {
    tell(&[NotifyState::Status(status(state))]);
}

/// It reads its configuration again; [`ready`] ends that.
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// It is about to end.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status(status(State::Draining))]);
}

/// It isn't stuck.
pub(crate) fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// How often systemd hears that: four times within the time after which it would end the process, for a wait
/// may begin anew in between.
pub(crate) fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|within| within / 4).filter(|every| !every.is_zero())
}

fn status(state: State) -> &'static str {
    match state {
        State::Sealed => "sealed",
        State::Ready => "serving",
        State::Draining => "draining",
    }
}

fn tell(what: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(what) {
        tracing::warn!(%error, "systemd can't be told");
    }
}
