//! Rows out of order: a fault, or taken as they come where the node was told so.

use super::*;
use crate::ack::{Ack, Origin, SourceFacts};
use crate::testing;

#[test]
fn rows_out_of_order_are_a_fault() {
    let limits = CutLimits { max: 10, size: 100 };
    let batch = |first| {
        let completions = Arc::default();
        let ids = testing::ids("orders/0", first, 1);
        let facts = SourceFacts { replays: true, ..SourceFacts::default() };
        let id = crate::ack::ReadId { partition: 0, number: 0 };
        let origin = Origin::new(id, &ids, false, facts, &completions);
        let rows = Rows { ids, ..testing::payload(&["x"]) };
        Batch { rows, ack: Ack::of(Arc::new(origin)) }
    };
    let mut lane = Lane::new(0, limits, &batch(5), Entry::default());
    assert!(lane.push(batch(5), 0).is_ok());
    assert!(lane.push(batch(5), 0).is_err_and(|fault| fault.code == "row_order"));
    // Failures come in any order, and nothing is bound to come again.
    let left = Entry { anchor: 2, cuts: [9, 20].into() };
    let mut lane = Lane::new(0, limits, &batch(7), left).in_any_order(true);
    let pushed = lane.push(batch(7), 3).unwrap();
    assert!(pushed.closed.is_empty() && lane.waits_since_ns() == Some(3));
    assert!(lane.push(batch(5), 4).unwrap().closed.is_empty());
    assert_eq!(lane.push(batch(1), 4).unwrap().skipped, 1);
    let (end, closed) = lane.close(false).unwrap();
    assert_eq!((end, closed.rows.len()), (8, 2));
    assert!(closed.rows.group.unwrap().id.starts_with("00000000000000000005-00000000000000000007"));
    // What comes again as it was is cut as it was.
    let pushed = lane.push(batch(19), 5).unwrap();
    assert_eq!(pushed.ends, [20]);
}
