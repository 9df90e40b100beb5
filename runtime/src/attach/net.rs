//! Attaching to packets.

use super::Link;
use crate::load::cgroup_direction;
use crate::sys::{self, LinkTarget, XdpFlags};
use aya_obj::generated::bpf_attach_type;
use lang::probes::net::{Direction, XdpMode};
use lang::target::Attach;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Attaches a program to a point of packets.
pub fn attach(program: BorrowedFd<'_>, attach: &Attach) -> io::Result<Vec<Link>> {
    let link = match attach {
        Attach::Xdp { index, mode, .. } => xdp(program, *index, *mode)?,
        Attach::Tc { index, direction, .. } => tc(program, *index, *direction)?,
        Attach::CgroupSkb { path, .. } => {
            let group = File::open(path)?;
            let kind = cgroup_direction(attach) as u32;
            Link::plain(sys::link_create(program, LinkTarget::File(group.as_fd()), kind, 0)?)
        }
        Attach::Socket { index, .. } => Link::plain(sys::packet_socket(program, *index)?),
        _ => return Ok(Vec::new()),
    };
    Ok(vec![link])
}

fn xdp(program: BorrowedFd<'_>, index: u32, mode: XdpMode) -> io::Result<Link> {
    let link = |flags: XdpFlags| -> io::Result<OwnedFd> {
        let kind = bpf_attach_type::BPF_XDP as u32;
        sys::link_create(program, LinkTarget::Interface(index), kind, flags as u32)
    };
    match mode {
        XdpMode::Native => link(XdpFlags::Driver).map(Link::plain),
        XdpMode::Skb => link(XdpFlags::Skb).map(Link::plain),
        XdpMode::Offload => link(XdpFlags::Hardware).map(Link::plain),
        XdpMode::Any => match link(XdpFlags::Driver) {
            Ok(link) => Ok(Link::plain(link)),
            // It is taken, or not permitted, in the other mode as well.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EBUSY | libc::EPERM)) => Err(error),
            Err(_) => link(XdpFlags::Skb).map(Link::plain),
        },
    }
}

fn tc(program: BorrowedFd<'_>, index: u32, direction: Direction) -> io::Result<Link> {
    let kind = match direction {
        Direction::Ingress => bpf_attach_type::BPF_TCX_INGRESS,
        Direction::Egress => bpf_attach_type::BPF_TCX_EGRESS,
    };
    sys::link_create(program, LinkTarget::Interface(index), kind as u32, 0).map(Link::plain)
}
