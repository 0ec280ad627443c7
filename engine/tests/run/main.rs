//! Whole runs of hand-made plans over toy nodes. Time is tokio's paused clock; nothing asserts real
//! time.

mod batches;
mod bounds;
mod crews;
mod decoders;
mod ends;
mod fans;
mod faults;
mod law;
mod memory;
mod outages;
mod sheds;
mod sinks;
mod toys;
