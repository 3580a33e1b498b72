//! The port: takes it, and lets go of it without failing those who are at the door already.
//!
//! A port that is closed resets every connection that the system has taken and nobody has answered yet, and those
//! clients cannot know whether their request was carried out. So newcomers are turned away first, while the connections
//! that are there are served on; only then is there nobody left whom closing could harm. What is answered, and until
//! when, is decided in [`crate::app`].

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};

use socket2::SockRef;

/// A port that is listened on.
#[derive(Debug)]
pub struct Port {
    listener: TcpListener,
    number: u16,
}

impl Port {
    /// Takes it; 0 for any that is free.
    ///
    /// # Errors
    /// What the system says: it is taken already, or not ours to take.
    pub fn take(address: IpAddr, number: u16) -> io::Result<Self> {
        let listener = TcpListener::bind(SocketAddr::new(address, number))?;
        listener.set_nonblocking(true)?;
        let number = listener.local_addr()?.port();
        Ok(Self { listener, number })
    }

    /// The port that was taken.
    pub const fn number(&self) -> u16 {
        self.number
    }

    /// Another handle on the same port, for the server.
    ///
    /// # Errors
    /// What the system says, as when there are too many open files.
    pub fn listener(&self) -> io::Result<TcpListener> {
        self.listener.try_clone()
    }

    /// From here on nobody new comes in, and whoever has come in is still there to be taken. Newcomers hear nothing at
    /// first; when they ask again, after about a second, the port is closed and they go elsewhere.
    ///
    /// # Errors
    /// What the system says. Where it cannot do this at all, it is `Unsupported`.
    pub fn turn_newcomers_away(&self) -> io::Result<()> {
        turn_away(&SockRef::from(&self.listener))
    }
}

/// A filter of the system sees each segment from the TCP header on. Byte 13 has the flags; who is new sends SYN.
#[cfg(target_os = "linux")]
fn turn_away(socket: &SockRef<'_>) -> io::Result<()> {
    use socket2::SockFilter;

    const LOAD_BYTE: u16 = 0x30;
    const SKIP_IF_SET: u16 = 0x45;
    const RETURN: u16 = 0x06;
    const FLAGS: u32 = 13;
    const SYN: u32 = 2;
    const NOTHING: u32 = 0;
    const EVERYTHING: u32 = u32::MAX;
    socket.attach_filter(&[
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS),
        SockFilter::new(SKIP_IF_SET, 1, 0, SYN),
        SockFilter::new(RETURN, 0, 0, EVERYTHING),
        SockFilter::new(RETURN, 0, 0, NOTHING),
    ])
}

#[cfg(not(target_os = "linux"))]
fn turn_away(_: &SockRef<'_>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{Ipv4Addr, Ipv6Addr, TcpStream};
    use std::time::Duration;

    use super::*;

    /// How long one waits who will not be heard; nothing depends on how long it takes.
    const PATIENCE: Duration = Duration::from_millis(50);

    fn nobody_is_lost(address: IpAddr) {
        let port = Port::take(address, 0).unwrap();
        let address = SocketAddr::new(address, port.number());
        let mut waiting: Vec<_> = (0..20).map(|_| TcpStream::connect(address).unwrap()).collect();
        port.turn_newcomers_away().unwrap();

        let newcomer = TcpStream::connect_timeout(&address, PATIENCE).unwrap_err();
        assert_eq!(newcomer.kind(), io::ErrorKind::TimedOut);

        let listener = port.listener().unwrap();
        drop(port);
        waiting.iter_mut().for_each(|client| client.write_all(b"?").unwrap());
        for _ in &waiting {
            let (mut connection, _) = listener.accept().unwrap();
            let mut question = [0];
            connection.set_nonblocking(false).unwrap();
            connection.read_exact(&mut question).unwrap();
            connection.write_all(b"!").unwrap();
        }
        for client in &mut waiting {
            let mut answer = String::new();
            client.read_to_string(&mut answer).unwrap();
            assert_eq!(answer, "!");
        }
        assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock, "a newcomer was taken");
        drop(listener);
        assert_eq!(TcpStream::connect(address).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn nobody_who_waits_is_lost_and_nobody_new_is_taken() {
        nobody_is_lost(Ipv4Addr::LOCALHOST.into());
    }

    #[test]
    fn nor_over_the_newer_protocol() {
        nobody_is_lost(Ipv6Addr::LOCALHOST.into());
    }

    /// Without the guard, those who wait are cut off when the port is closed.
    #[test]
    fn a_port_that_is_only_closed_loses_those_who_wait() {
        let port = Port::take(Ipv4Addr::LOCALHOST.into(), 0).unwrap();
        let mut waiting = TcpStream::connect((Ipv4Addr::LOCALHOST, port.number())).unwrap();
        drop(port);
        assert_eq!(waiting.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }
}
