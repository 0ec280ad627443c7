//! The programs that stand in for AWS in tests, each on loopback, on a port of its own, and gone
//! with the test: the strict front, moto, kinesalite, dynalite, s3s and PostgreSQL.
//!
//! They are installed in user space below `target/standins`, once for all tests. Where that cannot
//! be done (no network, no Python, no npm) the answer is `None`, the reason is printed and the test
//! skips; with `FLOWC_REQUIRE_STANDINS=1` it fails.
//!
//! ```ignore
//! let Some(moto) = standins::moto() else { return };
//! let output = standins::python("tests/aws_put.py", &["--endpoint", &moto.url]);
//! ```

#![allow(dead_code, missing_docs, unused_imports)] // each test binary uses some of it

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

#[path = "standins/front.rs"]
mod front;
#[path = "standins/install.rs"]
mod install;
#[path = "standins/s3s.rs"]
mod s3s;

pub use front::{FrontOf, front};
pub use install::Part;
pub use s3s::{S3s, s3s};

/// How long a program may take until it listens; a machine that builds at the same time is slow.
const START_MAX: Duration = Duration::from_secs(120);

/// What every process that speaks to a stand-in has in its environment. Nothing of the account of
/// whoever runs the tests is left.
pub fn environment(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AWS_") {
            command.env_remove(name);
        }
    }
    command
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_DEFAULT_REGION", "eu-central-1")
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("PYTHONDONTWRITEBYTECODE", "1");
}

/// A running program. Dropped, also by a panic, it ends; were this process killed, it would see
/// its standard input closed and end too.
pub struct Standin {
    /// `http://127.0.0.1:PORT`, or PostgreSQL's URI.
    pub url: String,
    name: &'static str,
    child: Child,
}

impl Standin {
    /// Starts it and reads its first line, `listening on PLACE`.
    fn start(name: &'static str, command: &mut Command) -> Standin {
        let mut errors = tempfile::tempfile().expect("a temporary file can be made");
        let output = errors.try_clone().expect("a file handle can be copied");
        environment(command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(output);
        let child =
            command.spawn().unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let mut standin = Standin { url: String::new(), name, child };
        let stdout = standin.child.stdout.take().expect("its standard output is a pipe");
        let (send, first) = sync_channel(1);
        std::thread::spawn(move || {
            let mut stdout = BufReader::new(stdout);
            let mut line = String::new();
            let read = stdout.read_line(&mut line);
            // Nobody may wait any more; the rest is read so that the program never blocks.
            let _ = send.send(read.map(|_| line));
            std::io::copy(&mut stdout, &mut std::io::sink())
        });
        let line = match first.recv_timeout(START_MAX) {
            Ok(Ok(line)) => line,
            other => panic!("{name} said nothing: {other:?}\n{}", text_of(&mut errors)),
        };
        let Some(place) = line.trim().strip_prefix("listening on ") else {
            panic!("{name} does not listen: {line:?}\n{}", text_of(&mut errors));
        };
        standin.url = match place.contains("://") {
            true => place.to_owned(),
            false => format!("http://{place}"),
        };
        standin
    }
}

impl Drop for Standin {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // PostgreSQL takes its processes and its directory along; it has its own limit for that.
        if self.name != "postgres" {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

fn text_of(file: &mut File) -> String {
    let mut text = String::new();
    let _ = file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_string(&mut text));
    text
}

/// moto's server: all services in one process, lenient, keys not verified.
pub fn moto() -> Option<Standin> {
    let python = Part::Python.installed()?;
    let mut command = Command::new(python.join("bin/python"));
    Some(Standin::start("moto", command.arg(scripts().join("emulator.py"))))
}

/// Kinesis, with AWS's sequence numbers and closed shards.
pub fn kinesalite() -> Option<Standin> {
    emulator("kinesalite", r#"{"createStreamMs":0,"updateStreamMs":0,"shardLimit":50}"#)
}

/// DynamoDB, with AWS's checks of items and expressions.
pub fn dynalite() -> Option<Standin> {
    emulator("dynalite", r#"{"createTableMs":0,"updateTableMs":0,"deleteTableMs":0}"#)
}

fn emulator(name: &'static str, options: &str) -> Option<Standin> {
    let modules = Part::Node.installed()?.join("node_modules");
    let mut command = Command::new("node");
    command.arg(scripts().join("emulator.js")).arg(name).arg(options).env("NODE_PATH", modules);
    Some(Standin::start(name, &mut command))
}

/// PostgreSQL 16 on a socket file; `url` is what tokio-postgres takes.
pub fn postgres() -> Option<Standin> {
    let python = Part::Python.installed()?;
    let programs = Part::Postgres.installed()?.join("pgserver/pginstall/bin");
    let mut command = Command::new(python.join("bin/python"));
    Some(Standin::start("postgres", command.arg(scripts().join("postgres.py")).arg(programs)))
}

/// Runs a script of the repository with boto3 and the KPL's aggregation; `None` where Python's
/// packages cannot be installed.
pub fn python(script: &str, args: &[&str]) -> Option<Output> {
    let python = Part::Python.installed()?;
    let mut command = Command::new(python.join("bin/python"));
    environment(&mut command);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(script)).args(args);
    Some(command.stdin(Stdio::null()).output().expect("the environment's Python starts"))
}

fn scripts() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/standins")
}
