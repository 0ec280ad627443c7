//! Tables that SQL reads: Redshift by its Data API.
//!
//! See [`load`] for how each object is loaded once.

pub mod api;
pub mod ddl;
mod errors;
pub mod load;
pub mod query;
#[cfg(test)]
mod tests;

use crate::service::aside::{MANIFESTS, is_warehouse, manifests};
use crate::service::aws::clients::Clients;
use crate::service::aws::errors as aws;
use crate::service::{BucketPlace, Copied, ObjectRef, QueryRows, Warehouse};
use api::{Answer, Api, Ended, Place};
use async_trait::async_trait;
use aws_sdk_redshiftdata::types::Field;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::put_object::PutObjectError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use dsl::plan::{Plan, PlanResource};
use dsl::ty::RecordTy;
use dsl::value::Value;
use engine::fault::Fault;
use load::Load;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

/// Earlier outcomes of the same load that are passed over at most.
const OUTCOMES_MAX: usize = 64;

/// The tables of a plan that are in Redshift.
pub struct AwsWarehouse {
    tables: BTreeMap<String, Table>,
    s3: aws_sdk_s3::Client,
    /// Loads that this run has sent and not seen in the history yet.
    sent: Mutex<HashSet<String>>,
}

/// A table that objects can be loaded into.
pub struct Table {
    /// Its name in the file.
    pub resource: String,
    /// Its physical name.
    pub name: String,
    /// Its fields.
    pub record: RecordTy,
    /// Where it is.
    pub api: Api,
    /// The role that COPY takes.
    role: String,
    /// Where manifests lie, where that is not the bucket of their objects.
    manifests: Option<BucketPlace>,
}

impl Table {
    /// The table of a resource that is bound to Redshift.
    ///
    /// # Errors
    /// Its type has no columns, or the binding says what cannot be.
    pub fn of(resource: &PlanResource, clients: &Clients) -> Result<Option<Table>, Fault> {
        let Some(binding) = resource.binding.as_ref().filter(|_| is_warehouse(resource)) else {
            return Ok(None);
        };
        let refuse = |what: String, help: &str| {
            let message = format!("warehouse table `{}`: {what}", resource.name);
            Err(Fault::service("warehouse_type", message).help(help))
        };
        let Some(record) = resource.ty.record().filter(|record| record.dynamic.is_none()) else {
            return refuse(format!("it cannot hold `{}`", resource.ty), "give it a record type");
        };
        let mut names = HashSet::from([ddl::EVENT_ID.to_owned()]);
        for field in &record.fields {
            if !names.insert(field.name.to_lowercase()) {
                let what = format!("column `{}` is there twice", field.name.to_lowercase());
                let help = "rename the field: names differ by more than case, and `event_id` is \
                            the column by which rows are known";
                return refuse(what, help);
            }
        }
        let role = binding.options.get("role").and_then(Value::as_text).unwrap_or_default();
        Ok(Some(Table {
            resource: resource.name.clone(),
            name: binding.name.clone(),
            record: record.clone(),
            api: Api::new(clients.redshift.clone(), Place::of(binding)),
            role: role.to_owned(),
            manifests: manifests(binding)?,
        }))
    }
}

impl AwsWarehouse {
    /// The warehouse of a plan. Makes no call.
    ///
    /// # Errors
    /// A table's type has no columns, or its binding says what cannot be.
    pub fn open(plan: &Plan, clients: &Clients) -> Result<AwsWarehouse, Fault> {
        let mut tables = BTreeMap::new();
        for resource in &plan.resources {
            if let Some(table) = Table::of(resource, clients)? {
                tables.insert(table.name.clone(), table);
            }
        }
        Ok(AwsWarehouse { tables, s3: clients.s3.clone(), sent: Mutex::default() })
    }

    fn sent(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers for the objects that the history knows; gives the time of asking.
    async fn look_up(
        &self,
        table: &Table,
        objects: &[ObjectRef],
        answers: &mut [Option<Copied>],
    ) -> Result<i128, Fault> {
        let open: Vec<&ObjectRef> = objects
            .iter()
            .zip(&*answers)
            .filter(|(_, answer)| answer.is_none())
            .map(|(object, _)| object)
            .collect();
        let mut known: HashMap<(String, String), (String, String, u64)> = HashMap::new();
        let mut asked_ns = 0;
        for select in load::select_history(&table.name, &open) {
            let Answer { rows, begun_ns, .. } = table.api.rows(&select, usize::MAX).await?;
            asked_ns = begun_ns;
            for row in rows {
                let mut row = row.iter().map(query::text);
                let mut next = || row.next().unwrap_or_default();
                let (bucket, key, etag, load) = (next(), next(), next(), next());
                let rows = next().parse().unwrap_or(0);
                known.insert((bucket, key), (etag, load, rows));
            }
        }
        let mut counted = HashSet::new();
        for (object, answer) in objects.iter().zip(answers.iter_mut()) {
            let found = known.get(&(object.bucket.clone(), object.key.clone()));
            let (Some((etag, load, rows)), None) = (found, &*answer) else { continue };
            *answer = Some(match () {
                () if *etag != object.etag => Copied::Refused {
                    line: None,
                    message: "an object of this key was loaded, with other content".into(),
                },
                () if self.sent().contains(load) => {
                    let rows = if counted.insert(load) { *rows } else { 0 };
                    Copied::Loaded { rows }
                }
                () => Copied::AlreadyLoaded,
            });
        }
        counted.into_iter().for_each(|load| {
            self.sent().remove(load);
        });
        Ok(asked_ns)
    }

    /// Sends a load and waits for its end. What became of it before `asked_ns` is passed over.
    async fn load(
        &self,
        table: &Table,
        objects: &[&ObjectRef],
        asked_ns: i128,
        seen: &mut HashSet<String>,
    ) -> Result<Ended, Fault> {
        let id = load::id(objects);
        let place = match &table.manifests {
            Some(place) => place.clone(),
            None => {
                let bucket = objects.first().map(|object| object.bucket.clone());
                let prefix = MANIFESTS.to_owned();
                BucketPlace { bucket: bucket.unwrap_or_default(), prefix }
            }
        };
        let paths = ddl::jsonpaths(&table.record);
        let hash = blake3::hash(paths.as_bytes()).to_hex();
        let in_table = format!("{}{}/", place.prefix, table.name.to_lowercase());
        let jsonpaths = format!("{in_table}{hash}.jsonpaths");
        let manifest = format!("{in_table}{id}.json");
        self.put(&place.bucket, &jsonpaths, paths).await?;
        self.put(&place.bucket, &manifest, load::manifest(objects)).await?;
        let statements = Load {
            table: &table.name,
            record: &table.record,
            role: &table.role,
            id: &id,
            objects,
            manifest: &format!("s3://{}/{manifest}", place.bucket),
            jsonpaths: &format!("s3://{}/{jsonpaths}", place.bucket),
        }
        .statements();
        self.sent().insert(id);
        let mut token = ddl::token(&table.api.place, &statements, "");
        for _ in 0..OUTCOMES_MAX {
            let ended = table.api.run(&statements, &token).await?;
            // What ended before is the outcome of an earlier try, which changed nothing: if it had,
            // the history would name these objects.
            let earlier = ended.failure.is_some() && ended.begun_ns < asked_ns;
            if seen.insert(ended.id.clone()) && !earlier {
                return Ok(ended);
            }
            token = ddl::token(&table.api.place, &statements, &ended.id);
        }
        let message = format!("table `{}`: a load failed {OUTCOMES_MAX} times", table.name);
        Err(Fault::service("warehouse_failed", message).help(
            "look at the last statements of the Data API: `aws redshift-data list-statements`",
        ))
    }

    /// Puts an object whose key says what it holds.
    async fn put(&self, bucket: &str, key: &str, content: String) -> Result<(), Fault> {
        let call = self.s3.put_object().bucket(bucket).key(key).if_none_match("*");
        let put = call.body(content.into_bytes().into()).send().await;
        let there = |error: &SdkError<PutObjectError, HttpResponse>| {
            error.raw_response().is_some_and(|answer| answer.status().as_u16() == 412)
        };
        match put {
            Ok(_) => Ok(()),
            Err(error) if there(&error) => Ok(()),
            Err(error) => Err(aws::fault(&format!("put `s3://{bucket}/{key}`"), error)),
        }
    }
}

#[async_trait]
impl Warehouse for AwsWarehouse {
    async fn copy(&self, table: &str, objects: &[ObjectRef]) -> Result<Vec<Copied>, Fault> {
        let no_table =
            || Fault::service("no_table", format!("no warehouse table `{table}` is open"));
        let table = self.tables.get(table).ok_or_else(no_table)?;
        let mut answers: Vec<Option<Copied>> = vec![None; objects.len()];
        let mut seen = HashSet::new();
        let mut together = load::OBJECTS_MAX;
        // Each round answers for an object, or halves what is loaded together; the rest is for
        // other loaders that come first.
        for _ in 0..2 * objects.len() + 32 {
            let asked_ns = self.look_up(table, objects, &mut answers).await?;
            let open: Vec<usize> = (0..objects.len()).filter(|at| answers[*at].is_none()).collect();
            if open.is_empty() {
                return Ok(answers.into_iter().flatten().collect());
            }
            let refs: Vec<&ObjectRef> = open.iter().map(|at| &objects[*at]).collect();
            let taken = load::together(&refs, together);
            let group: Vec<&ObjectRef> = taken.iter().map(|at| refs[*at]).collect();
            let ended = self.load(table, &group, asked_ns, &mut seen).await?;
            let Some(failure) = ended.failure else { continue };
            match errors::judge(table, &group, &failure, ended.begun_ns).await? {
                errors::Verdict::Again => {}
                errors::Verdict::Smaller => together = (group.len() / 2).max(1),
                errors::Verdict::Refused(refused) => {
                    for (index, answer) in refused {
                        answers[open[taken[index]]] = Some(answer);
                    }
                }
            }
        }
        let message = format!("table `{}`: other loaders are always first", table.name);
        Err(Fault::transient("warehouse_busy", message))
    }

    async fn query(&self, sql: &str, rows_max: usize) -> Result<QueryRows, Fault> {
        let tables: Vec<&Table> = self.tables.values().collect();
        query::query(&tables, sql, rows_max).await
    }

    fn copy_objects_max(&self) -> usize {
        load::OBJECTS_MAX
    }
}

/// A field as text; `""` for a null.
fn field_text(field: &Field) -> String {
    query::text(field)
}
