//! Reading, resuming, growing, and what cannot be read.

use super::*;
use arrow_array::cast::AsArray;
use engine::testing;
use std::fs;
use tempfile::TempDir;

struct Disk {
    dir: TempDir,
    ctx: NodeCtx,
}

impl Disk {
    fn new(content: &[u8]) -> Disk {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.csv"), content).unwrap();
        let node = testing::plan_node("file.read", NodeKind::Source, None, Some(Ty::Bytes));
        let ctx = testing::node_ctx(node, vec![]);
        let mut disk = Disk { dir, ctx };
        disk.point("a.csv");
        disk
    }

    fn point(&mut self, name: &str) {
        let path = self.dir.path().join(name).to_string_lossy().into_owned();
        self.ctx.node.options.insert("path".into(), Value::Text(path));
    }

    fn write(&self, content: &[u8]) {
        fs::write(self.dir.path().join("a.csv"), content).unwrap();
    }

    async fn open(&self) -> FileRead {
        FileRead::open(&self.ctx, Threads::Disk).await.unwrap()
    }

    async fn fault(&mut self, name: &str) -> Fault {
        self.point(name);
        FileRead::open(&self.ctx, Threads::Disk).await.err().unwrap()
    }
}

/// All chunks, with what the first one resumes from.
async fn read(source: &mut FileRead) -> (Vec<Vec<u8>>, Option<Arc<Resume>>, u64) {
    let (mut chunks, mut resumed, mut end) = (Vec::new(), None, 0);
    while let Read::Rows(rows) = source.read().await.unwrap() {
        assert_eq!(rows.ids.len(), 1);
        assert_eq!(rows.ids.first(), Some(rows.end - rows.columns_len() as u64));
        chunks.push(testing::payloads(&testing::rows(rows.columns)).remove(0));
        resumed = resumed.or(rows.resumed);
        end = rows.end;
    }
    (chunks, resumed, end)
}

trait Len {
    fn columns_len(&self) -> usize;
}

impl Len for SourceRows {
    fn columns_len(&self) -> usize {
        testing::payloads(&testing::rows(self.columns.clone()))[0].len()
    }
}

fn at(offset: u64, record: u64) -> Arc<Resume> {
    Arc::new(Resume { offset, record, line: record + 2, state: b"h".to_vec() })
}

#[tokio::test]
async fn chunks_then_nothing_again() {
    let content: Vec<u8> = (0..3 * CHUNK / 2).map(|n| n as u8).collect();
    let disk = Disk::new(&content);
    let mut source = disk.open().await;
    let (chunks, resumed, end) = read(&mut source).await;
    assert_eq!(chunks.iter().map(Vec::len).collect::<Vec<_>>(), [CHUNK, CHUNK / 2]);
    assert_eq!((chunks.concat(), resumed, end), (content.clone(), None, content.len() as u64));
    source.commit(0, end, Some(at(end, 7))).await.unwrap();

    let mut again = disk.open().await;
    assert!(matches!(again.read().await.unwrap(), Read::End));
    assert_eq!(disk.ctx.counters.snapshot()["rows delivered before"], 7);
    assert_eq!(again.partition.id, source.partition.id);
    let mut forgets = disk.ctx.clone();
    forgets.run.from_start = true;
    assert_eq!(
        read(&mut FileRead::open(&forgets, Threads::Disk).await.unwrap()).await.0.concat(),
        content
    );
    assert_eq!(read(&mut disk.open().await).await.0.concat(), content);
}

#[tokio::test]
async fn a_chunk_takes_the_place_of_one_that_is_gone() {
    let disk = Disk::new(&vec![b'x'; 6 * CHUNK + 1]);
    let mut source = disk.open().await;
    let mut places = std::collections::BTreeSet::new();
    let mut held = Vec::new();
    while let Read::Rows(rows) = source.read().await.unwrap() {
        let chunk = rows.columns.column(0).as_binary::<i32>().value(0).to_vec();
        assert!(chunk.iter().all(|&byte| byte == b'x'));
        places.insert(rows.columns.column(0).as_binary::<i32>().value(0).as_ptr() as usize);
        if held.is_empty() {
            held.push(rows);
        }
    }
    assert_eq!(testing::payloads(&testing::rows(held.remove(0).columns))[0].len(), CHUNK);
    assert!(places.len() <= 3, "one held, one in use, one being read: {}", places.len());
}

#[tokio::test]
async fn resumes_where_the_decoder_said() {
    let disk = Disk::new(b"h\none\ntwo\n");
    let mut source = disk.open().await;
    read(&mut source).await;
    source.commit(0, 9, Some(at(6, 1))).await.unwrap();
    let (chunks, resumed, _) = read(&mut disk.open().await).await;
    assert_eq!((chunks, resumed), (vec![b"two\n".to_vec()], Some(at(6, 1))));
}

#[tokio::test]
async fn a_file_that_grew_before_anything_was_committed_keeps_its_numbers() {
    let disk = Disk::new(b"h\none\n");
    let mut killed = disk.open().await;
    read(&mut killed).await;
    disk.write(b"h\none\ntwo\n");
    let mut grown = disk.open().await;
    assert_eq!(grown.partition.id, killed.partition.id);
    assert_eq!(read(&mut grown).await.0.concat(), b"h\none\ntwo\n");
}

#[tokio::test]
async fn a_file_that_grew_goes_on_and_another_begins_anew() {
    let disk = Disk::new(b"h\none\n");
    let first = disk.open().await.partition.id;
    disk.open().await.commit(0, 6, Some(at(2, 0))).await.unwrap();
    disk.write(b"h\none\ntwo\n");
    let mut grown = disk.open().await;
    assert_eq!(grown.partition.id, first, "its rows may be on their way");
    let (chunks, resumed, end) = read(&mut grown).await;
    assert_eq!((chunks.concat(), resumed), (b"one\ntwo\n".to_vec(), Some(at(2, 0))));
    grown.commit(0, end, Some(at(end, 2))).await.unwrap();

    disk.write(b"h\none\ntwo\nthree\n");
    let mut grown = disk.open().await;
    let second = grown.partition.id;
    assert_ne!(second, first, "all of the first rows are delivered");
    assert_eq!(read(&mut grown).await.0.concat(), b"three\n");
    disk.write(b"h\none\ntwo\nthree\nfour\n");
    let mut grown = disk.open().await;
    assert_eq!(grown.partition.id, second, "three may be on its way, though nothing is committed");
    assert_eq!(read(&mut grown).await.0.concat(), b"three\nfour\n");

    let lines: Arc<std::sync::Mutex<Vec<String>>> = Arc::default();
    let seen = lines.clone();
    let mut ctx = disk.ctx.clone();
    ctx.run.log = Arc::new(move |line| seen.lock().unwrap().push(line.into()));
    disk.write(b"h\nother\n");
    let mut other = FileRead::open(&ctx, Threads::Disk).await.unwrap();
    assert_eq!(read(&mut other).await.0.concat(), b"h\nother\n");
    assert!(lines.lock().unwrap()[0].contains("reading it from its start"));
}

#[tokio::test]
async fn an_empty_file_is_one_empty_chunk() {
    let disk = Disk::new(b"");
    let (chunks, _, end) = read(&mut disk.open().await).await;
    assert_eq!((chunks, end), (vec![vec![]], 0));
}

#[tokio::test]
async fn what_cannot_be_read_is_named() {
    let mut disk = Disk::new(b"x");
    let fault = disk.fault("b.csv").await;
    assert_eq!(fault.code, "file_missing");
    assert!(fault.help.unwrap().ends_with("a.csv`?"));
    let fault = disk.fault("none/a.csv").await;
    assert!(fault.help.unwrap().starts_with("there is no directory"));
    assert_eq!(disk.fault(".").await.code, "file_is_directory");
    disk.point("a.csv");
    let mut source = disk.open().await;
    source.place.length += 1;
    source.next = None;
    source.read_on(File::open(disk.dir.path().join("a.csv")).unwrap());
    assert_eq!(source.read().await.unwrap_err().code, "file_changed");
}

#[tokio::test]
async fn a_dropped_read_loses_nothing() {
    let disk = Disk::new(b"abc");
    let mut source = disk.open().await;
    let early = {
        let read = source.read();
        futures::pin_mut!(read);
        futures::poll!(read).is_ready()
    };
    let chunks = read(&mut source).await.0.concat();
    assert_eq!(chunks, if early { &b""[..] } else { b"abc" });
}
