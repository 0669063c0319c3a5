//! Rocket.Chat: the server, the account and its permissions, the realtime session, and then the rooms.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::report::{Finding, Grade, Remark, TriggerRooms};
use super::room_inventory::{RoomInventory, wait_for_rate_limit};
use super::rooms::{IMPERSONATE, NO_RATE_LIMIT, Rights, RoomCheck};
use super::tls_problem::tls_remedy;
use super::trial::Clients;
use crate::config::{self, Config};
use crate::store::Store;
use rocketchat::realtime::{ConnectionState, LostReason, Realtime};
use rocketchat::rest::{Me, PublicSettings, RestClient, RestError};
use rocketchat::{Account, Credentials, LoginError, ServerUrl};

/// The major versions of Rocket.Chat that the bot is tested with.
const OLDEST: u32 = 6;
const NEWEST: u32 = 9;
/// A larger difference between the clocks is a warning.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_secs(30);
/// Time limit for establishing a realtime session: longer than each of its steps.
const SESSION_TIMEOUT: Duration = Duration::from_secs(60);

/// The role with every permission, which the bot never needs.
const ADMIN: &str = "admin";

/// The remedy for a failure inside the server.
const AGAIN: &str = "run this check again; if it fails again, read Rocket.Chat's own log";

/// The findings about Rocket.Chat, and about the rooms if these could be probed.
pub(super) type Found = (Vec<Finding>, Option<Vec<TriggerRooms>>);

/// Probes everything on the server that can be probed without an effect, step by step; a failed step may prevent the next one.
pub(super) async fn probe(config: &Config, clients: &Clients) -> Found {
    let settings = &config.rocketchat;
    let account = clients.account_at(&settings.url, settings.account.clone());
    let mut findings = probe_version(&account).await;
    if findings.iter().any(|finding| finding.remark.grade == Grade::Problem) {
        return (findings, None);
    }
    let (found, session) = log_in(account, &settings.account).await;
    findings.extend(found);
    let Some(mut session) = session else { return (findings, None) };
    findings.push(Finding::new("name", appearance(settings, &session)));
    findings.extend(rate_limit(&session).map(|remark| Finding::new("rights", remark)));
    let threads = threads(wait_for_rate_limit(|| session.rest.public_settings()).await);
    findings.extend(threads.map(|remark| Finding::new("threads", remark)));
    let named = Store::inspect_named_rooms(&config.store.url).await.unwrap_or_default();
    let other = config.replies.other_alerts_to.as_ref();
    let rooms = match RoomInventory::take(&session.rest, &config.triggers, other, named).await {
        Ok(inventory) => {
            session.rooms = inventory;
            let check = session.room_check(settings.auto_join);
            findings.extend(other.map(|room| check.for_other_alerts(room, &config.triggers)));
            Some(check.check(&config.triggers))
        }
        Err(error) => {
            findings.push(Finding::new("rooms", call_failed(&error)));
            None
        }
    };
    session.end().await;
    (findings, rooms)
}

/// Whether the server answers like Rocket.Chat. If it does not, which is a problem, nothing else can be probed.
pub(super) async fn probe_version(account: &Arc<Account>) -> Vec<Finding> {
    let url = account.server();
    let remark = match RestClient::new(Arc::clone(account)).server_version().await {
        Ok(version) => server(url, version.as_deref()),
        Err(error) => return vec![Finding::new("server", unreachable(url, &error))],
    };
    let mut findings = vec![Finding::new("server", remark)];
    let unencrypted = unencrypted(url.is_tls(), url.host(), "account's token");
    let fix = "use https:// in the address";
    findings.extend(unencrypted.map(|text| Finding::new("server", Remark::warning(text, fix))));
    findings.push(Finding::new("clock", clock(account.clock_offset())));
    findings
}

/// A login, to be ended after the probes, because one with a password would stay on the server.
pub(crate) struct Session {
    pub(super) rest: RestClient,
    me: Me,
    rights: Rights,
    /// Whether a password was used.
    by_password: bool,
    /// Empty until they are requested.
    pub(super) rooms: RoomInventory,
}

/// Whether the account can log in and receive messages, and its session if it can.
pub(super) async fn log_in(
    account: Arc<Account>,
    credentials: &Credentials,
) -> (Vec<Finding>, Option<Session>) {
    match account.log_in().await {
        // The realtime session logs in, or says why it cannot.
        Ok(_) | Err(LoginError::RestDisabled(_)) => {}
        Err(LoginError::Fatal(fatal)) => {
            return (vec![Finding::new("account", Remark::of_error(&fatal))], None);
        }
        Err(LoginError::NotNow(error)) => return (vec![Finding::new("account", call_failed(&error))], None),
    }
    let rest = RestClient::new(Arc::clone(&account));
    let by_password = matches!(credentials, Credentials::Password { .. });
    let realtime = realtime(account).await;
    match wait_for_rate_limit(|| rest.me()).await {
        Ok(me) => {
            let findings =
                vec![Finding::new("account", account_state(&me)), Finding::new("realtime", realtime)];
            let holders = wait_for_rate_limit(|| rest.permissions()).await.ok();
            let rights = Rights { roles: me.roles.clone(), holders };
            (findings, Some(Session { rest, me, rights, by_password, rooms: RoomInventory::default() }))
        }
        Err(error) => {
            end(&rest, by_password).await;
            (no_account(&error, realtime), None)
        }
    }
}

impl Session {
    /// Checks rooms for the account.
    pub(super) fn room_check(&self, auto_join: bool) -> RoomCheck<'_> {
        let username = &self.me.identity.username;
        RoomCheck { inventory: &self.rooms, rights: &self.rights, username, auto_join }
    }

    /// Logs out if a password was used.
    pub(crate) async fn end(self) {
        end(&self.rest, self.by_password).await;
    }
}

/// Logs out after a login with a password: a server keeps 50 logins per user, and a probe must not displace the login
/// of a running bot.
async fn end(rest: &RestClient, by_password: bool) {
    if by_password && rest.account().identity().is_some() {
        let _ = rest.log_out().await;
    }
}

/// What to warn of if a secret is sent to another machine without TLS.
pub(crate) fn unencrypted(is_tls: bool, host: &str, secret: &str) -> Option<String> {
    (!is_tls && !is_loopback(host))
        .then(|| format!("is called over http: the {secret} crosses the network unencrypted"))
}

/// Whether the host of a URL is this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn server(url: &ServerUrl, version: Option<&str>) -> Remark {
    let Some(version) = version else {
        return Remark::warning(
            format!("{url} does not report its version; the bot is tested with {OLDEST} to {NEWEST}"),
            "make sure that no proxy in front of Rocket.Chat changes its answers to /api/info",
        );
    };
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    match major {
        Some(major) if major < OLDEST => Remark::warning(
            format!("{url} runs version {version}, which is too old: alerts and replies may be missing"),
            format!("update Rocket.Chat to {OLDEST}.0 or later"),
        ),
        Some(major) if major > NEWEST => Remark::warning(
            format!(
                "{url} runs version {version}, and this release of the bot is tested with {OLDEST} to {NEWEST}: alerts and replies may be missing"
            ),
            "look for a newer release of the bot, and try an alert and its acknowledgement",
        ),
        _ => Remark::fine(format!("{url} runs version {version}")),
    }
}

fn unreachable(url: &ServerUrl, error: &RestError) -> Remark {
    let (reason, was_reached) = match error {
        RestError::Unavailable { reason, failure, .. } => (reason.clone(), failure.is_none()),
        other => (other.to_string(), true),
    };
    if let Some(remedy) = tls_remedy(&reason) {
        return Remark::problem(format!("{url} cannot be trusted: {reason}"), remedy);
    }
    let text = match was_reached {
        true => format!("{url} does not answer like Rocket.Chat: {reason}"),
        false => format!("{url} cannot be reached: {reason}"),
    };
    Remark::problem(
        text,
        "check the address, and that this machine reaches it, directly or through the proxy in HTTPS_PROXY",
    )
}

fn clock(offset: Option<SignedDuration>) -> Remark {
    match offset {
        None => Remark::fine("the server does not report its time"),
        Some(offset) if offset.abs() <= CLOCK_TOLERANCE => {
            Remark::fine("the server's clock agrees with this one")
        }
        Some(offset) => {
            let way = if offset.is_positive() { "ahead of" } else { "behind" };
            // Accurate to about a second, or to a few on a busy machine.
            let seconds = (offset.abs().as_secs().unsigned_abs() + 5) / 10 * 10;
            let apart = humantime::format_duration(Duration::from_secs(seconds));
            Remark::warning(
                format!("the server's clock is {apart} {way} this one"),
                "synchronize both with NTP, and a reverse proxy between them: the times that people read differ, and with a proxy's wrong time \
                 messages may be missed",
            )
        }
    }
}

pub(super) fn call_failed(error: &RestError) -> Remark {
    Remark::problem(error.to_string(), AGAIN)
}

/// The findings if the server does not describe the account. If the account is the reason, the realtime session says why.
fn no_account(error: &RestError, realtime: Remark) -> Vec<Finding> {
    match error {
        RestError::Unauthorized { .. } if realtime.grade == Grade::Problem => {
            vec![Finding::new("account", realtime)]
        }
        _ => vec![Finding::new("realtime", realtime), Finding::new("account", call_failed(error))],
    }
}

/// Opens a session like the bot, and closes it once it is established.
async fn realtime(account: Arc<Account>) -> Remark {
    let address = account.server().websocket();
    let realtime = Realtime::new(account);
    let mut states = realtime.state();
    let first = async {
        let is_known = |state: &ConnectionState| !matches!(state, ConnectionState::Connecting { .. });
        timeout(SESSION_TIMEOUT, states.wait_for(is_known)).await.ok()?.ok().map(|state| state.clone())
    };
    let (events, _unread) = mpsc::channel(64);
    let state = tokio::select! {
        () = realtime.run(events, CancellationToken::new()) => None,
        state = first => state,
    };
    match state {
        Some(ConnectionState::Online { .. }) => {
            Remark::fine("connected, logged in, and subscribed to every room")
        }
        Some(ConnectionState::Waiting { reason: LostReason::Account(fatal), .. }) => Remark::of_error(&fatal),
        Some(ConnectionState::Waiting { reason, .. }) => Remark::problem(
            format!("messages cannot be received: {reason}"),
            match reason {
                LostReason::Handshake(_) | LostReason::ClosedByServer(_) => {
                    format!("make the proxy in front of Rocket.Chat forward WebSockets at {address}")
                }
                LostReason::Dns(_)
                | LostReason::Refused(_)
                | LostReason::Timeout(_)
                | LostReason::Tls(_)
                | LostReason::Proxy(_)
                | LostReason::Network(_) => format!("check that this machine reaches {address}"),
                _ => AGAIN.to_owned(),
            },
        ),
        _ => Remark::problem("messages cannot be received: no session was established in time", AGAIN),
    }
}

fn account_state(me: &Me) -> Remark {
    let name = &me.identity.username;
    if !me.active {
        return Remark::problem(
            format!("@{name} is deactivated"),
            "activate it under Administration > Users",
        );
    }
    if me.roles.iter().any(|role| role == ADMIN) {
        return Remark::warning(
            format!(
                "@{name} is logged in, and is an administrator: its secret gives control of the whole server"
            ),
            format!("remove the role {ADMIN} from it; the role bot is enough"),
        );
    }
    match me.roles.as_slice() {
        [] => Remark::fine(format!("@{name} is logged in")),
        [role] => Remark::fine(format!("@{name} is logged in, with the role {role}")),
        roles => Remark::fine(format!("@{name} is logged in, with the roles {}", roles.join(", "))),
    }
}

/// The name and the avatar under which replies are posted.
fn appearance(settings: &config::RocketChat, session: &Session) -> Remark {
    let own = &session.me.identity.username;
    let wanted = match (&settings.alias, &settings.avatar) {
        (None, None) => return Remark::fine(format!("replies are posted as @{own}")),
        (Some(alias), _) => format!("as \"{alias}\""),
        (None, Some(_)) => "with an avatar of its own".to_owned(),
    };
    let fix = format!(
        "give @{own} the role bot, or a role that has {IMPERSONATE}; or set rocketchat.alias = \"\" and no avatar"
    );
    match session.rights.may(IMPERSONATE, &[]) {
        Some(true) => Remark::fine(format!("replies are posted {wanted}")),
        Some(false) => Remark::warning(
            format!("replies cannot be posted {wanted}, only as @{own}: it lacks {IMPERSONATE}"),
            fix,
        ),
        None => Remark::warning(format!("whether replies can be posted {wanted} is unknown"), fix),
    }
}

/// Without threads every reply is a message in the room.
fn threads(settings: Result<PublicSettings, RestError>) -> Option<Remark> {
    (settings.ok()?.threads == Some(false)).then(|| {
        Remark::warning(
            "threads are disabled: replies are posted in the room, each with a quotation of its message",
            "enable Administration > Settings > Threads > Enable Threads",
        )
    })
}

fn rate_limit(session: &Session) -> Option<Remark> {
    (session.rights.may(NO_RATE_LIMIT, &[]) == Some(false)).then(|| {
        let name = &session.me.identity.username;
        Remark::warning(
            format!("@{name} is limited to about ten calls of each kind a minute, so replies are late when there are many alerts"),
            format!("give @{name} the role bot, or a role that has {NO_RATE_LIMIT}"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_account_is_reported_once_with_a_fix() {
        let unauthorized = RestError::Unauthorized { code: String::new(), reason: "refused".into() };
        let problem = || Remark::problem("refuses the login", "check username and password");
        assert_eq!(no_account(&unauthorized, problem()), [Finding::new("account", problem())]);
        let subjects = |findings: Vec<Finding>| findings.into_iter().map(|finding| finding.subject).collect();
        let both: Vec<String> = subjects(no_account(&unauthorized, Remark::fine("connected")));
        assert_eq!(both, ["realtime", "account"]);
        let both: Vec<String> = subjects(no_account(&RestError::unavailable("timeout"), problem()));
        assert_eq!(both, ["realtime", "account"]);
    }

    #[test]
    fn every_name_of_this_machine_is_known() {
        for host in ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "[::1]", "::1"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["example.com", "10.0.0.1", "localhost.example.com", "[2001:db8::1]", ""] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
