//! Which shards may be read: parents to their end before children. Pure.

use super::options::From;
use crate::service::aws::leases::position::Checkpoint;
use crate::service::aws::leases::row::Lease;
use aws_sdk_kinesis::types::Shard;
use std::collections::{BTreeMap, BTreeSet};

/// The shards of a stream, as they were listed.
#[derive(Debug, Default)]
pub struct Lineage {
    shards: BTreeMap<String, Member>,
}

#[derive(Debug)]
struct Member {
    parents: Vec<String>,
    hashes: Option<(String, String)>,
    is_open: bool,
}

impl Lineage {
    /// Of a listing.
    pub fn new(listed: &[Shard]) -> Lineage {
        let member = |shard: &Shard| {
            let parents = [&shard.parent_shard_id, &shard.adjacent_parent_shard_id];
            let numbers = shard.sequence_number_range.as_ref();
            let hashes = shard.hash_key_range.as_ref();
            let hash = |hashes: &aws_sdk_kinesis::types::HashKeyRange| {
                (hashes.starting_hash_key.clone(), hashes.ending_hash_key.clone())
            };
            let member = Member {
                parents: parents.into_iter().flatten().cloned().collect(),
                hashes: hashes.map(hash),
                is_open: numbers.is_none_or(|numbers| numbers.ending_sequence_number.is_none()),
            };
            (shard.shard_id.clone(), member)
        };
        Lineage { shards: listed.iter().map(member).collect() }
    }

    /// The leases that are to be made now.
    pub fn missing(&self, leases: &BTreeMap<String, Lease>, from: From) -> Vec<Lease> {
        let begun = self.ancestors_of(leases.keys());
        let missing = self.shards.iter().filter(|(shard, _)| !leases.contains_key(*shard));
        missing
            .filter(|(shard, _)| !begun.contains(*shard))
            .filter_map(|(shard, member)| {
                let checkpoint = self.begin(shard, member, leases, from)?;
                let lease = Lease::new(shard, checkpoint, member.parents.clone());
                Some(Lease { hashes: member.hashes.clone(), ..lease })
            })
            .collect()
    }

    /// Where a shard that has no lease begins; `None` = not now, or never.
    fn begin(
        &self,
        shard: &str,
        member: &Member,
        leases: &BTreeMap<String, Lease>,
        from: From,
    ) -> Option<Checkpoint> {
        let mut ancestors = self.ancestors_of([shard]);
        // Parents that the stream has forgotten may have a lease all the same.
        ancestors.extend(member.parents.iter().cloned());
        let is_child = ancestors.iter().any(|ancestor| leases.contains_key(ancestor));
        if !is_child {
            let is_root = !member.parents.iter().any(|parent| self.shards.contains_key(parent));
            return match from {
                From::TrimHorizon if is_root => Some(Checkpoint::TrimHorizon),
                From::At(_) if is_root => Some(Checkpoint::AtTimestamp),
                From::Latest if member.is_open => Some(Checkpoint::Latest),
                _ => None,
            };
        }
        let is_through = |parent: &String| match leases.get(parent) {
            Some(lease) => lease.is_ended(),
            None => !self.shards.contains_key(parent) || self.is_never_read(parent, leases, from),
        };
        let begin = match from {
            From::At(_) => Checkpoint::AtTimestamp,
            _ => Checkpoint::TrimHorizon,
        };
        member.parents.iter().all(is_through).then_some(begin)
    }

    /// A shard that had ended before a reader began with the latest.
    fn is_never_read(&self, shard: &str, leases: &BTreeMap<String, Lease>, from: From) -> bool {
        let is_closed = self.shards.get(shard).is_none_or(|member| !member.is_open);
        let ancestors = self.ancestors_of([shard]);
        from == From::Latest && is_closed && !ancestors.iter().any(|one| leases.contains_key(one))
    }

    /// All ancestors of shards that are still listed.
    fn ancestors_of<S: AsRef<str>>(&self, of: impl IntoIterator<Item = S>) -> BTreeSet<String> {
        let parents = |shard: &str| {
            self.shards.get(shard).map(|member| member.parents.clone()).unwrap_or_default()
        };
        let mut found = BTreeSet::new();
        let mut next: Vec<String> =
            of.into_iter().flat_map(|shard| parents(shard.as_ref())).collect();
        while let Some(shard) = next.pop() {
            if self.shards.contains_key(&shard) && found.insert(shard.clone()) {
                next.extend(parents(&shard));
            }
        }
        found
    }

    /// Leases that nobody needs any more: of shards at their end that the stream has forgotten and
    /// whose children are begun.
    pub fn forgotten(&self, leases: &BTreeMap<String, Lease>) -> Vec<String> {
        let waited_for = |shard: &String| {
            let mut unbegun = self.shards.iter().filter(|(child, _)| !leases.contains_key(*child));
            unbegun.any(|(_, member)| member.parents.contains(shard))
        };
        let gone = leases.values().filter(|lease| lease.is_ended());
        let gone = gone.map(|lease| &lease.shard).filter(|shard| !self.shards.contains_key(*shard));
        gone.filter(|shard| !self.shards.is_empty() && !waited_for(shard)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_kinesis::types::SequenceNumberRange;

    fn lineage(shards: &[(&str, &[&str], bool)]) -> Lineage {
        let listed: Vec<Shard> = shards
            .iter()
            .map(|(name, parents, open)| {
                let numbers = SequenceNumberRange::builder()
                    .starting_sequence_number("1")
                    .set_ending_sequence_number((!open).then(|| "2".into()));
                let shard = Shard::builder().shard_id(*name);
                let parent = |at: usize| parents.get(at).map(|parent| (*parent).to_owned());
                let shard = shard.sequence_number_range(numbers.build().unwrap());
                let shard = shard.set_parent_shard_id(parent(0));
                shard.set_adjacent_parent_shard_id(parent(1)).build().unwrap()
            })
            .collect();
        Lineage::new(&listed)
    }

    fn leases(of: &[(&str, Checkpoint)]) -> BTreeMap<String, Lease> {
        let lease = |shard: &str, checkpoint: &Checkpoint| {
            Lease::new(shard, checkpoint.clone(), Vec::new())
        };
        of.iter().map(|(shard, at)| ((*shard).to_owned(), lease(shard, at))).collect()
    }

    fn missing(
        lineage: &Lineage,
        has: &BTreeMap<String, Lease>,
        from: From,
    ) -> Vec<(String, Checkpoint)> {
        let missing = lineage.missing(has, from);
        missing.into_iter().map(|lease| (lease.shard, lease.checkpoint)).collect()
    }

    const END: Checkpoint = Checkpoint::ShardEnd;
    const HORIZON: Checkpoint = Checkpoint::TrimHorizon;

    /// `a` is split into `b` and `c`, which are merged into `d`.
    fn diamond() -> Lineage {
        lineage(&[
            ("a", &[], false),
            ("b", &["a"], false),
            ("c", &["a"], false),
            ("d", &["b", "c"], true),
        ])
    }

    #[test]
    fn a_new_reader_begins_with_the_oldest_or_the_open() {
        let none = BTreeMap::new();
        let begins = |from| missing(&diamond(), &none, from);
        assert_eq!(begins(From::TrimHorizon), [("a".into(), HORIZON)]);
        assert_eq!(begins(From::At(5)), [("a".into(), Checkpoint::AtTimestamp)]);
        assert_eq!(begins(From::Latest), [("d".into(), Checkpoint::Latest)]);
        let forgot = lineage(&[("c", &["a"], false), ("d", &["b", "c"], true)]);
        assert_eq!(missing(&forgot, &none, From::TrimHorizon), [("c".into(), HORIZON)]);
    }

    #[test]
    fn children_begin_when_all_parents_are_through() {
        let shards = diamond();
        let begins = |has: &[(&str, Checkpoint)]| {
            let missing = missing(&shards, &leases(has), From::TrimHorizon);
            missing.into_iter().map(|(shard, _)| shard).collect::<Vec<_>>()
        };
        assert_eq!(begins(&[("a", HORIZON)]), [] as [&str; 0]);
        assert_eq!(begins(&[("a", END)]), ["b", "c"]);
        assert_eq!(begins(&[("a", END), ("b", HORIZON), ("c", END)]), [] as [&str; 0]);
        assert_eq!(begins(&[("a", END), ("b", END)]), ["c"]);
        assert_eq!(begins(&[("a", END), ("b", END), ("c", END)]), ["d"]);
        assert_eq!(
            begins(&[("b", END), ("c", END)]),
            ["d"],
            "the lease of `a` is gone: it was read"
        );
        assert_eq!(begins(&[("d", HORIZON)]), [] as [&str; 0]);
    }

    #[test]
    fn children_of_a_reader_of_the_latest_are_read_from_their_beginning() {
        let shards = lineage(&[
            ("old", &[], false),
            ("a", &["old"], false),
            ("b", &["a"], true),
            ("c", &["a"], false),
            ("d", &["c"], true),
        ]);
        let at = leases(&[("a", END)]);
        let begun = missing(&shards, &at, From::Latest);
        assert_eq!(begun, [("b".into(), HORIZON), ("c".into(), HORIZON)]);
    }

    #[test]
    fn leases_of_forgotten_shards_go_when_their_children_have_begun() {
        let shards = lineage(&[("b", &["a"], true), ("c", &["a"], true)]);
        assert_eq!(shards.forgotten(&leases(&[("a", END), ("b", HORIZON)])), [] as [&str; 0]);
        let all = leases(&[("a", END), ("b", HORIZON), ("c", HORIZON)]);
        assert_eq!(shards.forgotten(&all), ["a"]);
        assert_eq!(Lineage::default().forgotten(&all), [] as [&str; 0]);
    }

    /// Any history of splits and merges: each shard is begun exactly once, after its parents.
    #[test]
    fn any_history_is_read_once_parents_first() {
        for seed in 0..200 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut all: Vec<(String, Vec<String>, bool)> = vec![("s000".into(), vec![], true)];
            for _ in 0..random.usize(0..12) {
                let open: Vec<usize> = (0..all.len()).filter(|at| all[*at].2).collect();
                let (of, into) = match random.bool() && open.len() > 1 {
                    true => (open[..2].to_vec(), 1),
                    false => (vec![open[random.usize(0..open.len())]], 2),
                };
                let parents: Vec<String> = of.iter().map(|at| all[*at].0.clone()).collect();
                of.iter().for_each(|at| all[*at].2 = false);
                for _ in 0..into {
                    all.push((format!("s{:03}", all.len()), parents.clone(), true));
                }
            }
            let names: Vec<Vec<&str>> =
                all.iter().map(|one| one.1.iter().map(String::as_str).collect()).collect();
            let listed: Vec<(&str, &[&str], bool)> =
                all.iter().zip(&names).map(|(one, of)| (&*one.0, &**of, one.2)).collect();
            let shards = lineage(&listed);
            let mut has: BTreeMap<String, Lease> = BTreeMap::new();
            for _ in 0..40 {
                for lease in shards.missing(&has, From::TrimHorizon) {
                    let ended = |parent: &String| has.get(parent).is_some_and(Lease::is_ended);
                    assert!(lease.parents.iter().all(ended), "seed {seed}: {}", lease.shard);
                    assert!(has.insert(lease.shard.clone(), lease).is_none());
                }
                let reading: Vec<String> = has
                    .values()
                    .filter(|one| !one.is_ended() && !shards.shards[&one.shard].is_open)
                    .map(|one| one.shard.clone())
                    .collect();
                if let Some(shard) = random.choice(&reading) {
                    has.entry(shard.clone()).and_modify(|lease| lease.checkpoint = END);
                }
            }
            assert_eq!(has.len(), all.len(), "seed {seed}");
        }
    }
}
