//! The bot's memory must not grow, however many messages it receives.

use std::time::Duration;

use sandbox::rocketchat::NewRoom;

use crate::harness::Harness;

/// Messages between two measurements.
const BATCH: usize = 5_000;
/// How long receiving them may take on a busy machine.
const BATCH_DEADLINE: Duration = Duration::from_secs(600);
/// How much larger the process may be at the end than after the first batches, in KiB: allocators keep some memory.
const SLACK: u64 = 16 * 1024;

/// `GROWTH_BATCHES=200 cargo test --test bridge memory -- --ignored --nocapture` sends a million messages.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes"]
async fn memory_does_not_grow_with_the_messages_received() {
    let batches = std::env::var("GROWTH_BATCHES").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    let harness = Harness::new().await;
    let bot = harness.start_bot().await;
    let mut held = Vec::new();
    for batch in 0..batches {
        // In their own room, which is deleted afterwards. Otherwise the simulator would be busy with its history.
        let room = NewRoom::channel(format!("batch-{batch}")).members([&harness.alice, &harness.bot]);
        let room = harness.chat.create_room(room).unwrap();
        for at in 0..BATCH {
            let text = format!("nothing to see here, number {at} of {batch}");
            harness.chat.post(&room, &harness.alice, text).unwrap();
        }
        harness.flush_within(BATCH_DEADLINE).await;
        harness.chat.delete_room(&room).unwrap();
        held.push(bot.resident_kib());
        println!("{} messages, {} KiB", (batch + 1) * BATCH, bot.resident_kib());
    }
    let (early, late) = (held[held.len() / 4], held[held.len() - 1]);
    assert!(late <= early + SLACK, "{held:?}");
}
