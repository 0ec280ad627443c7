//! Writing, crashing, and what is in the way.

use super::*;
use dsl::plan::{Plan, PlanEdge, PlanNode};
use dsl::value::Value;
use engine::ctx::Checkpoints;
use engine::testing::{self, MemoryCheckpoints};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::sync::Semaphore;

/// A directory, what is remembered, and `file.read -> file.write("out")`.
struct Disk {
    dir: TempDir,
    ctx: NodeCtx,
    checkpoints: MemoryCheckpoints,
}

fn json() -> Ty {
    Ty::Json(Box::new(Ty::Unknown))
}

fn node(id: &str, op: &str, kind: NodeKind, input: Option<Ty>) -> PlanNode {
    let mut node = testing::plan_node(op, kind, input, None);
    node.id = id.into();
    node
}

impl Disk {
    fn new(input: Ty) -> Disk {
        Disk::from("file.read", input)
    }

    /// Fed by this source.
    fn from(source: &str, input: Ty) -> Disk {
        let dir = tempfile::tempdir().unwrap();
        let mut plan = testing::plan(Vec::new());
        let source = plan.graph.add_node(node("test/source", source, NodeKind::Source, None));
        let mut sink = node("test/file.write", "file.write", NodeKind::Sink, Some(input));
        let path = dir.path().join("out").display().to_string();
        sink.options.insert("path".into(), Value::Text(path));
        sink.options.insert("append".into(), Value::Bool(false));
        let sink = plan.graph.add_node(sink);
        plan.graph.add_edge(source, sink, PlanEdge { port: Port::Out, ty: Ty::Bytes });
        let checkpoints = MemoryCheckpoints::default();
        let mut run = testing::ctx();
        run.checkpoints = Arc::new(checkpoints.clone());
        let ctx = testing::node_ctx_in(&run, &Arc::new(plan), sink);
        Disk { dir, ctx, checkpoints }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("out")
    }

    fn holds(&self) -> String {
        String::from_utf8(fs::read(self.path()).unwrap()).unwrap()
    }

    fn option(&mut self, name: &str, value: Value) {
        self.ctx.node.options.insert(name.into(), value);
    }

    async fn open(&self) -> FileWrite {
        FileWrite::open(&self.ctx).await.unwrap()
    }

    async fn fault(&self) -> (String, String) {
        let fault = FileWrite::open(&self.ctx).await.err().unwrap();
        (fault.code, fault.help.unwrap())
    }

    /// One run with these rows, numbered from `first`.
    async fn run(&self, first: u64, values: &[&str]) {
        let sink = self.open().await;
        sink.write(&rows(first, values)).await.unwrap();
        sink.close().await.unwrap();
    }

    /// What another process finds when this one is killed now, with `torn` behind what is durable.
    fn killed(&mut self, sink: FileWrite, torn: &str) {
        self.remember_only(self.checkpoints.copy());
        drop(sink);
        let held = self.holds();
        fs::write(self.path(), format!("{held}{torn}")).unwrap();
    }

    fn remember_only(&mut self, checkpoints: MemoryCheckpoints) {
        self.ctx.run.checkpoints = Arc::new(checkpoints.clone());
        self.checkpoints = checkpoints;
    }

    fn known(&self) -> u64 {
        self.ctx.counters.snapshot().get("already written").copied().unwrap_or(0)
    }
}

fn rows(first: u64, values: &[&str]) -> Rows {
    let mut rows = testing::payload(values);
    rows.ids = testing::ids("test", first, values.len());
    rows
}

#[tokio::test]
async fn each_form_has_its_lines() {
    let disk = Disk::new(json());
    disk.run(0, &["{}", "{\"a\":\n1}", ""]).await;
    assert_eq!(disk.holds(), "{}\n{\"a\": 1}\n\n");
    for ty in [Ty::Text, Ty::Ndjson(Box::new(Ty::Unknown))] {
        let disk = Disk::new(ty);
        disk.run(0, &["a", "b\n", "c\nd"]).await;
        assert_eq!(disk.holds(), "a\nb\nc\nd\n");
    }
    let disk = Disk::new(Ty::Bytes);
    disk.run(0, &["a", "", "b\n"]).await;
    assert_eq!(disk.holds(), "ab\n");
}

#[tokio::test]
async fn large_and_small_values_are_in_order() {
    let disk = Disk::new(Ty::Text);
    let values: Vec<String> =
        (0..40usize).map(|n| n.to_string().repeat([1, 200_000, 9, 700_000][n % 4])).collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let sink = disk.open().await;
    let (first, rest) = values.split_at(13);
    let writes = [rows(0, first), rows(13, rest)];
    let written = futures::future::join_all(writes.iter().map(|rows| sink.write(rows))).await;
    assert!(written.iter().all(Result::is_ok));
    sink.close().await.unwrap();
    assert!(disk.holds() == values.join("\n") + "\n");
}

/// Checkpoints that store when they are let.
struct Gate {
    checkpoints: MemoryCheckpoints,
    stores: Semaphore,
}

#[async_trait]
impl Checkpoints for Gate {
    async fn load(&self, key: &str) -> Result<Option<Vec<u8>>, Fault> {
        self.checkpoints.load(key).await
    }

    async fn store(&self, pairs: Vec<(String, Option<Vec<u8>>)>) -> Result<(), Fault> {
        let _permit = self.stores.acquire().await.unwrap();
        self.checkpoints.store(pairs).await
    }
}

#[tokio::test]
async fn writes_that_wait_are_stored_together() {
    let mut disk = Disk::new(Ty::Text);
    let gate = Gate { checkpoints: disk.checkpoints.clone(), stores: Semaphore::new(0) };
    let gate = Arc::new(gate);
    disk.ctx.run.checkpoints = gate.clone();
    let sink = disk.open().await;
    let writes: Vec<Rows> = (0..CONCURRENCY as u64).map(|n| rows(n, &["x"])).collect();
    let mut writes = futures::future::join_all(writes.iter().map(|rows| sink.write(rows)));
    assert!(futures::poll!(&mut writes).is_pending(), "nothing is confirmed before it is stored");
    gate.stores.add_permits(1);
    writes.await;
    assert_eq!(disk.checkpoints.stores(), 2, "one that begins, one for all");
    assert_eq!(disk.holds(), "x\n".repeat(CONCURRENCY));
}

#[tokio::test]
async fn torn_bytes_are_cut_off_and_the_next_run_goes_on() {
    let mut disk = Disk::new(json());
    let sink = disk.open().await;
    sink.write(&rows(0, &["1", "2"])).await.unwrap();
    disk.killed(sink, "3\n{\"to");
    disk.run(2, &["3", "4"]).await;
    assert_eq!((disk.holds().as_str(), disk.known()), ("1\n2\n3\n4\n", 0));
}

#[tokio::test]
async fn rows_that_come_again_are_recognised() {
    for source in ["file.read", "http.serve"] {
        let mut disk = Disk::from(source, json());
        let sink = disk.open().await;
        sink.write(&rows(3, &["3", "4", "5"])).await.unwrap();
        disk.killed(sink, "");
        // The source's record is behind the sink's: its rows come once more.
        disk.run(3, &["3", "4", "5", "6"]).await;
        assert_eq!((disk.holds().as_str(), disk.known()), ("3\n4\n5\n6\n", 3), "{source}");
        disk.run(5, &["5", "6"]).await;
        assert_eq!((disk.holds().as_str(), disk.known()), ("3\n4\n5\n6\n", 5), "{source}");
    }
}

#[tokio::test]
async fn rows_are_not_remembered_before_they_are_durable() {
    let mut disk = Disk::new(json());
    let sink = disk.open().await;
    sink.write(&rows(0, &["1"])).await.unwrap();
    let before = disk.checkpoints.copy();
    sink.write(&rows(1, &["2"])).await.unwrap();
    // Killed after the second sync of the file and before its record was stored.
    disk.killed(sink, "");
    disk.remember_only(before);
    disk.run(0, &["1", "2"]).await;
    assert_eq!((disk.holds().as_str(), disk.known()), ("1\n2\n", 1));
}

#[tokio::test]
async fn what_cannot_be_remembered_is_not_confirmed() {
    let disk = Disk::new(json());
    let sink = disk.open().await;
    sink.write(&rows(0, &["1"])).await.unwrap();
    disk.checkpoints.fail_with(Some(Fault::transient("database_locked", "locked")));
    let fault = sink.write(&rows(1, &["2"])).await.unwrap_err();
    // Written again it would be recognised, though it is not remembered.
    assert_eq!(
        (fault.code.as_str(), fault.class),
        ("database_locked", engine::fault::FaultClass::Service)
    );
    disk.checkpoints.fail_with(None);
    assert!(sink.write(&rows(2, &["3"])).await.is_err() && sink.close().await.is_err());
    drop(sink);
    disk.run(0, &["1", "2", "3"]).await;
    assert_eq!(disk.holds(), "1\n2\n3\n");
}

#[tokio::test]
async fn a_file_of_others_is_left_alone() {
    let mut disk = Disk::new(json());
    fs::write(disk.path(), "theirs").unwrap();
    let (code, help) = disk.fault().await;
    assert_eq!(code, "file_exists");
    assert!(help.contains("append: true"));
    disk.ctx.run.from_start = true;
    assert_eq!(disk.fault().await.0, "file_exists");
    disk.option("append", Value::Bool(true));
    disk.run(0, &["1"]).await;
    assert_eq!(disk.holds(), "theirs\n1\n");
    disk.run(0, &["2"]).await;
    assert_eq!(disk.holds(), "theirs\n2\n", "from the start: what was there before stays");
    disk.ctx.run.from_start = false;
    fs::write(disk.path(), "theirs\n2\nmore\n").unwrap();
    disk.run(1, &["3"]).await;
    assert_eq!(disk.holds(), "theirs\n2\nmore\n3\n");
}

#[tokio::test]
async fn an_empty_file_and_no_rows_are_fine() {
    let mut disk = Disk::new(json());
    fs::write(disk.path(), "").unwrap();
    for _ in 0..2 {
        let sink = disk.open().await;
        sink.close().await.unwrap();
    }
    disk.run(0, &["1"]).await;
    let stores = disk.checkpoints.stores();
    disk.open().await.close().await.unwrap();
    assert_eq!((disk.holds().as_str(), disk.checkpoints.stores()), ("1\n", stores));
    disk.ctx.run.from_start = true;
    disk.open().await.close().await.unwrap();
    assert_eq!(disk.holds(), "", "it was read again, and nothing came");
}

#[tokio::test]
async fn from_start_begins_anew_with_the_first_write() {
    let mut disk = Disk::new(json());
    disk.run(0, &["1", "2", "3"]).await;
    disk.ctx.run.from_start = true;
    let sink = disk.open().await;
    drop(sink);
    assert_eq!(disk.holds(), "1\n2\n3\n", "a run that fails to begin takes nothing away");
    disk.run(0, &["4"]).await;
    assert_eq!((disk.holds().as_str(), disk.known()), ("4\n", 0));
    disk.ctx.run.from_start = false;
    disk.run(0, &["4", "5"]).await;
    assert_eq!((disk.holds().as_str(), disk.known()), ("4\n5\n", 1));
}

#[tokio::test]
async fn from_start_keeps_what_does_not_come_again() {
    let mut disk = Disk::from("stream.read", json());
    disk.run(0, &["1"]).await;
    disk.ctx.run.from_start = true;
    disk.run(1, &["2"]).await;
    assert_eq!(disk.holds(), "1\n2\n");
    fs::remove_file(disk.path()).unwrap();
    disk.run(2, &["3"]).await;
    assert_eq!(disk.holds(), "3\n");
}

#[tokio::test]
async fn a_file_that_others_changed_stops_the_run() {
    let mut disk = Disk::new(json());
    disk.run(0, &["1", "2", "3"]).await;
    let faults =
        [("1\n2\n", "file_cut"), ("1\n2\n4\n", "file_changed"), ("1\n2\n3\n4", "file_grown")];
    for (content, code) in faults {
        fs::write(disk.path(), content).unwrap();
        assert_eq!(disk.fault().await.0, code);
        assert_eq!(disk.holds(), content);
    }
    fs::remove_file(disk.path()).unwrap();
    let (code, help) = disk.fault().await;
    assert!(code == "file_gone" && help.contains("--from-start"), "{code}: {help}");
    assert!(!disk.path().exists());
    for cut in [None, Some("1\n2\n3")] {
        cut.iter().for_each(|content| fs::write(disk.path(), content).unwrap());
        disk.ctx.run.from_start = true;
        disk.run(0, &["7", "8"]).await;
        assert_eq!(disk.holds(), "7\n8\n");
        disk.ctx.run.from_start = false;
        disk.run(0, &["7", "8", "9"]).await;
        assert_eq!(disk.holds(), "7\n8\n9\n");
    }
}

#[tokio::test]
async fn what_cannot_be_written_is_named() {
    let mut disk = Disk::new(json());
    let holder = disk.open().await;
    assert_eq!(disk.fault().await.0, "file_in_use");
    drop(holder);
    let at = |name: &str| Value::Text(disk.dir.path().join(name).display().to_string());
    let (none, dir, own) = (at("no/out"), at("."), at("out"));
    disk.option("path", none);
    let (code, help) = disk.fault().await;
    assert!(code == "directory_missing" && help.contains("mkdir -p"), "{code}: {help}");
    disk.option("path", dir);
    assert_eq!(disk.fault().await.0, "file_is_directory");
    disk.option("path", Value::Text("/dev/null".into()));
    assert_eq!(disk.fault().await.0, "file_not_regular");
    disk.option("path", own.clone());
    let mut plan: Plan = (*disk.ctx.plan).clone();
    let mut other = node("test/other", "file.write", NodeKind::Sink, Some(json()));
    let path = format!("{}/./out", disk.dir.path().display());
    other.options.insert("path".into(), Value::Text(path));
    plan.graph.add_node(other);
    disk.ctx.plan = Arc::new(plan);
    assert_eq!(disk.fault().await.0, "file_twice");
}

#[tokio::test]
async fn a_full_disk_says_so() {
    let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
    let fault = place::unwritable("out/x", &full);
    assert_eq!(fault.message, "cannot write `out/x`: the disk is full");
    let denied = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
    assert_eq!(place::unwritable("out/x", &denied).code, "file_denied");
}

#[tokio::test]
async fn how_rows_are_recognised_follows_from_the_plan() {
    let way = |disk: &Disk| recognise(&disk.ctx);
    assert_eq!(way(&Disk::new(json())), Recognise::InOrder);
    assert_eq!(way(&Disk::from("http.serve", json())), Recognise::ByNumber);
    // A second way from the source to the sink, by the same port: copies of each row.
    for (port, expected) in
        [(Port::Out, Recognise::Never), (Port::Named("0".into()), Recognise::ByNumber)]
    {
        let mut disk = Disk::new(json());
        let mut plan = (*disk.ctx.plan).clone();
        let ends: Vec<_> = plan.graph.node_indices().collect();
        plan.graph.add_edge(ends[0], ends[1], PlanEdge { port, ty: Ty::Bytes });
        disk.ctx.plan = Arc::new(plan);
        assert_eq!(way(&disk), expected);
    }
    let mut disk = Disk::new(json());
    let mut plan = (*disk.ctx.plan).clone();
    for edge in plan.graph.edge_weights_mut() {
        edge.port = Port::Errors;
    }
    disk.ctx.plan = Arc::new(plan);
    assert_eq!(way(&disk), Recognise::ByNumber);
}
