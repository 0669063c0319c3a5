//! Replaces the configuration of a running bot, completely or not at all.

use std::sync::Arc;

use tokio::sync::watch;
use tracing::{info, warn};

use super::settings::Current;
use crate::{
    config::Config,
    listener::{Access, CertificateError},
};

/// Replaces the configuration while the bot runs.
#[derive(Clone, Debug)]
pub struct Reloader {
    current: Current,
    access: watch::Sender<Arc<Access>>,
}

impl Reloader {
    pub(super) fn new(current: Current, access: watch::Sender<Arc<Access>>) -> Self {
        Self { current, access }
    }

    /// Switches to this configuration. Settings that need a restart stay as they are and are logged.
    ///
    /// # Errors
    /// When the listener's certificate cannot be used. Then nothing changes.
    pub fn reload(&self, config: Config) -> Result<(), CertificateError> {
        let (config, later) = config.taken_over(&self.current.now().config);
        self.access.send_replace(Arc::new(Access::new(&config.listener)?));
        self.current.replace(config);
        for key in later {
            warn!(key, "changed in the configuration; takes effect at the next start");
        }
        info!("configuration reloaded");
        Ok(())
    }
}
