//! Listing where packets can be seen: network interfaces and control groups.

use super::{Asked, Lister};
use crate::interfaces;
use lang::glob;
use lang::packets::{BYTE, PROTOCOLS, Place, ProtocolId};
use lang::probes::net::Direction;
use lang::probes::{Provider, ProviderId};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where the unified hierarchy of control groups is, or beside older ones.
const CGROUPS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];

impl Lister<'_> {
    /// Lists what one of the providers of packets has.
    pub(super) fn packets(&mut self, row: &Provider, asked: Asked<'_>) -> io::Result<()> {
        let places = match row.id {
            ProviderId::CgroupSkb => cgroups(),
            _ => match interfaces::all() {
                Ok(all) => all.into_iter().map(|interface| interface.name).collect(),
                Err(error) => {
                    self.warn(format!("the network interfaces cannot be listed: {error}"));
                    return Ok(());
                }
            },
        };
        let directions: &[Direction] = match row.id {
            ProviderId::Tc | ProviderId::CgroupSkb => &Direction::ALL,
            _ => &[],
        };
        let names = places.iter().flat_map(|place| match directions {
            [] => vec![place.clone()],
            directions => directions.iter().map(|direction| format!("{place}:{}", direction.word())).collect(),
        });
        // An interface alone stands for both directions.
        let covers = |name: &str| {
            let place = name.rsplit_once(':').map_or(name, |(place, _)| place);
            glob::matches(asked.all(), name) || glob::matches(asked.all(), place)
        };
        let mut names: Vec<String> = names.filter(|name| covers(name)).collect();
        names.sort_unstable();
        let mut is_any = false;
        for name in names {
            writeln!(self.out, "{}:{name}", row.name)?;
            is_any = true;
        }
        // They are the same for all of these, and many.
        if is_any && self.options.arguments {
            self.arguments(&fields(row.id))?;
        }
        Ok(())
    }
}

/// What a probe of this provider can ask of a packet: protocols, and their fields.
fn fields(provider: ProviderId) -> Vec<String> {
    let mut lines = Vec::new();
    for row in PROTOCOLS.iter().filter(|row| provider != ProviderId::CgroupSkb || !row.id.is_of_link()) {
        if row.id != ProtocolId::Pkt {
            lines.push(format!("bool {}", row.name));
        }
        for field in row.fields {
            lines.push(match field.place {
                Place::Bytes => format!("{BYTE} {}.{}[]", row.name, field.name),
                _ => format!("{} {}.{}", field.ty(), row.name, field.name),
            });
        }
    }
    lines
}

/// The directories of all control groups, in order.
fn cgroups() -> Vec<String> {
    let is_group = |folder: &Path| folder.join("cgroup.controllers").exists();
    let mut todo: Vec<PathBuf> = CGROUPS.iter().map(PathBuf::from).filter(|folder| is_group(folder)).collect();
    let mut found = Vec::new();
    while let Some(folder) = todo.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        todo.extend(entries.flatten().filter(|e| e.file_type().is_ok_and(|kind| kind.is_dir())).map(|e| e.path()));
        found.extend(folder.to_str().map(str::to_owned));
    }
    found.sort_unstable();
    found
}
