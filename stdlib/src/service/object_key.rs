//! What is a key of an object, and what is none: the same for every provider, so that a flow does
//! on each what it does on the other.

use super::physical_name;
use dsl::ast::ResourceKind;
use dsl::plan::{BatchField, Expr, ExprKind, PlanResource, TemplatePart};
use dsl::ty::Ty;
use engine::fault::Fault;

/// Refuses what is no key.
///
/// # Errors
/// The key is empty, too long, or would be outside the bucket as a path.
pub fn check(bucket: &str, key: &str) -> Result<(), Fault> {
    let refuse = |why: &str, help: &str| {
        Fault::service("object_key", format!("`{key}` is no key for bucket `{bucket}`: {why}"))
            .help(help)
    };
    if key.is_empty() {
        return Err(refuse("it is empty", "make the key from the batch: `{batch.id}.txt`"));
    }
    let bytes_max = dsl::quotas::aws().limit("s3.key").max;
    if key.len() as u64 > bytes_max {
        return Err(refuse(&format!("it has over {bytes_max} bytes"), "make it shorter"));
    }
    let part_is_bad = |part: &str| part.is_empty() || part == "." || part == "..";
    if key.split('/').any(part_is_bad) || key.contains('\0') {
        let why = "a key is a path inside the bucket";
        return Err(refuse(why, "write it without a `/` at its ends, `//`, `.` and `..` parts"));
    }
    Ok(())
}

/// There is an object of that key with other content.
pub fn conflict(bucket: &str, key: &str) -> Fault {
    let message =
        format!("bucket `{bucket}` has an object `{key}` with other content; it was not replaced");
    Fault::service("object_conflict", message).help(
        "make the key unique to its batch, as `{batch.id}` does; or move the other object away",
    )
}

/// What the names of objects of a type end with.
pub fn ending(ty: &Ty) -> &'static str {
    match ty {
        Ty::Ndjson(_) | Ty::Json(_) => ".ndjson",
        Ty::Csv(_) => ".csv",
        Ty::Bytes => "",
        _ => ".txt",
    }
}

/// The names of objects that a provider makes of a delivery or of appends:
/// `sales-feed-2010-12-01T08-26-00.000000-ID.ndjson`; without the name for appends, whose bucket
/// has a prefix to tell them apart.
pub fn template(stored: &PlanResource) -> Expr {
    let part = |kind: ExprKind, ty: Ty| Expr { kind, ty, span: stored.span };
    let time = part(ExprKind::Batch(BatchField::Time), Ty::Timestamp);
    let id = part(ExprKind::Batch(BatchField::Id), Ty::Text);
    let name = match stored.kind {
        ResourceKind::Delivery => physical_name(stored).unwrap_or(&stored.name),
        _ => "",
    };
    let dash = if name.is_empty() { "" } else { "-" };
    let parts = vec![
        TemplatePart::Text(format!("{name}{dash}")),
        TemplatePart::Hole(time, Some("%Y-%m-%dT%H-%M-%S%.6f".into())),
        TemplatePart::Text("-".into()),
        TemplatePart::Hole(id, None),
        TemplatePart::Text(ending(&stored.ty).into()),
    ];
    part(ExprKind::Template(parts), Ty::Text)
}
