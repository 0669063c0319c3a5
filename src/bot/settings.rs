//! The configuration that holds now. It may be replaced while the bot runs, always as a whole.

use std::sync::Arc;

use tokio::{sync::watch, time::Instant};

use crate::config::Config;

/// One configuration, and since when it holds.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) config: Config,
    pub(super) since: Instant,
}

/// Where every part reads the settings, anew for each thing it does.
#[derive(Clone, Debug)]
pub(super) struct Current(watch::Sender<Arc<Settings>>);

impl Current {
    pub(super) fn new(config: Config) -> Self {
        Self(watch::Sender::new(Arc::new(Settings { config, since: Instant::now() })))
    }

    /// The settings that hold now. What is to be judged by one configuration asks once.
    pub(super) fn now(&self) -> Arc<Settings> {
        self.0.borrow().clone()
    }

    /// Tells when they are replaced.
    pub(super) fn changes(&self) -> watch::Receiver<Arc<Settings>> {
        self.0.subscribe()
    }

    pub(super) fn replace(&self, config: Config) {
        self.0.send_replace(Arc::new(Settings { config, since: Instant::now() }));
    }
}
