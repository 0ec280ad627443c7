//! A connection that can be reset, and bodies that can be cut off.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::request::Body;

/// A connection; with `reset` set it ends with RST instead of FIN.
#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
    /// How it ends.
    pub reset: Arc<AtomicBool>,
}

impl Socket {
    /// A connection that ends as usual.
    pub fn new(stream: TcpStream) -> Socket {
        Socket { stream, reset: Arc::default() }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.reset.load(Ordering::SeqCst) {
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Socket {
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
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.reset.load(Ordering::SeqCst) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A body on its way; a truncated one breaks off in the middle.
#[derive(Debug)]
pub struct Sending {
    body: Option<Body>,
    truncated: bool,
    broken: bool,
    flushed: bool,
}

impl Sending {
    /// A body that is sent to its end, or half of it.
    pub fn new(body: Body, truncated: bool) -> Sending {
        Sending { body: Some(body), truncated, broken: false, flushed: false }
    }
}

fn cut_off() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "cut off by a rule")
}

impl hyper::body::Body for Sending {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.broken && !self.flushed {
            // What there is goes out first.
            self.flushed = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.broken {
            return Poll::Ready(Some(Err(cut_off())));
        }
        let truncated = self.truncated;
        let next = match &mut self.body {
            None => None,
            Some(Body::Bytes(bytes)) => Some(std::mem::take(bytes)),
            Some(Body::Stream(parts)) => ready!(parts.poll_recv(cx)),
        };
        if matches!(self.body, Some(Body::Bytes(_))) || next.is_none() {
            self.body = None;
        }
        if truncated {
            self.broken = true;
            return Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes.slice(..bytes.len() / 2)))));
        }
        Poll::Ready(next.filter(|bytes| !bytes.is_empty()).map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        !self.broken && self.body.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Some(Body::Bytes(bytes)) => SizeHint::with_exact(bytes.len() as u64),
            Some(Body::Stream(_)) => SizeHint::default(),
            None => SizeHint::with_exact(0),
        }
    }
}
