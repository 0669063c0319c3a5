//! `check` if an encrypted connection fails: its output has to be sufficient to fix the problem.

use std::fs;
use std::sync::Arc;

use rustls::pki_types::PrivateKeyDer;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::fixture::Fixture;

/// Uses a certificate that no trusted authority has signed; returns its address.
async fn self_signed() -> String {
    show(rcgen::IsCa::NoCa).await.0
}

/// Uses a self-signed certificate; returns its address, and the certificate as PEM.
async fn show(is_ca: rcgen::IsCa) -> (String, String) {
    let mut parameters = rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    parameters.is_ca = is_ca;
    let signing_key = rcgen::KeyPair::generate().unwrap();
    let cert = parameters.self_signed(&signing_key).unwrap();
    let pem = cert.pem();
    let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let (acceptor, socket) =
        (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = socket.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = socket.accept().await {
            let acceptor = acceptor.clone();
            // The other end hangs up as soon as it sees the certificate.
            tokio::spawn(async move { acceptor.accept(stream).await.map(drop) });
        }
    });
    (address, pem)
}

/// The findings of `check` about these, by subject.
async fn problem(
    fixture: &Fixture,
    chat: &str,
    webhook: &str,
    public: &str,
    subject: &str,
) -> (String, String) {
    let config = format!(
        "[rocketchat]\nurl = {chat:?}\nuser_id = {:?}\nauth_token = {:?}\n[signl4]\nwebhook_url = {webhook:?}\n\
         [listener]\nbind = \"127.0.0.1:0\"\nsecret = \"a-listener-secret-of-some-length\"\n\
         [admin]\nbind = \"127.0.0.1:0\"\n",
        fixture.bot.id, fixture.token,
    );
    fs::write(fixture.path("bot.toml"), config).unwrap();
    let output = fixture.run(&["check", "--json", "--public-url", public]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = said["findings"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["subject"] == subject);
    let found = found.unwrap_or_else(|| panic!("nothing about {subject}: {said:#}"));
    assert_eq!(found["state"], "problem", "{found}");
    let text = |key: &str| found[key].as_str().unwrap().to_owned();
    (text("what"), text("fix"))
}

#[tokio::test]
async fn an_untrusted_certificate_is_reported_with_a_fix() {
    let fixture = Fixture::new().await;
    let url = format!("https://{}", self_signed().await);
    let webhook = format!("{url}/webhook/abcdefghij12");
    for subject in ["server", "[signl4]"] {
        let (what, fix) = problem(&fixture, &url, &webhook, &url, subject).await;
        assert!(what.contains("invalid peer certificate"), "{what}");
        assert!(fix.contains("public authority") && fix.contains("SSL_CERT_FILE"), "{fix}");
    }
    let (what, fix) = problem(&fixture, &url, &webhook, &url, "public URL").await;
    assert!(what.contains("SIGNL4 would not call it"), "{what}");
    assert!(fix.contains("listener.tls_cert") && !fix.contains("SSL_CERT_FILE"), "{fix}");
}

#[tokio::test]
async fn a_self_signed_certificate_in_ssl_cert_file_is_trusted_or_its_flaw_is_named() {
    let authority = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    for (is_ca, named) in [(rcgen::IsCa::ExplicitNoCa, None), (authority, Some("CA:FALSE"))] {
        let fixture = Fixture::new().await;
        let (address, pem) = show(is_ca).await;
        fs::write(fixture.path("server.pem"), pem).unwrap();
        let config = format!(
            "[rocketchat]\nurl = \"https://{address}\"\nuser_id = {:?}\nauth_token = {:?}\n[signl4]\nwebhook_url = {:?}\n\
             [listener]\nbind = \"127.0.0.1:0\"\nsecret = \"a-listener-secret-of-some-length\"\n\
             [admin]\nbind = \"127.0.0.1:0\"\n",
            fixture.bot.id, fixture.token, fixture.webhook_url,
        );
        fs::write(fixture.path("bot.toml"), config).unwrap();
        let variables = [("SSL_CERT_FILE", "server.pem")];
        let output = fixture.run_with(&variables, &["check", "--json"]).await;
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(said.contains("invalid peer certificate"), named.is_some(), "{said}");
        assert!(named.is_none_or(|named| said.contains(named)), "{said}");
    }
}

#[tokio::test]
async fn https_on_a_plain_http_port_is_reported() {
    let fixture = Fixture::new().await;
    let encrypted = |url: &str| url.replace("http://", "https://");
    let (chat, webhook) = (encrypted(&fixture.chat.url()), encrypted(&fixture.webhook_url));
    for subject in ["server", "[signl4]"] {
        let (_, fix) = problem(&fixture, &chat, &webhook, &chat, subject).await;
        assert!(fix.contains("port") && fix.contains("http://"), "{fix}");
    }
    let (_, fix) = problem(&fixture, &chat, &webhook, &chat, "public URL").await;
    assert!(fix.contains("listener.tls_cert"), "{fix}");
}
