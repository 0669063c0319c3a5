//! The status page: a [`Status`](super::status::Status) written as HTML, and the few files that go with it.
//!
//! The page stands by itself: it is whole without its script, loads nothing from elsewhere, and has no inline script or
//! style. It is made of parts; each is a function of the status alone, so that a part that did not change is the same
//! text and need not be sent again. Whatever is interpolated is escaped by `maud`.

mod alerts;
mod assets;
mod log;
mod outbox;
mod overview;
mod rooms;
#[cfg(test)]
mod tests;
mod whole;
mod words;

pub(super) use assets::assets;
pub(super) use whole::{parts, whole};
