//! The current configuration. It can be replaced while the bot runs, completely or not at all.

use std::sync::Arc;
use std::time::Duration;

use tokio::{sync::watch, time::Instant};
use tracing::{info, warn};

use crate::config::Config;
use crate::listener::{Access, CertificateError};

/// How much longer a settled alert is kept than its message may reappear, because clocks differ.
pub(super) const KEEP_LONGER: Duration = Duration::from_hours(24);

/// A configuration, and from when it applies.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) config: Config,
    pub(super) since: Instant,
}

impl Settings {
    /// How long alerts are kept. A pair must outlive everything that may deliver its message again as a new one. Without the
    /// pair, the message would page again.
    pub(super) fn keep_alerts(&self) -> Duration {
        let Config { store, rocketchat, .. } = &self.config;
        store.keep.max(rocketchat.catch_up * 2 + KEEP_LONGER)
    }
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

/// Replaces the configuration while the bot runs.
#[derive(Clone)]
pub struct Reloader {
    pub(super) current: Current,
    pub(super) access: watch::Sender<Arc<Access>>,
}

impl Reloader {
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
