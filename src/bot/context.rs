//! What the parts of the bot share.

use std::sync::Arc;

use super::{ingest::Rooms, run::Tempo, settings::Current};
use crate::{health::Health, store::Store};
use rocketchat::RestClient;

/// What the parts share. Clones share it too.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub(super) store: Store,
    pub(super) current: Current,
    pub(super) rooms: Arc<Rooms>,
    /// The server, and the bot's account there.
    pub(super) rest: RestClient,
    pub(super) health: Health,
    pub(super) tempo: Tempo,
}
