//! S3: buckets, objects, uploads in parts, listing, as strict as AWS documents them. Not served:
//! versions, ACLs, policies, copies, tags, presigned requests, and objects over 64 MiB in one part.

mod bucket;
mod checksum;
mod error;
mod list;
mod multipart;
mod object;
mod service;
mod store;
mod target;
mod xml;

#[cfg(test)]
mod tests;

pub use service::S3;
pub use store::Buckets;
pub(crate) use target::raw;
