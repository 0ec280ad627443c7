//! A layered layout, by itself: boxes in ranks from top to bottom, few crossings, straight long
//! lines. Knows nothing of flows.
//!
//! Ranks by longest path; lines over several ranks get a slot in each; the order in a rank by
//! barycenters, both ways, keeping the best; positions by isotonic regression on the neighbours.

use std::collections::VecDeque;

/// A box to place, by how far it reaches from its anchor; the anchor is where lines usually meet
/// it.
#[derive(Clone, Copy, Debug)]
pub struct Block {
    /// To the left of the anchor.
    pub left: f64,
    /// To the right of the anchor.
    pub right: f64,
    /// Belongs on the last rank.
    pub last: bool,
}

/// A line from a box to one below it.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// Index of the upper box.
    pub from: usize,
    /// Index of the lower box.
    pub to: usize,
    /// Where it leaves, from the anchor.
    pub from_dx: f64,
    /// Where it arrives, from the anchor.
    pub to_dx: f64,
}

/// Where the boxes are.
#[derive(Clone, Debug, Default)]
pub struct Layered {
    /// The rank of each box.
    pub rank: Vec<usize>,
    /// The anchor of each box.
    pub x: Vec<f64>,
    /// For each link, its places in the ranks between its ends.
    pub via: Vec<Vec<f64>>,
    /// How many ranks there are.
    pub ranks: usize,
}

/// Places boxes; `gap` is the least space between two in a rank. The links must have no cycle.
/// `near` moves boxes that only send down to their receivers.
pub fn layered(blocks: &[Block], links: &[Link], gap: f64, near: bool) -> Layered {
    if blocks.is_empty() {
        return Layered::default();
    }
    let (mut rank, sorted) = ranks(blocks, links);
    if near {
        move_near(&mut rank, &sorted, links);
    }
    let mut net = Net::new(blocks, links, &rank, gap);
    net.order();
    net.place();
    net.into_layered(rank, links.len())
}

/// Longest path from above, and the boxes in topological order.
fn ranks(blocks: &[Block], links: &[Link]) -> (Vec<usize>, Vec<usize>) {
    let mut rank = vec![0; blocks.len()];
    let mut missing = vec![0; blocks.len()];
    links.iter().for_each(|link| missing[link.to] += 1);
    let mut open: VecDeque<usize> = (0..blocks.len()).filter(|&b| missing[b] == 0).collect();
    let mut seen = Vec::new();
    while let Some(block) = open.pop_front() {
        seen.push(block);
        for link in links.iter().filter(|link| link.from == block) {
            rank[link.to] = rank[link.to].max(rank[block] + 1);
            missing[link.to] -= 1;
            if missing[link.to] == 0 {
                open.push_back(link.to);
            }
        }
    }
    assert!(seen.len() == blocks.len(), "the links of a layered drawing have no cycle");
    let last = rank.iter().copied().max().unwrap_or(0);
    for (block, spec) in blocks.iter().enumerate() {
        if spec.last && !links.iter().any(|link| link.from == block) {
            rank[block] = last;
        }
    }
    (rank, seen)
}

/// What only sends moves down to its nearest receiver.
fn move_near(rank: &mut [usize], sorted: &[usize], links: &[Link]) {
    for &block in sorted.iter().rev() {
        let sends = links.iter().filter(|link| link.from == block);
        let receives = links.iter().any(|link| link.to == block);
        if let Some(nearest) = sends.map(|link| rank[link.to]).min()
            && !receives
        {
            rank[block] = nearest - 1;
        }
    }
}

/// A place in a rank: a box, or a line that passes.
#[derive(Clone, Debug)]
struct Slot {
    left: f64,
    right: f64,
    rank: usize,
    block: Option<usize>,
    link: usize,
    x: f64,
    /// Lines to slots of the rank above: slot, where the line is there, where it is here, weight.
    above: Vec<Joint>,
    below: Vec<Joint>,
}

#[derive(Clone, Copy, Debug)]
struct Joint {
    slot: usize,
    there: f64,
    here: f64,
    weight: f64,
}

struct Net {
    slots: Vec<Slot>,
    /// Slots by rank, left to right.
    order: Vec<Vec<usize>>,
    gap: f64,
}

/// Sweeps of ordering and of placing.
const SWEEPS: usize = 12;

impl Net {
    fn new(blocks: &[Block], links: &[Link], rank: &[usize], gap: f64) -> Net {
        let ranks = rank.iter().max().map_or(0, |last| last + 1);
        let mut net = Net { slots: Vec::new(), order: vec![Vec::new(); ranks], gap };
        for (index, block) in blocks.iter().enumerate() {
            net.add(rank[index], block.left, block.right, Some(index), 0);
        }
        for (index, link) in links.iter().enumerate() {
            let (mut upper, mut dx) = (link.from, link.from_dx);
            for between in rank[link.from] + 1..rank[link.to] {
                let slot = net.add(between, 4.0, 4.0, None, index);
                net.join(upper, slot, dx, 0.0);
                (upper, dx) = (slot, 0.0);
            }
            net.join(upper, link.to, dx, link.to_dx);
        }
        net
    }

    fn add(
        &mut self,
        rank: usize,
        left: f64,
        right: f64,
        block: Option<usize>,
        link: usize,
    ) -> usize {
        let (above, below) = (Vec::new(), Vec::new());
        self.slots.push(Slot { left, right, rank, block, link, x: 0.0, above, below });
        self.order[rank].push(self.slots.len() - 1);
        self.slots.len() - 1
    }

    fn join(&mut self, upper: usize, lower: usize, upper_dx: f64, lower_dx: f64) {
        let passing = [upper, lower].iter().filter(|&&s| self.slots[s].block.is_none()).count();
        let weight = [1.0, 2.0, 8.0][passing];
        let joint = Joint { slot: lower, there: lower_dx, here: upper_dx, weight };
        self.slots[upper].below.push(joint);
        let joint = Joint { slot: upper, there: upper_dx, here: lower_dx, weight };
        self.slots[lower].above.push(joint);
    }

    /// Orders the ranks for few crossings. Begins with the order in which the links are given.
    fn order(&mut self) {
        let mut seen = vec![false; self.slots.len()];
        let roots: Vec<usize> = self.order.concat();
        self.order.iter_mut().for_each(Vec::clear);
        for root in roots {
            self.visit(root, &mut seen);
        }
        let mut best = (self.crossings(), self.order.clone());
        for sweep in 0..SWEEPS {
            let down = sweep % 2 == 0;
            let ranks: Vec<usize> = if down {
                (1..self.order.len()).collect()
            } else {
                (0..self.order.len().saturating_sub(1)).rev().collect()
            };
            for rank in ranks {
                self.sort(rank, down);
            }
            let crossings = self.crossings();
            if crossings < best.0 {
                best = (crossings, self.order.clone());
            }
        }
        self.order = best.1;
    }

    /// Adds a slot, then what is below it, to the ranks.
    fn visit(&mut self, root: usize, seen: &mut [bool]) {
        let mut open = vec![root];
        while let Some(slot) = open.pop() {
            if !std::mem::replace(&mut seen[slot], true) {
                self.order[self.slots[slot].rank].push(slot);
                open.extend(self.slots[slot].below.iter().rev().map(|joint| joint.slot));
            }
        }
    }

    /// Sorts a rank by the mean place of the neighbours in the rank before.
    fn sort(&mut self, rank: usize, down: bool) {
        let before = &self.order[if down { rank - 1 } else { rank + 1 }];
        let mut place = vec![0.0; self.slots.len()];
        let mut at = 0.0;
        for &slot in before {
            place[slot] = at + self.slots[slot].left;
            at += self.slots[slot].left + self.slots[slot].right + self.gap;
        }
        let center = |at: usize, slot: usize| {
            let joints = if down { &self.slots[slot].above } else { &self.slots[slot].below };
            if joints.is_empty() {
                return None;
            }
            let sum: f64 = joints.iter().map(|joint| place[joint.slot] + joint.there).sum();
            Some((sum / joints.len() as f64, at))
        };
        let slots = self.order[rank].clone();
        let centers: Vec<Option<(f64, usize)>> =
            slots.iter().enumerate().map(|(at, &slot)| center(at, slot)).collect();
        // Slots without a neighbour keep their places; the others are sorted around them.
        let mut sorted: Vec<usize> = (0..slots.len()).filter(|&at| centers[at].is_some()).collect();
        sorted.sort_by(|&a, &b| centers[a].partial_cmp(&centers[b]).expect("no center is NaN"));
        let mut sorted = sorted.into_iter();
        self.order[rank] = (0..slots.len())
            .map(|at| match centers[at] {
                Some(_) => slots[sorted.next().expect("one for each center")],
                None => slots[at],
            })
            .collect();
    }

    fn crossings(&self) -> usize {
        let mut crossings = 0;
        let mut place = vec![0; self.slots.len()];
        for rank in &self.order {
            rank.iter().enumerate().for_each(|(at, &slot)| place[slot] = at);
        }
        for rank in &self.order {
            let mut lines: Vec<(usize, i64, usize, i64)> = Vec::new();
            for &slot in rank {
                for joint in &self.slots[slot].below {
                    let (here, there) = (joint.here as i64, joint.there as i64);
                    lines.push((place[slot], here, place[joint.slot], there));
                }
            }
            for (at, a) in lines.iter().enumerate() {
                for b in &lines[at + 1..] {
                    let top = (a.0, a.1).cmp(&(b.0, b.1));
                    let foot = (a.2, a.3).cmp(&(b.2, b.3));
                    crossings += usize::from(top == foot.reverse() && top.is_ne());
                }
            }
        }
        crossings
    }

    /// Gives every slot its x.
    fn place(&mut self) {
        for rank in 0..self.order.len() {
            let mut at = 0.0;
            for slot in self.order[rank].clone() {
                self.slots[slot].x = at + self.slots[slot].left;
                at += self.slots[slot].left + self.slots[slot].right + self.gap;
            }
        }
        let last = self.order.len();
        for sweep in 0..SWEEPS {
            // The last one goes up: senders stand straight above their receivers.
            let (above, below) = (sweep % 2 == 0, sweep % 2 == 1);
            let ranks: Vec<usize> =
                if above { (0..last).collect() } else { (0..last).rev().collect() };
            for rank in ranks {
                self.settle(rank, above, below);
            }
        }
    }

    /// Moves the slots of a rank to their neighbours, as near as order and widths allow.
    fn settle(&mut self, rank: usize, above: bool, below: bool) {
        let slots = &self.order[rank];
        let mut offset = 0.0;
        let mut offsets = Vec::with_capacity(slots.len());
        let mut wanted = Vec::with_capacity(slots.len());
        for (at, &slot) in slots.iter().enumerate() {
            if at > 0 {
                offset += self.slots[slots[at - 1]].right + self.gap + self.slots[slot].left;
            }
            offsets.push(offset);
            let (x, weight) = self.wish(slot, above, below);
            wanted.push((x - offset, weight));
        }
        let settled = isotonic(&wanted);
        for (at, slot) in self.order[rank].clone().into_iter().enumerate() {
            self.slots[slot].x = settled[at] + offsets[at];
        }
    }

    /// Where a slot would like to be, and how much.
    fn wish(&self, slot: usize, above: bool, below: bool) -> (f64, f64) {
        let slot = &self.slots[slot];
        let mut pulls: Vec<(f64, f64)> = Vec::new();
        for (joints, wanted) in [(&slot.above, above), (&slot.below, below)] {
            if wanted {
                let pull = |joint: &Joint| {
                    (self.slots[joint.slot].x + joint.there - joint.here, joint.weight)
                };
                pulls.extend(joints.iter().map(pull));
            }
        }
        if pulls.is_empty() {
            return (slot.x, 0.1);
        }
        let weight: f64 = pulls.iter().map(|pull| pull.1).sum();
        (median(&mut pulls), weight)
    }

    fn into_layered(self, rank: Vec<usize>, links: usize) -> Layered {
        let mut x = vec![0.0; rank.len()];
        let mut via = vec![Vec::new(); links];
        let least = self.slots.iter().map(|slot| slot.x - slot.left).fold(f64::MAX, f64::min);
        // Slots of a link were made from above to below.
        for slot in &self.slots {
            match slot.block {
                Some(block) => x[block] = slot.x - least,
                None => via[slot.link].push(slot.x - least),
            }
        }
        Layered { rank, x, via, ranks: self.order.len() }
    }
}

/// The weighted median; between two middle values their mean.
fn median(pulls: &mut [(f64, f64)]) -> f64 {
    pulls.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = pulls.iter().map(|pull| pull.1).sum::<f64>() / 2.0;
    let mut weight = 0.0;
    for at in 0..pulls.len() {
        weight += pulls[at].1;
        if (weight - half).abs() < 1e-9 && at + 1 < pulls.len() {
            return (pulls[at].0 + pulls[at + 1].0) / 2.0;
        }
        if weight > half {
            return pulls[at].0;
        }
    }
    pulls.last().map_or(0.0, |pull| pull.0)
}

/// The rising sequence nearest to the wanted values, by weighted squares (pool adjacent violators).
fn isotonic(wanted: &[(f64, f64)]) -> Vec<f64> {
    let mut pools: Vec<(f64, f64, usize)> = Vec::new();
    for &(value, weight) in wanted {
        pools.push((value, weight, 1));
        while let [.., (a, a_weight, a_count), (b, b_weight, b_count)] = pools[..]
            && a > b
        {
            let weight = a_weight + b_weight;
            let mean = (a * a_weight + b * b_weight) / weight;
            pools.truncate(pools.len() - 2);
            pools.push((mean, weight, a_count + b_count));
        }
    }
    pools.iter().flat_map(|&(value, _, count)| std::iter::repeat_n(value, count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOX: Block = Block { left: 50.0, right: 50.0, last: false };

    fn link(from: usize, to: usize) -> Link {
        Link { from, to, from_dx: 0.0, to_dx: 0.0 }
    }

    #[test]
    fn a_chain_is_straight() {
        let placed = layered(&[BOX; 3], &[link(0, 1), link(1, 2)], 20.0, true);
        assert_eq!(placed.rank, [0, 1, 2]);
        assert_eq!(placed.x, [50.0, 50.0, 50.0]);
    }

    #[test]
    fn boxes_of_a_rank_keep_their_distance() {
        let links = [link(0, 1), link(0, 2), link(0, 3)];
        let placed = layered(&[BOX; 4], &links, 20.0, true);
        assert_eq!(placed.rank, [0, 1, 1, 1]);
        assert!(placed.x[2] - placed.x[1] >= 119.9 && placed.x[3] - placed.x[2] >= 119.9);
        assert!((placed.x[0] - placed.x[2]).abs() < 0.1, "the sender stands above the middle");
    }

    #[test]
    fn crossings_are_taken_out() {
        let links = [link(0, 3), link(1, 2)];
        let placed = layered(&[BOX; 4], &links, 20.0, true);
        assert_eq!(placed.x[0] < placed.x[1], placed.x[3] < placed.x[2]);
    }

    #[test]
    fn long_lines_have_a_place_in_every_rank() {
        let links = [link(0, 1), link(1, 2), link(0, 2)];
        let placed = layered(&[BOX; 3], &links, 20.0, true);
        assert_eq!(placed.via[2].len(), 1);
        assert!((placed.via[2][0] - placed.x[1]).abs() >= 50.0, "it passes beside the box");
    }

    #[test]
    fn what_ends_a_flow_stands_on_the_last_rank() {
        let last = Block { last: true, ..BOX };
        let placed =
            layered(&[BOX, last, BOX, last], &[link(0, 1), link(0, 2), link(2, 3)], 20.0, true);
        assert_eq!(placed.rank, [0, 2, 1, 2]);
    }
}
