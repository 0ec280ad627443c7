//! A strict AWS on one loopback port: the wire protocols of a few services, with AWS's refusals and
//! limits, its signatures checked, and faults on request. It is written from AWS's documentation;
//! the connectors it judges are not known here.

pub mod calls;
pub mod chunked;
pub mod clock;
pub mod control;
pub mod dynamodb;
pub mod firehose;
pub mod kinesis;
pub mod objects;
pub mod operation;
pub mod redshift;
pub mod request;
pub mod rules;
pub mod s3;
pub mod server;
pub mod service_error;
pub mod services;
pub mod settings;
pub mod sigv4;
pub mod socket;
pub mod sts;
pub mod wire;

#[cfg(test)]
mod testing;

pub use objects::ObjectStore;
pub use request::{Body, Request, Response, Service, Tally};
pub use rules::Faults;
pub use server::{Front, Options, start};
pub use services::Shared;
pub use settings::Settings;

/// The account that everything belongs to, as it stands in ARNs.
pub const ACCOUNT: &str = "123456789012";
