//! A simple server, and a client that has a password for it.

use std::sync::Arc;

use secrecy::SecretString;
use serde_json::{Value, json};
use wiremock::matchers::{header, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::{Account, Connector, Credentials, RestClient};

/// A server on which the bot can log in; its first token is `first`, and so on.
pub(super) struct Chat {
    pub(super) server: MockServer,
    pub(super) client: RestClient,
}

impl Chat {
    /// With a client that is logged in already.
    pub(super) async fn new() -> Self {
        let chat = Self::without_login().await;
        chat.takes_password("first", 1).await;
        chat.client.account().log_in().await.unwrap();
        chat
    }

    pub(super) async fn without_login() -> Self {
        let server = MockServer::start().await;
        let client = client(&server.uri());
        Self { server, client }
    }

    /// Answers `times` logins with this token, and expects that many.
    pub(super) async fn takes_password(&self, token: &str, times: u64) {
        let data = json!({"userId": "bot", "authToken": token, "me": {"username": "signl4.bot"}});
        Mock::given(path("/api/v1/login"))
            .respond_with(ok(json!({"status": "success", "data": data})))
            .up_to_n_times(times)
            .expect(times)
            .mount(&self.server)
            .await;
    }

    /// Answers calls of this route with this token, and expects `times` of them.
    pub(super) async fn answers(&self, route: &str, token: &str, answer: ResponseTemplate, times: u64) {
        Mock::given(path(format!("/api/v1/{route}")))
            .and(header("X-Auth-Token", token))
            .and(header("X-User-Id", "bot"))
            .respond_with(answer)
            .expect(times)
            .mount(&self.server)
            .await;
    }
}

pub(super) fn client(url: &str) -> RestClient {
    client_with(url, Connector::new("test").unwrap())
}

pub(super) fn client_with(url: &str, connector: Connector) -> RestClient {
    let credentials =
        Credentials::Password { username: "signl4.bot".into(), password: SecretString::from("pa55word") };
    let account = Account::new(url.parse().unwrap(), credentials, connector);
    RestClient::new(Arc::new(account))
}

pub(super) fn ok(body: Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

pub(super) fn refused(status: u16, body: Value) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(body)
}

/// The answer of 8.x to an unknown token.
pub(super) fn logged_out() -> ResponseTemplate {
    refused(401, json!({"success": false, "error": "You must be logged in to do this."}))
}
