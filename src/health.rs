//! Asks a running server whether it is ready: the client behind `rolekeeper health`, which a container's health check
//! calls. One plain HTTP/1.1 request with time limits; anything that needs more is not a task for this module.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// For connecting and for each step of the exchange; a health check has its own limit around it.
const STEP: Duration = Duration::from_secs(3);
/// More than any status line needs; what follows is not read.
const MAX_STATUS_LINE: u64 = 256;

/// Why the server cannot be called ready.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    /// The address is not `http://host[:port]`.
    #[error("the address must look like http://127.0.0.1:3000")]
    Address,
    /// Nobody answered in time.
    #[error("no answer from {authority}: {reason}")]
    NoAnswer {
        /// The host and port that were asked.
        authority: String,
        /// What went wrong.
        reason: io::Error,
    },
    /// Something answered, though not with success.
    #[error("not ready: the server answered {0}")]
    NotReady(String),
}

/// Succeeds if `GET <url>/ready` is answered with 200. Takes a few seconds at most.
///
/// # Errors
/// [`HealthError`] in every other case.
pub fn check(url: &str) -> Result<(), HealthError> {
    let authority = authority_of(url).ok_or(HealthError::Address)?;
    let status = ask(&authority).map_err(|reason| HealthError::NoAnswer { authority, reason })?;
    let is_http = status.starts_with("HTTP/1.");
    match status.split_ascii_whitespace().nth(1) {
        Some("200") if is_http => Ok(()),
        Some(code) if is_http => Err(HealthError::NotReady(printable(code))),
        _ => Err(HealthError::NotReady("something that is not HTTP".to_owned())),
    }
}

/// `host:port` of an address; encrypted ones are the proxy's, not this server's.
fn authority_of(url: &str) -> Option<String> {
    let authority = url.strip_prefix("http://")?.trim_end_matches('/');
    let is_host = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    if authority.is_empty() || !authority.chars().all(is_host) {
        return None;
    }
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let is_bare_v6 = authority.ends_with(']');
    Some(if has_port && !is_bare_v6 { authority.to_owned() } else { format!("{authority}:80") })
}

/// The status line of the answer.
fn ask(authority: &str) -> io::Result<String> {
    let mut stream = connect(authority)?;
    stream.set_read_timeout(Some(STEP))?;
    stream.set_write_timeout(Some(STEP))?;
    let request = format!("GET /ready HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    status_line(stream)
}

fn connect(authority: &str) -> io::Result<TcpStream> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in authority.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, STEP) {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn status_line(stream: impl Read) -> io::Result<String> {
    let mut line = Vec::new();
    BufReader::new(stream.take(MAX_STATUS_LINE)).read_until(b'\n', &mut line)?;
    Ok(String::from_utf8_lossy(&line).into_owned())
}

fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(20).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    /// Answers one request with `answer` and hands back what was asked.
    fn answer_once(answer: &'static str) -> (String, thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let asked = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
            stream.write_all(answer.as_bytes()).unwrap();
            asked
        });
        (url, server)
    }

    #[test]
    fn a_ready_server_is_ready() {
        let (url, server) = answer_once("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        check(&format!("{url}/")).unwrap();
        let asked = server.join().unwrap();
        assert_eq!(asked[0], "GET /ready HTTP/1.1");
        assert_eq!(asked[1], format!("Host: {}", url.trim_start_matches("http://")));
    }

    #[test]
    fn a_draining_server_is_not_ready() {
        let (url, server) = answer_once("HTTP/1.1 503 Service Unavailable\r\n\r\n");
        assert_eq!(check(&url).unwrap_err().to_string(), "not ready: the server answered 503");
        server.join().unwrap();
    }

    #[test]
    fn what_does_not_speak_http_is_not_ready() {
        let (url, server) = answer_once("220 200 mail.example.org\r\n");
        assert!(matches!(check(&url), Err(HealthError::NotReady(_))));
        server.join().unwrap();
    }

    #[test]
    fn nobody_there_is_an_error_that_names_the_address() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = check(&format!("http://{free}")).unwrap_err();
        assert!(matches!(&error, HealthError::NoAnswer { authority, .. } if *authority == free.to_string()), "{error}");
    }

    #[test]
    fn an_address_becomes_host_and_port() {
        for (url, authority) in [
            ("http://127.0.0.1:3000", Some("127.0.0.1:3000")),
            ("http://localhost/", Some("localhost:80")),
            ("http://[::1]:3000", Some("[::1]:3000")),
            ("http://[::1]", Some("[::1]:80")),
            ("https://localhost:3000", None),
            ("http://", None),
            ("http://localhost:3000/elsewhere", None),
            ("http://user@localhost", None),
            ("http://a\r\nb", None),
            ("localhost:3000", None),
        ] {
            assert_eq!(authority_of(url).as_deref(), authority, "{url}");
        }
    }
}
