//! By hand, and several workers in one world: see [`workers`].

mod workers;

use super::*;
use crate::service::aws::leases::position::Checkpoint;

fn at(seq: u64) -> Position {
    Position::new(&seq.to_string(), 0)
}

fn holdings() -> Holdings {
    let mut holdings = Holdings::default();
    for shard in ["a", "b"] {
        let lease = Lease::new(shard, Checkpoint::TrimHorizon, Vec::new());
        holdings.hold(&Lease { counter: 1, ..lease }, 0);
    }
    holdings
}

#[test]
fn who_leaves_is_let_go_once() {
    let mut holdings = holdings();
    assert_eq!(holdings.leave(1), ["b"]);
    assert!(holdings.leave(1).is_empty());
    assert_eq!(holdings.through(Phase::Leaving), [("b".into(), 0)]);
    holdings.enter("b", Phase::Drained);
    assert_eq!(holdings.through(Phase::Leaving).len(), 1);
    assert_eq!(holdings.let_go("b"), Some(1));
    assert_eq!(holdings.due(i64::MAX), [("a".into(), 1)], "it is not renewed");
    assert!(holdings.renewed("b", Renewal::Lost, 9), "nor missed");
    assert!(!holdings.renewed("a", Renewal::Lost, 9));
    assert!(!holdings.is_fresh("b", 0), "nor read");
    assert_eq!(holdings.through(Phase::Leaving).len(), 1, "and let go again if that fails");
}

#[test]
fn rows_are_handed_out_while_the_lease_is_fresh() {
    let mut holdings = holdings();
    assert!(holdings.is_fresh("a", FRESH_NS - 1) && !holdings.is_fresh("a", FRESH_NS));
    assert_eq!(holdings.due(RENEW_NS), []);
    assert_eq!(holdings.due(RENEW_NS + 1), [("a".into(), 1), ("b".into(), 1)]);
    assert!(holdings.renewed("a", Renewal::Done(2), 7));
    assert_eq!(holdings.due(RENEW_NS + 1), [("b".into(), 1)]);
    assert!(holdings.is_fresh("a", FRESH_NS) && !holdings.is_fresh("c", 0));
    // Renewed by a call whose answer was lost, who knows when: it is renewed once more.
    assert!(holdings.renewed("b", Renewal::Again(3), FRESH_NS));
    assert!(!holdings.is_fresh("b", FRESH_NS));
    assert_eq!(holdings.due(RENEW_NS + 1), [("b".into(), 3)]);
}

#[test]
fn a_shard_ends_when_its_rows_are_settled() {
    let mut holdings = holdings();
    holdings.fetched("a", 5);
    assert!(holdings.enter("a", Phase::Ended) && !holdings.enter("c", Phase::Ended));
    assert!(holdings.through(Phase::Ended).is_empty() && !holdings.waits_for_settling());
    holdings.handed("a", 3, at(30));
    holdings.handed("a", 5, at(50));
    assert!(holdings.waits_for_settling());
    assert_eq!((holdings.position("a", 4), holdings.position("c", 4)), (Some(at(30)), None));
    assert!(!holdings.committed("a", 4));
    assert_eq!(holdings.position("a", 5), Some(at(50)));
    assert!(holdings.committed("a", 5));
    assert_eq!(holdings.through(Phase::Ended), [("a".into(), 5)]);
    assert!(!holdings.waits_for_settling());
}
