//! From which record on the rows of a shard are numbered.
//!
//! A row's number says nothing without that record: another table of leases, a lease that was
//! removed and a reader that was away for longer than the retention begin elsewhere. So it is part
//! of the partition's id, and stands in the lease before a row is handed out.

use super::fetch::{Fetch, lease_lost, partition};
use crate::service::aws::leases::position::Position;
use crate::service::aws::leases::row::Lease;
use crate::service::aws::leases::table::Kept;
use engine::fault::Fault;
use std::sync::Arc;

/// How the rows of a lease are numbered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbering {
    /// What its row 0 stands for.
    first: Option<String>,
    /// The position of the last settled record.
    position: Option<Position>,
}

/// What the first record that is read makes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begin {
    /// The numbers go on.
    Known(String),
    /// They go on, and this is to be noted for them.
    Pin(String),
    /// The record where the reader stood is gone, and perhaps others behind it: row 0 is this one.
    Anew(String),
}

impl Numbering {
    /// Of a lease.
    pub fn of(lease: &Lease) -> Numbering {
        Numbering { first: lease.first.clone(), position: lease.position().cloned() }
    }

    /// When `seq` is the first record that is read from the lease's place on. That place is a
    /// record, as soon as one was read: where another comes, retention has trimmed it.
    pub fn begin(&self, seq: &str) -> Begin {
        let pinned = || self.first.as_ref().map(|first| Position::new(first, 0));
        let wanted = self.position.clone().or_else(pinned);
        let is_gone =
            wanted.is_some_and(|wanted| Position::new(seq, 0) > Position::new(wanted.seq(), 0));
        match (&self.first, &self.position) {
            _ if is_gone => Begin::Anew(seq.to_owned()),
            (Some(first), _) => Begin::Known(first.clone()),
            // A lease of another program: row 0 is behind its position.
            (None, Some(position)) => Begin::Pin(format!("after {position}")),
            (None, None) => Begin::Pin(seq.to_owned()),
        }
    }
}

impl Fetch {
    /// Settles how rows are numbered, durably, before the first of them is handed out.
    pub(super) async fn number(&mut self, seq: &str) -> Result<(), Fault> {
        let Some(numbering) = self.numbering.clone() else { return Ok(()) };
        let begin = numbering.begin(seq);
        loop {
            let table = &self.with.table;
            let kept = match &begin {
                Begin::Known(_) => break,
                Begin::Pin(first) => table.pin(&self.shard, first).await,
                Begin::Anew(first) => table.renumber(&self.shard, first).await,
            };
            match kept {
                Ok(Kept::Yes) => break,
                Ok(Kept::Lost) => return Err(lease_lost(&self.shard, &self.with.stream.name)),
                Err(fault) => self.wait(fault).await?,
            }
        }
        self.went_well();
        let first = match begin {
            Begin::Known(first) | Begin::Pin(first) => first,
            Begin::Anew(first) => {
                self.anew(numbering.position.as_ref());
                first
            }
        };
        self.unpacker.partition = Arc::new(partition(&self.with, &self.shard, &first));
        self.unpacker.shard = self.with.desk.number(&self.shard, &first);
        self.numbering = None;
        Ok(())
    }

    /// Its rows are numbered from 0 again.
    fn anew(&mut self, position: Option<&Position>) {
        self.unpacker.next = 0;
        self.unpacker.settled = None;
        self.with.desk.renumbered(&self.shard);
        let at =
            position.map_or("its first record".to_owned(), |at| format!("record {}", at.seq()));
        (self.with.log)(&format!(
            "{}: shard {} of stream `{}`: {at}, where reading goes on, is older than the stream \
             keeps records; what came behind it until then may be lost, and reading begins with \
             the oldest there is",
            self.with.node, self.shard, self.with.stream.name
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::aws::leases::position::Checkpoint;

    fn begin(checkpoint: Checkpoint, first: Option<&str>, seq: &str) -> Begin {
        let mut lease = Lease::new("s", checkpoint, Vec::new());
        lease.first = first.map(str::to_owned);
        Numbering::of(&lease).begin(seq)
    }

    #[test]
    fn rows_are_numbered_from_the_first_record_on() {
        let after = |seq| Checkpoint::After(Position::new(seq, 3));
        for checkpoint in [Checkpoint::TrimHorizon, Checkpoint::Latest, Checkpoint::AtTimestamp] {
            assert_eq!(begin(checkpoint.clone(), None, "5"), Begin::Pin("5".into()));
            assert_eq!(begin(checkpoint.clone(), Some("5"), "5"), Begin::Known("5".into()));
            assert_eq!(begin(checkpoint, Some("5"), "10"), Begin::Anew("10".into()));
        }
        assert_eq!(begin(after("9"), Some("5"), "9"), Begin::Known("5".into()));
        assert_eq!(begin(after("9"), Some("5"), "10"), Begin::Anew("10".into()), "9 is trimmed");
        assert_eq!(begin(after("9"), None, "9"), Begin::Pin("after 9.3".into()));
    }
}
