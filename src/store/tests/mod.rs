//! What the store promises, tried on real files.

mod contention;
mod copy;
mod fixture;
mod inbox;
mod inspect;
mod intake;
mod opening;
mod outbox;
mod plans;
mod postgres;
mod purge;
mod rooms;
mod status;
mod trouble;

impl super::Store {
    /// How many rows of a queue are not settled yet.
    pub(crate) async fn waiting_in(&self, queue: &super::Queue) -> Result<u64, super::StoreError> {
        let depths = self.outbox_depth().await?;
        Ok(depths.iter().find(|depth| depth.queue == *queue).map_or(0, |depth| depth.waiting))
    }
}

impl super::DeliveryId {
    /// The number of a row.
    pub(crate) fn of(row: i64) -> Self {
        Self(row)
    }
}
