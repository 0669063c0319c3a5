//! Login, the same for the realtime method `login` and the REST route of that name.

use serde_json::Value;

use super::accounts::{LoggedIn, TokenRefused};
use super::refusal::Refusal;
use super::user::password_digest;
use super::world::World;

/// How a login happened; `type` in its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LoginMethod {
    /// By a token.
    Resume,
    /// By username and password.
    Password,
}

/// Logs in with the first parameter of the method `login`, or the converted body of the REST route.
pub(super) fn log_in(
    world: &mut World,
    options: &Value,
    streamer: bool,
) -> Result<(LoggedIn, LoginMethod), Refusal> {
    if let Some(token) = options["resume"].as_str() {
        return resume(world, token, streamer).map(|login| (login, LoginMethod::Resume));
    }
    if streamer {
        // The streamer reads `resume` only.
        return Err(logged_out(true));
    }
    with_password(world, options).map(|login| (login, LoginMethod::Password))
}

fn resume(world: &World, token: &str, streamer: bool) -> Result<LoggedIn, Refusal> {
    world.resume(token).map_err(|refused| match refused {
        TokenRefused::Unknown => logged_out(streamer),
        TokenRefused::Expired if streamer => logged_out(true),
        TokenRefused::Expired => Refusal::meteor(403, "Your session has expired. Please log in again."),
    })
}

/// The two servers differ by a full stop.
fn logged_out(streamer: bool) -> Refusal {
    let stop = if streamer { "" } else { "." };
    Refusal::meteor(403, format!("You've been logged out by the server. Please log in again{stop}"))
}

fn with_password(world: &mut World, options: &Value) -> Result<LoggedIn, Refusal> {
    let user = &options["user"];
    let given = given_digest(&options["password"]).ok_or_else(unrecognized)?;
    let account = match (user["username"].as_str(), user["email"].as_str(), user["id"].as_str()) {
        (Some(name), _, _) => world.account_named(name),
        // Everybody's address is that of this domain.
        (_, Some(email), _) => email.strip_suffix("@example.com").and_then(|name| world.account_named(name)),
        (_, _, Some(id)) => world.accounts.get(id),
        (None, None, None) => return Err(unrecognized()),
    };
    let account = account.ok_or_else(|| Refusal::meteor(403, "User not found"))?;
    match &account.password {
        None => return Err(Refusal::meteor(403, "User has no password set")),
        Some(kept) if *kept != given => return Err(Refusal::meteor(403, "Incorrect password")),
        Some(_) => {}
    }
    if !account.user.active {
        return Err(Refusal::meteor("error-user-is-not-activated", "User is not activated"));
    }
    let user_id = account.user.id.clone();
    world.log_in(&user_id)
}

/// A password comes in the clear or as `{"digest":…,"algorithm":"sha-256"}`.
fn given_digest(password: &Value) -> Option<String> {
    if let Some(plain) = password.as_str() {
        return Some(password_digest(plain));
    }
    (password["algorithm"] == "sha-256").then(|| password["digest"].as_str().map(str::to_lowercase))?
}

fn unrecognized() -> Refusal {
    Refusal::meteor(400, "Unrecognized options for login request")
}
