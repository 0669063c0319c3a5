//! The realtime API: Meteor's DDP over a WebSocket, by the monolith or by the streamer of a microservice deployment.

mod calls;
mod frames;
mod methods;
mod registry;
mod session;
mod streams;
mod subscribing;
mod writer;

pub(super) use registry::Sessions;
pub(super) use session::run;
