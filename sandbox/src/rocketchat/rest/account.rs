//! Login and logout, the caller's account, and the server's version and permissions.

use serde_json::{Map, Value, json};

use super::answer::Failure;
use super::request::Request;
use crate::rocketchat::login::log_in;
use crate::rocketchat::permissions;
use crate::rocketchat::refusal::Refusal;
use crate::rocketchat::time::date;
use crate::rocketchat::world::World;

pub(super) fn login(world: &mut World, request: &Request<'_>) -> Result<Value, Failure> {
    // Newer validators know no `user`.
    if request.options.major() >= 9 && request.params.contains_key("user") {
        let reason = "must NOT have additional properties [invalid-params]";
        return Err(Failure::Refused(Refusal::meteor("invalid-params", reason)));
    }
    let options = as_method_options(&request.params);
    let (login, _) = log_in(world, &options, false).map_err(Failure::LoginRefused)?;
    let me = world.account(&login.user_id)?.document();
    Ok(json!({
        "status": "success",
        "data": { "userId": login.user_id, "authToken": login.token, "me": me },
    }))
}

/// `loginCompatibility`: converts the route's parameters into those of the method.
fn as_method_options(params: &Map<String, Value>) -> Value {
    let known = ["user", "username", "email", "password", "code"];
    let ours = params.keys().all(|name| known.contains(&name.as_str()));
    let password = params.get("password").filter(|password| !password.is_null());
    let (Some(password), true) = (password, ours) else { return Value::Object(params.clone()) };
    let text = |name: &str| params.get(name).and_then(Value::as_str);
    let user = match (text("user"), text("username"), text("email")) {
        (Some(user), _, _) if user.contains('@') => json!({ "email": user }),
        (Some(user), _, _) | (None, Some(user), _) => json!({ "username": user }),
        (None, None, Some(email)) => json!({ "email": email }),
        (None, None, None) => return Value::Object(params.clone()),
    };
    json!({ "user": user, "password": password })
}

pub(super) fn logout(world: &mut World, request: &Request<'_>) -> Result<Value, Failure> {
    world.revoke(request.user(), Some(&request.token))?;
    Ok(json!({ "status": "success", "data": { "message": "You've been logged out!" } }))
}

pub(super) fn me(world: &mut World, request: &Request<'_>) -> Result<Value, Failure> {
    Ok(world.account(request.user())?.document())
}

/// The version without its patch number; with it for users with `view-statistics`.
pub(super) fn info(world: &mut World, request: &Request<'_>) -> Result<Value, Failure> {
    let whole = &request.options.version;
    if request.user.as_deref().is_some_and(|user| world.may(user, "view-statistics")) {
        return Ok(json!({ "version": whole, "info": { "version": whole } }));
    }
    let short: Vec<&str> = whole.split('.').take(2).collect();
    Ok(json!({ "version": short.join(".") }))
}

/// `settings.public`: those that `_id` names, or all; the ones that a bot asks for.
pub(super) fn public_settings(world: &mut World, request: &Request<'_>) -> Result<Value, Failure> {
    let all = [
        ("Message_MaxAllowedSize", json!(world.max_message_size)),
        ("Site_Url", json!(world.site_url.as_deref().unwrap_or_default())),
        ("Threads_enabled", json!(world.threads_enabled)),
    ];
    let wanted =
        |name: &str| request.text("_id").is_none_or(|ids| ids.split(',').any(|id| id.trim() == name));
    let settings: Vec<Value> = all
        .into_iter()
        .filter(|(name, _)| wanted(name))
        .map(|(name, value)| json!({ "_id": name, "value": value, "enterprise": false }))
        .collect();
    Ok(json!({ "count": settings.len(), "offset": 0, "total": settings.len(), "settings": settings }))
}

pub(super) fn user_info(world: &mut World, request: &Request<'_>) -> Result<Value, Failure> {
    let account = match (request.text("userId"), request.text("username")) {
        (Some(id), _) => world.accounts.get(id),
        (None, Some(name)) => world.account_named(name),
        (None, None) => None,
    };
    let mut document = account.ok_or_else(|| Failure::Refused(Refusal::plain("User not found.")))?.document();
    let own = document["_id"] == request.user();
    if let (Value::Object(fields), false) = (&mut document, own) {
        fields.retain(|name, _| !["roles", "createdAt", "_updatedAt"].contains(&name.as_str()));
    }
    Ok(json!({ "user": document }))
}

pub(super) fn permissions(world: &mut World, request: &Request<'_>) -> Result<Value, Failure> {
    let wrong = || {
        Refusal::meteor(
            "error-roomId-param-invalid",
            "The \"updatedSince\" query parameter must be a valid date.",
        )
    };
    let since = request.updated_since(wrong)?;
    let update: Vec<Value> = permissions::DEFAULTS
        .iter()
        .filter(|_| since.is_none())
        .map(|(id, roles)| json!({ "_id": id, "roles": roles, "_updatedAt": date(world.started_at) }))
        .collect();
    Ok(json!({ "update": update, "remove": [] }))
}
