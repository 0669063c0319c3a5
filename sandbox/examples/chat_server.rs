//! Starts the simulated Rocket.Chat for clients in other languages. Prints its address, the accounts and their room as one
//! line of JSON, and stops at the end of its standard input. With the argument `streamer` it behaves like the streamer of
//! a microservice deployment.

use std::error::Error;
use std::io::Write;

use sandbox::rocketchat::{NewRoom, NewUser, RocketChat, User};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let chat = RocketChat::start().await?;
    let streamer = std::env::args().nth(1).as_deref() == Some("streamer");
    chat.faults().set(|switches| switches.streamer = streamer);
    let alice = chat.create_user(NewUser::named("alice").password("alice's secret"))?;
    let bot = chat.create_user(NewUser::bot("signl4.bot").password("the bot's secret"))?;
    let room = chat.create_room(NewRoom::channel("ops").members([&alice, &bot]))?;
    let ready = json!({
        "url": chat.url(),
        "room": { "id": room.id, "name": room.name },
        "alice": login(&chat, &alice, "alice's secret")?,
        "bot": login(&chat, &bot, "the bot's secret")?,
    });
    writeln!(std::io::stdout(), "{ready}")?;
    until_stdin_ends().await
}

fn login(chat: &RocketChat, user: &User, password: &str) -> Result<Value, Box<dyn Error>> {
    let token = chat.create_token(user)?;
    Ok(json!({ "id": user.id, "username": user.username, "password": password, "token": token }))
}

async fn until_stdin_ends() -> Result<(), Box<dyn Error>> {
    let mut stdin = tokio::io::stdin();
    let mut ignored = [0; 256];
    while stdin.read(&mut ignored).await? > 0 {}
    Ok(())
}
