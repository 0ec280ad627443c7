//! A kit for deterministic simulation: one seed is one world, and the same seed gives the same
//! trace, to the last event.
//!
//! - A [`World`] holds what outlives a process: the seed, the simulated time, the faults to come,
//!   requests that are still on the wire, and the [`Trace`].
//! - [`World::live`] runs one *life* of a process: a future on one thread under tokio's paused
//!   clock, so an hour takes as long as its events do. A crash, at a moment or where
//!   [`World::crash`] is called, drops all of its tasks and lets nothing else happen in it: only
//!   what simulated services and disks hold is left for the next life.
//! - A [`Service`] is a simulated service as seen through its client: [`Service::call`] takes a
//!   change of the service's state and lets the faults of the moment happen to the request and to
//!   its reply. A request whose caller is gone may still arrive, at once or later.
//! - [`Faults`] are windows of simulated time in which something happens to a share of the calls of
//!   a service. They end, and then a run must get on.
//! - A [`Disk`] is simulated files with what is durable and what is not: a crash drops any part of
//!   what was not synced, torn anywhere.
//!
//! Randomness comes in streams by name ([`World::random`]): a stream depends on the seed and its
//! name alone, so that one more of them changes no other.
//!
//! ```
//! use engine::sim::{Kind, Latency, Life, Service, Window, World};
//! use std::sync::{Arc, Mutex};
//! use std::time::Duration;
//!
//! fn trace(seed: u64) -> String {
//!     let world = World::new(seed);
//!     let stored = Arc::new(Mutex::new(Vec::new()));
//!     world.add_fault(Window {
//!         service: "table".into(),
//!         op: None,
//!         from: Duration::ZERO,
//!         until: Duration::from_secs(60),
//!         kind: Kind::Transient,
//!         share: 500,
//!     });
//!     let table = Service::new(&world, "table", Latency::default());
//!     let life = world.live(Life::default(), || async {
//!         for n in 0..10 {
//!             let put = || {
//!                 let stored = stored.clone();
//!                 table.call("put", move |_| stored.lock().unwrap().push(n))
//!             };
//!             while put().await.is_err() {}
//!         }
//!     });
//!     assert!(life.is_some(), "no crash");
//!     assert_eq!(*stored.lock().unwrap(), (0..10).collect::<Vec<_>>());
//!     world.trace().hash()
//! }
//!
//! assert_eq!(trace(7), trace(7));
//! assert_ne!(trace(7), trace(8));
//! ```

mod clock;
mod disk;
mod faults;
mod service;
mod trace;
mod world;

pub use clock::SimClock;
pub use disk::{Disk, DiskError};
pub use faults::{Faults, Kind, Window};
pub use service::{Latency, Service, Touch};
pub use trace::Trace;
pub use world::{Life, World};
