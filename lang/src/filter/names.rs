//! The words of the filter language and the names that stand for numbers.
//!
//! Keywords are what pcap-filter(7) calls so. Names of ports and protocols are those of Debian's `/etc/services` and
//! `/etc/protocols` that people write in filters; they are a table here, because a filter means the same on every
//! machine.

use super::lex::Token;
use super::tree::Transport;

/// A protocol that a filter can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "they are called as on the wire")]
pub enum Protocol {
    Link,
    Ip,
    Arp,
    Rarp,
    Sctp,
    Tcp,
    Udp,
    Icmp,
    Igmp,
    Igrp,
    Pim,
    Vrrp,
    Carp,
    Atalk,
    Aarp,
    Decnet,
    Lat,
    Sca,
    Moprc,
    Mopdl,
    Ip6,
    Icmp6,
    Ah,
    Esp,
    Iso,
    Esis,
    Isis,
    IsisL1,
    IsisL2,
    IsisIih,
    IsisLsp,
    IsisSnp,
    IsisCsnp,
    IsisPsnp,
    Clnp,
    Stp,
    Ipx,
    Netbeui,
}

impl Protocol {
    /// As it is written.
    pub fn name(self) -> &'static str {
        let named = |row: &&(&str, Token)| row.1 == Token::Protocol(self);
        KEYWORDS.iter().find(named).map_or("protocol", |row| row.0)
    }
}

/// What a word stands for.
pub fn keyword(word: &str) -> Option<Token> {
    let row = KEYWORDS.iter().find(|row| row.0 == word).map(|row| row.1.clone());
    row.or_else(|| CONSTANTS.iter().find(|row| row.0 == word).map(|row| Token::Number(row.1)))
}

/// All words, for "did you mean".
pub fn words() -> impl Iterator<Item = &'static str> {
    KEYWORDS.iter().map(|row| row.0).chain(CONSTANTS.iter().map(|row| row.0))
}

/// Words about links that no packet here comes from.
const WIRELESS: &str = "802.11";
const ATM: &str = "ATM";
const SS7: &str = "SS7";
const PF: &str = "logs of OpenBSD's packet filter";

#[rustfmt::skip]
static KEYWORDS: &[(&str, Token)] = &[
    ("dst", Token::Destination),
    ("src", Token::Source),
    ("ether", Token::Protocol(Protocol::Link)),
    ("link", Token::Protocol(Protocol::Link)),
    ("ppp", Token::Protocol(Protocol::Link)),
    ("slip", Token::Protocol(Protocol::Link)),
    ("fddi", Token::Protocol(Protocol::Link)),
    ("tr", Token::Protocol(Protocol::Link)),
    ("wlan", Token::Protocol(Protocol::Link)),
    ("arp", Token::Protocol(Protocol::Arp)),
    ("rarp", Token::Protocol(Protocol::Rarp)),
    ("ip", Token::Protocol(Protocol::Ip)),
    ("sctp", Token::Protocol(Protocol::Sctp)),
    ("tcp", Token::Protocol(Protocol::Tcp)),
    ("udp", Token::Protocol(Protocol::Udp)),
    ("icmp", Token::Protocol(Protocol::Icmp)),
    ("igmp", Token::Protocol(Protocol::Igmp)),
    ("igrp", Token::Protocol(Protocol::Igrp)),
    ("pim", Token::Protocol(Protocol::Pim)),
    ("vrrp", Token::Protocol(Protocol::Vrrp)),
    ("carp", Token::Protocol(Protocol::Carp)),
    ("radio", Token::Foreign(WIRELESS)),
    ("ip6", Token::Protocol(Protocol::Ip6)),
    ("icmp6", Token::Protocol(Protocol::Icmp6)),
    ("ah", Token::Protocol(Protocol::Ah)),
    ("esp", Token::Protocol(Protocol::Esp)),
    ("atalk", Token::Protocol(Protocol::Atalk)),
    ("aarp", Token::Protocol(Protocol::Aarp)),
    ("decnet", Token::Protocol(Protocol::Decnet)),
    ("lat", Token::Protocol(Protocol::Lat)),
    ("sca", Token::Protocol(Protocol::Sca)),
    ("moprc", Token::Protocol(Protocol::Moprc)),
    ("mopdl", Token::Protocol(Protocol::Mopdl)),
    ("iso", Token::Protocol(Protocol::Iso)),
    ("esis", Token::Protocol(Protocol::Esis)),
    ("es-is", Token::Protocol(Protocol::Esis)),
    ("isis", Token::Protocol(Protocol::Isis)),
    ("is-is", Token::Protocol(Protocol::Isis)),
    ("l1", Token::Protocol(Protocol::IsisL1)),
    ("l2", Token::Protocol(Protocol::IsisL2)),
    ("iih", Token::Protocol(Protocol::IsisIih)),
    ("lsp", Token::Protocol(Protocol::IsisLsp)),
    ("snp", Token::Protocol(Protocol::IsisSnp)),
    ("csnp", Token::Protocol(Protocol::IsisCsnp)),
    ("psnp", Token::Protocol(Protocol::IsisPsnp)),
    ("clnp", Token::Protocol(Protocol::Clnp)),
    ("stp", Token::Protocol(Protocol::Stp)),
    ("ipx", Token::Protocol(Protocol::Ipx)),
    ("netbeui", Token::Protocol(Protocol::Netbeui)),
    ("host", Token::Host),
    ("net", Token::Net),
    ("mask", Token::Mask),
    ("port", Token::Port),
    ("portrange", Token::PortRange),
    ("proto", Token::Proto),
    ("protochain", Token::ProtoChain),
    ("gateway", Token::Gateway),
    ("type", Token::Foreign(WIRELESS)),
    ("subtype", Token::Foreign(WIRELESS)),
    ("direction", Token::Foreign(WIRELESS)),
    ("dir", Token::Foreign(WIRELESS)),
    ("address1", Token::Foreign(WIRELESS)),
    ("addr1", Token::Foreign(WIRELESS)),
    ("address2", Token::Foreign(WIRELESS)),
    ("addr2", Token::Foreign(WIRELESS)),
    ("address3", Token::Foreign(WIRELESS)),
    ("addr3", Token::Foreign(WIRELESS)),
    ("address4", Token::Foreign(WIRELESS)),
    ("addr4", Token::Foreign(WIRELESS)),
    ("ra", Token::Foreign(WIRELESS)),
    ("ta", Token::Foreign(WIRELESS)),
    ("less", Token::Less),
    ("greater", Token::Greater),
    ("byte", Token::Byte),
    ("broadcast", Token::Broadcast),
    ("multicast", Token::Multicast),
    ("and", Token::And),
    ("or", Token::Or),
    ("not", Token::Not),
    ("len", Token::Length),
    ("length", Token::Length),
    ("inbound", Token::Inbound),
    ("outbound", Token::Outbound),
    ("ifindex", Token::IfIndex),
    ("vlan", Token::Vlan),
    ("mpls", Token::Mpls),
    ("pppoed", Token::PppoeDiscovery),
    ("pppoes", Token::PppoeSession),
    ("geneve", Token::Geneve),
    ("lane", Token::Foreign(ATM)),
    ("llc", Token::Llc),
    ("metac", Token::Foreign(ATM)),
    ("bcc", Token::Foreign(ATM)),
    ("oam", Token::Foreign(ATM)),
    ("oamf4", Token::Foreign(ATM)),
    ("oamf4ec", Token::Foreign(ATM)),
    ("oamf4sc", Token::Foreign(ATM)),
    ("sc", Token::Foreign(ATM)),
    ("ilmic", Token::Foreign(ATM)),
    ("vpi", Token::Foreign(ATM)),
    ("vci", Token::Foreign(ATM)),
    ("connectmsg", Token::Foreign(ATM)),
    ("metaconnect", Token::Foreign(ATM)),
    ("on", Token::Foreign(PF)),
    ("ifname", Token::Foreign(PF)),
    ("rset", Token::Foreign(PF)),
    ("ruleset", Token::Foreign(PF)),
    ("rnr", Token::Foreign(PF)),
    ("rulenum", Token::Foreign(PF)),
    ("srnr", Token::Foreign(PF)),
    ("subrulenum", Token::Foreign(PF)),
    ("reason", Token::Foreign(PF)),
    ("action", Token::Foreign(PF)),
    ("fisu", Token::Foreign(SS7)),
    ("lssu", Token::Foreign(SS7)),
    ("lsu", Token::Foreign(SS7)),
    ("msu", Token::Foreign(SS7)),
    ("hfisu", Token::Foreign(SS7)),
    ("hlssu", Token::Foreign(SS7)),
    ("hmsu", Token::Foreign(SS7)),
    ("sio", Token::Foreign(SS7)),
    ("opc", Token::Foreign(SS7)),
    ("dpc", Token::Foreign(SS7)),
    ("sls", Token::Foreign(SS7)),
    ("hsio", Token::Foreign(SS7)),
    ("hopc", Token::Foreign(SS7)),
    ("hdpc", Token::Foreign(SS7)),
    ("hsls", Token::Foreign(SS7)),
];

/// Offsets of fields, types of messages, and flags.
#[rustfmt::skip]
static CONSTANTS: &[(&str, u32)] = &[
    ("icmptype", 0), ("icmpcode", 1),
    ("icmp-echoreply", 0), ("icmp-unreach", 3), ("icmp-sourcequench", 4), ("icmp-redirect", 5), ("icmp-echo", 8),
    ("icmp-routeradvert", 9), ("icmp-routersolicit", 10), ("icmp-timxceed", 11), ("icmp-paramprob", 12),
    ("icmp-tstamp", 13), ("icmp-tstampreply", 14), ("icmp-ireq", 15), ("icmp-ireqreply", 16), ("icmp-maskreq", 17),
    ("icmp-maskreply", 18),
    ("icmp6type", 0), ("icmp6code", 1),
    ("icmp6-destinationunreach", 1), ("icmp6-packettoobig", 2), ("icmp6-timeexceeded", 3),
    ("icmp6-parameterproblem", 4), ("icmp6-echo", 128), ("icmp6-echoreply", 129),
    ("icmp6-multicastlistenerquery", 130), ("icmp6-multicastlistenerreportv1", 131),
    ("icmp6-multicastlistenerdone", 132), ("icmp6-routersolicit", 133), ("icmp6-routeradvert", 134),
    ("icmp6-neighborsolicit", 135), ("icmp6-neighboradvert", 136), ("icmp6-redirect", 137),
    ("icmp6-routerrenum", 138), ("icmp6-nodeinformationquery", 139), ("icmp6-nodeinformationresponse", 140),
    ("icmp6-ineighbordiscoverysolicit", 141), ("icmp6-ineighbordiscoveryadvert", 142),
    ("icmp6-multicastlistenerreportv2", 143), ("icmp6-homeagentdiscoveryrequest", 144),
    ("icmp6-homeagentdiscoveryreply", 145), ("icmp6-mobileprefixsolicit", 146), ("icmp6-mobileprefixadvert", 147),
    ("icmp6-certpathsolicit", 148), ("icmp6-certpathadvert", 149), ("icmp6-multicastrouteradvert", 151),
    ("icmp6-multicastroutersolicit", 152), ("icmp6-multicastrouterterm", 153),
    ("tcpflags", 13),
    ("tcp-fin", 0x01), ("tcp-syn", 0x02), ("tcp-rst", 0x04), ("tcp-push", 0x08), ("tcp-ack", 0x10),
    ("tcp-urg", 0x20), ("tcp-ece", 0x40), ("tcp-cwr", 0x80),
];

/// Numbers of Ethernet types and of service access points of LLC (those are below 1501), by names of their own.
pub static ETHER_TYPES: &[(&str, u32)] = &[
    ("aarp", 0x80f3),
    ("arp", 0x0806),
    ("atalk", 0x809b),
    ("decnet", 0x6003),
    ("ip", 0x0800),
    ("ip6", 0x86dd),
    ("lat", 0x6004),
    ("loopback", 0x9000),
    ("mopdl", 0x6001),
    ("moprc", 0x6002),
    ("rarp", 0x8035),
    ("sca", 0x6007),
    ("iso", 0xfe),
    ("stp", 0x42),
    ("ipx", 0xe0),
    ("netbeui", 0xf0),
];

/// Numbers of protocols in IP's header.
#[rustfmt::skip]
pub static IP_PROTOCOLS: &[(&str, u32)] = &[
    ("ip", 0), ("hopopt", 0), ("icmp", 1), ("igmp", 2), ("ggp", 3), ("ipencap", 4), ("st", 5), ("tcp", 6), ("egp", 8),
    ("igp", 9), ("pup", 12), ("udp", 17), ("hmp", 20), ("xns-idp", 22), ("rdp", 27), ("iso-tp4", 29), ("dccp", 33),
    ("xtp", 36), ("ddp", 37), ("idpr-cmtp", 38), ("ipv6", 41), ("ipv6-route", 43), ("ipv6-frag", 44), ("idrp", 45),
    ("rsvp", 46), ("gre", 47), ("esp", 50), ("ah", 51), ("skip", 57), ("ipv6-icmp", 58), ("ipv6-nonxt", 59),
    ("ipv6-opts", 60), ("rspf", 73), ("vmtp", 81), ("eigrp", 88), ("ospf", 89), ("ax.25", 93), ("ipip", 94),
    ("etherip", 97), ("encap", 98), ("pim", 103), ("ipcomp", 108), ("vrrp", 112), ("l2tp", 115), ("isis", 124),
    ("sctp", 132), ("fc", 133), ("mobility-header", 135), ("udplite", 136), ("mpls-in-ip", 137), ("manet", 138),
    ("hip", 139), ("shim6", 140), ("wesp", 141), ("rohc", 142), ("ethernet", 143),
];

/// Numbers of protocols in OSI's network layer.
pub static OSI_PROTOCOLS: &[(&str, u32)] = &[("esis", 0x82), ("isis", 0x83), ("clnp", 0x81)];

const TCP: Option<Transport> = Some(Transport::Tcp);
const UDP: Option<Transport> = Some(Transport::Udp);

/// Ports with the one transport that uses them under this name; none if TCP and UDP do.
#[rustfmt::skip]
pub static PORTS: &[(&str, u32, Option<Transport>)] = &[
    ("echo", 7, None), ("discard", 9, None), ("daytime", 13, None), ("chargen", 19, None),
    ("ftp-data", 20, TCP), ("ftp", 21, TCP), ("ssh", 22, TCP), ("telnet", 23, TCP), ("smtp", 25, TCP),
    ("mail", 25, TCP), ("time", 37, None), ("whois", 43, TCP), ("tacacs", 49, None), ("domain", 53, None),
    ("bootps", 67, UDP), ("bootpc", 68, UDP), ("tftp", 69, UDP), ("gopher", 70, TCP), ("finger", 79, TCP),
    ("http", 80, TCP), ("www", 80, TCP), ("kerberos", 88, None), ("pop3", 110, TCP), ("sunrpc", 111, None),
    ("portmapper", 111, None), ("auth", 113, TCP), ("nntp", 119, TCP), ("ntp", 123, UDP), ("epmap", 135, TCP),
    ("netbios-ns", 137, UDP), ("netbios-dgm", 138, UDP), ("netbios-ssn", 139, TCP), ("imap2", 143, TCP),
    ("imap", 143, TCP), ("snmp", 161, None), ("snmp-trap", 162, None), ("snmptrap", 162, None), ("xdmcp", 177, UDP),
    ("bgp", 179, TCP), ("ptp-event", 319, UDP), ("ptp-general", 320, UDP), ("ldap", 389, None), ("svrloc", 427, None),
    ("https", 443, None), ("microsoft-ds", 445, TCP), ("kpasswd", 464, None), ("submissions", 465, TCP),
    ("smtps", 465, TCP), ("isakmp", 500, UDP), ("exec", 512, TCP), ("login", 513, TCP), ("who", 513, UDP),
    ("shell", 514, TCP), ("syslog", 514, UDP), ("printer", 515, TCP), ("route", 520, UDP), ("uucp", 540, TCP),
    ("dhcpv6-client", 546, UDP), ("dhcpv6-server", 547, UDP), ("rtsp", 554, None), ("nntps", 563, TCP),
    ("submission", 587, TCP), ("ipp", 631, TCP), ("ldaps", 636, None), ("ldp", 646, None), ("kerberos-adm", 749, TCP),
    ("domain-s", 853, None), ("rsync", 873, TCP), ("ftps-data", 989, TCP), ("ftps", 990, TCP), ("telnets", 992, TCP),
    ("imaps", 993, TCP), ("pop3s", 995, TCP), ("socks", 1080, TCP), ("openvpn", 1194, None), ("ms-sql-s", 1433, TCP),
    ("ms-sql-m", 1434, UDP), ("l2tp", 1701, UDP), ("radius", 1812, None), ("radius-acct", 1813, None),
    ("nfs", 2049, None), ("iscsi-target", 3260, TCP), ("mysql", 3306, TCP), ("ms-wbt-server", 3389, TCP),
    ("svn", 3690, TCP), ("epmd", 4369, TCP), ("ipsec-nat-t", 4500, UDP), ("sip", 5060, None), ("sip-tls", 5061, None),
    ("xmpp-client", 5222, TCP), ("xmpp-server", 5269, TCP), ("mdns", 5353, UDP), ("postgresql", 5432, TCP),
    ("postgres", 5432, TCP), ("amqps", 5671, TCP), ("x11", 6000, TCP), ("redis", 6379, TCP), ("syslog-tls", 6514, TCP),
    ("ircd", 6667, TCP), ("ircs-u", 6697, TCP), ("http-alt", 8080, TCP), ("webcache", 8080, TCP), ("git", 9418, TCP),
    ("nbd", 10809, TCP), ("zabbix-agent", 10050, TCP), ("zabbix-trapper", 10051, TCP),
];

/// The number that a table has for a name.
pub fn number(table: &[(&str, u32)], name: &str) -> Option<u32> {
    table.iter().find(|row| row.0 == name).map(|row| row.1)
}
