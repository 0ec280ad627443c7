//! Failpoints: named moments, between two durable steps, at which a test makes the program crash,
//! fail, panic or wait. They are in every build, and cost one look at an `Option` where none is
//! armed.
//!
//! A handle is passed by value, like a clock: in [`Ctx`](crate::ctx::Ctx) and into the services.
//! What a crash is, who arms the failpoints says: the program ends at once, a simulation drops all
//! that was not made durable.

use crate::fault::Fault;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// The failpoints of the engine: name, and what has happened when it is reached.
pub const NAMES: &[(&str, &str)] = &[
    ("batch.record", "batches are closed, their ends are not stored"),
    ("batch.recorded", "the ends of batches are stored, the batches are not sent"),
    ("batch.sent", "a batch is on its way to the next node"),
    ("batch.anchor", "rows are settled, the anchor of their batches is not stored"),
    ("batch.anchored", "the anchor is stored, the position of the source is not"),
    ("sink.write", "rows are about to be written"),
    ("sink.written", "rows are written, and not acknowledged"),
    ("sink.close", "all rows are written, the sink is not closed"),
    ("source.settled", "reads are settled, nobody is told"),
    ("source.commit", "the position of a source is about to be committed"),
    ("source.committed", "the position of a source is committed"),
];

/// What happens at a failpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The process ends at once, as by `kill -9`.
    Crash,
    /// The step fails with an I/O error.
    Error,
    /// The code panics.
    Panic,
    /// The thread stands still for a while.
    Pause,
}

/// An action at one failpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failpoint {
    /// Its name.
    pub name: String,
    /// At which hit, from 1.
    pub nth: u64,
    /// What happens then.
    pub action: Action,
}

impl Failpoint {
    /// Reads `NAME=ACTION` or `NAME:NTH=ACTION`; ACTION is `crash`, `error`, `panic` or `pause`.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Failpoint, String> {
        let (place, action) = text.split_once('=').ok_or("write NAME=ACTION or NAME:NTH=ACTION")?;
        let (name, nth) = place.split_once(':').unwrap_or((place, "1"));
        let nth = nth.parse().ok().filter(|nth| *nth > 0);
        let nth = nth.ok_or("NTH is the number of the hit, from 1")?;
        let action = match action {
            "crash" => Action::Crash,
            "error" => Action::Error,
            "panic" => Action::Panic,
            "pause" => Action::Pause,
            _ => return Err(format!("no action `{action}`: crash, error, panic or pause")),
        };
        Ok(Failpoint { name: name.to_owned(), nth, action })
    }
}

/// The handle that is passed on. The default one has nothing armed.
#[derive(Clone, Default)]
pub struct Failpoints {
    armed: Option<Arc<Armed>>,
}

struct Armed {
    points: Vec<Failpoint>,
    hits: Mutex<BTreeMap<&'static str, u64>>,
    outside: Box<dyn Fn(Action, &'static str) + Send + Sync>,
}

impl Failpoints {
    /// Arms failpoints, and counts all hits. `outside` crashes or pauses; where it comes back from
    /// a crash, the step fails and so must the rest of the run.
    pub fn armed(
        points: Vec<Failpoint>,
        outside: impl Fn(Action, &'static str) + Send + Sync + 'static,
    ) -> Failpoints {
        let outside = Box::new(outside);
        Failpoints { armed: Some(Arc::new(Armed { points, hits: Mutex::default(), outside })) }
    }

    /// The code has come to this moment.
    ///
    /// # Errors
    /// The failpoint is armed to fail here.
    #[inline]
    pub fn hit(&self, name: &'static str) -> io::Result<()> {
        match &self.armed {
            None => Ok(()),
            Some(armed) => armed.hit(name),
        }
    }

    /// The same where a fault is wanted: one that stops the node.
    ///
    /// # Errors
    /// The failpoint is armed to fail here.
    #[inline]
    pub fn pass(&self, name: &'static str) -> Result<(), Fault> {
        self.hit(name).map_err(|error| Fault::service("failpoint", error.to_string()))
    }

    /// How often each name was hit; nothing where nothing is armed.
    pub fn hits(&self) -> BTreeMap<&'static str, u64> {
        self.armed.as_ref().map(|armed| armed.lock().clone()).unwrap_or_default()
    }
}

impl Armed {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, u64>> {
        self.hits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cold]
    fn hit(&self, name: &'static str) -> io::Result<()> {
        let number = {
            let mut hits = self.lock();
            let number = hits.entry(name).or_default();
            *number += 1;
            *number
        };
        let armed = self.points.iter().find(|point| point.name == name && point.nth == number);
        match armed.map(|point| point.action) {
            None => Ok(()),
            Some(Action::Pause) => {
                (self.outside)(Action::Pause, name);
                Ok(())
            }
            Some(Action::Panic) => panic!("failpoint {name}"),
            Some(Action::Error) => Err(io::Error::other(format!("failpoint {name}"))),
            Some(Action::Crash) => {
                (self.outside)(Action::Crash, name);
                Err(io::Error::other(format!("crashed at failpoint {name}")))
            }
        }
    }
}

impl fmt::Debug for Failpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let points = self.armed.as_ref().map(|armed| &armed.points);
        f.debug_struct("Failpoints").field("armed", &points).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_happens_at_its_hit_and_only_there() {
        let point = Failpoint::parse("sink.write:2=error").unwrap();
        let points = Failpoints::armed(vec![point], |_, _| ());
        assert!(points.hit("sink.write").is_ok());
        assert!(points.hit("sink.written").is_ok());
        let error = points.pass("sink.write").unwrap_err();
        assert_eq!(
            (error.code.as_str(), error.message.as_str()),
            ("failpoint", "failpoint sink.write")
        );
        assert!(points.clone().hit("sink.write").is_ok());
        assert_eq!(points.hits(), [("sink.write", 3), ("sink.written", 1)].into());
        assert!(Failpoints::default().hits().is_empty());
    }

    #[test]
    fn a_crash_is_what_the_outside_makes_it() {
        let crashed = Arc::new(Mutex::new(Vec::new()));
        let seen = crashed.clone();
        let point = Failpoint::parse("batch.sent=crash").unwrap();
        let points = Failpoints::armed(vec![point], move |action, name| {
            seen.lock().unwrap().push((action, name));
        });
        assert!(points.hit("batch.sent").is_err());
        assert_eq!(*crashed.lock().unwrap(), [(Action::Crash, "batch.sent")]);
    }

    #[test]
    fn what_is_written_wrong_is_said() {
        for (text, says) in [
            ("sink.write", "NAME=ACTION"),
            ("sink.write:0=crash", "from 1"),
            ("sink.write=explode", "no action `explode`"),
        ] {
            assert!(Failpoint::parse(text).unwrap_err().contains(says), "{text}");
        }
    }
}
