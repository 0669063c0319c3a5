//! The remedy for a failed TLS handshake with a server that the bot calls. The reason arrives as text and is recognized by the
//! TLS library's wording, which a test verifies.

/// The certificate has expired, or is not valid yet.
pub(super) const OUTDATED: &str = "renew its certificate; if it is valid, correct this machine's clock";

/// The certificate is for another name.
const OTHER_NAME: &str = "use the name that its certificate is for, or give it a certificate for this name";

/// The server uses a certificate of an authority as its own, which many self-signed ones are.
const OWN_AUTHORITY: &str = "its self-signed certificate claims to be an authority (CA:TRUE), which a server's own may not; create it \
     again with: openssl req -x509 … -addext basicConstraints=critical,CA:FALSE";

/// The certificate's key or signature has an unsupported type.
const UNSUPPORTED: &str = "give it a certificate with a key of RSA, P-256, P-384 or Ed25519: P-521, and P-256 or P-384 with SHA-512, are \
     not supported";

/// The certificate is not signed by a trusted authority, or is invalid in another way.
const UNTRUSTED: &str = "give it a certificate of a public authority, with the intermediate certificates; or install the \
     company's authority on this machine, or name its file in SSL_CERT_FILE";

/// The other side does not use TLS.
const UNENCRYPTED: &str = "correct the port, or write http:// if it has no TLS";

/// `None` if the reason is not a TLS problem.
pub(super) fn tls_remedy(reason: &str) -> Option<&'static str> {
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
            assert_eq!(tls_remedy(&format!("TLS failed: {error}")), Some(problem), "{error}");
        }
        assert_eq!(tls_remedy("Connection refused (os error 111)"), None);
    }
}
