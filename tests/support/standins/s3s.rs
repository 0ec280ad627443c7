//! s3s-fs in this process: S3 on a directory, written by others, which verifies signatures.

use std::net::SocketAddr;
use std::thread::JoinHandle;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// A running S3; it ends when this is dropped.
pub struct S3s {
    /// `http://127.0.0.1:PORT`
    pub url: String,
    /// Where its objects are files, a directory a bucket.
    pub dir: tempfile::TempDir,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Starts it with the key `test`, secret `test`.
pub fn s3s() -> S3s {
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let files = FileSystem::new(dir.path()).expect("s3s takes an empty directory");
    let mut builder = S3ServiceBuilder::new(files);
    builder.set_auth(SimpleAuth::from_single("test", "test"));
    let service = builder.build();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.set_nonblocking(true).expect("a listener can be made non-blocking");
    let address: SocketAddr = listener.local_addr().expect("a listener has an address");
    let (end, ended) = oneshot::channel();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime can be made");
        runtime.block_on(async {
            tokio::select! {
                () = serve(listener, service) => {}
                _ = ended => {}
            }
        });
    });
    S3s { url: format!("http://{address}"), dir, end: Some(end), thread: Some(thread) }
}

async fn serve(listener: std::net::TcpListener, service: S3Service) {
    let listener = TcpListener::from_std(listener).expect("the runtime takes the listener");
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let mut http = http1::Builder::new();
        let connection =
            http.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service.clone());
        tokio::spawn(connection);
    }
}

impl Drop for S3s {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
