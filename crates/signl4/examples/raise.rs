//! Raises one alert, which pages the people on duty, and prints its event ID.
//!
//! ```sh
//! cargo run -p signl4 --example raise -- https://connect.signl4.com/webhook/TEAM-SECRET 'Pump 3' 'Pressure is low'
//! ```

#![allow(clippy::print_stdout, reason = "an example")]

use signl4::{AlertEvent, WebhookClient, WebhookUrl};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [url, title, message] = args.as_slice() else { return Err("usage: raise URL TITLE MESSAGE".into()) };
    // reqwest is built without a TLS provider. An error says that the program has installed one already.
    rustls::crypto::ring::default_provider().install_default().ok();
    let event = AlertEvent { title: title.clone(), message: message.clone(), ..AlertEvent::default() };
    let raised = WebhookClient::new(reqwest::Client::builder())?
        .raise(&WebhookUrl::parse(url)?, &event.to_json())
        .await?;
    println!("{}", raised.event_id.map_or_else(|| "raised".to_owned(), |id| id.to_string()));
    Ok(())
}
