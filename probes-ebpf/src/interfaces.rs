//! The network interfaces of the network namespace that rtrace runs in.

use std::ffi::CStr;
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Such as `eth0`.
    pub name: String,
    /// What the kernel counts it by.
    pub index: u32,
}

/// All of them, in the order of their names. Names that are no text are left out.
pub fn all() -> io::Result<Vec<Interface>> {
    // Not read from sysfs, which shows the interfaces of the namespace that it was mounted in.
    // SAFETY: the call takes nothing, and its result is given back below.
    let list = unsafe { libc::if_nameindex() };
    if list.is_null() {
        return Err(io::Error::last_os_error());
    }
    let mut found = Vec::new();
    let mut at = list;
    loop {
        // SAFETY: the list ends with an entry without a name, which is not gone past.
        let entry = unsafe { &*at };
        if entry.if_name.is_null() {
            break;
        }
        // SAFETY: a name in the list is a text that ends with a zero.
        let name = unsafe { CStr::from_ptr(entry.if_name) };
        if let Ok(name) = name.to_str() {
            found.push(Interface { name: name.to_owned(), index: entry.if_index });
        }
        // SAFETY: the entry was not the last one.
        at = unsafe { at.add(1) };
    }
    // SAFETY: this is the list that the kernel's library gave, given back once; nothing of it is kept.
    unsafe { libc::if_freenameindex(list) };
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// Whether the packets of an interface begin with the header of Ethernet. Those of tunnels begin with the header of IP.
pub fn has_link(name: &str) -> bool {
    // SAFETY: ifreq is plain integers, for which all zeros is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes().take(libc::IFNAMSIZ - 1)) {
        *to = from as libc::c_char;
    }
    // Any socket will do to ask by.
    let Ok(socket) = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)) else { return true };
    // SAFETY: the request lives through the call, which writes within it.
    let asked = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFHWADDR as _, &raw mut request) };
    // SAFETY: the kernel has written this member, or it is still all zeros.
    let kind = unsafe { request.ifr_ifru.ifru_hwaddr.sa_family };
    asked < 0 || !WITHOUT_LINK.contains(&kind)
}

/// Kinds of interfaces whose packets begin with IP (include/uapi/linux/if_arp.h): PPP, bare IP, tunnels of several sorts,
/// and what has no kind, such as tun and wireguard.
const WITHOUT_LINK: [libc::sa_family_t; 8] = [512, 519, 768, 769, 776, 778, 823, 0xfffe];

#[cfg(test)]
mod tests {
    #[test]
    fn there_is_a_loopback_interface_and_its_number_is_not_zero() {
        let all = super::all().expect("everybody may ask");
        assert!(all.iter().any(|interface| interface.name == "lo" && interface.index > 0), "{all:?}");
        assert!(all.is_sorted_by_key(|interface| &interface.name));
        assert!(super::has_link("lo") && super::has_link("there_is_none"));
    }
}
