//! `spill` end to end: a branch that is slower than its sibling, killed in the middle, and a buffer
//! that is full.

mod support;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{both, flowc};

/// A server that takes only so many requests.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<Taken>>);

#[derive(Default)]
struct Taken {
    /// Requests that it still takes; the others are told to come again.
    requests: usize,
    /// Producer and line of each row that it has taken, in order.
    rows: Vec<(String, String)>,
}

impl Server {
    fn start() -> (Server, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let server = Server::default();
        let answers = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = answers.clone();
                // A connection that breaks is one whose client was killed.
                std::thread::spawn(move || server.serve(stream));
            }
        });
        (server, port)
    }

    fn serve(&self, stream: TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        let mut stream = stream;
        loop {
            let (mut length, mut producer) = (0, String::new());
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).ok()? == 0 {
                    return None;
                }
                let lower = line.trim().to_ascii_lowercase();
                if lower.is_empty() {
                    break;
                }
                if let Some(value) = lower.strip_prefix("content-length:") {
                    length = value.trim().parse().ok()?;
                }
                if let Some(value) = lower.strip_prefix("flowc-producer:") {
                    producer = value.trim().to_owned();
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).ok()?;
            let answer = self.answer(&producer, &String::from_utf8(body).ok()?);
            write!(stream, "HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n").ok()?;
        }
    }

    fn answer(&self, producer: &str, body: &str) -> &'static str {
        let mut taken = self.0.lock().expect("no thread panics with it");
        if taken.requests == 0 {
            return "503 Service Unavailable\r\nretry-after: 1";
        }
        taken.requests -= 1;
        taken.rows.extend(body.lines().map(|line| (producer.to_owned(), line.to_owned())));
        "200 OK"
    }

    fn take(&self, requests: usize) {
        self.0.lock().expect("no thread panics with it").requests += requests;
    }

    fn rows(&self) -> Vec<(String, String)> {
        self.0.lock().expect("no thread panics with it").rows.clone()
    }
}

fn flow(port: u16, size: &str) -> String {
    format!(
        r#"type Row = {{ n: int, text: text }}

flow copies : at_least_once {{
  let row = file.read("rows.csv") -> csv.decode as Row -> json.encode
  row -> file.write("fast.ndjson")
  row -> spill({size}) -> http.post("http://127.0.0.1:{port}/rows", batch: 500)
  errors -> log
}}
"#
    )
}

/// The rows as CSV and as lines of JSON.
fn rows(count: usize) -> (String, String) {
    let (mut csv, mut lines) = ("n,text\n".to_string(), String::new());
    for n in 0..count {
        let text = "x".repeat(60 + n % 40);
        writeln!(csv, "{n},{text}").expect("a text takes all");
        writeln!(lines, "{{\"n\":{n},\"text\":\"{text}\"}}").expect("a text takes all");
    }
    (csv, lines)
}

fn command(dir: &Path) -> Command {
    let mut command = flowc();
    command.arg("run").arg(dir.join("copies.flow")).current_dir(dir).stdin(Stdio::null());
    command
}

fn spawn(dir: &Path) -> Child {
    let mut command = command(dir);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("flowc can be started")
}

fn kill(mut child: Child) {
    child.kill().expect("a child can be killed");
    child.wait().expect("a child can be waited for");
}

/// Waits until something is so, as long as the run lasts.
fn until(child: &mut Child, what: impl Fn() -> bool) {
    while !what() {
        let ended = child.try_wait().expect("it can be asked");
        assert_eq!(ended, None, "the run has ended before");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

fn well(dir: &Path) {
    let output = command(dir).output().expect("flowc can be started");
    assert!(output.status.success(), "exit {:?}\n{}", output.status.code(), both(&output));
}

/// What the server has taken, each row once by its id: all lines, of one producer.
fn complete(server: &Server, lines: &str) {
    let taken = server.rows();
    let producers: BTreeSet<&String> = taken.iter().map(|(producer, _)| producer).collect();
    assert_eq!(producers.len(), 1, "rows keep their ids over the buffer and over restarts");
    let once: BTreeSet<&str> = taken.iter().map(|(_, line)| line.as_str()).collect();
    let wanted: BTreeSet<&str> = lines.lines().collect();
    assert_eq!((once.len(), once == wanted), (wanted.len(), true));
}

#[test]
fn a_slow_branch_is_killed_and_goes_on_while_its_sibling_has_long_ended() {
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let (csv, lines) = rows(30_000);
    let (server, port) = Server::start();
    fs::write(dir.path().join("copies.flow"), flow(port, "64MiB")).expect("it can be written");
    fs::write(dir.path().join("rows.csv"), csv).expect("it can be written");
    let fast = dir.path().join("fast.ndjson");
    let length = || fs::metadata(&fast).map_or(0, |file| file.len());

    server.take(2);
    let mut child = spawn(dir.path());
    until(&mut child, || length() == lines.len() as u64);
    assert!(server.rows().len() <= 1000, "the sibling has not waited");
    kill(child);
    for _ in 0..3 {
        let before = server.rows().len();
        server.take(10);
        let mut child = spawn(dir.path());
        until(&mut child, || server.rows().len() >= before + 5000);
        kill(child);
    }
    server.take(1_000_000);
    well(dir.path());
    complete(&server, &lines);
    assert!(fs::read_to_string(&fast).expect("it is there") == lines);

    // Nothing is left in the buffer, and nothing is sent again.
    let before = server.rows().len();
    well(dir.path());
    assert_eq!(server.rows().len(), before);
}

#[test]
fn a_full_buffer_waits_and_goes_on() {
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let (csv, lines) = rows(150_000);
    let (server, port) = Server::start();
    fs::write(dir.path().join("copies.flow"), flow(port, "1MiB")).expect("it can be written");
    fs::write(dir.path().join("rows.csv"), csv).expect("it can be written");
    let mut child = command(dir.path());
    let mut child = child.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("it starts");
    let said = BufReader::new(child.stderr.take().expect("it is piped"));
    let mut said = said.lines().map_while(Result::ok);
    let full = said.find(|line| line.contains("its buffer is full: the branch waits"));
    assert!(full.is_some(), "the buffer is full once");
    let buffer = dir.path().join("out/local/spills/copies~http.post");
    let segments = fs::read_dir(&buffer).expect("the buffer is there").flatten();
    let bytes: u64 = segments.filter_map(|entry| Some(entry.metadata().ok()?.len())).sum();
    assert!(bytes <= 1 << 20, "{bytes} bytes");
    let fast = fs::metadata(dir.path().join("fast.ndjson")).map_or(0, |file| file.len());
    assert!(fast < lines.len() as u64, "the sibling waits too");
    server.take(1_000_000);
    said.for_each(drop);
    assert!(child.wait().expect("it ends").success());
    complete(&server, &lines);
    assert_eq!(server.rows().len(), 150_000);
    assert!(fs::read_to_string(dir.path().join("fast.ndjson")).expect("it is there") == lines);
}
