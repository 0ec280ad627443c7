//! What goes wrong, where and when.

use std::time::Duration;

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// It takes up to this much longer.
    Slow(Duration),
    /// A black hole: nothing arrives and nothing comes back, until the client's time is over.
    Hang,
    /// Not done: an error that passes.
    Transient,
    /// Not done: the service asks for less.
    Throttle,
    /// Not done: access is denied, which stops the node.
    Denied,
    /// Not done: an answer that nobody knows.
    Unknown,
    /// Done, but the reply is lost: told as a timeout.
    LostReply,
    /// Told as a timeout, and done later, up to this much.
    Late(Duration),
    /// Of the rows of a call, the share is not taken this time: see
    /// [`Touch::again`](super::Touch::again).
    Partial,
    /// Of the rows of a call, the share is refused for good, the same in every call: see
    /// [`Touch::refuses`](super::Touch::refuses).
    Refused,
    /// The client's code panics.
    Panic,
    /// Not done: no space is left.
    DiskFull,
    /// A sync fails: what was written since the last one may be there or not.
    SyncFails,
}

impl Kind {
    /// Its name, as counted and printed.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Slow(_) => "slow",
            Kind::Hang => "hang",
            Kind::Transient => "transient",
            Kind::Throttle => "throttle",
            Kind::Denied => "denied",
            Kind::Unknown => "unknown",
            Kind::LostReply => "lost reply",
            Kind::Late(_) => "late request",
            Kind::Partial => "partial",
            Kind::Refused => "refused",
            Kind::Panic => "panic",
            Kind::DiskFull => "disk full",
            Kind::SyncFails => "sync fails",
        }
    }
}

/// A stretch of simulated time in which something happens to calls of a service.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// The service's name, as given to [`Service::new`](super::Service::new).
    pub service: String,
    /// The operation; `None` = all.
    pub op: Option<String>,
    /// Since the world's beginning.
    pub from: Duration,
    /// Since the world's beginning; not included.
    pub until: Duration,
    /// What happens.
    pub kind: Kind,
    /// To how many of 1,000 calls (of rows, where the kind is about rows).
    pub share: u32,
}

impl Window {
    /// It is about a call at this time.
    pub fn covers(&self, service: &str, op: &str, at: Duration) -> bool {
        self.from <= at
            && at < self.until
            && self.service == service
            && self.op.as_ref().is_none_or(|of| of == op)
    }
}

/// All windows of a world.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    /// In any order; where several of one kind cover a call, each has its chance.
    pub windows: Vec<Window>,
}

impl Faults {
    /// Draws `count` windows for services, within `span`: mostly seconds long, some minutes, with
    /// all or some of the calls. `kinds` are those that may happen.
    pub fn draw(
        random: &mut fastrand::Rng,
        services: &[&str],
        kinds: &[Kind],
        span: Duration,
        count: usize,
    ) -> Faults {
        let mut windows = Vec::with_capacity(count);
        for _ in 0..count {
            let service = services[random.usize(0..services.len())].to_owned();
            let kind = kinds[random.usize(0..kinds.len())];
            let long_ms = match random.u8(0..10) {
                0..5 => random.u64(100..5_000),
                5..9 => random.u64(5_000..60_000),
                _ => random.u64(60_000..400_000),
            };
            let from = Duration::from_millis(random.u64(0..span.as_millis().max(1) as u64));
            let until = (from + Duration::from_millis(long_ms)).min(span);
            let share = match random.u8(0..4) {
                0 => 1_000,
                1 => random.u32(300..1_000),
                _ => random.u32(10..300),
            };
            windows.push(Window { service, op: None, from, until, kind, share });
        }
        Faults { windows }
    }

    /// Those that cover a call, with the share of each.
    pub fn at<'a>(
        &'a self,
        service: &'a str,
        op: &'a str,
        at: Duration,
    ) -> impl Iterator<Item = &'a Window> {
        self.windows.iter().filter(move |window| window.covers(service, op, at))
    }

    /// When the last one is over.
    pub fn end(&self) -> Duration {
        self.windows.iter().map(|window| window.until).max().unwrap_or_default()
    }
}
