//! Packets byte by byte, from the Ethernet header on.
//!
//! Each function puts its header before what it is given, so packets are written inside out:
//! `ether(IPV4, &ipv4(UDP, &udp(53, 1234, b"hello")))`.

use super::{ADDRESS, MAC, SENDER, SENDER_MAC};

/// EtherType of IPv4.
pub const IPV4: u16 = 0x0800;
/// EtherType of IPv6.
pub const IPV6: u16 = 0x86dd;
/// EtherType of a VLAN tag.
pub const VLAN: u16 = 0x8100;
/// IP's number of ICMP.
pub const ICMP: u8 = 1;
/// IP's number of TCP.
pub const TCP: u8 = 6;
/// IP's number of UDP.
pub const UDP: u8 = 17;

/// An Ethernet frame to the first interface of a pair.
pub fn ether(kind: u16, payload: &[u8]) -> Vec<u8> {
    [&MAC[..], &SENDER_MAC, &kind.to_be_bytes(), payload].concat()
}

/// What follows the addresses of an Ethernet frame with a VLAN tag: `ether(VLAN, &vlan(5, IPV4, ...))`.
pub fn vlan(number: u16, kind: u16, payload: &[u8]) -> Vec<u8> {
    [&number.to_be_bytes()[..], &kind.to_be_bytes(), payload].concat()
}

/// An IPv4 packet from [`SENDER`] to [`ADDRESS`].
pub fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    ipv4_between(SENDER, ADDRESS, protocol, payload)
}

/// An IPv4 packet between any two.
pub fn ipv4_between(from: [u8; 4], to: [u8; 4], protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = (20 + payload.len()) as u16;
    let start = [0x45, 0, (length >> 8) as u8, length as u8, 0, 1, 0, 0, 64, protocol, 0, 0];
    let mut header = [&start[..], &from, &to].concat();
    let sum = checksum(&header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    [&header[..], payload].concat()
}

/// An IPv6 packet between two addresses.
pub fn ipv6(from: [u8; 16], to: [u8; 16], next: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u16).to_be_bytes();
    [&[0x60, 0, 0, 0, length[0], length[1], next, 64][..], &from, &to, payload].concat()
}

/// A UDP datagram without a checksum, which IPv4 allows.
pub fn udp(from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    let length = (8 + payload.len()) as u16;
    [&from.to_be_bytes()[..], &to.to_be_bytes(), &length.to_be_bytes(), &[0; 2], payload].concat()
}

/// A TCP segment with these flags (FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32) and no right checksum.
pub fn tcp(from: u16, to: u16, flags: u8, payload: &[u8]) -> Vec<u8> {
    let numbers = [0, 0, 0, 1, 0, 0, 0, 2, 0x50, flags, 0x10, 0, 0, 0, 0, 0];
    [&from.to_be_bytes()[..], &to.to_be_bytes(), &numbers, payload].concat()
}

/// A whole frame with a UDP datagram in IPv4.
pub fn udp4(from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    ether(IPV4, &ipv4(UDP, &udp(from, to, payload)))
}

/// A whole frame with a TCP segment in IPv4.
pub fn tcp4(from: u16, to: u16, flags: u8) -> Vec<u8> {
    ether(IPV4, &ipv4(TCP, &tcp(from, to, flags, b"")))
}

/// The sum that IP's headers carry.
pub fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low)));
    let sum: u32 = words.sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    !((sum & 0xffff) + (sum >> 16)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_as_long_as_they_say() {
        let frame = udp4(53, 1234, b"hello");
        assert_eq!(frame.len(), 14 + 20 + 8 + 5);
        assert_eq!(frame[12..14], [8, 0]);
        assert_eq!(frame[16..18], [0, 33]);
        assert_eq!(checksum(&frame[14..34]), 0);
        assert_eq!(frame[34..42], [0, 53, 4, 210, 0, 13, 0, 0]);
        assert_eq!(tcp4(1, 2, 2).len(), 54);
    }
}
