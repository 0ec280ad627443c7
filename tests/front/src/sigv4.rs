//! Signature Version 4, verified: who asks, for which service, and that nothing was changed.

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use hyper::http::request::Parts;
use sha2::{Digest, Sha256};

use crate::chunked;
use crate::clock::{basic, parse_basic};
use crate::wire::{hex, pairs, percent_decode, percent_encode};

/// The access key that is known.
pub const ACCESS_KEY: &str = "test";
const SECRET: &str = "test";
const SKEW_MAX_MS: i64 = 15 * 60_000;
const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// What the signature stands for.
#[derive(Debug)]
pub struct Verified {
    /// The credential scope's service.
    pub service: String,
    /// The credential scope's region.
    pub region: String,
    /// Who signed.
    pub access_key: String,
    /// The body, decoded where it came as `aws-chunked`.
    pub body: Bytes,
    /// The trailer of such a body.
    pub trailers: Vec<(String, String)>,
}

/// Why a request is refused before its service sees it.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no signature.
    Missing,
    /// The `Authorization` header lacks something; the text says what.
    Incomplete(String),
    /// Nobody has this access key.
    UnknownKey,
    /// The signature is another one; the canonical request is what should have been signed.
    Signature(String),
    /// The time of signing is too far off; the text says how.
    Skew(String),
    /// The body is not what `x-amz-content-sha256` says.
    BodyHash,
    /// An `aws-chunked` body is malformed; the text says how.
    Chunks(String),
}

/// A refusal, and the service the client meant, as far as it is known.
#[derive(Debug)]
pub struct Refusal {
    /// Whose form the error takes.
    pub service: Option<String>,
    /// What is wrong.
    pub why: Refused,
}

struct Authorization<'a> {
    access_key: &'a str,
    date: &'a str,
    region: &'a str,
    service: &'a str,
    signed: Vec<&'a str>,
    signature: &'a str,
}

fn authorization(header: &str) -> Result<Authorization<'_>, String> {
    let rest = header.strip_prefix(ALGORITHM).ok_or("Authorization is not AWS4-HMAC-SHA256")?;
    let part = |name: &str| {
        let found = rest.split(',').map(str::trim).find_map(|part| part.strip_prefix(name));
        found.ok_or(format!("Authorization header requires '{name}' parameter."))
    };
    let credential = part("Credential=")?;
    let scope: Vec<&str> = credential.split('/').collect();
    let [access_key, date, region, service, "aws4_request"] = scope[..] else {
        return Err(format!("'{credential}' not a valid key=value pair in Authorization header."));
    };
    let signed = part("SignedHeaders=")?.split(';').collect();
    let signature = part("Signature=")?;
    Ok(Authorization { access_key, date, region, service, signed, signature })
}

/// The keyed hash that signatures are made of.
pub fn keyed(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

fn signing_key(date: &str, region: &str, service: &str) -> [u8; 32] {
    let day = keyed(format!("AWS4{SECRET}").as_bytes(), date.as_bytes());
    let service = keyed(&keyed(&day, region.as_bytes()), service.as_bytes());
    keyed(&service, b"aws4_request")
}

/// SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn canonical(parts: &Parts, auth: &Authorization<'_>, payload: &str) -> String {
    let path = percent_decode(parts.uri.path());
    let path = percent_encode(&path, true);
    let path = if auth.service == "s3" { path } else { percent_encode(&path, true) };
    let mut query: Vec<(String, String)> = pairs(parts.uri.query().unwrap_or_default(), false)
        .into_iter()
        .map(|(name, value)| (percent_encode(&name, false), percent_encode(&value, false)))
        .collect();
    query.sort();
    let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut headers = String::new();
    for name in &auth.signed {
        let values = parts.headers.get_all(*name).iter().map(|value| {
            let text = String::from_utf8_lossy(value.as_bytes());
            text.split_whitespace().collect::<Vec<_>>().join(" ")
        });
        headers.push_str(&format!("{name}:{}\n", values.collect::<Vec<_>>().join(",")));
    }
    let (method, query, signed) = (&parts.method, query.join("&"), auth.signed.join(";"));
    format!("{method}\n{path}\n{query}\n{headers}\n{signed}\n{payload}")
}

fn header<'a>(parts: &'a Parts, name: &str) -> &'a str {
    parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// What a request says about itself, believed: no hash is taken, and chunks stay as they came.
pub fn believe(parts: &Parts, body: Bytes) -> Result<Verified, Refusal> {
    let auth = authorization(header(parts, "authorization"))
        .map_err(|what| Refusal { service: None, why: Refused::Incomplete(what) })?;
    let (service, region) = (auth.service.to_owned(), auth.region.to_owned());
    let access_key = auth.access_key.to_owned();
    Ok(Verified { service, region, access_key, body, trailers: Vec::new() })
}

/// Who a request is from and what it carries, or why not; `now_ms` is the time of signatures.
pub fn verify(parts: &Parts, body: Bytes, now_ms: i64) -> Result<Verified, Refusal> {
    let text = header(parts, "authorization");
    if text.is_empty() {
        return Err(Refusal { service: None, why: Refused::Missing });
    }
    let auth = authorization(text)
        .map_err(|what| Refusal { service: None, why: Refused::Incomplete(what) })?;
    let (body, trailers) = check(parts, &auth, body, now_ms)
        .map_err(|why| Refusal { service: Some(auth.service.to_owned()), why })?;
    Ok(Verified {
        service: auth.service.to_owned(),
        region: auth.region.to_owned(),
        access_key: auth.access_key.to_owned(),
        body,
        trailers,
    })
}

fn check(
    parts: &Parts,
    auth: &Authorization<'_>,
    body: Bytes,
    now_ms: i64,
) -> Result<(Bytes, Vec<(String, String)>), Refused> {
    if auth.access_key != ACCESS_KEY {
        return Err(Refused::UnknownKey);
    }
    let date = header(parts, "x-amz-date");
    let Some(at_ms) = parse_basic(date) else {
        let text = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' \
                    header.";
        return Err(Refused::Incomplete(text.into()));
    };
    skew(date, at_ms, now_ms)?;
    must_sign(parts, auth)?;
    let declared = header(parts, "x-amz-content-sha256");
    let payload = match (auth.service, declared) {
        ("s3", "") => {
            let text = "Missing required header for this request: x-amz-content-sha256";
            return Err(Refused::Incomplete(text.into()));
        }
        ("s3", declared) => declared.to_owned(),
        _ => sha256(&body),
    };
    let request = canonical(parts, auth, &payload);
    let scope = format!("{}/{}/{}/aws4_request", auth.date, auth.region, auth.service);
    let to_sign = format!("{ALGORITHM}\n{date}\n{scope}\n{}", sha256(request.as_bytes()));
    let key = signing_key(auth.date, auth.region, auth.service);
    if !date.starts_with(auth.date) || hex(&keyed(&key, to_sign.as_bytes())) != auth.signature {
        return Err(Refused::Signature(request));
    }
    match payload.as_str() {
        "UNSIGNED-PAYLOAD" => Ok((body, Vec::new())),
        kind if kind.starts_with("STREAMING-") => {
            let length = header(parts, "x-amz-decoded-content-length");
            let names = header(parts, "x-amz-trailer");
            let signing = chunked::Signing { key: &key, date, scope: &scope, seed: auth.signature };
            chunked::decode(kind, &body, length, names, &signing)
        }
        hash if auth.service == "s3" && hash != sha256(&body) => Err(Refused::BodyHash),
        _ => Ok((body, Vec::new())),
    }
}

fn skew(date: &str, at_ms: i64, now_ms: i64) -> Result<(), Refused> {
    let now = basic(now_ms);
    if at_ms < now_ms - SKEW_MAX_MS {
        let limit = basic(now_ms - SKEW_MAX_MS);
        let text =
            format!("Signature expired: {date} is now earlier than {limit} ({now} - 15 min.)");
        return Err(Refused::Skew(text));
    }
    if at_ms > now_ms + SKEW_MAX_MS {
        let limit = basic(now_ms + SKEW_MAX_MS);
        let text = format!(
            "Signature not yet current: {date} is still later than {limit} ({now} + 15 min.)"
        );
        return Err(Refused::Skew(text));
    }
    Ok(())
}

/// `host` and every `x-amz-` header must be signed, each signed header must be there.
fn must_sign(parts: &Parts, auth: &Authorization<'_>) -> Result<(), Refused> {
    let refuse = |name: &str| {
        let text = format!("'{name}' must be a 'SignedHeader' in the AWS Authorization.");
        Err(Refused::Incomplete(text))
    };
    if !auth.signed.contains(&"host") {
        return refuse("Host");
    }
    for name in parts.headers.keys() {
        let name = name.as_str();
        if name.starts_with("x-amz-") && !auth.signed.contains(&name) {
            return refuse(name);
        }
    }
    let missing = auth.signed.iter().find(|name| !parts.headers.contains_key(**name));
    missing.map_or(Ok(()), |name| {
        let text = format!("'{name}' is named in SignedHeaders and is not a header.");
        Err(Refused::Incomplete(text))
    })
}

/// The `Authorization` header of a request of the known key in `eu-central-1`, for tests; all of
/// the headers are signed, in their order.
#[cfg(test)]
pub(crate) fn sign(
    method: &str,
    path: &str,
    service: &str,
    date: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> String {
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let values: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let signed = names.join(";");
    let request = format!("{method}\n{path}\n\n{values}\n{signed}\n{}", sha256(body));
    let (day, region) = (&date[..8], "eu-central-1");
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let to_sign = format!("{ALGORITHM}\n{date}\n{scope}\n{}", sha256(request.as_bytes()));
    let signature = hex(&keyed(&signing_key(day, region, service), to_sign.as_bytes()));
    let credential = format!("{ACCESS_KEY}/{scope}");
    format!("{ALGORITHM} Credential={credential}, SignedHeaders={signed}, Signature={signature}")
}

#[cfg(test)]
mod tests;
