//! A network in memory: connections are pipes, and faults happen to them.

use super::name::NETWORK;
use super::{Shared, lock};
use crate::http::net::{Connection, Connector, Listener, Net, Stream};
use async_trait::async_trait;
use engine::fault::Fault;
use engine::sim::{Kind, World};
use hyper::Uri;
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio::sync::mpsc;
use tokio::time::{Sleep, sleep};

/// Bytes on their way in one direction.
const PIPE_BYTES: usize = 64 << 10;
/// Connections that wait to be accepted.
const WAITING_MAX: usize = 128;
/// The first port that is given where 0 is asked for.
const FREE_PORT: u16 = 49_152;
/// How long connecting and a reply take at most, without a fault.
const WAY_MAX_US: u64 = 5_000;

/// The network of one life.
#[derive(Clone)]
pub struct SimNet {
    world: World,
    ports: Shared<BTreeMap<u16, mpsc::Sender<Box<dyn Stream>>>>,
}

impl SimNet {
    /// Nobody listens yet.
    pub fn new(world: &World) -> SimNet {
        SimNet { world: world.clone(), ports: Shared::default() }
    }

    async fn connect(self, port: u16) -> io::Result<Connection> {
        let way = Way::draw(&self.world, "connect");
        self.world.event("connect", &[u64::from(port), way.code()]);
        sleep(way.wait).await;
        match way.kind {
            Some(Kind::Hang) => return pending().await,
            Some(Kind::Transient) => return Err(io::ErrorKind::ConnectionRefused.into()),
            _ => (),
        }
        let listener = lock(&self.ports).get(&port).cloned();
        let (client, server) = duplex(PIPE_BYTES);
        let listener = listener.ok_or(io::ErrorKind::ConnectionRefused)?;
        let sent = listener.send(Box::new(server)).await;
        sent.map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
        Ok(Connection::new(TokioIo::new(Pipe::new(self.world, client))))
    }
}

#[async_trait]
impl Net for SimNet {
    async fn listen(&self, address: &str) -> Result<Box<dyn Listener>, Fault> {
        let port = address.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
        let Some(mut port) = port else {
            let message = format!("cannot listen on `{address}`: it names no port");
            return Err(Fault::service("listen", message).help("write it as `127.0.0.1:8080`"));
        };
        let mut ports = lock(&self.ports);
        while port == 0 || (port >= FREE_PORT && ports.contains_key(&port)) {
            port = port.max(FREE_PORT - 1) + 1;
        }
        if ports.get(&port).is_some_and(|listener| !listener.is_closed()) {
            return Err(Fault::service("port_in_use", format!("`{address}` is in use")));
        }
        let (sender, incoming) = mpsc::channel(WAITING_MAX);
        ports.insert(port, sender);
        Ok(Box::new(Port { address: SocketAddr::from(([127, 0, 0, 1], port)), incoming }))
    }

    fn connector(&self, _: &Uri) -> Result<Connector, Fault> {
        let net = self.clone();
        Ok(Connector::new(move |uri| {
            let secure = uri.scheme_str() == Some("https");
            let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
            let net = net.clone();
            Box::pin(async move { Ok(net.connect(port).await?) })
        }))
    }
}

/// A port that is listened on.
struct Port {
    address: SocketAddr,
    incoming: mpsc::Receiver<Box<dyn Stream>>,
}

#[async_trait]
impl Listener for Port {
    fn address(&self) -> SocketAddr {
        self.address
    }

    async fn accept(&mut self) -> io::Result<Box<dyn Stream>> {
        match self.incoming.recv().await {
            Some(stream) => Ok(stream),
            None => pending().await,
        }
    }
}

/// What happens to a request, or to connecting.
struct Way {
    wait: Duration,
    kind: Option<Kind>,
    /// Of a reply that is cut off: so many bytes come.
    bytes: usize,
    cut: bool,
}

impl Way {
    fn draw(world: &World, op: &str) -> Way {
        let now = world.now();
        let way = world.draw(NETWORK, |random, faults| {
            let mut way = Way {
                wait: Duration::from_micros(random.u64(100..WAY_MAX_US)),
                kind: None,
                bytes: random.usize(0..120),
                cut: random.u8(0..3) == 0,
            };
            for window in faults.at(NETWORK, op, now) {
                match window.kind {
                    _ if random.u32(0..1_000) >= window.share => (),
                    Kind::Slow(most) => way.wait += most.mul_f64(random.f64()),
                    kind => way.kind = way.kind.or(Some(kind)),
                }
            }
            way
        });
        if let Some(kind) = way.kind {
            world.count(kind.name());
        }
        way
    }

    fn code(&self) -> u64 {
        match self.kind {
            None => 0,
            Some(Kind::Hang) => 1,
            Some(Kind::Transient) => 2,
            Some(_) => 3,
        }
    }
}

/// The client's end of a connection: faults are decided for each request on it.
struct Pipe {
    world: World,
    inner: DuplexStream,
    way: Way,
    /// A request is being sent: the next byte that comes begins its reply.
    sends: bool,
    /// Of the reply, what has come and is not handed over yet.
    held: Vec<u8>,
    wait: Option<Pin<Box<Sleep>>>,
    ended: bool,
    broken: bool,
}

impl Pipe {
    fn new(world: World, inner: DuplexStream) -> Pipe {
        let way = Way { wait: Duration::ZERO, kind: None, bytes: 0, cut: false };
        let (sends, ended, broken) = (false, false, false);
        Pipe { world, inner, way, sends, held: Vec::new(), wait: None, ended, broken }
    }

    /// A request begins, or goes on; false where it does not reach the server.
    fn send(&mut self) -> io::Result<bool> {
        if !self.sends {
            self.sends = true;
            self.way = Way::draw(&self.world, "request");
            self.world.event("request", &[self.way.code()]);
            self.broken |= self.way.kind == Some(Kind::Transient);
        }
        match self.broken {
            true => Err(io::ErrorKind::ConnectionReset.into()),
            false => Ok(self.way.kind != Some(Kind::Hang)),
        }
    }

    /// Bytes of a reply have come.
    fn receive(&mut self, bytes: &[u8]) {
        if std::mem::take(&mut self.sends) {
            self.wait = Some(Box::pin(sleep(self.way.wait)));
            // The server has done its work.
            let lost = self.way.kind == Some(Kind::LostReply);
            self.broken |= lost && !self.way.cut;
        }
        match self.way.kind {
            Some(Kind::Hang) => (),
            Some(Kind::LostReply) => {
                let taken = bytes.len().min(self.way.bytes);
                self.way.bytes -= taken;
                self.held.extend(&bytes[..taken]);
                self.ended |= taken < bytes.len();
            }
            _ => self.held.extend(bytes),
        }
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let pipe = self.get_mut();
        loop {
            if let Some(wait) = &mut pipe.wait {
                ready!(wait.as_mut().poll(cx));
                pipe.wait = None;
            }
            if pipe.broken {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
            if !pipe.held.is_empty() || pipe.ended {
                let len = pipe.held.len().min(buffer.remaining());
                buffer.put_slice(&pipe.held[..len]);
                pipe.held.drain(..len);
                return Poll::Ready(Ok(()));
            }
            let mut block = [0; 4096];
            let mut block = ReadBuf::new(&mut block);
            ready!(Pin::new(&mut pipe.inner).poll_read(cx, &mut block))?;
            match block.filled() {
                [] => pipe.ended = true,
                bytes => pipe.receive(bytes),
            }
        }
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let pipe = self.get_mut();
        match pipe.send() {
            Ok(true) => Pin::new(&mut pipe.inner).poll_write(cx, bytes),
            Ok(false) => Poll::Ready(Ok(bytes.len())),
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::sim::{Life, Window};
    use std::future::poll_fn;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// A request and its reply, under a fault: what the client sees, and what the server got.
    fn talk(kind: Option<Kind>) -> (Option<io::Result<Vec<u8>>>, Vec<u8>) {
        let world = World::new(3);
        if let Some(kind) = kind {
            let (service, op) = (NETWORK.to_owned(), Some("request".to_owned()));
            let (from, until) = (Duration::ZERO, Duration::from_secs(60));
            world.add_fault(Window { service, op, from, until, kind, share: 1_000 });
        }
        let (client, mut server) = duplex(1024);
        let mut pipe = Pipe::new(world.clone(), client);
        let client = async move {
            pipe.write_all(b"ask").await?;
            let mut reply = [0; 6];
            pipe.read_exact(&mut reply).await.map(|_| reply.to_vec())
        };
        let server = async move {
            let mut asked = [0; 3];
            let read = server.read_exact(&mut asked).await;
            let _ = server.write_all(b"answer").await;
            // The connection stays open until the client goes.
            let closed = poll_fn(|cx| {
                let mut byte = [0; 1];
                Pin::new(&mut server).poll_read(cx, &mut ReadBuf::new(&mut byte)).map(drop)
            });
            closed.await;
            read.map(|_| asked.to_vec()).unwrap_or_default()
        };
        let talked = world.live(Life::default(), || async {
            let client = tokio::time::timeout(Duration::from_secs(9), client);
            let (client, server) = futures::join!(client, server);
            (client.ok(), server)
        });
        talked.unwrap_or_else(|| unreachable!("there is no crash"))
    }

    #[test]
    fn a_reset_comes_before_or_behind_the_servers_work() {
        let (client, server) = talk(None);
        assert_eq!((client.unwrap().unwrap(), server), (b"answer".to_vec(), b"ask".to_vec()));
        let (client, server) = talk(Some(Kind::Transient));
        assert!(client.unwrap().is_err());
        assert_eq!(server, b"");
        let (client, server) = talk(Some(Kind::LostReply));
        assert!(client.unwrap().is_err());
        assert_eq!(server, b"ask");
        let (client, server) = talk(Some(Kind::Hang));
        assert!(client.is_none(), "a black hole");
        assert_eq!(server, b"");
    }
}
