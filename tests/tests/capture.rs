//! `capture()`: packets that were sent are in the file, byte by byte.

use rtrace_tests::net::{self, Group, Pair, frame};
use rtrace_tests::{Output, Run, Scratch, requires};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const ETHERNET: u32 = 1;
const RAW: u32 = 101;

/// A packet as a capture file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Packet {
    /// In nanoseconds since 1970.
    time: u128,
    bytes: Vec<u8>,
    length: u32,
    link: u32,
    /// Name of the interface.
    interface: String,
    /// 1 for in, 2 for out; 0 if the file does not tell.
    way: u32,
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes(bytes[at..at + 2].try_into().expect("two bytes"))
}

/// The options of a block of a pcapng file.
fn options(mut bytes: &[u8]) -> Vec<(u16, &[u8])> {
    let mut options = Vec::new();
    while bytes.len() >= 4 && half(bytes, 0) != 0 {
        let length = usize::from(half(bytes, 2));
        options.push((half(bytes, 0), &bytes[4..4 + length]));
        bytes = &bytes[4 + length.next_multiple_of(4)..];
    }
    options
}

/// The packets of a pcapng file, as far as it is whole.
fn pcapng(file: &[u8]) -> Vec<Packet> {
    let (mut interfaces, mut packets, mut rest) = (Vec::new(), Vec::new(), file);
    while rest.len() >= 12 && rest.len() >= word(rest, 4) as usize {
        let length = word(rest, 4) as usize;
        let (block, behind) = rest.split_at(length);
        assert_eq!((length % 4, word(block, length - 4) as usize), (0, length));
        let body = &block[8..length - 4];
        match word(block, 0) {
            0x0a0d_0d0a => assert_eq!([word(body, 0), word(body, 4)], [0x1a2b_3c4d, 1]),
            1 => {
                let options = options(&body[8..]);
                assert!(options.contains(&(9, &[9])), "times are in nanoseconds");
                let name = options.iter().find(|(code, _)| *code == 2).map(|(_, name)| name.to_vec());
                let name = String::from_utf8(name.unwrap_or_default()).expect("a name is a text");
                interfaces.push((u32::from(half(body, 0)), name));
            }
            6 => {
                let (link, interface) = interfaces[word(body, 0) as usize].clone();
                let time = u128::from(word(body, 4)) << 32 | u128::from(word(body, 8));
                let captured = word(body, 12) as usize;
                let options = options(&body[20 + captured.next_multiple_of(4)..]);
                let way = options.iter().find(|(code, _)| *code == 2).map_or(0, |(_, flags)| word(flags, 0));
                let bytes = body[20..20 + captured].to_vec();
                packets.push(Packet { time, bytes, length: word(body, 16), link, interface, way });
            }
            kind => panic!("a block of kind {kind:#x}"),
        }
        rest = behind;
    }
    packets
}

/// The packets of a pcap file.
fn pcap(file: &[u8]) -> Vec<Packet> {
    assert_eq!([word(file, 0), word(file, 4)], [0xa1b2_3c4d, 2 | 4 << 16]);
    let (link, mut rest, mut packets) = (word(file, 20), &file[24..], Vec::new());
    while !rest.is_empty() {
        let time = u128::from(word(rest, 0)) * 1_000_000_000 + u128::from(word(rest, 4));
        let (head, behind) = rest.split_at(16);
        let (bytes, behind) = behind.split_at(word(head, 8) as usize);
        let (bytes, length) = (bytes.to_vec(), word(head, 12));
        packets.push(Packet { time, bytes, length, link, interface: String::new(), way: 0 });
        rest = behind;
    }
    packets
}

fn read(path: &Path) -> Vec<Packet> {
    let file = std::fs::read(path).expect("there is a capture file");
    if path.extension().is_some_and(|end| end == "pcap") { pcap(&file) } else { pcapng(&file) }
}

fn nanoseconds_now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos()
}

/// Packets of several sorts and lengths.
fn sorts() -> Vec<Vec<u8>> {
    let udp = frame::ipv4(frame::UDP, &frame::udp(53, 1234, b"odd"));
    vec![
        frame::udp4(1000, 2000, b"hello"),
        frame::tcp4(80, 4000, 18),
        frame::udp4(1, 2, &(0..1300).map(|number| number as u8).collect::<Vec<_>>()),
        frame::ether(frame::VLAN, &frame::vlan(0x2005, frame::IPV4, &udp)),
        frame::ether(frame::IPV6, &frame::ipv6([1; 16], [2; 16], frame::UDP, &frame::udp(5, 6, b"six"))),
    ]
}

fn send(pair: &Pair, packets: &[Vec<u8>]) {
    pair.send(&packets.iter().map(Vec::as_slice).collect::<Vec<_>>());
}

/// What a script, in which FILE stands for the capture file, does with packets that come in at `rt_a`.
fn captured(script: &str, file: &Scratch, packets: &[Vec<u8>]) -> (Output, Vec<Packet>) {
    let script = script.replace("FILE", &file.path().display().to_string());
    let out = net::alone(|| {
        let pair = Pair::new("rt_a", "rt_b");
        Run::program(script).run(|_| send(&pair, packets))
    });
    out.code(0);
    (out, read(file.path()))
}

#[test]
fn what_was_sent_is_in_the_file() {
    requires!(Bpf, Veth);
    let places = [
        ("xdp:rt_a:native", "rt_a", 1),
        ("xdp:rt_a:skb", "rt_a", 1),
        ("tc:rt_a:ingress", "rt_a", 1),
        ("tc:rt_b:egress", "rt_b", 2),
        ("tc:rt_*:egress, tc:rt_a:ingress /ctx.ingress_ifindex != 0/", "rt_a", 1),
        ("socket:rt_a", "rt_a", 1),
        ("socket:rt_b", "rt_b", 2),
    ];
    for (number, (place, interface, way)) in places.into_iter().enumerate() {
        for end in ["pcapng", "pcap"] {
            let file = Scratch::new(&format!("sent{number}.{end}"));
            let before = nanoseconds_now();
            let script = format!("{place} {{ @[capture(\"FILE\")] = count(); }}");
            let (out, packets) = captured(&script, &file, &sorts());
            let after = nanoseconds_now();
            out.stdout_has("@[0]: 5\n");
            let bytes: Vec<_> = packets.iter().map(|packet| packet.bytes.clone()).collect();
            assert_eq!(bytes, sorts(), "{place} {end}\n{out}");
            for packet in &packets {
                // The clocks are compared at the start of a run.
                assert!((before - 1_000_000_000..after + 1_000_000_000).contains(&packet.time), "{packet:?}");
                assert_eq!((packet.length as usize, packet.link), (packet.bytes.len(), ETHERNET), "{place}");
                let expected = if end == "pcap" { ("", 0) } else { (interface, way) };
                assert_eq!((packet.interface.as_str(), packet.way), expected, "{place}");
            }
        }
    }
}

#[test]
fn a_length_cuts_packets_and_their_own_is_kept() {
    requires!(Bpf, Veth);
    for place in ["xdp:rt_a", "tc:rt_a:ingress", "socket:rt_a"] {
        for end in ["pcapng", "pcap"] {
            let file = Scratch::new(&format!("cut{}.{end}", place.len()));
            let (out, packets) = captured(&format!("{place} {{ capture(\"FILE\", 50) }}"), &file, &sorts());
            let found: Vec<_> = packets.iter().map(|packet| (packet.bytes.clone(), packet.length as usize)).collect();
            let sent = sorts().into_iter().map(|packet| (packet[..packet.len().min(50)].to_vec(), packet.len()));
            assert_eq!(found, sent.collect::<Vec<_>>(), "{place} {end}\n{out}");
        }
    }
}

#[test]
fn only_what_matches_is_captured_wherever_it_is_called() {
    requires!(Bpf, Veth);
    let scripts = [
        ("xdp:rt_a /filter(\"udp and not vlan\") && ip/ { capture(\"FILE\"); }", vec![0, 2]),
        ("xdp:rt_a { if (tcp) { capture(\"FILE\"); } } xdp:rt_a /vlan/ { capture(\"FILE\"); }", vec![1, 3]),
        ("xdp:rt_a /tcp/ { for ($i : 0..50) { capture(\"FILE\"); } }", vec![1; 50]),
        ("tc:rt_a:ingress /tcp/ { @m[1] = 1; for ($kv : @m) { capture(\"FILE\"); } }", vec![1]),
        ("socket:rt_a /tcp/ { $i = 0; while ($i < 3) { $i++; capture(\"FILE\"); } }", vec![1; 3]),
    ];
    for (number, (script, expected)) in scripts.into_iter().enumerate() {
        for kernel in ["", "6.1"] {
            let file = Scratch::new(&format!("some{number}{kernel}.pcapng"));
            let text = script.replace("FILE", &file.path().display().to_string());
            net::alone(|| {
                let pair = Pair::new("rt_a", "rt_b");
                let run = Run::program(text);
                let run = if kernel.is_empty() { run } else { run.env("RTRACE_AS_KERNEL", kernel) };
                run.run(|_| send(&pair, &sorts())).code(0);
            });
            let found: Vec<_> = read(file.path()).into_iter().map(|packet| packet.bytes).collect();
            let expected: Vec<_> = expected.iter().map(|index: &usize| sorts()[*index].clone()).collect();
            assert_eq!(found, expected, "{script} {kernel}");
        }
    }
}

#[test]
fn a_control_group_has_packets_without_ethernet() {
    requires!(Bpf, Veth, CgroupPrograms);
    for end in ["pcapng", "pcap"] {
        let file = Scratch::new(&format!("group.{end}"));
        net::alone(|| {
            let group = Group::new("capture");
            let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("there is a loopback");
            let to = socket.local_addr().expect("it is bound");
            let script = format!("cgroup_skb:{}:egress {{ capture(\"{}\"); }}", group.path, file.path().display());
            let out = Run::program(script).run(|_| {
                group.run(|| {
                    if let Ok(sender) = std::net::UdpSocket::bind("127.0.0.1:0") {
                        let _ = sender.send_to(b"from the group", to);
                    }
                });
            });
            out.code(0);
        });
        let packets = read(file.path());
        assert_eq!(packets.len(), 1, "{packets:?}");
        let packet = &packets[0];
        assert_eq!((packet.bytes[0], &packet.bytes[28..], packet.link), (0x45, &b"from the group"[..], RAW));
        assert_eq!((packet.length, packet.way), (42, if end == "pcap" { 0 } else { 2 }));
    }
}

#[test]
fn what_finds_no_room_is_counted() {
    requires!(Bpf, Veth);
    let file = Scratch::new("lost.pcapng");
    let packet = frame::udp4(1, 2, &[7; 1200]);
    let script = "config = { perf_rb_pages = 1 } xdp:rt_a { @n = count(); \
                  for ($i : 0..20) { capture(\"FILE\"); @tried = count(); } }";
    let (out, packets) = captured(script, &file, &vec![packet.clone(); 50]);
    out.stdout_has("@n: 50\n").stdout_has("@tried: 1000\n");
    out.stderr_has("they came faster than they could be written");
    assert!(out.lost() > 0, "it was not too much\n{out}");
    assert_eq!(packets.len() as u64 + out.lost(), 1000, "{out}");
    assert!(packets.iter().all(|found| found.bytes == packet));
}

#[test]
fn files_are_made_when_packets_can_come() {
    requires!(Bpf, Veth);
    net::alone(|| {
        let _pair = Pair::new("rt_a", "rt_b");
        let out = Run::program("xdp:rt_a { capture(\"/nowhere/at/all.pcapng\"); }").to_end();
        out.code(1).stderr_has("cannot write to /nowhere/at/all.pcapng: No such file or directory");
        out.nowhere("Attached");
        let file = Scratch::new("dry.pcapng");
        let script = format!("xdp:rt_a {{ capture(\"{}\"); capture(\"-\"); }}", file.path().display());
        Run::program(&script).arg("--dry-run").to_end().code(0).stdout_is("");
        assert!(!file.path().exists());
        // What has seen no packet is a capture file all the same.
        let script = format!("xdp:rt_a {{ capture(\"{}\"); }}", file.path().display());
        Run::program(&script).run(|_| {}).code(0);
        assert_eq!(read(file.path()), []);
        assert!(std::fs::read(file.path()).expect("it is there").len() > 28);
    });
}

/// A run whose standard output is read as bytes.
struct Piped {
    child: Child,
    /// Where its standard error goes.
    messages: Scratch,
}

impl Piped {
    fn start(name: &str, script: &str) -> Piped {
        let text = Scratch::new(name);
        let file = File::create(text.path()).expect("the temporary folder can be written");
        let mut command = Command::new(rtrace_tests::rtrace());
        command.args(["--unsafe", "-e", script]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file);
        let piped = Piped { child: command.spawn().expect("rtrace can be started"), messages: text };
        piped.wait_text("Attached");
        piped
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.messages.path()).unwrap_or_default()
    }

    fn wait_text(&self, text: &str) {
        let deadline = Instant::now() + rtrace_tests::patience(Duration::from_secs(20));
        while !self.text().contains(text) {
            assert!(Instant::now() < deadline, "{text} was expected: {}", self.text());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits for the end, which must be a good one.
    fn end(mut self) -> String {
        let status = self.child.wait().expect("it is our child");
        assert!(status.success(), "{status} {}", self.text());
        self.text()
    }
}

#[test]
fn standard_output_has_packets_only_and_has_them_at_once() {
    requires!(Bpf, Veth);
    net::alone(|| {
        let pair = Pair::new("rt_a", "rt_b");
        let script =
            "xdp:rt_a { capture(\"-\"); printf(\"text %d\\n\", pkt.len); system(\"echo command\"); @n = count(); }";
        let mut piped = Piped::start("text", script);
        let mut stdout = piped.child.stdout.take().expect("it was asked for");
        let mut bytes = Vec::new();
        // Each comes before the next one is sent.
        for (number, packet) in sorts().iter().enumerate() {
            pair.send(&[packet]);
            let deadline = Instant::now() + rtrace_tests::patience(Duration::from_secs(10));
            while pcapng(&bytes).len() <= number {
                assert!(Instant::now() < deadline, "nothing comes: {}", piped.text());
                let mut some = [0; 4096];
                let got = stdout.read(&mut some).expect("a pipe can be read");
                assert!(got > 0, "{}", piped.text());
                bytes.extend_from_slice(&some[..got]);
            }
        }
        piped.wait_text("text 1342");
        // SAFETY: our own child, which is not reaped yet.
        unsafe { libc::kill(piped.child.id() as i32, libc::SIGINT) };
        stdout.read_to_end(&mut bytes).expect("a pipe can be read");
        let text = piped.end();
        assert!(text.contains("\n@n: 5\n") && text.contains("command\n"), "{text}");
        let found: Vec<_> = pcapng(&bytes).into_iter().map(|packet| packet.bytes).collect();
        assert_eq!(found, sorts());
    });
}

#[test]
fn who_stops_reading_ends_it_quietly() {
    requires!(Bpf, Veth);
    net::alone(|| {
        let pair = Pair::new("rt_a", "rt_b");
        let mut piped = Piped::start("quiet", "xdp:rt_a { capture(\"-\"); @never_told = count(); }");
        drop(piped.child.stdout.take());
        // A process that another case is just starting may hold the reader's end for a moment longer.
        while piped.child.try_wait().expect("it is our child").is_none() {
            send(&pair, &sorts());
        }
        let text = piped.end();
        assert!(!text.contains("ERROR") && !text.contains("never_told"), "{text}");
    });
}

#[test]
fn tcpdump_reads_it() {
    requires!(Bpf, Veth, Program("tcpdump"));
    for end in ["pcapng", "pcap"] {
        let file = Scratch::new(&format!("tcpdump.{end}"));
        let script = "xdp:rt_a { capture(\"FILE\"); } tc:rt_b:egress { capture(\"FILE\"); }";
        captured(script, &file, &sorts());
        let out = Command::new("tcpdump").args(["-nn", "-r"]).arg(file.path()).output().expect("it is installed");
        let text = String::from_utf8_lossy(&out.stdout);
        assert_eq!(text.matches("10.99.0.2.1000 > 10.99.0.1.2000: UDP, length 5").count(), 2, "{out:?}");
        assert_eq!(text.lines().count(), 10, "{out:?}");
    }
    net::alone(|| {
        let pair = Pair::new("rt_a", "rt_b");
        let mut piped = Piped::start("dumped", "xdp:rt_a { capture(\"-\"); }");
        let stdout = piped.child.stdout.take().expect("it was asked for");
        let mut tcpdump = Command::new("tcpdump");
        tcpdump.args(["-nn", "-l", "-c", "2", "-r", "-"]).stdin(stdout).stdout(Stdio::piped()).stderr(Stdio::null());
        let child = tcpdump.spawn().expect("it is installed");
        // The pipe's end that it has is to be the only one.
        drop(tcpdump);
        // It ends after two; rtrace notices by a later one.
        send(&pair, &sorts());
        let out = child.wait_with_output().expect("it ends");
        assert_eq!(String::from_utf8_lossy(&out.stdout).lines().count(), 2);
        send(&pair, &sorts());
        piped.end();
    });
}
