//! Where reading a shard begins, and goes on when an iterator has expired. Pure.

use crate::service::aws::leases::position::Checkpoint;
use crate::service::aws::leases::row::Lease;
use crate::service::aws::streams::options::From;
use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::{ShardIteratorType, StartingPosition};

/// A place in a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The oldest record.
    Horizon,
    /// What comes from now on.
    Latest,
    /// The first record at or after this time, milliseconds since 1970 UTC.
    Time(i64),
    /// This record.
    At(String),
    /// The record behind this one.
    After(String),
}

impl Place {
    /// Where a lease says. The record of its position is read again: others may be packed in it.
    pub fn of(lease: &Lease, from: From) -> Place {
        match (&lease.checkpoint, &lease.first, from) {
            (Checkpoint::After(position), _, _) => Place::At(position.seq().to_owned()),
            (_, Some(first), _) => Place::At(first.clone()),
            (Checkpoint::Latest, None, _) => match lease.since_ms {
                Some(ms) => Place::Time(i64::try_from(ms).unwrap_or(i64::MAX)),
                None => Place::Latest,
            },
            (Checkpoint::AtTimestamp, _, From::At(ms)) => Place::Time(ms),
            _ => Place::Horizon,
        }
    }

    /// Where to go on when nothing was read from here since `began_ms`.
    pub fn again(self, began_ms: i64) -> Place {
        match self {
            Place::Latest => Place::Time(began_ms),
            other => other,
        }
    }

    /// As an iterator is asked for.
    pub fn iterator(&self) -> (ShardIteratorType, Option<String>, Option<DateTime>) {
        match self {
            Place::Horizon => (ShardIteratorType::TrimHorizon, None, None),
            Place::Latest => (ShardIteratorType::Latest, None, None),
            Place::Time(ms) => {
                (ShardIteratorType::AtTimestamp, None, Some(DateTime::from_millis(*ms)))
            }
            Place::At(seq) => (ShardIteratorType::AtSequenceNumber, Some(seq.clone()), None),
            Place::After(seq) => (ShardIteratorType::AfterSequenceNumber, Some(seq.clone()), None),
        }
    }

    /// As a subscription is asked for.
    pub fn position(&self) -> StartingPosition {
        let (kind, seq, time) = self.iterator();
        let position = StartingPosition::builder().r#type(kind);
        let position = position.set_sequence_number(seq).set_timestamp(time).build();
        position.expect("it has a type")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::aws::leases::position::Position;

    #[test]
    fn a_lease_says_where() {
        let place = |checkpoint, first: Option<&str>, from| {
            let mut lease = Lease::new("s", checkpoint, Vec::new());
            lease.first = first.map(str::to_owned);
            Place::of(&lease, from)
        };
        let after = Checkpoint::After(Position::new("7", 3));
        assert_eq!(place(after, None, From::Latest), Place::At("7".into()));
        assert_eq!(place(Checkpoint::Latest, None, From::Latest), Place::Latest);
        assert_eq!(place(Checkpoint::Latest, Some("5"), From::Latest), Place::At("5".into()));
        assert_eq!(place(Checkpoint::TrimHorizon, Some("5"), From::At(9)), Place::At("5".into()));
        assert_eq!(place(Checkpoint::AtTimestamp, None, From::At(9)), Place::Time(9));
        assert_eq!(place(Checkpoint::TrimHorizon, None, From::Latest), Place::Horizon);
    }

    #[test]
    fn the_latest_begins_when_its_lease_was_made() {
        let mut lease = Lease::new("s", Checkpoint::Latest, Vec::new());
        lease.since_ms = Some(5);
        assert_eq!(Place::of(&lease, From::Latest), Place::Time(5));
        lease.first = Some("7".into());
        assert_eq!(Place::of(&lease, From::Latest), Place::At("7".into()));
    }

    #[test]
    fn the_latest_is_not_left_behind() {
        assert_eq!(Place::Latest.again(5), Place::Time(5));
        assert_eq!(Place::At("7".into()).again(5), Place::At("7".into()));
    }
}
