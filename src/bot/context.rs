//! What the parts of the bot share.

use std::sync::Arc;

use super::ingest::{Rooms, SeenTexts};
use super::run::Tempo;
use super::settings::Current;
use crate::{health::Health, store::Store};
use rocketchat::RestClient;

/// What the parts share. Clones share it too.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub(super) store: Store,
    pub(super) current: Current,
    pub(super) rooms: Arc<Rooms>,
    pub(super) seen: Arc<SeenTexts>,
    /// The server, and the bot's account there.
    pub(super) rest: RestClient,
    pub(super) health: Health,
    pub(super) tempo: Tempo,
}
