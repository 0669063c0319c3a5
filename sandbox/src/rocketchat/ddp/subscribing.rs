//! `sub` and `unsub`.

use serde_json::{Value, json};

use super::frames;
use super::registry::Subscribed;
use super::session::Connection;
use super::streams;
use crate::rocketchat::refusal::Refusal;

impl Connection {
    pub(super) fn subscribe(&mut self, id: String, name: String, params: &[Value]) {
        let streamer = self.switches().streamer;
        if !streams::exists(&name) {
            let refusal = Refusal::meteor(404, format!("Subscription '{name}' not found"));
            return self.send(&frames::nosub(&id, Some(&refusal)));
        }
        // The monolith assumes that a repeated id comes from a reconnecting client, and ignores it.
        if !streamer && self.has_sub(&id) {
            return;
        }
        if let Err(refusal) = self.admit(&name) {
            return self.send(&frames::nosub(&id, Some(&refusal)));
        }
        if let Some(refusal) = self.shared.faults.next_subscription_refusal() {
            return self.send(&frames::nosub(&id, Some(&refusal)));
        }
        match self.add_sub(&id, &name, params) {
            Ok(()) => {
                self.send(&frames::ready(&id));
                self.shared.wake();
            }
            Err(refusal) => self.send(&frames::nosub(&id, Some(&refusal))),
        }
    }

    /// Checks and adds the subscription in one step, so that no message is missed in between.
    fn add_sub(&self, id: &str, name: &str, params: &[Value]) -> Result<(), Refusal> {
        let event = match params.first() {
            Some(Value::String(event)) => event.clone(),
            _ if !streams::takes_event(name) => String::from("-"),
            _ => return Err(Refusal::meteor(400, "Match failed")),
        };
        let with_collection =
            params.get(1).is_some_and(|option| *option == true || option["useCollection"] == true);
        self.shared.look(|world| {
            self.shared
                .sessions
                .with(self.id, |session| {
                    streams::may_read(world, session.user_id.as_deref(), name, &event)?;
                    if with_collection {
                        session.send(&frames::added(name, "id", json!({ "eventName": event })));
                    }
                    session.subs.push(Subscribed {
                        id: id.to_owned(),
                        stream: name.to_owned(),
                        event: event.clone(),
                        silenced: false,
                    });
                    Ok(())
                })
                .unwrap_or(Ok(()))
        })
    }

    fn has_sub(&self, id: &str) -> bool {
        self.shared
            .sessions
            .with(self.id, |session| session.subs.iter().any(|sub| sub.id == id))
            .unwrap_or(false)
    }

    pub(super) fn unsubscribe(&mut self, id: &str) {
        let known = self.has_sub(id);
        self.shared.sessions.with(self.id, |session| session.subs.retain(|sub| sub.id != id));
        if known {
            self.send(&frames::nosub(id, None));
            self.shared.wake();
        }
    }
}
