//! What only PostgreSQL does: several processes, errors of a server, connections that break. Without a server nothing is tried.

use std::{pin::pin, time::Duration};

use sqlx::{Connection, Executor, PgConnection};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{sleep, timeout},
};

use super::fixture::{Fixture, alerts_queue, assert_known, new_database, opened, server};
use crate::store::outbox::CLAIM;
use crate::store::{Condition, DeliveryKind, Store, StoreError, StoreUrl};
use signl4::NotificationId;

/// Far longer than anything here takes.
const DEADLINE: Duration = Duration::from_secs(30);

/// The URL with another user, password or database.
fn changed(url: &str, change: impl FnOnce(&mut url::Url)) -> StoreUrl {
    let mut url = url::Url::parse(url).unwrap();
    change(&mut url);
    url.as_str().parse().unwrap()
}

/// A connection beside the store, as an administrator has it.
async fn administrator(url: &StoreUrl) -> PgConnection {
    let StoreUrl::Postgres(url) = url else { panic!("{url} is not of PostgreSQL") };
    PgConnection::connect_with(&url.options().unwrap()).await.unwrap()
}

async fn inspected(url: &StoreUrl) -> Condition {
    Store::inspect(url).await.unwrap()
}

#[tokio::test]
async fn a_database_is_new_then_in_use_then_usable() {
    let Some(server) = server() else { return };
    let url: StoreUrl = new_database(&server).await.parse().unwrap();
    assert_eq!(inspected(&url).await, Condition::New);
    assert_eq!(inspected(&url).await, Condition::New, "looking changes nothing");
    let store = opened(&url).await;
    assert_eq!(inspected(&url).await, Condition::InUse);
    store.close().await;
    assert_eq!(inspected(&url).await, Condition::Usable);
}

/// The lock of a term that is over, as when the server ended its session.
async fn losing_the_lock(store: &Store) {
    store.replica().unwrap().resign().await;
}

#[tokio::test]
async fn a_replica_whose_term_is_over_writes_nothing_but_events() {
    let Some(_) = server() else { return };
    let Fixture { store: old, url, .. } = Fixture::new().await;
    let new = Store::open_as_replica(&url, DEADLINE).await.unwrap();
    assert!(!new.take_over().await.unwrap());
    assert!(matches!(new.recover().await, Err(StoreError::NotActive)), "a standby");
    losing_the_lock(&old).await;
    assert!(new.take_over().await.unwrap());
    assert!(matches!(old.recover().await, Err(StoreError::NotActive)));
    assert!(matches!(old.intake().await, Err(StoreError::NotActive)));
    assert!(old.receive_event(&NotificationId::new("e"), b"{}").await.unwrap());
    assert_eq!(new.waiting_events(0, 9).await.unwrap().len(), 1);
    new.recover().await.unwrap();
}

/// A COMMIT may take effect after the bot stopped waiting for it: when a stalled disk or a synchronous standby answers again.
#[tokio::test]
async fn a_claim_that_is_committed_late_is_released() {
    let Some(_) = server() else { return };
    let fixture = Fixture::new().await;
    fixture.alert("m1").await;
    let queue = alerts_queue();
    let read = || fixture.store.heads(&queue, DeliveryKind::Alert, 9);
    let row = read().await.unwrap()[0].id;
    let mut server = administrator(&fixture.url).await;
    let mut committing = server.begin().await.unwrap();
    sqlx::query(CLAIM).bind(row.0).execute(&mut *committing).await.unwrap();
    fixture.store.uncertain_claims.lock().await.push((row, 1));
    let commit = async {
        sleep(Duration::from_millis(500)).await;
        committing.commit().await.unwrap();
    };
    let (heads, ()) = tokio::join!(read(), commit);
    heads.unwrap();
    assert_eq!(read().await.unwrap().len(), 1, "no worker has it, and none would try it");
    assert_eq!(fixture.claimed(&alerts_queue()).await.attempts, 1);
}

#[tokio::test]
async fn a_term_begins_only_after_the_transactions_of_the_one_before() {
    let Some(_) = server() else { return };
    let Fixture { store: old, url, .. } = Fixture::new().await;
    let new = Store::open_as_replica(&url, DEADLINE).await.unwrap();
    let writing = old.intake().await.unwrap();
    losing_the_lock(&old).await;
    let mut taking_over = pin!(new.take_over());
    assert!(timeout(Duration::from_secs(1), &mut taking_over).await.is_err());
    writing.commit().await.unwrap();
    assert!(timeout(DEADLINE, taking_over).await.unwrap().unwrap());
}

#[tokio::test]
async fn a_replica_of_an_older_release_begins_no_term() {
    let Some(_) = server() else { return };
    let Fixture { store: newer, url, .. } = Fixture::new().await;
    let older = Store::open_as_replica(&url, DEADLINE).await.unwrap();
    let mut other = administrator(&url).await;
    other.execute("UPDATE term SET version = 9999").await.unwrap();
    losing_the_lock(&newer).await;
    let error = older.take_over().await.unwrap_err();
    assert!(matches!(error, StoreError::Migrate(_)) && error.to_string().contains("9999"), "{error:?}");
    other.execute("UPDATE term SET version = 0").await.unwrap();
    assert!(older.take_over().await.unwrap());
    let query = "SELECT 1 FROM term WHERE version = (SELECT max(version) FROM _sqlx_migrations)";
    assert!(other.fetch_optional(query).await.unwrap().is_some(), "it is the version of the tables");
}

#[tokio::test]
async fn what_an_old_program_writes_is_refused_before_a_new_one_changes_the_tables() {
    let Some(_) = server() else { return };
    let Fixture { store: old, url, .. } = Fixture::new().await;
    let new = Store::open_as_replica(&url, DEADLINE).await.unwrap();
    let mut other = administrator(&url).await;
    // The new one's migration hangs, and fails.
    let mut migrating = other.begin().await.unwrap();
    migrating.execute("LOCK TABLE _sqlx_migrations IN ACCESS EXCLUSIVE MODE").await.unwrap();
    losing_the_lock(&old).await;
    let mut taking_over = pin!(new.take_over());
    let refused = async {
        loop {
            if let Err(error) = old.recover().await {
                break error;
            }
        }
    };
    tokio::select! {
        refused = timeout(DEADLINE, refused) => assert!(matches!(refused.unwrap(), StoreError::NotActive)),
        taken_over = &mut taking_over => panic!("{taken_over:?}"),
    }
    migrating.rollback().await.unwrap();
    assert!(timeout(DEADLINE, taking_over).await.unwrap().unwrap());
}

#[tokio::test]
async fn a_standby_that_hangs_while_it_takes_over_gives_up_and_frees_the_lock() {
    let Some(_) = server() else { return };
    let Fixture { store: old, url, .. } = Fixture::new().await;
    let [one, other] = [Store::open_as_replica(&url, DEADLINE), Store::open_as_replica(&url, DEADLINE)];
    let (one, other) = (one.await.unwrap(), other.await.unwrap());
    let mut administrator = administrator(&url).await;
    let mut locked = administrator.begin().await.unwrap();
    locked.execute("LOCK TABLE term").await.unwrap();
    losing_the_lock(&old).await;
    let mut taking_over = pin!(one.take_over());
    assert!(timeout(Duration::from_secs(1), &mut taking_over).await.is_err());
    assert!(!other.take_over().await.unwrap(), "the lock is held");
    // The server ends the statement after 10 s.
    timeout(Duration::from_secs(15), taking_over).await.expect("it does not give up").unwrap_err();
    locked.rollback().await.unwrap();
    // Its session was idle for so long that the server ended it.
    let freed = async { while !matches!(other.take_over().await, Ok(true)) {} };
    timeout(Duration::from_secs(5), freed).await.expect("the lock is still held");
}

#[tokio::test]
async fn the_server_ends_what_a_replica_leaves() {
    const ALL: &str = "SELECT string_agg(name || '=' || setting, ' ' ORDER BY name) FROM pg_settings \
        WHERE name IN ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'idle_session_timeout')";
    let Some(_) = server() else { return };
    let Fixture { store, .. } = Fixture::new().await;
    let wanted = |silence: u32| {
        format!(
            "idle_in_transaction_session_timeout=10000 idle_session_timeout={silence} lock_timeout=10000 statement_timeout=10000"
        )
    };
    for pool in [&store.writer, &store.readers] {
        let settings: String = sqlx::query_scalar(ALL).fetch_one(pool).await.unwrap();
        assert_eq!(settings, wanted(0));
    }
    let mut session = store.replica().unwrap().session.lock().await;
    let settings: String = sqlx::query_scalar(ALL).fetch_one(session.as_mut().unwrap()).await.unwrap();
    assert_eq!(settings, wanted(9000));
}

#[tokio::test]
async fn an_event_that_another_process_stores_wakes_this_one() {
    let Some(_) = server() else { return };
    let fixture = Fixture::new().await;
    let mut changes = fixture.store.changes();
    let mut other = administrator(&fixture.url).await;
    // If it does not listen yet, it wakes when it does.
    for id in 0..20 {
        changes.mark_unchanged();
        let insert = "INSERT INTO event (id, received_at, body) VALUES ($1, 0, '')";
        sqlx::query(insert).bind(id.to_string()).execute(&mut other).await.unwrap();
        // Sooner than the poll.
        timeout(Duration::from_secs(2), changes.changed()).await.expect("no notification").unwrap();
    }
}

#[tokio::test]
async fn a_store_survives_closed_connections() {
    const CLOSE: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let Some(_) = server() else { return };
    let fixture = Fixture::new().await;
    let mut other = administrator(&fixture.url).await;
    for round in 0..3 {
        other.execute(CLOSE).await.unwrap();
        let id = NotificationId::new(format!("n{round}"));
        assert!(fixture.store.receive_event(&id, b"{}").await.unwrap(), "round {round}");
        assert_eq!(fixture.count("event").await, round + 1);
    }
}

/// A statement whose server hangs, and one that finds its connection so.
#[tokio::test]
#[ignore = "takes half a minute, and stops processes of the server"]
async fn a_hanging_server_is_disconnected_and_connected_again() {
    const OTHERS: &str = "SELECT pid FROM pg_stat_activity \
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND wait_event_type = 'Lock'";
    let Some(_) = server() else { return };
    let fixture = Fixture::new().await;
    let mut other = administrator(&fixture.url).await;
    let mut locked = other.begin().await.unwrap();
    locked.execute("LOCK TABLE event").await.unwrap();
    let store = fixture.store.clone();
    let storing = tokio::spawn(async move { store.receive_event(&NotificationId::new("n1"), b"{}").await });
    let pid: i32 = loop {
        if let Some(pid) = sqlx::query_scalar(OTHERS).fetch_optional(&mut *locked).await.unwrap() {
            break pid;
        }
        tokio::task::yield_now().await;
    };
    let signal = |name: &str| {
        let pid = pid.to_string();
        assert!(std::process::Command::new("kill").args([name, &pid]).status().unwrap().success());
    };
    signal("-STOP");
    locked.rollback().await.unwrap();
    let stored = timeout(DEADLINE, storing).await.unwrap().unwrap();
    assert_known(stored, "the database cannot be reached (");
    let again = NotificationId::new("n2");
    assert!(timeout(DEADLINE, fixture.store.receive_event(&again, b"{}")).await.unwrap().unwrap());
    signal("-CONT");
}

/// Nothing else happens, so the clock runs ahead to the time limit.
#[tokio::test(start_paused = true)]
async fn a_host_that_accepts_connections_and_never_answers_is_given_up() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://bot@{}/bot", silent.local_addr().unwrap()).parse().unwrap();
    let opened = timeout(DEADLINE, Store::open(&url)).await.expect("it hangs");
    assert_known(opened, "the database cannot be reached (");
}

#[tokio::test]
async fn tls_failures_are_distinguished_from_an_unreachable_server() {
    for (sslmode, answer) in
        [("require", &b"N"[..]), ("verify-full", b"S no handshake, and long enough to be none")]
    {
        let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap();
        let url = format!("postgres://bot@{address}/bot?sslmode={sslmode}").parse().unwrap();
        let answering = async {
            let (mut client, _) = server.accept().await.unwrap();
            client.read_exact(&mut [0; 8]).await.unwrap();
            client.write_all(answer).await.unwrap();
            client
        };
        let (opened, _client) =
            timeout(DEADLINE, async { tokio::join!(Store::open(&url), answering) }).await.unwrap();
        assert_known(opened, "no secure connection to the database (");
    }
}

#[tokio::test]
async fn a_row_whose_claim_may_or_may_not_hold_is_offered_again() {
    let Some(_) = server() else { return };
    let fixture = Fixture::new().await;
    fixture.alert("m1").await;
    let head = fixture.store.heads(&alerts_queue(), DeliveryKind::Alert, 1).await.unwrap().remove(0);
    // The claim is committed, and its answer does not arrive: the server ends the connection in the statement's trigger.
    let mut other = administrator(&fixture.url).await;
    other
        .execute(
            "CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN NULL; END $$; \
             CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON delivery DEFERRABLE INITIALLY DEFERRED \
             FOR EACH ROW WHEN (NEW.state = 'under_way') EXECUTE FUNCTION late()",
        )
        .await
        .unwrap();
    let store = fixture.store.clone();
    let claiming = tokio::spawn(async move { store.claim(head.id).await });
    let sleeping =
        "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()";
    let pid = loop {
        if let Some(pid) = sqlx::query_scalar::<_, i32>(sleeping).fetch_optional(&mut other).await.unwrap() {
            break pid;
        }
        tokio::task::yield_now().await;
    };
    sqlx::query("SELECT pg_terminate_backend($1)").bind(pid).execute(&mut other).await.unwrap();
    claiming.await.unwrap().unwrap_err();
    other.execute("DROP TRIGGER late ON delivery").await.unwrap();
    // Here the server rolled it back, but the bot must also expect that it was committed.
    other.execute("UPDATE delivery SET state = 'under_way', attempts = attempts + 1").await.unwrap();
    let delivery = fixture.claimed(&alerts_queue()).await;
    assert_eq!((delivery.id, delivery.attempts), (head.id, 1));
}

#[tokio::test]
async fn what_the_server_refuses_is_named_without_the_password() {
    const PASSWORD: &str = "v3ry-s3cret";
    let Some(server) = server() else { return };
    let named = async |url: &StoreUrl, words: &str| {
        let error = Store::open(url).await.map(drop).unwrap_err();
        let shown = format!("{error} {error:?} {url} {url:?}");
        assert!(!shown.contains(PASSWORD), "{shown}");
        assert!(error.to_string().contains("; "), "the error says what to do: {error}");
        assert_known(Err::<(), _>(error), words);
    };
    let with = |name: &str, value: &str| {
        changed(&server, |url| {
            _ = url.query_pairs_mut().append_pair(name, value).append_pair("password", PASSWORD)
        })
    };
    named(&changed(&server, |url| url.set_path("missing")), "create it, for example: createdb").await;
    named(&with("user", "nobody"), "the database refuses the login (").await;
    named(&with("host", "/nowhere"), "the database cannot be reached (").await;
    let nowhere: StoreUrl = format!("postgres://bot:{PASSWORD}@127.0.0.1:1/bot").parse().unwrap();
    assert_eq!(nowhere.to_string(), "postgres://127.0.0.1:1/bot");
    named(&nowhere, "the database cannot be reached (").await;

    let database = new_database(&server).await;
    let mut owner = PgConnection::connect(&database).await.unwrap();
    let user = format!("bot_{}", std::process::id());
    let create = sqlx::AssertSqlSafe(format!("CREATE USER {user}"));
    sqlx::query(create).execute(&mut owner).await.unwrap();
    let as_user = changed(&database, |url| _ = url.query_pairs_mut().append_pair("user", &user));
    named(&as_user, "the database denies permission (").await;
    assert_known(Store::inspect(&as_user).await, "the database denies permission (");
    let read_only = changed(&database, |url| {
        _ = url.query_pairs_mut().append_pair("options", "-c default_transaction_read_only=on");
    });
    named(&read_only, "the database accepts no writes (").await;
}
