//! The listener's certificate, reloaded when its files change.

#[cfg(test)]
pub(super) mod tests;

use std::{path::Path, sync::Arc};

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
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CertificateError(String);

/// A certificate with its key, from the last valid content of its files.
pub struct Certificate {
    files: TlsFiles,
    acceptor: RwLock<TlsAcceptor>,
    /// The files as last read, or the error.
    last_read: Mutex<Result<Pem, CertificateError>>,
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

    /// Reads the files again, and uses a new certificate if it is valid. Returns whether there is one, and the same error only
    /// once: the old certificate then stays in use.
    pub(super) fn reload(&self) -> Result<bool, CertificateError> {
        let read = Pem::read(&self.files);
        let mut last_read = self.last_read.lock();
        if *last_read == read {
            return Ok(false);
        }
        last_read.clone_from(&read);
        *self.acceptor.write() = read?.acceptor(&self.files)?;
        Ok(true)
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
        let (cert, key) = (files.cert.display(), files.key.display());
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.cert).collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(|| {
            CertificateError(format!("listener.tls_cert: {cert} contains no certificate in PEM format; name the file that has -----BEGIN CERTIFICATE----- in it, such as fullchain.pem"))
        })?;
        let secret = PrivateKeyDer::from_pem_slice(&self.key).map_err(|_| {
            CertificateError(format!("listener.tls_key: {key} contains no private key in PEM format; name the file that has -----BEGIN PRIVATE KEY----- in it, without a passphrase (to remove it: openssl pkey -in key.pem -out unlocked.pem)"))
        })?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| CertificateError(format!("TLS cannot be set up ({error})")))?
            .with_no_client_auth()
            .with_single_cert(chain, secret);
        let mut config = config.map_err(|error| {
            CertificateError(match error {
                rustls::Error::InconsistentKeys(_) => format!("listener.tls_key: {key} does not belong to the first certificate in {cert}; name the key it was created with, and put the server's own certificate first in its file"),
                rustls::Error::InvalidCertificate(_) => format!("listener.tls_cert: {cert} cannot be used ({error}); create it again"),
                _ => format!("listener.tls_key: {key} cannot be used ({error}); create it again"),
            })
        })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

fn read(key: &str, path: &Path) -> Result<Vec<u8>, CertificateError> {
    read_bounded(path, MAX_FILE).map_err(|error| {
        let path = path.display();
        CertificateError(format!(
            "{key}: {path} cannot be read ({error}); name a PEM file that the bot's user may read"
        ))
    })
}
