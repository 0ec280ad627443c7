//! Which bucket and key a request is for: by its path, or by its host.

use super::error::Error;
use crate::request::Request;
use crate::wire::percent_decode;

/// The longest key, in bytes of UTF-8.
const KEY_BYTES_MAX: usize = 1_024;

/// Bucket and key, still percent-encoded; either may be empty. `bucket.localhost` and
/// `bucket.s3.REGION.amazonaws.com` are virtual hosts.
pub(crate) fn raw(request: &Request) -> (String, String) {
    let host = request.header("host");
    let host = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let path = request.path.strip_prefix('/').unwrap_or(&request.path);
    let bucket = host.strip_suffix(".localhost").or_else(|| {
        let (bucket, rest) = host.split_once(".s3")?;
        rest.ends_with(".amazonaws.com").then_some(bucket)
    });
    match (bucket, path.split_once('/')) {
        (Some(bucket), _) => (bucket.to_owned(), path.to_owned()),
        (None, Some((bucket, key))) => (bucket.to_owned(), key.to_owned()),
        (None, None) => (path.to_owned(), String::new()),
    }
}

/// Bucket and key, decoded; a key that AWS refuses is refused.
pub(super) fn of(request: &Request) -> Result<(String, String), Error> {
    let (bucket, raw_key) = raw(request);
    let key = percent_decode(&raw_key);
    if key.contains('\u{fffd}') && !raw_key.contains("%EF%BF%BD") {
        return Err(Error::of("InvalidURI"));
    }
    if key.len() > KEY_BYTES_MAX {
        return Err(Error::of("KeyTooLongError")
            .with("Size", key.len())
            .with("MaxSizeAllowed", KEY_BYTES_MAX));
    }
    Ok((percent_decode(&bucket), key))
}

/// True for a name that AWS gives a bucket.
pub(super) fn is_bucket_name(name: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let address = name.split('.').count() == 4 && name.split('.').all(|n| n.parse::<u8>().is_ok());
    let prefixes = ["xn--", "sthree-", "amzn-s3-demo-"];
    let suffixes = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];
    (3..=63).contains(&name.len())
        && name.chars().all(inner)
        && edge(name.chars().next())
        && edge(name.chars().next_back())
        && !name.contains("..")
        && !address
        && !prefixes.iter().any(|prefix| name.starts_with(prefix))
        && !suffixes.iter().any(|suffix| name.ends_with(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(host: &str, path: &str) -> Request {
        let mut request = Request { path: path.into(), ..Request::default() };
        request.headers.insert("host", host.parse().expect("a host"));
        request
    }

    #[test]
    fn the_bucket_stands_in_the_path_or_the_host() {
        let pair = |bucket: &str, key: &str| (bucket.to_owned(), key.to_owned());
        assert_eq!(raw(&request("127.0.0.1:9", "/")), pair("", ""));
        assert_eq!(raw(&request("127.0.0.1:9", "/b")), pair("b", ""));
        assert_eq!(raw(&request("localhost:9", "/b/k/x")), pair("b", "k/x"));
        assert_eq!(raw(&request("b.localhost:9", "/k/x")), pair("b", "k/x"));
        assert_eq!(raw(&request("b.localhost:9", "//k")), pair("b", "/k"));
        assert_eq!(raw(&request("b.s3.eu-central-1.amazonaws.com", "/k")), pair("b", "k"));
        let decoded = of(&request("localhost", "/b/a%20b/%C3%BC")).expect("a key");
        assert_eq!(decoded, pair("b", "a b/ü"));
    }

    #[test]
    fn wrong_keys_are_refused() {
        let long = |bytes: usize| request("localhost", &format!("/b/{}", "k".repeat(bytes)));
        assert!(of(&long(1_024)).is_ok());
        assert_eq!(of(&long(1_025)).expect_err("long").code, "KeyTooLongError");
        assert_eq!(of(&request("localhost", "/b/%FF")).expect_err("bytes").code, "InvalidURI");
    }

    #[test]
    fn buckets_have_names() {
        for name in ["abc", "a.b-c", "0aa", &"a".repeat(63)] {
            assert!(is_bucket_name(name), "{name}");
        }
        for name in [
            "ab",
            "Abc",
            "a_b",
            "-ab",
            "ab-",
            "a..b",
            "1.2.3.4",
            "xn--a",
            "a-s3alias",
            "",
            &"a".repeat(64),
        ] {
            assert!(!is_bucket_name(name), "{name}");
        }
    }
}
