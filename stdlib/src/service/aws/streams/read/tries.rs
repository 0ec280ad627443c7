//! How fast and how long a call of the reader itself is tried again.

use engine::retry::{Backoff, Pace};
use std::time::Duration;

/// For 5 minutes without success, up to 5 s apart.
pub const PACE: Pace = Pace {
    wait_first: Duration::from_millis(100),
    wait_max: Duration::from_secs(5),
    retry_for: Duration::from_secs(300),
    tries_max: u32::MAX,
};

/// The tries of one kind of call. Several workers must not try at the same times.
pub fn tries() -> Backoff {
    Backoff::at(fastrand::u64(..), PACE)
}
