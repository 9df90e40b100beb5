//! As much of rtnetlink as attaching to network interfaces takes: filters of traffic control on kernels whose traffic
//! control has no links for programs, which XDP program an interface has, and why it would not take another.
//!
//! A request is one message, and so is its answer. The kernel's own words for a refusal come with it. Structures and
//! numbers: include/uapi/linux/netlink.h, rtnetlink.h, pkt_sched.h, pkt_cls.h and if_link.h.

use lang::probes::net::Direction;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_ACK: u16 = 0x4;
const NLM_F_ECHO: u16 = 0x8;
const NLM_F_DUMP: u16 = 0x300;
const NLM_F_EXCL: u16 = 0x200;
const NLM_F_CREATE: u16 = 0x400;
/// The refused message is not repeated before what the kernel says of it.
const NLM_F_CAPPED: u16 = 0x100;
const NLM_F_ACK_TLVS: u16 = 0x200;
const NLMSGERR_ATTR_MSG: u16 = 1;
const NLA_F_NESTED: u16 = 0x8000;

const ERROR: u16 = 2;
const DONE: u16 = 3;
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_SETLINK: u16 = 19;
const RTM_NEWQDISC: u16 = 36;
const RTM_DELQDISC: u16 = 37;
const RTM_NEWTFILTER: u16 = 44;
const RTM_DELTFILTER: u16 = 45;
const RTM_GETTFILTER: u16 = 46;

const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;
const TCA_BPF_FD: u16 = 6;
const TCA_BPF_NAME: u16 = 7;
const TCA_BPF_FLAGS: u16 = 8;
/// What the program returns is what becomes of the packet.
const TCA_BPF_FLAG_ACT_DIRECT: u32 = 1;
/// Where `clsact` hangs, and the number it has there.
const TC_H_CLSACT: u32 = 0xffff_fff1;
const CLSACT: u32 = 0xffff_0000;

const IFLA_XDP: u16 = 43;
const IFLA_XDP_FD: u16 = 1;
const IFLA_XDP_FLAGS: u16 = 3;
const IFLA_XDP_PROG_ID: u16 = 4;
const IFLA_XDP_DRV_PROG_ID: u16 = 5;
const IFLA_XDP_SKB_PROG_ID: u16 = 6;
const XDP_FLAGS_UPDATE_IF_NOEXIST: u32 = 1;
const XDP_FLAGS_DRV_MODE: u32 = 1 << 2;

/// Bytes of `struct nlmsghdr` and `struct ifinfomsg`.
const HEADER: usize = 16;
const IFINFO: usize = 16;

/// Why a request came to nothing.
#[derive(Debug)]
pub struct Refusal {
    /// The error number.
    pub error: io::Error,
    /// What the kernel says of it, if it does.
    pub reason: Option<String>,
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self { error, reason: None }
    }
}

impl From<Refusal> for io::Error {
    fn from(refusal: Refusal) -> Self {
        match refusal.reason {
            // As an error that still has its number, where nobody can add a word.
            None => refusal.error,
            Some(reason) => io::Error::new(refusal.error.kind(), format!("{}: {reason}", refusal.error)),
        }
    }
}

/// A connection to the kernel's routing.
struct Socket(OwnedFd);

/// A message that is being written.
struct Message(Vec<u8>);

/// An answer: its kind and what follows its header.
type Answer = (u16, Vec<u8>);

/// What traffic control is asked about.
#[derive(Clone, Copy)]
struct Tc {
    interface: u32,
    handle: u32,
    parent: u32,
    info: u32,
}

impl Message {
    fn new(kind: u16, flags: u16) -> Self {
        let mut bytes = vec![0; HEADER];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&(NLM_F_REQUEST | flags).to_ne_bytes());
        Self(bytes)
    }

    /// About an interface.
    fn link(kind: u16, flags: u16, interface: u32) -> Self {
        let mut message = Self::new(kind, flags);
        message.0.extend([0; 4]);
        message.0.extend(interface.to_ne_bytes());
        message.0.extend([0; 8]);
        message
    }

    /// About traffic control.
    fn tc(kind: u16, flags: u16, tc: Tc) -> Self {
        let mut message = Self::new(kind, flags);
        message.0.extend([0; 4]);
        for word in [tc.interface, tc.handle, tc.parent, tc.info] {
            message.0.extend(word.to_ne_bytes());
        }
        message
    }

    fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        // Four bytes for its length and kind. Ours are all short.
        self.0.extend((value.len() as u16 + 4).to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    fn text(self, kind: u16, value: &str) -> Self {
        self.attribute(kind, &[value.as_bytes(), &[0]].concat())
    }

    fn nested(self, kind: u16, fill: impl FnOnce(Self) -> Self) -> Self {
        let inner = fill(Self(Vec::new()));
        self.attribute(kind | NLA_F_NESTED, &inner.0)
    }
}

impl Socket {
    fn open() -> io::Result<Self> {
        let checked = |result: libc::c_int| if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) };
        // SAFETY: the call takes plain numbers.
        let fd = checked(unsafe {
            libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::NETLINK_ROUTE)
        })?;
        // SAFETY: the kernel has just returned this new descriptor, and nobody else knows it.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        for option in [libc::NETLINK_EXT_ACK, libc::NETLINK_CAP_ACK] {
            let on: libc::c_int = 1;
            // Kernels without it say less.
            // SAFETY: the option's value is a number, given with its size.
            unsafe {
                libc::setsockopt(
                    socket.as_raw_fd(),
                    libc::SOL_NETLINK,
                    option,
                    (&raw const on).cast(),
                    size_of_val(&on) as u32,
                )
            };
        }
        Ok(Self(socket))
    }

    /// Sends a message and gives all that comes back before the answer ends.
    fn ask(&self, mut message: Message) -> Result<Vec<Answer>, Refusal> {
        let length = message.0.len() as u32;
        message.0[0..4].copy_from_slice(&length.to_ne_bytes());
        message.0[8..12].copy_from_slice(&1u32.to_ne_bytes());
        // SAFETY: the bytes live through the call.
        let sent = unsafe { libc::send(self.0.as_raw_fd(), message.0.as_ptr().cast(), message.0.len(), 0) };
        if sent < 0 {
            return Err(io::Error::last_os_error().into());
        }
        let mut answers = Vec::new();
        loop {
            // More than the kernel puts into one datagram.
            let mut buffer = vec![0u8; 64 << 10];
            // SAFETY: the kernel writes at most as many bytes as there are.
            let got = unsafe { libc::recv(self.0.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) };
            let Ok(got) = usize::try_from(got) else {
                let error = io::Error::last_os_error();
                match error.kind() {
                    io::ErrorKind::Interrupted => continue,
                    _ => return Err(error.into()),
                }
            };
            let mut rest = &buffer[..got];
            while let Some((kind, flags, body)) = next_message(&mut rest) {
                match kind {
                    ERROR => return outcome(flags, body).map(|()| answers),
                    DONE => return Ok(answers),
                    _ => answers.push((kind, body.to_vec())),
                }
            }
        }
    }
}

/// The next message of a datagram: its kind, its flags and what follows its header.
fn next_message<'b>(rest: &mut &'b [u8]) -> Option<(u16, u16, &'b [u8])> {
    let length = word(rest, 0)? as usize;
    let message = rest.get(HEADER..length)?;
    let (kind, flags) = (half(rest, 4)?, half(rest, 6)?);
    *rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some((kind, flags, message))
}

/// What an acknowledgement says: the error's number, negative, and the kernel's words.
fn outcome(flags: u16, body: &[u8]) -> Result<(), Refusal> {
    let number = word(body, 0).unwrap_or(0) as i32;
    if number == 0 {
        return Ok(());
    }
    let error = io::Error::from_raw_os_error(-number);
    // Behind the number comes the header of the refused message, and the message itself if it is repeated.
    let repeated = match flags & NLM_F_CAPPED {
        0 => word(body, 4).unwrap_or(0) as usize,
        _ => HEADER,
    };
    let told = (flags & NLM_F_ACK_TLVS != 0).then(|| body.get(4 + repeated..)).flatten().unwrap_or_default();
    let reason = attributes(told).find(|(kind, _)| *kind == NLMSGERR_ATTR_MSG);
    let reason = reason.map(|(_, text)| String::from_utf8_lossy(text).trim_end_matches('\0').to_owned());
    Err(Refusal { error, reason })
}

/// Attributes one after the other.
fn attributes(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = half(rest, 0)? as usize;
        let kind = half(rest, 2)? & !NLA_F_NESTED;
        let value = rest.get(4..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// A filter of traffic control that runs a program. It is no link: it stays when rtrace is killed.
pub struct Filter {
    at: Tc,
    /// We put traffic control for programs there.
    made_clsact: bool,
}

/// What all filters are called, for those who find one that was left behind.
const FILTER_NAME: &str = "rtrace";

/// Filters run in the order of this number. This is where the kernel would begin.
const FIRST_PRIORITY: u32 = 0xc000;

/// Adds a filter. The one with the lower number of ours runs first.
pub fn add_filter(
    program: BorrowedFd<'_>,
    interface: u32,
    direction: Direction,
    number: u32,
) -> Result<Filter, Refusal> {
    let socket = Socket::open()?;
    let clsact = Tc { interface, handle: CLSACT, parent: TC_H_CLSACT, info: 0 };
    let create = NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK;
    let made_clsact = match socket.ask(Message::tc(RTM_NEWQDISC, create, clsact).text(TCA_KIND, "clsact")) {
        Ok(_) => true,
        Err(refusal) if refusal.error.raw_os_error() == Some(libc::EEXIST) => false,
        Err(refusal) => return Err(refusal),
    };
    let parent = match direction {
        Direction::Ingress => TC_H_CLSACT + 1,
        Direction::Egress => TC_H_CLSACT + 2,
    };
    let priority = (FIRST_PRIORITY + number).min(0xffff);
    let all_protocols = u32::from((libc::ETH_P_ALL as u16).to_be());
    let mut filter =
        Filter { at: Tc { interface, handle: 0, parent, info: priority << 16 | all_protocols }, made_clsact };
    let request = Message::tc(RTM_NEWTFILTER, create | NLM_F_ECHO, filter.at).text(TCA_KIND, "bpf");
    let request = request.nested(TCA_OPTIONS, |options| {
        options
            .attribute(TCA_BPF_FD, &program.as_raw_fd().to_ne_bytes())
            .text(TCA_BPF_NAME, FILTER_NAME)
            .attribute(TCA_BPF_FLAGS, &TCA_BPF_FLAG_ACT_DIRECT.to_ne_bytes())
    });
    // The echo has the number that the filter was given. If it fails, what was made for it goes again with `filter`.
    let answers = socket.ask(request)?;
    let echo = answers.iter().find(|(kind, _)| *kind == RTM_NEWTFILTER);
    filter.at.handle = echo.and_then(|(_, body)| word(body, 8)).unwrap_or(0);
    Ok(filter)
}

impl Drop for Filter {
    fn drop(&mut self) {
        // Nobody can be told; the interface may have gone, and all this with it.
        let Ok(socket) = Socket::open() else { return };
        // Without its number this would be all filters of that priority.
        if self.at.handle != 0 {
            let _ = socket.ask(Message::tc(RTM_DELTFILTER, NLM_F_ACK, self.at).text(TCA_KIND, "bpf"));
        }
        let clsact = Tc { interface: self.at.interface, handle: CLSACT, parent: TC_H_CLSACT, info: 0 };
        let is_empty = |parent| {
            let filters = Message::tc(RTM_GETTFILTER, NLM_F_DUMP, Tc { parent, handle: 0, ..clsact });
            socket.ask(filters).is_ok_and(|answers| answers.is_empty())
        };
        // Others may use it by now.
        if self.made_clsact && is_empty(TC_H_CLSACT + 1) && is_empty(TC_H_CLSACT + 2) {
            let _ = socket.ask(Message::tc(RTM_DELQDISC, NLM_F_ACK, clsact));
        }
    }
}

/// The number of the XDP program that an interface has, if it has one.
pub fn xdp_program(interface: u32) -> io::Result<Option<u32>> {
    let answers = Socket::open()?.ask(Message::link(RTM_GETLINK, NLM_F_ACK, interface))?;
    let Some((_, link)) = answers.into_iter().find(|(kind, _)| *kind == RTM_NEWLINK) else { return Ok(None) };
    let xdp = attributes(link.get(IFINFO..).unwrap_or_default()).find(|(kind, _)| *kind == IFLA_XDP);
    let Some((_, xdp)) = xdp else { return Ok(None) };
    let known = [IFLA_XDP_PROG_ID, IFLA_XDP_DRV_PROG_ID, IFLA_XDP_SKB_PROG_ID];
    let mut found = attributes(xdp).filter(|(kind, _)| known.contains(kind));
    Ok(found.find_map(|(_, number)| word(number, 0).filter(|number| *number != 0)))
}

/// Why an interface's driver takes no program, in the kernel's words. A link is refused without any, so this asks in the
/// older way for the same.
pub fn why_not_native(program: BorrowedFd<'_>, interface: u32) -> Option<String> {
    let socket = Socket::open().ok()?;
    let set = |fd: i32, flags: u32| {
        let message = Message::link(RTM_SETLINK, NLM_F_ACK, interface);
        socket.ask(message.nested(IFLA_XDP, |xdp| {
            let xdp = xdp.attribute(IFLA_XDP_FD, &fd.to_ne_bytes());
            xdp.attribute(IFLA_XDP_FLAGS, &flags.to_ne_bytes())
        }))
    };
    match set(program.as_raw_fd(), XDP_FLAGS_DRV_MODE | XDP_FLAGS_UPDATE_IF_NOEXIST) {
        // It has come to pass after all, but it would stay when we are killed.
        Ok(_) => {
            let _ = set(-1, XDP_FLAGS_DRV_MODE);
            None
        }
        Err(refusal) => refusal.reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of `struct tcmsg`.
    const TCMSG: usize = 20;

    #[test]
    fn a_message_is_laid_out_as_the_kernel_reads_it() {
        let tc = Tc { interface: 3, handle: 0, parent: 0xffff_fff2, info: 7 };
        let message = Message::tc(RTM_NEWTFILTER, NLM_F_ACK, tc).text(TCA_KIND, "bpf");
        assert_eq!(message.0.len(), HEADER + TCMSG + 8);
        assert_eq!(&message.0[HEADER + TCMSG..], [&8u16.to_ne_bytes()[..], &1u16.to_ne_bytes(), b"bpf\0"].concat());
        let nested = Message(Vec::new()).nested(2, |inner| inner.attribute(6, &9u32.to_ne_bytes()).text(7, "abcde"));
        let parts: Vec<_> = attributes(&nested.0).collect();
        assert_eq!(parts.len(), 1);
        let inner: Vec<_> = attributes(parts[0].1).collect();
        assert_eq!(inner, [(6, &9u32.to_ne_bytes()[..]), (7, b"abcde\0")]);
    }

    #[test]
    fn cut_short_answers_are_no_answers() {
        let whole = Message(Vec::new()).text(1, "word").attribute(2, &[1; 3]).0;
        for length in 0..whole.len() - 1 {
            assert!(attributes(&whole[..length]).count() < 2, "{length}");
        }
        let mut rest: &[u8] = &[200, 0, 0, 0, 2, 0, 0, 0];
        assert_eq!(next_message(&mut rest), None);
        assert!(
            outcome(NLM_F_CAPPED | NLM_F_ACK_TLVS, &(-22i32).to_ne_bytes()).is_err_and(|told| told.reason.is_none())
        );
    }

    #[test]
    fn the_loopback_interface_has_no_xdp_program_and_an_interface_that_is_not_there_is_an_error() {
        assert!(xdp_program(u32::MAX / 2).is_err());
        assert!(xdp_program(1).is_ok());
    }
}
