//! The strict front in this process, on a thread of its own.

use std::thread::JoinHandle;

use awsfront::{Options, Shared};
use std::sync::Arc;
use tokio::sync::oneshot;

/// A running front; it ends when this is dropped.
pub struct FrontOf {
    /// `http://127.0.0.1:PORT`
    pub url: String,
    /// Its clock, rules, counters and settings.
    pub shared: Arc<Shared>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Starts it. `Options::default()` has AWS's limits and no PostgreSQL.
pub fn front(options: Options) -> FrontOf {
    let (started, start) = std::sync::mpsc::sync_channel(1);
    let (end, ended) = oneshot::channel::<()>();
    let thread = std::thread::spawn(move || {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime can be made");
        runtime.block_on(async {
            let front = awsfront::start(options).await.expect("loopback has a free port");
            let _ = started.send((front.url(), front.shared.clone()));
            let _ = ended.await;
        });
        runtime.shutdown_background();
    });
    let (url, shared) = start.recv().expect("the front has started");
    FrontOf { url, shared, end: Some(end), thread: Some(thread) }
}

impl Drop for FrontOf {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
