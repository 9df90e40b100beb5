//! Why packets cannot be traced where a script wants to.

use crate::report::in_words;
use lang::probes::net::XdpMode;
use lang::target::{Attach, TargetError};
use runtime::attach::AttachError;
use runtime::attach::net::occupant;

/// A point of packets that could not be attached.
pub fn unattached(failed: &AttachError) -> TargetError {
    let point = &failed.point;
    let number = failed.error.raw_os_error();
    let said = match &failed.reason {
        Some(reason) => reason.clone(),
        None => in_words(&failed.error.to_string()),
    };
    match &point.attach {
        Attach::Xdp { interface, index, .. } if matches!(number, Some(libc::EBUSY | libc::EEXIST)) => {
            taken(interface, *index)
        }
        Attach::Xdp { interface, mode: XdpMode::Native, .. } => TargetError::other(
            format!("the driver of {interface} does not run this XDP program: {said}"),
            Some(format!("leave :native out, or write xdp:{interface}:skb: the kernel runs it, more slowly")),
        ),
        Attach::Xdp { interface, mode: XdpMode::Offload, .. } => not_offloaded(interface, &said),
        Attach::Xdp { interface, .. } | Attach::Tc { interface, .. } | Attach::Socket { interface, .. }
            if number == Some(libc::ENODEV) =>
        {
            TargetError::other(format!("the network interface {interface} has gone"), None)
        }
        Attach::CgroupSkb { path, .. } if number == Some(libc::EINVAL) => TargetError::other(
            format!("the kernel does not let programs see the packets of {path}"),
            Some(
                "it takes links to control groups (kernel 5.7) and CONFIG_CGROUP_BPF; tc sees all packets of an \
                 interface"
                    .to_owned(),
            ),
        ),
        Attach::CgroupSkb { path, .. } if number == Some(libc::EPERM) => TargetError::other(
            format!("the packets of {path} cannot be seen: {said}"),
            Some("another program may have been attached there, or above, to be the only one".to_owned()),
        ),
        _ => TargetError::other(format!("cannot attach {}: {said}", point.name), None),
    }
}

/// A network card that does not run a program.
pub fn not_offloaded(interface: &str, said: &str) -> TargetError {
    let title = format!("{interface} does not run this XDP program itself: {said}");
    let help = format!(
        "few network cards can, and none has maps in memory that it shares with rtrace; leave :offload out: \
         xdp:{interface}"
    );
    TargetError::other(title, Some(help))
}

/// An interface that has a program already.
fn taken(interface: &str, index: u32) -> TargetError {
    let only_one = "an interface runs one XDP program at a time";
    let Some(found) = occupant(index) else {
        return TargetError::other(
            format!("{interface} has another XDP program already"),
            Some(format!("{only_one}; tc:{interface}:ingress and socket:{interface} see its packets as well")),
        );
    };
    let name = if found.name.is_empty() { String::new() } else { format!(" {}", found.name) };
    let whose = match &found.process {
        Some((pid, comm)) => format!(" of process {pid} ({comm})"),
        None => String::new(),
    };
    let remove = match &found.process {
        Some(_) => "end that process".to_owned(),
        None => format!("remove it (ip link set dev {interface} xdp off)"),
    };
    TargetError::other(
        format!("{interface} has another XDP program already:{name} (number {}){whose}", found.program),
        Some(format!("{only_one}: {remove}, or trace at tc:{interface}:ingress or socket:{interface}, behind it")),
    )
}
