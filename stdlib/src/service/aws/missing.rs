//! Stands where a connector is not there yet: every call says so.

use crate::service::*;

/// The services that this build has no connector for.
pub struct Missing;

impl Missing {
    fn fault(what: &str) -> Fault {
        let message = format!("this build has no connector for {what} of AWS yet");
        Fault::service("no_connector", message).help("use an emulated profile")
    }
}

#[async_trait]
impl Streams for Missing {
    async fn append(&self, _: &str, _: Records) -> Result<Appended, Fault> {
        Err(Missing::fault("streams"))
    }

    async fn reader(&self, _: &str, _: &NodeCtx) -> Result<Box<dyn StreamReader>, Fault> {
        Err(Missing::fault("streams"))
    }
}

#[async_trait]
impl Objects for Missing {
    fn partition(&self, bucket: &str) -> Arc<Partition> {
        Arc::new(Partition { id: [0; 16], name: bucket.to_owned() })
    }

    async fn put(&self, _: &str, _: &str, _: Bytes) -> Result<Put, Fault> {
        Err(Missing::fault("buckets"))
    }

    async fn list(&self, _: &str, _: &str, _: u64, _: usize) -> Result<Listed, Fault> {
        Err(Missing::fault("buckets"))
    }

    async fn arrived(&self, _: &str, _: u64) -> Result<(), Fault> {
        Err(Missing::fault("buckets"))
    }
}

#[async_trait]
impl Tables for Missing {
    async fn upsert(&self, _: &str, _: Upserts) -> Result<Upserted, Fault> {
        Err(Missing::fault("tables"))
    }
}

#[async_trait]
impl Delivery for Missing {
    async fn write(&self, _: &str, _: Records) -> Result<Appended, Fault> {
        Err(Missing::fault("deliveries"))
    }

    async fn append(&self, _: &BucketPlace, _: Records) -> Result<Appended, Fault> {
        Err(Missing::fault("deliveries"))
    }
}
