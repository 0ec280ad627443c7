//! The embedded services: durable, in one directory, no account.
