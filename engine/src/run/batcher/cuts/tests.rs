//! The intents against a model that keeps all that was ever made durable, with stores that fail
//! before or after the fact, and kills.

use super::*;

fn entry(anchor: u64, cuts: &[u64]) -> Entry {
    Entry { anchor, cuts: cuts.iter().copied().collect() }
}

#[test]
fn entries_are_printed_and_parsed() {
    for entry in [entry(0, &[]), entry(5, &[7]), entry(0, &[1, u64::MAX])] {
        assert_eq!(Entry::parse(&entry.print()), Some(entry));
    }
    assert_eq!(entry(500, &[1000, 1500, 1600]).print(), b"1 500 500x2 100x1");
    for damaged in [
        &b""[..],
        b"2 5",
        b"1",
        b"1 x",
        b"1 5 ",
        b"1 5 6x",
        b"1 5 0x1",
        b"1 9 9x9x",
        b"1 0 1x9999999",
        b"1 0 0x18446744073709551615",
        b"\xff",
    ] {
        assert_eq!(Entry::parse(damaged), None, "{damaged:?}");
    }
}

#[test]
fn an_end_that_is_delivered_is_not_recorded() {
    let mut cuts = Cuts::default();
    assert_eq!(cuts.opened([0; 16], Some(b"1 8")), Some(entry(8, &[])));
    assert!(cuts.record([([0; 16], 6), ([0; 16], 8)]).is_ok_and(|change| change.is_empty()));
}

#[test]
fn no_more_ends_are_recorded_than_can_be_read_again() {
    let mut cuts = Cuts::default();
    let most = format!("1 0 1x{CUTS_MAX}");
    assert!(cuts.opened([0; 16], Some(most.as_bytes())).is_some());
    let one_more = [([0; 16], CUTS_MAX as u64 + 1)];
    assert!(cuts.record(one_more).is_err_and(|fault| fault.code == "batches_in_flight"));
    cuts.stored(cuts.anchor([([0; 16], 1)]));
    assert!(cuts.record(one_more).is_ok_and(|change| !change.is_empty()));
}

/// All that was ever said of a partition and made durable, in order.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Said {
    End(u64),
    Anchor(u64),
}

/// What a restart should find.
fn naive(said: &[Said]) -> Entry {
    let anchors = said.iter().filter_map(|said| match said {
        Said::Anchor(end) => Some(*end),
        Said::End(_) => None,
    });
    let anchor = anchors.max().unwrap_or(0);
    let ends = said.iter().filter_map(|said| match said {
        Said::End(end) => Some(*end),
        Said::Anchor(_) => None,
    });
    Entry { anchor, cuts: ends.filter(|end| *end > anchor).collect() }
}

/// The store, what is in it by the model, and a process that may be killed.
struct World {
    stored: BTreeMap<Id, Vec<u8>>,
    said: BTreeMap<Id, Vec<Said>>,
    cuts: Cuts,
}

impl World {
    fn restart(&mut self, what: &str) {
        self.cuts = Cuts::default();
        for id in IDS {
            let found = self.cuts.opened(id, self.stored.get(&id).map(Vec::as_slice));
            let said = self.said.get(&id).map_or(&[][..], Vec::as_slice);
            assert_eq!(found, Some(naive(said)), "{what}: {said:?}");
            assert_eq!(self.cuts.get(&id), found.as_ref());
        }
    }

    /// Tells it `all`; the store takes the change or not, and says so or not.
    fn tell(&mut self, all: &[(Id, Said)], taken: bool, told: bool) {
        let ends = all.iter().map(|(id, said)| match said {
            Said::End(end) | Said::Anchor(end) => (*id, *end),
        });
        let change = match all[0].1 {
            Said::End(_) => self.cuts.record(ends).unwrap_or_else(|fault| panic!("{fault}")),
            Said::Anchor(_) => self.cuts.anchor(ends),
        };
        let before: Vec<Entry> = IDS.iter().filter_map(|id| self.cuts.get(id).cloned()).collect();
        if taken {
            self.stored.extend(change.values().map(|(id, value)| (*id, value)));
            for (id, said) in all {
                self.said.entry(*id).or_default().push(*said);
            }
        }
        if told {
            self.cuts.stored(change);
        }
        for (id, before) in IDS.iter().zip(before) {
            let now = self.cuts.get(id);
            assert!(now.is_some_and(|now| now.anchor >= before.anchor), "it never goes back");
            assert!(told || now == Some(&before), "it is believed when it is durable");
        }
    }
}

const IDS: [Id; 2] = [[1; 16], [2; 16]];

#[test]
fn a_restart_finds_what_a_naive_model_has_kept() {
    let mut restarts = 0;
    for seed in 0..500 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (stored, said) = (BTreeMap::new(), BTreeMap::new());
        let mut world = World { stored, said, cuts: Cuts::default() };
        world.restart("nothing is there");
        for step in 0..60 {
            let anchors = random.u8(0..3) == 0;
            let one = |random: &mut fastrand::Rng| {
                let end = random.u64(1..200);
                let said = if anchors { Said::Anchor(end / 2) } else { Said::End(end) };
                (IDS[random.usize(0..2)], said)
            };
            let all: Vec<(Id, Said)> = (0..random.usize(1..4)).map(|_| one(&mut random)).collect();
            match random.u8(0..8) {
                0 => {
                    // The store fails: it may have taken the change all the same.
                    let taken = random.bool();
                    world.tell(&all, taken, false);
                    if random.bool() {
                        world.tell(&all, true, true);
                    } else {
                        restarts += 1;
                        world.restart(&format!("seed {seed}, step {step}"));
                    }
                }
                _ => world.tell(&all, true, true),
            }
        }
        world.restart(&format!("seed {seed}"));
    }
    assert!(restarts > 500, "{restarts}");
}
