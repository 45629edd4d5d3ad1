//! An embedded store of its own for one test.

use std::sync::Arc;

use gatehouse_store::Store;
use gatehouse_store_sql::sqlite;
use tempfile::TempDir;

/// A store in a folder that goes away with it.
pub struct TemporaryStore {
    store: Arc<dyn Store>,
    _folder: TempDir,
}

impl TemporaryStore {
    /// An empty store.
    pub fn create() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = sqlite::open(&folder.path().join("store.db")).unwrap();
        Self { store: Arc::new(store), _folder: folder }
    }

    /// The store.
    pub fn store(&self) -> &dyn Store {
        self.store.as_ref()
    }

    /// The store, to be kept.
    pub fn shared(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }
}
