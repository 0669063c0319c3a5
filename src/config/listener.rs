//! `[listener]`, which SIGNL4 calls, and `[admin]`, which is private.

use std::net::SocketAddr;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

use super::Config;
use super::report::{Fault, fault};
use super::section::Section;
use super::values::{socket_address, url_safe};

/// `[listener]`: the public HTTP listener.
#[derive(Clone, Debug)]
pub struct Listener {
    /// The address to listen on.
    pub bind: SocketAddr,
    /// The secret in the path that SIGNL4 posts to.
    pub secret: SecretString,
    /// The certificate, if the listener uses TLS.
    pub tls: Option<TlsFiles>,
}

/// The files of the listener's certificate. They are not read here.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate chain, PEM.
    pub cert: PathBuf,
    /// The private key, PEM.
    pub key: PathBuf,
}

/// `[admin]`: the private HTTP listener.
#[derive(Clone, Debug)]
pub struct Admin {
    /// The address to listen on.
    pub bind: SocketAddr,
    /// The token that callers need. Always present if other machines can connect.
    pub token: Option<SecretString>,
}

impl Config {
    /// The listeners' secrets that are short enough to be guessed, each as a warning that ends in the remedy.
    pub fn short_secrets(&self) -> Vec<String> {
        const LONG_ENOUGH: usize = 16;
        let listener = ("listener.secret", &self.listener.secret);
        let secrets =
            [listener].into_iter().chain(self.admin.token.iter().map(|token| ("admin.token", token)));
        let short = secrets.filter(|(_, secret)| secret.expose_secret().len() < LONG_ENOUGH);
        let warning = |(key, _)| {
            format!(
                "{key} has fewer than {LONG_ENOUGH} characters and could be guessed; create one with: openssl rand -hex 24"
            )
        };
        short.map(warning).collect()
    }
}

pub(super) fn read(mut section: Section<'_>) -> Option<Listener> {
    let bind = bind(&mut section, "0.0.0.0:8080");
    section.require(&["secret", "secret_file"], "\"…\" (create one with: openssl rand -hex 24)");
    let secret = section.secret("secret", "secret_file", url_safe);
    let tls = read_tls(&mut section);
    Some(Listener { bind: bind?, secret: secret?, tls })
}

pub(super) fn read_admin(mut section: Section<'_>, listener: Option<SocketAddr>) -> Option<Admin> {
    let location = section.location("bind");
    let bind = bind(&mut section, "127.0.0.1:9090");
    if bind.zip(listener).is_some_and(|(bind, listener)| collide(bind, listener)) {
        let fault = Fault::new("is also the address of [listener]", "use two different ports");
        section.report.note(&location, fault);
    } else if bind.is_some_and(|bind| !bind.ip().is_loopback()) {
        let example = "\"…\" (create one with: openssl rand -hex 24), or bind to 127.0.0.1,";
        section.require(&["token", "token_file"], example);
    }
    let token = section.secret("token", "token_file", url_safe);
    Some(Admin { bind: bind?, token })
}

fn bind(section: &mut Section<'_>, default: &str) -> Option<SocketAddr> {
    let fix = format!("write, for example, bind = \"{default}\"");
    section.checked_or("bind", default, |text| socket_address(text, &fix))
}

fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let same_host = one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && one.port() != 0 && same_host
}

fn read_tls(section: &mut Section<'_>) -> Option<TlsFiles> {
    let path = |text: &str| match text {
        "" => fault("is empty", "name the PEM file, or leave the key out"),
        path => Ok(PathBuf::from(path)),
    };
    if section.has(&["tls_cert", "tls_key"]) {
        section.require(&["tls_key"], "\"key.pem\" beside tls_cert");
        section.require(&["tls_cert"], "\"cert.pem\" beside tls_key");
    }
    let cert = section.checked("tls_cert", path);
    let key = section.checked("tls_key", path);
    cert.zip(key).map(|(cert, key)| TlsFiles { cert, key })
}
