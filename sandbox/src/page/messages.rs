//! Actions in the chat: writing, replying in a thread, editing one's own message, reacting.

use std::sync::Arc;
use unicode_segmentation::UnicodeSegmentation;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::CallError;
use super::server::AppState;

/// Rocket.Chat's default for the longest message, in graphemes (`Message_MaxAllowedSize`).
const LONGEST_TEXT: usize = 5_000;
/// The longest name of an emoji, in bytes.
const LONGEST_EMOJI: usize = 50;

/// A message that somebody writes into a room.
#[derive(Deserialize)]
pub(super) struct Draft {
    room: String,
    user: String,
    text: String,
}

/// Posts a message; answers 201 with its id.
pub(super) async fn write(
    State(app): State<Arc<AppState>>,
    Json(draft): Json<Draft>,
) -> Result<(StatusCode, Json<Value>), CallError> {
    let message = app.chat.post(&draft.room, &draft.user, readable(&draft.text)?)?;
    Ok((StatusCode::CREATED, Json(json!({ "id": message.id }))))
}

/// A reply to a message, or a new text for it.
#[derive(Deserialize)]
pub(super) struct Words {
    user: String,
    text: String,
}

/// Posts a reply in a message's thread; answers 201 with its id.
pub(super) async fn reply(
    State(app): State<Arc<AppState>>,
    Path(id): Path<String>,
    Json(words): Json<Words>,
) -> Result<(StatusCode, Json<Value>), CallError> {
    let message = app.chat.reply(&id, &words.user, readable(&words.text)?)?;
    Ok((StatusCode::CREATED, Json(json!({ "id": message.id }))))
}

/// Edits a message of the same user.
pub(super) async fn edit(
    State(app): State<Arc<AppState>>,
    Path(id): Path<String>,
    Json(words): Json<Words>,
) -> Result<StatusCode, CallError> {
    let text = readable(&words.text)?;
    let message = app.chat.message(&id).ok_or(CallError::NotFound("there is no such message"))?;
    if message.user_id != words.user {
        return Err(CallError::Forbidden("people edit their own messages only"));
    }
    if message.text != text {
        app.chat.edit(&id, &words.user, text)?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// A reaction to add or to remove.
#[derive(Deserialize)]
pub(super) struct Reaction {
    user: String,
    /// The emoji's name, with or without its colons.
    emoji: String,
}

/// Toggles the user's reaction to a message.
pub(super) async fn react(
    State(app): State<Arc<AppState>>,
    Path(id): Path<String>,
    Json(reaction): Json<Reaction>,
) -> Result<StatusCode, CallError> {
    let Reaction { user, emoji } = reaction;
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_+-:".contains(&byte);
    if emoji.is_empty() || emoji.len() > LONGEST_EMOJI || !emoji.bytes().all(is_name) {
        return Err(CallError::Invalid("that is no emoji's name"));
    }
    if !app.chat.react(&id, &user, &emoji)? {
        app.chat.unreact(&id, &user, &emoji)?;
    }
    Ok(StatusCode::NO_CONTENT)
}

fn readable(text: &str) -> Result<&str, CallError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(CallError::Invalid("the message is empty"));
    }
    if text.graphemes(true).count() > LONGEST_TEXT {
        return Err(CallError::Invalid("the message is longer than 5,000 characters"));
    }
    Ok(text)
}
