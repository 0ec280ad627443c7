//! Who reads which shard, and how far: leases in the state table, with the protocol of KCL 2.
//!
//! A lease is held by the worker whose name stands in it, as long as its counter rises. Whoever
//! looks decides by a clock of their own that it stands still ([`share`]), and who holds one stops
//! before that ([`held`]); every change is conditional on what was last seen ([`table`]).

pub mod held;
pub mod position;
pub mod row;
pub mod share;
pub mod table;
