//! What the protocols have in common: errors in each service's own form, percent-encoding, ids.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::request::{Request, Response, Tally};
use crate::service_error::ServiceError;

/// An answer in JSON, of the version the request came in.
pub fn json_reply(request: &Request, body: &Value) -> Response {
    Response::new(200, body.to_string()).header("content-type", json_type(request))
}

/// The answer to a call that writes one entry, which the counters are told.
pub fn one_entry(request: &Request, result: Result<Value, ServiceError>) -> Response {
    match result {
        Ok(body) => json_reply(request, &body).tallied(Tally { entries: 1, ..Tally::default() }),
        Err(error) => {
            let reply = error.reply(request);
            let tally = Tally { entries: 1, entries_failed: 1, ..reply.tally };
            reply.tallied(tally)
        }
    }
}

fn json_type(request: &Request) -> &'static str {
    match request.service.as_str() {
        "dynamodb" => "application/x-amz-json-1.0",
        _ => "application/x-amz-json-1.1",
    }
}

/// An error of a service that speaks JSON.
pub fn json_error(status: u16, code: &str, message: &str) -> Response {
    let body = json!({"__type": code, "message": message}).to_string();
    let reply = Response::new(status, body).header("content-type", "application/x-amz-json-1.1");
    reply.header("x-amzn-errortype", code)
}

/// An error in the form of the request's service.
pub fn error(request: &Request, status: u16, code: &str, message: &str) -> Response {
    match request.service.as_str() {
        "s3" => s3_error(request, status, code, message),
        "sts" => {
            let kind = if status < 500 { "Sender" } else { "Receiver" };
            let body = format!(
                "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error>\
                 <Type>{kind}</Type><Code>{code}</Code><Message>{}</Message></Error>\
                 <RequestId>{}</RequestId></ErrorResponse>",
                xml_text(message),
                request.id
            );
            Response::new(status, body).header("content-type", "text/xml")
        }
        "dynamodb" => {
            let namespace = match code {
                "AccessDeniedException"
                | "ExpiredTokenException"
                | "IncompleteSignatureException"
                | "InvalidSignatureException"
                | "MissingAuthenticationTokenException"
                | "SerializationException"
                | "ServiceUnavailable"
                | "ThrottlingException"
                | "UnknownOperationException"
                | "UnrecognizedClientException"
                | "ValidationException" => "com.amazon.coral.service",
                _ => "com.amazonaws.dynamodb.v20120810",
            };
            let key = if code == "SerializationException" { "Message" } else { "message" };
            let body = json!({"__type": format!("{namespace}#{code}"), key: message});
            Response::new(status, body.to_string())
                .header("content-type", "application/x-amz-json-1.0")
        }
        _ => json_error(status, code, message),
    }
}

/// An error of S3, in XML; the answer to HEAD has no body.
pub fn s3_error(request: &Request, status: u16, code: &str, message: &str) -> Response {
    let resource = xml_text(&percent_decode(&request.path));
    let body = match request.method.as_str() {
        "HEAD" => Bytes::new(),
        _ => Bytes::from(format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code>\
             <Message>{}</Message><Resource>{resource}</Resource>\
             <RequestId>{}</RequestId></Error>",
            xml_text(message),
            request.id
        )),
    };
    Response::new(status, body).header("content-type", "application/xml")
}

/// Text inside XML.
pub fn xml_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            other => out.push(other),
        }
    }
    out
}

/// Text with its `%xx` decoded; what is not one stays, bytes that are not UTF-8 are replaced.
pub fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = |byte: Option<&u8>| (*byte? as char).to_digit(16);
        match (bytes[at], hex(bytes.get(at + 1)), hex(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, _, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Text percent-encoded as signatures have it; `/` stays where it may.
pub fn percent_encode(text: &str, keep_slash: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(byte as char);
            }
            b'/' if keep_slash => out.push('/'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The pairs of a query string or form, decoded.
pub fn pairs(text: &str, plus_is_space: bool) -> Vec<(String, String)> {
    let decode = |part: &str| match plus_is_space {
        true => percent_decode(&part.replace('+', " ")),
        false => percent_decode(part),
    };
    let parts = text.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| part.split_once('=').unwrap_or((part, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            out.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
    }
    out
}

/// A random id in the form of a UUID.
pub fn uuid() -> String {
    let text = hex(&fastrand::u128(..).to_be_bytes());
    let (a, b, c, d, e) = (&text[..8], &text[8..12], &text[13..16], &text[17..20], &text[20..]);
    format!("{a}-{b}-4{c}-a{d}-{e}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_codes_go_both_ways() {
        let text = "a b/ü~%+&=";
        assert_eq!(percent_encode(text, true), "a%20b/%C3%BC~%25%2B%26%3D");
        assert_eq!(percent_decode(&percent_encode(text, false)), text);
        assert_eq!(percent_decode("100%"), "100%");
    }

    #[test]
    fn a_query_is_pairs() {
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(
            pairs("uploads&a=b%26&c=", false),
            [pair("uploads", ""), pair("a", "b&"), pair("c", "")]
        );
        assert_eq!(pairs("a=b+c", true), [pair("a", "b c")]);
    }

    #[test]
    fn errors_have_the_form_of_their_service() {
        let of = |service: &str| Request { service: service.into(), ..Request::default() };
        let text = |reply: Response| String::from_utf8_lossy(reply.bytes()).into_owned();
        let kinesis = error(&of("kinesis"), 400, "ValidationException", "no");
        assert!(
            kinesis.headers.contains(&("x-amzn-errortype".into(), "ValidationException".into()))
        );
        assert_eq!(text(kinesis), r#"{"__type":"ValidationException","message":"no"}"#);
        let table = text(error(&of("dynamodb"), 400, "ResourceNotFoundException", "no"));
        assert!(table.contains("com.amazonaws.dynamodb.v20120810#ResourceNotFoundException"));
        let object = text(error(&of("s3"), 404, "NoSuchKey", "a<b"));
        assert!(object.contains("<Code>NoSuchKey</Code><Message>a&lt;b</Message>"), "{object}");
        assert!(text(error(&of("sts"), 403, "X", "no")).contains("<Type>Sender</Type>"));
    }
}
