//! The store, the addresses to listen on, and the certificate.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;

use jiff::Timestamp;
use tokio::net::TcpListener;

use super::public_url::PublicUrl;
use super::report::{Finding, Remark};
use crate::bot::{cannot_listen, labels};
use crate::config::{Config, TlsFiles};
use crate::health::{not_called_back, not_surely_sent};
use crate::listener::Certificate;
use crate::store::{Callbacks, Condition, Store, StoreError, StoreUrl};

/// Probes the store, the addresses and the certificate.
pub(super) async fn probe(config: &Config) -> Vec<Finding> {
    let store = Store::inspect(&config.store.url).await;
    let running = matches!(store, Ok(Condition::InUse));
    // A running bot may have another working directory, and so another store.
    let relative = store.is_ok() && config.store.url.path().is_some_and(Path::is_relative);
    let mut findings = vec![Finding::new("store", store_remark(&config.store.url, store))];
    findings.extend(config.exposed_files.iter().map(|file| Finding::new("secrets", exposed(file))));
    let short = config.short_secrets().into_iter().map(|text| Remark::of_error(&text).at_most_warning());
    findings.extend(short.map(|remark| Finding::new("secrets", remark)));
    for (subject, key, bind) in
        [("listener", "listener.bind", config.listener.bind), ("admin", "admin.bind", config.admin.bind)]
    {
        findings.push(Finding::new(subject, address(key, bind, running, relative).await));
    }
    let (callbacks, last_alerts) = Store::inspect_alerts(&config.store.url).await.unwrap_or_default();
    let now = Timestamp::now();
    findings.extend(callback(&callbacks, now).map(|remark| Finding::new("callback", remark)));
    let labels = labels(&config.signl4);
    let warnings = last_alerts.iter().filter_map(|(queue, last)| {
        let label = labels.iter().find(|label| label.queue == *queue)?;
        not_surely_sent(&label.name, last, now)
    });
    findings.extend(warnings.map(|warning| {
        let fix = "see the status page, and try it with test \"SIGNL4 test\" --send";
        Finding::new("last alert", Remark::warning(warning.to_string(), fix))
    }));
    findings.extend(config.listener.tls.as_ref().map(|files| Finding::new("listener", certificate(files))));
    findings
}

/// The part of the URL that SIGNL4 has to call before `/signl4/`: the public address if it is known, or else the listener's own.
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

fn exposed(file: &Path) -> Remark {
    let file = file.display();
    Remark::warning(
        format!("every user of this machine can read {file}, which contains a secret"),
        format!("chmod o-r {file}"),
    )
}

fn store_remark(url: &StoreUrl, found: Result<Condition, StoreError>) -> Remark {
    let condition = match found {
        Ok(condition) => condition,
        Err(error) => return Remark::of_error(&error),
    };
    // A service may resolve a relative path to another file than the person who runs the check.
    let path = url.path().map(|path| std::path::absolute(path).unwrap_or(path.to_owned()));
    let what = match (condition, path.is_some()) {
        (Condition::New, true) => "does not exist yet and can be created",
        (Condition::New, false) => "is empty and can be set up",
        (Condition::Usable, true) => "can be read and written",
        (Condition::Usable, false) => "can be used",
        (Condition::InUse, true) => "is in use: the bot is running",
        (Condition::InUse, false) => "is in use: a bot is running",
    };
    let store = path.map_or_else(|| url.to_string(), |path| path.display().to_string());
    Remark::fine(format!("{store} {what}"))
}

/// Whether SIGNL4 calls back; `None` if there is nothing to report yet.
fn callback(callbacks: &Callbacks, now: Timestamp) -> Option<Remark> {
    if let Some(warning) = not_called_back(callbacks, now) {
        return Some(Remark::warning(
            warning.to_string(),
            "the address is shown below; try it with --public-url, and both directions with test \"SIGNL4 test\" --send",
        ));
    }
    let last = callbacks.last_event?.strftime("%Y-%m-%d %H:%M UTC");
    Some(Remark::fine(format!("SIGNL4 calls back, last at {last}")))
}

/// Whether the bot can listen on an address. A running bot already does.
async fn address(key: &str, bind: SocketAddr, running: bool, relative: bool) -> Remark {
    let error = match TcpListener::bind(bind).await {
        Ok(_) if bind.ip().is_loopback() => {
            return Remark::fine(format!("{bind} is free; only this machine can reach it"));
        }
        Ok(_) => return Remark::fine(format!("{bind} is free")),
        Err(error) => error,
    };
    let in_use = error.kind() == ErrorKind::AddrInUse;
    if in_use && running {
        return Remark::fine(format!("{bind} is in use by the running bot"));
    }
    let [what, fix] = cannot_listen(key, bind, &error);
    if in_use && relative {
        let fix = format!(
            "if it is this bot, run the check in its working directory, which store.url is relative to (with systemd \
             /var/lib/signl4-rocketchat); otherwise stop it, or set {key} to another port"
        );
        return Remark::problem(what, fix);
    }
    Remark::problem(what, fix)
}

fn certificate(files: &TlsFiles) -> Remark {
    let valid = |_| Remark::fine(format!("{} is a valid certificate with its key", files.cert.display()));
    Certificate::load(files).map_or_else(|error| Remark::of_error(&error), valid)
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;
    use crate::check::Grade;

    #[test]
    fn missing_callbacks_are_a_warning_and_a_received_one_is_shown() {
        let now = Timestamp::UNIX_EPOCH + 400_000.hours();
        let never = Callbacks { sent: 3, first_sent: Some(now - 2.hours()), last_event: None };
        assert_eq!(callback(&never, now).unwrap().grade, Grade::Warning);
        let no_more = Callbacks { last_event: Some(now - 9.hours()), ..never };
        assert_eq!(callback(&no_more, now).unwrap().grade, Grade::Warning);
        let came = Callbacks { last_event: Some(now), ..Callbacks::default() };
        assert_eq!(callback(&came, now).unwrap().grade, Grade::Fine);
        assert_eq!(callback(&Callbacks::default(), now), None);
    }
}
