//! Logging in over REST, who the caller is, and what the server is.

use std::time::Duration;

use sandbox::rocketchat::{Options, Refusal, RocketChat};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::wire::{Ddp, Office, Rest};

/// An office of a server of another version.
async fn of_version(version: &str) -> Office {
    let options = Options { version: version.into(), ..Options::default() };
    Office::with_chat(RocketChat::start_with(options).await.unwrap())
}

fn hex_digest(password: &str) -> String {
    Sha256::digest(password).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_password_or_its_digest_logs_in_and_the_token_works() {
    let Office { chat, bot, .. } = Office::open().await;
    let digest = json!({ "digest": hex_digest("the bot's secret"), "algorithm": "sha-256" });
    for body in [
        json!({ "user": "signl4.bot", "password": "the bot's secret" }),
        json!({ "username": "signl4.bot", "password": digest }),
        json!({ "email": "signl4.bot@example.com", "password": "the bot's secret" }),
    ] {
        let answer = Rest::nobody(&chat).post("login", body).await;
        assert_eq!((answer.status, &answer.body["status"]), (200, &json!("success")));
        assert_eq!(answer.body["data"]["userId"], bot.id.as_str());
        assert_eq!(answer.body["data"]["me"]["username"], "signl4.bot");
        let token = answer.body["data"]["authToken"].as_str().unwrap();
        let me = Rest::with(&chat, &bot.id, token).get("me", &[]).await;
        assert_eq!((me.status, &me.body["_id"], &me.body["success"]), (200, &json!(bot.id), &json!(true)));
        let resumed = Rest::nobody(&chat).post("login", json!({ "resume": token })).await;
        assert_eq!(resumed.body["data"]["authToken"], token);
        assert_eq!(
            Ddp::connected(&chat).await.call("login", json!([{ "resume": token }])).await["error"],
            Value::Null
        );
    }
}

#[tokio::test]
async fn a_refused_login_says_why_up_to_version_7_and_nothing_from_8_on() {
    let old = of_version("7.13.2").await;
    let wrong = json!({ "user": "signl4.bot", "password": "wrong" });
    let answer = Rest::nobody(&old.chat).post("login", wrong.clone()).await;
    assert_eq!(answer.status, 401);
    let expected =
        json!({ "success": false, "status": "error", "error": 403, "message": "Incorrect password" });
    assert_eq!(answer.body, expected);
    let nobody = json!({ "user": "nobody", "password": "wrong" });
    let answer = Rest::nobody(&old.chat).post("login", nobody).await;
    assert_eq!(
        (&answer.body["error"], &answer.body["message"]),
        (&json!("Unauthorized"), &json!("Unauthorized"))
    );

    let newest = of_version("9.0.0").await;
    let answer = Rest::nobody(&newest.chat).post("login", wrong).await;
    assert_eq!((answer.status, &answer.body["errorType"]), (400, &json!("invalid-params")), "no field user");
    let new = of_version("8.0.1").await;
    let wrong = json!({ "username": "signl4.bot", "password": "wrong" });
    let answer = Rest::nobody(&new.chat).post("login", wrong).await;
    assert_eq!((answer.status, answer.body), (401, json!({ "success": false, "error": "unauthorized" })));
}

#[tokio::test]
async fn planned_refusals_apply_to_rest_logins_too() {
    let Office { chat, .. } = of_version("7.13.2").await;
    chat.faults().refuse_logins(1, Refusal::meteor("totp-required", "TOTP Required"));
    let body = json!({ "user": "signl4.bot", "password": "the bot's secret" });
    let answer = Rest::nobody(&chat).post("login", body.clone()).await;
    assert_eq!((answer.status, &answer.body["error"]), (401, &json!("totp-required")));
    assert_eq!(Rest::nobody(&chat).post("login", body).await.status, 200);
}

#[tokio::test]
async fn headers_that_do_not_fit_together_are_answered_401() {
    let Office { chat, alice, bot, .. } = Office::open().await;
    let token = chat.create_token(&bot).unwrap();
    for (user, token) in [(&alice.id, &token), (&bot.id, &"wrong".to_owned()), (&"nobody".to_owned(), &token)]
    {
        let answer = Rest::with(&chat, user, token).get("me", &[]).await;
        assert_eq!(answer.status, 401);
        let words = "You must be logged in to do this.";
        let expected = json!({ "success": false, "error": words, "status": "error", "message": words });
        assert_eq!(answer.body, expected);
    }
    let new = of_version("9.1.0").await;
    let answer = Rest::nobody(&new.chat).get("rooms.get", &[]).await;
    assert_eq!((answer.status, &answer.body["error"]), (401, &json!("You must be logged in to do this.")));
    assert_eq!(answer.body.get("status"), None);
}

#[tokio::test]
async fn expired_revoked_and_deactivated_accounts_are_locked_out() {
    let Office { chat, bot, .. } = Office::open().await;
    let rest = Rest::of(&chat, &bot);
    assert_eq!(rest.get("me", &[]).await.status, 200);
    chat.set_active(&bot, false).unwrap();
    assert_eq!(rest.get("me", &[]).await.status, 401);
    chat.set_active(&bot, true).unwrap();
    chat.expire_tokens(&bot).unwrap();
    assert_eq!(rest.get("me", &[]).await.status, 401);
    chat.revoke_tokens(&bot).unwrap();
    assert_eq!(rest.get("me", &[]).await.status, 401);
}

#[tokio::test]
async fn logging_out_invalidates_the_token() {
    let Office { chat, bot, .. } = Office::open().await;
    let rest = Rest::of(&chat, &bot);
    let answer = rest.post("logout", json!({})).await;
    assert_eq!(answer.body, json!({ "status": "success", "data": { "message": "You've been logged out!" } }));
    assert_eq!(rest.get("me", &[]).await.status, 401);
    assert_eq!(chat.tokens(&bot), [""; 0]);
}

#[tokio::test]
async fn the_version_is_shown_without_a_login_and_in_full_with_the_permission_for_statistics() {
    let Office { chat, alice, .. } = of_version("7.10.3").await;
    let rest = Rest::nobody(&chat);
    for answer in [rest.get("info", &[]).await, rest.get("../info", &[]).await] {
        assert_eq!((answer.status, answer.body), (200, json!({ "version": "7.10", "success": true })));
    }
    chat.add_role(&alice, "admin").unwrap();
    let answer = Rest::of(&chat, &alice).get("info", &[]).await;
    assert_eq!(answer.body["info"]["version"], "7.10.3");
}

#[tokio::test]
async fn the_date_of_an_answer_is_that_of_the_servers_clock() {
    let Office { chat, bot, .. } = Office::open().await;
    chat.clock_forward(Duration::from_secs(7200));
    let answer = Rest::of(&chat, &bot).get("me", &[]).await;
    let date = jiff::fmt::rfc2822::parse(answer.header("date")).unwrap().timestamp().as_millisecond();
    assert!(answer.header("date").ends_with(" GMT"));
    assert!((date - chat.now()).abs() < 20_000, "{} and {}", date, chat.now());
    let ahead = date - jiff::Timestamp::now().as_millisecond();
    assert!((7_180_000..=7_220_000).contains(&ahead), "{ahead}");
    chat.clock_back(Duration::from_secs(7200));
    assert!((chat.now() - jiff::Timestamp::now().as_millisecond()).abs() < 20_000);
}

#[tokio::test]
async fn users_info_shows_roles_to_the_user_alone() {
    let Office { chat, alice, bot, .. } = Office::open().await;
    let rest = Rest::of(&chat, &bot);
    let own = rest.get("users.info", &[("userId", &bot.id)]).await;
    assert_eq!(own.body["user"]["roles"], json!(["bot"]));
    let other = rest.get("users.info", &[("username", "alice")]).await;
    assert_eq!((&other.body["user"]["_id"], other.body["user"].get("roles")), (&json!(alice.id), None));
    let nobody = rest.get("users.info", &[("username", "nobody")]).await;
    assert_eq!((nobody.status, &nobody.body["error"]), (400, &json!("User not found.")));
}

#[tokio::test]
async fn permissions_list_which_roles_may_impersonate() {
    let Office { chat, bot, .. } = Office::open().await;
    let answer = Rest::of(&chat, &bot).get("permissions.listAll", &[]).await;
    let all = answer.body["update"].as_array().unwrap();
    let impersonate = all.iter().find(|permission| permission["_id"] == "message-impersonate").unwrap();
    assert_eq!(impersonate["roles"], json!(["bot", "app"]));
    assert!(impersonate["_updatedAt"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test]
async fn a_route_that_does_not_exist_is_answered_404() {
    let Office { chat, bot, .. } = Office::open().await;
    let rest = Rest::of(&chat, &bot);
    assert_eq!(rest.get("chat.sendMessage", &[]).await.status, 404, "it is a POST");
    assert_eq!(rest.get("no.such", &[]).await.status, 404);
    assert_eq!(rest.get("../me", &[]).await.status, 404, "only info is there without a version");
}
