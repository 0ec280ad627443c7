//! Items of a table with a key, as DynamoDB takes them: keys, names, sizes, and which rows of an
//! upsert are of one item. The same for every provider.

pub mod key;
pub mod rows;
pub mod size;
