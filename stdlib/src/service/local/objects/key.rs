//! Keys of objects as paths: every key is a file below its bucket, and none is outside.

use engine::fault::Fault;
use std::path::{Path, PathBuf};

/// The file of an object.
///
/// # Errors
/// The key is empty, too long, or would be outside the bucket.
pub fn path(root: &Path, bucket: &str, key: &str) -> Result<PathBuf, Fault> {
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
        let why = "locally, a key is a path inside the bucket";
        return Err(refuse(why, "write it without a `/` at its ends, `//`, `.` and `..` parts"));
    }
    Ok(bucket_dir(root, bucket)?.join(key))
}

/// The directory of a bucket.
///
/// # Errors
/// The name is no single directory name.
pub fn bucket_dir(root: &Path, bucket: &str) -> Result<PathBuf, Fault> {
    let bad = bucket.is_empty() || bucket.starts_with('.') || bucket.contains(['/', '\0']);
    if bad {
        return Err(Fault::service("bucket_name", format!("`{bucket}` is no name for a bucket"))
            .help("3 to 63 lower-case letters, digits, `-` and `.`"));
    }
    Ok(root.join(bucket))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_inside_their_bucket() {
        let root = Path::new("s3");
        let ok = path(root, "b", "2010/12/a b.txt").unwrap();
        assert_eq!(ok, Path::new("s3/b/2010/12/a b.txt"));
        assert!(path(root, "b", "..a/b..").is_ok());
        let long = "k".repeat(1025);
        for key in ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a/", "./a", "a\0", &long] {
            assert_eq!(path(root, "b", key).unwrap_err().code, "object_key", "{key}");
        }
        for bucket in ["", "..", "a/b", ".hidden"] {
            assert_eq!(path(root, bucket, "k").unwrap_err().code, "bucket_name", "{bucket}");
        }
    }
}
