//! The secret that callers need, and the listener's certificate.

use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio_rustls::TlsAcceptor;

use super::{Certificate, CertificateError};
use crate::config::Listener;

/// The secret and the certificate. May be replaced while the listener runs. Its `Debug` shows no secret.
#[derive(Debug)]
pub struct Access {
    /// SHA-256 of the secret: digests have one length, so comparing them does not reveal the secret's length.
    secret: [u8; 32],
    certificate: Option<Certificate>,
}

impl Access {
    /// Takes the secret, and reads the certificate's files if `[listener]` names any.
    ///
    /// # Errors
    /// When the files are unreadable or invalid.
    pub fn new(config: &Listener) -> Result<Self, CertificateError> {
        let secret = Sha256::digest(config.secret.expose_secret()).into();
        Ok(Self { secret, certificate: config.tls.as_ref().map(Certificate::load).transpose()? })
    }

    pub(super) fn is_secret(&self, secret: &str) -> bool {
        let given: [u8; 32] = Sha256::digest(secret).into();
        given.ct_eq(&self.secret).into()
    }

    pub(super) fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_ref()
    }

    /// Performs TLS handshakes; `None` if the listener uses plain HTTP.
    pub(super) fn acceptor(&self) -> Option<TlsAcceptor> {
        self.certificate().map(Certificate::acceptor)
    }
}
