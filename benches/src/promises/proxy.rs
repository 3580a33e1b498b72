//! What stands between a client and a server and gets in the way when told to: cuts the connection once the request has
//! gone through or once the answer comes, holds everything back for a while, or holds what belongs to a stream of changes.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The words by which a server of ours marks its stream of changes.
const STREAM: &[u8] = b"rolekeeper changes";

/// What the proxy does with what passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Passes it on.
    None,
    /// Passes it on after that long.
    Delay(Duration),
    /// Breaks each connection once the first part of an answer is there, and passes none of it on.
    CutReply,
    /// Breaks each connection once the request was passed on, whether it has been dealt with or not.
    CutAfterRequest,
    /// Keeps back what asks for changes; everything else passes. The connection stays open and silent.
    HoldStream,
    /// Breaks the connections on which changes are asked for.
    CutStream,
    /// Breaks every connection and takes no new one.
    CutAll,
}

/// A proxy in front of one address; it ends when it is dropped.
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    fault: watch::Sender<Fault>,
    listening: JoinHandle<()>,
}

impl Proxy {
    /// Starts one.
    pub async fn start(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (fault, told) = watch::channel(Fault::None);
        let listening = tokio::spawn(listen(listener, target, told));
        Ok(Self { address, fault, listening })
    }

    /// From now on, also on the connections that are open.
    pub fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn listen(listener: TcpListener, target: SocketAddr, fault: watch::Receiver<Fault>) {
    while let Ok((client, _)) = listener.accept().await {
        if *fault.borrow() == Fault::CutAll {
            continue;
        }
        let fault = fault.clone();
        tokio::spawn(async move {
            if let Ok(server) = TcpStream::connect(target).await {
                let _ = (client.set_nodelay(true), server.set_nodelay(true));
                join(client, server, fault).await;
            }
        });
    }
}

/// Both ways, until one of them ends or the connection is cut.
async fn join(client: TcpStream, server: TcpStream, fault: watch::Receiver<Fault>) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut cut = fault.clone();
    let stream = AtomicBool::new(false);
    tokio::select! {
        () = pass(from_client, to_server, fault.clone(), Side::Client(&stream)) => {}
        () = pass(from_server, to_client, fault, Side::Server(&stream)) => {}
        _ = cut.wait_for(|fault| *fault == Fault::CutAll) => {}
    }
}

/// Who speaks, and whether what was asked last on this connection was for changes: then the answer tells of some.
enum Side<'c> {
    Client(&'c AtomicBool),
    Server(&'c AtomicBool),
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut fault: watch::Receiver<Fault>, side: Side<'_>) {
    let is_request = matches!(side, Side::Client(_));
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let Ok(read @ 1..) = from.read(&mut buffer).await else { return };
        let part = buffer.get(..read).unwrap_or_default();
        let is_of_stream = match side {
            Side::Client(stream) => {
                let asks = part.windows(STREAM.len()).any(|window| window == STREAM);
                stream.store(asks, Ordering::SeqCst);
                asks
            }
            Side::Server(stream) => stream.load(Ordering::SeqCst),
        };
        let now = *fault.borrow();
        match now {
            Fault::Delay(time) => tokio::time::sleep(time).await,
            Fault::CutReply if !is_request => return,
            Fault::CutStream if is_of_stream => return,
            Fault::HoldStream if is_of_stream => {
                let _ = fault.wait_for(|fault| *fault != Fault::HoldStream).await;
            }
            Fault::CutAll => return,
            _ => {}
        }
        if to.write_all(part).await.is_err() || (is_request && now == Fault::CutAfterRequest) {
            return;
        }
    }
}
