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
        assert!(error.starts_with("listener.tls_cert: ") && error.contains("BEGIN CERTIFICATE"), "{error}");
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
    let before = certificate.acceptor();
    let is_in_use = || Arc::ptr_eq(before.config(), certificate.acceptor().config());
    assert_eq!(certificate.reload(), Ok(false));
    files.write("cert.pem", "half a certif");
    assert!(certificate.reload().unwrap_err().0.contains("no certificate"));
    assert_eq!(certificate.reload(), Ok(false));
    fs::remove_file(&files.tls.key).unwrap();
    assert!(certificate.reload().unwrap_err().0.contains("cannot be read"));
    assert_eq!(certificate.reload(), Ok(false));
    assert!(is_in_use());
    files.renew();
    assert_eq!(certificate.reload(), Ok(true));
    // The listener's tests see the new certificate in handshakes.
    assert!(!is_in_use());
}
