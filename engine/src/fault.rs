//! What can go wrong at run time, as values: a fault of a node, a fault of a row.

use std::any::Any;
use std::fmt;
use std::time::Duration;

/// What to do about a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultClass {
    /// 5xx, reset, timeout: try again.
    Transient,
    /// 429, throughput exceeded: try again, with less at once.
    Throttle,
    /// Something in this write is invalid, and the service does not say which record: a sink's
    /// driver writes it again in halves down to the row, and refuses that one. Elsewhere, and for
    /// a sink that takes whole batches only, the same as [`FaultClass::Service`].
    Records,
    /// Access denied, expired credentials, full disk, missing resource, port in use: stops the
    /// node at once, never reaches the quarantine.
    Service,
    /// An answer that nobody has seen before: as [`FaultClass::Transient`] for 10 minutes without
    /// another answer, then as [`FaultClass::Service`].
    Unknown,
}

/// A fault of a node or of a whole write. Never about one record: that is a [`RowFault`].
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// What to do.
    pub class: FaultClass,
    /// The field's name for it, in snake case (`disk_full`, `port_in_use`) or the service's own
    /// (`ProvisionedThroughputExceededException`).
    pub code: String,
    /// What is wrong, and where, in one sentence that a person can act on.
    pub message: String,
    /// What to do, if anything can be said.
    pub help: Option<String>,
    /// When the service asked to be tried again.
    pub retry_after: Option<Duration>,
    /// No answer came in time: a retry takes more of a sink's retry budget, because the first try
    /// may still keep the service busy.
    pub timeout: bool,
}

impl Fault {
    /// A fault that stops the node.
    pub fn service(code: impl Into<String>, message: impl Into<String>) -> Fault {
        Fault {
            class: FaultClass::Service,
            code: code.into(),
            message: message.into(),
            help: None,
            retry_after: None,
            timeout: false,
        }
    }

    /// A fault that may pass.
    pub fn transient(code: impl Into<String>, message: impl Into<String>) -> Fault {
        Fault { class: FaultClass::Transient, ..Fault::service(code, message) }
    }

    /// A fault that asks for less.
    pub fn throttle(code: impl Into<String>, message: impl Into<String>) -> Fault {
        Fault { class: FaultClass::Throttle, ..Fault::service(code, message) }
    }

    /// A fault that may pass: no answer came in time.
    pub fn timeout(code: impl Into<String>, message: impl Into<String>) -> Fault {
        Fault { timeout: true, ..Fault::transient(code, message) }
    }

    /// A fault of some record of a write, which one the service does not say.
    pub fn records(code: impl Into<String>, message: impl Into<String>) -> Fault {
        Fault { class: FaultClass::Records, ..Fault::service(code, message) }
    }

    /// A fault that nobody has seen before.
    pub fn unknown(code: impl Into<String>, message: impl Into<String>) -> Fault {
        Fault { class: FaultClass::Unknown, ..Fault::service(code, message) }
    }

    /// The panic of a node's code, as its fault.
    pub(crate) fn panic(panic: Box<dyn Any + Send>) -> Fault {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        let text = text.unwrap_or_else(|| "no message".into());
        Fault::service("panic", format!("the node's code panicked: {text}"))
            .help("this is a bug of flowc: please report it; nothing was acknowledged wrongly")
    }

    /// Says what to do.
    pub fn help(mut self, text: impl Into<String>) -> Fault {
        self.help = Some(text.into());
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for Fault {}

/// A record that cannot go on: it leaves by `errors` as a `Failure`.
#[derive(Clone, Debug, PartialEq)]
pub struct RowFault {
    /// Index in the rows that were given to the node.
    pub row: usize,
    /// A code that the node's spec lists.
    pub code: &'static str,
    /// What is wrong with it, in one sentence.
    pub message: String,
    /// The record as it arrived: original bytes where it was bytes, else JSON.
    pub payload: Vec<u8>,
    /// `line`, `field`, `key`, …
    pub meta: Vec<(&'static str, String)>,
}
