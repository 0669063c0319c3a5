//! The login, and what its answers mean.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::{End, Phase, Protocol};
use crate::account;
use crate::realtime::LostReason;
use crate::realtime::frames::{ClientFrame, DdpError, login_result};
use crate::{Fatal, UserId};

/// The wait after the server has blocked logins for too many failures. The answer names no time.
const BLOCKED_FOR: Duration = Duration::from_secs(60);

impl Protocol<'_> {
    pub(super) fn log_in(&mut self, now: Instant) {
        if let Some(login) = self.login.take() {
            self.phase = Phase::LoggingIn;
            self.deadline = Some((now + self.timing.step, "the login"));
            self.login_id = self.fresh_id();
            self.send(ClientFrame::Login { id: self.login_id.clone(), login });
        }
    }

    pub(super) fn logged_in(&mut self, outcome: Result<Value, DdpError>, now: Instant) -> Result<(), End> {
        let result = outcome.map_err(|error| self.login_failed(error))?;
        let (user_id, token) = login_result(&result)
            .ok_or_else(|| LostReason::Protocol("a login was answered without a user".to_owned()))?;
        let identity = self.account.accept(UserId::new(user_id), token).map_err(End::Fatal)?;
        self.subscribe_to_all(&identity.user_id, now);
        self.identity = Some(identity);
        Ok(())
    }

    fn login_failed(&self, error: DdpError) -> End {
        if error.is_rate_limit() {
            return LostReason::RateLimited { wait: error.time_to_reset }.into();
        }
        if account::is_second_factor(&error.code) {
            return End::Fatal(Fatal::SecondFactor);
        }
        if account::is_blocked(&error.code) {
            return LostReason::RateLimited { wait: Some(BLOCKED_FOR) }.into();
        }
        if account::is_deactivated(&error.code) {
            return End::Fatal(Fatal::Refused(error.reason));
        }
        match error.code.as_str() {
            // A streamer that accepts no passwords answers this to a valid one too (`ddp-streamer`, `login`).
            "403" if self.by_password && error.reason.contains("logged out by the server") => {
                LostReason::Login(
                    "REST refuses the password without a reason, and the server accepts none over DDP; check user \
                     name, password and that the account needs no second factor"
                        .to_owned(),
                )
                .into()
            }
            "403" | "401" if self.by_password => End::Fatal(Fatal::Refused(error.reason)),
            "403" | "401" => End::TokenRefused(error.reason),
            _ => LostReason::Login(error.to_string()).into(),
        }
    }
}
