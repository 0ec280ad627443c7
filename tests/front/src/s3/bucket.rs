//! Operations on buckets.

use super::error::Error;
use super::service::{Call, document, element};
use super::store::Bucket;
use super::target::is_bucket_name;
use super::xml;
use crate::ACCOUNT;
use crate::clock::iso;
use crate::request::Response;

impl Call<'_> {
    pub(super) fn list_buckets(&self) -> Result<Response, Error> {
        let state = self.buckets.lock();
        let one = |(name, bucket): (&String, &Bucket)| {
            let created = element("CreationDate", iso(bucket.created_ms));
            let region = element("BucketRegion", &bucket.region);
            format!("<Bucket>{}{created}{region}</Bucket>", element("Name", name))
        };
        let all: String = state.buckets.iter().map(one).collect();
        let owner = format!("<Owner>{}</Owner>", element("ID", ACCOUNT));
        Ok(document("ListAllMyBucketsResult", &format!("{owner}<Buckets>{all}</Buckets>")))
    }

    pub(super) fn create_bucket(&self) -> Result<Response, Error> {
        if !is_bucket_name(&self.bucket) {
            return Err(Error::of("InvalidBucketName").with("BucketName", &self.bucket));
        }
        let signed = self.request.region.as_str();
        let wanted = match self.request.body.is_empty() {
            true => None,
            false => {
                let read = xml::parse(&self.request.body, "CreateBucketConfiguration")?;
                read.child("LocationConstraint").map(str::to_owned)
            }
        };
        // us-east-1 has no constraint, and makes buckets of every region; others only their own.
        let region = match (signed, wanted.as_deref()) {
            ("us-east-1", None) => "us-east-1",
            ("us-east-1", Some("us-east-1")) => {
                let said = "The specified location-constraint is not valid";
                return Err(Error::saying("InvalidLocationConstraint", said));
            }
            ("us-east-1", Some(other)) => other,
            (_, Some(wanted)) if wanted == signed => wanted,
            (_, Some(wanted)) => {
                let said = format!(
                    "The {wanted} location constraint is incompatible for the region specific \
                     endpoint this request was sent to."
                );
                return Err(Error::saying("IllegalLocationConstraintException", said));
            }
            (_, None) => return Err(Error::of("IllegalLocationConstraintException")),
        };
        let mut state = self.buckets.lock();
        if let Some(there) = state.buckets.get(&self.bucket) {
            if there.region != "us-east-1" || region != "us-east-1" {
                return Err(Error::of("BucketAlreadyOwnedByYou").with("BucketName", &self.bucket));
            }
        } else {
            let created_ms = self.buckets.now_ms();
            let bucket = Bucket { region: region.to_owned(), created_ms, ..Bucket::default() };
            state.buckets.insert(self.bucket.clone(), bucket);
        }
        Ok(Response::new(200, "").header("location", format!("/{}", self.bucket)))
    }

    pub(super) fn head_bucket(&self) -> Result<Response, Error> {
        let mut state = self.buckets.lock();
        let bucket = state.bucket(&self.bucket, &self.request.region)?;
        Ok(Response::new(200, "").header("x-amz-bucket-region", bucket.region.clone()))
    }

    pub(super) fn get_bucket_location(&self) -> Result<Response, Error> {
        let state = self.buckets.lock();
        let bucket = state.buckets.get(&self.bucket);
        let bucket = bucket.ok_or_else(|| Error::of("NoSuchBucket"))?;
        let region = if bucket.region == "us-east-1" { "" } else { &bucket.region };
        Ok(document("LocationConstraint", region))
    }

    pub(super) fn delete_bucket(&self) -> Result<Response, Error> {
        let mut state = self.buckets.lock();
        let bucket = state.bucket(&self.bucket, &self.request.region)?;
        if !bucket.objects.is_empty() {
            return Err(Error::of("BucketNotEmpty").with("BucketName", &self.bucket));
        }
        state.buckets.remove(&self.bucket);
        Ok(Response::new(204, ""))
    }
}
