//! Acknowledgements: who may say that a source's rows are through.

/// The end of a source's rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The worst verdict of all branches.
    pub verdict: Verdict,
    /// Rows that were dead-lettered, by sequence number.
    pub failures: Vec<Failed>,
}

/// What a branch says; the worst wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Stored, filtered, shed, or dead-lettered with a durable receipt: the source may move on.
    Settled,
    /// Lost, dropped unsettled, or not written: the source may not move on.
    Failed,
}

/// A row that was dead-lettered.
#[derive(Clone, Debug, PartialEq)]
pub struct Failed {
    /// Its sequence number in the source's partition.
    pub seq: u64,
    /// As in the `Failure`.
    pub code: String,
    /// As in the `Failure`.
    pub message: String,
}

/// The right and the duty to settle some rows; dropped unsettled, it fails them.
#[derive(Debug)]
pub struct Ack;
