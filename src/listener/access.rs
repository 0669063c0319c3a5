//! The secret that callers need, and the listener's certificate.

use tokio_rustls::TlsAcceptor;

use super::{Certificate, CertificateError};
use crate::{auth_throttle::SecretDigest, config::Listener};

/// The secret and the certificate. May be replaced while the listener runs. Its `Debug` shows no secret.
#[derive(Debug)]
pub struct Access {
    secret: SecretDigest,
    certificate: Option<Certificate>,
}

impl Access {
    /// Takes the secret, and reads the certificate's files if `[listener]` names any.
    ///
    /// # Errors
    /// When the files are unreadable or invalid.
    pub fn new(config: &Listener) -> Result<Self, CertificateError> {
        let secret = SecretDigest::of(&config.secret);
        Ok(Self { secret, certificate: config.tls.as_ref().map(Certificate::load).transpose()? })
    }

    pub(super) fn is_secret(&self, secret: &str) -> bool {
        self.secret.matches(secret)
    }

    pub(super) fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_ref()
    }

    /// Performs TLS handshakes; `None` if the listener uses plain HTTP.
    pub(super) fn acceptor(&self) -> Option<TlsAcceptor> {
        self.certificate().map(Certificate::acceptor)
    }
}
