//! From the text of a filter to words.
//!
//! As in tcpdump the longest word wins: `10.0.0.1` is an address, `1-2` a name (which `portrange` takes apart), and
//! `len-14` a name too, so arithmetic needs spaces around a minus.

use super::Fault;
use super::names::{Protocol, keyword};
use std::net::Ipv6Addr;
use std::ops::Range;

/// A word of the language.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "keywords are called as they are written")]
pub enum Token {
    Protocol(Protocol),
    Source,
    Destination,
    Host,
    Net,
    Mask,
    Port,
    PortRange,
    Proto,
    ProtoChain,
    Gateway,
    Less,
    Greater,
    Byte,
    Broadcast,
    Multicast,
    And,
    Or,
    Not,
    Length,
    Inbound,
    Outbound,
    IfIndex,
    Vlan,
    Mpls,
    PppoeDiscovery,
    PppoeSession,
    Geneve,
    Llc,
    /// A word about a kind of link that no packet here comes from: which.
    Foreign(&'static str),
    Number(u32),
    Name(String),
    /// Ethernet's.
    HardwareAddress([u8; 6]),
    /// `$` and a number, ARCnet's.
    ArcnetAddress,
    /// Up to four numbers with dots, from the left, and how many bits they are.
    Address(u32, u32),
    Address6(u128),
    /// One of `+ - * / % : [ ] < > ( ) & | ^ =`
    Symbol(u8),
    NotEqual,
    AtLeast,
    AtMost,
    ShiftLeft,
    ShiftRight,
}

/// A word and where it stands.
pub type Placed = (Token, Range<usize>);

/// All words of a text.
pub fn lex(text: &str) -> Result<Vec<Placed>, Fault> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
            at += 1;
            continue;
        }
        let (token, length) = word(&text[at..]).map_err(|fault| fault.moved_by(at))?;
        tokens.push((token, at..at + length));
        at += length;
    }
    Ok(tokens)
}

/// The first word, and how long it is.
fn word(text: &str) -> Result<(Token, usize), Fault> {
    let bytes = text.as_bytes();
    if let Some(found) = symbol(bytes) {
        return Ok(found);
    }
    if let Some(name) = escaped(text) {
        return Ok((Token::Name(name.to_owned()), name.len() + 1));
    }
    if bytes.first() == Some(&b'$') && hex_digits(&bytes[1..]) > 0 {
        return Ok((Token::ArcnetAddress, 1 + hex_digits(&bytes[1..]).min(2)));
    }
    let name = name_length(bytes);
    let hardware = hardware_length(bytes);
    let six = six_length(text);
    let broken = broken_hardware_length(bytes);
    // The longest wins, and of equally long ones the first of these.
    let longest = name.max(hardware).max(six).max(broken);
    if longest == 0 {
        let first = text.chars().next().map_or(String::new(), String::from);
        return Err(Fault::new(0..first.len(), format!("`{first}` has no meaning in a filter")));
    }
    let word = &text[..longest];
    let token = match longest {
        _ if longest == hardware => Token::HardwareAddress(hardware_address(word)),
        _ if longest == six => match word.parse::<Ipv6Addr>() {
            Ok(address) => Token::Address6(address.to_bits()),
            Err(_) => return Err(Fault::new(0..longest, format!("`{word}` is not an IPv6 address"))),
        },
        _ if longest == broken && longest > name => {
            let help = "it has six numbers, such as 00:11:22:33:44:55";
            return Err(Fault::new(0..longest, format!("`{word}` is not an Ethernet address")).with_help(help));
        }
        _ if is_number(word) => Token::Number(number(word)?),
        _ if is_dotted(word) => dotted(word)?,
        _ => keyword(word).unwrap_or_else(|| Token::Name(word.to_owned())),
    };
    Ok((token, longest))
}

fn symbol(bytes: &[u8]) -> Option<(Token, usize)> {
    let token = match bytes {
        [b'&', b'&', ..] => Token::And,
        [b'|', b'|', ..] => Token::Or,
        [b'>', b'=', ..] => Token::AtLeast,
        [b'<', b'=', ..] => Token::AtMost,
        [b'!', b'=', ..] => Token::NotEqual,
        [b'=', b'=', ..] => Token::Symbol(b'='),
        [b'<', b'<', ..] => Token::ShiftLeft,
        [b'>', b'>', ..] => Token::ShiftRight,
        // The beginning of an IPv6 address.
        [b':', b':', ..] => return None,
        [b'!', ..] => return Some((Token::Not, 1)),
        [byte, ..] if b"+-*/%:[]<>()&|^=".contains(byte) => return Some((Token::Symbol(*byte), 1)),
        _ => return None,
    };
    Some((token, 2))
}

/// What follows a backslash, which makes a name of any word.
fn escaped(text: &str) -> Option<&str> {
    let rest = text.strip_prefix('\\')?;
    let end = rest.find([' ', '!', '(', ')', '\n', '\t']).unwrap_or(rest.len());
    (end > 0).then(|| &rest[..end])
}

/// Letters, digits, and within `-`, `_` and `.`; a dot may be the last.
fn name_length(bytes: &[u8]) -> usize {
    if !bytes.first().is_some_and(u8::is_ascii_alphanumeric) {
        return 0;
    }
    let run = bytes.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte)).count();
    let last = bytes[..run].iter().rposition(|byte| byte.is_ascii_alphanumeric() || *byte == b'.');
    last.map_or(0, |last| last + 1)
}

fn hex_digits(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| byte.is_ascii_hexdigit()).count()
}

/// Six numbers of one or two digits, three of four, or twelve digits.
fn hardware_length(bytes: &[u8]) -> usize {
    let six = [b':', b'-', b'.'].into_iter().map(|mark| groups(bytes, mark, 6, 1, 2));
    let longest = six.chain([groups(bytes, b'.', 3, 4, 4)]).max().unwrap_or(0);
    match hex_digits(bytes) {
        12.. => longest.max(12),
        _ => longest,
    }
}

/// How long so many groups of digits with a mark between them are; 0 if they are not there.
fn groups(bytes: &[u8], mark: u8, count: usize, least: usize, most: usize) -> usize {
    let mut length = 0;
    for group in 0..count {
        if group > 0 {
            if bytes.get(length) != Some(&mark) {
                return 0;
            }
            length += 1;
        }
        let digits = hex_digits(&bytes[length..]).min(most);
        if digits < least {
            return 0;
        }
        length += digits;
    }
    length
}

fn hardware_address(word: &str) -> [u8; 6] {
    let mut address = [0; 6];
    let bytes = word.as_bytes();
    let mut at = 0;
    for byte in &mut address {
        if bytes.get(at).is_some_and(|mark| !mark.is_ascii_hexdigit()) {
            at += 1;
        }
        let digits = hex_digits(&bytes[at..]).min(2);
        *byte = u8::from_str_radix(&word[at..at + digits], 16).unwrap_or(0);
        at += digits;
    }
    address
}

/// Numbers of two digits at most with colons behind each, as somebody may begin an Ethernet address.
fn broken_hardware_length(bytes: &[u8]) -> usize {
    let (mut at, mut count, mut length) = (0, 0, 0);
    loop {
        let digits = hex_digits(&bytes[at..]).min(2);
        let colons = bytes[at + digits..].iter().take_while(|byte| **byte == b':').count();
        if digits == 0 || colons == 0 {
            return length;
        }
        at += digits + colons;
        count += 1;
        if count >= 2 {
            length = at;
        }
    }
}

/// The longest beginning that has the form of an IPv6 address.
fn six_length(text: &str) -> usize {
    let is_part = |byte: &u8| byte.is_ascii_hexdigit() || b":.xX".contains(byte);
    let run = text.bytes().take_while(|byte| is_part(byte)).count();
    // The longest has 39 letters, or some more with hexadecimal numbers behind.
    let longest = run.min(80);
    if !text[..longest].contains(':') {
        return 0;
    }
    (2..=longest).rev().find(|length| is_six(&text[..*length])).unwrap_or(0)
}

fn is_six(word: &str) -> bool {
    let (before, behind) = match word.split_once("::") {
        Some((before, behind)) => (before, Some(behind)),
        None => (word, None),
    };
    let parts = |part: &str| match part {
        "" => Some((0, false)),
        _ => {
            let mut groups: Vec<&str> = part.split(':').collect();
            let has_four = groups.last().is_some_and(|last| last.contains('.'));
            let last = has_four.then(|| groups.pop()).flatten();
            let are_groups = groups
                .iter()
                .all(|group| (1..=4).contains(&group.len()) && group.bytes().all(|byte| byte.is_ascii_hexdigit()));
            let is_four = last.is_none_or(|last| last.split('.').count() == 4 && last.split('.').all(is_number));
            (are_groups && is_four).then_some((groups.len(), has_four))
        }
    };
    match (parts(before), behind.map(parts)) {
        (Some((groups, has_four)), None) => groups == if has_four { 6 } else { 8 },
        (Some((first, false)), Some(Some((second, has_four)))) => first + second <= if has_four { 5 } else { 7 },
        _ => false,
    }
}

fn is_number(word: &str) -> bool {
    match word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        Some(digits) => !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

/// A number as in C: `0x` is hexadecimal, a leading 0 octal.
fn number(word: &str) -> Result<u32, Fault> {
    let whole = 0..word.len();
    let (digits, radix) = match word.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&word[2..], 16),
        [b'0', _, ..] => (&word[1..], 8),
        _ => (word, 10),
    };
    if digits.bytes().any(|digit| !char::from(digit).is_digit(radix)) {
        let title = format!("`{word}` begins with 0 and so is octal, which has no digits 8 and 9");
        return Err(Fault::new(whole, title).with_help("leave out the leading 0"));
    }
    u32::from_str_radix(digits, radix).map_err(|_| {
        Fault::new(whole, format!("the number {word} is too large")).with_help("numbers have 32 bits here")
    })
}

/// Two to four numbers with dots between them.
fn is_dotted(word: &str) -> bool {
    (2..=4).contains(&word.split('.').count()) && word.split('.').all(is_number)
}

fn dotted(word: &str) -> Result<Token, Fault> {
    let mut address = 0;
    let mut bits = 0;
    for part in word.split('.') {
        // Decimal even behind a 0, as in tcpdump.
        let Ok(byte) = part.parse::<u8>() else {
            let help = "each of its numbers goes from 0 to 255";
            return Err(Fault::new(0..word.len(), format!("`{word}` is not an IPv4 address")).with_help(help));
        };
        address = address << 8 | u32::from(byte);
        bits += 8;
    }
    Ok(Token::Address(address, bits))
}
