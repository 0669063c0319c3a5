//! The current configuration. It can be replaced while the bot runs, always as a whole.

use std::sync::Arc;

use tokio::{sync::watch, time::Instant};

use crate::config::Config;

/// A configuration, and from when it applies.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) config: Config,
    pub(super) since: Instant,
}

/// Where every part reads the settings each time it needs them.
#[derive(Clone, Debug)]
pub(super) struct Current(watch::Sender<Arc<Settings>>);

impl Current {
    pub(super) fn new(config: Config) -> Self {
        Self(watch::Sender::new(Arc::new(Settings { config, since: Instant::now() })))
    }

    /// The current settings. Code that must use one consistent configuration reads them once.
    pub(super) fn now(&self) -> Arc<Settings> {
        self.0.borrow().clone()
    }

    /// Notifies when they are replaced.
    pub(super) fn changes(&self) -> watch::Receiver<Arc<Settings>> {
        self.0.subscribe()
    }

    /// Lets the current settings apply from now on only: another replica judged all messages until now.
    pub(super) fn restart(&self) {
        self.0.send_modify(|settings| {
            *settings = Arc::new(Settings { config: settings.config.clone(), since: Instant::now() });
        });
    }

    pub(super) fn replace(&self, config: Config) {
        self.0.send_replace(Arc::new(Settings { config, since: Instant::now() }));
    }
}
