//! Where a reader stands in a shard: the sequence number of a record, and the number within it
//! where several records were packed into one.

use std::cmp::Ordering;
use std::fmt;

/// A record of a shard. Sequence numbers are compared as numbers, however long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The sequence number, decimal, without leading zeros.
    seq: Box<str>,
    /// The record's number within a packed one; 0 for a plain one.
    pub sub: u64,
}

/// Where reading a shard goes on: what a lease says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checkpoint {
    /// With the oldest record.
    TrimHorizon,
    /// With what comes after the first read.
    Latest,
    /// With the first record at or after the time that the stream's binding says.
    AtTimestamp,
    /// Behind this record.
    After(Position),
    /// Nowhere: the shard is closed, and everything in it is settled.
    ShardEnd,
}

impl Position {
    /// A record's position.
    pub fn new(seq: &str, sub: u64) -> Position {
        let trimmed = seq.trim_start_matches('0');
        let seq = if trimmed.is_empty() && !seq.is_empty() { "0" } else { trimmed };
        Position { seq: seq.into(), sub }
    }

    /// The sequence number.
    pub fn seq(&self) -> &str {
        &self.seq
    }
}

impl Ord for Position {
    fn cmp(&self, other: &Position) -> Ordering {
        let by_seq = self.seq.len().cmp(&other.seq.len()).then_with(|| self.seq.cmp(&other.seq));
        by_seq.then(self.sub.cmp(&other.sub))
    }
}

impl PartialOrd for Position {
    fn partial_cmp(&self, other: &Position) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.seq, self.sub)
    }
}

impl Checkpoint {
    /// What KCL writes for it, without the sub-sequence number.
    pub fn text(&self) -> &str {
        match self {
            Checkpoint::TrimHorizon => "TRIM_HORIZON",
            Checkpoint::Latest => "LATEST",
            Checkpoint::AtTimestamp => "AT_TIMESTAMP",
            Checkpoint::After(position) => position.seq(),
            Checkpoint::ShardEnd => "SHARD_END",
        }
    }

    /// Reads what KCL writes; `None` where it is none of that.
    pub fn parse(text: &str, sub: u64) -> Option<Checkpoint> {
        Some(match text {
            "TRIM_HORIZON" => Checkpoint::TrimHorizon,
            "LATEST" => Checkpoint::Latest,
            "AT_TIMESTAMP" => Checkpoint::AtTimestamp,
            "SHARD_END" => Checkpoint::ShardEnd,
            seq if !seq.is_empty() && seq.bytes().all(|byte| byte.is_ascii_digit()) => {
                Checkpoint::After(Position::new(seq, sub))
            }
            _ => return None,
        })
    }

    /// Whether this one is further on than `other` or as far.
    pub fn is_at_least(&self, other: &Checkpoint) -> bool {
        match (self, other) {
            (Checkpoint::ShardEnd, _) => true,
            (_, Checkpoint::ShardEnd) => false,
            (Checkpoint::After(this), Checkpoint::After(other)) => this >= other,
            (_, Checkpoint::After(_)) => false,
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_ordered_as_numbers() {
        let at = |seq: &str, sub| Position::new(seq, sub);
        let long = "49590338271490256608559692538361571095921575989136588898";
        let longer = "49590338271490256608559692538361571095921575989136588899";
        let ordered =
            [at("0", 0), at("9", 7), at("10", 0), at("10", 1), at(long, 3), at(longer, 0)];
        assert!(ordered.is_sorted());
        assert!(ordered.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(at("0010", 1), at("10", 1));
        assert_eq!(at("000", 0), at("0", 0));
    }

    #[test]
    fn what_is_written_is_read() {
        let after = Checkpoint::After(Position::new("4959", 12));
        let all = [Checkpoint::TrimHorizon, Checkpoint::Latest, Checkpoint::AtTimestamp, after];
        for checkpoint in all.iter().chain([&Checkpoint::ShardEnd]) {
            assert_eq!(Checkpoint::parse(checkpoint.text(), 12).as_ref(), Some(checkpoint));
        }
        assert_eq!(Checkpoint::parse("", 0), None);
        assert_eq!(Checkpoint::parse("12a", 0), None);
    }

    #[test]
    fn a_checkpoint_is_behind_or_not() {
        let after = |seq| Checkpoint::After(Position::new(seq, 0));
        assert!(after("10").is_at_least(&after("9")) && !after("9").is_at_least(&after("10")));
        assert!(after("1").is_at_least(&Checkpoint::Latest));
        assert!(!Checkpoint::TrimHorizon.is_at_least(&after("1")));
        assert!(Checkpoint::ShardEnd.is_at_least(&after("9")));
        assert!(!after("9").is_at_least(&Checkpoint::ShardEnd));
    }
}
