//! What a plan needs of AWS, by its declarations and bindings.

use crate::service::BucketPlace;
use crate::service::aws::clients::Clients;
use crate::service::aws::warehouse::api::Place;
use crate::service::aws::warehouse::{Table, ddl};
use crate::service::aws::{state, state_table};
use aws_sdk_dynamodb::types::ScalarAttributeType;
use dsl::plan::{Binding, Plan, PlanResource};
use dsl::ty::Ty;
use dsl::value::Value;
use engine::fault::Fault;
use std::fmt;

/// What is said where a delivery has no role.
pub const NO_ROLE: &str = "Firehose needs a role that may write into the bucket: add `role: \
                           \"arn:aws:iam::…:role/…\"` to its binding";

/// Something that a plan needs.
pub struct Wanted {
    /// What.
    pub what: What,
    /// The resources that need it, for a person.
    pub why: String,
    /// The first of them: index into the plan's resources. `None` = the run itself.
    pub resource: Option<usize>,
}

/// What can be needed.
pub enum What {
    /// A bucket.
    Bucket(String),
    /// A table with items.
    Items {
        /// Its name.
        table: String,
        /// Its key attributes: of the partition, then of the order in it.
        keys: Vec<(String, ScalarAttributeType)>,
    },
    /// A stream.
    Stream {
        /// Its name.
        stream: String,
        /// In how many shards it is made.
        shards: i64,
    },
    /// A delivery stream.
    Delivery(DeliveryStream),
    /// A table of the warehouse.
    Rows(Box<Table>),
    /// The table that says what is loaded.
    History(Box<Table>),
}

/// A delivery stream into a bucket.
pub struct DeliveryStream {
    /// Its name.
    pub name: String,
    /// Where its objects lie.
    pub place: BucketPlace,
    /// What it gathers at most, in MiB.
    pub size_mib: i32,
    /// How long it gathers at most, in seconds.
    pub wait_s: i32,
    /// The role that writes into the bucket.
    pub role: Option<String>,
}

impl What {
    /// How it is made, in a few words.
    pub fn how(&self) -> String {
        match self {
            What::Bucket(_) => String::new(),
            What::Items { keys, .. } => {
                let keys = keys.iter().map(|(name, ty)| format!("{name} ({})", ty.as_str()));
                format!("key {}, on demand", keys.collect::<Vec<_>>().join(", "))
            }
            What::Stream { shards: 1, .. } => "1 shard".into(),
            What::Stream { shards, .. } => format!("{shards} shards"),
            What::Delivery(DeliveryStream { place, size_mib, wait_s, .. }) => {
                let BucketPlace { bucket, prefix } = place;
                format!("into `s3://{bucket}/{prefix}`, {size_mib} MiB or {wait_s} s")
            }
            What::Rows(table) => format!("{} columns", ddl::columns(&table.record).len()),
            What::History(_) => "which objects are loaded".into(),
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Bucket(bucket) => write!(f, "bucket `{bucket}`"),
            What::Items { table, .. } => write!(f, "table `{table}`"),
            What::Stream { stream, .. } => write!(f, "stream `{stream}`"),
            What::Delivery(delivery) => write!(f, "delivery stream `{}`", delivery.name),
            What::Rows(table) => write!(f, "warehouse table `{}`", table.name.to_lowercase()),
            What::History(_) => write!(f, "warehouse table `{}`", ddl::HISTORY),
        }
    }
}

/// What the plan needs, in the order of making.
///
/// # Errors
/// A binding or a type asks for what AWS does not have.
pub fn of(plan: &Plan, clients: &Clients) -> Result<Vec<Wanted>, Fault> {
    let keys = vec![(state::KEY.to_owned(), ScalarAttributeType::S)];
    let what = What::Items { table: state_table(plan), keys };
    let mut all = vec![Wanted { what, why: "leases and positions of runs".into(), resource: None }];
    let mut histories: Vec<(Place, Wanted)> = Vec::new();
    for (index, resource) in plan.resources.iter().enumerate() {
        let Some(binding) = &resource.binding else { continue };
        let what = match binding.service.as_str() {
            "s3" => What::Bucket(binding.name.clone()),
            "kinesis" => {
                let shards = binding.options.get("shards").and_then(Value::as_int).unwrap_or(1);
                What::Stream { stream: binding.name.clone(), shards }
            }
            "dynamodb" => What::Items { table: binding.name.clone(), keys: keys_of(resource)? },
            "firehose" => What::Delivery(delivery(plan, resource, binding)?),
            "redshift" => {
                let Some(table) = Table::of(resource, clients)? else { continue };
                let history = Table::of(resource, clients)?.map(Box::new);
                if let Some(history) = history {
                    let (place, why) = (history.api.place.clone(), "what is loaded".to_owned());
                    let resource = Some(index);
                    let wanted = Wanted { what: What::History(history), why, resource };
                    if !histories.iter().any(|(known, _)| *known == place) {
                        histories.push((place, wanted));
                    }
                }
                What::Rows(Box::new(table))
            }
            _ => continue,
        };
        let named = what.to_string();
        match all.iter_mut().find(|wanted| wanted.what.to_string() == named) {
            Some(known) => known.why = format!("{}, {}", known.why, resource.name),
            None => all.push(Wanted { what, why: resource.name.clone(), resource: Some(index) }),
        }
    }
    all.extend(histories.into_iter().map(|(_, wanted)| wanted));
    all.sort_by_key(|wanted| match wanted.what {
        What::Bucket(_) => 0,
        What::Items { .. } => 1,
        What::Stream { .. } => 2,
        What::Delivery(_) => 3,
        What::History(_) => 4,
        What::Rows(_) => 5,
    });
    Ok(all)
}

/// The key attributes of a table with items, by the declared type.
fn keys_of(resource: &PlanResource) -> Result<Vec<(String, ScalarAttributeType)>, Fault> {
    if resource.key.is_empty() || resource.key.len() > 2 {
        let message = format!(
            "table `{}` has a key of {} fields, and DynamoDB takes one or two",
            resource.name,
            resource.key.len()
        );
        return Err(Fault::service("table_key", message).help("join fields to one with `map`"));
    }
    let record = resource.ty.record();
    let key = |name: &String| {
        let field = record.and_then(|record| record.field(name));
        let ty = match field.map(|field| field.ty.non_null()) {
            Some(Ty::Int | Ty::Size | Ty::Duration | Ty::Decimal { .. } | Ty::Float) => {
                ScalarAttributeType::N
            }
            Some(Ty::Bytes) => ScalarAttributeType::B,
            _ => ScalarAttributeType::S,
        };
        (name.clone(), ty)
    };
    Ok(resource.key.iter().map(key).collect())
}

fn delivery(
    plan: &Plan,
    resource: &PlanResource,
    binding: &Binding,
) -> Result<DeliveryStream, Fault> {
    let Some(bucket) = resource.into.map(|into| &plan.resources[into]) else {
        let message = format!("delivery `{}` has no bucket", resource.name);
        return Err(Fault::service("unbound", message).help("declare it `into` a bucket"));
    };
    let size = binding.options.get("size").and_then(Value::as_size).unwrap_or(5 << 20);
    let wait = binding.options.get("wait").and_then(Value::as_duration_ns);
    let role = binding.options.get("role").and_then(Value::as_text).unwrap_or_default();
    Ok(DeliveryStream {
        name: binding.name.clone(),
        place: BucketPlace::of(bucket)?,
        size_mib: i32::try_from(size.div_ceil(1 << 20)).unwrap_or(i32::MAX).max(1),
        wait_s: wait.map_or(300, |ns| i32::try_from(ns / 1_000_000_000).unwrap_or(i32::MAX)),
        role: (!role.is_empty()).then(|| role.to_owned()),
    })
}
