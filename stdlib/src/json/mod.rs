//! JSON in and out of columns, without a tree of values: shared by all nodes that read or write it.
//!
//! A record is one object, its fields in declared order:
//!
//! | type | JSON |
//! |---|---|
//! | text, path, url, uuid | a string; characters outside ASCII as they are |
//! | int, size | a number |
//! | decimal | a number, exact and as short as it can be: 2.550 is `2.55`, 5.000 is `5` |
//! | float | the shortest number that reads back to the same float |
//! | bool | `true`, `false` |
//! | timestamp | RFC 3339 in UTC: `"2010-12-01T08:26:00Z"` |
//! | date | `"2010-12-01"` |
//! | duration | nanoseconds, a number |
//! | bytes | base64 text |
//! | list, map, record | an array, an object, an object |
//! | null | `null` |

pub mod decode;
pub mod encode;
mod plain;
mod put;
pub mod scan;
pub mod shape;
mod short;
mod values;
