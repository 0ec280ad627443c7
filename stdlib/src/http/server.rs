//! The server: a listening socket, its connections and their timeouts, and an orderly end.

use crate::http::connection::Gate;
use crate::http::holder::holder;
use crate::http::net::{Listener, Stream};
use crate::level::Level;
use engine::ctx::Clock;
use engine::fault::Fault;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

/// Buffer of a connection at most; the head of a request must fit.
const BUFFER_BYTES_MAX: usize = 64 << 10;
/// How long open connections may take to write their last answers.
const CLOSE: Duration = Duration::from_secs(5);
/// How long to wait when a connection cannot be accepted (no file descriptors left).
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// The least time between two looks at what a connection waits for.
const LOOK_MIN: Duration = Duration::from_millis(1);

/// Limits of connections.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Open at once; further ones wait in the listen queue of the system.
    pub connections: usize,
    /// From the first byte of a head to its end.
    pub header_timeout: Duration,
    /// Between an answer and the first byte of the next request.
    pub idle_timeout: Duration,
}

/// A running server. Dropped, it ends as after [`Server::close`], without anyone waiting.
pub struct Server {
    /// A [`Phase`].
    phase: Arc<Level>,
    gate: Arc<Gate>,
    task: Option<tokio::task::JoinHandle<()>>,
}

/// How far the end has come; 0 = not begun.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Requests are answered 503, on new connections too.
    Stopping = 1,
    /// Connections end with the answer they are writing.
    Closing = 2,
}

/// What a connection is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Idle,
    Head,
    Busy,
}

/// Listens on `host:port`. The fault names the address and, where it can be known, the process that
/// holds it.
pub async fn listen(address: &str) -> Result<TcpListener, Fault> {
    let error = match TcpListener::bind(address).await {
        Ok(listener) => return Ok(listener),
        Err(error) => error,
    };
    let port = address.rsplit(':').next().and_then(|port| port.parse().ok());
    let fault = match error.kind() {
        io::ErrorKind::AddrInUse => {
            let held = port.and_then(holder);
            let by = held.as_ref().map_or("another process".to_string(), |(pid, command)| {
                format!("process {pid} (`{command}`)")
            });
            Fault::service("port_in_use", format!("`{address}` is in use: {by} listens there"))
                .help(
                    "end that process, or listen on another port: in the file, or by \
                     `--param NAME=…` where the address is a param of it",
                )
        }
        io::ErrorKind::PermissionDenied => {
            Fault::service("port_denied", format!("this user may not listen on `{address}`"))
                .help("take a port from 1024 on")
        }
        io::ErrorKind::AddrNotAvailable => {
            let message = format!("`{address}` is no address of this machine");
            Fault::service("address_not_local", message)
                .help("listen on 127.0.0.1 for this machine alone, on 0.0.0.0 for all")
        }
        _ => {
            let message = format!("cannot listen on `{address}`: {error}");
            Fault::service("listen", message).help("write an address as `127.0.0.1:8080`")
        }
    };
    Err(fault)
}

impl Server {
    /// Begins to accept.
    pub fn start(listener: Box<dyn Listener>, gate: Arc<Gate>, limits: ConnectionLimits) -> Server {
        let phase = Arc::new(Level::default());
        let task = tokio::spawn(accept_all(listener, gate.clone(), limits, phase.clone()));
        Server { phase, gate, task: Some(task) }
    }

    /// New requests are answered 503, with the end of their connection.
    pub fn stop(&self) {
        self.gate.stopping.store(true, Ordering::Release);
        self.advance(Phase::Stopping);
    }

    /// Lets the connections write their last answers, some seconds at most, and closes them.
    pub async fn close(mut self) {
        self.stop();
        self.advance(Phase::Closing);
        if let Some(task) = self.task.take() {
            // A panic of the task has already been printed; there is nothing left to close.
            let _ = task.await;
        }
    }

    fn advance(&self, to: Phase) {
        self.phase.rise(to as u64);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        self.advance(Phase::Closing);
    }
}

async fn accept_all(
    mut listener: Box<dyn Listener>,
    gate: Arc<Gate>,
    limits: ConnectionLimits,
    phase: Arc<Level>,
) {
    let slots = Arc::new(Semaphore::new(limits.connections));
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = reached(&phase, Phase::Closing) => break,
            Some(_) = open.join_next() => {}
            accepted = accept(&mut *listener, &slots) => match accepted {
                Ok((stream, slot)) => {
                    open.spawn(connection(stream, slot, gate.clone(), limits, phase.clone()));
                }
                Err(_) => {
                    gate.counters.add("accept errors", 1);
                    gate.clock.sleep(ACCEPT_AGAIN).await;
                }
            }
        }
    }
    drop(listener);
    let all = async { while open.join_next().await.is_some() {} };
    let late = async {
        reached(&phase, Phase::Closing).await;
        gate.clock.sleep(CLOSE).await;
    };
    tokio::select! {
        biased;
        () = all => {}
        () = late => {}
    }
}

/// Waits for a phase; a server that is gone is in its last.
async fn reached(phase: &Level, at_least: Phase) {
    phase.reached(at_least as u64).await;
}

async fn accept(
    listener: &mut dyn Listener,
    slots: &Arc<Semaphore>,
) -> io::Result<(Box<dyn Stream>, OwnedSemaphorePermit)> {
    let slot = slots.clone().acquire_owned().await.map_err(io::Error::other)?;
    Ok((listener.accept().await?, slot))
}

async fn connection(
    stream: Box<dyn Stream>,
    _slot: OwnedSemaphorePermit,
    gate: Arc<Gate>,
    limits: ConnectionLimits,
    phase: Arc<Level>,
) {
    let watch = Arc::new(Watch::new(gate.clock.clone(), limits));
    let service = {
        let (gate, watch) = (gate.clone(), watch.clone());
        service_fn(move |request| {
            let (gate, watch) = (gate.clone(), watch.clone());
            async move {
                watch.enter(Stage::Busy);
                let answer = gate.answer(request).await;
                watch.enter(Stage::Idle);
                Ok::<_, Infallible>(answer.into_response())
            }
        })
    };
    let io = TokioIo::new(Watched { stream, watch: watch.clone() });
    let serve = http1::Builder::new()
        .half_close(true)
        .header_read_timeout(None)
        .max_buf_size(BUFFER_BYTES_MAX)
        .serve_connection(io, service);
    let closing = reached(&phase, Phase::Closing);
    tokio::pin!(serve, closing);
    let mut look = gate.clock.sleep(watch.next_look());
    let mut is_closing = false;
    loop {
        tokio::select! {
            biased;
            // A broken connection is the client's business; its rows are settled all the same.
            _ = &mut serve => return,
            () = &mut closing, if !is_closing => {
                is_closing = true;
                serve.as_mut().graceful_shutdown();
            }
            () = &mut look => match watch.is_late() {
                true => return,
                false => look = gate.clock.sleep(watch.next_look()),
            },
        }
    }
}

/// What a connection waits for, and since when. A request costs no timer: one for each connection
/// looks now and then, and never later than the time that is to be seen.
struct Watch {
    stage: Mutex<(Stage, i64)>,
    clock: Arc<dyn Clock>,
    limits: ConnectionLimits,
}

impl Watch {
    fn new(clock: Arc<dyn Clock>, limits: ConnectionLimits) -> Watch {
        let stage = Mutex::new((Stage::Idle, clock.now_ns()));
        Watch { stage, clock, limits }
    }

    fn enter(&self, stage: Stage) {
        *self.stage() = (stage, self.clock.now_ns());
    }

    /// Bytes have come.
    fn arrived(&self) {
        let mut stage = self.stage();
        if stage.0 == Stage::Idle {
            *stage = (Stage::Head, self.clock.now_ns());
        }
    }

    /// How long the stage may still take; `None` = as long as it wants.
    fn left(&self) -> Option<Duration> {
        let (stage, since_ns) = *self.stage();
        let patience = match stage {
            Stage::Idle => self.limits.idle_timeout,
            Stage::Head => self.limits.header_timeout,
            Stage::Busy => return None,
        };
        let passed_ns = u64::try_from(self.clock.now_ns() - since_ns).unwrap_or(0);
        Some(patience.saturating_sub(Duration::from_nanos(passed_ns)))
    }

    fn is_late(&self) -> bool {
        self.left() == Some(Duration::ZERO)
    }

    /// When to look again: before any stage that begins meanwhile can be over.
    fn next_look(&self) -> Duration {
        let any = self.limits.idle_timeout.min(self.limits.header_timeout);
        // A timer may fire a little early.
        self.left().unwrap_or(any).min(any).max(LOOK_MIN)
    }

    fn stage(&self) -> MutexGuard<'_, (Stage, i64)> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that says when the first byte of a request is there.
struct Watched {
    stream: Box<dyn Stream>,
    watch: Arc<Watch>,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.watch.arrived();
        }
        read
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
