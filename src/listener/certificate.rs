//! The listener's certificate, reloaded when its files change.

#[cfg(test)]
pub(super) mod tests;

use std::{io, path::Path, sync::Arc};

use parking_lot::{Mutex, RwLock};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio_rustls::TlsAcceptor;

use crate::config::{TlsFiles, read_bounded};

/// Maximum file size in bytes. A certificate chain has a few thousand.
const MAX_FILE: u64 = 1 << 20;

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("{key}: {path} cannot be read ({source}); name a PEM file that the bot's user may read")]
    Unreadable {
        /// The key of `bot.toml`.
        key: &'static str,
        /// The file it names.
        path: String,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file contains no certificate.
    #[error(
        "listener.tls_cert: {0} contains no certificate in PEM format; name the file that has -----BEGIN CERTIFICATE----- in it, such as fullchain.pem"
    )]
    NoCertificate(String),
    /// The file contains no private key.
    #[error(
        "listener.tls_key: {0} contains no private key in PEM format; name the file that has -----BEGIN PRIVATE KEY----- in it, without a passphrase (to remove it: openssl pkey -in key.pem -out unlocked.pem)"
    )]
    NoKey(String),
    /// A key or a certificate is damaged, or of a type that TLS does not use.
    #[error("{key}: {path} cannot be used ({source}); create it again")]
    Unusable {
        /// The key of `bot.toml`.
        key: &'static str,
        /// The file it names.
        path: String,
        /// What is wrong with it.
        source: rustls::Error,
    },
    /// The key belongs to another certificate.
    #[error(
        "listener.tls_key: {key} does not belong to the first certificate in {cert}; name the key it was created with, and put the server's own certificate first in its file"
    )]
    Mismatch {
        /// The key's file.
        key: String,
        /// The certificate's file.
        cert: String,
    },
    /// TLS cannot be set up.
    #[error("TLS cannot be set up ({0})")]
    Setup(rustls::Error),
}

/// A certificate with its key, from the last valid content of its files.
pub struct Certificate {
    files: TlsFiles,
    acceptor: RwLock<TlsAcceptor>,
    /// The files as last read, or the error.
    last_read: Mutex<Result<Pem, String>>,
}

/// The outcome of [`Certificate::reload`].
#[derive(Debug)]
pub(super) enum Reload {
    /// The files did not change.
    Unchanged,
    /// The files have a new certificate, which is now in use.
    Renewed,
    /// The files changed and are invalid: the old certificate stays in use.
    Invalid(CertificateError),
}

impl Certificate {
    /// Reads a certificate.
    ///
    /// # Errors
    /// When a file is unreadable or invalid, or the key belongs to another certificate.
    pub fn load(files: &TlsFiles) -> Result<Self, CertificateError> {
        let pem = Pem::read(files)?;
        let acceptor = RwLock::new(pem.acceptor(files)?);
        Ok(Self { files: files.clone(), acceptor, last_read: Mutex::new(Ok(pem)) })
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.read().clone()
    }

    /// Reads the files again, and uses a new certificate if it is valid. Returns the same error only once.
    pub(super) fn reload(&self) -> Reload {
        let read = Pem::read(&self.files);
        let now = read.as_ref().map(Pem::clone).map_err(ToString::to_string);
        let mut last_read = self.last_read.lock();
        if *last_read == now {
            return Reload::Unchanged;
        }
        *last_read = now;
        match read.and_then(|pem| pem.acceptor(&self.files)) {
            Ok(acceptor) => {
                *self.acceptor.write() = acceptor;
                Reload::Renewed
            }
            Err(error) => Reload::Invalid(error),
        }
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate").field("files", &self.files).finish_non_exhaustive()
    }
}

/// The content of both files. No `Debug`: one is the private key.
#[derive(Clone, PartialEq, Eq)]
struct Pem {
    cert: Vec<u8>,
    key: Vec<u8>,
}

impl Pem {
    fn read(files: &TlsFiles) -> Result<Self, CertificateError> {
        Ok(Self { cert: read("listener.tls_cert", &files.cert)?, key: read("listener.tls_key", &files.key)? })
    }

    fn acceptor(&self, files: &TlsFiles) -> Result<TlsAcceptor, CertificateError> {
        let (cert, key) = (display(&files.cert), display(&files.key));
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.cert).collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        let chain = chain.ok_or_else(|| CertificateError::NoCertificate(cert.clone()))?;
        let secret =
            PrivateKeyDer::from_pem_slice(&self.key).map_err(|_| CertificateError::NoKey(key.clone()))?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(CertificateError::Setup)?
            .with_no_client_auth()
            .with_single_cert(chain, secret);
        let mut config = config.map_err(|source| match source {
            rustls::Error::InconsistentKeys(_) => CertificateError::Mismatch { key, cert },
            rustls::Error::InvalidCertificate(_) => {
                CertificateError::Unusable { key: "listener.tls_cert", path: cert, source }
            }
            source => CertificateError::Unusable { key: "listener.tls_key", path: key, source },
        })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, CertificateError> {
    let content = read_bounded(path, MAX_FILE);
    content.map_err(|source| CertificateError::Unreadable { key, path: display(path), source })
}

fn display(path: &Path) -> String {
    path.display().to_string()
}
