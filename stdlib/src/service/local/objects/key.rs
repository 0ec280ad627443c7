//! Keys of objects as paths: every key is a file below its bucket, and none is outside.

use crate::service::object_key;
use engine::fault::Fault;
use std::path::{Path, PathBuf};

/// The file of an object.
///
/// # Errors
/// The key is empty, too long, or would be outside the bucket.
pub fn path(root: &Path, bucket: &str, key: &str) -> Result<PathBuf, Fault> {
    object_key::check(bucket, key)?;
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
