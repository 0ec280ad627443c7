//! Looking into the services of AWS without running. Everything is read as it is asked for.

mod item;
mod stream;

use super::clients::Clients;
use super::errors;
use super::tried::tried;
use super::warehouse::{AwsWarehouse, ddl};
use crate::service::aside::is_warehouse;
use crate::service::inspect::{Shown, paged};
use crate::service::{BucketPlace, QueryRows, Warehouse, physical_name};
use dsl::ast::ResourceKind;
use dsl::plan::{Plan, PlanResource};
use dsl::value::Value;
use engine::fault::Fault;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// Rows of one page of a table or bucket.
const PAGE: i32 = 100;
/// Bytes of one object that is shown, at most.
const OBJECT_BYTES_MAX: u64 = 64 << 20;

/// A look into the services of a profile; waits for each answer.
pub struct AwsInspector {
    runtime: Arc<Runtime>,
    clients: Clients,
    plan: Plan,
}

impl AwsInspector {
    /// Reads the configuration. Makes no call. Blocks.
    ///
    /// # Errors
    /// No region is known.
    pub fn open(plan: &Plan) -> Result<AwsInspector, Fault> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| {
            Fault::service("no_threads", format!("cannot wait for the network: {error}"))
        })?;
        let clients = runtime.block_on(Clients::load(&plan.provider))?;
        Ok(AwsInspector { runtime: Arc::new(runtime), clients, plan: plan.clone() })
    }

    /// What a resource holds; see [`crate::service::inspect::Inspector::show`]. Of a warehouse
    /// table at most `rows_max` rows. Blocks.
    ///
    /// # Errors
    /// A service refuses.
    pub fn show(&self, resource: &PlanResource, rows_max: usize) -> Result<Shown, Fault> {
        let (runtime, clients) = (self.runtime.clone(), self.clients.clone());
        match resource.kind {
            ResourceKind::Stream => stream::show(runtime, clients, physical_name(resource)?),
            ResourceKind::Bucket => self.bucket(resource),
            ResourceKind::Table if is_warehouse(resource) => self.rows(resource, rows_max),
            ResourceKind::Table => item::show(runtime, clients, resource),
            ResourceKind::Delivery => {
                let bucket = resource.into.map(|bucket| &self.plan.resources[bucket].name);
                let message = format!(
                    "Firehose lets nobody see what waits in delivery `{}`",
                    physical_name(resource)?
                );
                let fault = Fault::service("not_supported", message);
                let name = bucket.map_or("", |name| name.as_str());
                Err(fault.help(format!("look where it lies later: `flowc show … {name}`")))
            }
            ResourceKind::Queue => {
                Err(Fault::service("not_supported", "a queue cannot be shown yet"))
            }
        }
    }

    /// The text of one object, by its whole key; `None` where it is not there. Blocks.
    ///
    /// # Errors
    /// The service refuses, or the object is over 64 MiB.
    pub fn object(&self, resource: &PlanResource, key: &str) -> Result<Option<Vec<u8>>, Fault> {
        let place = BucketPlace::of(resource)?;
        let what = format!("read `s3://{}/{key}`", place.bucket);
        self.runtime.block_on(async {
            let got = self.clients.s3.get_object().bucket(&place.bucket).key(key).send().await;
            let object = match got {
                Ok(object) => object,
                Err(error) if error.as_service_error().is_some_and(|e| e.is_no_such_key()) => {
                    return Ok(None);
                }
                Err(error) => return Err(errors::fault(&what, error)),
            };
            let size = object.content_length.and_then(|size| u64::try_from(size).ok());
            if size.is_some_and(|size| size > OBJECT_BYTES_MAX) {
                let message = format!("cannot {what}: it is over 64 MiB");
                return Err(Fault::service("object_size", message)
                    .help("`aws s3 cp` copies it to this machine"));
            }
            let content = object.body.collect().await;
            let content = content.map_err(|error| {
                Fault::transient("connection", format!("cannot {what}: {error}"))
            })?;
            Ok(Some(content.into_bytes().to_vec()))
        })
    }

    /// Answers a query in Redshift's SQL with at most `rows_max` rows. Blocks.
    ///
    /// # Errors
    /// The query is refused, or the warehouse cannot be reached.
    pub fn query(&self, sql: &str, rows_max: usize) -> Result<QueryRows, Fault> {
        let warehouse = AwsWarehouse::open(&self.plan, &self.clients)?;
        self.runtime.block_on(warehouse.query(sql, rows_max))
    }

    fn rows(&self, resource: &PlanResource, rows_max: usize) -> Result<Shown, Fault> {
        let record = resource.ty.record().cloned().unwrap_or_default();
        let mut columns: Vec<String> =
            record.fields.iter().map(|field| field.name.clone()).collect();
        columns.push(ddl::EVENT_ID.to_owned());
        let named: Vec<String> = columns.iter().map(|column| ddl::name(column)).collect();
        let table = ddl::name(&resource.name);
        let limit = match rows_max {
            usize::MAX => String::new(),
            rows_max => format!(" limit {}", rows_max.saturating_add(1)),
        };
        let sql = format!("select {} from {table}{limit}", named.join(", "));
        let answer = self.query(&sql, rows_max.saturating_add(1))?;
        Ok(Shown { columns, rows: Box::new(answer.rows.into_iter().map(Ok)) })
    }

    fn bucket(&self, resource: &PlanResource) -> Result<Shown, Fault> {
        let place = BucketPlace::of(resource)?;
        let columns = ["key", "size", "modified"].map(String::from).to_vec();
        let (runtime, clients) = (self.runtime.clone(), self.clients.clone());
        let what = format!("list `s3://{}/{}`", place.bucket, place.prefix);
        let rows = paged(String::new(), move |after: &String| {
            let listed = runtime.block_on(tried(&what, || {
                let list = clients.s3.list_objects_v2().bucket(&place.bucket);
                let after = (!after.is_empty()).then(|| after.clone());
                list.prefix(&place.prefix).max_keys(PAGE).set_start_after(after).send()
            }))?;
            let object = |object: aws_sdk_s3::types::Object| {
                let key = object.key.unwrap_or_default();
                let size = object.size.and_then(|size| u64::try_from(size).ok());
                let modified = object.last_modified.map_or(0, |at| at.as_nanos());
                let modified = i64::try_from(modified).unwrap_or(i64::MAX);
                let values = vec![
                    Value::Text(key.clone()),
                    Value::Size(size.unwrap_or(0)),
                    Value::Timestamp(modified),
                ];
                (key, values)
            };
            Ok(listed.contents.unwrap_or_default().into_iter().map(object).collect())
        });
        Ok(Shown { columns, rows })
    }
}
