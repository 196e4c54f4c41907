//! Sockets: from a connection to frames, and back. Connections are tasks, not actors.

pub mod accept;
pub mod admission;
pub mod binding;
pub mod evidence;
pub mod frame_io;
pub mod handshake;
pub mod listener;
pub mod meters;
pub mod permits;
pub mod proving;
pub mod rate;
pub mod service;
pub mod tenant;
pub mod turns;

use std::cell::Cell;
use std::rc::Rc;

use actix::Addr;
use claviger_client::endorsements::Endorser;
use tokio::sync::watch;

use crate::actors::acl::View;
use crate::actors::attestor::Attestor;
use crate::actors::audit::Segments;
use crate::actors::router::Router;
use crate::config::Live;
use crate::request_id::RequestIds;
use meters::Meters;
use permits::Permits;
use turns::Turns;

/// What a connection of a shard works with.
#[derive(Clone)]
pub struct Shard {
    /// What of the configuration is in force now.
    pub live: Live,
    /// The broker's permits.
    pub permits: Permits,
    /// What the shard decides by.
    pub view: View,
    /// Takes requests.
    pub router: Addr<Router>,
    /// Takes admissions.
    pub attestor: Addr<Attestor>,
    /// Finds certificates of chips' keys.
    pub endorser: Endorser,
    /// The shard's audit segments.
    pub segments: Segments,
    /// What is counted at the edge.
    pub meters: Rc<Meters>,
    /// Gives out request ids.
    pub ids: Rc<RequestIds>,
    /// How the shard's time is shared between domains.
    pub turns: Rc<Turns>,
    /// Turns true when the broker drains.
    pub draining: watch::Receiver<bool>,
    /// How many connection tasks of this shard are running.
    pub tasks: Rc<Cell<usize>>,
}
