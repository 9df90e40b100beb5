//! Attach points of packets: interfaces by name or pattern, and control groups.

use crate::interfaces::{self, Interface};
use lang::glob;
use lang::nearest::nearest;
use lang::probes::net::{Direction, XdpMode};
use lang::target::{Attach, Context, ProgramType, Resolved, TargetError};
use std::path::Path;

pub(super) fn xdp(interface: &str, mode: XdpMode) -> Result<Vec<Resolved>, TargetError> {
    let suffix = if mode == XdpMode::Any { String::new() } else { format!(":{}", mode.word()) };
    each("xdp", interface, |found, has_link| Resolved {
        name: Some(format!("xdp:{}{suffix}", found.name)),
        attach: Attach::Xdp { interface: found.name, index: found.index, mode },
        context: context(ProgramType::Xdp, has_link),
    })
}

pub(super) fn tc(interface: &str, direction: Direction) -> Result<Vec<Resolved>, TargetError> {
    each("tc", interface, |found, has_link| Resolved {
        name: Some(format!("tc:{}:{}", found.name, direction.word())),
        attach: Attach::Tc { interface: found.name, index: found.index, direction },
        context: context(ProgramType::Tc, has_link),
    })
}

pub(super) fn socket(interface: &str) -> Result<Vec<Resolved>, TargetError> {
    each("socket", interface, |found, has_link| Resolved {
        name: Some(format!("socket:{}", found.name)),
        attach: Attach::Socket { interface: found.name, index: found.index },
        context: context(ProgramType::SocketFilter, has_link),
    })
}

pub(super) fn cgroup(path: &str, direction: Direction) -> Result<Vec<Resolved>, TargetError> {
    // The unified hierarchy has this file in every directory.
    if !Path::new(path).join("cgroup.controllers").exists() {
        let (title, help) = match Path::new(path).exists() {
            true => {
                (format!("{path} is no control group of the unified hierarchy"), "rtrace -l 'cgroup_skb:*' lists them")
            }
            false => (format!("there is no control group {path}"), "rtrace -l 'cgroup_skb:*' lists them"),
        };
        return Err(TargetError::missing(title, Some(help.to_owned())));
    }
    let attach = Attach::CgroupSkb { path: path.to_owned(), direction };
    Ok(vec![Resolved::as_written(attach, Context::bare(ProgramType::CgroupSkb))])
}

/// The number of one interface.
pub(super) fn interface(name: &str) -> Result<u32, TargetError> {
    let all = all()?;
    match all.iter().find(|found| found.name == name) {
        Some(found) => Ok(found.index),
        None => Err(missing("", name, &all)),
    }
}

/// How a program sees the packets of an interface.
fn context(program: ProgramType, has_link: bool) -> Context {
    Context { without_link: !has_link, ..Context::bare(program) }
}

/// The interfaces that a name or pattern covers.
fn each(
    provider: &str,
    asked: &str,
    resolve: impl Fn(Interface, bool) -> Resolved,
) -> Result<Vec<Resolved>, TargetError> {
    let all = all()?;
    let covered = all.iter().filter(|found| glob::matches(asked, &found.name));
    let covered: Vec<Resolved> =
        covered.map(|found| resolve(found.clone(), interfaces::has_link(&found.name))).collect();
    match covered.is_empty() {
        true => Err(missing(&format!("{provider}:"), asked, &all)),
        false => Ok(covered),
    }
}

fn all() -> Result<Vec<Interface>, TargetError> {
    interfaces::all()
        .map_err(|error| TargetError::other(format!("the network interfaces cannot be listed: {error}"), None))
}

/// That there is no such interface, and which there are.
fn missing(prefix: &str, asked: &str, all: &[Interface]) -> TargetError {
    let names = || all.iter().map(|found| found.name.as_str());
    let there_are = format!("there are {}", names().collect::<Vec<_>>().join(", "));
    let help = match nearest(asked, names(), 1).first() {
        Some(near) => format!("did you mean {prefix}{near}? {there_are}"),
        None => there_are,
    };
    let title = match glob::is_pattern(asked) {
        true => format!("no network interface fits {asked}"),
        false => format!("there is no network interface {asked}"),
    };
    TargetError::missing(title, Some(help))
}
