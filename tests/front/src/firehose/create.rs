//! Making a delivery stream: where it delivers to, and how it buffers.

use serde_json::{Value, json};

use crate::ACCOUNT;
use crate::firehose::deliver::{Buffer, Compression, Target};
use crate::firehose::{Answer, Delivery, Inner, stream_name};
use crate::request::Request;
use crate::service_error::{Input, ServiceError};

const OTHERS: [&str; 7] = [
    "ElasticsearchDestinationConfiguration",
    "AmazonopensearchserviceDestinationConfiguration",
    "AmazonOpenSearchServerlessDestinationConfiguration",
    "SplunkDestinationConfiguration",
    "HttpEndpointDestinationConfiguration",
    "SnowflakeDestinationConfiguration",
    "IcebergDestinationConfiguration",
];
const FORMATS: [&str; 5] = ["UNCOMPRESSED", "GZIP", "ZIP", "Snappy", "HADOOP_SNAPPY"];

/// Where the objects go, as a configuration says it, and as it is described later.
fn target(config: &mut Input, name: &str) -> Result<(Target, Value), ServiceError> {
    let (role, arn) = (config.required("RoleARN")?, config.required("BucketARN")?);
    let format = config.word("CompressionFormat", &FORMATS)?;
    let (prefix, errors) = (config.text("Prefix")?, config.text("ErrorOutputPrefix")?);
    let (mut mebibytes, mut seconds) = (None, None);
    if let Some(mut hints) = config.within("BufferingHints")? {
        mebibytes = hints.number("SizeInMBs", 1, 128)?;
        seconds = hints.number("IntervalInSeconds", 0, 900)?;
        hints.finish()?;
    }
    config.finish()?;
    let bucket = arn.strip_prefix("arn:aws:s3:::").filter(|bucket| !bucket.is_empty());
    let bucket = bucket.ok_or_else(|| {
        ServiceError::argument(format!("BucketARN {arn} is not the ARN of a bucket."))
    })?;
    if !role.starts_with("arn:aws:iam::") || !role.contains(":role/") {
        let text = format!("RoleARN {role} is not the ARN of a role.");
        return Err(ServiceError::argument(text));
    }
    let prefix = prefix.unwrap_or_default();
    if prefix.contains("!{") && errors.is_none() {
        let text = "ErrorOutputPrefix must be given where Prefix has expressions.";
        return Err(ServiceError::argument(text));
    }
    let format = format.unwrap_or_else(|| "UNCOMPRESSED".into());
    let compression = match format.as_str() {
        "UNCOMPRESSED" => Compression::None,
        "GZIP" => Compression::Gzip,
        _ => {
            let text = format!("The front writes no {format}: UNCOMPRESSED or GZIP.");
            return Err(ServiceError::argument(text));
        }
    };
    let (mebibytes, seconds) = (mebibytes.unwrap_or(5), seconds.unwrap_or(300));
    let mut described = json!({
        "RoleARN": role,
        "BucketARN": arn,
        "Prefix": prefix,
        "BufferingHints": {"SizeInMBs": mebibytes, "IntervalInSeconds": seconds},
        "CompressionFormat": format,
        "EncryptionConfiguration": {"NoEncryptionConfig": "NoEncryption"},
        "CloudWatchLoggingOptions": {"Enabled": false},
    });
    if let Some(errors) = errors {
        described["ErrorOutputPrefix"] = json!(errors);
    }
    let target = Target {
        bucket: bucket.to_owned(),
        prefix,
        compression,
        size_bytes: mebibytes as usize * 1024 * 1024,
        interval_ms: seconds * 1_000,
        stream: name.to_owned(),
    };
    Ok((target, described))
}

/// A Redshift destination: what it says is kept, and its objects have a place.
fn redshift(config: &mut Input, name: &str) -> Result<(Target, Value), ServiceError> {
    let (role, url) = (config.required("RoleARN")?, config.required("ClusterJDBCURL")?);
    let user = config.text("Username")?;
    let copy = config.within("CopyCommand")?;
    let objects = config.within("S3Configuration")?;
    for (member, there) in [("CopyCommand", copy.is_some()), ("S3Configuration", objects.is_some())]
    {
        if !there {
            config.wrong(member, None, "not be null");
        }
    }
    config.finish()?;
    let (Some(mut copy), Some(mut objects)) = (copy, objects) else {
        return Err(ServiceError::argument("CopyCommand and S3Configuration are needed."));
    };
    copy.required("DataTableName")?;
    copy.finish()?;
    let known = url.starts_with("jdbc:redshift://") || url.starts_with("jdbc:postgresql://");
    if !known || !url.contains(".redshift") {
        let text = format!("ClusterJDBCURL {url} is not that of a cluster or workgroup.");
        return Err(ServiceError::argument(text));
    }
    let (target, objects) = target(&mut objects, name)?;
    let retry = config.value("RetryOptions").cloned();
    let retry = retry.unwrap_or_else(|| json!({"DurationInSeconds": 3_600}));
    let described = json!({
        "RoleARN": role,
        "ClusterJDBCURL": url,
        "CopyCommand": config.value("CopyCommand"),
        "Username": user,
        "RetryOptions": retry,
        "S3DestinationDescription": objects,
        "S3BackupMode": "Disabled",
        "CloudWatchLoggingOptions": {"Enabled": false},
    });
    Ok((target, described))
}

impl Inner {
    pub(super) fn create(&self, request: &Request, mut input: Input) -> Answer {
        let name = stream_name(&mut input)?;
        let kind = input.text("DeliveryStreamType")?;
        input.finish()?;
        if kind.is_some_and(|kind| kind != "DirectPut") {
            return Err(ServiceError::argument("The front has delivery streams of DirectPut."));
        }
        if let Some(other) = OTHERS.iter().find(|other| input.value(other).is_some()) {
            return Err(ServiceError::argument(format!("The front has no {other}.")));
        }
        let plain = input.within("S3DestinationConfiguration")?;
        let extended = input.within("ExtendedS3DestinationConfiguration")?;
        let warehouse = input.within("RedshiftDestinationConfiguration")?;
        let (target, described) = match (plain, extended, warehouse) {
            (Some(mut config), None, None) => {
                let (target, objects) = target(&mut config, &name)?;
                (target, json!({"S3DestinationDescription": objects}))
            }
            (None, Some(mut config), None) => {
                let (target, objects) = target(&mut config, &name)?;
                let mut extended = objects.clone();
                extended["S3BackupMode"] = json!("Disabled");
                let described = json!({
                    "S3DestinationDescription": objects,
                    "ExtendedS3DestinationDescription": extended,
                });
                (target, described)
            }
            (None, None, Some(mut config)) => {
                let (target, described) = redshift(&mut config, &name)?;
                (target, json!({"RedshiftDestinationDescription": described}))
            }
            _ => {
                let text = "Exactly one destination configuration is supported for a Firehose.";
                return Err(ServiceError::argument(text));
            }
        };
        let mut described = described;
        described["DestinationId"] = json!("destinationId-000000000001");
        let made_ms = self.now_ms();
        let mut streams = self.streams();
        let at = (request.region.clone(), name.clone());
        if streams.contains_key(&at) {
            let text = format!("Firehose {name} under accountId {ACCOUNT} already exists.");
            return Err(ServiceError::in_use(text));
        }
        let arn = format!("arn:aws:firehose:{}:{ACCOUNT}:deliverystream/{name}", request.region);
        let delivery = Delivery {
            name,
            arn: arn.clone(),
            made_ms,
            active_ms: made_ms + self.shared.settings().transition_ms,
            gone_ms: None,
            described,
            buffer: Buffer::new(target),
        };
        streams.insert(at, delivery);
        Ok(json!({"DeliveryStreamARN": arn}))
    }
}
