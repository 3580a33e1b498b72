//! Where a request comes from: the address of the connection, or what the proxies in front say when the operator has
//! told how many there are. Asked once per request by `http::context`, so that the record of changes, the access log
//! and the rate limiter agree.

use std::net::{IpAddr, SocketAddr};

use actix_web::http::header::HeaderMap;

const FORWARDED_FOR: &str = "x-forwarded-for";
const REAL_IP: &str = "x-real-ip";

/// The client's address. `proxies` is how many of our own stand in front and append to `X-Forwarded-For`: the address
/// that the outermost of them saw is that many from the right; whatever is further left a client may have made up.
///
/// Without proxies no header counts, `X-Real-IP` included: a client must not choose its own address.
pub fn client_address(headers: &HeaderMap, socket: Option<SocketAddr>, proxies: u8) -> Option<IpAddr> {
    let told = if proxies == 0 { None } else { forwarded(headers, proxies).or_else(|| real_ip(headers)) };
    told.or_else(|| socket.map(|socket| socket.ip())).map(|address| address.to_canonical())
}

fn forwarded(headers: &HeaderMap, proxies: u8) -> Option<IpAddr> {
    // Several lines are one list. A client's bytes further left may be no text at all and must not hide what is right.
    let lines: Vec<_> = headers.get_all(FORWARDED_FOR).map(|line| String::from_utf8_lossy(line.as_bytes())).collect();
    let mut from_the_right = lines.iter().rev().flat_map(|line| line.rsplit(','));
    parse(from_the_right.nth(usize::from(proxies).saturating_sub(1))?)
}

fn real_ip(headers: &HeaderMap) -> Option<IpAddr> {
    parse(headers.get(REAL_IP)?.to_str().ok()?)
}

/// An address, or what some proxies send: one with a port, one in brackets.
fn parse(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::{HeaderName, HeaderValue};

    fn address(headers: &[(&'static str, &[u8])], proxies: u8) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap());
        }
        let socket = "192.0.2.1:4711".parse().unwrap();
        client_address(&map, Some(socket), proxies).unwrap().to_string()
    }

    const SOCKET: &str = "192.0.2.1";

    #[test]
    fn without_proxies_no_header_counts() {
        assert_eq!(address(&[(FORWARDED_FOR, b"10.0.0.1"), (REAL_IP, b"10.0.0.2")], 0), SOCKET);
    }

    #[test]
    fn the_address_is_as_many_from_the_right_as_there_are_proxies() {
        let headers: &[(_, &[u8])] = &[(FORWARDED_FOR, b"6.6.6.6 , 10.0.0.1"), (FORWARDED_FOR, b"10.0.0.2,10.0.0.3")];
        for (proxies, expected) in [(1, "10.0.0.3"), (2, "10.0.0.2"), (3, "10.0.0.1"), (4, "6.6.6.6"), (5, SOCKET)] {
            assert_eq!(address(headers, proxies), expected, "{proxies}");
        }
    }

    #[test]
    fn what_a_client_put_in_front_hides_nothing() {
        assert_eq!(address(&[(FORWARDED_FOR, b"\xff\xfe,,x,10.0.0.3")], 1), "10.0.0.3");
        assert_eq!(address(&[(FORWARDED_FOR, b"10.0.0.3"), (REAL_IP, b"6.6.6.6")], 1), "10.0.0.3");
    }

    #[test]
    fn a_proxy_that_tells_only_the_real_address_is_believed_when_there_is_one() {
        assert_eq!(address(&[(REAL_IP, b"10.0.0.2")], 1), "10.0.0.2");
        assert_eq!(address(&[], 1), SOCKET);
        assert_eq!(address(&[(FORWARDED_FOR, b"unknown")], 1), SOCKET);
    }

    #[test]
    fn ports_and_brackets_are_left_out_and_one_client_has_one_address() {
        for (text, expected) in [
            ("10.0.0.1:80", "10.0.0.1"),
            ("[2001:db8::1]:80", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("2001:DB8:0::1", "2001:db8::1"),
            ("::ffff:10.0.0.1", "10.0.0.1"),
        ] {
            assert_eq!(address(&[(FORWARDED_FOR, text.as_bytes())], 1), expected);
        }
    }
}
