//! What a warehouse keeps in buckets beside the data: the lists of objects of its loads
//! (manifests), and where fields stand in a row (jsonpaths). No reader takes them for data.

use crate::service::BucketPlace;
use dsl::ast::ResourceKind;
use dsl::plan::{Binding, Plan, PlanResource};
use dsl::value::Value;
use engine::fault::Fault;

/// Where manifests lie, in the bucket of the objects that they list, where a binding says no other
/// place.
pub const MANIFESTS: &str = "flowc/manifests/";

/// The place that `manifests: "s3://bucket/prefix/"` names; `None` = the default.
///
/// # Errors
/// It is no place.
pub fn manifests(binding: &Binding) -> Result<Option<BucketPlace>, Fault> {
    let text = binding.options.get("manifests").and_then(Value::as_text).unwrap_or_default();
    if text.is_empty() {
        return Ok(None);
    }
    let parts = text.strip_prefix("s3://").map(|rest| rest.split_once('/').unwrap_or((rest, "")));
    let Some((bucket, prefix)) = parts.filter(|(bucket, _)| !bucket.is_empty()) else {
        let message = format!("`manifests: {text:?}` of `{}` is no place in S3", binding.name);
        return Err(Fault::service("manifests_place", message)
            .help("write `manifests: \"s3://bucket/prefix/\"`"));
    };
    let slash = if prefix.is_empty() || prefix.ends_with('/') { "" } else { "/" };
    Ok(Some(BucketPlace { bucket: bucket.to_owned(), prefix: format!("{prefix}{slash}") }))
}

/// Beginnings of the keys in a bucket that are not data.
pub struct Aside(Vec<String>);

impl Aside {
    /// What warehouse tables of a plan keep in a place that is read.
    ///
    /// # Errors
    /// All that is read there would be theirs.
    pub fn of(plan: &Plan, read: &BucketPlace) -> Result<Aside, Fault> {
        let mut prefixes = vec![MANIFESTS.to_owned()];
        for resource in plan.resources.iter().filter(|each| is_warehouse(each)) {
            let Some(binding) = &resource.binding else { continue };
            let place = manifests(binding)?.filter(|place| place.bucket == read.bucket);
            prefixes.extend(place.map(|place| place.prefix));
        }
        match prefixes.iter().find(|prefix| read.prefix.starts_with(prefix.as_str())) {
            None => Ok(Aside(prefixes)),
            Some(prefix) => {
                let BucketPlace { bucket, prefix: data } = read;
                let message = format!(
                    "objects are read from `s3://{bucket}/{data}`, where manifests of loads lie \
                     (`s3://{bucket}/{prefix}`)"
                );
                Err(Fault::service("manifests_place", message)
                    .help("give the redshift binding `manifests: \"s3://bucket/other/\"`"))
            }
        }
    }

    /// Whether the object of that key is not data.
    pub fn holds(&self, key: &str) -> bool {
        self.0.iter().any(|prefix| key.starts_with(prefix.as_str()))
    }
}

/// Whether SQL reads a table.
pub fn is_warehouse(resource: &PlanResource) -> bool {
    let service = resource.binding.as_ref().map(|binding| binding.service.as_str());
    resource.kind == ResourceKind::Table && service == Some("redshift")
}

#[cfg(test)]
mod tests {
    use super::*;
    use dsl::ty::Ty;

    fn table(manifests: &str) -> PlanResource {
        let options = [("manifests".to_owned(), Value::Text(manifests.into()))];
        PlanResource {
            name: "sales".into(),
            kind: ResourceKind::Table,
            ty: Ty::Text,
            key: Vec::new(),
            into: None,
            binding: Some(Binding {
                service: "redshift".into(),
                name: "sales".into(),
                options: options.into(),
            }),
            span: Default::default(),
        }
    }

    fn aside(manifests: &str, prefix: &str) -> Result<Aside, Fault> {
        let plan = engine::testing::plan(vec![table(manifests)]);
        Aside::of(&plan, &BucketPlace { bucket: "b".into(), prefix: prefix.into() })
    }

    #[test]
    fn manifests_are_no_data() {
        let default = aside("", "").unwrap();
        assert!(default.holds("flowc/manifests/sales/1.json"));
        assert!(!default.holds("flowc/other") && !default.holds("2026/flowc/manifests/x"));
        let own = aside("s3://b/loads", "").unwrap();
        assert!(own.holds("loads/sales/1.json") && !own.holds("loads2"));
        assert!(!aside("s3://other/loads", "").unwrap().holds("loads/x"));
    }

    #[test]
    fn manifests_never_cover_the_data() {
        for (manifests, prefix) in [("s3://b", ""), ("s3://b/in/", "in/2026/")] {
            let fault = aside(manifests, prefix).err().unwrap();
            assert_eq!(fault.code, "manifests_place", "{}", fault.message);
        }
        assert!(aside("s3://b/in/manifests", "in/").is_ok());
        assert_eq!(aside("b/in", "").err().unwrap().code, "manifests_place");
    }
}
