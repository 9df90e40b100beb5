//! As much of rtnetlink as making interfaces takes, and looking at what has been left on them.

use std::io;
use std::os::fd::AsRawFd;

const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_EXCL: u16 = 0x200;
const NLM_F_CREATE: u16 = 0x400;
const NLM_F_DUMP: u16 = 0x300;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_GETQDISC: u16 = 38;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;
const IFLA_XDP: u16 = 43;
const IFLA_XDP_PROG_ID: u16 = 4;
const TCA_KIND: u16 = 1;
/// Marks an attribute of attributes.
const NESTED: u16 = 0x8000;

/// Makes two interfaces with a wire between them.
pub fn add_pair(name: &str, peer: &str, mac: [u8; 6], peer_mac: [u8; 6]) -> io::Result<()> {
    let about = |name: &str, mac: [u8; 6]| {
        let name = attribute(IFLA_IFNAME, &[name.as_bytes(), &[0]].concat());
        [name, attribute(IFLA_ADDRESS, &mac)].concat()
    };
    let other = [vec![0; 16], about(peer, peer_mac)].concat();
    let data = attribute(IFLA_INFO_DATA | NESTED, &attribute(VETH_INFO_PEER | NESTED, &other));
    let info = attribute(IFLA_LINKINFO | NESTED, &[attribute(IFLA_INFO_KIND, b"veth\0"), data].concat());
    let body = [vec![0; 16], about(name, mac), info].concat();
    ask(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &body).map(drop)
}

/// The number of the XDP program of an interface; 0 if it has none.
pub fn xdp_program(interface: u32) -> io::Result<u32> {
    let mut body = vec![0; 16];
    body[4..8].copy_from_slice(&interface.to_ne_bytes());
    let answers = ask(RTM_GETLINK, NLM_F_ACK, &body)?;
    let found = answers.iter().find_map(|link| {
        let xdp = attributes(link.get(16..)?).find(|(kind, _)| *kind == IFLA_XDP)?.1;
        let number = attributes(xdp).find(|(kind, _)| *kind == IFLA_XDP_PROG_ID)?.1;
        Some(u32::from_ne_bytes(number.try_into().ok()?))
    });
    Ok(found.unwrap_or(0))
}

/// How many `clsact` an interface has.
pub fn clsacts(interface: u32) -> io::Result<usize> {
    let answers = ask(RTM_GETQDISC, NLM_F_DUMP, &[0; 20])?;
    let is_one = |answer: &&Vec<u8>| {
        answer.get(4..8) == Some(&interface.to_ne_bytes()[..])
            && attributes(answer.get(20..).unwrap_or_default()).any(|part| part == (TCA_KIND, b"clsact\0"))
    };
    Ok(answers.iter().filter(is_one).count())
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = [&(value.len() as u16 + 4).to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn attributes(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let head: [u8; 4] = rest.get(..4)?.try_into().ok()?;
        let length = usize::from(u16::from_ne_bytes([head[0], head[1]]));
        let kind = u16::from_ne_bytes([head[2], head[3]]) & !NESTED;
        let value = rest.get(4..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// Sends a request and gives what follows the headers of the answers.
fn ask(kind: u16, flags: u16, body: &[u8]) -> io::Result<Vec<Vec<u8>>> {
    let socket = super::socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE)?;
    let length = (16 + body.len()) as u32;
    let head = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), &(NLM_F_REQUEST | flags).to_ne_bytes(), &[0; 8]];
    let message = [&head.concat()[..], body].concat();
    // SAFETY: the bytes live through the call.
    super::check(unsafe { libc::send(socket.as_raw_fd(), message.as_ptr().cast(), message.len(), 0) } as i32)?;
    let mut answers = Vec::new();
    loop {
        let mut buffer = vec![0u8; 1 << 16];
        // SAFETY: the kernel writes at most as many bytes as there are.
        let got = unsafe { libc::recv(socket.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) };
        super::check(got as i32)?;
        let mut rest = &buffer[..got as usize];
        while rest.len() >= 16 {
            let word = |at: usize| u32::from_ne_bytes(rest[at..at + 4].try_into().expect("four bytes"));
            let length = (word(0) as usize).clamp(16, rest.len());
            let body = &rest[16..length];
            match word(4) as u16 {
                ERROR => {
                    let number = body.get(..4).map_or(0, |b| i32::from_ne_bytes(b.try_into().expect("four bytes")));
                    return if number == 0 { Ok(answers) } else { Err(io::Error::from_raw_os_error(-number)) };
                }
                DONE => return Ok(answers),
                _ => answers.push(body.to_vec()),
            }
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
    }
}
