//! The gate as a whole, against services that are simulated by the second.

use super::*;

const SECOND: i64 = 1_000_000_000;
const WELL: End = End { well: true, throttled: false };
const FAILED: End = End { well: false, throttled: false };
const THROTTLED: End = End { well: false, throttled: true };

fn go(machine: &mut Machine, cost: Cost, now_ns: i64) -> Ticket {
    match machine.enter(cost, now_ns) {
        Entry::Go(ticket) => ticket,
        wait => panic!("{wait:?}"),
    }
}

#[test]
fn one_write_at_once_asks_for_no_time_while_all_is_well() {
    let mut machine = Machine::new(1);
    assert!(machine.is_timeless(Cost::Free));
    let ticket = go(&mut machine, Cost::Free, 0);
    assert_eq!(machine.leave(&ticket, WELL, 0), Change::None);
    assert!(!machine.is_timeless(Cost::Retry));
    assert!(!Machine::new(2).is_timeless(Cost::Free));
}

#[test]
fn tries_at_once_are_as_many_as_the_window_has() {
    let mut machine = Machine::new(8);
    let tickets: Vec<Ticket> = (0..4).map(|_| go(&mut machine, Cost::Free, 0)).collect();
    let full = Entry::Wait { at_least: None, by_breaker: false };
    assert_eq!(machine.enter(Cost::Free, 0), full);
    machine.leave(&tickets[0], THROTTLED, SECOND);
    assert_eq!(machine.enter(Cost::Retry, SECOND), full, "two now, and three are under way");
    machine.leave(&tickets[1], WELL, SECOND);
    assert_eq!(machine.enter(Cost::Retry, SECOND), full);
    machine.leave(&tickets[2], WELL, SECOND);
    go(&mut machine, Cost::Retry, SECOND);
}

#[test]
fn the_breaker_opens_and_the_next_try_that_goes_through_closes_it() {
    let mut machine = Machine::new(1);
    for second in 0..10 {
        let ticket = go(&mut machine, Cost::Retry, second * SECOND);
        assert_eq!(machine.leave(&ticket, FAILED, second * SECOND), Change::None);
    }
    let ticket = go(&mut machine, Cost::Retry, 10 * SECOND);
    assert_eq!(machine.leave(&ticket, FAILED, 10 * SECOND), Change::Opened);
    let held = Entry::Wait { at_least: Some(Duration::from_secs(1)), by_breaker: true };
    assert_eq!(machine.enter(Cost::Free, 10 * SECOND), held);
    let probe = go(&mut machine, Cost::RetryAfterTimeout, 11 * SECOND);
    assert!(probe.probe);
    assert_eq!(machine.leave(&probe, WELL, 11 * SECOND), Change::Closed);
    go(&mut machine, Cost::Free, 11 * SECOND);
}

/// Drives `writers` that always have something to write, a tenth of a second a step, against a
/// service that takes one step to answer; counts its calls, and those that went well.
fn storm(writers: usize, seconds: i64, mut well: impl FnMut(i64) -> bool) -> (u64, u64) {
    let mut machine = Machine::new(writers);
    let mut costs = vec![Cost::Free; writers];
    let mut tries: Vec<Option<Ticket>> = (0..writers).map(|_| None).collect();
    let (mut calls, mut wells) = (0, 0);
    for step in 0..seconds * 10 {
        let now_ns = step * SECOND / 10;
        for (ticket, cost) in tries.iter_mut().zip(&mut costs) {
            if let Some(ticket) = ticket.take() {
                let end = if well(step) { WELL } else { FAILED };
                wells += u64::from(end.well);
                *cost = if end.well { Cost::Free } else { Cost::Retry };
                machine.leave(&ticket, end, now_ns);
            }
            if let Entry::Go(entered) = machine.enter(*cost, now_ns) {
                calls += 1;
                *ticket = Some(entered);
            }
        }
        let under_way = tries.iter().flatten().count();
        assert_eq!(machine.trying, under_way);
        assert!(machine.aimd.size() <= writers);
    }
    (calls, wells)
}

#[test]
fn a_service_that_is_down_sees_a_hundred_retries_and_then_a_few_probes() {
    let (calls, wells) = storm(8, 3600, |_| false);
    assert_eq!(wells, 0);
    // 100 retries of the budget, one a second until the breaker opens, then one every 30 s.
    assert!((120..280).contains(&calls), "{calls}");
}

#[test]
fn a_service_that_is_sick_sees_one_retry_a_second_more_than_it_answers_well() {
    for seed in 0..20 {
        let mut random = fastrand::Rng::with_seed(seed);
        let seconds = 600;
        let (calls, wells) = storm(8, seconds, |_| random.u8(0..10) < 2);
        // Each success pays for a fifth of a retry; the breaker's probes are free, but rare.
        let retries = 100 + wells / 5 + seconds as u64;
        let most = 8 + wells + retries + seconds as u64 / 10;
        assert!(calls <= most, "seed {seed}: {calls} calls, {wells} well, {most} at most");
        assert!(wells > 100, "seed {seed}: it goes on all the same, {wells}");
    }
}

#[test]
fn a_service_that_comes_back_is_used_in_full_again() {
    let down = 100..4000;
    let (_, wells) = storm(8, 600, |step| !down.contains(&step));
    // 8 at once, 10 a second, for 210 seconds, less 30 s until a probe finds it.
    assert!(wells > 8 * 10 * 150, "{wells}");
}

#[test]
fn no_more_tries_than_the_window_and_one_probe_at_most_while_it_is_open() {
    let (mut probes, mut opened) = (0, 0);
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (most, well) = (random.usize(1..12), random.u8(0..40));
        let (mut machine, mut now_ns) = (Machine::new(most), 0);
        let mut under_way: Vec<Ticket> = Vec::new();
        for _ in 0..300 {
            now_ns += random.i64(0..SECOND);
            let cost = [Cost::Free, Cost::Retry, Cost::RetryAfterTimeout][random.usize(0..3)];
            let closed = machine.breaker.is_closed();
            let others = under_way.iter().filter(|ticket| ticket.probe).count();
            if let Entry::Go(ticket) = machine.enter(cost, now_ns) {
                assert_eq!(ticket.probe, !closed, "an open breaker lets nothing through but it");
                assert!(closed || others == 0, "seed {seed}: one probe at a time");
                assert!(!closed || under_way.len() < machine.aimd.size());
                probes += usize::from(ticket.probe);
                under_way.push(ticket);
            }
            while !under_way.is_empty() && random.u8(0..3) > 0 {
                let ticket = under_way.swap_remove(random.usize(0..under_way.len()));
                let end = match random.u8(0..100) < well {
                    true => WELL,
                    false => End { well: false, throttled: random.bool() },
                };
                let change = machine.leave(&ticket, end, now_ns);
                opened += usize::from(change == Change::Opened);
                if change == Change::Closed {
                    under_way.iter_mut().for_each(|ticket| ticket.probe = false);
                }
            }
            assert_eq!(machine.trying, under_way.len());
        }
    }
    assert!(probes > 500 && opened > 100, "{probes} {opened}");
}
