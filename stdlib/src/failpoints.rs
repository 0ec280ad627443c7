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
pub const AWS: &[(&str, &str)] = &[];

/// All failpoints of the program, those of the engine first.
pub fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    [engine::failpoint::NAMES, LOCAL, AWS].into_iter().flatten().copied()
}

/// Those that only a replay reaches.
pub const REPLAY: &[(&str, &str)] = &[
    ("replay.note", "failures are about to be noted as sent again"),
    ("replay.noted", "failures are noted, and not sent again yet"),
];
