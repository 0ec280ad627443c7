//! How fast a shard may be written and read, by the front's clock.

const WRITE_RECORDS: f64 = 1_000.0;
const WRITE_BYTES: f64 = 1_048_576.0;
const READ_BYTES: f64 = 2.0 * 1_048_576.0;
const READ_MAX_BYTES: usize = 10 * 1_048_576;

/// What is left of a second's records and bytes; it may go below zero for a large record, and what
/// comes then waits longer.
#[derive(Clone, Copy, Debug, Default)]
pub struct WriteRate {
    state: Option<(i64, f64, f64)>,
}

impl WriteRate {
    /// True, and taken, if a record of these bytes may be written now; `scale` times AWS's rate,
    /// 0 is without limit.
    pub fn take(&mut self, now_ms: i64, bytes: usize, scale: f64) -> bool {
        if scale <= 0.0 {
            return true;
        }
        let (most, most_bytes) = (WRITE_RECORDS * scale, WRITE_BYTES * scale);
        let (at_ms, mut records, mut left) = self.state.unwrap_or((now_ms, most, most_bytes));
        let passed = (now_ms - at_ms).max(0) as f64 / 1_000.0;
        records = (records + passed * most).min(most);
        left = (left + passed * most_bytes).min(most_bytes);
        let bytes = bytes as f64;
        let taken = records >= 1.0 && left >= bytes.min(most_bytes);
        if taken {
            records -= 1.0;
            left -= bytes;
        }
        self.state = Some((now_ms, records, left));
        taken
    }
}

/// The reads of a second, and the bytes.
#[derive(Clone, Debug, Default)]
pub struct ReadRate {
    records: Vec<i64>,
    iterators: Vec<i64>,
    blocked_ms: i64,
    bytes: Option<(i64, f64)>,
    turns: u32,
}

fn within_second(calls: &mut Vec<i64>, now_ms: i64, most: u32) -> bool {
    calls.retain(|at_ms| now_ms - at_ms < 1_000);
    let free = calls.len() < most as usize;
    if free {
        calls.push(now_ms);
    }
    free
}

impl ReadRate {
    /// True, and counted, if GetRecords may be called now; `most` a second, 0 is without limit.
    pub fn read(&mut self, now_ms: i64, most: u32) -> bool {
        if most == 0 {
            return true;
        }
        let (at_ms, left) = self.bytes.unwrap_or((now_ms, READ_BYTES));
        let passed = (now_ms - at_ms).max(0) as f64 / 1_000.0;
        let left = (left + passed * READ_BYTES).min(READ_BYTES);
        self.bytes = Some((now_ms, left));
        now_ms >= self.blocked_ms && left > 0.0 && within_second(&mut self.records, now_ms, most)
    }

    /// What a read gave: after 10 MiB none for 5 seconds.
    pub fn gave(&mut self, now_ms: i64, bytes: usize) {
        if let Some((_, left)) = &mut self.bytes {
            *left -= bytes as f64;
        }
        if bytes >= READ_MAX_BYTES {
            self.blocked_ms = now_ms + 5_000;
        }
    }

    /// True for every so manyth read, which then gives nothing; 0 is never.
    pub fn is_empty_turn(&mut self, every: u32) -> bool {
        self.turns = self.turns.wrapping_add(1);
        every > 0 && self.turns.is_multiple_of(every)
    }

    /// The same for GetShardIterator.
    pub fn iterator(&mut self, now_ms: i64, most: u32) -> bool {
        most == 0 || within_second(&mut self.iterators, now_ms, most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(rate: &mut WriteRate, now_ms: i64, records: usize, bytes: usize) -> usize {
        (0..records).filter(|_| rate.take(now_ms, bytes, 1.0)).count()
    }

    #[test]
    fn a_second_has_a_thousand_records_or_a_mebibyte() {
        let mut rate = WriteRate::default();
        assert_eq!(taken(&mut rate, 0, 1_500, 10), 1_000);
        assert_eq!(taken(&mut rate, 500, 1_500, 10), 500);
        assert_eq!(taken(&mut WriteRate::default(), 0, 1_500, 10_240), 102);
        assert!((0..5_000).all(|_| rate.take(0, 10, 0.0)), "without limit");
        let mut rate = WriteRate::default();
        assert!(rate.take(0, 5 << 20, 1.0), "a large record is a burst");
        assert!(!rate.take(4_000, 10, 1.0), "that is paid for");
        assert!(rate.take(5_100, 10, 1.0));
    }

    #[test]
    fn a_second_has_five_reads() {
        let mut rate = ReadRate::default();
        assert_eq!((0..9).filter(|_| rate.read(0, 5)).count(), 5);
        assert!(!rate.read(999, 5));
        assert!(rate.read(1_000, 5));
        rate.gave(1_000, 10 << 20);
        assert!(!rate.read(5_900, 5));
        assert!(rate.read(6_000, 5));
    }
}
