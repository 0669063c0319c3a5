//! A simulated SIGNL4: the inbound webhook, the outbound webhook, a subset of the REST API (v2), and the phone.
//!
//! One HTTP server on loopback, its state in memory, and a handle ([`Signl4`]) through which a test or the web page
//! looks into it and plays the person on duty. What it does on the wire follows SIGNL4's public documentation; where
//! that says nothing, the item says "inferred". It keeps everything it ever received, because that is what a test
//! compares with, and it is independent of the bot and of Rocket.Chat.
//!
//! ```no_run
//! # async fn example() -> Result<(), sandbox::signl4::StartError> {
//! use sandbox::signl4::{Options, Signl4};
//! let signl4 = Signl4::start(Options::default()).await?;
//! println!("page people through {}", signl4.webhook_url("operations"));
//! # Ok(())
//! # }
//! ```

mod alert;
mod connection;
mod faults;
mod ids;
mod notification;
mod options;
mod outbound;
mod payload;
mod phone;
mod rest;
mod server;
mod state;
mod throttle;
mod webhook;

pub use alert::{Alert, AlertStatus, Attachment, HistoryEntry, HistoryKind, Received, WebhookCall};
pub use faults::{Faults, OutboundFault, Reshape, Times, WebhookFault};
pub use notification::{DutyChange, Notification, Outcome};
pub use options::{Options, OutboundPolicy, Person, Plan, Team};
pub use phone::ActionError;
pub use server::{Changes, Signl4, StartError, WaitError};
