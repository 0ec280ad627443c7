//! Where connections come from: TCP, with TLS where the URL asks for it, or what a simulation puts
//! in its place. Handed to `http.serve` and `http.post` by the registry.

use async_trait::async_trait;
use engine::fault::Fault;
use futures::future::BoxFuture;
use hyper::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::{Connected, HttpConnector};
use rustls::{ClientConfig, RootCertStore};
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tower_service::Service;

/// Bytes in both directions.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// An address that is listened on.
#[async_trait]
pub trait Listener: Send {
    /// Where: the port is known even where port 0 was asked for.
    fn address(&self) -> SocketAddr;

    /// The next connection. Cancel-safe.
    async fn accept(&mut self) -> io::Result<Box<dyn Stream>>;
}

/// Listens and connects.
#[async_trait]
pub trait Net: Send + Sync {
    /// Listens on `host:port`.
    ///
    /// # Errors
    /// The address is taken, not allowed, or none; the fault names it.
    async fn listen(&self, address: &str) -> Result<Box<dyn Listener>, Fault>;

    /// What opens connections to the server of a URL.
    ///
    /// # Errors
    /// The certificates that a server is to be checked by cannot be read.
    fn connector(&self, uri: &Uri) -> Result<Connector, Fault>;
}

/// Why a connection could not be opened.
pub type ConnectError = Box<dyn Error + Send + Sync>;

/// Opens connections, for the HTTP client.
#[derive(Clone)]
pub struct Connector {
    connect: Arc<dyn Fn(Uri) -> Connecting + Send + Sync>,
}

/// A connection on its way.
pub type Connecting = BoxFuture<'static, Result<Connection, ConnectError>>;

impl Connector {
    /// A connector that opens each connection by this function.
    pub fn new(connect: impl Fn(Uri) -> Connecting + Send + Sync + 'static) -> Connector {
        Connector { connect: Arc::new(connect) }
    }
}

impl Service<Uri> for Connector {
    type Response = Connection;
    type Error = ConnectError;
    type Future = Connecting;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Connecting {
        (self.connect)(uri)
    }
}

/// An open connection, as the HTTP client uses it.
pub struct Connection(Box<dyn Wire>);

trait Wire: hyper::rt::Read + hyper::rt::Write + Send + Unpin {}

impl<T: hyper::rt::Read + hyper::rt::Write + Send + Unpin> Wire for T {}

impl Connection {
    /// A connection over these bytes.
    pub fn new(
        wire: impl hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
    ) -> Connection {
        Connection(Box::new(wire))
    }
}

impl hyper_util::client::legacy::connect::Connection for Connection {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl hyper::rt::Read for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl hyper::rt::Write for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }
}

/// The network of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpNet;

#[async_trait]
impl Net for TcpNet {
    async fn listen(&self, address: &str) -> Result<Box<dyn Listener>, Fault> {
        let listener = super::server::listen(address).await?;
        let address = listener
            .local_addr()
            .map_err(|error| Fault::service("listen", format!("cannot listen: {error}")))?;
        Ok(Box::new(TcpPort { listener, address }))
    }

    fn connector(&self, uri: &Uri) -> Result<Connector, Fault> {
        let https = https(uri)?;
        Ok(Connector::new(move |uri| {
            let connecting = https.clone().call(uri);
            Box::pin(async move { Ok(Connection::new(connecting.await?)) })
        }))
    }
}

/// A listening socket.
struct TcpPort {
    listener: TcpListener,
    address: SocketAddr,
}

#[async_trait]
impl Listener for TcpPort {
    fn address(&self) -> SocketAddr {
        self.address
    }

    async fn accept(&mut self) -> io::Result<Box<dyn Stream>> {
        let (stream, _): (TcpStream, SocketAddr) = self.listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }
}

/// Connections with TLS where the URL asks for it.
fn https(uri: &Uri) -> Result<HttpsConnector<HttpConnector>, Fault> {
    let mut http = HttpConnector::new();
    http.set_nodelay(true);
    http.enforce_http(false);
    let builder = match uri.scheme_str() {
        Some("https") => HttpsConnectorBuilder::new().with_native_roots().map_err(|error| {
            let message = format!("cannot read the certificates that this system trusts: {error}");
            Fault::service("certificates", message)
                .help("install the system's certificates, or name a file with SSL_CERT_FILE")
        })?,
        _ => {
            let nobody = RootCertStore::empty();
            let config = ClientConfig::builder().with_root_certificates(nobody);
            HttpsConnectorBuilder::new().with_tls_config(config.with_no_client_auth())
        }
    };
    Ok(builder.https_or_http().enable_http1().wrap_connector(http))
}
