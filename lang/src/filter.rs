//! Filters of packets in tcpdump's language, pcap-filter(7), as the function `filter()` takes them.
//!
//! `lex` makes words of the text and `parse` terms, which `build` turns into the [`tree::Test`] that libpcap's compiler
//! would make for the same kind of link: it also keeps that compiler's order, because a read beyond the end of a packet
//! rejects it at once. `graph` makes of the test what is compiled: each question once on each way, with the number of
//! bytes that must be there known. Nothing here knows about probes; [`run`] says what a filter makes of some bytes, and
//! is what tests compare with libpcap.

mod arithmetic;
mod build;
pub mod graph;
mod lex;
mod names;
mod parse;
pub mod run;
#[cfg(test)]
mod tests;
pub mod tree;

use crate::target::{PacketContext, PacketStart};
use std::ops::Range;

/// What packets begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Ethernet's header comes first; if not, that of IP does.
    pub has_ethernet: bool,
    /// The kernel may have taken the outermost VLAN tag out of the packet.
    pub tag_is_apart: bool,
}

impl Link {
    /// The link of packets that programs see in this way.
    pub fn of(packet: &PacketContext) -> Self {
        let has_ethernet = packet.start == PacketStart::Link;
        // What has a length beside its ends has been made an skb already.
        Self { has_ethernet, tag_is_apart: has_ethernet && packet.length.is_some() }
    }
}

/// A filter that is understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// What it asks, in the order of libpcap's compiler.
    pub test: tree::Test,
    /// The same as it is compiled.
    pub graph: graph::Graph,
}

/// What is wrong with a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where in its text.
    pub range: Range<usize>,
    /// One line: what is wrong.
    pub title: String,
    /// What would work.
    pub help: Option<String>,
}

impl Fault {
    pub(crate) fn new(range: Range<usize>, title: impl Into<String>) -> Self {
        Self { range, title: title.into(), help: None }
    }

    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn with_maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    fn moved_by(mut self, offset: usize) -> Self {
        self.range = self.range.start + offset..self.range.end + offset;
        self
    }
}

/// Longer filters are refused.
const LONGEST: usize = 16 * 1024;

/// Understands a filter for packets of such a link.
pub fn compile(text: &str, link: Link) -> Result<Filter, Fault> {
    if text.len() > LONGEST {
        return Err(Fault::new(0..text.len(), format!("the filter has more than {LONGEST} bytes")));
    }
    let test = parse::parse(text, link)?;
    let graph = graph::Graph::of(&test);
    Ok(Filter { test, graph })
}
