//! How a run ends when it is told to: idle, with a batch that may wait for hours, with a sink that
//! takes nothing, and told twice.
#![cfg(unix)]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use support::{Port, flowc};

/// A run of one file, and what it says.
struct Run {
    child: Child,
    lines: mpsc::Receiver<String>,
    said: String,
}

impl Run {
    fn start(dir: &Path, flow: &str, args: &[&str]) -> Run {
        let file = dir.join("test.flow");
        std::fs::write(&file, flow).expect("the file can be written");
        let mut command = flowc();
        command.arg("run").arg(&file).args(args).current_dir(dir);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("flowc can be started");
        let stderr = child.stderr.take().expect("it is piped");
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                // The test may have ended.
                let _ = sender.send(line);
            }
        });
        Run { child, lines, said: String::new() }
    }

    /// Waits until it has said something.
    fn wait_for(&mut self, text: &str) {
        while !self.said.contains(text) {
            let line = self.lines.recv_timeout(Duration::from_secs(120));
            let line = line.unwrap_or_else(|_| panic!("`{text}` is not said:\n{}", self.said));
            self.said.push_str(&(line + "\n"));
        }
    }

    fn terminate(&self) {
        let killed = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status();
        assert!(killed.expect("kill can be started").success());
    }

    /// Its exit code, and all it has said.
    fn ended(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().expect("it ends");
        self.said.extend(self.lines.iter().map(|line| line + "\n"));
        (status.code(), self.said)
    }
}

/// Status and body of a request; `None` where nobody answers.
fn request(port: u16, head: &str, body: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    let length = body.len();
    write!(
        stream,
        "{head} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

/// Asks until the answer is this one.
fn until_ready(port: u16, status: u16) -> String {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(120) {
        match request(port, "GET /ready", "") {
            Some((given, body)) if given == status => return body,
            _ => std::thread::yield_now(),
        }
    }
    panic!("/ready never says {status}");
}

fn dir() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory can be made")
}

fn objects(dir: &Path) -> usize {
    fn files(dir: &Path) -> usize {
        let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
        let each = |entry: std::fs::DirEntry| match entry.path() {
            path if path.is_dir() => files(&path),
            path => usize::from(path.extension().is_some_and(|ending| ending == "txt")),
        };
        entries.flatten().map(each).sum()
    }
    files(&dir.join("out"))
}

/// A server into a batch that may wait for four hours.
fn lake(port: u16) -> String {
    format!(
        r#"
type Row = {{ id: int }}

bucket lake : text

profile aws {{
  lake = s3("lake")
}}

profile local = emulate(aws, dir: "out")

flow store : at_least_once {{
  http.serve("127.0.0.1:{port}", path: "/rows", requests: 1)
    -> json.decode as Row
    -> json.encode
    -> batch(wait: 4h)
    -> text.join("\n")
    -> lake.put(key: "{{batch.id}}.txt")
  errors -> log
}}
"#
    )
}

fn poster(port: u16) -> String {
    format!(
        r#"
type Row = {{ id: int }}

flow send : at_least_once {{
  file.read("rows.ndjson")
    -> text.lines
    -> json.decode as Row
    -> json.encode
    -> http.post("http://127.0.0.1:{port}/rows")
  errors -> log
}}
"#
    )
}

fn rows(dir: &Path, rows: usize) {
    let lines: Vec<String> = (0..rows).map(|id| format!("{{\"id\":{id}}}\n")).collect();
    std::fs::write(dir.join("rows.ndjson"), lines.concat()).expect("the rows can be written");
}

#[test]
fn an_idle_run_ends_well() {
    let (dir, port) = (dir(), Port::take());
    let run = Run::start(dir.path(), &lake(port.number), &[]);
    assert_eq!(until_ready(port.number, 200).trim(), "{\"ready\":true}");
    run.terminate();
    let (code, said) = run.ended();
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn an_open_batch_is_stored_at_once() {
    let (dir, port) = (dir(), Port::take());
    let run = Run::start(dir.path(), &lake(port.number), &[]);
    until_ready(port.number, 200);
    let number = port.number;
    let client = std::thread::spawn(move || request(number, "POST /rows", "{\"id\":1}"));
    let full = until_ready(port.number, 503);
    assert!(full.contains("\"full\""), "{full}");
    run.terminate();
    let (code, said) = run.ended();
    assert_eq!(code, Some(0), "{said}");
    let (status, body) = client.join().expect("no panic").expect("an answer");
    // It may be just too late to be taken; then nothing of it is stored.
    assert!(matches!(status, 202 | 503), "{status} {body}");
    assert_eq!(objects(dir.path()), usize::from(status == 202), "{body}");
}

#[test]
fn a_chain_of_flows_drains_although_a_batch_in_the_middle_may_wait() {
    let (dir, port) = (dir(), Port::take());
    rows(dir.path(), 3);
    let flows = lake(port.number) + &poster(port.number).replace("type Row = { id: int }\n", "");
    let run = Run::start(dir.path(), &flows, &[]);
    until_ready(port.number, 503);
    run.terminate();
    let (code, said) = run.ended();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(objects(dir.path()), 1);
}

/// A service that refuses everything; says when it was asked.
fn dead(port: u16) -> mpsc::Receiver<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
    let (sender, asked) = mpsc::channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = [0; 4096];
            let _ = stream.read(&mut head);
            let _ = stream.write_all(
                b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\
                  Connection: close\r\n\r\n",
            );
            let _ = sender.send(());
        }
    });
    asked
}

#[test]
fn with_a_dead_sink_it_says_how_many_rows_are_read_again() {
    let (dir, port) = (dir(), Port::take());
    rows(dir.path(), 7);
    let asked = dead(port.number);
    let run = Run::start(dir.path(), &poster(port.number), &["--drain", "300ms"]);
    asked.recv_timeout(Duration::from_secs(120)).expect("it tries");
    run.terminate();
    let (code, said) = run.ended();
    assert_eq!(code, Some(75), "{said}");
    let wanted = "stopped before all that was read was stored; 7 rows that were read will be read \
                  again";
    assert!(said.contains(wanted), "{said}");
}

#[test]
fn told_twice_it_ends_at_once() {
    let (dir, port) = (dir(), Port::take());
    rows(dir.path(), 7);
    let asked = dead(port.number);
    let mut run = Run::start(dir.path(), &poster(port.number), &["--drain", "2h"]);
    asked.recv_timeout(Duration::from_secs(120)).expect("it tries");
    run.terminate();
    run.wait_for("stopping");
    run.terminate();
    let (code, said) = run.ended();
    assert_eq!(code, Some(75), "{said}");
    assert!(said.contains("stopped at once; "), "{said}");
    assert!(said.contains("will be read again"), "{said}");
}
