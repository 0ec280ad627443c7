//! Checkpoints, tables, objects and deliveries of AWS, against a strict front on loopback.
#![cfg(feature = "aws")]

mod stores {
    pub mod lab;

    mod delivery;
    mod objects;
    mod runs;
    mod state;
    mod tables;
}
