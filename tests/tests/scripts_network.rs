//! The scripts about the network, on a loopback of the case's own: no other connection is there.

use rtrace_tests::net::{self, Pair, frame};
use rtrace_tests::workload::in_own_network;
use rtrace_tests::{Output, Run, Session, patience, requires};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Rows of the output that have all of these words.
fn rows<'a>(out: &'a Output, words: &[&str]) -> Vec<Vec<&'a str>> {
    let rows = out.stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| words.iter().all(|word| row.contains(word))).collect()
}

/// Runs a script beside work in a network where nothing else happens; tracing sees the others, too.
fn shown(run: Run, work: impl FnOnce(&Session) + Send) -> Output {
    let session = run.start();
    session.wait_attached();
    in_own_network(|| work(&session));
    let out = session.interrupt();
    out.code(0);
    out
}

/// A connection over which so many bytes go one way and the other, and its two ports: of who opens it, and who listens.
fn talk(local: &str, there: usize, back: usize) -> (String, String) {
    let listener = TcpListener::bind((local, 0)).expect("a port is free");
    let address = listener.local_addr().expect("it has an address");
    let mut client = TcpStream::connect(address).expect("somebody listens");
    let ports = (client.local_addr().expect("it has an address").port().to_string(), address.port().to_string());
    let (mut server, _) = listener.accept().expect("somebody has connected");
    client.write_all(&vec![b'x'; there]).expect("it is connected");
    server.read_exact(&mut vec![0; there]).expect("all of it was sent");
    server.write_all(&vec![b'x'; back]).expect("it is connected");
    client.read_exact(&mut vec![0; back]).expect("all of it was sent");
    // Both ends are through before the case is.
    drop(client);
    server.read_to_end(&mut Vec::new()).expect("the other side has closed");
    ports
}

/// Does something in a thread of this name, in the caller's network.
fn named(name: &str, work: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn_scoped(scope, work);
        thread.expect("a thread can be started").join().expect("its work is done");
    });
}

#[test]
fn tcpconnect_has_each_attempt() {
    requires!(Bpf, Tracefs, NetNamespaces);
    let mut port = String::new();
    let out = shown(Run::file("tcpconnect"), |_| {
        named("rt_client", || {
            port = talk("127.0.0.1", 1, 1).1;
            assert!(TcpStream::connect("127.0.0.1:1").is_err());
        });
    });
    assert_eq!(rows(&out, &["rt_client", "127.0.0.1", &port]).len(), 1, "{out}");
    assert_eq!(rows(&out, &["rt_client", "127.0.0.1", "1"]).len(), 1, "{out}");
    assert_eq!(rows(&out, &["rt_client"]).len(), 2, "{out}");
}

#[test]
fn tcpaccept_has_both_ends() {
    requires!(Bpf, Tracefs, Btf, NetNamespaces);
    let mut ports = Default::default();
    let out = shown(Run::file("tcpaccept"), |_| named("rt_server", || ports = talk("127.0.0.1", 1, 1)));
    let rows = rows(&out, &["rt_server"]);
    assert_eq!(rows.len(), 1, "{out}");
    assert_eq!(rows[0][3..], [ports.1.as_str(), "127.0.0.1", ports.0.as_str()], "{out}");
}

#[test]
fn addresses_of_ipv6_are_shown() {
    requires!(Bpf, Tracefs, Btf, NetNamespaces, File("/proc/net/if_inet6"));
    let mut ports = Default::default();
    for script in ["tcpconnect", "tcpaccept"] {
        let out = shown(Run::file(script), |_| named("rt_six", || ports = talk("::1", 1, 1)));
        let (own, other) = (&ports.0, &ports.1);
        let port = if script == "tcpconnect" { other } else { own };
        assert_eq!(rows(&out, &["rt_six", "::1", port]).len(), 1, "{out}");
    }
}

#[test]
fn tcplife_has_the_bytes_of_both_ends() {
    requires!(Bpf, Tracefs, Btf, NetNamespaces);
    let mut ports = Default::default();
    let out = shown(Run::file("tcplife"), |_| named("rt_life", || ports = talk("127.0.0.1", 700, 3000)));
    let (client, server) = ports;
    let of = |port: &str| -> Vec<String> {
        let ends = out.stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        ends.filter(|row| row.get(3) == Some(&port)).map(|row| row[1..8].join(" ")).collect()
    };
    assert_eq!(of(&client), [format!("rt_life 127.0.0.1 {client} 127.0.0.1 {server} 700 3000")], "{out}");
    assert_eq!(of(&server), [format!("rt_life 127.0.0.1 {server} 127.0.0.1 {client} 3000 700")], "{out}");
}

#[test]
fn tcpretrans_has_what_nobody_answers() {
    requires!(Bpf, Tracefs, Veth);
    net::alone(|| {
        let pair = Pair::new("rt_a", "rt_b");
        // Gives the first interface its address.
        let _listener = pair.listen(9);
        let session = Run::file("tcpretrans").start();
        session.wait_attached();
        std::thread::scope(|scope| {
            let to = SocketAddr::from((net::SENDER, 7));
            let call =
                scope.spawn(move || TcpStream::connect_timeout(&to, patience(Duration::from_millis(1300))).is_err());
            // The kernel asks who has the address, is told, and hears no more.
            let answer =
                [&[0, 1, 8, 0, 6, 4, 0, 2], &net::SENDER_MAC[..], &net::SENDER, &net::MAC, &net::ADDRESS].concat();
            while !session.stdout().contains("syn-sent") && !call.is_finished() {
                pair.send(&[&frame::ether(0x0806, &answer)]);
                std::thread::sleep(Duration::from_millis(20));
            }
            session.wait_stdout("10.99.0.2                    7 syn-sent\n");
            assert!(call.join().expect("the call ends"));
        });
        session.interrupt().code(0);
    });
}

#[test]
fn tcpdrop_says_why() {
    requires!(Bpf, Tracefs, Btf, NetNamespaces);
    let out = shown(Run::file("tcpdrop"), |_| assert!(TcpStream::connect("127.0.0.1:7").is_err()));
    let drops = rows(&out, &["127.0.0.1", "7", "SKB_DROP_REASON_NO_SOCKET"]);
    assert_eq!(drops.len(), 1, "{out}");
    assert_eq!(drops[0][4], "7", "{out}");
}

#[test]
fn tcpsynbl_has_the_queue_of_each_listener() {
    requires!(Bpf, Tracefs, Btf, NetNamespaces);
    if rtrace_tests::missing(&[rtrace_tests::Need::Kprobes]).is_some() {
        requires!(Kernel(6, 3));
    }
    let mut port = 0;
    let out = shown(Run::file("tcpsynbl"), |_| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address: SocketAddr = listener.local_addr().expect("it has an address");
        port = address.port();
        let waiting: Vec<_> = (0..3).map(|_| TcpStream::connect(address).expect("somebody listens")).collect();
        waiting.iter().for_each(|_| drop(listener.accept().expect("somebody waits")));
    });
    let map = out.stdout.split(&format!("@backlog[{port}, ")).nth(1).unwrap_or_else(|| panic!("no such port\n{out}"));
    let lengths: Vec<&str> = map.lines().skip(1).take_while(|line| line.starts_with('[')).collect();
    let counts: Vec<Vec<&str>> = lengths.iter().map(|line| line.split_whitespace().take(2).collect()).collect();
    assert_eq!(counts, [["[1]", "1"], ["[2]", "1"], ["[3]", "1"]], "{out}");
}

#[test]
fn tcprtt_has_one_port_if_asked() {
    requires!(Bpf, Tracefs, NetNamespaces);
    in_own_network(|| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let option = format!("--port={}", address.port());
        let session = Run::file("tcprtt").parameter("--").parameter(option).start();
        session.wait_attached();
        let mut client = TcpStream::connect(address).expect("somebody listens");
        let (mut server, _) = listener.accept().expect("somebody has connected");
        for _ in 0..5 {
            client.write_all(b"x").expect("it is connected");
            server.read_exact(&mut [0]).expect("it was sent");
            server.write_all(b"y").expect("it is connected");
            client.read_exact(&mut [0]).expect("it was sent");
        }
        talk("127.0.0.1", 5, 5);
        let out = session.interrupt();
        let own = client.local_addr().expect("it has an address").port();
        assert!(out.code(0).int(&format!("@usecs_by_port[{}]", address.port())) < 1_000_000, "{out}");
        assert!(out.int(&format!("@usecs_by_port[{own}]")) >= 0, "{out}");
        assert_eq!(out.stdout.matches("@usecs_by_port[").count(), 2, "{out}");
    });
}

#[test]
fn udpsnoop_has_each_message() {
    requires!(Bpf, Tracefs, Btf, NetNamespaces, Kernel(6, 3));
    let mut ports = (String::new(), String::new());
    let out = shown(Run::file("udpsnoop"), |_| {
        named("rt_udp", || {
            let ends = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").expect("a port is free"));
            let [from, to] = ends.each_ref().map(|end| end.local_addr().expect("it has an address"));
            ends[0].connect(to).expect("the address is ours");
            for bytes in [5, 1000] {
                ends[0].send(&vec![b'x'; bytes]).expect("it is connected");
                ends[1].recv(&mut [0; 2000]).expect("it was sent");
            }
            ports = (from.port().to_string(), to.port().to_string());
        });
    });
    let seen: Vec<String> = rows(&out, &["rt_udp"]).iter().map(|row| row[3..].join(" ")).collect();
    let (from, to) = ports;
    let out_and_in = |bytes: u32| [format!("out {from} 127.0.0.1 {to} {bytes}"), format!("in {to} 0.0.0.0 0 {bytes}")];
    assert_eq!(seen, [out_and_in(5), out_and_in(1000)].concat(), "{out}");
}

#[test]
fn softirqs_has_what_the_network_defers() {
    requires!(Bpf, Tracefs, NetNamespaces);
    let out = shown(Run::file("softirqs"), |_| {
        let end = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
        end.connect(end.local_addr().expect("it has an address")).expect("the address is ours");
        for _ in 0..200 {
            end.send(b"x").expect("it is connected");
            end.recv(&mut [0; 2]).expect("it was sent");
        }
    });
    let rows = out.stdout.lines().skip_while(|line| *line != "@usecs[net_rx]:").skip(1);
    let counts = rows.take_while(|line| line.starts_with(['[', '('])).filter_map(|row| row.split('|').next());
    let runs: u64 = counts.filter_map(|row| row.split_whitespace().last()?.parse::<u64>().ok()).sum();
    assert!(runs >= 200, "{runs} runs\n{out}");
    assert!(out.int("@total_usecs[net_rx]") > 0, "{out}");
}

#[test]
fn sockops_counts_calls_and_failures() {
    requires!(Bpf, Tracefs, NetNamespaces);
    let out = shown(Run::file("sockops"), |_| {
        named("rt_sockets", || {
            talk("127.0.0.1", 1, 1);
            (0..2).for_each(|_| assert!(TcpStream::connect("127.0.0.1:1").is_err()));
        });
    });
    let calls = [("socket", 4), ("bind", 1), ("listen", 1), ("connect", 3), ("accept", 1)];
    for (call, times) in calls {
        assert_eq!(out.int(&format!("@calls[rt_sockets, {call}]")), times, "{call}\n{out}");
    }
    assert_eq!(out.int("@failed[rt_sockets, connect, Connection refused]"), 2, "{out}");
}

/// A child that is killed with this value.
struct Killed(Child);

impl Killed {
    fn openssl(arguments: &[&str]) -> Killed {
        let mut command = Command::new("openssl");
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Killed(command.spawn().expect("openssl can be run"))
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn sslsnoop_has_what_is_encrypted() {
    requires!(Bpf, Uprobes, NetNamespaces, Program("openssl"));
    let session = Run::file("sslsnoop").start();
    session.wait_attached();
    in_own_network(|| {
        let key = ["-psk", "5eced0"];
        let server = [&["s_server", "-quiet", "-nocert", "-accept", "127.0.0.1:4433"][..], &key].concat();
        let _server = Killed::openssl(&server);
        let deadline = Instant::now() + patience(Duration::from_secs(10));
        while TcpStream::connect("127.0.0.1:4433").is_err() {
            assert!(Instant::now() < deadline, "the server does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        let client = [&["s_client", "-quiet", "-connect", "127.0.0.1:4433"][..], &key].concat();
        let mut client = Killed::openssl(&client);
        client.0.stdin.take().expect("it was asked for").write_all(b"rt secret\n").expect("it reads");
        session.wait_stdout(" out       10 rt secret\\x0a\n");
        session.wait_stdout(" in        10 rt secret\\x0a\n");
    });
    session.interrupt().code(0);
}
