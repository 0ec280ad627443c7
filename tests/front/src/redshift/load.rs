//! What COPY reads: a manifest, the objects, the rows in them.

use std::collections::HashMap;
use std::io::Read;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::copy::{Copy, Packed, Shape};
use super::path::JsonPath;
use super::value::{Bad, Column, convert};
use crate::objects::ObjectStore;

/// One JSON object, and one row, at most.
const ROW_MAX_BYTES: usize = 4 * 1024 * 1024;
/// What an object may have when it is unpacked.
const OBJECT_MAX_BYTES: u64 = 1 << 30;

/// A row that cannot be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowError {
    /// `s3://bucket/key`
    pub file: String,
    /// From 1.
    pub line: usize,
    /// The column, empty for the whole row.
    pub column: String,
    /// Its type.
    pub kind: String,
    /// Number and words.
    pub bad: Bad,
}

/// What COPY has read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// PostgreSQL's text form of COPY, a line a row.
    pub text: String,
    /// Rows in `text`.
    pub rows: u64,
    /// Rows left out, each once.
    pub errors: Vec<RowError>,
}

#[derive(Deserialize)]
struct Manifest {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    url: String,
    #[serde(default)]
    mandatory: bool,
}

#[derive(Deserialize)]
struct Paths {
    jsonpaths: Vec<String>,
}

fn place(url: &str) -> Result<(&str, &str), String> {
    let rest = url.strip_prefix("s3://").and_then(|rest| rest.split_once('/'));
    rest.ok_or_else(|| format!("ERROR: '{url}' is no s3://bucket/key"))
}

fn get(objects: &dyn ObjectStore, url: &str) -> Result<Bytes, String> {
    let (bucket, key) = place(url)?;
    objects.get(bucket, key).map_err(|missing| {
        format!(
            "ERROR: S3ServiceException:The specified key or bucket does not exist.,Status 404,\
             Error {},Key {key}",
            missing.0
        )
    })
}

/// The objects to load, in order.
fn sources(copy: &Copy, objects: &dyn ObjectStore) -> Result<Vec<(String, Bytes)>, String> {
    let nothing = || format!("ERROR: The specified S3 prefix '{}' does not exist", copy.from);
    if copy.manifest {
        let text = get(objects, &copy.from)?;
        let manifest: Manifest = serde_json::from_slice(&text)
            .map_err(|error| format!("ERROR: Problem reading manifest file - {error}"))?;
        let mut found = Vec::new();
        for entry in manifest.entries {
            match get(objects, &entry.url) {
                Ok(bytes) => found.push((entry.url, bytes)),
                Err(error) if entry.mandatory => return Err(error),
                Err(_) => {}
            }
        }
        return if found.is_empty() { Err(nothing()) } else { Ok(found) };
    }
    let (bucket, prefix) = place(&copy.from)?;
    let keys = objects.list(bucket, prefix).map_err(|missing| {
        format!("ERROR: S3ServiceException:The bucket {bucket} does not exist.,Error {}", missing.0)
    })?;
    if keys.is_empty() {
        return Err(nothing());
    }
    keys.into_iter()
        .map(|key| {
            let url = format!("s3://{bucket}/{key}");
            get(objects, &url).map(|bytes| (url, bytes))
        })
        .collect()
}

fn unpacked(bytes: &[u8], packed: Packed, url: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let read = match packed {
        Packed::Plain => return Ok(bytes.to_vec()),
        Packed::Gzip => {
            flate2::read::MultiGzDecoder::new(bytes).take(OBJECT_MAX_BYTES).read_to_end(&mut out)
        }
        Packed::Zstd => ruzstd::decoding::StreamingDecoder::new(bytes)
            .map_err(|error| std::io::Error::other(error.to_string()))
            .and_then(|decoder| decoder.take(OBJECT_MAX_BYTES).read_to_end(&mut out)),
    };
    match read {
        Ok(_) => Ok(out),
        Err(error) => Err(format!("ERROR: {url} cannot be decompressed: {error}")),
    }
}

/// How each column finds its value.
enum Finder {
    Key { ignore_case: bool },
    Paths(Vec<JsonPath>),
}

fn finder(copy: &Copy, columns: usize, objects: &dyn ObjectStore) -> Result<Finder, String> {
    let url = match &copy.shape {
        Shape::Auto => return Ok(Finder::Key { ignore_case: false }),
        Shape::AutoIgnoreCase => return Ok(Finder::Key { ignore_case: true }),
        Shape::Paths(url) => url,
    };
    let text = get(objects, url)?;
    let paths: Paths = serde_json::from_slice(&text)
        .map_err(|error| format!("ERROR: Invalid JSONPaths file '{url}': {error}"))?;
    if paths.jsonpaths.len() != columns {
        return Err(format!(
            "ERROR: Number of jsonpaths and the number of columns should match. JSONPath size: \
             {}, Number of columns in table or column list: {columns}",
            paths.jsonpaths.len()
        ));
    }
    let paths: Result<_, String> =
        paths.jsonpaths.iter().map(|path| JsonPath::parse(path)).collect();
    paths.map(Finder::Paths)
}

type Object<'a> = HashMap<String, &'a RawValue>;

impl Finder {
    fn find<'a>(&self, object: &Object<'a>, column: &Column, at: usize) -> Option<&'a RawValue> {
        match self {
            Finder::Key { ignore_case: false } => object.get(&column.name).copied(),
            Finder::Key { ignore_case: true } => {
                let mut all = object.iter();
                all.find(|(key, _)| key.to_lowercase() == column.name).map(|(_, value)| *value)
            }
            Finder::Paths(paths) => paths[at].find(object),
        }
    }
}

/// Reads everything; the error is of the command, not of a row.
pub fn load(copy: &Copy, columns: &[Column], objects: &dyn ObjectStore) -> Result<Loaded, String> {
    let finder = finder(copy, columns.len(), objects)?;
    let mut loaded = Loaded::default();
    for (url, bytes) in sources(copy, objects)? {
        let mut bytes = unpacked(&bytes, copy.packed, &url)?;
        if let (Err(_), Some(by)) = (std::str::from_utf8(&bytes), copy.invalid) {
            let by = by.to_string();
            bytes = String::from_utf8_lossy(&bytes).replace('\u{fffd}', &by).into_bytes();
        }
        file(&url, &bytes, copy, columns, &finder, &mut loaded);
    }
    Ok(loaded)
}

fn file(
    url: &str,
    bytes: &[u8],
    copy: &Copy,
    columns: &[Column],
    finder: &Finder,
    loaded: &mut Loaded,
) {
    let (mut from, mut line) = (0, 1);
    loop {
        let space = bytes[from..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        line += bytes[from..from + space].iter().filter(|byte| **byte == b'\n').count();
        from += space;
        if from == bytes.len() {
            return;
        }
        let mut stream =
            serde_json::Deserializer::from_slice(&bytes[from..]).into_iter::<&RawValue>();
        let (outcome, end) = match stream.next() {
            Some(Ok(raw)) => (row(raw, copy, columns, finder), from + stream.byte_offset()),
            _ => {
                let rest = &bytes[from..];
                let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
                (Err((None, invalid(&rest[..end]))), from + end)
            }
        };
        match outcome {
            Ok(text) => {
                loaded.text.push_str(&text);
                loaded.rows += 1;
            }
            Err((column, bad)) => {
                let column: Option<&Column> = column.map(|at: usize| &columns[at]);
                let name = column.map_or("", |column| &column.name).to_owned();
                let kind = column.map_or("", |column| &column.label).to_owned();
                loaded.errors.push(RowError { file: url.into(), line, column: name, kind, bad });
            }
        }
        line += bytes[from..end].iter().filter(|byte| **byte == b'\n').count();
        from = end;
    }
}

fn invalid(line: &[u8]) -> Bad {
    match std::str::from_utf8(line) {
        Ok(_) => Bad { code: 1223, message: "Invalid JSON format".into() },
        Err(_) => Bad {
            code: 1220,
            message: "String contains invalid or unsupported UTF8 codepoints.".into(),
        },
    }
}

/// A line of PostgreSQL's text form, or which column is wrong.
fn row(
    raw: &RawValue,
    copy: &Copy,
    columns: &[Column],
    finder: &Finder,
) -> Result<String, (Option<usize>, Bad)> {
    let whole = |code: i32, message: &str| (None, Bad { code, message: message.into() });
    if raw.get().len() > ROW_MAX_BYTES {
        return Err(whole(1211, "The JSON object is over 4 MB"));
    }
    let object: Object =
        serde_json::from_str(raw.get()).map_err(|_| whole(1223, "Invalid JSON format"))?;
    let mut line = String::new();
    for (at, column) in columns.iter().enumerate() {
        let value = convert(column, finder.find(&object, column, at), copy);
        if at > 0 {
            line.push('\t');
        }
        match value.map_err(|bad| (Some(at), bad))? {
            None => line.push_str("\\N"),
            Some(text) => escape(&text, &mut line),
        }
    }
    line.push('\n');
    Ok(line)
}

fn escape(text: &str, line: &mut String) {
    for c in text.chars() {
        match c {
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            other => line.push(other),
        }
    }
}
