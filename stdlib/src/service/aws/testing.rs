//! Clients for tests: of a port on loopback, with the keys that every stand-in takes.

use super::clients::Clients;
use aws_sdk_redshiftdata::config::{
    BehaviorVersion, Credentials, Region, SharedCredentialsProvider,
};

/// Clients of all services at one endpoint.
pub fn clients(endpoint: &str) -> Clients {
    let credentials = Credentials::new("test", "test", None, None, "test");
    let http = aws_smithy_http_client::Builder::new().build_http();
    let config = aws_config::SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .endpoint_url(endpoint)
        .http_client(http)
        .retry_config(aws_config::retry::RetryConfig::disabled())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
    Clients {
        kinesis: aws_sdk_kinesis::Client::new(&config),
        s3: aws_sdk_s3::Client::from_conf(s3),
        dynamodb: aws_sdk_dynamodb::Client::new(&config),
        firehose: aws_sdk_firehose::Client::new(&config),
        redshift: aws_sdk_redshiftdata::Client::new(&config),
        region: "eu-central-1".into(),
    }
}
