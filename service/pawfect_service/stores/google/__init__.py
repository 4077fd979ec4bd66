"""A store in Firestore, Cloud Storage and Pub/Sub."""
