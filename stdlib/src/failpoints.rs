//! The failpoints of the nodes and services, by name; see [`engine::failpoint`].

/// Those of the nodes and of the embedded services: name, and what has happened when it is reached.
pub const LOCAL: &[(&str, &str)] = &[
    ("stream.append.write", "records are gathered, nothing is in the file"),
    ("stream.append.written", "records are in the file, not durable"),
    ("stream.append.synced", "records are durable, nobody is told"),
    ("stream.append.shown", "readers see the records, their senders are not answered"),
    ("stream.segment.written", "a new segment is durable, its name is not"),
    ("stream.segment.made", "the name of a new segment is durable"),
    ("stream.segment.sealed", "a full segment is cut to its records, no other follows yet"),
    ("stream.mark", "records are answered, the mark of what is durable lags"),
    ("stream.commit", "a reader is about to store its position"),
    ("stream.committed", "the position of a reader is stored"),
    ("checkpoint.store", "values are about to be stored"),
    ("checkpoint.stored", "values are stored, nobody is told"),
    ("object.write", "a temporary file holds an object, not durable"),
    ("object.written", "a temporary file is durable, it has not its name"),
    ("object.renamed", "an object has its name, which is not durable"),
    ("object.synced", "an object is durable, it has no number"),
    ("object.numbered", "an object has its number, its writer is not told"),
    ("objects.found", "objects that were there are numbered, nobody is told"),
    ("table.upsert", "items are written, the transaction is not committed"),
    ("table.upserted", "items are committed, nobody is told"),
    ("warehouse.load", "an object is loaded, the transaction is not committed"),
    ("warehouse.loaded", "a load is committed, nobody is told"),
    ("delivery.write", "records are about to go to a delivery"),
    ("delivery.written", "a delivery has records, which are not acknowledged"),
    ("bucket.append", "records (failures, say) are about to be appended"),
    ("bucket.appended", "records are appended, and not acknowledged"),
    ("file.read.begun", "the begin of a file is stored, nothing is read"),
    ("file.read.commit", "the position in a file is about to be stored"),
    ("file.read.committed", "the position in a file is stored"),
    ("file.write.written", "bytes are in the file, not durable"),
    ("file.write.synced", "bytes are durable, it is not stored which rows they are"),
    ("file.write.stored", "it is stored which rows a file holds, nobody is told"),
    ("file.write.close", "a file is complete and durable, that is not stored"),
    ("file.write.closed", "it is stored that a file is complete"),
    ("http.serve.answer", "the records of a request are settled, its client is not answered"),
    ("http.post.answered", "a server has taken records, which are not acknowledged"),
];

/// Those of the services on AWS.
pub const AWS: &[(&str, &str)] = &[
    ("aws.append.put", "records (failures, say) are about to become an object"),
    ("aws.kinesis.send", "a request to a stream is about to be sent"),
    ("aws.kinesis.answered", "a stream has answered, nobody is told"),
    ("aws.s3.send", "a request to a bucket is about to be sent"),
    ("aws.s3.answered", "a bucket has answered, nobody is told"),
    ("aws.dynamodb.send", "a request to a table (items, leases, positions) is about to be sent"),
    ("aws.dynamodb.answered", "a table (items, leases, positions) has answered, nobody is told"),
    ("aws.firehose.send", "a request to a delivery is about to be sent"),
    ("aws.firehose.answered", "a delivery has answered, nobody is told"),
    ("aws.redshift.send", "a request to the warehouse (a load) is about to be sent"),
    ("aws.redshift.answered", "the warehouse (a load) has answered, nobody is told"),
];

/// All failpoints of the program, those of the engine first.
pub fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    [engine::failpoint::NAMES, LOCAL, AWS].into_iter().flatten().copied()
}

/// Those that only a replay reaches.
pub const REPLAY: &[(&str, &str)] = &[
    ("replay.note", "failures are about to be noted as sent again"),
    ("replay.noted", "failures are noted, and not sent again yet"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::Path;

    /// How often each name is hit in the sources of the engine and of this crate.
    fn hits() -> BTreeMap<String, usize> {
        let own = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut files = vec![own.join("src"), own.join("../engine/src")];
        let mut hits = BTreeMap::new();
        while let Some(path) = files.pop() {
            if path.is_dir() {
                files.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            } else if !path.ends_with("failpoint.rs") && !path.ends_with("src/failpoints.rs") {
                let text = fs::read_to_string(&path).unwrap_or_default();
                for call in ["hit(\"", "pass(\"", "around(\""] {
                    for rest in text.split(call).skip(1) {
                        let words: Vec<&str> = rest.splitn(4, '"').collect();
                        *hits.entry(words[0].to_owned()).or_default() += 1;
                        if call == "around(\"" {
                            *hits.entry(words[2].to_owned()).or_default() += 1;
                        }
                    }
                }
            }
        }
        hits
    }

    #[test]
    fn every_failpoint_is_listed_once_and_hit_in_one_place() {
        let mut listed = BTreeMap::new();
        for (name, _) in all().chain(REPLAY.iter().copied()) {
            *listed.entry(name.to_owned()).or_default() += 1;
        }
        assert_eq!(hits(), listed);
    }
}
