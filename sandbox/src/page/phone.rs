//! What can be done on the phone.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;

use super::refused::Refused;
use super::server::Stage;
use crate::signl4::Signl4;

/// The longest annotation, in bytes. SIGNL4's own limit is unknown.
const LONGEST_ANNOTATION: usize = 10_000;

/// A step with an alert. The person on duty takes the first three; the others happen by themselves.
#[derive(Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub(super) enum Step {
    Acknowledge,
    Annotate { text: String },
    Close,
    Escalate,
    NobodyOnDuty,
}

/// Takes a step with an alert.
pub(super) async fn step(
    State(stage): State<Arc<Stage>>,
    Path(id): Path<String>,
    Json(step): Json<Step>,
) -> Result<StatusCode, Refused> {
    let signl4 = &stage.signl4;
    match step {
        Step::Acknowledge => signl4.acknowledge(&id, &holder(signl4)?)?,
        Step::Annotate { text } => signl4.annotate(&id, &holder(signl4)?, readable(&text)?)?,
        Step::Close => signl4.close(&id, &holder(signl4)?)?,
        Step::Escalate => signl4.escalate(&id)?,
        Step::NobodyOnDuty => signl4.nobody_on_duty(&id)?,
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Whose phone it shall be.
#[derive(Deserialize)]
pub(super) struct Duty {
    user: String,
}

/// Hands the phone to somebody else.
pub(super) async fn take_over(
    State(stage): State<Arc<Stage>>,
    Json(duty): Json<Duty>,
) -> Result<StatusCode, Refused> {
    stage.signl4.hand_over_duty(&duty.user)?;
    Ok(StatusCode::NO_CONTENT)
}

/// The name of the one whose phone it is.
fn holder(signl4: &Signl4) -> Result<String, Refused> {
    let person = signl4.on_duty().ok_or(Refused::Senseless("nobody is on duty"))?;
    Ok(person.name)
}

fn readable(text: &str) -> Result<&str, Refused> {
    let text = text.trim();
    match text.len() {
        0 => Err(Refused::Senseless("the annotation is empty")),
        1..=LONGEST_ANNOTATION => Ok(text),
        _ => Err(Refused::Senseless("the annotation is too long")),
    }
}
