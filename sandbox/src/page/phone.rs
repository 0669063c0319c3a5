//! Actions on the phone.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;

use super::error::CallError;
use super::server::AppState;
use crate::signl4::Signl4;

/// The longest annotation, in bytes. SIGNL4's own limit is unknown.
const LONGEST_ANNOTATION: usize = 10_000;

/// An action on an alert. The person on duty takes the first three; SIGNL4 itself the others.
#[derive(Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub(super) enum Step {
    Acknowledge,
    Annotate { text: String },
    Close,
    Escalate,
    NobodyOnDuty,
}

/// Carries out an action on an alert.
pub(super) async fn step(
    State(app): State<Arc<AppState>>,
    Path(id): Path<String>,
    Json(step): Json<Step>,
) -> Result<StatusCode, CallError> {
    let signl4 = &app.signl4;
    match step {
        Step::Acknowledge => signl4.acknowledge(&id, &holder(signl4)?)?,
        Step::Annotate { text } => signl4.annotate(&id, &holder(signl4)?, readable(&text)?)?,
        Step::Close => signl4.close(&id, &holder(signl4)?)?,
        Step::Escalate => signl4.escalate(&id)?,
        Step::NobodyOnDuty => signl4.nobody_on_duty(&id)?,
    }
    Ok(StatusCode::NO_CONTENT)
}

/// The next person on duty.
#[derive(Deserialize)]
pub(super) struct Duty {
    user: String,
}

/// Hands the duty to another person.
pub(super) async fn take_over(
    State(app): State<Arc<AppState>>,
    Json(duty): Json<Duty>,
) -> Result<StatusCode, CallError> {
    app.signl4.hand_over_duty(&duty.user)?;
    Ok(StatusCode::NO_CONTENT)
}

/// The name of the person on duty.
fn holder(signl4: &Signl4) -> Result<String, CallError> {
    let person = signl4.on_duty().ok_or(CallError::Invalid("nobody is on duty"))?;
    Ok(person.name)
}

fn readable(text: &str) -> Result<&str, CallError> {
    let text = text.trim();
    match text.len() {
        0 => Err(CallError::Invalid("the annotation is empty")),
        1..=LONGEST_ANNOTATION => Ok(text),
        _ => Err(CallError::Invalid("the annotation is too long")),
    }
}
