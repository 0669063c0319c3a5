//! Replaces the configuration of a running bot, as a whole or not at all.

use tracing::{info, warn};

use super::settings::Current;
use crate::config::Config;

/// Replaces the configuration while the bot runs.
#[derive(Clone, Debug)]
pub struct Reloader {
    current: Current,
}

impl Reloader {
    pub(super) fn new(current: Current) -> Self {
        Self { current }
    }

    /// Goes over to this configuration. What only the next start can change stays as it is, and the log says so.
    pub fn reload(&self, config: Config) {
        let (config, later) = config.taken_up(&self.current.now().config);
        for key in later {
            warn!(key, "changed in the configuration: takes effect at the next start");
        }
        self.current.replace(config);
        info!("configuration reloaded");
    }
}
