//! What can be done in the chat: writing, replying in a thread, editing one's own message, reacting.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::refused::Refused;
use super::server::Stage;

/// Rocket.Chat's default for the longest message, in UTF-16 code units (`Message_MaxAllowedSize`).
const LONGEST_TEXT: usize = 5_000;
/// The longest name of an emoji that is taken.
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
    State(stage): State<Arc<Stage>>,
    Json(draft): Json<Draft>,
) -> Result<(StatusCode, Json<Value>), Refused> {
    let message = stage.chat.post(&draft.room, &draft.user, readable(&draft.text)?)?;
    Ok((StatusCode::CREATED, Json(json!({ "id": message.id }))))
}

/// What somebody writes about a message that is there: a reply, or a new text for it.
#[derive(Deserialize)]
pub(super) struct Words {
    user: String,
    text: String,
}

/// Posts a reply in a message's thread; answers 201 with its id.
pub(super) async fn reply(
    State(stage): State<Arc<Stage>>,
    Path(id): Path<String>,
    Json(words): Json<Words>,
) -> Result<(StatusCode, Json<Value>), Refused> {
    let message = stage.chat.reply(&id, &words.user, readable(&words.text)?)?;
    Ok((StatusCode::CREATED, Json(json!({ "id": message.id }))))
}

/// Edits a message of the same user.
pub(super) async fn edit(
    State(stage): State<Arc<Stage>>,
    Path(id): Path<String>,
    Json(words): Json<Words>,
) -> Result<StatusCode, Refused> {
    let text = readable(&words.text)?;
    let message = stage.chat.message(&id).ok_or(Refused::NotFound("there is no such message"))?;
    if message.user_id != words.user {
        return Err(Refused::Forbidden("people edit their own messages only"));
    }
    if message.text != text {
        stage.chat.edit(&id, &words.user, text)?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// A reaction that somebody gives or takes back.
#[derive(Deserialize)]
pub(super) struct Reaction {
    user: String,
    /// The emoji's name, with or without its colons.
    emoji: String,
}

/// Adds the user's reaction to a message, or takes it back where it was given before.
pub(super) async fn react(
    State(stage): State<Arc<Stage>>,
    Path(id): Path<String>,
    Json(reaction): Json<Reaction>,
) -> Result<StatusCode, Refused> {
    let Reaction { user, emoji } = reaction;
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_+-:".contains(&byte);
    if emoji.is_empty() || emoji.len() > LONGEST_EMOJI || !emoji.bytes().all(is_name) {
        return Err(Refused::Senseless("that is no emoji's name"));
    }
    if !stage.chat.react(&id, &user, &emoji)? {
        stage.chat.unreact(&id, &user, &emoji)?;
    }
    Ok(StatusCode::NO_CONTENT)
}

fn readable(text: &str) -> Result<&str, Refused> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Refused::Senseless("the message is empty"));
    }
    if text.encode_utf16().count() > LONGEST_TEXT {
        return Err(Refused::Senseless("the message is longer than 5,000 characters"));
    }
    Ok(text)
}
