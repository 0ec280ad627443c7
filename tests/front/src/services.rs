//! The services behind the port, and what they share.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::calls::Calls;
use crate::clock::Clock;
use crate::dynamodb::DynamoDb;
use crate::firehose::Firehose;
use crate::kinesis::Kinesis;
use crate::objects::ObjectStore;
use crate::redshift::Redshift;
use crate::request::Service;
use crate::rules::Rules;
use crate::s3::{Buckets, S3};
use crate::settings::Settings;
use crate::sts::Sts;

/// What the server and every service know.
#[derive(Debug, Default)]
pub struct Shared {
    /// The only clock.
    pub clock: Clock,
    /// The faults asked for.
    pub rules: Rules,
    /// The counters.
    pub calls: Calls,
    /// Where the Redshift Data API's statements run: `postgres://…`.
    pub postgres: Option<String>,
    /// Answers that cost least: puts are counted and thrown away.
    pub fast: bool,
    settings: RwLock<Settings>,
}

impl Shared {
    /// With the services' options.
    pub fn new(settings: Settings, postgres: Option<String>, fast: bool) -> Shared {
        Shared { postgres, fast, settings: RwLock::new(settings), ..Shared::default() }
    }

    /// The limits of now.
    pub fn settings(&self) -> Settings {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Other limits from now on.
    pub fn set_settings(&self, settings: Settings) {
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
    }
}

/// The services with their data.
pub struct Services {
    /// The objects of S3.
    pub objects: Arc<dyn ObjectStore>,
    by_scope: BTreeMap<&'static str, Arc<dyn Service>>,
}

impl Services {
    /// All services, empty.
    pub fn new(shared: &Arc<Shared>) -> Services {
        let buckets = Arc::new(Buckets::new(shared.clone()));
        let objects: Arc<dyn ObjectStore> = buckets.clone();
        let mut by_scope: BTreeMap<&'static str, Arc<dyn Service>> = BTreeMap::new();
        by_scope.insert("kinesis", Arc::new(Kinesis::new(shared)));
        by_scope.insert("firehose", Arc::new(Firehose::new(shared, &objects)));
        by_scope.insert("redshift-data", Arc::new(Redshift::new(shared, objects.clone())));
        by_scope.insert("sts", Arc::new(Sts));
        by_scope.insert("dynamodb", Arc::new(DynamoDb::new(shared.clone())));
        by_scope.insert("s3", Arc::new(S3::new(buckets)));
        Services { objects, by_scope }
    }

    /// The service that the credential scope names.
    pub fn get(&self, scope: &str) -> Option<Arc<dyn Service>> {
        self.by_scope.get(scope).cloned()
    }
}
