//! A simulated Rocket.Chat, a simulated SIGNL4 and their web page, for the demo and the tests of the bot. Shares no code
//! with the bot: an error in shared code would go unnoticed.

mod demo_servers;
pub mod page;
pub mod rocketchat;
pub mod signl4;

pub use demo_servers::{DemoError, DemoServers};
