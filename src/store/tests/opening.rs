//! Opening: one bot at a time, what the last run left, and files that are not a store.

use std::{fs, os::unix::fs::PermissionsExt};

use tempfile::TempDir;

use super::fixture::{Fixture, alerts_queue, assert_known, opened, url};
use crate::store::{AlertState, Store, StoreError, StoreUrl};

async fn refused(url: &StoreUrl) -> StoreError {
    Store::open(url).await.map(drop).unwrap_err()
}

#[tokio::test]
async fn a_second_bot_on_the_same_store_is_refused_and_the_first_continues() {
    let fixture = Fixture::new().await;
    let error = refused(&fixture.url).await;
    assert!(matches!(&error, StoreError::InUse(_)), "{error:?}");
    assert!(error.to_string().contains("already running"), "{error}");
    fixture.store.check_writable().await.unwrap();
}

#[tokio::test]
async fn a_second_bot_is_refused_by_any_name_of_the_file() {
    let fixture = Fixture::on_sqlite().await;
    let directory = fixture.directory.path();
    std::os::unix::fs::symlink(directory.join("bot.db"), directory.join("symlink.db")).unwrap();
    fs::hard_link(directory.join("bot.db"), directory.join("link.db")).unwrap();
    for name in ["symlink.db", "link.db"] {
        let error = refused(&StoreUrl::sqlite(directory.join(name))).await;
        assert!(matches!(&error, StoreError::InUse(_)), "{name}: {error:?}");
    }
    fs::remove_file(directory.join("link.db")).unwrap();
    let locks = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(
        locks.into_iter().all(|name| !name.to_string_lossy().ends_with(".lock")),
        "nothing that could be removed"
    );
    fixture.store.check_writable().await.unwrap();
}

#[tokio::test]
async fn only_its_user_can_read_a_store() {
    let fixture = Fixture::on_sqlite().await;
    fixture.alert("m1").await;
    for name in ["bot.db", "bot.db-wal", "bot.db-shm"] {
        let file = fs::metadata(fixture.directory.path().join(name)).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_store_that_is_removed_or_replaced_accepts_no_more_writes() {
    let fixture = Fixture::on_sqlite().await;
    let path = fixture.directory.path().join("bot.db");
    let away = fixture.directory.path().join("away.db");
    fs::rename(&path, &away).unwrap();
    for _ in ["removed", "replaced"] {
        let event = fixture.store.receive_event(&signl4::NotificationId::new("n1"), b"{}").await;
        assert_known(event, "was removed or replaced");
        let probe = fixture.store.check_writable().await;
        assert_known(probe, "was removed or replaced");
        let copied = fixture.store.checkpoint().await;
        assert_known(copied, "was removed or replaced");
        fs::write(&path, "another one").unwrap();
    }
    fs::rename(&away, &path).unwrap();
    fixture.store.check_writable().await.unwrap();
}

#[tokio::test]
async fn the_store_is_free_again_once_the_first_bot_is_gone() {
    let fixture = Fixture::new().await;
    let clone = fixture.store.clone();
    drop(fixture.store);
    assert!(matches!(refused(&fixture.url).await, StoreError::InUse(_)), "a clone still works on it");
    drop(clone);
    opened(&fixture.url).await;
}

#[tokio::test]
async fn committed_rows_survive_a_restart() {
    let fixture = Fixture::new().await;
    let alert = fixture.alert("m1").await;
    let fixture = fixture.restarted().await;
    assert_eq!(fixture.now(&alert).await, alert);
    assert_eq!(fixture.claimed(&alerts_queue()).await.alert, Some(alert.id));
}

#[tokio::test]
async fn a_call_under_way_when_the_bot_was_killed_may_have_raised_its_alert() {
    let fixture = Fixture::new().await;
    let (in_call, waiting) = (fixture.alert("m1").await, fixture.alert("m2").await);
    fixture.claimed(&alerts_queue()).await;
    assert_eq!(fixture.now(&in_call).await.unanswered, 0);

    let fixture = fixture.restarted().await;
    assert_eq!(fixture.now(&in_call).await.unanswered, 1);
    assert_eq!(fixture.now(&in_call).await.state, AlertState::Queued, "it is called for again");
    assert_eq!(fixture.now(&waiting).await.unanswered, 0);

    let fixture = fixture.restarted().await;
    assert_eq!(fixture.now(&in_call).await.unanswered, 1, "counted once, not at every start");
    assert_eq!(fixture.claimed(&alerts_queue()).await.alert, Some(in_call.id));
}

#[tokio::test]
async fn a_file_that_is_no_database_is_not_touched() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("bot.db");
    let content = "this is a diary, not a database\n".repeat(300);
    fs::write(&path, &content).unwrap();
    assert_known(Store::open(&url(&directory)).await, "damaged or not an SQLite database");
    assert_eq!(fs::read_to_string(&path).unwrap(), content);
}

#[tokio::test]
async fn a_damaged_database_is_an_error_and_no_panic() {
    let fixture = Fixture::on_sqlite().await;
    for message in 0..200 {
        fixture.alert(&format!("m{message}")).await;
    }
    let (url, directory) = fixture.closed().await;
    let path = directory.path().join("bot.db");
    let mut bytes = fs::read(&path).unwrap();
    bytes[4096..].fill(0xa5);
    fs::write(&path, bytes).unwrap();
    assert_known(Store::open(&url).await, "damaged or not an SQLite database");
}

#[tokio::test]
async fn a_directory_that_is_missing_or_takes_no_files_is_named() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("file"), "").unwrap();
    let inside = |path: &str| StoreUrl::sqlite(directory.path().join(path));
    // Nobody can create a file in /proc, not even root.
    for url in [inside("missing/bot.db"), inside("file/bot.db"), StoreUrl::sqlite("/proc/bot.db")] {
        assert_known(Store::open(&url).await, "bot.db: cannot open the store (");
        assert_known(Store::open(&url).await, "can write to both");
    }
}

#[tokio::test]
async fn a_database_that_cannot_be_written_is_refused_at_the_start() {
    let fixture = Fixture::on_sqlite().await;
    let refuse =
        "CREATE TRIGGER refuse BEFORE INSERT ON fact BEGIN SELECT RAISE(FAIL, 'as on a broken disk'); END";
    sqlx::query(refuse).execute(&fixture.store.writer).await.unwrap();
    let (url, _directory) = fixture.closed().await;
    assert_known(Store::open(&url).await, "cannot open the store (");
}

#[tokio::test]
async fn a_store_of_a_newer_release_is_refused() {
    let fixture = Fixture::new().await;
    fixture.migrated_further().await;
    let (url, _directory) = fixture.closed().await;
    let error = refused(&url).await;
    assert!(matches!(error, StoreError::Migrate(_)), "{error:?}");
}

#[tokio::test]
async fn the_file_grows_at_a_checkpoint_and_not_in_the_middle_of_a_commit() {
    let fixture = Fixture::on_sqlite().await;
    let size = || fs::metadata(fixture.directory.path().join("bot.db")).unwrap().len();
    let before = size();
    // More than the 1,000 pages of the log at which SQLite copies it by itself.
    for message in 0..250 {
        fixture.alert(&format!("m{message}")).await;
    }
    assert_eq!(size(), before);
    fixture.store.checkpoint().await.unwrap();
    assert!(size() > before);
}
