//! What to do where an encrypted connection does not come to stand. The reason is known by the words that the TLS library
//! has for it, for by then it is a text; a test holds them equal.

/// What is wrong with the other end's TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// The certificate has run out, or is not valid yet.
    Outdated,
    /// The certificate is for another name.
    OtherName,
    /// Nobody who is trusted has signed the certificate, or it is wrong in another way.
    Untrusted,
    /// There is no TLS.
    Unencrypted,
}

impl Flaw {
    /// `None` where the reason is another one.
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
            Some(_) => Some(Self::Untrusted),
            None => reason.contains("received corrupt message").then_some(Self::Unencrypted),
        }
    }

    /// What to do about a server that the bot calls.
    pub(super) fn mend(self) -> &'static str {
        match self {
            Self::Outdated => "renew its certificate; if that is valid, set the clock of this machine",
            Self::OtherName => {
                "call it by the name that its certificate is for, or give it one for this name"
            }
            Self::Untrusted => {
                "give it a certificate of a public authority, together with the intermediate ones; or install the \
                 company's authority on this machine, or name its file in SSL_CERT_FILE"
            }
            Self::Unencrypted => "correct the port, or write http:// if it has no TLS",
        }
    }

    /// What to do about the listener's own public address, which SIGNL4 calls: what is trusted here alone is no use.
    pub(super) fn mend_public(self) -> &'static str {
        match self {
            Self::Outdated => "renew the certificate of the proxy, or of listener.tls_cert",
            Self::OtherName => "give the proxy, or listener.tls_cert, a certificate for this name",
            Self::Untrusted => {
                "give the proxy, or listener.tls_cert, a certificate of a public authority, together with the \
                 intermediate ones"
            }
            Self::Unencrypted => {
                "let a proxy do TLS there, or set listener.tls_cert and tls_key; or correct the port"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rustls::{CertificateError, Error, InvalidMessage};

    use super::*;

    #[test]
    fn the_words_of_the_tls_library_are_understood() {
        let certificate = |error| Error::InvalidCertificate(error);
        for (error, flaw) in [
            (certificate(CertificateError::Expired), Flaw::Outdated),
            (certificate(CertificateError::NotValidYet), Flaw::Outdated),
            (certificate(CertificateError::NotValidForName), Flaw::OtherName),
            (certificate(CertificateError::UnknownIssuer), Flaw::Untrusted),
            (certificate(CertificateError::BadSignature), Flaw::Untrusted),
            (Error::InvalidMessage(InvalidMessage::InvalidContentType), Flaw::Unencrypted),
        ] {
            assert_eq!(Flaw::of(&format!("TLS failed: {error}")), Some(flaw), "{error}");
        }
        assert_eq!(Flaw::of("Connection refused (os error 111)"), None);
    }
}
