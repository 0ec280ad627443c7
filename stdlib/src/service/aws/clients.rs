//! The clients of all services, made from one configuration.

use super::failpoints::Around;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_sdk_dynamodb::config::Credentials;
use aws_smithy_http_client::tls::{Provider as Tls, rustls_provider::CryptoMode};
use dsl::plan::Provider;
use engine::failpoint::Failpoints;
use engine::fault::Fault;
use std::time::Duration;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);
/// How long one try of a call may take, its body included.
const ATTEMPT: Duration = Duration::from_secs(60);

/// One client a service; cheap to clone.
#[derive(Clone, Debug)]
pub struct Clients {
    /// Streams.
    pub kinesis: aws_sdk_kinesis::Client,
    /// Buckets.
    pub s3: aws_sdk_s3::Client,
    /// Tables, leases, positions.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// Deliveries.
    pub firehose: aws_sdk_firehose::Client,
    /// The warehouse.
    pub redshift: aws_sdk_redshiftdata::Client,
    /// Where they stand.
    pub region: String,
}

impl Clients {
    /// Reads the configuration and makes the clients. Makes no call.
    ///
    /// # Errors
    /// No region is configured.
    pub async fn load(provider: &Provider) -> Result<Clients, Fault> {
        Clients::with_failpoints(provider, &Failpoints::default()).await
    }

    /// The same, with failpoints around each request.
    ///
    /// # Errors
    /// No region is configured.
    pub async fn with_failpoints(
        provider: &Provider,
        failpoints: &Failpoints,
    ) -> Result<Clients, Fault> {
        Clients::of(configuration(provider).load().await, failpoints)
    }

    /// The same with this key, whatever is configured: for what stands in for AWS.
    ///
    /// # Errors
    /// No region is configured.
    pub async fn with_key(
        provider: &Provider,
        access_key: &str,
        secret_key: &str,
    ) -> Result<Clients, Fault> {
        let key = Credentials::new(access_key, secret_key, None, None, "given");
        let config = configuration(provider).credentials_provider(key).load().await;
        Clients::of(config, &Failpoints::default())
    }

    fn of(config: SdkConfig, failpoints: &Failpoints) -> Result<Clients, Fault> {
        let Some(region) = config.region().map(|region| region.as_ref().to_owned()) else {
            let message = "no AWS region is configured";
            return Err(Fault::service("no_region", message).help(
                "write `region = \"eu-central-1\"` in the profile of the file, or set AWS_REGION, \
                 or the region of your AWS profile",
            ));
        };
        // The drivers try again themselves; credentials are refreshed by the SDK, which retries.
        let once = RetryConfig::disabled;
        let around = |send, answered| Around::new(failpoints, send, answered);
        // Buckets stand behind a custom endpoint by path: `localhost` has no sub-domains.
        let s3 = aws_sdk_s3::config::Builder::from(&config)
            .retry_config(once())
            .interceptor(around("aws.s3.send", "aws.s3.answered"))
            .force_path_style(config.endpoint_url().is_some());
        let kinesis = aws_sdk_kinesis::config::Builder::from(&config)
            .interceptor(around("aws.kinesis.send", "aws.kinesis.answered"));
        let dynamodb = aws_sdk_dynamodb::config::Builder::from(&config)
            .interceptor(around("aws.dynamodb.send", "aws.dynamodb.answered"));
        let firehose = aws_sdk_firehose::config::Builder::from(&config)
            .interceptor(around("aws.firehose.send", "aws.firehose.answered"));
        let redshift = aws_sdk_redshiftdata::config::Builder::from(&config)
            .interceptor(around("aws.redshift.send", "aws.redshift.answered"));
        Ok(Clients {
            kinesis: aws_sdk_kinesis::Client::from_conf(kinesis.retry_config(once()).build()),
            s3: aws_sdk_s3::Client::from_conf(s3.build()),
            dynamodb: aws_sdk_dynamodb::Client::from_conf(dynamodb.retry_config(once()).build()),
            firehose: aws_sdk_firehose::Client::from_conf(firehose.retry_config(once()).build()),
            redshift: aws_sdk_redshiftdata::Client::from_conf(
                redshift.retry_config(once()).build(),
            ),
            region,
        })
    }
}

fn configuration(provider: &Provider) -> ConfigLoader {
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(Tls::Rustls(CryptoMode::Ring))
        .build_https();
    let timeouts =
        TimeoutConfig::builder().connect_timeout(CONNECT).operation_attempt_timeout(ATTEMPT);
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .timeout_config(timeouts.build());
    if let Some(region) = &provider.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(endpoint) = &provider.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    loader
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_credentials_are_tried_again_by_the_sdk() {
        let region = Some("eu-central-1".to_owned());
        let provider = Provider { region, ..Provider::default() };
        let config = configuration(&provider)
            .credentials_provider(Credentials::new("a", "b", None, None, "given"))
            .load()
            .await;
        let attempts = |retry: Option<&RetryConfig>| retry.map(RetryConfig::max_attempts);
        assert!(attempts(config.retry_config()) > Some(1), "{:?}", config.retry_config());
        let clients = Clients::of(config, &Failpoints::default()).unwrap();
        assert_eq!(attempts(clients.kinesis.config().retry_config()), Some(1));
        assert_eq!(attempts(clients.s3.config().retry_config()), Some(1));
        assert_eq!(attempts(clients.dynamodb.config().retry_config()), Some(1));
        assert_eq!(attempts(clients.firehose.config().retry_config()), Some(1));
        assert_eq!(attempts(clients.redshift.config().retry_config()), Some(1));
    }
}
