//! Method calls and their answers.

use serde_json::{Value, json};

use super::session::Connection;
use super::{frames, methods};
use crate::rocketchat::accounts::LoggedIn;
use crate::rocketchat::login::{LoginMethod, log_in};
use crate::rocketchat::refusal::Refusal;
use crate::rocketchat::time::date;

/// The first major version without the methods that have a REST route.
const NO_METHODS: u32 = 9;

/// The result of a method; `None` is JavaScript's `undefined`.
pub(super) type Outcome = Result<Option<Value>, Refusal>;

impl Connection {
    /// Carries a call out and answers it with `result` and `updated`.
    pub(super) fn call(&mut self, id: &str, method: &str, params: &[Value]) {
        let outcome = self.admit(method).and_then(|()| self.carry_out(method, params));
        let switches = self.switches();
        let result = frames::result(id, &outcome, switches.streamer);
        let updated = frames::updated(id);
        let (first, second) = if switches.updated_first { (updated, result) } else { (result, updated) };
        self.send(&first);
        self.send(&second);
        if method == "logout" && switches.streamer {
            self.close_after_logout();
        }
    }

    fn carry_out(&mut self, method: &str, params: &[Value]) -> Outcome {
        match method {
            "login" => self.log_in(params.first().unwrap_or(&Value::Null)),
            "logout" => self.log_out(),
            _ => {
                let user = self.user();
                let known = (self.shared.options.major() < NO_METHODS).then(|| methods::named(method));
                let call = known
                    .flatten()
                    .ok_or_else(|| Refusal::meteor(404, format!("Method '{method}' not found")))?;
                self.shared.act(|world| call(world, user.as_deref(), params))
            }
        }
    }

    fn log_in(&mut self, options: &Value) -> Outcome {
        if let Some(refusal) = self.shared.faults.next_login_refusal() {
            return Err(refusal);
        }
        let streamer = self.switches().streamer;
        let answer = self.shared.act(|world| {
            let (login, login_method) = log_in(world, options, streamer)?;
            let token = (login.user_id.clone(), login.token.clone());
            self.shared.sessions.set_user(self.id, world, Some(token));
            let fields = world.account(&login.user_id)?.user.public_fields();
            self.send(&frames::added("users", &login.user_id, fields));
            Ok(Some(login_result(&login, login_method, streamer)))
        });
        self.shared.wake();
        answer
    }

    /// Removes the token and closes every other connection that used it.
    fn log_out(&mut self) -> Outcome {
        let session =
            self.shared.sessions.with(self.id, |session| session.user_id.clone().zip(session.token.clone()));
        if let Some((user, token)) = session.flatten() {
            self.shared.act(|world| {
                self.shared.sessions.set_user(self.id, world, None);
                world.revoke(&user, Some(&token))
            })?;
            self.shared.wake();
        }
        Ok(None)
    }
}

fn login_result(login: &LoggedIn, login_method: LoginMethod, streamer: bool) -> Value {
    let mut result = json!({
        "id": login.user_id,
        "token": login.token,
        "type": match login_method { LoginMethod::Resume => "resume", LoginMethod::Password => "password" },
    });
    match login.expires {
        Some(at) => result["tokenExpires"] = date(at),
        // A personal access token has no `when`: Meteor makes an invalid date of that, which JSON writes as null.
        None if !streamer => result["tokenExpires"] = json!({ "$date": null }),
        None => {}
    }
    result
}
