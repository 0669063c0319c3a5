//! Inspecting a store: it reports the truth and changes nothing.

use std::{collections::BTreeSet, fs, path::Path};

use tempfile::TempDir;

use super::fixture::{Fixture, assert_known, url};
use crate::store::{Condition, Store, StoreError, StoreUrl};

fn files(directory: &Path) -> BTreeSet<String> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

async fn condition(url: &StoreUrl) -> Condition {
    Store::inspect(url).await.unwrap()
}

#[tokio::test]
async fn a_missing_store_is_not_created() {
    let directory = TempDir::new().unwrap();
    assert_eq!(condition(&url(&directory)).await, Condition::New);
    assert!(files(directory.path()).is_empty());
}

#[tokio::test]
async fn a_store_that_a_bot_works_on_is_in_use_and_the_bot_works_on() {
    let fixture = Fixture::new().await;
    let before = files(fixture.directory.path());
    assert_eq!(condition(&fixture.url).await, Condition::InUse);
    assert_eq!(files(fixture.directory.path()), before);
    fixture.alert("m1").await;
}

#[tokio::test]
async fn an_idle_store_is_usable_and_untouched() {
    let fixture = Fixture::on_sqlite().await;
    let alert = fixture.alert("m1").await;
    fixture.claimed(&super::fixture::alerts_queue()).await;
    let (url, directory) = fixture.closed().await;
    for _ in 0..2 {
        let database = fs::read(directory.path().join("bot.db")).unwrap();
        assert_eq!(condition(&url).await, Condition::Usable);
        assert_eq!(fs::read(directory.path().join("bot.db")).unwrap(), database);
        assert_eq!(files(directory.path()), ["bot.db".to_owned()].into());
    }
    let store = Store::open(&url).await.unwrap();
    store.recover().await.unwrap();
    assert_eq!(store.alert(alert.id).await.unwrap().unwrap().unanswered, 1);
}

#[tokio::test]
async fn reasons_that_would_prevent_opening_are_reported() {
    let directory = TempDir::new().unwrap();
    let look = async |name: &str| Store::inspect(&StoreUrl::sqlite(directory.path().join(name))).await;
    assert_known(look("missing/bot.db").await, "cannot open the store (");
    fs::write(directory.path().join("diary"), "no database\n".repeat(1000)).unwrap();
    assert_known(look("diary").await, "damaged or not an SQLite database");
    fs::create_dir(directory.path().join("directory")).unwrap();
    assert_known(look("directory").await, "cannot open the store (");
}

#[tokio::test]
async fn a_store_of_a_newer_release_is_reported() {
    let fixture = Fixture::new().await;
    fixture.migrated_further().await;
    let (url, _directory) = fixture.closed().await;
    let error = Store::inspect(&url).await.unwrap_err();
    assert!(matches!(error, StoreError::Migrate(_)), "{error:?}");
}
