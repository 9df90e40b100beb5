//! A network of a case's own: a namespace, pairs of interfaces in it, and packets on them.
//!
//! ```no_run
//! use rtrace_tests::net::{self, Pair, frame};
//! use rtrace_tests::{Run, requires};
//!
//! #[test]
//! fn counts_what_comes_in() {
//!     requires!(Bpf, Veth);
//!     net::alone(|| {
//!         let pair = Pair::new("rt_a", "rt_b");
//!         let out = Run::program("xdp:rt_a { @ = count(); }").run(|_| pair.send(&[&frame::udp4(1, 2, b"x")]));
//!         out.code(0).stdout_has("@: 1\n");
//!     });
//! }
//! ```
//!
//! What is sent at the second interface of a pair comes in at the first. Nothing but what a case sends is there: IPv6,
//! whose interfaces talk as soon as they are up, is off unless a case asks for it. The namespace ends with the case, and
//! with it all that is in it.

pub mod frame;
mod netlink;

use std::fs;
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use crate::patience;

/// Where packets of [`frame`] go: the address that [`Pair::listen`] gives the first interface of a pair. Until then the
/// kernel has no addresses here, drops what comes in behind all programs, and says nothing.
pub const ADDRESS: [u8; 4] = [10, 99, 0, 1];
/// Where packets of [`frame`] say they come from.
pub const SENDER: [u8; 4] = [10, 99, 0, 2];
/// Hardware address of the first interface of each pair.
pub const MAC: [u8; 6] = [2, 0, 0, 0, 0, 0xa];
/// Hardware address of the second one.
pub const SENDER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 0xb];

/// Runs a case in a network namespace of its own. Processes that it starts are in it, too.
///
/// # Panics
/// If the case does, or there is no such namespace to be had.
pub fn alone<T: Send>(case: impl FnOnce() -> T + Send) -> T {
    // A thread of its own, because threads leave no namespace that they have entered, and cases may share one.
    let result = std::thread::scope(|scope| {
        let inside = scope.spawn(|| {
            own_namespace().expect("a network namespace can be made");
            case()
        });
        inside.join()
    });
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn own_namespace() -> io::Result<()> {
    // SAFETY: the call takes a plain number.
    check(unsafe { libc::unshare(libc::CLONE_NEWNET) })?;
    // What is made from now on. A kernel without IPv6 has nothing to be turned off.
    let _ = fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
    set_up("lo")
}

/// Whether [`alone`] and [`Pair::new`] work here.
pub(crate) fn has_veth() -> bool {
    std::thread::spawn(|| own_namespace().and_then(|()| netlink::add_pair("rt_a", "rt_b", MAC, SENDER_MAC)).is_ok())
        .join()
        .unwrap_or(false)
}

/// Two interfaces with a wire between them.
#[derive(Debug)]
pub struct Pair {
    /// Where packets come in.
    pub name: String,
    /// Where they are sent from.
    pub peer: String,
    sender: Port,
}

impl Pair {
    /// Makes two interfaces, which are up when this returns.
    #[track_caller]
    pub fn new(name: &str, peer: &str) -> Pair {
        netlink::add_pair(name, peer, MAC, SENDER_MAC).unwrap_or_else(|e| panic!("cannot make {name} and {peer}: {e}"));
        for name in [name, peer] {
            set_up(name).unwrap_or_else(|e| panic!("cannot bring {name} up: {e}"));
        }
        let deadline = Instant::now() + patience(Duration::from_secs(5));
        while !(is_running(name) && is_running(peer)) {
            assert!(Instant::now() < deadline, "{name} and {peer} do not come up");
            std::thread::sleep(Duration::from_millis(2));
        }
        Pair { name: name.to_owned(), peer: peer.to_owned(), sender: Port::open(peer) }
    }

    /// Sends packets, in order, to the first interface.
    #[track_caller]
    pub fn send(&self, packets: &[&[u8]]) {
        packets.iter().for_each(|packet| self.sender.send(packet));
    }

    /// Sets the greatest length of a packet of both.
    #[track_caller]
    pub fn set_mtu(&self, bytes: u32) {
        for name in [&self.name, &self.peer] {
            set_mtu(name, bytes).unwrap_or_else(|e| panic!("cannot set the MTU of {name}: {e}"));
        }
    }

    /// A port at the first interface, which sees what an XDP program there lets pass. What a tc program at its ingress
    /// drops it sees all the same; see [`Pair::listen`].
    #[track_caller]
    pub fn arrivals(&self) -> Port {
        Port::open(&self.name)
    }

    /// A port at the second interface, which sees what the first one sends, or sends back.
    #[track_caller]
    pub fn returns(&self) -> Port {
        Port::open(&self.peer)
    }

    /// Gives the first interface its address, and listens for datagrams to a port of it.
    #[track_caller]
    pub fn listen(&self, port: u16) -> Listener {
        set_address(&self.name, ADDRESS).unwrap_or_else(|e| panic!("cannot give {} an address: {e}", self.name));
        Listener(std::net::UdpSocket::bind((std::net::Ipv4Addr::from(ADDRESS), port)).expect("the port is free"))
    }

    /// The number of the XDP program of the first interface; 0 if it has none.
    #[track_caller]
    pub fn xdp_program(&self) -> u32 {
        netlink::xdp_program(index_of(&self.name).expect("the interface is ours")).expect("everybody may ask")
    }

    /// How many queueing disciplines of the kind `clsact` the first interface has.
    #[track_caller]
    pub fn clsacts(&self) -> usize {
        netlink::clsacts(index_of(&self.name).expect("the interface is ours")).expect("everybody may ask")
    }
}

/// Raw packets of one interface.
#[derive(Debug)]
pub struct Port(OwnedFd);

impl Port {
    /// Sees all packets that come in by the interface from now on.
    #[track_caller]
    pub fn open(interface: &str) -> Port {
        Port::try_open(interface).unwrap_or_else(|error| panic!("cannot see the packets of {interface}: {error}"))
    }

    fn try_open(interface: &str) -> io::Result<Port> {
        let socket = socket(libc::AF_PACKET, libc::SOCK_RAW, 0)?;
        // Room for what nobody reads before the case is over.
        let room: libc::c_int = 16 << 20;
        // SAFETY: the option's value is a number, given with its size.
        check(unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_RCVBUFFORCE,
                (&raw const room).cast(),
                size_of_val(&room) as u32,
            )
        })?;
        // SAFETY: sockaddr_ll is plain integers, for which all zeros is valid.
        let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
        address.sll_ifindex = index_of(interface)? as i32;
        // SAFETY: the address lives through the call and is given with its size.
        check(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), size_of_val(&address) as u32) })?;
        Ok(Port(socket))
    }

    /// Sends a packet as it is, from its Ethernet header on.
    #[track_caller]
    pub fn send(&self, packet: &[u8]) {
        // SAFETY: the bytes live through the call.
        let sent = unsafe { libc::send(self.0.as_raw_fd(), packet.as_ptr().cast(), packet.len(), 0) };
        // What a program on the way out drops is told the sender in some cases.
        let is_dropped = sent < 0 && io::Error::last_os_error().raw_os_error() == Some(libc::ENOBUFS);
        assert!(is_dropped || sent == packet.len() as isize, "a packet of {} bytes: {}", packet.len(), last());
    }

    /// What has come in and does come in until nothing more has come for a moment.
    pub fn received(&self) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        while let Some(packet) = self.next(patience(Duration::from_millis(200))) {
            packets.push(packet);
        }
        packets
    }

    /// The next packet that comes in within this time.
    fn next(&self, limit: Duration) -> Option<Vec<u8>> {
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if !wait_readable(&self.0, left) {
                return None;
            }
            let mut packet = vec![0u8; 1 << 16];
            // SAFETY: sockaddr_ll is plain integers, for which all zeros is valid.
            let mut from: libc::sockaddr_ll = unsafe { mem::zeroed() };
            let mut size = size_of_val(&from) as u32;
            // SAFETY: the buffers are given with their sizes and live through the call.
            let got = unsafe {
                libc::recvfrom(
                    self.0.as_raw_fd(),
                    packet.as_mut_ptr().cast(),
                    packet.len(),
                    libc::MSG_DONTWAIT,
                    (&raw mut from).cast(),
                    &raw mut size,
                )
            };
            let Ok(got) = usize::try_from(got) else { continue };
            // What goes out is seen as well.
            if from.sll_pkttype != libc::PACKET_OUTGOING {
                packet.truncate(got);
                return Some(packet);
            }
        }
    }
}

/// A datagram socket of the kernel's, behind all that a program may do with a packet.
#[derive(Debug)]
pub struct Listener(std::net::UdpSocket);

impl Listener {
    /// What has come and does come until nothing more has come for a moment.
    pub fn received(&self) -> Vec<Vec<u8>> {
        self.0.set_read_timeout(Some(patience(Duration::from_millis(200)))).expect("the time is not zero");
        let mut buffer = [0; 1 << 16];
        std::iter::from_fn(|| self.0.recv(&mut buffer).ok().map(|got| buffer[..got].to_vec())).collect()
    }
}

/// A control group made for a case, in the unified hierarchy; it ends with this value.
#[derive(Debug)]
pub struct Group {
    /// Its directory.
    pub path: String,
}

impl Group {
    /// Makes one below the root, or below this one.
    #[track_caller]
    pub fn new(name: &str) -> Group {
        let root = cgroup_root().expect("there is a unified hierarchy");
        let path = format!("{root}/rt_{name}_{}", std::process::id());
        fs::create_dir(&path).unwrap_or_else(|error| panic!("cannot make {path}: {error}"));
        Group { path }
    }

    /// Runs `work` in a process of this group, in the network of the caller, and tells whether it could.
    ///
    /// `work` may only make system calls.
    #[track_caller]
    pub fn run(&self, work: impl FnOnce()) {
        let members = fs::OpenOptions::new().write(true).open(format!("{}/cgroup.procs", self.path));
        let members = members.unwrap_or_else(|error| panic!("cannot enter {}: {error}", self.path));
        // SAFETY: the child makes system calls only, and ends without running anything else.
        let child = unsafe { libc::fork() };
        assert!(child >= 0, "cannot fork: {}", last());
        if child == 0 {
            // SAFETY: plain system calls on memory made ready before.
            unsafe {
                let entered = libc::write(members.as_raw_fd(), c"0".as_ptr().cast(), 1) == 1;
                if entered {
                    work();
                }
                libc::_exit(i32::from(!entered));
            }
        }
        let mut status = 0;
        // SAFETY: a child of ours that nobody else waits for.
        unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert!(status == 0, "the process in {} ended with {status}", self.path);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.path);
    }
}

/// Where the unified hierarchy of control groups is mounted.
pub fn cgroup_root() -> Option<String> {
    let mounts = fs::read_to_string("/proc/mounts").ok()?;
    let mut lines = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    lines.find_map(|line| (line.get(2) == Some(&"cgroup2")).then(|| line[1].to_owned()))
}

/// Whether the kernel lets a program see the packets of a control group.
pub(crate) fn has_cgroup_programs() -> bool {
    let Some(root) = cgroup_root().and_then(|root| fs::File::open(root).ok()) else { return false };
    /// `BPF_PROG_LOAD`, `BPF_LINK_CREATE`, `BPF_PROG_TYPE_CGROUP_SKB`; the way in is 0.
    const LOAD: libc::c_long = 5;
    const LINK: libc::c_long = 28;
    const TYPE: u32 = 8;
    // r0 = 1; exit
    let code: [u64; 2] = [0x0000_0001_0000_00b7, 0x95];
    let address = |at: u64| [at as u32, (at >> 32) as u32];
    let [code_low, code_high] = address((&raw const code) as u64);
    let [license_low, license_high] = address(c"GPL".as_ptr() as u64);
    let load = [TYPE, code.len() as u32, code_low, code_high, license_low, license_high];
    let bpf = |command: libc::c_long, attr: &[u32]| -> Option<OwnedFd> {
        // SAFETY: the size given is that of `attr`, and the addresses in it are of data that outlives the call.
        let fd = unsafe { libc::syscall(libc::SYS_bpf, command, attr.as_ptr(), size_of_val(attr)) };
        // SAFETY: the kernel has just returned this new descriptor.
        (fd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(fd as i32) })
    };
    let Some(program) = bpf(LOAD, &load) else { return false };
    bpf(LINK, &[program.as_raw_fd() as u32, root.as_raw_fd() as u32, 0, 0]).is_some()
}

/// The number of an interface.
fn index_of(name: &str) -> io::Result<u32> {
    let mut request = request(name);
    control(libc::SIOCGIFINDEX, &mut request)?;
    // SAFETY: the kernel has written this member.
    Ok(unsafe { request.ifr_ifru.ifru_ifindex } as u32)
}

/// Brings an interface up.
pub fn set_up(name: &str) -> io::Result<()> {
    let mut request = request(name);
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
    control(libc::SIOCSIFFLAGS, &mut request)
}

fn is_running(name: &str) -> bool {
    let mut request = request(name);
    let asked = control(libc::SIOCGIFFLAGS, &mut request);
    // SAFETY: the kernel has written this member.
    asked.is_ok() && i32::from(unsafe { request.ifr_ifru.ifru_flags }) & libc::IFF_RUNNING != 0
}

fn set_mtu(name: &str, bytes: u32) -> io::Result<()> {
    let mut request = request(name);
    request.ifr_ifru.ifru_mtu = bytes as i32;
    control(libc::SIOCSIFMTU, &mut request)
}

/// Sets an IPv4 address, with 24 bits of network.
fn set_address(name: &str, address: [u8; 4]) -> io::Result<()> {
    for (call, address) in [(libc::SIOCSIFADDR, address), (libc::SIOCSIFNETMASK, [255, 255, 255, 0])] {
        let mut request = request(name);
        let mut data = [0; 14];
        // Behind the port.
        for (to, from) in data[2..].iter_mut().zip(address) {
            *to = from as libc::c_char;
        }
        request.ifr_ifru.ifru_addr = libc::sockaddr { sa_family: libc::AF_INET as u16, sa_data: data };
        control(call, &mut request)?;
    }
    Ok(())
}

fn request(name: &str) -> libc::ifreq {
    // SAFETY: ifreq is plain integers and a union of such, for which all zeros is valid.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().take(15).zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    request
}

fn control(call: libc::c_ulong, request: &mut libc::ifreq) -> io::Result<()> {
    let socket = socket(libc::AF_INET, libc::SOCK_DGRAM, 0)?;
    // SAFETY: these calls read and write one ifreq.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), call as _, std::ptr::from_mut(request)) })
}

fn socket(domain: i32, kind: i32, protocol: i32) -> io::Result<OwnedFd> {
    // SAFETY: the call takes plain numbers.
    let fd = unsafe { libc::socket(domain, kind | libc::SOCK_CLOEXEC, protocol) };
    check(fd)?;
    // SAFETY: the kernel has just returned this new descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn wait_readable(fd: &OwnedFd, limit: Duration) -> bool {
    let mut poll = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd, which lives through the call.
    unsafe { libc::poll(&raw mut poll, 1, limit.as_millis() as i32) > 0 }
}

fn check(status: i32) -> io::Result<()> {
    if status < 0 { Err(last()) } else { Ok(()) }
}

fn last() -> io::Error {
    io::Error::last_os_error()
}
