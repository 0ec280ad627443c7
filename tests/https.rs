//! `http.post` over TLS, against a server with a certificate of its own.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use support::{both, flowc};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A certificate for `localhost` that nobody has signed, its key, and the file that trusts it.
struct Authority {
    config: Arc<ServerConfig>,
    file: PathBuf,
}

fn authority(dir: &Path) -> Authority {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).expect("a certificate");
    let file = dir.join("authority.pem");
    std::fs::write(&file, made.cert.pem()).expect("a file can be written");
    let key = made.signing_key.serialize_der().try_into().expect("a private key");
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("the key belongs to the certificate");
    Authority { config: Arc::new(config), file }
}

/// Answers connections with 200 until a body has come; gives that body.
fn serve(config: Arc<ServerConfig>) -> (u16, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let served = std::thread::spawn(move || {
        loop {
            let (socket, _) = listener.accept().expect("a connection");
            let connection = ServerConnection::new(config.clone()).expect("a connection");
            let mut reader = BufReader::new(StreamOwned::new(connection, socket));
            // Who does not trust the certificate goes away.
            let Some(length) = length(&mut reader) else { continue };
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("a whole body");
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
            reader.get_mut().write_all(answer).expect("an answer can be sent");
            return body;
        }
    });
    (port, served)
}

/// Reads the head of a request; gives the length of its body.
fn length(reader: &mut impl BufRead) -> Option<usize> {
    let mut length = None;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok();
        }
        if line.is_empty() {
            return length;
        }
    }
}

fn post(dir: &Path, port: u16, trust: Option<&Path>) -> (String, i32) {
    let flow = format!(
        "type Word = {{ word: text }}\n\nflow send : at_least_once {{\n  \
         file.read(\"words.csv\") -> csv.decode as Word -> json.encode -> \
         http.post(\"https://localhost:{port}/words\")\n  errors -> log\n}}\n"
    );
    std::fs::write(dir.join("send.flow"), flow).expect("a file can be written");
    std::fs::write(dir.join("words.csv"), "word\ntea\nmilk\n").expect("a file can be written");
    let mut command = flowc();
    command.current_dir(dir).args(["run", "send.flow"]);
    if let Some(file) = trust {
        command.env("SSL_CERT_FILE", file);
    }
    let output = command.output().expect("flowc starts");
    (both(&output), output.status.code().unwrap_or(-1))
}

#[test]
fn records_are_posted_to_who_is_trusted_and_to_nobody_else() {
    let dir = tempfile::tempdir().expect("a directory");
    let authority = authority(dir.path());
    let (port, served) = serve(authority.config.clone());
    let other = tempfile::tempdir().expect("a directory");
    let strange = self::authority(other.path());
    let (text, code) = post(dir.path(), port, Some(&strange.file));
    assert_ne!(code, 0, "{text}");
    assert!(text.contains("is not trusted") && text.contains("SSL_CERT_FILE"), "{text}");
    let (text, code) = post(dir.path(), port, Some(&authority.file));
    assert_eq!(code, 0, "{text}");
    let body = served.join().expect("the server ends well");
    assert_eq!(body, b"{\"word\":\"tea\"}\n{\"word\":\"milk\"}\n");
}
