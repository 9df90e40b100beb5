//! What attach points of packets say beside a name: which way a packet goes, and who runs an XDP program.

/// Which packets of an interface or a control group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Those that come in.
    Ingress,
    /// Those that go out.
    Egress,
}

impl Direction {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Ingress, Self::Egress];

    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }
}

/// Who runs an XDP program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum XdpMode {
    /// The driver if it can, else the kernel.
    Any,
    /// The interface's driver, before the kernel makes anything of a packet.
    Native,
    /// The kernel, of any interface's packets, when they have come in already.
    Skb,
    /// The network card itself.
    Offload,
}

impl XdpMode {
    /// Those that can be asked for.
    pub const WRITTEN: [Self; 3] = [Self::Native, Self::Skb, Self::Offload];

    /// As it is written; nothing where nothing is asked for.
    pub fn word(self) -> &'static str {
        match self {
            Self::Any => "",
            Self::Native => "native",
            Self::Skb => "skb",
            Self::Offload => "offload",
        }
    }
}
