//! The switches for faults and for the differences between real servers. All of them work at any time.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::refusal::Refusal;

/// The switches. All are off at first: a healthy monolith.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Switches {
    /// Nothing listens on the port; open connections stay.
    pub refuse_connections: bool,
    /// Connections are accepted and closed at once.
    pub accept_then_close: bool,
    /// Realtime sessions read every frame and answer none, not even a ping. A session that should have sent something
    /// meanwhile stays silent forever, like a half-open connection.
    pub stall: bool,
    /// New WebSockets are refused with 403, as by a proxy that does not let them through. REST works.
    pub refuse_websockets: bool,
    /// Every realtime frame is delayed by this time.
    pub delay_frames: Duration,
    /// Every `connect` is answered with `failed`.
    pub refuse_connect: bool,
    /// The microservice deployment's streamer: only `resume` logs in, an empty `result` is left out, malformed frames
    /// close the socket.
    pub streamer: bool,
    /// The server sends `{"server_id":"0"}` before anything else.
    pub send_server_id: bool,
    /// The server pings before it is asked to `connect`.
    pub ping_before_connected: bool,
    /// `updated` comes before `result`.
    pub updated_first: bool,
    /// `__my_messages__` has `args: [[message], meta]`.
    pub nested_args: bool,
    /// `__my_messages__` has no `roomName` in its second argument.
    pub omit_room_name: bool,
    /// Every message is emitted twice.
    pub duplicate_messages: bool,
    /// Messages that come within 50 ms of each other are emitted in reverse order.
    pub reverse_messages: bool,
    /// No message is emitted, though everything else works: only a backfill finds it.
    pub withhold_messages: bool,
    /// An older server, whose `chat.syncMessages` knows only `lastUpdate` and no paging.
    pub unpaged_sync: bool,
}

/// What happens to a REST call instead of its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RestFault {
    /// This answer; the call is not carried out.
    Answer {
        /// The HTTP status.
        status: u16,
        /// `application/json`, `text/html` or `text/plain`.
        content_type: &'static str,
        /// The body unchanged.
        body: String,
    },
    /// 429 with Rocket.Chat's body and headers; the call is not carried out.
    TooManyRequests {
        /// Time until the limit is reset.
        reset_in: Duration,
    },
    /// The call is not carried out and never answered.
    NoAnswer,
    /// The call is carried out, and the connection is cut before the answer.
    LostAnswer,
    /// The call is not carried out, the connection is cut.
    Cut,
    /// The call is carried out at once, and the answer is delayed by this time.
    Slow(Duration),
}

impl RestFault {
    /// A JSON failure with this status.
    pub fn status(status: u16) -> Self {
        let body = format!(r#"{{"success":false,"error":"simulated {status}"}}"#);
        Self::Answer { status, content_type: "application/json", body }
    }

    /// The refusal of 9.0 for what the account must not see.
    pub fn forbidden() -> Self {
        let body = r#"{"success":false,"error":"forbidden [error-forbidden]","errorType":"error-forbidden"}"#;
        Self::Answer { status: 403, content_type: "application/json", body: body.to_owned() }
    }

    /// The HTML page of a reverse proxy whose Rocket.Chat is down.
    pub fn bad_gateway() -> Self {
        let body = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad \
                    Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n";
        Self::Answer { status: 502, content_type: "text/html", body: body.to_owned() }
    }

    /// Rocket.Chat's plain-text answer to an invalid token.
    pub fn plain_unauthorized() -> Self {
        let body = "You must be logged in to do this.".to_owned();
        Self::Answer { status: 401, content_type: "text/plain", body }
    }

    /// The HTML page of a reverse proxy that wants a login of its own.
    pub fn proxy_unauthorized() -> Self {
        let body =
            "<html>\r\n<head><title>401 Authorization Required</title></head>\r\n</html>\r\n".to_owned();
        Self::Answer { status: 401, content_type: "text/html", body }
    }
}

#[derive(Debug)]
struct Planned {
    route: String,
    /// Applies to calls with this `roomId` only; `None`: to all.
    room: Option<String>,
    /// `None`: until cleared.
    left: Option<u32>,
    fault: RestFault,
}

#[derive(Debug, Default)]
struct Plans {
    rest: Vec<Planned>,
    logins: VecDeque<Refusal>,
    subscriptions: VecDeque<Refusal>,
}

/// The switches of one simulated server.
#[derive(Debug)]
pub struct Faults {
    switches: watch::Sender<Switches>,
    plans: Mutex<Plans>,
    /// Cancelled to cut every connection, then replaced.
    connections: Mutex<CancellationToken>,
}

impl Faults {
    pub(super) fn none() -> Self {
        Self {
            switches: watch::Sender::new(Switches::default()),
            plans: Mutex::default(),
            connections: Mutex::new(CancellationToken::new()),
        }
    }

    /// Changes switches: `faults.set(|switches| switches.stall = true)`.
    pub fn set(&self, change: impl FnOnce(&mut Switches)) {
        self.switches.send_modify(change);
    }

    /// The switches as they are.
    pub fn switches(&self) -> Switches {
        self.switches.borrow().clone()
    }

    /// Switches everything off and removes all planned faults.
    pub fn clear(&self) {
        self.set(|switches| *switches = Switches::default());
        *self.plans() = Plans::default();
    }

    /// Cuts every connection, realtime and REST, without a close frame.
    pub fn cut_connections(&self) {
        let mut current = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        current.cancel();
        *current = CancellationToken::new();
    }

    /// Refuses the next logins, realtime and REST.
    pub fn refuse_logins(&self, count: usize, refusal: Refusal) {
        self.plans().logins.extend(std::iter::repeat_n(refusal, count));
    }

    /// Answers the next subscriptions with `nosub`, as a starting server does.
    pub fn refuse_subscriptions(&self, count: usize, refusal: Refusal) {
        self.plans().subscriptions.extend(std::iter::repeat_n(refusal, count));
    }

    /// Plans a fault for the next `count` calls of a route (`chat.sendMessage`; `*` is every route).
    pub fn rest_next(&self, route: &str, count: u32, fault: RestFault) {
        self.plan(route, None, Some(count), fault);
    }

    /// Plans a fault for every call of a route (`*` is every route) until [`clear_rest`](Self::clear_rest).
    pub fn rest_always(&self, route: &str, fault: RestFault) {
        self.plan(route, None, None, fault);
    }

    /// The same for calls of a route with this `roomId`.
    pub fn rest_always_in(&self, room: impl AsRef<str>, route: &str, fault: RestFault) {
        self.plan(route, Some(room.as_ref().to_owned()), None, fault);
    }

    fn plan(&self, route: &str, room: Option<String>, left: Option<u32>, fault: RestFault) {
        self.plans().rest.push(Planned { route: route.to_owned(), room, left, fault });
    }

    /// Removes the planned REST faults.
    pub fn clear_rest(&self) {
        self.plans().rest.clear();
    }

    fn plans(&self) -> MutexGuard<'_, Plans> {
        self.plans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn watch(&self) -> watch::Receiver<Switches> {
        self.switches.subscribe()
    }

    /// A token for a new connection, cancelled when connections are cut.
    pub(super) fn connection(&self) -> CancellationToken {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).child_token()
    }

    pub(super) fn next_login_refusal(&self) -> Option<Refusal> {
        self.plans().logins.pop_front()
    }

    pub(super) fn next_subscription_refusal(&self) -> Option<Refusal> {
        self.plans().subscriptions.pop_front()
    }

    /// The fault planned for a call of this route and room; the oldest plan first.
    pub(super) fn next_rest_fault(&self, route: &str, room: Option<&str>) -> Option<RestFault> {
        let mut plans = self.plans();
        let is_meant = |plan: &Planned| {
            (plan.route == "*" || plan.route == route)
                && (plan.room.is_none() || plan.room.as_deref() == room)
        };
        let at = plans.rest.iter().position(is_meant)?;
        let plan = plans.rest.get_mut(at)?;
        let fault = plan.fault.clone();
        if let Some(left) = &mut plan.left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                plans.rest.remove(at);
            }
        }
        Some(fault)
    }
}
