//! The remedy for a failed TLS handshake. The reason arrives as text and is recognized by the TLS library's wording,
//! which a test verifies.

/// What is wrong with the TLS of the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TlsProblem {
    /// The certificate has expired, or is not valid yet.
    Outdated,
    /// The certificate is for another name.
    OtherName,
    /// The server uses a certificate of an authority as its own, which many self-signed ones are.
    OwnAuthority,
    /// The certificate's key or signature has an unsupported type.
    Unsupported,
    /// The certificate is not signed by a trusted authority, or is invalid in another way.
    Untrusted,
    /// The other side does not use TLS.
    Unencrypted,
}

const UNSUPPORTED: &str = "give it a certificate with a key of RSA, P-256, P-384 or Ed25519: P-521, and P-256 or P-384 with SHA-512, are \
     not supported";

impl TlsProblem {
    /// `None` if the reason is not a TLS problem.
    pub(super) fn of(reason: &str) -> Option<Self> {
        let of_certificate = reason.split_once("invalid peer certificate: ").map(|(_, detail)| detail);
        match of_certificate {
            Some(detail) if detail.contains("expired") || detail.contains("Expired") => Some(Self::Outdated),
            Some(detail) if detail.contains("not valid yet") || detail.contains("NotValidYet") => {
                Some(Self::Outdated)
            }
            Some(detail) if detail.contains("not valid for") || detail.contains("NotValidFor") => {
                Some(Self::OtherName)
            }
            Some(detail) if detail.contains("CaUsedAsEndEntity") => Some(Self::OwnAuthority),
            Some(detail) if detail.contains("Unsupported") => Some(Self::Unsupported),
            Some(_) => Some(Self::Untrusted),
            None if reason.contains("HandshakeFailure") => Some(Self::Unsupported),
            None => reason.contains("received corrupt message").then_some(Self::Unencrypted),
        }
    }

    /// The remedy for a server that the bot calls.
    pub(super) fn fix(self) -> &'static str {
        match self {
            Self::Outdated => "renew its certificate; if it is valid, correct this machine's clock",
            Self::OtherName => {
                "use the name that its certificate is for, or give it a certificate for this name"
            }
            Self::OwnAuthority => {
                "its self-signed certificate claims to be an authority (CA:TRUE), which a server's own may not; create it \
                 again with: openssl req -x509 … -addext basicConstraints=critical,CA:FALSE"
            }
            Self::Unsupported => UNSUPPORTED,
            Self::Untrusted => {
                "give it a certificate of a public authority, with the intermediate certificates; or install the \
                 company's authority on this machine, or name its file in SSL_CERT_FILE"
            }
            Self::Unencrypted => "correct the port, or write http:// if it has no TLS",
        }
    }

    /// The remedy for the listener's public address, which SIGNL4 calls: a certificate trusted only here does not help.
    pub(super) fn public_fix(self) -> &'static str {
        match self {
            Self::Outdated => "renew the certificate of the proxy, or of listener.tls_cert",
            Self::OtherName => "give the proxy, or listener.tls_cert, a certificate for this name",
            Self::Unsupported => UNSUPPORTED,
            Self::OwnAuthority | Self::Untrusted => {
                "give the proxy, or listener.tls_cert, a certificate of a public authority, with the \
                 intermediate certificates"
            }
            Self::Unencrypted => {
                "put a proxy with TLS there, or set listener.tls_cert and tls_key; or correct the port"
            }
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
            (certificate(CertificateError::Expired), TlsProblem::Outdated),
            (certificate(CertificateError::NotValidYet), TlsProblem::Outdated),
            (certificate(CertificateError::NotValidForName), TlsProblem::OtherName),
            (certificate(CertificateError::UnknownIssuer), TlsProblem::Untrusted),
            (certificate(CertificateError::BadSignature), TlsProblem::Untrusted),
            (Error::AlertReceived(AlertDescription::HandshakeFailure), TlsProblem::Unsupported),
            (Error::InvalidMessage(InvalidMessage::InvalidContentType), TlsProblem::Unencrypted),
        ] {
            assert_eq!(TlsProblem::of(&format!("TLS failed: {error}")), Some(problem), "{error}");
        }
        assert_eq!(TlsProblem::of("Connection refused (os error 111)"), None);
    }
}
