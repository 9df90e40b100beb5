//! Fields of packets and addresses: what is told of mistakes, and what comparisons become.

use super::{check, checked};
use crate::Settings;
use crate::dump_types::dump;

/// The probes of a script as `-d types` shows them.
fn typed(text: &str) -> String {
    let checked = checked(text, &Settings::default());
    assert!(checked.is_ok(), "{text}\n{:?}", checked.diagnostics);
    dump(&checked.program)
}

/// The names of what is read of the packet.
fn read(text: &str) -> Vec<String> {
    let checked = checked(text, &Settings::default());
    assert!(checked.is_ok(), "{text}\n{:?}", checked.diagnostics);
    checked.program.probes[0].packet.iter().map(|(_, item)| item.name()).collect()
}

#[test]
fn fields_have_types() {
    check("xdp:eth0 { @[ip.saddr, ip6.daddr, tcp.dport] = count(); @e[eth.saddr] = sum(pkt.len); @s = tcp.syn; }");
    check("tc:eth0:egress /tcp && !udp/ { @[arp.op, vlan.id, icmp.type, icmp6.code, sctp.vtag] = count(); }");
    check("socket:eth0 { @ = pkt.data[12] << 8 | pkt.data[13]; $i = 5; @b = pkt.data[$i]; }");
    check("cgroup_skb:/sys/fs/cgroup:ingress { @[ip.saddr] = count(); }");
    let types = typed(
        "xdp:eth0 { @a = ip.ttl; @b = tcp.dport; @c = tcp.seq; @d = tcp.syn; @e = ip.frag_off; @f = eth.saddr; }",
    );
    for expected in ["@a: uint8", "@b: uint16", "@c: uint32", "@d: bool", "@e: uint16", "@f: mac_address"] {
        assert!(types.contains(expected), "{expected}\n{types}");
    }
}

#[test]
fn probes_of_several_kinds_see_packets() {
    check("xdp:eth0, tc:eth0:ingress { @[eth.proto, ip.saddr] = count(); }");
    // Where there is no link layer its fields are absent.
    check("xdp:eth0, cgroup_skb:/sys/fs/cgroup:ingress { @[eth.saddr, ip.saddr] = count(); }");
    check(
        r#"
xdp:eth0, kprobe:f { @ = ip.ttl; }
                       //^^ error: ip is known where packets are seen only | packets are seen by xdp, tc, cgroup_skb and socket: xdp:eth0 { @[ip.saddr] = count(); }
"#,
    );
}

#[test]
fn mistakes_in_fields() {
    check(
        r#"
xdp:eth0 { @ = ip.sadr; }
                //^^^^ error: ip has no field 'sadr' | did you mean `saddr`?
"#,
    );
    check(
        r#"
xdp:eth0 { @ = ip.dport; }
                //^^^^^ error: ip has no field 'dport' | there is tcp.dport, udp.dport, sctp.dport
"#,
    );
    check(
        r#"
xdp:eth0 { @ = vlan.unheard; }
                  //^^^^^^^ error: vlan has no field 'unheard' | it has id, pcp, dei, proto
"#,
    );
    check(
        r#"
xdp:eth0 /tpc/ { @ = count(); }
        //^^^ error: Unknown identifier: 'tpc' | did you mean `tcp`?
"#,
    );
    check(
        r#"
begin { print(tcp.dport); }
            //^^^ error: tcp is known where packets are seen only | packets are seen by xdp, tc, cgroup_skb and socket: xdp:eth0 { @[ip.saddr] = count(); }
"#,
    );
    check(
        r#"
begin { print(ip); }
            //^^ error: ip is known where packets are seen only | packets are seen by xdp, tc, cgroup_skb and socket: xdp:eth0 { @[ip.saddr] = count(); }
"#,
    );
    check(
        r#"
cgroup_skb:/sys/fs/cgroup:egress { @ = vlan.id; }
                                     //^^^^ error: there is no vlan here: packets begin with the header of IPv4 or IPv6 | packets of control groups and of tunnels have no link layer; xdp and tc at a network card see it
"#,
    );
    check(
        r#"
xdp:eth0 /pkt/ { @ = count(); }
        //^^^ error: pkt is always there | name what you want of it: pkt.len, pkt.data
"#,
    );
}

#[test]
fn mistakes_in_bytes() {
    check(
        r#"
xdp:eth0 { @ = pkt.data; }
             //^^^^^^^^ error: the bytes of a packet are read one by one | pkt.data[0] is the first one
"#,
    );
    check(
        r#"
xdp:eth0 { @ = pkt.data[-1]; }
                      //^^ error: no packet has such a byte: they count from 0 to 65520
"#,
    );
    check(
        r#"
xdp:eth0 { $i = 0; @ = pkt.data[$i++]; }
                              //^^^^ error: which byte of a packet it is cannot be computed by what changes something | keep the number in a variable first: $at++; ... pkt.data[$at]
"#,
    );
    check(
        r#"
xdp:eth0 { @ = pkt.data["a"]; }
                      //^^^ error: The array index operator [] only accepts integer indices. Got type: string[2]
"#,
    );
}

#[test]
fn names_of_the_script_stay_its_own() {
    check("xdp:eth0 { $ip = 5; @tcp = $ip; @tcp += 1; }");
    check("enum e { udp = 7 }; xdp:eth0 { @ = udp; @p = udp.dport; }");
    check("macro icmp(x) { x + 1 } xdp:eth0 { @ = icmp(tcp.dport); }");
    assert_eq!(read("enum e { udp = 7 }; xdp:eth0 { @ = udp; @p = udp.dport; }"), ["udp.dport"]);
}

#[test]
fn a_comparison_asks_for_the_protocol_if_it_has_to() {
    // What is not there is 0, which is not 443.
    assert_eq!(read("xdp:eth0 /tcp.dport == 443/ { @++ }"), ["tcp.dport"]);
    assert_eq!(read("xdp:eth0 /ip.saddr == 10.0.0.9 || tcp.flags & 2 == 2 || tcp.syn/ { @++ }").len(), 3);
    assert_eq!(read("xdp:eth0 /ip.saddr == 10.0.0.0/8/ { @++ }"), ["ip.saddr"]);
    // But it is not 80, and it is less than 1024.
    assert_eq!(read("xdp:eth0 /tcp.dport != 80/ { @++ }"), ["tcp.dport", "tcp"]);
    assert_eq!(read("xdp:eth0 /tcp.dport < 1024/ { @++ }"), ["tcp.dport", "tcp"]);
    assert_eq!(read("xdp:eth0 /ip.saddr != 10.0.0.0/8/ { @++ }"), ["ip.saddr", "ip"]);
    assert_eq!(read("xdp:eth0 /ip.saddr == 0.0.0.0/ { @++ }"), ["ip.saddr", "ip"]);
    assert_eq!(read("xdp:eth0 /ip.saddr == ip.daddr/ { @++ }"), ["ip.saddr", "ip.daddr", "ip"]);
    assert_eq!(read("xdp:eth0 /ip.ihl != icmp.seq/ { @++ }"), ["ip.ihl", "icmp.seq", "ip", "icmp"]);
    assert_eq!(read("xdp:eth0 /pkt.data[3] != 5/ { @++ }"), ["pkt.data[3]", "pkt.data[3]"]);
    // Who chooses has a value in any case.
    assert_eq!(read("xdp:eth0 /(tcp ? tcp.dport : udp.dport) != 53/ { @++ }"), ["tcp", "tcp.dport", "udp.dport"]);
    // What is only sized up is not read.
    assert_eq!(read("xdp:eth0 { @ = sizeof(tcp.dport) }"), [""; 0]);
}

#[test]
fn addresses_are_compared_with_addresses() {
    check(
        r#"xdp:eth0 /ip.saddr == "10.0.0.9" || ip6.saddr == 2001:db8::/32 || eth.daddr == ff:ff:ff:ff:ff:ff/ { @++ }"#,
    );
    check("begin { @ = ntop(1); print(@ == 10.0.0.0/8); $a = 10.0.0.9; print($a != @); }");
    check(
        r#"
begin { print(10.0.0.1 < 10.0.0.2); }
            //^^^^^^^^^^^^^^^^^^^ error: The < operator can not be used on expressions of types inet, inet | addresses are equal (==) or not (!=), or in a range: == 10.1.0.0/16
"#,
    );
    check(
        r#"
begin { print(10.0.0.1 == 5); }
            //^^^^^^^^^^^^^ error: Type mismatch for '==': comparing inet with int8 | an address is written as it is shown: 10.0.0.9, fe80::1, aa:bb:cc:dd:ee:ff
"#,
    );
    check(
        r#"
begin { print(10.0.0.1 == "foo"); }
                        //^^^^^ error: `foo` is not an address | an address is written as it is shown: 10.0.0.9, fe80::1, aa:bb:cc:dd:ee:ff
"#,
    );
    check(
        r#"
begin { print(aa:bb:cc:dd:ee:ff == 10.0.0.0/8); }
            //^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ error: Type mismatch for '==': comparing mac_address with 10.0.0.0/8
"#,
    );
    check(
        r#"
begin { print(10.0.0.0/8); }
            //^^^^^^^^^^ error: a range of addresses is no value | compare an address with it: ip.saddr == 10.1.0.0/16
"#,
    );
    check(
        r#"
begin { print(10.0.0.1 > 10.0.0.0/8); }
            //^^^^^^^^^^^^^^^^^^^^^ error: The > operator can not be used on ranges of addresses | == tells whether an address is in the range, != whether it is not
"#,
    );
}

/// What is told of a script at packets: titles and help.
fn told(text: &str) -> Vec<(String, Option<String>)> {
    let checked = checked(text, &Settings::default());
    checked.diagnostics.into_iter().map(|told| (told.title, told.help)).collect()
}

#[test]
fn captures_have_names_and_lengths() {
    for good in [
        r#"xdp:a { capture("x.pcap"); capture("x.pcap", 96); capture("y.pcapng", 0); $r = capture("-"); print($r); }"#,
        r#"tc:a:egress /capture("a.b.pcap", 262144) == 0/ { @ = count(); }"#,
        r#"xdp:a, cgroup_skb:/g:egress { capture("x.pcapng"); } socket:a { capture("x.pcapng", 10) }"#,
        r#"cgroup_skb:/g:ingress { capture("x.pcap"); } fentry:f { skboutput("x.pcap", args.skb, 10, 14); }"#,
    ] {
        let errors: Vec<_> = told(good).into_iter().filter(|(title, _)| title.contains("capture")).collect();
        assert_eq!(errors, [], "{good}");
    }
    let mixed = "x.pcap has packets that begin in another way already";
    let of_one_kind = "a .pcap file has packets with Ethernet's header, or packets without; .pcapng may have both";
    let usage = "usage: capture(\"file\"), capture(\"file\", length)";
    let formats = "name it .pcapng or .pcap; - is standard output";
    for (bad, title, help) in [
        (r#"xdp:a { capture("x.txt"); }"#, "the name `x.txt` tells no format of a capture file", formats),
        (r#"xdp:a { capture("pcap"); }"#, "the name `pcap` tells no format of a capture file", formats),
        (r#"xdp:a { capture(""); }"#, "capture() takes the name of a file, or -", ""),
        (r#"xdp:a { capture("x.pcap", 262145); }"#, "capture() takes a length up to 262144", ""),
        (r#"xdp:a { capture("x.pcap", -1); }"#, "capture() takes no negative number here", ""),
        (r#"xdp:a { capture("x.pcap", pkt.len); }"#, "capture() expects a int literal (int provided)", ""),
        (r#"xdp:a { capture(7); }"#, "capture() expects a string literal (int provided)", usage),
        (r#"xdp:a { capture("x.pcap"); } cgroup_skb:/g:egress { capture("x.pcap"); }"#, mixed, of_one_kind),
        (r#"xdp:a, cgroup_skb:/g:egress { capture("x.pcap"); }"#, mixed, of_one_kind),
        (
            r#"begin { capture("x.pcap"); }"#,
            "capture() can not be used with \"begin\"",
            "xdp, tc, cgroup_skb and socket see packets; fentry, fexit and rawtracepoint have skboutput()",
        ),
        (
            r#"xdp:a { skboutput("x.pcap", 0, 1, 0); }"#,
            "skboutput can not be used with \"xdp\" probes",
            "here the packet is at hand: capture(\"file.pcapng\")",
        ),
    ] {
        let told = told(bad);
        let found = told.iter().find(|(said, _)| said == title);
        assert_eq!(found.map(|(_, help)| help.as_deref().unwrap_or("")), Some(help), "{bad}\n{told:?}");
    }
}

#[test]
fn calls_for_one_capture_file_are_joined() {
    let text = r#"xdp:a { capture("x.pcapng", 64); capture("-"); } xdp:b { capture("x.pcapng", 96); capture("x.pcapng", 32); }"#;
    let captures = checked(text, &Settings::default()).program.captures;
    let files: Vec<_> = captures.iter().map(|file| (file.name(), file.length, file.interfaces.len())).collect();
    assert_eq!(files, [("x.pcapng", 96, 2), ("standard output", 0xff00, 1)]);
}

#[test]
fn names_and_numbers_that_cannot_be_are_told() {
    check(
        r#"
xdp:eth0 { @[ip.src, tcp.dst, udp.length] = count(); }
              //^^^ error: ip has no field 'src' | did you mean `saddr`?
                       //^^^ error: tcp has no field 'dst' | did you mean `dport`?
                                //^^^^^^ error: udp has no field 'length' | did you mean `len`?
"#,
    );
    check(
        r#"
xdp:eth0 /tcp == 443/ { @ = count(); }
        //^^^^^^^^^^ warning: this is never true: bool is at most 1 | a protocol alone asks whether the packet has it; tcp.dport is a field of it
"#,
    );
    check(
        r#"
xdp:eth0 /tcp.dport != 99999 && tcp.syn == 1 && tcp.dport == 65535/ { @ = count(); }
        //^^^^^^^^^^^^^^^^^^ warning: this is always true: uint16 is at most 65535
"#,
    );
    check(
        r#"
xdp:eth0 /ip.saddr == 10.0.0/ { print(args.len); }
                    //^^^^ error: Can not access index '0' on expression of type 'int8' | an address has four numbers, 10.0.0.9, and so has a range, 10.0.0.0/24
                                    //^^^^ error: The args builtin can only be used with tracepoint, rawtracepoint, fentry/fexit, and uprobe probes (xdp used here) | the fields of a packet go by their protocol: ip.saddr, tcp.dport
"#,
    );
    check(
        r#"
xdp:eth0 /filter(tcp)/ { @ = count(); }
        //^^^^^^^^^^^ error: filter() expects a string literal (bool provided) | usage: filter("expression")
"#,
    );
}
