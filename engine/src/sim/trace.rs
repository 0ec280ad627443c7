//! What has happened in a world, as one hash and on request as text.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

/// Every event in order, with its simulated time. Two traces with the same hash are the same.
#[derive(Debug, Default)]
pub struct Trace {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    hasher: blake3::Hasher,
    events: u64,
    lines: Option<Vec<String>>,
}

impl Trace {
    /// Keeps the events as text from now on; costs memory, for looking into one seed.
    pub fn keep_text(&self) {
        self.inner().lines.get_or_insert_default();
    }

    /// Notes an event: what it is, and numbers that tell it from others of its kind.
    pub fn event(&self, at: Duration, what: &str, numbers: &[u64]) {
        let mut inner = self.inner();
        inner.events += 1;
        let at_ns = at.as_nanos() as u64;
        inner.hasher.update(&at_ns.to_le_bytes()).update(what.as_bytes()).update(&[0]);
        for number in numbers {
            inner.hasher.update(&number.to_le_bytes());
        }
        if let Some(lines) = &mut inner.lines {
            let numbers: String = numbers.iter().map(|number| format!(" {number}")).collect();
            lines.push(format!("{:>12.6} {what}{numbers}", at.as_secs_f64()));
        }
    }

    /// How many events.
    pub fn events(&self) -> u64 {
        self.inner().events
    }

    /// The hash of all events so far, 64 hexadecimal digits.
    pub fn hash(&self) -> String {
        self.inner().hasher.finalize().to_hex().to_string()
    }

    /// The text kept so far, a line an event: seconds, what, numbers.
    pub fn lines(&self) -> Vec<String> {
        self.inner().lines.clone().unwrap_or_default()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
