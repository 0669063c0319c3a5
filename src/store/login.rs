//! The saved login at Rocket.Chat; encrypted, so only bytes here.

use super::{Store, StoreError};

impl Store {
    /// The login that was saved last.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn login(&self) -> Result<Option<Vec<u8>>, StoreError> {
        self.run(sqlx::query_scalar("SELECT sealed FROM login").fetch_optional(&self.readers)).await
    }

    /// Replaces the login.
    ///
    /// # Errors
    /// When the store fails, or another replica is active.
    pub async fn save_login(&self, sealed: &[u8]) -> Result<(), StoreError> {
        const SAVE: &str = "INSERT INTO login (id, sealed) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed";
        self.execute(sqlx::query(SAVE).bind(sealed)).await.map(drop)
    }
}
