//! Attaching to packets.
//!
//! All of it is links but one: before kernel 6.6 traffic control has none, and a filter is added that we have to remove.

use super::Link;
use crate::load::cgroup_direction;
use crate::netlink::{self, Refusal};
use crate::sys::{self, LinkTarget, XdpFlags};
use aya_obj::generated::bpf_attach_type;
use codegen::object::Point;
use lang::probes::net::{Direction, XdpMode};
use lang::target::Attach;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};

/// Attaches a program to a point of packets.
pub(super) fn attach(program: BorrowedFd<'_>, point: &Point) -> Result<Vec<Link>, Refusal> {
    let link = match &point.attach {
        Attach::Xdp { index, mode, .. } => xdp(program, &point.name, *index, *mode)?,
        Attach::Tc { index, direction, .. } => tc(program, *index, *direction)?,
        Attach::CgroupSkb { path, .. } => {
            let group = File::open(path)?;
            let kind = cgroup_direction(&point.attach) as u32;
            // Links leave room for other programs of the same group without being told to.
            Link::plain(sys::link_create(program, LinkTarget::File(group.as_fd()), kind, 0)?)
        }
        Attach::Socket { index, .. } => Link::plain(sys::packet_socket(program, *index)?),
        _ => return Ok(Vec::new()),
    };
    Ok(vec![link])
}

fn xdp(program: BorrowedFd<'_>, name: &str, index: u32, mode: XdpMode) -> Result<Link, Refusal> {
    let link = |flags: XdpFlags| -> io::Result<OwnedFd> {
        let kind = bpf_attach_type::BPF_XDP as u32;
        sys::link_create(program, LinkTarget::Interface(index), kind, flags as u32)
    };
    match mode {
        XdpMode::Skb => Ok(Link::plain(link(XdpFlags::Skb)?)),
        XdpMode::Offload => Ok(Link::plain(link(XdpFlags::Hardware)?)),
        XdpMode::Native | XdpMode::Any => {
            let error = match link(XdpFlags::Driver) {
                Ok(link) => return Ok(Link::plain(link)),
                Err(error) => error,
            };
            if !is_the_drivers(&error) {
                return Err(error.into());
            }
            let reason = netlink::why_not_native(program, index);
            if mode == XdpMode::Native {
                return Err(Refusal { error, reason });
            }
            let attached = link(XdpFlags::Skb)?;
            let why = reason.unwrap_or_else(|| error.to_string());
            let note = format!("{name}: attached in skb mode, which is slower, because the driver says no: {why}");
            Ok(Link { note: Some(note), ..Link::plain(attached) })
        }
    }
}

/// Whether another mode may do, which it will not where the interface has a program already, or has gone.
fn is_the_drivers(error: &io::Error) -> bool {
    !matches!(error.raw_os_error(), Some(libc::EBUSY | libc::EEXIST | libc::EPERM | libc::ENODEV))
}

fn tc(program: BorrowedFd<'_>, index: u32, direction: Direction) -> Result<Link, Refusal> {
    /// Filters that have been added.
    static FILTERS: AtomicU32 = AtomicU32::new(0);
    let kind = match direction {
        Direction::Ingress => bpf_attach_type::BPF_TCX_INGRESS,
        Direction::Egress => bpf_attach_type::BPF_TCX_EGRESS,
    };
    match sys::link_create(program, LinkTarget::Interface(index), kind as u32, 0) {
        Ok(link) => Ok(Link::plain(link)),
        // Kernels before 6.6.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            let number = FILTERS.fetch_add(1, Ordering::Relaxed);
            let filter = netlink::add_filter(program, index, direction, number)?;
            Ok(Link { filter: Some(filter), ..Link::nothing() })
        }
        Err(error) => Err(error.into()),
    }
}

/// The XDP program that an interface has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occupant {
    /// Its number.
    pub program: u32,
    /// Its name, which may be empty.
    pub name: String,
    /// The process that holds the link, if it is held by one.
    pub process: Option<(u32, String)>,
}

/// What XDP program an interface has, if that can be told.
pub fn occupant(interface: u32) -> Option<Occupant> {
    let program = netlink::xdp_program(interface).ok()??;
    let name = sys::program_name(program).unwrap_or_default();
    Some(Occupant { program, name, process: holder(program) })
}

/// The process that has a link of this program open.
fn holder(program: u32) -> Option<(u32, String)> {
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let mut numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let holds = |pid: &u32| {
        let files = fs::read_dir(format!("/proc/{pid}/fdinfo")).into_iter().flatten().flatten();
        let mut texts = files.filter_map(|file| fs::read_to_string(file.path()).ok());
        texts.any(|text| {
            let has = |name: &str, value: &str| {
                text.lines().any(|line| line.split_once(':').is_some_and(|(n, v)| n == name && v.trim() == value))
            };
            has("link_type", "xdp") && has("prog_id", &program.to_string())
        })
    };
    let pid = numbers.find(holds)?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some((pid, name.trim().to_owned()))
}
