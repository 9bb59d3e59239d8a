"""SQLite behind the store protocol of `inbox.store`, and files behind `inbox.blobs`."""
