//! What it takes to get in: the secret, and the certificate that callers are shown.

use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio_rustls::TlsAcceptor;

use super::{Certificate, CertificateError};
use crate::config::Listener;

/// What it takes to get in; it shows no secret. It may be replaced while the listener runs.
#[derive(Debug)]
pub struct Access {
    /// SHA-256 of the secret: digests are of one length, so that comparing them tells nothing of the length either.
    secret: [u8; 32],
    certificate: Option<Certificate>,
}

impl Access {
    /// Reads the certificate's files, where `[listener]` names any.
    ///
    /// # Errors
    /// When they are wrong.
    pub fn new(config: &Listener) -> Result<Self, CertificateError> {
        let secret = Sha256::digest(config.secret.expose_secret()).into();
        Ok(Self { secret, certificate: config.tls.as_ref().map(Certificate::load).transpose()? })
    }

    pub(super) fn opens_to(&self, secret: &str) -> bool {
        let given: [u8; 32] = Sha256::digest(secret).into();
        given.ct_eq(&self.secret).into()
    }

    pub(super) fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_ref()
    }

    /// How to shake hands; `None` where callers do not speak TLS.
    pub(super) fn acceptor(&self) -> Option<TlsAcceptor> {
        self.certificate().map(Certificate::acceptor)
    }
}
