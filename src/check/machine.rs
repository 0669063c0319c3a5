//! The store, and the addresses to listen on.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::net::TcpListener;

use super::outside::PublicUrl;
use super::report::{Finding, Remark};
use crate::config::{Config, TlsFiles};
use crate::listener::Certificate;
use crate::store::{Condition, Store, StoreError};

/// Looks at the store, the addresses and the certificate.
pub(super) async fn probe(config: &Config) -> Vec<Finding> {
    let store = Store::inspect(&config.store.url).await;
    let running = matches!(store, Ok((_, Condition::InUse)));
    // Then it may be another file than the one of the bot that listens.
    let relative = matches!(&store, Ok((path, _)) if path.is_relative());
    let mut findings = vec![Finding::new("store", of_store(store))];
    for (subject, key, bind) in
        [("listener", "listener.bind", config.listener.bind), ("admin", "admin.bind", config.admin.bind)]
    {
        findings.push(Finding::new(subject, address(key, bind, running, relative).await));
    }
    findings.extend(config.listener.tls.as_ref().map(|files| Finding::new("listener", certificate(files))));
    findings
}

/// The URL that SIGNL4 has to call, without the secret.
pub(super) fn webhook(config: &Config, public: Option<&PublicUrl>) -> String {
    format!("{}/signl4/<listener.secret>", webhook_base(config, public))
}

/// The part of that URL before `/signl4/`: as the world knows it where that is known, or else as the listener listens.
pub(crate) fn webhook_base(config: &Config, public: Option<&PublicUrl>) -> String {
    if let Some(public) = public {
        return public.as_str().to_owned();
    }
    let bind = config.listener.bind;
    let scheme = if config.listener.tls.is_some() { "https" } else { "http" };
    let host =
        if bind.ip().is_unspecified() { format!("<this machine>:{}", bind.port()) } else { bind.to_string() };
    format!("{scheme}://{host}")
}

fn of_store(found: Result<(PathBuf, Condition), StoreError>) -> Remark {
    match found {
        Ok((path, condition)) => {
            // A relative path leads somewhere else for a service than for whoever looks.
            let path = std::path::absolute(&path).unwrap_or(path);
            let path = path.display();
            Remark::fine(match condition {
                Condition::New => format!("{path} does not exist yet and can be created"),
                Condition::Usable => format!("{path} can be read and written"),
                Condition::InUse => format!("{path} is in use: the bot is running"),
            })
        }
        Err(error) => Remark::of_error(&error),
    }
}

/// Whether an address can be listened on. A bot that runs already listens there.
async fn address(key: &str, bind: SocketAddr, running: bool, relative: bool) -> Remark {
    let error = match TcpListener::bind(bind).await {
        Ok(_) if bind.ip().is_loopback() => {
            return Remark::fine(format!("{bind} is free; only this machine reaches it"));
        }
        Ok(_) => return Remark::fine(format!("{bind} is free")),
        Err(error) => error,
    };
    match error.kind() {
        ErrorKind::AddrInUse if running => {
            Remark::fine(format!("{bind} is in use, by the bot that is running"))
        }
        ErrorKind::AddrInUse => Remark::problem(
            format!("{bind} is in use: by a bot that runs with another store, or by another program"),
            if relative {
                format!(
                    "if that is this bot, check in its working directory, from where store.url counts (with \
                     systemd /var/lib/signl4-rocketchat); or else stop it, or set {key} to another port"
                )
            } else {
                format!("stop what listens there, or set {key} to another port")
            },
        ),
        ErrorKind::PermissionDenied => Remark::problem(
            format!("{bind} may not be listened on by this user"),
            format!("set {key} to a port from 1024 on, or give the service CAP_NET_BIND_SERVICE"),
        ),
        ErrorKind::AddrNotAvailable => Remark::problem(
            format!("{bind} is no address of this machine"),
            format!("set {key} to 0.0.0.0:{}, or to an address that the machine has", bind.port()),
        ),
        _ => Remark::problem(
            format!("{bind} cannot be listened on: {error}"),
            format!("set {key} to another address"),
        ),
    }
}

fn certificate(files: &TlsFiles) -> Remark {
    match Certificate::load(files) {
        Ok(_) => Remark::fine(format!("{} can be shown to callers", files.cert.display())),
        Err(error) => Remark::of_error(&error),
    }
}
