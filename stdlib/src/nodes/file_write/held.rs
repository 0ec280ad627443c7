//! Which rows a file holds, by partition and ranges of sequence numbers: so that sending again is
//! harmless.

use engine::batch::{Rows, Run};
use std::collections::HashMap;
use std::ops::Range;

/// Ranges that are remembered at most, of all partitions together. Beyond it the half that was
/// written longest ago is forgotten: what is sent of it again is written again.
const SPANS_MAX: usize = 1 << 18;

/// How rows that come again are recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recognise {
    /// The rows of a partition come in order, each once a run: what lies before the last row that
    /// is held is held too, or was filtered.
    InOrder,
    /// By the number of each row.
    ByNumber,
    /// Not at all: copies of one source row meet here.
    Never,
}

/// The rows of a file.
#[derive(Clone, Debug, Default)]
pub struct Held {
    partitions: HashMap<[u8; 16], Numbers>,
    ticks: u64,
    /// Of all partitions.
    spans: usize,
}

/// The rows of one partition.
#[derive(Clone, Debug, Default)]
struct Numbers {
    /// First and one past the last; in order, apart from each other.
    spans: Vec<(u64, u64)>,
    touched: u64,
    /// One past the last row that has come in this run.
    came: u64,
}

/// Rows `first .. end` of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The partition's id.
    pub partition: [u8; 16],
    /// The first row.
    pub first: u64,
    /// One past the last row.
    pub end: u64,
}

/// What is new among the rows of a write.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct New {
    /// The rows to write, by place; in order.
    pub rows: Vec<Range<usize>>,
    /// What the file holds when they are written.
    pub spans: Vec<Span>,
}

impl New {
    fn all(rows: &Rows) -> New {
        let mut new = New::default();
        new.row(0..rows.len());
        new
    }

    /// How many rows are to be written.
    pub fn written(&self) -> usize {
        self.rows.iter().map(Range::len).sum()
    }

    fn row(&mut self, rows: Range<usize>) {
        match self.rows.last_mut() {
            Some(last) if last.end == rows.start => last.end = rows.end,
            _ => self.rows.push(rows),
        }
    }
}

impl Held {
    /// Notes that some rows have come. False where rows of their partition that came before them in
    /// this run are behind them, or the same.
    pub fn come(&mut self, rows: &Rows) -> bool {
        let came = &mut self.partitions.entry(rows.ids.partition.id).or_default().came;
        rows.ids.runs.iter().all(|run| {
            let follows = *came <= run.first;
            *came = end(run);
            follows
        })
    }

    /// What is not held yet of some rows.
    pub fn missing(&self, rows: &Rows, recognise: Recognise) -> New {
        let partition = rows.ids.partition.id;
        // A joined row has the number of its first: it is joined of the same rows again.
        let joined = rows.ids.runs.first().filter(|_| rows.is_joined());
        let joined = joined.map(|run| [Run { len: 1, ..*run }]);
        let runs: &[Run] = joined.as_ref().map_or(&rows.ids.runs, |run| run);
        let (Some(first), Some(last)) = (runs.first(), runs.last()) else { return New::all(rows) };
        let end = end(last);
        let mark = self.mark(&partition);
        match recognise {
            Recognise::Never => New::all(rows),
            Recognise::InOrder if mark.is_none_or(|mark| mark <= first.first) => {
                let span = Span { partition, first: mark.unwrap_or(first.first), end };
                New { spans: vec![span], ..New::all(rows) }
            }
            Recognise::InOrder => {
                let mut new = self.by_number(&partition, runs);
                let gaps = mark.filter(|mark| *mark < end);
                new.spans.extend(gaps.map(|first| Span { partition, first, end }));
                new
            }
            Recognise::ByNumber => self.by_number(&partition, runs),
        }
    }

    fn by_number(&self, partition: &[u8; 16], runs: &[Run]) -> New {
        let mut new = New::default();
        let mut row = 0;
        for run in runs {
            for (first, to) in self.gaps(partition, run.first, end(run)) {
                let start = row + (first - run.first) as usize;
                new.row(start..start + (to - first) as usize);
                match new.spans.last_mut() {
                    Some(last) if last.end == first => last.end = to,
                    _ => new.spans.push(Span { partition: *partition, first, end: to }),
                }
            }
            row += run.len as usize;
        }
        new
    }

    /// The parts of `first .. end` that are not held, in order.
    fn gaps(&self, partition: &[u8; 16], first: u64, end: u64) -> Vec<(u64, u64)> {
        let spans = self.partitions.get(partition).map_or(&[][..], |numbers| &numbers.spans);
        let (mut at, mut gaps) = (first, Vec::new());
        for &(from, to) in &spans[spans.partition_point(|span| span.1 <= first)..] {
            if from >= end {
                break;
            }
            if from > at {
                gaps.push((at, from));
            }
            at = to;
        }
        if at < end {
            gaps.push((at, end));
        }
        gaps
    }

    /// One past the last row of a partition that is held.
    fn mark(&self, partition: &[u8; 16]) -> Option<u64> {
        Some(self.partitions.get(partition)?.spans.last()?.1)
    }

    /// Remembers rows.
    pub fn add(&mut self, span: Span) {
        self.ticks += 1;
        let numbers = self.partitions.entry(span.partition).or_default();
        numbers.touched = self.ticks;
        let before = numbers.spans.len();
        numbers.add(span.first, span.end);
        self.spans = self.spans + numbers.spans.len() - before;
        if self.spans > SPANS_MAX {
            self.forget_half();
        }
    }

    /// The partitions that have been silent longest go first, then the lowest numbers of the last.
    fn forget_half(&mut self) {
        let mut order: Vec<([u8; 16], u64)> =
            self.partitions.iter().map(|(id, numbers)| (*id, numbers.touched)).collect();
        order.sort_unstable_by_key(|(_, touched)| *touched);
        for (id, touched) in order {
            if self.spans <= SPANS_MAX / 2 {
                return;
            }
            let Some(numbers) = self.partitions.get_mut(&id) else { continue };
            let excess = self.spans - SPANS_MAX / 2;
            let last = touched == self.ticks;
            let forgotten = if last { excess } else { numbers.spans.len() };
            numbers.spans.drain(..forgotten.min(numbers.spans.len()));
            self.spans -= forgotten;
            if !last {
                self.partitions.remove(&id);
            }
        }
    }

    /// As bytes: of each partition its id, how many ranges, and of each range the rows before it
    /// and in it.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut order: Vec<_> = self.partitions.iter().collect();
        order.sort_unstable_by_key(|(_, numbers)| numbers.touched);
        for (id, numbers) in order {
            out.extend_from_slice(id);
            number(numbers.spans.len() as u64, out);
            let mut at = 0;
            for (first, end) in &numbers.spans {
                number(first - at, out);
                number(end - first, out);
                at = *end;
            }
        }
    }

    /// What [`Held::write`] has written; `None` where the bytes are no such thing.
    pub fn read(mut bytes: &[u8]) -> Option<Held> {
        let mut held = Held::default();
        while let Some((id, rest)) = bytes.split_first_chunk::<16>() {
            bytes = rest;
            let (spans, mut at) = (take(&mut bytes)?, 0u64);
            for _ in 0..spans {
                let first = at.checked_add(take(&mut bytes)?)?;
                at = first.checked_add(take(&mut bytes)?)?;
                held.add(Span { partition: *id, first, end: at });
            }
        }
        bytes.is_empty().then_some(held)
    }
}

impl Numbers {
    fn add(&mut self, mut first: u64, mut end: u64) {
        if first >= end {
            return;
        }
        // The spans that touch the new one become one with it.
        let from = self.spans.partition_point(|span| span.1 < first);
        let to = from + self.spans[from..].partition_point(|span| span.0 <= end);
        if from < to {
            first = first.min(self.spans[from].0);
            end = end.max(self.spans[to - 1].1);
        }
        self.spans.splice(from..to, [(first, end)]);
    }
}

fn end(run: &Run) -> u64 {
    run.first.saturating_add(u64::from(run.len))
}

/// Seven bits a byte, the lowest first; the eighth says that more follow.
fn number(mut n: u64, out: &mut Vec<u8>) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut n = 0u64;
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        n |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(n);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::testing;
    use std::collections::BTreeSet;

    /// Rows with these numbers.
    fn rows(seqs: &[u64]) -> Rows {
        let mut rows = testing::payload(&vec!["x"; seqs.len()]);
        rows.ids.runs = seqs.iter().map(|&first| Run { first, len: 1, arrival_ns: 0 }).collect();
        rows
    }

    fn add(held: &mut Held, new: &New) {
        new.spans.iter().for_each(|span| held.add(*span));
    }

    fn spans(held: &Held) -> Vec<(u64, u64)> {
        held.partitions.values().flat_map(|numbers| numbers.spans.clone()).collect()
    }

    /// Against a plain set, over many random additions.
    #[test]
    fn by_number_agrees_with_a_set() {
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..200 {
            let (mut held, mut set) = (Held::default(), BTreeSet::new());
            for _ in 0..40 {
                let seqs: BTreeSet<u64> = (0..8).map(|_| random.u64(0..100)).collect();
                let seqs: Vec<u64> = seqs.into_iter().collect();
                let new = held.missing(&rows(&seqs), Recognise::ByNumber);
                let found: Vec<u64> = new.rows.iter().cloned().flatten().map(|r| seqs[r]).collect();
                let wanted: Vec<u64> = seqs.iter().copied().filter(|n| set.insert(*n)).collect();
                assert_eq!(found, wanted);
                add(&mut held, &new);
                let mut bytes = Vec::new();
                held.write(&mut bytes);
                assert_eq!(spans(&Held::read(&bytes).unwrap()), spans(&held));
            }
            assert_eq!(held.spans, spans(&held).len());
        }
    }

    #[test]
    fn in_order_what_was_filtered_is_no_gap() {
        let mut held = Held::default();
        let new = held.missing(&rows(&[3, 5, 9]), Recognise::InOrder);
        assert_eq!((new.written(), new.spans.len()), (3, 1));
        add(&mut held, &new);
        let new = held.missing(&rows(&[12, 14]), Recognise::InOrder);
        add(&mut held, &new);
        assert_eq!(spans(&held), [(3, 15)]);
        let again = held.missing(&rows(&[5, 9, 12, 14]), Recognise::InOrder);
        assert_eq!(again, New::default());
        let more = held.missing(&rows(&[1, 14, 20, 22]), Recognise::InOrder);
        assert_eq!(more.rows, [0..1, 2..4]);
        add(&mut held, &more);
        assert_eq!(spans(&held), [(1, 2), (3, 23)]);
    }

    #[test]
    fn rows_that_do_not_come_in_order_are_noticed() {
        let mut held = Held::default();
        assert!(held.come(&rows(&[3, 5])) && held.come(&rows(&[6])));
        assert!(!held.come(&rows(&[6])));
        assert!(!held.clone().come(&rows(&[5])) && !held.come(&rows(&[9, 8])));
        let mut bytes = Vec::new();
        held.write(&mut bytes);
        assert!(Held::read(&bytes).unwrap().come(&rows(&[0])), "of this run alone");
    }

    #[test]
    fn a_joined_row_goes_by_its_first() {
        let mut joined = testing::payload(&["a\nb"]);
        joined.ids = testing::ids("test", 4, 2);
        for recognise in [Recognise::InOrder, Recognise::ByNumber] {
            let mut held = Held::default();
            let new = held.missing(&joined, recognise);
            assert_eq!(new.written(), 1);
            add(&mut held, &new);
            assert_eq!(held.missing(&joined, recognise).written(), 0);
        }
        assert_eq!(Held::default().missing(&joined, Recognise::Never).spans, []);
    }

    #[test]
    fn what_is_kept_is_bounded_and_the_oldest_goes() {
        let mut held = Held::default();
        let span =
            |partition: u8, first: u64| Span { partition: [partition; 16], first, end: first + 1 };
        held.add(span(1, 0));
        for n in 0..SPANS_MAX as u64 {
            held.add(span(2, 2 * n));
        }
        assert_eq!((held.spans, held.partitions.len()), (SPANS_MAX / 2, 1));
        assert_eq!(held.spans, spans(&held).len());
        assert_eq!(held.mark(&[2; 16]), Some(2 * SPANS_MAX as u64 - 1));
        held.add(span(3, 0));
        assert_eq!(held.mark(&[3; 16]), Some(1));
    }

    #[test]
    fn bytes_that_are_torn_are_refused() {
        let mut held = Held::default();
        held.add(Span { partition: [1; 16], first: 300, end: u64::MAX });
        let mut bytes = Vec::new();
        held.write(&mut bytes);
        assert_eq!(spans(&Held::read(&bytes).unwrap()), [(300, u64::MAX)]);
        for cut in 1..bytes.len() {
            assert!(Held::read(&bytes[..cut]).is_none(), "cut to {cut}");
        }
        assert!(Held::read(&[0xff; 40]).is_none());
    }
}
