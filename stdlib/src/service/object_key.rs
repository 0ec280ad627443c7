//! What is a key of an object, and what is none: the same for every provider, so that a flow does
//! on each what it does on the other.

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
