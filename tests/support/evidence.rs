//! Identity evidence for tests that open sessions which write.

use fleet::evidence::Gathered;
use fleet::inventory::Inventory;
use fleet::ssh::Connector;
use fleet::store::Store;

/// What is known of the protected hosts of `inventory` where the store is empty.
pub(crate) async fn gather(inventory: &Inventory, connector: &Connector) -> Gathered {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open_or_create(&folder.path().join("store")).expect("a store");
    let gathered = fleet::evidence::gather(inventory, &store, connector).await;
    gathered.expect("everything can be read")
}
