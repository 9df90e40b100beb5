//! Packets: where they are seen, and what becomes of them.

use rtrace_tests::net::{self, Group, Pair, frame};
use rtrace_tests::{Output, Run, requires};

/// So many datagrams, each of which says its number.
fn datagrams(count: u8) -> Vec<Vec<u8>> {
    (0..count).map(|number| frame::udp4(1000, 2000, &[number; 4])).collect()
}

fn send(pair: &Pair, packets: &[Vec<u8>]) {
    pair.send(&packets.iter().map(Vec::as_slice).collect::<Vec<_>>());
}

/// The numbers of packets that came through.
fn numbers(packets: &[Vec<u8>]) -> Vec<u8> {
    packets.iter().filter_map(|packet| packet.last().copied()).collect()
}

/// What a script for `rt_a`, whose packets come from `rt_b`, says of seven packets, and which of them arrive.
fn on_seven(script: &str) -> (Output, Vec<u8>) {
    net::alone(|| {
        let pair = Pair::new("rt_a", "rt_b");
        let arrivals = pair.arrivals();
        let out = Run::program(script).arg("--unsafe").run(|_| send(&pair, &datagrams(7)));
        let arrived = arrivals.received();
        (out, numbers(&arrived))
    })
}

#[test]
fn every_place_sees_each_packet_once() {
    requires!(Bpf, Veth);
    let places = [
        "xdp:rt_a",
        "xdp:rt_a:native",
        "xdp:rt_a:skb",
        "tc:rt_a:ingress",
        "tc:rt_b:egress",
        "socket:rt_a",
        "socket:rt_b",
    ];
    for place in places {
        let (out, arrived) = on_seven(&format!("{place} {{ @[probe] = count(); }}"));
        out.code(0).stdout_is(&format!("\n\n@[{place}]: 7\n"));
        assert_eq!(arrived, [0, 1, 2, 3, 4, 5, 6], "{out}");
    }
}

#[test]
fn a_pattern_covers_interfaces() {
    requires!(Bpf, Veth);
    let (out, _) = on_seven("tc:rt_*:egress { @[probe] = count(); } xdp:rt_[ab] { @x = count(); }");
    out.code(0).stdout_has("@[tc:rt_b:egress]: 7\n").stdout_has("@x: 7\n");
    out.stderr_has("Attached 4 probes");
}

#[test]
fn what_is_dropped_does_not_arrive() {
    requires!(Bpf, Veth);
    for place in ["xdp:rt_a:native", "xdp:rt_a:skb", "tc:rt_b:egress"] {
        let (drop, aborted) = if place.starts_with("xdp") { ("XDP_DROP", "XDP_ABORTED") } else { ("TC_ACT_SHOT", "2") };
        let script = format!(
            "{place} {{ @n++; if (@n == 2) {{ return {drop}; }} if (@n == 4) {{ return {aborted}; }} @passed = count(); }}"
        );
        let (out, arrived) = on_seven(&script);
        out.code(0).stdout_has("@passed: 5\n");
        assert_eq!(arrived, [0, 2, 4, 5, 6], "{out}");
    }
}

#[test]
fn what_is_dropped_behind_the_capture_programs_is_not_heard() {
    requires!(Bpf, Veth);
    net::alone(|| {
        let pair = Pair::new("rt_a", "rt_b");
        let listener = pair.listen(2000);
        let script = "tc:rt_a:ingress { @n++; if (@n % 2 == 0) { return TC_ACT_SHOT; } return TC_ACT_OK; }";
        let out = Run::program(script).arg("--unsafe").run(|_| send(&pair, &datagrams(7)));
        out.code(0).stdout_has("@n: 7\n");
        assert_eq!(numbers(&listener.received()), [0, 2, 4, 6], "{out}");
    });
}

#[test]
fn nothing_but_a_verdict_drops() {
    requires!(Bpf, Veth);
    // Ways out of a program: a predicate, a return, the end of tracing, the end, from within loops of each kind; and
    // things that go wrong at run time.
    let bodies = [
        "/nsecs == 1/ { @ = count(); }",
        "{ return; }",
        "{ exit(); }",
        "{ @x[nsecs] = 1 / @zero; print(*(uint64 *)1); }",
        "{ for ($i : 0..100) { if ($i == 50) { return; } } }",
        "{ @m[1] = 1; for ($kv : @m) { return; } }",
        "{ @m[1] = 1; for ($kv : @m) { if (nsecs == 1) { return DROP; } } }",
        "{ @m[nsecs] = count(); printf(\"%s\\n\", str(kaddr(\"_text\"), 64)); }",
        "{ $v = nsecs; if ($v == 1) { return $v; } }",
    ];
    for (place, loss) in [("xdp:rt_a", ""), ("tc:rt_b:egress", ""), ("xdp:rt_a", "config = { max_map_keys = 1 } ")] {
        for body in bodies {
            let body = body.replace("DROP", if place.starts_with("xdp") { "XDP_DROP" } else { "TC_ACT_SHOT" });
            let (out, arrived) = on_seven(&format!("{loss}{place} {body}"));
            assert_eq!(arrived, [0, 1, 2, 3, 4, 5, 6], "{place} {body}\n{out}");
        }
    }
}

#[test]
fn a_flood_that_cannot_be_told_is_not_dropped() {
    requires!(Bpf, Veth);
    net::alone(|| {
        let pair = Pair::new("rt_a", "rt_b");
        let arrivals = pair.arrivals();
        let script = "xdp:rt_a { for ($i : 0..64) { printf(\"%1000d\\n\", $i); } @n = count(); }";
        let run = Run::program(script).env("BPFTRACE_PERF_RB_PAGES", "1");
        let out = run.run(|_| (0..20).for_each(|_| send(&pair, &datagrams(7))));
        out.code(0).stdout_has("@n: 140\n");
        assert!(out.lost() > 0, "it was not too much");
        assert_eq!(arrivals.received().len(), 140, "{}", out.stderr);
    });
}

#[test]
fn a_verdict_leaves_loops_and_goes_by_its_value() {
    requires!(Bpf, Veth);
    let scripts = [
        // Called bodies cannot return for the program.
        "xdp:rt_a { @m[1] = 1; @n++; for ($kv : @m) { if (@n % 2 == 0) { return XDP_DROP; } } @passed = count(); }",
        "xdp:rt_a { @n++; $i = 0; while ($i < 1000) { $i++; if (@n % 2 == 0 && $i > 500) { return XDP_DROP; } } @passed = count(); }",
        "xdp:rt_a { @n++; @passed = sum(@n % 2); return @n % 2 == 0 ? XDP_DROP : XDP_PASS; }",
        // What is no verdict lets the packet pass.
        "xdp:rt_a { @n++; @passed = sum(@n % 2); $v = @n % 2 == 0 ? 1 : 77; return $v; }",
        "tc:rt_b:egress { @n++; @passed = sum(@n % 2); return @n % 2 == 0 ? TC_ACT_SHOT : TC_ACT_UNSPEC; }",
    ];
    for script in scripts {
        for kernel in ["", "6.1"] {
            let (out, arrived) = net::alone(|| {
                let pair = Pair::new("rt_a", "rt_b");
                let arrivals = pair.arrivals();
                let mut run = Run::program(script).arg("--unsafe");
                if !kernel.is_empty() {
                    run = run.env("RTRACE_AS_KERNEL", kernel);
                }
                let out = run.run(|_| send(&pair, &datagrams(7)));
                (out, numbers(&arrivals.received()))
            });
            out.code(0).stdout_has("@passed: 4\n");
            assert_eq!(arrived, [0, 2, 4, 6], "{script}\n{out}");
        }
    }
}

#[test]
fn packets_go_back_and_elsewhere() {
    requires!(Bpf, Veth);
    let back = net::alone(|| {
        let pair = Pair::new("rt_a", "rt_b");
        let returns = pair.returns();
        // Without it the driver has nowhere to take packets that come back natively.
        let out = Run::program("xdp:rt_a:skb { @n = count(); return XDP_TX; }").arg("--unsafe");
        out.run(|_| send(&pair, &datagrams(3))).code(0).stdout_has("@n: 3\n");
        numbers(&returns.received())
    });
    assert_eq!(back, [0, 1, 2]);
    for script in [
        "xdp:rt_a:skb { @n++; redirect(\"rt_c\"); @never = 1; }",
        "xdp:rt_a:skb { @n++; return redirect(\"rt_c\"); }",
        "tc:rt_a:ingress { @n++; redirect(\"rt_c\"); }",
        "xdp:rt_a:skb { @m[1] = 1; @n++; for ($kv : @m) { redirect(\"rt_c\"); } }",
    ] {
        net::alone(|| {
            let [pair, other] = [Pair::new("rt_a", "rt_b"), Pair::new("rt_c", "rt_d")];
            let beyond = other.returns();
            let out = Run::program(script).arg("--unsafe").run(|_| send(&pair, &datagrams(3)));
            out.code(0).stdout_has("@n: 3\n").nowhere("@never: 1");
            assert_eq!(numbers(&beyond.received()), [0, 1, 2], "{script}\n{out}");
        });
    }
}

#[test]
fn probes_of_one_interface_run_in_their_order() {
    requires!(Bpf, Veth);
    let xdp = "xdp:rt_a { @n++; @a = count(); if (@n == 3) { return XDP_DROP; } } \
               xdp:rt_a /@n != 5/ { @b = count(); for ($i : 0..3) { @c = count(); } } \
               xdp:rt_* { @d[probe] = count(); }";
    let (out, arrived) = on_seven(xdp);
    out.code(0).stdout_has("@a: 7\n").stdout_has("@b: 5\n").stdout_has("@c: 15\n").stdout_has("@d[xdp:rt_a]: 6\n");
    assert_eq!(arrived, [0, 1, 3, 4, 5, 6], "{out}");
    let tc = "tc:rt_b:egress { @n++; @a = count(); if (@n == 3) { return TC_ACT_SHOT; } } \
              tc:rt_b:egress { @b = count(); if (@n == 4) { return TC_ACT_OK; } } tc:rt_b:egress { @c = count(); }";
    let (out, arrived) = on_seven(tc);
    out.code(0).stdout_has("@a: 7\n").stdout_has("@b: 6\n").stdout_has("@c: 5\n");
    assert_eq!(arrived, [0, 1, 3, 4, 5, 6], "{out}");
    let differ = "xdp:rt_a:native { @a = 1; } xdp:rt_a:skb { @b = 1; }";
    net::alone(|| {
        let _pair = Pair::new("rt_a", "rt_b");
        Run::program(differ).to_end().code(1).stderr_has("an interface runs one XDP program, in one mode");
    });
}

#[test]
fn nothing_is_left_on_an_interface() {
    requires!(Bpf, Veth);
    for (place, links_needed) in [("xdp:rt_a", false), ("tc:rt_a:ingress", true), ("socket:rt_a", false)] {
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGKILL] {
            net::alone(|| {
                let pair = Pair::new("rt_a", "rt_b");
                let session = Run::program(format!("{place} {{ @ = count(); }}")).start();
                session.wait_attached();
                assert_eq!(pair.xdp_program() != 0, place.starts_with("xdp"));
                let has_filter = pair.clsacts() > 0;
                assert!(links_needed || !has_filter);
                session.signal(signal);
                drop(session.to_end());
                // Only a filter, on kernels without links for it, outlives a kill.
                let may_stay = has_filter && signal == libc::SIGKILL;
                assert_eq!((pair.xdp_program(), pair.clsacts()), (0, usize::from(may_stay)), "{place} {signal}");
            });
        }
    }
}

#[test]
fn an_interface_that_is_taken_says_by_whom() {
    requires!(Bpf, Veth);
    net::alone(|| {
        let _pair = Pair::new("rt_a", "rt_b");
        let first = Run::program("xdp:rt_a { @ = count(); }").start();
        first.wait_attached();
        for place in ["xdp:rt_a", "xdp:rt_a:native", "xdp:rt_a:skb"] {
            let out = Run::program(format!("{place} {{ @ = count(); }}")).to_end();
            out.code(1).stderr_has("rt_a has another XDP program already: rt_a (number ");
            out.stderr_has(&format!(" of process {} (rtrace)", first.pid())).stderr_has("trace at tc:rt_a:ingress");
        }
        first.interrupt().code(0);
    });
}

#[test]
fn what_the_driver_refuses_the_kernel_runs() {
    requires!(Bpf, Veth);
    net::alone(|| {
        let pair = Pair::new("rt_a", "rt_b");
        pair.set_mtu(9000);
        let out = Run::program("xdp:rt_a { @ = count(); }").run(|_| send(&pair, &datagrams(2)));
        out.code(0).stdout_has("@: 2\n");
        out.stderr_has("WARNING: xdp:rt_a: attached in skb mode, which is slower, because the driver says no: ");
        let out = Run::program("xdp:rt_a:native { @ = count(); }").to_end();
        out.code(1).stderr_has("the driver of rt_a does not run this XDP program: ").stderr_has("leave :native out");
        let out = Run::program("xdp:rt_a:offload { @ = count(); }").to_end();
        out.code(1).stderr_has("rt_a does not run this XDP program itself");
    });
}

#[test]
fn a_control_group_has_packets_of_its_own() {
    requires!(Bpf, Veth, CgroupPrograms);
    net::alone(|| {
        let group = Group::new("packets");
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("there is a loopback");
        socket.set_read_timeout(Some(std::time::Duration::from_millis(300))).expect("it is not zero");
        let to = socket.local_addr().expect("it is bound");
        let script = format!(
            "cgroup_skb:{0}:egress {{ @out++; if (@out == 2) {{ return 0; }} return 1; }} \
             cgroup_skb:{0}:egress {{ @[probe] = count(); $x = 5; return $x; }} cgroup_skb:{0}:ingress {{ @in = count(); }}",
            group.path
        );
        let out = Run::program(script).arg("--unsafe").run(|_| {
            // Only the sending end belongs to the group's process.
            group.run(|| {
                if let Ok(sender) = std::net::UdpSocket::bind("127.0.0.1:0") {
                    for number in 0..4u8 {
                        let _ = sender.send_to(&[number], to);
                    }
                }
            });
            let _ = socket.send_to(&[9], to);
        });
        out.code(0).stdout_has("@out: 4\n").nowhere("@in: ");
        let mut buffer = [0; 8];
        let arrived: Vec<u8> = std::iter::from_fn(|| socket.recv(&mut buffer).ok().map(|_| buffer[0])).collect();
        assert_eq!(arrived, [0, 2, 3, 9], "{out}");
    });
}

#[test]
fn what_the_kernel_tells_of_a_packet_can_be_read() {
    requires!(Bpf, Btf, Veth);
    let length = frame::udp4(1, 2, &[0; 4]).len();
    let (out, _) = on_seven(
        "xdp:rt_a { @ends[ctx.data_end - ctx.data] = count(); @from[ctx.ingress_ifindex > 0] = count(); } \
         tc:rt_b:egress { @bytes[ctx.len] = count(); } socket:rt_a { @seen = sum(ctx.len); }",
    );
    out.code(0).stdout_has(&format!("@ends[{length}]: 7\n")).stdout_has("@from[true]: 7\n");
    out.stdout_has(&format!("@bytes[{length}]: 7\n")).stdout_has(&format!("@seen: {}\n", length * 7));
}

#[test]
fn the_rest_of_the_language_is_there() {
    requires!(Bpf, Veth);
    for place in ["xdp:rt_a", "tc:rt_a:ingress", "tc:rt_b:egress", "socket:rt_a"] {
        let script = format!(
            "{place} {{ @h = hist(nsecs); @c[cpu, probetype] = count(); @s = stats(elapsed); @l = lhist(rand % 10, 0, 10, 1); \
             @t = tseries(1, 1s, 4); @m[jiffies > 0] = sum(ncpus); @q = avg(numaid); printf(\"%s %s\\n\", probe, ksym(0)); \
             print(strftime(\"%Y\", nsecs)); @k[\"text\"] = max(nsecs(monotonic)); delete(@k, \"none\"); \
             if (has_key(@k, \"text\")) {{ @has = 1; }} print((1, \"x\")); time(\"%Y\\n\"); \
             @last = nsecs; $x = @c[cpu, probetype]; if ($x > 1) {{ clear(@m); }} }} interval:ms:1 {{ @i = 1; }}"
        );
        let (out, arrived) = on_seven(&script);
        out.code(0).stdout_has(&format!("{place} 0\n")).stdout_has("@has: 1\n").stdout_has("(1, x)\n");
        assert_eq!(arrived.len(), 7, "{out}");
    }
}

#[test]
fn entries_are_counted_where_the_kernel_counts_them() {
    requires!(Bpf, Btf, Veth, Kernel(6, 6));
    for place in ["xdp:rt_a", "tc:rt_a:ingress", "socket:rt_a"] {
        let (out, _) = on_seven(&format!("{place} {{ @n++; @k[@n] = 1; @len = len(@k); }}"));
        out.code(0).stdout_has("@len: 7\n");
    }
}

#[test]
fn interfaces_and_groups_are_listed() {
    requires!(Bpf, Veth);
    net::alone(|| {
        let _pair = Pair::new("rt_a", "rt_b");
        let list = |pattern: &str| Run::bare().arg("-l").arg(pattern).to_end().stdout.clone();
        assert_eq!(list("xdp:*"), "xdp:lo\nxdp:rt_a\nxdp:rt_b\n");
        assert_eq!(list("socket:rt_*"), "socket:rt_a\nsocket:rt_b\n");
        assert_eq!(list("tc:rt_a"), "tc:rt_a:egress\ntc:rt_a:ingress\n");
        assert_eq!(list("tc:*:egress"), "tc:lo:egress\ntc:rt_a:egress\ntc:rt_b:egress\n");
        if let Some(root) = net::cgroup_root() {
            let groups = list("cgroup_skb:*");
            assert!(groups.contains(&format!("cgroup_skb:{root}:ingress\n")), "{groups}");
        }
    });
}

#[test]
fn mistakes_are_told() {
    requires!(Bpf, Veth);
    net::alone(|| {
        let _pair = Pair::new("rt_a", "rt_b");
        let refused = |script: &str, why: &[&str]| {
            let out = Run::program(script).to_end();
            why.iter().fold(out.code(1), |out, why| out.stderr_has(why));
        };
        refused("xdp:rt_c { @ = 1; }", &["there is no network interface rt_c", "did you mean xdp:rt_a?"]);
        refused("tc:zz*:ingress { @ = 1; }", &["no network interface fits zz*", "there are lo, rt_a, rt_b"]);
        refused("cgroup_skb:/no/such:ingress { @ = 1; }", &["there is no control group /no/such"]);
        refused("cgroup_skb:/proc:ingress { @ = 1; }", &["/proc is no control group of the unified hierarchy"]);
        refused("xdp:rt_a { return XDP_DROP; }", &["XDP_DROP is unsafe: the packet is dropped", "--unsafe permits it"]);
        refused("xdp:rt_a { redirect(\"rt_b\"); }", &["redirect() is an unsafe function being used in safe mode"]);
        refused("xdp:rt_a { print(comm); }", &["comm can not be used with 'xdp' probes", "belongs to no process"]);
        refused("tc:rt_a:egress { @[kstack] = count(); }", &["kstack can not be used with 'tc' probes"]);
    });
}
