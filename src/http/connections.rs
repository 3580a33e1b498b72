//! Ends connections that come to nothing. The web server has limits of its own for the first head of a connection and for
//! silence between requests, but none for a client that begins its next request and does not go on, that sends for ever
//! what nobody reads any more, or that does not fetch its answer. Whatever the client does: a connection without a request
//! under way is ended after a while. How long a request may be under way is limited in `call`.

use std::any::Any;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use actix_web::body::BodySize;
use actix_web::dev::Extensions;
use actix_web::{HttpRequest, rt};

/// How often connections are looked at; the unit of all that is counted here.
const ROUND: Duration = Duration::from_secs(1);

/// How many seconds a connection is kept without a request under way.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Until nothing more is read from it. What is still to be sent leaves all the same.
    pub idle: u64,
    /// From then on, until it is cut, whatever was to be sent.
    pub answer: u64,
}

/// Every open connection.
#[derive(Default)]
pub struct Connections {
    open: Mutex<Vec<Weak<Connection>>>,
}

/// One connection; lives as long as the web server holds it.
struct Connection {
    /// A second handle of the socket: the web server does not lend its own.
    socket: TcpStream,
    under_way: AtomicBool,
    /// Rounds since a request was under way.
    idle_rounds: AtomicU64,
}

impl Connections {
    /// What the web server is to do with each new connection, so that it is watched.
    pub fn watched(patience: Patience) -> impl Fn(&dyn Any, &mut Extensions) + Send + Sync + 'static {
        let connections = Arc::new(Self::default());
        // Ends with the web server, which holds the connections.
        tokio::spawn(watch(Arc::downgrade(&connections), patience));
        move |stream, data| {
            // Without a second handle, which takes one more file, the connection has the web server's limits alone.
            let Some(connection) = stream.downcast_ref().and_then(Connection::of) else { return };
            let connection = Arc::new(connection);
            connections.lock().push(Arc::downgrade(&connection));
            data.insert(connection);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Connection>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pass_round(&self, patience: Patience) {
        self.lock().retain(|connection| match connection.upgrade() {
            Some(connection) => connection.pass_round(patience),
            None => false,
        });
    }
}

async fn watch(connections: Weak<Connections>, patience: Patience) {
    loop {
        tokio::time::sleep(ROUND).await;
        let Some(connections) = connections.upgrade() else { return };
        connections.pass_round(patience);
    }
}

impl Connection {
    fn of(stream: &rt::net::TcpStream) -> Option<Self> {
        let socket = TcpStream::from(stream.as_fd().try_clone_to_owned().ok()?);
        Some(Self { socket, under_way: AtomicBool::new(false), idle_rounds: AtomicU64::new(0) })
    }

    /// Whether it is to be looked at again.
    fn pass_round(&self, patience: Patience) -> bool {
        if self.under_way.load(Ordering::Acquire) {
            return true;
        }
        let rounds = self.idle_rounds.fetch_add(1, Ordering::AcqRel) + 1;
        if rounds > patience.idle + patience.answer {
            // What the client sends from now on is answered by a reset.
            let _ = self.socket.shutdown(Shutdown::Both);
            return false;
        }
        if rounds > patience.idle {
            // To the web server it looks as if the client had said all that it wanted to say.
            let _ = self.socket.shutdown(Shutdown::Read);
        }
        true
    }
}

/// A request is under way on its connection.
pub struct UnderWay(Option<Arc<Connection>>);

impl UnderWay {
    /// From now on.
    pub fn begin(request: &HttpRequest) -> Self {
        let connection = request.conn_data::<Arc<Connection>>().cloned();
        if let Some(connection) = &connection {
            connection.under_way.store(true, Ordering::Release);
        }
        Self(connection)
    }

    /// It is answered. An answer that is still being made while it leaves may take any time, so that its connection is
    /// watched again only after the next one.
    pub fn end(mut self, body: BodySize) {
        if body == BodySize::Stream {
            self.0 = None;
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(connection) = &self.0 {
            connection.idle_rounds.store(0, Ordering::Release);
            connection.under_way.store(false, Ordering::Release);
        }
    }
}
