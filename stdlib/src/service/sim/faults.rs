//! What a seed brings to a run: windows in which services and the network are sick, crashes and
//! stops of the process. All of it ends before the run does, so that it can be asked for progress.

use super::name;
use dsl::ast::ResourceKind;
use dsl::plan::Plan;
use engine::sim::{Faults, Kind, Window, World};
use std::collections::BTreeMap;
use std::time::Duration;

/// How a process is broken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interruption {
    /// It is gone from one moment to the next.
    Crash,
    /// It is told to stop, and drains.
    Stop,
}

/// All that goes wrong in a run.
#[derive(Clone, Debug, Default)]
pub struct Schedule {
    /// Sick services.
    pub faults: Faults,
    /// Crashes and stops, in order, since the world's beginning.
    pub interruptions: Vec<(Duration, Interruption)>,
    /// From here on nothing goes wrong; zero = nothing ever does.
    pub ends: Duration,
    /// How long the input takes to come, about.
    pub input: Duration,
}

/// The services that a plan uses.
pub fn services(plan: &Plan) -> Vec<&'static str> {
    let mut used = vec![name::CHECKPOINTS];
    for node in plan.graph.node_weights() {
        let resource = node.resource.map(|index| &plan.resources[index]);
        let redshift = |service: &str| service == "redshift";
        used.push(match (node.op.as_str(), resource.map(|resource| resource.kind)) {
            ("http.post" | "http.serve", _) => name::NETWORK,
            ("file.write", _) => name::FILES,
            ("bucket.append" | "delivery.read", _) => name::STREAMS,
            (_, Some(ResourceKind::Stream | ResourceKind::Delivery)) => name::STREAMS,
            (_, Some(ResourceKind::Bucket)) => name::OBJECTS,
            (_, Some(ResourceKind::Table)) => {
                let binding = resource.and_then(|resource| resource.binding.as_ref());
                match binding.is_some_and(|binding| redshift(&binding.service)) {
                    true => name::WAREHOUSE,
                    false => name::TABLES,
                }
            }
            _ => continue,
        });
    }
    used.sort_unstable();
    used.dedup();
    used
}

impl Schedule {
    /// What the world's seed brings in so long a time.
    pub fn draw(world: &World, long: Duration, services: &[&str]) -> Schedule {
        let mut random = world.random("schedule");
        let ends = long.mul_f64(0.9);
        let mut schedule = Schedule {
            ends, // Most of it comes while things go wrong.
            input: long.mul_f64(1.02 + 0.2 * random.f64()),
            ..Schedule::default()
        };
        let hours = long.as_secs_f64() / 3600.0;
        let count = 4 + (hours * (10.0 + 30.0 * random.f64())) as usize;
        for _ in 0..count {
            schedule.faults.windows.push(window(&mut random, ends, services));
        }
        schedule.faults.windows.sort_by_key(|window| window.from);
        // Some seeds break off every half minute, some hardly ever.
        let mean_s = 30.0 * 40_f64.powf(random.f64());
        let mut at = Duration::ZERO;
        loop {
            at += Duration::from_secs_f64(0.05 - mean_s * (1.0 - random.f64()).ln());
            if at >= ends {
                return schedule;
            }
            let crash = random.f64() < 0.75;
            let how = if crash { Interruption::Crash } else { Interruption::Stop };
            schedule.interruptions.push((at, how));
        }
    }

    /// How many windows there are of each kind.
    pub fn kinds(&self) -> BTreeMap<&'static str, usize> {
        let mut kinds = BTreeMap::new();
        for window in &self.faults.windows {
            *kinds.entry(window.kind.name()).or_default() += 1;
        }
        kinds
    }
}

fn window(random: &mut fastrand::Rng, ends: Duration, services: &[&str]) -> Window {
    let service = services[random.usize(0..services.len())];
    let kinds = kinds(service);
    let kind = match kinds[random.usize(0..kinds.len())] {
        Kind::Slow(most) => Kind::Slow(most.mul_f64(random.f64())),
        kind => kind,
    };
    // From half a second to ten minutes; what stops a node is over sooner.
    let longest: f64 = if kind == Kind::Denied { 120.0 } else { 1200.0 };
    let length = Duration::from_secs_f64(0.5 * longest.powf(random.f64())).min(ends / 2);
    let from = (ends - length).mul_f64(random.f64());
    let share = match random.u8(0..4) {
        0 if kind != Kind::Hang => 1_000,
        1 => random.u32(300..900),
        _ => random.u32(10..300),
    };
    let (service, until) = (service.to_owned(), from + length);
    Window { service, op: None, from, until, kind, share }
}

/// What can go wrong with a service.
fn kinds(service: &str) -> &'static [Kind] {
    const SLOW: Kind = Kind::Slow(Duration::from_secs(8));
    const LATE: Kind = Kind::Late(Duration::from_secs(60));
    match service {
        name::NETWORK => &[SLOW, Kind::Transient, Kind::LostReply, Kind::LostReply, Kind::Hang],
        // Records have ids, so that a request that comes late does no harm.
        name::STREAMS => &[
            SLOW,
            Kind::Transient,
            Kind::Throttle,
            Kind::Denied,
            Kind::LostReply,
            Kind::Partial,
            Kind::Partial,
            Kind::Hang,
            LATE,
        ],
        name::TABLES => &[
            SLOW,
            Kind::Transient,
            Kind::Throttle,
            Kind::Denied,
            Kind::LostReply,
            Kind::Partial,
            Kind::Partial,
            Kind::Hang,
        ],
        name::OBJECTS | name::WAREHOUSE => &[
            SLOW,
            Kind::Transient,
            Kind::Throttle,
            Kind::Denied,
            Kind::LostReply,
            Kind::Hang,
            LATE,
        ],
        name::FILES => &[SLOW, Kind::DiskFull],
        _ => &[SLOW, Kind::Transient, Kind::Throttle, Kind::Denied, Kind::LostReply, Kind::Hang],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_brings_the_same_faults_and_all_end_in_time() {
        let long = Duration::from_secs(3600);
        for seed in 0..200 {
            let draw = || Schedule::draw(&World::new(seed), long, &[name::STREAMS, name::NETWORK]);
            let schedule = draw();
            assert_eq!(format!("{schedule:?}"), format!("{:?}", draw()));
            assert!(schedule.faults.windows.len() >= 4);
            assert!(schedule.faults.end() <= schedule.ends && schedule.ends < long);
            assert!(schedule.interruptions.iter().all(|(at, _)| *at < schedule.ends));
        }
    }
}
