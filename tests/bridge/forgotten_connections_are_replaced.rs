//! A firewall silently forgets every open connection, for example when it restarts: sending still works, but no answer
//! arrives. New connections work. Tested with the product's own timeouts.

use std::time::{Duration, Instant};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::harness::Harness;

/// How long a page may take at most: a minute is promised. If old connections stayed in use, it would be 45 s.
const LONGEST: Duration = Duration::from_secs(40);

/// Forwards connections until it forgets the open ones.
struct Firewall {
    url: String,
    generation: watch::Sender<u64>,
}

impl Firewall {
    async fn before(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let generation = watch::Sender::new(0);
        let forgotten = generation.subscribe();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (server, mut forgotten) = (server.clone(), forgotten.clone());
                forgotten.mark_unchanged();
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(server).await.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut server) => {}
                        // Both sockets stay open, but nobody reads or writes them.
                        _ = forgotten.changed() => std::future::pending::<()>().await,
                    }
                });
            }
        });
        Self { url, generation }
    }

    fn forget(&self) {
        self.generation.send_modify(|generation| *generation += 1);
    }
}

#[tokio::test]
async fn a_page_takes_less_than_a_minute_after_all_connections_were_forgotten() {
    let mut harness = Harness::new().await;
    let firewall = Firewall::before(harness.chat.address().to_string()).await;
    harness.set_variable("SIGNL4_BOT_ROCKETCHAT__URL", &firewall.url);
    let bot = harness.start_bot().await;
    // Leaves connections idle.
    let before = harness.say("SIGNL4 pump 2 is down");
    harness.chat.wait_for_reaction(&before, ":rotating_light:", LONGEST).await.unwrap();
    firewall.forget();
    let written = Instant::now();
    let message = harness.say("SIGNL4 pump 3 is down");
    let paged = |alerts: &[sandbox::signl4::Alert]| alerts.iter().any(|alert| alert.text.contains("pump 3"));
    let waited = harness.signl4.wait_until(LONGEST, |alerts, _| paged(alerts)).await;
    assert!(waited.is_ok(), "{:?}: {}", written.elapsed(), bot.log());
    let left = LONGEST.saturating_sub(written.elapsed());
    harness.chat.wait_for_reaction(&message, ":rotating_light:", left).await.unwrap();
    assert_eq!(harness.pages(), ["SIGNL4 pump 2 is down", "SIGNL4 pump 3 is down"]);
}
