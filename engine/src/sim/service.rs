//! A simulated service, seen through its client.

use super::faults::Kind;
use super::world::World;
use crate::fault::Fault;
use std::time::Duration;

/// How long the calls of a service take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Latency {
    /// Half a round trip at least.
    pub least: Duration,
    /// Half a round trip at most, without a fault.
    pub most: Duration,
    /// How long the client waits for an answer.
    pub timeout: Duration,
}

impl Default for Latency {
    /// 1 to 10 ms each way, and 30 s.
    fn default() -> Latency {
        let (least, most) = (Duration::from_millis(1), Duration::from_millis(10));
        Latency { least, most, timeout: Duration::from_secs(30) }
    }
}

/// The client of a simulated service, with a network between them. The state of the service is the
/// caller's: what the requests change.
#[derive(Clone, Debug)]
pub struct Service {
    world: World,
    name: String,
    latency: Latency,
    local: bool,
}

/// What the faults of the moment do to the rows of one call.
#[derive(Clone, Debug)]
pub struct Touch {
    random: fastrand::Rng,
    partial: u32,
    refused: u32,
    seed: u64,
}

impl Touch {
    /// A call to whose rows nothing happens.
    pub fn none() -> Touch {
        Touch { random: fastrand::Rng::with_seed(0), partial: 0, refused: 0, seed: 0 }
    }

    /// Some rows of this call are not taken this time.
    pub fn is_partial(&self) -> bool {
        self.partial > 0
    }

    /// The next row is not taken this time.
    pub fn again(&mut self) -> bool {
        self.partial > 0 && self.random.u32(0..1_000) < self.partial
    }

    /// The row of that key is refused for good; the same as long as the window lasts.
    pub fn refuses(&self, key: u64) -> bool {
        self.refused > 0 && fastrand::Rng::with_seed(self.seed ^ key).u32(0..1_000) < self.refused
    }
}

/// What happens to one call, decided when it begins.
struct Fate {
    slower: Duration,
    there: Duration,
    back: Duration,
    kind: Option<Kind>,
    touch: Touch,
    orphan: Orphan,
}

/// What becomes of a request whose caller is gone. It is decided when the call begins, so that the
/// order in which a crash drops tasks decides nothing.
#[derive(Clone, Copy)]
struct Orphan {
    /// The call, in the order of all.
    number: u64,
    /// When it arrives; `None` = never.
    after: Option<Duration>,
}

impl Service {
    /// The client of the service of that name.
    pub fn new(world: &World, name: &str, latency: Latency) -> Service {
        Service { world: world.clone(), name: name.to_owned(), latency, local: false }
    }

    /// There is no network in between: a request whose caller is gone is never done.
    pub fn local(self) -> Service {
        Service { local: true, ..self }
    }

    /// The world it is in.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Sends a request, which changes the service's state when it arrives, and waits for the reply.
    ///
    /// Dropped before the request has arrived (by a crash, or because the caller has given up), it
    /// arrives all the same, now or later, or never.
    ///
    /// # Errors
    /// The faults of the moment. After a timeout the request may have been done, or may be done
    /// later.
    ///
    /// # Panics
    /// Where a window of [`Kind::Panic`] says so.
    pub async fn call<R: Send + 'static>(
        &self,
        op: &'static str,
        request: impl FnOnce(&mut Touch) -> R + Send + 'static,
    ) -> Result<R, Fault> {
        self.world.point().await;
        self.world.deliver_due();
        let fate = self.fate(op);
        self.world.event(op, &[fate.kind.map_or(0, code), fate.there.as_micros() as u64]);
        if let Some(kind) = fate.kind {
            self.world.count(kind.name());
        }
        let Fate { slower, there, back, kind, touch, orphan } = fate;
        let world = self.world.clone();
        let mut wire = Wire { world, orphan, request: Some((request, touch)) };
        match kind {
            Some(Kind::Panic) => {
                wire.forget();
                panic!("on purpose, in {}", self.name)
            }
            Some(Kind::Late(most)) => {
                tokio::time::sleep(self.latency.timeout).await;
                let after = self.world.draw("late", |random, _| most.mul_f64(random.f64()));
                wire.orphan.after = Some(after);
                drop(wire);
                return Err(self.timeout(op));
            }
            Some(Kind::Hang) => {
                wire.forget();
                tokio::time::sleep(self.latency.timeout).await;
                return Err(self.timeout(op));
            }
            Some(kind) if kind != Kind::LostReply => {
                wire.forget();
                tokio::time::sleep(there + back).await;
                return Err(self.refusal(op, kind));
            }
            _ => (),
        }
        tokio::time::sleep(there + slower).await;
        self.world.point().await;
        // Requests that were sent earlier and are late may have come in between.
        self.world.deliver_due();
        let reply = wire.deliver();
        self.world.point().await;
        if kind == Some(Kind::LostReply) {
            tokio::time::sleep(self.latency.timeout).await;
            return Err(self.timeout(op));
        }
        tokio::time::sleep(back).await;
        Ok(reply)
    }

    fn fate(&self, op: &str) -> Fate {
        let at = self.world.now();
        let Latency { least, most, .. } = self.latency;
        let number = self.world.next_call();
        self.world.draw(&self.name, |random, faults| {
            let mut way = || {
                let most_us = most.as_micros().max(least.as_micros()) as u64;
                Duration::from_micros(random.u64(least.as_micros() as u64..=most_us))
            };
            let (there, back) = (way(), way());
            let seed = random.u64(..);
            let touch = Touch { random: random.fork(), partial: 0, refused: 0, seed: 0 };
            let after = match random.u8(0..3) {
                0 => None,
                1 => Some(Duration::ZERO),
                _ => Some(Duration::from_millis(random.u64(0..60_000))),
            };
            let orphan = Orphan { number, after: after.filter(|_| !self.local) };
            let slower = Duration::ZERO;
            let mut fate = Fate { slower, there, back, kind: None, touch, orphan };
            for window in faults.at(&self.name, op, at) {
                match window.kind {
                    Kind::Partial => fate.touch.partial = fate.touch.partial.max(window.share),
                    Kind::Refused => fate.touch.refused = fate.touch.refused.max(window.share),
                    _ if random.u32(0..1_000) >= window.share => (),
                    Kind::Slow(most) => {
                        fate.slower += most.mul_f64(random.f64());
                    }
                    kind => fate.kind = fate.kind.or(Some(kind)),
                }
            }
            fate.touch.seed = seed;
            fate
        })
    }

    fn timeout(&self, op: &str) -> Fault {
        Fault::timeout("timeout", format!("{} has not answered {op} in time", self.name))
    }

    fn refusal(&self, op: &str, kind: Kind) -> Fault {
        let message = format!("{} does not do {op}: {}", self.name, kind.name());
        match kind {
            Kind::Throttle => Fault::throttle("throttled", message),
            Kind::Denied => Fault::service("access_denied", message),
            Kind::Unknown => Fault::unknown("unheard_of", message),
            Kind::DiskFull => Fault::service("disk_full", message),
            Kind::SyncFails => Fault::service("sync", message),
            _ => Fault::transient("unavailable", message),
        }
    }
}

/// The kind as a number of the trace.
fn code(kind: Kind) -> u64 {
    kind.name().bytes().fold(1, |sum, byte| sum * 31 % 65_521 + u64::from(byte))
}

/// A request on its way: dropped, it may arrive all the same.
struct Wire<R, F: FnOnce(&mut Touch) -> R + Send + 'static> {
    world: World,
    orphan: Orphan,
    request: Option<(F, Touch)>,
}

impl<R, F: FnOnce(&mut Touch) -> R + Send + 'static> Wire<R, F> {
    fn deliver(mut self) -> R {
        let (request, mut touch) = self.request.take().expect("it is sent once");
        request(&mut touch)
    }

    /// It never arrives.
    fn forget(mut self) {
        self.request = None;
    }
}

impl<R, F: FnOnce(&mut Touch) -> R + Send + 'static> Drop for Wire<R, F> {
    fn drop(&mut self) {
        let Orphan { number, after } = self.orphan;
        if let (Some(after), Some((request, mut touch))) = (after, self.request.take()) {
            let late = move || drop(request(&mut touch));
            self.world.deliver_later(after, number, Box::new(late));
        }
    }
}
