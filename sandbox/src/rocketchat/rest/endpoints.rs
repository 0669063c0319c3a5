//! The table of routes.

use axum::http::Method;
use serde_json::Value;

use super::answer::Failure;
use super::params::{Param, flag, list, number, object, text, texts};
use super::request::Request;
use super::{account, history, messages, rooms};
use crate::rocketchat::world::World;

/// Carries a call out.
type Run = fn(&mut World, &Request<'_>) -> Result<Value, Failure>;

/// One route.
pub(super) struct Endpoint {
    /// `GET` or `POST`.
    method: &'static str,
    route: &'static str,
    /// Whether it is answered 401 without a login.
    pub(super) needs_login: bool,
    /// The permission without which it is refused.
    pub(super) permission: Option<&'static str>,
    /// Its parameters; `None` if the server has no schema for them.
    pub(super) params: Option<&'static [Param]>,
    pub(super) run: Run,
}

impl Endpoint {
    const fn get(route: &'static str, run: Run) -> Self {
        Self { method: "GET", route, needs_login: true, permission: None, params: None, run }
    }

    const fn post(route: &'static str, run: Run) -> Self {
        Self { method: "POST", ..Self::get(route, run) }
    }

    const fn open(self) -> Self {
        Self { needs_login: false, ..self }
    }

    const fn only(self, permission: &'static str) -> Self {
        Self { permission: Some(permission), ..self }
    }

    const fn takes(self, params: &'static [Param]) -> Self {
        Self { params: Some(params), ..self }
    }
}

const HISTORY: &[Param] = &[
    text("roomId"),
    text("roomName"),
    text("latest"),
    text("oldest"),
    flag("inclusive"),
    flag("unreads"),
    flag("showThreadMessages"),
    number("offset"),
    number("count"),
    text("sort"),
    text("query"),
    text("fields"),
];

const ROOM: &[Param] = &[text("roomId"), text("roomName"), text("joinCode")];

static TABLE: &[Endpoint] = &[
    Endpoint::post("login", account::login).open(),
    Endpoint::get("logout", account::logout),
    Endpoint::post("logout", account::logout),
    Endpoint::get("me", account::me),
    Endpoint::get("info", account::info).open(),
    Endpoint::get("settings.public", account::public_settings).open(),
    Endpoint::get("users.info", account::user_info),
    Endpoint::get("permissions.listAll", account::permissions).takes(&[text("updatedSince")]),
    Endpoint::post("chat.sendMessage", messages::send)
        .takes(&[object("message").required(), list("previewUrls")]),
    Endpoint::post("chat.postMessage", messages::post).takes(&[
        texts("roomId"),
        texts("channel"),
        text("text"),
        text("alias"),
        text("avatar"),
        text("emoji"),
        list("attachments"),
        text("tmid"),
        object("customFields"),
        flag("parseUrls"),
    ]),
    Endpoint::post("chat.react", messages::react).takes(&[
        text("messageId").required(),
        text("emoji"),
        text("reaction"),
        flag("shouldReact"),
    ]),
    Endpoint::post("chat.update", messages::update).takes(&[
        text("roomId").required(),
        text("msgId").required(),
        text("text").required(),
        list("previewUrls"),
        object("customFields"),
    ]),
    Endpoint::post("chat.delete", messages::delete).takes(&[
        text("roomId").required(),
        text("msgId").required(),
        flag("asUser"),
    ]),
    Endpoint::get("chat.getMessage", messages::get).takes(&[text("msgId").required()]),
    Endpoint::get("chat.getThreadMessages", history::thread).takes(&[
        text("tmid").required(),
        number("count"),
        number("offset"),
        text("sort"),
    ]),
    Endpoint::get("chat.syncMessages", history::sync).takes(&[
        text("roomId").required(),
        text("lastUpdate"),
        number("count"),
        text("next"),
        text("previous"),
        text("type"),
    ]),
    Endpoint::get("channels.history", history::of_channel).takes(HISTORY),
    Endpoint::get("groups.history", history::of_group).takes(HISTORY),
    Endpoint::get("im.history", history::of_direct).takes(HISTORY),
    Endpoint::get("rooms.get", rooms::all),
    Endpoint::get("rooms.info", rooms::info),
    Endpoint::get("subscriptions.get", rooms::subscriptions).takes(&[text("updatedSince")]),
    Endpoint::get("subscriptions.getOne", rooms::subscription).takes(&[text("roomId").required()]),
    Endpoint::get("channels.info", rooms::channel),
    Endpoint::get("channels.list", rooms::channels).only("view-c-room"),
    Endpoint::post("channels.join", rooms::join).takes(ROOM),
    Endpoint::post("im.create", rooms::create_direct).takes(&[
        text("username"),
        text("usernames"),
        flag("excludeSelf"),
    ]),
];

/// The route of this name and method.
pub(super) fn find(method: &Method, route: &str) -> Option<&'static Endpoint> {
    TABLE.iter().find(|endpoint| endpoint.method == method.as_str() && endpoint.route == route)
}
