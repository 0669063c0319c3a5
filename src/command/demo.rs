//! `demo`: the real bot between a simulated Rocket.Chat and a simulated SIGNL4, with a web page to play with.

use super::Failure;

/// Runs the demo.
///
/// # Errors
/// When an address cannot be listened on.
pub async fn demo(_port: u16) -> Result<(), Failure> {
    Err(Failure::Demo("not there yet".to_owned()))
}
