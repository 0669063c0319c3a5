use futures_util::future::join_all;
use wiremock::matchers::{body_json, header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;

const TOKEN: &str = "t0k3n-0f-th3-b0t";
const PASSWORD: &str = "pa55word";
/// SHA-256 of the password.
const DIGEST: &str = "4c1b9bb3405f53cf46731af89f07b01d1ffe974f944d81085cb962abc45ee9c3";

fn account(server: &MockServer, credentials: Credentials) -> Account {
    let account = Account::new(server.uri().parse().unwrap(), credentials, Connector::new("test").unwrap());
    account.with_login_wait(Duration::ZERO)
}

fn with_token(server: &MockServer) -> Account {
    let token = SecretString::from(TOKEN);
    account(server, Credentials::Token { user_id: UserId::new("bot"), token })
}

fn with_password(server: &MockServer) -> Account {
    let password = SecretString::from(PASSWORD);
    account(server, Credentials::Password { username: "signl4.bot".into(), password })
}

fn json(status: u16, body: Value) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(body)
}

fn taken(token: &str) -> ResponseTemplate {
    let data = json!({"userId": "bot", "authToken": token, "me": {"username": "signl4.bot"}});
    json(200, json!({"status": "success", "success": true, "data": data}))
}

fn me() -> ResponseTemplate {
    json(200, json!({"_id": "bot", "username": "signl4.bot", "success": true}))
}

/// The answers of 8.x, of 7.x and older, and in plain text, to an invalid token.
fn invalid_token() -> [ResponseTemplate; 3] {
    let words = "You must be logged in to do this.";
    [
        json(401, json!({"success": false, "error": words})),
        json(401, json!({"status": "error", "message": words})),
        ResponseTemplate::new(401).set_body_string(words),
    ]
}

/// Answers of a proxy in front of Rocket.Chat, or of a Rocket.Chat whose API has not started.
fn not_from_rocketchat() -> Vec<ResponseTemplate> {
    let html = "<html><head><title>nginx</title></head></html>";
    vec![
        ResponseTemplate::new(401)
            .insert_header("WWW-Authenticate", "Basic realm=\"proxy\"")
            .set_body_string("Unauthorized"),
        ResponseTemplate::new(401),
        ResponseTemplate::new(401).set_body_raw(html, "text/html"),
        ResponseTemplate::new(403).set_body_raw(html, "text/html"),
        ResponseTemplate::new(404).set_body_string("404 page not found"),
        ResponseTemplate::new(404).set_body_string("default backend - 404"),
        json(401, json!({"message": "Unauthorized"})),
        json(403, json!({"message": "Forbidden"})),
        ResponseTemplate::new(502).set_body_raw(html, "text/html"),
        ResponseTemplate::new(503),
        ResponseTemplate::new(200).set_body_raw(html, "text/html"),
        json(500, json!({"success": false, "error": "Internal server error"})),
    ]
}

async fn answer(server: &MockServer, route: &str, answer: ResponseTemplate, times: u64) {
    let verb = if route == "login" { "POST" } else { "GET" };
    Mock::given(method(verb))
        .and(path(format!("/api/v1/{route}")))
        .respond_with(answer)
        .expect(times)
        .mount(server)
        .await;
}

/// An account with a password that holds a token, after one login.
async fn logged_in(server: &MockServer) -> (Account, Arc<Login>) {
    let account = with_password(server);
    Mock::given(path("/api/v1/login")).respond_with(taken("first")).up_to_n_times(1).mount(server).await;
    let login = account.login().await.unwrap();
    (account, login)
}

#[tokio::test]
async fn a_password_is_sent_once_as_a_digest_and_its_token_is_kept() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/api/v1/login"))
        .and(body_json(json!({
            "username": "signl4.bot", "password": {"digest": DIGEST, "algorithm": "sha-256"},
        })))
        .respond_with(taken("fr35h"))
        .expect(1)
        .mount(&server)
        .await;
    let account = with_password(&server);
    assert_eq!(account.identity(), None);
    let identity = account.log_in().await.unwrap();
    assert_eq!((identity.user_id.as_str(), identity.username.as_str()), ("bot", "signl4.bot"));
    assert_eq!(account.log_in().await.as_ref(), Ok(&identity));
    assert_eq!(account.identity(), Some(identity));
    let LoginRequest::Resume(login) = account.login_request().await.unwrap() else { panic!() };
    assert_eq!(login.token.expose_secret(), "fr35h");
}

#[test]
fn a_name_is_an_e_mail_address_unless_its_only_at_comes_first() {
    for (name, field) in [
        ("signl4.bot", "username"),
        ("@anna:example.org", "username"),
        ("ops@example.com", "email"),
        ("bot.3@mail.example.com", "email"),
    ] {
        assert_eq!(login_field(name), field, "{name}");
    }
}

#[tokio::test]
async fn concurrent_callers_share_one_login() {
    let server = MockServer::start().await;
    answer(&server, "login", taken("fr35h"), 1).await;
    let account = with_password(&server);
    assert!(join_all((0..20).map(|_| account.log_in())).await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_personal_access_token_is_checked_with_me() {
    let server = MockServer::start().await;
    Mock::given(path("/api/v1/me"))
        .and(header("X-User-Id", "bot"))
        .and(header("X-Auth-Token", TOKEN))
        .respond_with(me())
        .expect(1)
        .mount(&server)
        .await;
    let account = with_token(&server);
    assert_eq!(account.log_in().await.unwrap().username, "signl4.bot");
    assert!(account.clock_offset().is_some(), "the answer had a Date");
}

#[tokio::test]
async fn the_time_of_a_proxy_is_not_the_servers() {
    let mut pages = not_from_rocketchat();
    // That one is the server's own.
    pages.pop();
    for page in pages {
        let server = MockServer::start().await;
        let page = page.insert_header("Date", "Tue, 15 Nov 1994 08:12:31 GMT");
        Mock::given(path("/api/v1/me")).respond_with(page).mount(&server).await;
        let account = with_token(&server);
        let _ = account.log_in().await;
        assert_eq!(account.clock_offset(), None);
    }
}

#[tokio::test]
async fn an_invalid_personal_access_token_is_fatal_and_the_error_says_what_to_do() {
    for dead in invalid_token() {
        let server = MockServer::start().await;
        answer(&server, "me", dead, 1).await;
        let error = with_token(&server).log_in().await.unwrap_err();
        assert!(matches!(error, LoginError::Fatal(Fatal::TokenDead(_))), "{error:?}");
        assert!(error.to_string().contains("Personal Access Tokens"), "{error}");
        assert!(!format!("{error} {error:?}").contains(TOKEN));
    }
}

#[tokio::test]
async fn an_answer_that_is_not_from_rocket_chat_is_never_fatal() {
    let maintenance = json(200, json!({"status": "maintenance"}));
    for foreign in not_from_rocketchat().into_iter().chain([maintenance]) {
        let server = MockServer::start().await;
        answer(&server, "me", foreign.clone(), 1).await;
        answer(&server, "login", foreign.clone(), 1).await;
        for account in [with_token(&server), with_password(&server)] {
            let error = account.log_in().await.unwrap_err();
            assert!(matches!(error, LoginError::NotNow(_)), "{foreign:?}: {error:?}");
        }
    }
}

#[tokio::test]
async fn a_refused_password_is_classified_by_what_to_do() {
    let refused = async |status: u16, body: Value| {
        let server = MockServer::start().await;
        answer(&server, "login", json(status, body), 1).await;
        let account = with_password(&server);
        let error = account.log_in().await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains(PASSWORD) && !format!("{error:?}").contains(DIGEST));
        error
    };
    let old = |error: Value, message: &str| json!({"status": "error", "error": error, "message": message});

    for (error, message) in [
        (json!(403), "Incorrect password"),
        (json!("Unauthorized"), "Unauthorized"),
        (json!("error-user-is-not-activated"), "User is not activated"),
    ] {
        let error = refused(401, old(error, message)).await;
        assert!(
            matches!(&error, LoginError::Fatal(Fatal::Refused(words)) if words.contains(message)),
            "{error:?}"
        );
    }
    for error in [json!("totp-required"), json!("totp-invalid")] {
        let error = refused(401, old(error, "TOTP Required")).await;
        assert_eq!(error, LoginError::Fatal(Fatal::SecondFactor));
    }
    let blocked = old(json!("error-login-blocked-for-user"), "Login has been temporarily blocked For User");
    assert!(matches!(refused(401, blocked).await, LoginError::NotNow(RestError::RateLimited { .. })));
    // Something broke while logging in; up to 7.x that is a 401 all the same.
    let broke = refused(401, old(json!(500), "connection to the database lost")).await;
    assert!(matches!(broke, LoginError::RestDisabled(_)), "{broke:?}");
    // All that 8.x says, whatever the reason.
    let silent = refused(401, json!({"success": false, "error": "unauthorized"})).await;
    assert!(matches!(silent, LoginError::RestDisabled(_)), "{silent:?}");
    let disabled = refused(403, json!({"success": false, "error": "error-login-disabled"})).await;
    assert!(matches!(disabled, LoginError::RestDisabled(_)), "{disabled:?}");
    let tokenless = refused(200, json!({"status": "success", "data": {"userId": "bot"}})).await;
    assert!(matches!(tokenless, LoginError::NotNow(_)), "{tokenless:?}");
}

#[tokio::test]
async fn if_rest_refuses_without_a_reason_the_password_goes_over_ddp() {
    let server = MockServer::start().await;
    answer(&server, "login", json(401, json!({"success": false, "error": "unauthorized"})), 1).await;
    let account = with_password(&server);
    let LoginRequest::Password { username, digest } = account.login_request().await.unwrap() else {
        panic!()
    };
    assert_eq!((username.as_str(), digest.expose_secret()), ("signl4.bot", DIGEST));
    // What DDP answers serves REST as well.
    account.accept(UserId::new("bot"), Some(SecretString::from("fr35h"))).unwrap();
    assert_eq!(account.login().await.unwrap().token.expose_secret(), "fr35h");
}

#[tokio::test]
async fn if_rest_has_no_usable_answer_the_password_goes_over_ddp() {
    for foreign in not_from_rocketchat() {
        let server = MockServer::start().await;
        answer(&server, "login", foreign.clone(), 1).await;
        let request = with_password(&server).login_request().await;
        assert!(matches!(request, Ok(LoginRequest::Password { .. })), "{foreign:?}: {request:?}");
    }
}

#[tokio::test]
async fn a_rate_limited_login_is_not_retried_too_early() {
    for refusal in [
        ResponseTemplate::new(429).insert_header("Retry-After", "30"),
        json(401, json!({"status": "error", "error": "error-login-blocked-for-ip", "message": "blocked"})),
    ] {
        let server = MockServer::start().await;
        answer(&server, "login", refusal, 1).await;
        let account = with_password(&server);
        for _ in 0..3 {
            let error = account.login_request().await.unwrap_err();
            assert!(matches!(error, LoginError::NotNow(RestError::RateLimited { .. })), "{error:?}");
        }
    }
}

#[tokio::test]
async fn a_token_that_ddp_refuses_and_rest_accepts_is_kept() {
    let server = MockServer::start().await;
    answer(&server, "me", me(), 1).await;
    let (account, first) = logged_in(&server).await;
    assert!(account.token_refused("You've been logged out"));
    assert!(Arc::ptr_eq(&account.login().await.unwrap(), &first));
    assert!(Arc::ptr_eq(&account.login().await.unwrap(), &first), "and no longer doubted");
}

#[tokio::test]
async fn a_token_that_ddp_refuses_twice_is_replaced_although_rest_accepts_it() {
    let server = MockServer::start().await;
    answer(&server, "me", me(), 1).await;
    let (account, _) = logged_in(&server).await;
    answer(&server, "login", taken("second"), 1).await;
    account.token_refused("You've been logged out");
    account.login().await.unwrap();
    account.token_refused("You've been logged out");
    assert_eq!(account.login().await.unwrap().token.expose_secret(), "second");
}

#[tokio::test]
async fn a_token_that_both_refuse_is_replaced_by_one_new_login() {
    for dead in invalid_token() {
        let server = MockServer::start().await;
        answer(&server, "me", dead, 1).await;
        let (account, first) = logged_in(&server).await;
        answer(&server, "login", taken("second"), 1).await;
        account.token_refused("You've been logged out");
        let logins = join_all((0..10).map(|_| account.renew(&first))).await;
        for login in logins {
            assert_eq!(login.unwrap().token.expose_secret(), "second");
        }
    }
}

#[tokio::test]
async fn an_expired_token_is_replaced_without_asking_rest_which_still_accepts_it() {
    let server = MockServer::start().await;
    answer(&server, "me", me(), 0).await;
    let (account, _) = logged_in(&server).await;
    answer(&server, "login", taken("second"), 1).await;
    account.token_refused("Your session has expired. Please log in again.");
    assert_eq!(account.login().await.unwrap().token.expose_secret(), "second");
}

#[tokio::test]
async fn a_suspect_token_is_neither_used_nor_given_up_while_it_cannot_be_checked() {
    let server = MockServer::start().await;
    answer(&server, "me", ResponseTemplate::new(502), 1).await;
    let (account, _) = logged_in(&server).await;
    answer(&server, "login", taken("second"), 0).await;
    account.token_refused("You've been logged out");
    assert!(matches!(account.login().await, Err(LoginError::NotNow(_))));
    assert!(account.identity().is_some(), "who the bot is does not change");
}

#[tokio::test]
async fn a_token_that_rest_cannot_check_is_tried_over_ddp_and_replaced_if_that_refuses_it() {
    for foreign in not_from_rocketchat() {
        let server = MockServer::start().await;
        answer(&server, "me", foreign.clone(), 1).await;
        let (account, first) = logged_in(&server).await;
        answer(&server, "login", taken("second"), 1).await;
        account.token_refused("You've been logged out");
        let token = async || match account.login_request().await {
            Ok(LoginRequest::Resume(login)) => login.token.expose_secret().to_owned(),
            other => panic!("{foreign:?}: {other:?}"),
        };
        assert_eq!(token().await, first.token.expose_secret());
        account.token_refused("You've been logged out");
        assert_eq!(token().await, "second");
    }
}

#[tokio::test]
async fn a_personal_access_token_refused_over_ddp_is_fatal_only_if_rest_refuses_it_too() {
    let server = MockServer::start().await;
    Mock::given(path("/api/v1/me")).respond_with(me()).up_to_n_times(2).mount(&server).await;
    let account = with_token(&server);
    account.log_in().await.unwrap();
    assert!(!account.token_refused("no"));
    account.log_in().await.unwrap();
    let [dead, ..] = invalid_token();
    answer(&server, "me", dead, 1).await;
    account.token_refused("no");
    assert!(matches!(account.log_in().await, Err(LoginError::Fatal(Fatal::TokenDead(_)))));
}

/// A login of an earlier process, under the name that the user had then.
fn earlier_login() -> Login {
    let identity = Identity { user_id: UserId::new("bot"), username: "former.name".into() };
    Login { identity, token: TOKEN.into() }
}

#[tokio::test]
async fn a_resumed_token_that_me_accepts_needs_no_password() {
    let server = MockServer::start().await;
    answer(&server, "login", taken("second"), 0).await;
    Mock::given(path("/api/v1/me"))
        .and(header("X-Auth-Token", TOKEN))
        .respond_with(me())
        .expect(1)
        .mount(&server)
        .await;
    let account = with_password(&server);
    account.resume(earlier_login());
    assert_eq!(account.log_in().await.unwrap().username, "signl4.bot");
    assert_eq!(account.login().await.unwrap().token.expose_secret(), TOKEN);
    account.accept(UserId::new("bot"), Some(TOKEN.into())).unwrap();
    let same = TOKEN.into();
    let other = account.login_other_than(Some(&same));
    assert!(tokio::time::timeout(Duration::from_millis(50), other).await.is_err(), "it is the same");
}

#[tokio::test]
async fn a_refused_resumed_token_is_replaced_by_one_login_and_the_new_one_is_reported() {
    for dead in invalid_token() {
        let server = MockServer::start().await;
        answer(&server, "me", dead, 1).await;
        answer(&server, "login", taken("second"), 1).await;
        let account = with_password(&server);
        account.resume(earlier_login());
        let earlier = TOKEN.into();
        let (other, logins) = tokio::join!(
            account.login_other_than(Some(&earlier)),
            join_all((0..10).map(|_| account.log_in())),
        );
        assert!(logins.iter().all(Result::is_ok));
        assert_eq!(other.token.expose_secret(), "second");
    }
}

#[tokio::test]
async fn a_resumed_token_waits_for_a_server_that_can_check_it() {
    let server = MockServer::start().await;
    answer(&server, "login", taken("second"), 0).await;
    answer(&server, "me", ResponseTemplate::new(502), 1).await;
    let account = with_password(&server);
    account.resume(earlier_login());
    assert!(matches!(account.log_in().await, Err(LoginError::NotNow(_))));
}

#[tokio::test]
async fn debug_output_of_an_account_has_no_secret() {
    let server = MockServer::start().await;
    let (account, _) = logged_in(&server).await;
    for text in [format!("{account:?}"), format!("{:?}", with_token(&server))] {
        for secret in [TOKEN, PASSWORD, "first"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[tokio::test]
async fn a_refused_account_is_retried_at_growing_intervals_without_calls_between() {
    let server = MockServer::start().await;
    let [refused, ..] = invalid_token();
    answer(&server, "me", refused, 2).await;
    let account = with_token(&server).with_login_wait(Duration::from_millis(20));
    let wait = async || {
        let error = account.log_in().await.unwrap_err();
        assert!((0..5).all(|_| account.refusal().borrow().is_some()));
        assert_eq!(account.log_in().await, Err(error), "at once");
        let refusal = account.refusal();
        let until = refusal.borrow().as_ref().unwrap().until;
        until - Instant::now()
    };
    let first = wait().await;
    tokio::time::sleep(first).await;
    assert!(wait().await > first);
    server.reset().await;
    answer(&server, "me", me(), 1).await;
    let refusal = account.refusal();
    let until = refusal.borrow().as_ref().unwrap().until;
    tokio::time::sleep_until(until).await;
    account.log_in().await.unwrap();
    assert!(account.refusal().borrow().is_none());
}
