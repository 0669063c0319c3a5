//! Logging in: what is sent, and what each answer means.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::{End, Phase, Protocol};
use crate::account;
use crate::realtime::LostReason;
use crate::realtime::frames::{ClientFrame, DdpError, login_result};
use crate::{Fatal, UserId};

/// How long to leave a server alone that has blocked logins after too many failed ones. It says not for how long.
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
            // What a streamer that takes no passwords says to a right one too (`ddp-streamer`, `login`).
            "403" if self.by_password && error.reason.contains("logged out by the server") => {
                LostReason::Login(
                    "REST refuses the password and does not say why, and over DDP the server takes none; check \
                     user name, password and that no second factor is asked for"
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
