//! One load: which objects go together, and the transaction that brings them.
//!
//! A batch of the Data API is one transaction, but cannot branch. So that each object is loaded
//! once whatever is retried, killed or begun by two loaders at once:
//!
//! 1. The history table is locked first, so that transactions of this table come one after the
//!    other, and what follows sees all that is committed.
//! 2. A statement divides by the number 0 where an object of this load is in the history by now.
//!    Its failure rolls all back. (Constraints would be simpler; Redshift does not enforce them.)
//! 3. The rows of the history are written in the same transaction as the rows of the objects.
//!
//! Who sent the batch then reads the history, whatever the reply said: only it is believed.

use super::ddl::{EVENT_ID, HISTORY, columns, name, text};
use crate::service::ObjectRef;
use dsl::ty::RecordTy;
use serde_json::json;

/// Objects of one load at most.
pub const OBJECTS_MAX: usize = 256;
/// Bytes of the names in one statement at most; far below the limit of a statement.
const NAMES_BYTES_MAX: usize = 48 << 10;

/// How objects are compressed; a COPY takes one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// As it is.
    None,
    /// `.gz`
    Gzip,
    /// `.zst`
    Zstd,
}

impl Compression {
    /// By the suffix of the key.
    pub fn of(key: &str) -> Compression {
        match key.rsplit_once('.').map(|(_, suffix)| suffix.to_ascii_lowercase()).as_deref() {
            Some("gz" | "gzip") => Compression::Gzip,
            Some("zst" | "zstd") => Compression::Zstd,
            _ => Compression::None,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Compression::None => "",
            Compression::Gzip => " GZIP",
            Compression::Zstd => " ZSTD",
        }
    }
}

/// The first objects that fit into one load, by their indexes: of one compression, none twice, at
/// most `max`.
pub fn together(objects: &[&ObjectRef], max: usize) -> Vec<usize> {
    let mut taken: Vec<usize> = Vec::new();
    let mut bytes = 0;
    for (index, object) in objects.iter().enumerate() {
        let of = |at: &usize| objects[*at];
        let other =
            |first: usize| Compression::of(&objects[first].key) != Compression::of(&object.key);
        let twice = |at: &usize| of(at).key == object.key && of(at).bucket == object.bucket;
        if taken.first().is_some_and(|first| other(*first)) || taken.iter().any(twice) {
            continue;
        }
        bytes += literal(object).len();
        let full = taken.len() == max.clamp(1, OBJECTS_MAX) || bytes > NAMES_BYTES_MAX;
        if full && !taken.is_empty() {
            break;
        }
        taken.push(index);
    }
    taken
}

/// The id of a load: of what it brings, in any order.
pub fn id(objects: &[&ObjectRef]) -> String {
    let mut names: Vec<[&str; 3]> =
        objects.iter().map(|each| [&*each.bucket, &*each.key, &*each.etag]).collect();
    names.sort_unstable();
    let mut hasher = blake3::Hasher::new();
    for part in names.into_iter().flatten() {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

/// The list of objects that COPY reads: each must be there.
pub fn manifest(objects: &[&ObjectRef]) -> String {
    let entry = |each: &&ObjectRef| json!({ "url": url(each), "mandatory": true });
    let entries: Vec<serde_json::Value> = objects.iter().map(entry).collect();
    json!({ "entries": entries }).to_string()
}

/// `s3://bucket/key`
pub fn url(object: &ObjectRef) -> String {
    format!("s3://{}/{}", object.bucket, object.key)
}

/// What the transaction of a load is made of.
pub struct Load<'a> {
    /// The table's physical name.
    pub table: &'a str,
    /// Its fields.
    pub record: &'a RecordTy,
    /// The role that COPY takes.
    pub role: &'a str,
    /// The load's id.
    pub id: &'a str,
    /// Its objects.
    pub objects: &'a [&'a ObjectRef],
    /// Where its manifest lies (`s3://…`).
    pub manifest: &'a str,
    /// Where the jsonpaths lie (`s3://…`).
    pub jsonpaths: &'a str,
}

/// The place of the statement that fails where an object is loaded already.
pub const GUARD: usize = 3;
/// The place of COPY.
pub const COPY: usize = 5;

impl Load<'_> {
    /// The statements, in order, for one transaction.
    pub fn statements(&self) -> Vec<String> {
        let short: String = self.id.chars().take(16).collect();
        let made = |what: &str| name(&format!("flowc_{what}_{short}"));
        let (objects, stage, once) = (made("objects"), made("stage"), made("rows"));
        let (table, history) = (name(self.table), name(HISTORY));
        let all = columns(self.record);
        let listed = all.join(", ");
        let event_id = name(EVENT_ID);
        let values: Vec<String> = self.objects.iter().map(|each| literal(each)).collect();
        vec![
            format!("lock table {history}"),
            format!(
                "create temp table {objects} (bucket varchar(63), \"key\" varchar(1024), \
                 etag varchar(256))"
            ),
            format!("insert into {objects} values {}", values.join(", ")),
            format!(
                "select 1 / (case when count(*) = 0 then 1 else 0 end) as guard from {history} \
                 as h join {objects} as o on h.bucket = o.bucket and h.\"key\" = o.\"key\" \
                 where h.table_name = {}",
                text(&self.table.to_lowercase())
            ),
            format!("create temp table {stage} (like {table})"),
            self.copy(&stage, &listed),
            format!(
                "create temp table {once} as select {listed} from (select {listed}, row_number() \
                 over (partition by {event_id} order by {event_id}) as flowc_n from {stage}) as \
                 numbered where {event_id} is null or flowc_n = 1"
            ),
            merge(&table, &once, &all),
            format!(
                "insert into {history} (table_name, bucket, \"key\", etag, load_id, \"rows\", \
                 loaded_at) select {}, bucket, \"key\", etag, {}, (select count(*) from {once}), \
                 getdate() from {objects}",
                text(&self.table.to_lowercase()),
                text(self.id)
            ),
            format!("drop table {stage}"),
            format!("drop table {once}"),
            format!("drop table {objects}"),
        ]
    }

    fn copy(&self, stage: &str, listed: &str) -> String {
        let compression = self.objects.first().map_or("", |each| Compression::of(&each.key).word());
        format!(
            "copy {stage} ({listed}) from {} iam_role {} manifest format json {} timeformat \
             'auto'{compression} compupdate off statupdate off",
            text(self.manifest),
            text(self.role),
            text(self.jsonpaths)
        )
    }
}

/// Rows that the table has by their id are written again, which changes nothing; all others are
/// inserted. A null is equal to nothing, so rows without an id are inserted too.
fn merge(table: &str, rows: &str, columns: &[String]) -> String {
    let event_id = name(EVENT_ID);
    let own = columns.iter().filter(|column| **column != event_id);
    let set: Vec<String> = own.map(|column| format!("{column} = {rows}.{column}")).collect();
    let values: Vec<String> = columns.iter().map(|column| format!("{rows}.{column}")).collect();
    format!(
        "merge into {table} using {rows} on {table}.{event_id} = {rows}.{event_id} when matched \
         then update set {} when not matched then insert ({}) values ({})",
        set.join(", "),
        columns.join(", "),
        values.join(", ")
    )
}

fn literal(object: &ObjectRef) -> String {
    format!("({}, {}, {})", text(&object.bucket), text(&object.key), text(&object.etag))
}

/// What the history says of some objects of a table, in statements that are not too large:
/// bucket, key, etag, load, rows.
pub fn select_history(table: &str, objects: &[&ObjectRef]) -> Vec<String> {
    let mut selects = Vec::new();
    let mut keys: Vec<String> = Vec::new();
    let select = |keys: &[String]| {
        format!(
            "select bucket, \"key\", etag, load_id, \"rows\" from {} where table_name = {} and \
             \"key\" in ({})",
            name(HISTORY),
            text(&table.to_lowercase()),
            keys.join(", ")
        )
    };
    let mut bytes = 0;
    for object in objects {
        let key = text(&object.key);
        if bytes + key.len() > NAMES_BYTES_MAX && !keys.is_empty() {
            selects.push(select(&keys));
            keys.clear();
            bytes = 0;
        }
        bytes += key.len() + 2;
        keys.push(key);
    }
    if !keys.is_empty() {
        selects.push(select(&keys));
    }
    selects
}

/// What COPY said of objects that it could not load: by its number, or else, by the objects and the
/// time at which the load was begun, in nanoseconds. `None` = neither is known, so nothing tells
/// its errors from those of others.
pub fn select_errors(query_id: i64, begun_ns: i128, objects: &[&ObjectRef]) -> Option<String> {
    let which = match (query_id, begun_ns) {
        (1.., _) => format!("query_id = {query_id}"),
        (_, 1..) => format!(
            "start_time >= timestamp 'epoch' + {} * interval '1 second'{}",
            begun_ns / 1_000_000_000,
            files(objects)
        ),
        _ => return None,
    };
    Some(format!(
        "select trim(file_name), line_number, trim(column_name), error_code, trim(error_message) \
         from sys_load_error_detail where {which} order by start_time desc limit 100"
    ))
}

/// The condition that an error is of these objects. It compares what is not cut off, which only
/// names in ASCII tell.
fn files(objects: &[&ObjectRef]) -> String {
    let urls: Vec<String> = objects.iter().map(|each| url(each)).collect();
    let start = |url: &String| text(&url.chars().take(255).collect::<String>());
    let starts: Vec<String> = urls.iter().map(start).collect();
    let bytes: usize = starts.iter().map(|start| start.len() + 2).sum();
    if urls.iter().any(|url| !url.is_ascii()) || bytes > NAMES_BYTES_MAX {
        return String::new();
    }
    format!(" and left(trim(file_name), 255) in ({})", starts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::super::api::{BATCH_STATEMENTS_MAX, STATEMENT_BYTES_MAX};
    use super::*;
    use dsl::ty::{Field, Ty};

    fn object(key: &str) -> ObjectRef {
        ObjectRef { bucket: "b".into(), key: key.into(), etag: "1".into() }
    }

    fn statements(objects: &[&ObjectRef]) -> Vec<String> {
        let fields = vec![Field { name: "Id".into(), ty: Ty::Text, span: None }];
        let record = RecordTy { fields, ..RecordTy::default() };
        let id = id(objects);
        let (role, manifest, jsonpaths) = ("arn:r", "s3://b/m", "s3://b/j.jsonpaths");
        let table = "Sales";
        Load { table, record: &record, role, id: &id, objects, manifest, jsonpaths }.statements()
    }

    #[test]
    fn a_load_is_one_batch_within_the_limits() {
        let objects: Vec<ObjectRef> =
            (0..2000).map(|n| object(&format!("{n}-{}", "'".repeat(900)))).collect();
        let all: Vec<&ObjectRef> = objects.iter().collect();
        let first: Vec<&ObjectRef> = together(&all, 256).into_iter().map(|at| all[at]).collect();
        assert!(first.len() > 10, "{}", first.len());
        let statements = statements(&first);
        assert!(statements.len() <= BATCH_STATEMENTS_MAX);
        assert!(statements.iter().all(|sql| sql.len() <= STATEMENT_BYTES_MAX));
        assert!(statements[GUARD].contains("select 1 /"));
        assert!(statements[COPY].starts_with("copy "));
        for select in select_history("t", &all) {
            assert!(select.len() <= STATEMENT_BYTES_MAX);
        }
    }

    #[test]
    fn only_objects_of_one_compression_go_together_and_none_twice() {
        let objects = ["a.gz", "b", "c.GZ", "a.gz", "d.zst"].map(object);
        let all: Vec<&ObjectRef> = objects.iter().collect();
        assert_eq!(together(&all, 10), [0, 2]);
        assert_eq!(together(&all, 1), [0]);
        assert!(statements(&[all[0]])[COPY].contains(" GZIP "));
        assert!(statements(&[all[4]])[COPY].contains(" ZSTD "));
        let huge = object(&"'".repeat(60_000));
        assert_eq!(together(&[&huge], 10), [0]);
    }

    #[test]
    fn the_order_of_objects_makes_no_other_load() {
        let (a, b) = (object("a"), object("b"));
        assert_eq!(id(&[&a, &b]), id(&[&b, &a]));
        assert_ne!(id(&[&a, &b]), id(&[&a]));
        let changed = ObjectRef { etag: "2".into(), ..a.clone() };
        assert_ne!(id(&[&a]), id(&[&changed]));
    }

    #[test]
    fn the_transaction_reads_as_it_should() {
        let object = object("2026/it's.json");
        let sql = statements(&[&object]);
        assert_eq!(sql[0], "lock table \"flowc_load_history\"");
        assert!(sql[2].ends_with("values ('b', '2026/it''s.json', '1')"), "{}", sql[2]);
        assert!(
            sql[5].contains("(\"id\", \"event_id\") from 's3://b/m' iam_role 'arn:r' manifest")
        );
        let merge = &sql[7];
        assert!(merge.starts_with("merge into \"sales\" using \"flowc_rows_"), "{merge}");
        assert!(merge.contains("when matched then update set \"id\" = "), "{merge}");
    }

    #[test]
    fn errors_of_other_loads_are_not_of_this_one() {
        let object = object("it's.json");
        let by_number = select_errors(7, 5, &[&object]).unwrap();
        assert!(by_number.contains(" where query_id = 7 order "), "{by_number}");
        let sql = select_errors(0, 1_700_000_001_900_000_000, &[&object]).unwrap();
        let since = "start_time >= timestamp 'epoch' + 1700000001 * interval '1 second'";
        let of = "left(trim(file_name), 255) in ('s3://b/it''s.json')";
        assert!(sql.contains(&format!(" where {since} and {of} order ")), "{sql}");
        assert_eq!(select_errors(0, 0, &[&object]), None);
        let all: Vec<ObjectRef> = (0..300).map(|n| self::object(&"'".repeat(900 - n))).collect();
        let all: Vec<&ObjectRef> = all.iter().collect();
        assert!(select_errors(0, 5, &all).unwrap().len() < STATEMENT_BYTES_MAX);
    }
}
