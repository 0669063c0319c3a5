//! The remedy for a failed TLS handshake. The reason arrives as text and is recognized by the TLS library's wording,
//! which a test verifies.

/// What to do about the TLS of the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TlsProblem {
    /// The remedy for a server that the bot calls.
    pub(super) fix: &'static str,
    /// The remedy for the listener's public address, which SIGNL4 calls: a certificate trusted only here does not help.
    pub(super) public_fix: &'static str,
}

/// The certificate has expired, or is not valid yet.
const OUTDATED: TlsProblem = TlsProblem {
    fix: "renew its certificate; if it is valid, correct this machine's clock",
    public_fix: "renew the certificate of the proxy, or of listener.tls_cert",
};

/// The certificate is for another name.
const OTHER_NAME: TlsProblem = TlsProblem {
    fix: "use the name that its certificate is for, or give it a certificate for this name",
    public_fix: "give the proxy, or listener.tls_cert, a certificate for this name",
};

/// The server uses a certificate of an authority as its own, which many self-signed ones are.
const OWN_AUTHORITY: TlsProblem = TlsProblem {
    fix: "its self-signed certificate claims to be an authority (CA:TRUE), which a server's own may not; create it \
          again with: openssl req -x509 … -addext basicConstraints=critical,CA:FALSE",
    ..UNTRUSTED
};

/// The certificate's key or signature has an unsupported type.
const UNSUPPORTED: TlsProblem = {
    const FIX: &str = "give it a certificate with a key of RSA, P-256, P-384 or Ed25519: P-521, and P-256 or P-384 with SHA-512, are \
         not supported";
    TlsProblem { fix: FIX, public_fix: FIX }
};

/// The certificate is not signed by a trusted authority, or is invalid in another way.
const UNTRUSTED: TlsProblem = TlsProblem {
    fix: "give it a certificate of a public authority, with the intermediate certificates; or install the \
          company's authority on this machine, or name its file in SSL_CERT_FILE",
    public_fix: "give the proxy, or listener.tls_cert, a certificate of a public authority, with the \
                 intermediate certificates",
};

/// The other side does not use TLS.
const UNENCRYPTED: TlsProblem = TlsProblem {
    fix: "correct the port, or write http:// if it has no TLS",
    public_fix: "put a proxy with TLS there, or set listener.tls_cert and tls_key; or correct the port",
};

impl TlsProblem {
    /// `None` if the reason is not a TLS problem.
    pub(super) fn of(reason: &str) -> Option<Self> {
        let of_certificate = reason.split_once("invalid peer certificate: ");
        let text = of_certificate.map_or(reason, |(_, detail)| detail);
        let has = |marks: &[&str]| marks.iter().any(|mark| text.contains(mark));
        match of_certificate {
            Some(_) if has(&["expired", "Expired", "not valid yet", "NotValidYet"]) => Some(OUTDATED),
            Some(_) if has(&["not valid for", "NotValidFor"]) => Some(OTHER_NAME),
            Some(_) if has(&["CaUsedAsEndEntity"]) => Some(OWN_AUTHORITY),
            Some(_) if has(&["Unsupported"]) => Some(UNSUPPORTED),
            Some(_) => Some(UNTRUSTED),
            None if has(&["HandshakeFailure"]) => Some(UNSUPPORTED),
            None => has(&["received corrupt message"]).then_some(UNENCRYPTED),
        }
    }
}

#[cfg(test)]
mod tests {
    use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};

    use super::*;

    #[test]
    fn the_wording_of_the_tls_library_is_recognized() {
        let certificate = |error| Error::InvalidCertificate(error);
        for (error, problem) in [
            (certificate(CertificateError::Expired), OUTDATED),
            (certificate(CertificateError::NotValidYet), OUTDATED),
            (certificate(CertificateError::NotValidForName), OTHER_NAME),
            (certificate(CertificateError::UnknownIssuer), UNTRUSTED),
            (certificate(CertificateError::BadSignature), UNTRUSTED),
            (Error::AlertReceived(AlertDescription::HandshakeFailure), UNSUPPORTED),
            (Error::InvalidMessage(InvalidMessage::InvalidContentType), UNENCRYPTED),
        ] {
            assert_eq!(TlsProblem::of(&format!("TLS failed: {error}")), Some(problem), "{error}");
        }
        assert_eq!(TlsProblem::of("Connection refused (os error 111)"), None);
    }
}
