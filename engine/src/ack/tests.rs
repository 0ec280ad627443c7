//! What an acknowledgement must hold to.

use super::*;
use crate::testing;

fn read(named: bool) -> (Ack, Arc<Completions>) {
    let completions = Arc::new(Completions::default());
    let ids = testing::ids("orders/0", 10, 5);
    let id = ReadId { partition: 0, number: 3 };
    (
        Ack::of(Arc::new(Origin::new(id, &ids, named, SourceFacts::default(), &completions))),
        completions,
    )
}

fn dead(seq: u64) -> Failed {
    Failed { seq, code: "json_syntax".into(), message: format!("row {seq}") }
}

fn verdict(completions: &Completions) -> Option<Verdict> {
    let done = completions.take();
    assert!(done.len() <= 1, "a read completes once");
    done.first().map(|completed| completed.outcome.verdict)
}

#[test]
fn settles_when_all_branches_have() {
    let (ack, completions) = read(false);
    let mut branches = ack.fan_out(3);
    let part = branches.pop().map(|ack| ack.fan_out(2)).unwrap_or_default();
    branches.into_iter().for_each(|ack| ack.settle(Verdict::Settled));
    assert_eq!(verdict(&completions), None);
    part.into_iter().for_each(|ack| ack.settle(Verdict::Settled));
    assert_eq!(verdict(&completions), Some(Verdict::Settled));
}

#[test]
fn the_worst_verdict_wins() {
    let (ack, completions) = read(false);
    let verdicts = [Verdict::Settled, Verdict::Failed, Verdict::Settled];
    ack.fan_out(3).into_iter().zip(verdicts).for_each(|(ack, verdict)| ack.settle(verdict));
    assert_eq!(verdict(&completions), Some(Verdict::Failed));
}

#[test]
fn dropped_unsettled_is_failed_also_by_a_panic() {
    let (ack, completions) = read(false);
    drop(ack);
    assert_eq!(verdict(&completions), Some(Verdict::Failed));

    let (ack, completions) = read(false);
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _held = ack;
        std::panic::resume_unwind(Box::new("on purpose"));
    }));
    assert!(caught.is_err());
    assert_eq!(verdict(&completions), Some(Verdict::Failed));
}

#[test]
fn a_merge_keeps_one_handle_of_each_origin() {
    let (first, first_done) = read(false);
    let (second, second_done) = read(false);
    let merged = Ack::merge(first.fan_out(4).into_iter().chain(second.fan_out(2)));
    assert_eq!(merged.origins().count(), 2);
    assert_eq!((verdict(&first_done), verdict(&second_done)), (None, None));
    merged.settle(Verdict::Settled);
    assert_eq!(verdict(&first_done), Some(Verdict::Settled));
    assert_eq!(verdict(&second_done), Some(Verdict::Settled));
}

#[test]
fn dead_letters_are_named_once_and_only_when_stored() {
    let (ack, completions) = read(true);
    let mut branches = ack.fan_out(3).into_iter();
    let mut next = || branches.next().unwrap_or_default();
    next().dead_letter(vec![dead(11), dead(99)]).settle(Verdict::Settled);
    next().dead_letter(vec![dead(11), dead(12)]).settle(Verdict::Settled);
    next().settle(Verdict::Settled);
    let done = completions.take();
    let seqs: Vec<u64> = done[0].outcome.failures.iter().map(|failed| failed.seq).collect();
    assert_eq!(seqs, [11, 12], "99 is not of this read");

    let (ack, completions) = read(true);
    drop(ack.dead_letter(vec![dead(11)]));
    let done = completions.take();
    assert_eq!(done[0].outcome, Outcome { verdict: Verdict::Failed, failures: Vec::new() });
}

#[test]
fn the_first_decoder_says_how_many_records_a_read_came_to() {
    let (ack, completions) = read(false);
    let mut branches = ack.fan_out(2);
    branches[0].decoded(1, 10);
    branches[0].decoded(2, 70);
    branches[1].decoded(3, 12);
    branches.into_iter().for_each(|ack| ack.settle(Verdict::Settled));
    assert_eq!(completions.take()[0].made, Some(12));
}

#[test]
fn the_earliest_resume_and_the_latest_anchor_count() {
    let (ack, completions) = read(false);
    let partition = testing::ids("orders/0", 0, 1).partition;
    for origin in ack.origins() {
        for (node, offset) in [(1, 10), (2, 20), (1, 30)] {
            let resume = crate::batch::Resume { offset, ..Default::default() };
            origin.resume_at(node, &Arc::new(resume));
        }
        for end in [10, 30, 20] {
            let anchor = origin::Anchor { node: 4, partition: partition.clone(), end };
            origin.anchor(&anchor);
        }
    }
    ack.settle(Verdict::Settled);
    let done = completions.take();
    assert_eq!(done[0].resume.as_ref().map(|resume| resume.offset), Some(20));
    assert_eq!(done[0].anchors.iter().map(|anchor| anchor.end).collect::<Vec<_>>(), [30]);
}
