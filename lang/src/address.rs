//! Addresses written in a script: `10.0.0.9`, `10.1.0.0/16`, `fe80::1`, `2001:db8::/32`, `aa:bb:cc:dd:ee:ff`.
//!
//! The lexer asks how far one goes, the checker reads texts that are compared with addresses. Nothing else of the
//! language looks like an address: that needs three dots between numbers, `::`, or five colons and more without a `?`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address, or a range of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// Of the internet.
    Inet(IpAddr),
    /// All addresses of the internet that begin with so many bits of one.
    Subnet(IpAddr, u8),
    /// Of the link layer.
    Mac([u8; 6]),
}

/// What families are called in values of type inet: `AF_INET` and `AF_INET6` (include/linux/socket.h).
pub const FAMILIES: [i64; 2] = [2, 10];

impl Address {
    /// The words of its slot; of a range, those of its first address.
    pub fn words(self) -> Vec<i64> {
        let word = |bytes: &[u8]| {
            let mut word = [0; 8];
            word[..bytes.len()].copy_from_slice(bytes);
            i64::from_le_bytes(word)
        };
        match self {
            Self::Inet(IpAddr::V4(ip)) | Self::Subnet(IpAddr::V4(ip), _) => vec![FAMILIES[0], word(&ip.octets()), 0],
            Self::Inet(IpAddr::V6(ip)) | Self::Subnet(IpAddr::V6(ip), _) => {
                let (high, low) = (word(&ip.octets()[..8]), word(&ip.octets()[8..]));
                vec![FAMILIES[1], high, low]
            }
            Self::Mac(bytes) => vec![word(&bytes)],
        }
    }

    /// The bits of those words that tell whether an address is in the range.
    pub fn mask(self) -> Vec<i64> {
        match self {
            Self::Subnet(IpAddr::V4(_), bits) => {
                let mut words = Self::Inet(netmask(32, bits)).words();
                words[0] = -1;
                words
            }
            Self::Subnet(IpAddr::V6(_), bits) => {
                let mut words = Self::Inet(netmask(128, bits)).words();
                words[0] = -1;
                words
            }
            other => other.words().iter().map(|_| -1).collect(),
        }
    }

    /// Reads a whole text.
    pub fn read(text: &str) -> Result<Self, BadAddress> {
        let bad = |title: String, help: Option<String>| Err(BadAddress { title, help });
        if let Some(bytes) = mac(text) {
            return Ok(Self::Mac(bytes));
        }
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let Ok(ip) = address.parse::<IpAddr>() else {
            let help = help_with(address).unwrap_or_else(|| HOW.into());
            let help = Some(help);
            return bad(format!("`{address}` is not an address"), help);
        };
        let Some(bits) = bits else { return Ok(Self::Inet(ip)) };
        let most = if ip.is_ipv4() { 32 } else { 128 };
        let Some(bits) = bits.parse::<u8>().ok().filter(|bits| *bits <= most) else {
            return bad(format!("`/{bits}` is not a prefix of an address that has {most} bits"), None);
        };
        let first = first_of(ip, bits);
        if first != ip {
            let help = format!("the addresses that begin as it does are {first}/{bits}");
            return bad(format!("`{text}` has bits set behind its prefix"), Some(help));
        }
        Ok(Self::Subnet(ip, bits))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(ip) => write!(f, "{ip}"),
            Self::Subnet(ip, bits) => write!(f, "{ip}/{bits}"),
            Self::Mac([a, b, c, d, e, g]) => write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}"),
        }
    }
}

/// What is wrong with a text that should be an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadAddress {
    /// One line.
    pub title: String,
    /// What would work.
    pub help: Option<String>,
}

fn netmask(width: u32, bits: u8) -> IpAddr {
    let ones = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
    match width {
        32 => IpAddr::V4(Ipv4Addr::from(u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0))),
        _ => IpAddr::V6(Ipv6Addr::from(ones)),
    }
}

fn first_of(ip: IpAddr, bits: u8) -> IpAddr {
    match (ip, netmask(if ip.is_ipv4() { 32 } else { 128 }, bits)) {
        (IpAddr::V4(ip), IpAddr::V4(mask)) => IpAddr::V4(ip & mask),
        (IpAddr::V6(ip), IpAddr::V6(mask)) => IpAddr::V6(ip & mask),
        (ip, _) => ip,
    }
}

/// Six bytes of two digits each.
fn mac(text: &str) -> Option<[u8; 6]> {
    let mut bytes = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut bytes {
        let part = parts.next().filter(|part| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit()))?;
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(bytes)
}

/// How addresses are written, for messages.
pub const HOW: &str = "an address is written as it is shown: 10.0.0.9, fe80::1, aa:bb:cc:dd:ee:ff";

fn help_with(text: &str) -> Option<String> {
    if text.matches("::").count() > 1 {
        return Some("it has one `::`; before the colon of `? :` stands a blank".into());
    }
    let parts: Vec<&str> = text.split('.').collect();
    if parts.len() < 2 || parts.iter().any(|part| !part.bytes().all(|b| b.is_ascii_digit())) {
        return None;
    }
    let leading = parts.iter().any(|part| part.len() > 1 && part.starts_with('0'));
    Some(match (parts.len(), leading) {
        (4, true) => "its numbers are decimal and do not begin with 0".into(),
        _ => "it has four numbers from 0 to 255: 10.0.0.9".into(),
    })
}

/// How many bytes at the beginning of `text` are written as an address, right or wrong; none if they are something
/// else.
pub(crate) fn length(text: &[u8]) -> Option<usize> {
    /// More than the longest address takes with its prefix. Who asks at each number of a long row must not look through
    /// all of it.
    const LONGEST: usize = 64;
    let text = &text[..text.len().min(LONGEST)];
    let digits = |from: usize| text[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    let with_prefix = |length: usize| match text.get(length) {
        Some(b'/') if digits(length + 1) > 0 => length + 1 + digits(length + 1),
        _ => length,
    };
    let goes_on = |length: usize| text.get(length).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    // Numbers with dots.
    if text.first()?.is_ascii_digit() {
        let mut length = digits(0);
        let mut numbers = 1;
        while text.get(length) == Some(&b'.') && digits(length + 1) > 0 {
            length += 1 + digits(length + 1);
            numbers += 1;
        }
        if numbers == 4 && !goes_on(length) {
            return Some(with_prefix(length));
        }
    }
    // Groups with colons.
    let run = text.iter().take_while(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.')).count();
    // A range, or the colon of a ternary, is not part of it.
    let run = text[..run].windows(2).position(|pair| pair == b"..").unwrap_or(run);
    let run = match &text[..run] {
        [.., b':', b':'] => run,
        [rest @ .., b':' | b'.'] => rest.len(),
        _ => run,
    };
    let written = std::str::from_utf8(&text[..run]).ok()?;
    if goes_on(run) || written.matches(':').count() < 2 {
        return None;
    }
    if mac(written).is_some() {
        return Some(run);
    }
    let groups = written.split(':').count();
    let looks = written.contains("::") || groups == 8 || groups == 7 && written.contains('.');
    looks.then(|| with_prefix(run))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        Address::read(text).map(|address| address.to_string()).map_err(|bad| bad.title)
    }

    #[test]
    fn addresses_are_read_and_written() {
        for text in [
            "10.0.0.9",
            "0.0.0.0",
            "255.255.255.255",
            "10.1.0.0/16",
            "10.0.0.9/32",
            "0.0.0.0/0",
            "fe80::1",
            "::",
            "::1",
            "2001:db8::/32",
            "::/0",
            "::1/128",
            "1:2:3:4:5:6:7:8",
            "aa:bb:cc:dd:ee:ff",
            "00:11:22:33:44:55",
        ] {
            assert_eq!(read(text), Ok(text.to_owned()));
            assert_eq!(length(text.as_bytes()), Some(text.len()), "{text}");
            for behind in [" ", ")", "]", "/ {", ";", ",", "}", "..5"] {
                assert_eq!(length(format!("{text}{behind}").as_bytes()), Some(text.len()), "{text}{behind}");
            }
        }
        assert_eq!(read("AA:bb:CC:dd:EE:ff"), Ok("aa:bb:cc:dd:ee:ff".to_owned()));
        assert_eq!(length(b"::ffff:10.0.0.1"), Some(15));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in
            ["10.0.0.256", "10.0.0.9/33", "10.1.2.3/16", "010.0.0.1", "1::2::3", "2001:db8::1/32", "::1/129", "12345::"]
        {
            assert!(read(text).is_err(), "{text}");
            assert_eq!(length(text.as_bytes()), Some(text.len()), "{text}");
        }
        for text in ["", "10.0.0", "x", "::1/", "1.2.3.4.5", "aa:bb", "aa:bb:cc:dd:ee:ff:00"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_may_be_something_else_is_left_alone() {
        for text in [
            "1",
            "10",
            "1..5",
            "1.2",
            "1.2.3",
            "0x10",
            "1.2.3.4.5",
            "a:b",
            "a ? b : c",
            "fe:1",
            "1:2:3",
            "ab",
            "5ms",
            "1.2.3.4x",
            "a::b_c",
            "a::g",
            "face",
            ":1",
            ":",
            "aa:bb:cc:dd:ee",
        ] {
            assert_eq!(length(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn words_are_those_of_the_packet() {
        assert_eq!(Address::read("127.0.0.1").map(Address::words), Ok(vec![2, 0x0100_007f, 0]));
        assert_eq!(Address::read("::1").map(Address::words), Ok(vec![10, 0, 1 << 56]));
        assert_eq!(Address::read("01:02:03:04:05:06").map(Address::words), Ok(vec![0x0605_0403_0201]));
        assert_eq!(Address::read("10.1.0.0/16").map(Address::mask), Ok(vec![-1, 0xffff, 0]));
        assert_eq!(Address::read("2000::/3").map(Address::mask), Ok(vec![-1, 0xe0, 0]));
    }
}
