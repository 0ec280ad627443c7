//! The front as a program: its first line, its arguments.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_awsfront"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn it_says_where_it_listens() {
    let mut child = program().args(["--port", "0", "--fast"]).spawn().expect("it starts");
    let mut line = String::new();
    let out = child.stdout.take().expect("its output");
    BufReader::new(out).read_line(&mut line).expect("a line");
    let addr = line.strip_prefix("listening on ").expect("the first line").trim();
    assert!(addr.starts_with("127.0.0.1:"), "{addr}");
    let mut socket = TcpStream::connect(addr).expect("it listens");
    let ask = b"GET /_front/health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    socket.write_all(ask).expect("it reads");
    let mut reply = String::new();
    socket.read_to_string(&mut reply).expect("it answers");
    assert!(reply.starts_with("HTTP/1.1 200") && reply.ends_with("{\"ok\":true}"), "{reply}");
    child.kill().expect("it can be ended");
    child.wait().expect("it ends");
}

#[test]
fn wrong_arguments_are_said() {
    let fails = |arguments: &[&str], part: &str| {
        let output = program().args(arguments).output().expect("it starts");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(part), "{text}");
    };
    fails(&["--prot", "1"], "--prot is not known; usage:");
    fails(&["--port", "x"], "--port x: not a port");
    fails(&["--port"], "--port needs a value");
    fails(&["--rules", "no-such-file"], "--rules no-such-file");
}
