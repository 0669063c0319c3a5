//! The listener's certificate, reloaded when its files change.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    sync::Arc,
};

use parking_lot::{Mutex, RwLock};
use rustls::{
    InconsistentKeys, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio_rustls::TlsAcceptor;

use crate::config::TlsFiles;

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
    current: Arc<Current>,
    acceptor: TlsAcceptor,
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
        let current = Arc::new(Current(RwLock::new(Arc::new(pem.certified(files)?))));
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(CertificateError::Setup)?
            .with_no_client_auth()
            .with_cert_resolver(current.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(Self { files: files.clone(), current, acceptor, last_read: Mutex::new(Ok(pem)) })
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.clone()
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
        match read.and_then(|pem| pem.certified(&self.files)) {
            Ok(certified) => {
                *self.current.0.write() = Arc::new(certified);
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

/// The certificate for new handshakes.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().clone())
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

    fn certified(&self, files: &TlsFiles) -> Result<CertifiedKey, CertificateError> {
        let (cert, key) = (display(&files.cert), display(&files.key));
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.cert).collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        let chain = chain.ok_or_else(|| CertificateError::NoCertificate(cert.clone()))?;
        let secret =
            PrivateKeyDer::from_pem_slice(&self.key).map_err(|_| CertificateError::NoKey(key.clone()))?;
        let secret = ring::default_provider().key_provider.load_private_key(secret).map_err(|source| {
            CertificateError::Unusable { key: "listener.tls_key", path: key.clone(), source }
        })?;
        let certified = CertifiedKey::new(chain, secret);
        match certified.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
            Err(rustls::Error::InconsistentKeys(_)) => Err(CertificateError::Mismatch { key, cert }),
            Err(source) => Err(CertificateError::Unusable { key: "listener.tls_cert", path: cert, source }),
        }
    }
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, CertificateError> {
    let mut content = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE).read_to_end(&mut content))
        .map_err(|source| CertificateError::Unreadable { key, path: display(path), source })?;
    Ok(content)
}

fn display(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
pub(super) mod tests {
    use std::{fs, path::PathBuf};

    use tempfile::TempDir;

    use super::*;

    /// A certificate and its key in temporary files.
    pub(in crate::listener) struct Files {
        pub(in crate::listener) dir: TempDir,
        pub(in crate::listener) tls: TlsFiles,
    }

    impl Files {
        pub(in crate::listener) fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let tls = TlsFiles { cert: dir.path().join("cert.pem"), key: dir.path().join("key.pem") };
            let files = Self { dir, tls };
            files.renew();
            files
        }

        /// Writes a new pair. Returns the certificate in DER form.
        pub(in crate::listener) fn renew(&self) -> CertificateDer<'static> {
            let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            fs::write(&self.tls.cert, made.cert.pem()).unwrap();
            fs::write(&self.tls.key, made.signing_key.serialize_pem()).unwrap();
            made.cert.der().clone()
        }

        fn write(&self, name: &str, content: &str) -> PathBuf {
            let path = self.dir.path().join(name);
            fs::write(&path, content).unwrap();
            path
        }
    }

    fn refused(tls: &TlsFiles) -> String {
        let error = Certificate::load(tls).err().unwrap().to_string();
        assert_eq!(error.lines().count(), 1, "{error}");
        error
    }

    #[test]
    fn a_missing_or_invalid_file_is_reported_with_its_key_and_the_remedy() {
        let files = Files::new();
        let (cert, key) = (files.tls.cert.clone(), files.tls.key.clone());
        let with_cert = |cert: PathBuf| refused(&TlsFiles { cert, key: key.clone() });
        let with_key = |key: PathBuf| refused(&TlsFiles { cert: cert.clone(), key });
        let error = with_cert(files.dir.path().join("absent.pem"));
        assert!(
            error.starts_with("listener.tls_cert: ") && error.contains("absent.pem cannot be read"),
            "{error}"
        );
        let error = with_key(files.dir.path().join("absent.pem"));
        assert!(
            error.starts_with("listener.tls_key: ") && error.contains("absent.pem cannot be read"),
            "{error}"
        );
        for other in [files.write("empty", ""), files.write("text", "hello"), key.clone()] {
            let error = with_cert(other);
            assert!(
                error.starts_with("listener.tls_cert: ") && error.contains("BEGIN CERTIFICATE"),
                "{error}"
            );
        }
        let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        for other in [files.write("empty", ""), files.write("locked", locked), cert.clone()] {
            let error = with_key(other);
            assert!(error.starts_with("listener.tls_key: ") && error.contains("passphrase"), "{error}");
        }
        let damaged = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        let error = with_key(files.write("damaged", damaged));
        assert!(error.starts_with("listener.tls_key: ") && error.contains("cannot be used"), "{error}");
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let (one, other) = (Files::new(), Files::new());
        let mixed = TlsFiles { cert: one.tls.cert.clone(), key: other.tls.key.clone() };
        let error = refused(&mixed);
        assert!(error.starts_with("listener.tls_key: ") && error.contains("does not belong"), "{error}");
    }

    #[test]
    fn invalid_files_leave_the_old_certificate_in_use_and_are_reported_once() {
        let files = Files::new();
        let certificate = Certificate::load(&files.tls).unwrap();
        let current = || certificate.current.0.read().cert[0].clone();
        let before = current();
        assert!(matches!(certificate.reload(), Reload::Unchanged));
        files.write("cert.pem", "half a certif");
        assert!(matches!(certificate.reload(), Reload::Invalid(CertificateError::NoCertificate(_))));
        assert!(matches!(certificate.reload(), Reload::Unchanged));
        fs::remove_file(&files.tls.key).unwrap();
        assert!(matches!(certificate.reload(), Reload::Invalid(CertificateError::Unreadable { .. })));
        assert!(matches!(certificate.reload(), Reload::Unchanged));
        assert_eq!(current(), before);
        let renewed = files.renew();
        assert!(matches!(certificate.reload(), Reload::Renewed));
        assert_eq!(current(), renewed);
    }
}
