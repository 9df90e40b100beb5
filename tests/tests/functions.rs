//! Functions and builtins: what they give on this kernel, in text and in JSON.

use rtrace_tests::workload::in_own_network;
use rtrace_tests::{Run, requires, rtrace, sibling, skip};

/// The one line that a script prints.
fn printed(program: &str) -> String {
    let out = Run::program(program).arg("-q").to_end();
    out.code(0);
    out.stdout.trim_end_matches('\n').to_owned()
}

#[test]
fn the_task_and_its_relatives() {
    requires!(Bpf, Btf);
    let program =
        "begin { print((ppid(curtask) == ppid, pcomm == pcomm(curtask), leader_tid == pid, leader_comm == comm)); }";
    assert_eq!(printed(program), "(true, true, true, true)");
}

/// There it is the number of the thread that started it.
#[test]
fn a_parent_is_a_process_whichever_of_its_threads_started_it() {
    requires!(Bpf, Btf, Own);
    let program = "begin { print((ppid, ppid(curtask), curtask.real_parent.tgid, curtask.real_parent.pid, pcomm)); }";
    // SAFETY: has no conditions.
    let of_thread = || (printed(program), unsafe { libc::gettid() });
    let thread = std::thread::Builder::new().name("rt_other".into()).spawn(of_thread);
    let (line, thread) = thread.expect("a thread can be started").join().expect("its work is done");
    let own = std::process::id();
    assert_ne!(own, thread as u32);
    assert_eq!(line, format!("({own}, {own}, {own}, {thread}, rt_other)"));
}

#[test]
fn builtins_have_values() {
    requires!(Bpf);
    assert_eq!(
        printed("begin { print((ncpus > cpu, rand < 4294967296, jiffies > 0, probetype, usermode, has_cpid)); }"),
        "(true, true, true, special, 1, false)"
    );
}

#[test]
fn clocks_agree() {
    requires!(Bpf, Kernel(6, 1));
    // Suspended time counts in one of them only; TAI is some decades ahead of both.
    let program = "begin { $boot = nsecs(boot); $tai = nsecs(tai); $soft = nsecs(sw_tai); \
                   print((nsecs(monotonic) <= nsecs, $tai > $boot, $soft - $tai < 1000000000, nsecs() >= $boot)); }";
    assert_eq!(printed(program), "(true, true, true, true)");
}

#[test]
fn texts_are_measured_compared_and_searched() {
    requires!(Bpf);
    let program = r#"begin { $a = "hello world"; $b = "world"; $none = "";
        print((strlen($a), strlen($none), strcap($a), strlen("abc")));
        print((strncmp($a, "hellx", 4), strncmp($a, "hellx", 5), strncmp($a, "hello world!", 100), strncmp("a", "b", 0)));
        print((strstr($a, $b), strstr($a, "hello"), strstr($a, "worlds"), strstr($a, "d"), strstr($b, $a)));
        print((strcontains($a, $b), strcontains($a, "o w"), strcontains($a, "x"), strcontains($a, ""), strcontains($none, $b), strcontains($a, $none)));
        print((memcmp($a, "hello", 5), memcmp($a, $b, 1), memcmp($b, $a, 1), memcmp($a, $b, 0)));
    }"#;
    let expected =
        "(11, 0, 12, 3)\n(0, 1, 1, 0)\n(6, 0, -2, 10, -2)\n(true, true, false, true, false, true)\n(0, -15, 15, 0)";
    assert_eq!(printed(program), expected);
}

#[test]
fn long_texts_are_searched_to_their_end() {
    requires!(Bpf);
    let long = format!("{}needle at the end, of more than eight bytes", "x".repeat(900));
    let program = r#"begin { $t = str($1); $n = "needle at the end"; print((strlen($t), strstr($t, $n), strcontains($t, "of more than eight bytes"), strcontains($t, "nedle"))); }"#;
    let out = Run::program(program).arg("-q").parameter(long.clone()).to_end();
    out.code(0).stdout_is(&format!("({}, 900, true, false)\n\n\n", long.len()));
}

#[test]
fn numbers_are_swapped() {
    requires!(Bpf);
    let program = r#"begin { $n = (uint32)0x12345678; $w = 0x1122334455667788; printf("%x %lx %x %x\n", bswap($n), bswap($w), bswap((uint16)0x1234), bswap((uint8)5)); print(is_err(-5)); print(is_err(pid)); }"#;
    assert_eq!(printed(program), "78563412 8877665544332211 3412 5\ntrue\nfalse");
}

#[test]
fn maps_know_their_keys() {
    requires!(Bpf, Kernel(6, 6));
    let program = r#"begin { @a[1, "x"] = 2; @a[2, "y"] = 3; print((has_key(@a, (1, "x")), has_key(@a, (1, "y")), len(@a))); delete(@a, (1, "x")); print(len(@a)); clear(@a); }"#;
    assert_eq!(printed(program), "(true, false, 2)\n1");
}

#[test]
fn addresses_and_buffers() {
    requires!(Bpf);
    let program = r#"begin { $v4 = 0x0100007f; @ip[ntop($v4), ntop(pton("fe80::1"))] = 1; @buf = buf("a\x01b", 3); @len[buf("abcdef", pid > 0 ? 4 : 2)] = 1;
        printf("%s %-12s| %r %rx %rh\n", ntop(10, pton("::1")), ntop(1), buf("ab", 2), buf("ab", 2), buf("ab", 2)); }"#;
    let out = Run::program(program).arg("-q").to_end();
    let expected =
        "::1 1.0.0.0     | ab \\x61\\x62 61 62\n\n\n@buf: a\\x01b\n@ip[127.0.0.1, fe80::1]: 1\n@len[abcd]: 1\n";
    out.code(0).stdout_is(expected);
    let out = Run::program(program).arg("-q").arg("-f").arg("json").to_end();
    out.stdout_has(r#"{"type": "map", "data": {"@buf": [97,1,98]}}"#);
    out.stdout_has(r#"{"type": "map", "data": {"@ip": {"127.0.0.1,fe80::1": 1}}}"#);
}

#[test]
fn numbers_have_names() {
    requires!(Bpf);
    let program = "begin { $e = 2; print((strerror($e), signal_name(9), syscall_name(-1), strerror(9999))); @[strerror($e)] = 1; }";
    let out = Run::program(program).arg("-q").to_end();
    out.code(0).stdout_is(
        "(No such file or directory, Killed, Unknown syscall, Unknown error)\n\n\n@[No such file or directory]: 1\n",
    );
}

#[test]
fn times_are_formed_when_printed() {
    requires!(Bpf);
    let program = r#"begin { @t = strftime("%Y-%f|", nsecs); @t = strftime("%%f", 0); print(@t); printf("%s\n", strftime("%f", nsecs)); time("%%H\n"); }"#;
    let out = Run::program(program).arg("-q").to_end();
    let lines: Vec<&str> = out.code(0).stdout.lines().collect();
    assert_eq!((lines[0], lines[2]), ("@t: %f", "%H"), "{out}");
    assert!(lines[1].len() == 6 && lines[1].bytes().all(|byte| byte.is_ascii_digit()), "{out}");
}

#[test]
fn commands_keep_the_order_of_the_output() {
    requires!(Bpf, Root);
    let program = r#"begin { printf("1\n"); system("echo %d", 2); printf("3\n"); cat("/proc/sys/kernel/%s", "ostype"); printf("5\n"); cat("/no/such/file"); }"#;
    let out = Run::program(program).arg("-q").arg("--unsafe").to_end();
    out.code(0).stdout_is("1\n2\n\n3\nLinux\n5\n\n\n");
    out.stderr_has("ERROR: failed to open file '/no/such/file' (No such file or directory)\n");
    let out = Run::program(program).arg("-q").arg("--unsafe").arg("-f").arg("json").to_end();
    out.stdout_has("{\"type\": \"syscall\", \"data\": \"2\\n\"}\n{\"type\": \"printf\", \"data\": \"3\\n\"}\n{\"type\": \"cat\", \"data\": \"Linux\\n\"}\n");
}

#[test]
fn what_changes_the_machine_must_be_permitted() {
    requires!(Bpf);
    let out = Run::program(r#"begin { system("echo no"); }"#).to_end();
    out.code(1).stderr_begins("stdin:1:9-26: ERROR: system() is an unsafe function being used in safe mode");
    out.nowhere("no\n\n");
}

#[test]
fn errors_of_the_script_itself() {
    requires!(Bpf);
    let program =
        r#"begin { errorf("bad %d", 1); warnf("odd"); assert(1 == 1, "never"); assert(pid == 0, "pid"); print(1); }"#;
    let out = Run::program(program).arg("-q").to_end();
    out.code(1).stdout_is("\n\n");
    out.stderr_has("stdin:1:9-28: ERROR: bad 1\n")
        .stderr_has("WARNING: odd\n")
        .stderr_has("ERROR: assert failed: pid\n");
    let out = Run::program(program).arg("-q").arg("--no-warnings").arg("-f").arg("json").to_end();
    out.stdout_has(r#"{"type": "errorf", "msg": "bad 1", "filename": "stdin", "line": 1, "col": 9}"#).nowhere("odd");
}

#[test]
fn stacks_are_keys_and_values() {
    requires!(Bpf, Tracefs);
    let program =
        "tracepoint:sched:sched_switch { @[kstack(3)] = count(); @n = len(kstack); } interval:ms:300 { exit(); }";
    let out = Run::program(program).arg("-q").to_end();
    // The kernel's own frames, not those of the machinery that ran the program.
    out.code(0).stdout_has("        __schedule+").nowhere("bpf_prog");
    assert!(out.int("@n") >= 3, "{out}");
}

#[test]
fn symbols_have_names() {
    requires!(Bpf, Root);
    let program =
        r#"begin { $a = kaddr("vfs_read"); print((ksym($a), ksym($a + 1), usym(1))); printf("%s\n", ksym(3)); }"#;
    assert_eq!(printed(program), "(vfs_read, vfs_read, 0x1)\n0x3");
    let out = Run::program(r#"begin { print(kaddr("no_such_symbol")); }"#).to_end();
    out.code(1).stderr_has("ERROR: Failed to resolve kernel symbol: no_such_symbol");
}

#[test]
fn join_prints_the_arguments_of_a_command() {
    requires!(Bpf, Tracefs);
    let program = r#"tracepoint:syscalls:sys_enter_execve /ppid == cpid/ { join(args.argv); join(args.argv, "|"); }"#;
    let out = Run::program(program).arg("-q").child("/bin/sh -c '/bin/echo a b >/dev/null; true'").to_end();
    out.code(0).stdout_has("/bin/echo a b\n/bin/echo|a|b\n");
}

#[test]
fn signals_are_sent() {
    requires!(Bpf, Tracefs, Root);
    let program = r#"tracepoint:syscalls:sys_enter_clock_nanosleep /pid == cpid/ { signal("SIGTERM"); }"#;
    let out = Run::program(program).arg("--unsafe").child("/bin/sleep 20").to_end();
    out.code(0).stderr_has("the command was ended by signal 15");
    let program = "tracepoint:syscalls:sys_enter_clock_nanosleep /pid == cpid/ { $n = 0; signal($n); $n = 65; signal_thread($n); $n = -1; signal($n); }";
    let out = Run::program(program).arg("--unsafe").child("/bin/sleep 0.1").to_end();
    let said = |what: &str| format!("() expects an integer between 1 and 64 (inclusive). Got {what}\n");
    out.code(0).stderr_has(&said("0")).stderr_has(&said("65")).stderr_has(&said("-1"));
    let out = Run::program("begin { signal(9); }").arg("--unsafe").to_end();
    out.code(1).stderr_has("signal() can not be used for this probetype special");
}

#[test]
fn memory_of_the_process_is_written() {
    requires!(Bpf, Tracefs, Root);
    let program = r#"tracepoint:syscalls:sys_enter_openat /pid == cpid && str(args.filename) == "/no/such/file"/ { @ = write_user(args.filename, "/dev/null", 10); }"#;
    let out = Run::program(program).arg("-q").arg("--unsafe").child("/bin/cat /no/such/file").to_end();
    if out.stderr.contains("cannot use helper bpf_probe_write_user") {
        return skip("functions::memory_of_the_process_is_written", "the kernel is locked down");
    }
    out.code(0).stdout_is("\n\n@: true\n");
    assert!(!out.stderr.contains("No such file"), "{out}");
}

#[test]
fn buffers_compare_and_config_is_read() {
    requires!(Bpf);
    let program = r#"begin { $a = buf("hi", 2); $b = buf("bye", 3); print(($a == $a, $a != $b, config.max_strlen, config().stack_mode)); }"#;
    assert_eq!(printed(program), "(true, true, 1024, bpftrace)");
}

#[test]
fn control_groups_have_paths() {
    requires!(Bpf, File("/sys/fs/cgroup"));
    let line = printed(
        r#"begin { print(cgroup_path(cgroupid("/sys/fs/cgroup"), "no_such_hierarchy")); print(cgroup_path(cgroup)); }"#,
    );
    assert!(line.lines().last().is_some_and(|line| line.contains(":/")), "{line}");
    let out = Run::program(r#"begin { print(cgroupid("/nope")); }"#).to_end();
    out.code(1).stderr_has("Failed to get `cgroupid` for path: \"/nope\": No such file or directory\n");
}

#[test]
fn symbols_and_registers_of_a_program() {
    requires!(Bpf, Uprobes);
    let work = sibling("work").display().to_string();
    let run = |body: &str| {
        let text = format!("uprobe:{work}:work_step /arg0 == 1/ {{ {body} }}");
        Run::program(text).arg("-q").child(format!("'{work}' call 2")).to_end()
    };
    run(r#"printf("%x\n", *uaddr("WORK_MARK"));"#).code(0).stdout_is("1234abcd\n\n\n");
    run(r#"print((reg("ip") == (uint64)uaddr("work_step"), usermode, len(ustack(1))));"#)
        .code(0)
        .stdout_is("(true, 1, 1)\n\n\n");
    if rtrace_tests::missing(&[rtrace_tests::Need::Kernel(6, 6)]).is_none() {
        let text = format!(
            r#"uretprobe:{work}:work_step {{ @ = (*uaddr("WORK_MARK") == 0x1234abcd, (uint64)uaddr("work_step") == (uint64)uaddr("work_step")); }}"#
        );
        Run::program(text)
            .arg("-q")
            .child(format!("'{work}' call 2"))
            .to_end()
            .code(0)
            .stdout_is("\n\n@: (true, true)\n");
    }
    run(r#"print(uaddr("no_such_symbol"));"#)
        .code(1)
        .stderr_has(&format!("Could not resolve symbol: {work}:no_such_symbol"));
}

#[test]
fn frames_of_a_process_have_names() {
    requires!(Bpf);
    let frames = printed("begin { print(ustack(perf, 4)); }");
    assert!(frames.contains("+") && frames.contains(" (/"), "{frames}");
}

#[test]
fn a_command_that_fails_is_told_behind_what_it_wrote() {
    requires!(Bpf);
    let program = r#"begin { printf("a\n"); system("echo b; echo c >&2; exit 3"); system("exit 4"); system("kill -9 $$"); printf("d\n"); }"#;
    let out = Run::program(program).arg("--unsafe").to_end();
    out.code(0).stdout_is("a\nb\nc\n\nd\n\n\n");
    out.stderr_has("ERROR: command exited with code 3\nERROR: command exited with code 4\n");
    out.stderr_has("ERROR: command was ended by signal 9");
}

#[test]
fn flags_for_getting_pages_have_names() {
    requires!(Bpf);
    let program = r#"begin { $f = 0xcc0; printf("%gr|%-12gr|%gr %gr\n", $f, 1, 0, 0x8000000000000820); }"#;
    assert_eq!(printed(program), "GFP_KERNEL|GFP_DMA     |0 GFP_ATOMIC|0x8000000000000000");
}

/// The packets of a capture file: seconds, nanoseconds, bytes.
fn packets(path: &std::path::Path) -> Vec<(u32, u32, Vec<u8>)> {
    let file = std::fs::read(path).expect("a capture file");
    let word = |at: usize| u32::from_ne_bytes(file[at..at + 4].try_into().expect("four bytes"));
    assert_eq!([word(0), word(4), word(16), word(20)], [0xa1b2_3c4d, 2 | 4 << 16, 65535, 101]);
    let mut packets = Vec::new();
    let mut at = 24;
    while at < file.len() {
        let length = word(at + 8) as usize;
        assert_eq!(word(at + 8), word(at + 12));
        packets.push((word(at), word(at + 4), file[at + 16..at + 16 + length].to_vec()));
        at += 16 + length;
    }
    packets
}

/// Two datagrams on a loopback of our own.
fn send_two() {
    in_own_network(|| {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
        for text in ["one", "and two"] {
            socket.send_to(text.as_bytes(), socket.local_addr().expect("bound")).expect("sent");
        }
    });
}

/// The bytes of those among the packets that are such datagrams, with the headers of IP and UDP before them.
fn the_two(path: &std::path::Path) -> Vec<Vec<u8>> {
    let sent = |bytes: &Vec<u8>| [&b"one"[..], b"and two"].contains(&bytes.get(28..).unwrap_or_default());
    packets(path).into_iter().map(|(.., bytes)| bytes).filter(sent).collect()
}

#[test]
fn packets_are_captured() {
    requires!(Bpf, Btf, NetNamespaces);
    let files = [rtrace_tests::Scratch::new("whole.pcap"), rtrace_tests::Scratch::new("part.pcap")];
    let [whole, part] = files.each_ref().map(rtrace_tests::Scratch::path);
    let program = format!(
        r#"rawtracepoint:netif_receive_skb /pid == $1/ {{
            $skb = args.skb;
            printf("%d %d\n", args.skb.len, skboutput("{}", $skb, args.skb.len, 0));
            skboutput("{}", (struct sk_buff *)arg0, 24, 20);
        }}"#,
        whole.display(),
        part.display()
    );
    let out = Run::program(program).parameter(std::process::id().to_string()).arg("-q").run(|session| {
        send_two();
        session.wait_stdout("35 0");
    });
    out.code(0);
    let bytes = the_two(whole);
    assert_eq!(bytes.iter().map(|bytes| &bytes[28..]).collect::<Vec<_>>(), [&b"one"[..], b"and two"], "{out}");
    assert!(bytes.iter().all(|bytes| bytes[0] == 0x45));
    // The first four bytes of UDP's header are the two ports.
    let parts = packets(part);
    for packet in &bytes {
        assert!(parts.iter().any(|(.., part)| part[..] == packet[20..24]), "{parts:?}");
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    assert!(parts.iter().all(|(seconds, rest, bytes)| {
        now.abs_diff((*seconds).into()) < 600 && *rest < 1_000_000_000 && bytes.len() == 4
    }));
}

#[test]
fn packets_are_captured_where_they_leave() {
    requires!(Bpf, Btf, NetNamespaces, Fentry);
    let file = rtrace_tests::Scratch::new("sent.pcap");
    let program = format!(
        r#"fentry:__dev_queue_xmit /pid == $1/ {{ printf("%d sent %d\n", args.skb.len, skboutput("{}", args.skb, args.skb.len, 14)); }}"#,
        file.path().display()
    );
    let out = Run::program(program).parameter(std::process::id().to_string()).arg("-q").run(|session| {
        send_two();
        session.wait_stdout("49 sent 0");
    });
    out.code(0);
    assert_eq!(the_two(file.path()).len(), 2, "{out}");
}

#[test]
fn a_socket_has_a_number() {
    requires!(Bpf, Btf);
    // Its event is rare: that the kernel takes it is what counts.
    let program = "rawtracepoint:tcp_probe { $sock = args.sk; print((socket_cookie(args.sk), socket_cookie($sock))); } \
                   interval:ms:1 { exit(); }";
    Run::program(program).to_end().code(0);
}

#[test]
fn a_pointer_that_the_kernel_does_not_know_is_explained() {
    requires!(Bpf, Btf);
    for (statements, place) in [
        ("@sock = args.sk; print(socket_cookie(@sock));", "stdin:1:50-70"),
        ("$sock = args.sk; $sock++; print(socket_cookie($sock));", "stdin:1:59-79"),
    ] {
        let out = Run::program(format!("rawtracepoint:tcp_probe {{ {statements} }}")).to_end();
        out.code(1).stderr_has(&format!("{place}: ERROR: the kernel's verifier refuses the program"));
        out.stderr_has("the kernel has to know what this points to: give it an argument of the event itself");
    }
}

#[test]
fn a_capture_file_that_cannot_be_written_is_named() {
    requires!(Bpf, Btf);
    let program = r#"rawtracepoint:consume_skb { skboutput("/nowhere/at/all.pcap", (struct sk_buff *)arg0, 1, 0); }"#;
    let out = Run::program(program).to_end();
    out.code(1).stderr_has("cannot write to /nowhere/at/all.pcap: No such file or directory");
}

#[test]
fn entries_are_found_with_one_look() {
    requires!(Bpf);
    let program = r#"begin {
        @m[2] = (1, "hello"); @n["a", 1] = -5; @c[1] = count(); @c[1] = count(); $key = 1;
        let $v; let $n = (int64)7; let $c;
        if (find(@m, 2, $v)) { print($v); }
        print((find(@n, ("a", 2), $n), $n));
        print((find(@n, ("a", $key++), $n), $n, $key));
        print((find(@c, 1, $c), $c, find(@c, 2, $c)));
        for ($i : 0..4) { if (find(@n, ("a", $i), $found)) { print(($i, $found)); } }
        clear(@m); clear(@n); clear(@c);
    }"#;
    assert_eq!(printed(program), "(1, hello)\n(false, 7)\n(true, -5, 2)\n(true, 2, false)\n(1, -5)");
    let all = "macro both(@m, $a, $b) { find(@m, 1, $a) && find(@m, 2, $b) && find(@m, 3, $own) && $own == 4 }
        begin { @m[1] = 2; @m[2] = 3; @m[3] = 4; let $x; let $y; print(both(@m, $x, $y)); print(($x, $y)); clear(@m); }";
    assert_eq!(printed(all), "true\n(2, 3)");
}

#[test]
fn texts_are_joined() {
    requires!(Bpf);
    let program = r#"begin { $a = "ab"; $b = str_concat($a, "cd"); $none = "";
        $a = str_concat($a, $a); print(($a, $b, $a == "abab", strlen(str_concat($none, $a)), str_concat($none, $none) == ""));
        print((str_concat("x", "y"), str_concat(str_concat(comm, "-"), $b) == "rtrace-abcd", sizeof(str_concat($b, "xyz"))));
        @[str_concat($b, $a)] = 1; }"#;
    let out = Run::program(program).arg("-q").to_end();
    out.code(0).stdout_is("(abab, abcd, true, 4, true)\n(xy, true, 1024)\n\n\n@[abcdabab]: 1\n");
}

#[test]
fn structures_around_a_member() {
    requires!(Bpf, Btf);
    let program = "struct pair { int a; struct { int b; int c; } in; }
        macro whole(p, t, m) { container_of(p, t, m) }
        begin { $p = container_of(curtask, typeof(struct task_struct), pid); $o = offsetof(struct task_struct, pid);
        print(((uint64)curtask - (uint64)$p == $o, sizeof(*$p) == sizeof(struct task_struct)));
        print(((uint64)container_of((int32 *)100, typeof(struct pair), in.c), whole((int32 *)100, typeof(struct pair), in.b))); }";
    assert_eq!(printed(program), "(true, true)\n(92, 0x60)");
    let program =
        "begin { $p = (int8 *)curtask.comm; print((str($p) == comm, strcap($p) == strlen(comm), $p[0] == comm[0])); }";
    assert_eq!(printed(program), "(true, true, true)");
}

#[test]
fn the_kernel_says_what_may_be_called() {
    requires!(Bpf, Btf, Kernel(6, 6));
    let program = r#"begin { print((kfunc_exist("bpf_map_sum_elem_count"), kfunc_exist("bpf_no_such"), kfunc_allowed("bpf_map_sum_elem_count"), kfunc_allowed("bpf_no_such"), kfunc_allowed("bpf_task_from_pid"))); }"#;
    let answer = printed(program);
    assert!(answer.starts_with("(true, false, true, false, "), "{answer}");
    let program = r#"iter:task { if comptime kfunc_allowed("bpf_task_from_pid") { @[comm(ctx.task.pid) == ctx.task.comm] = 1; @no = comm(-1); } }"#;
    let out = Run::program(program).arg("-q").to_end();
    out.code(0).stdout_is("\n\n@[true]: 1\n@no: N/A\n").stderr_has("WARNING: No such process");
    let out = Run::program("begin { print(comm(1)); }").arg("-q").to_end();
    if answer.ends_with("true)") {
        // Linux 7.0 and later let any program look for a task.
        let first = std::fs::read_to_string("/proc/1/comm").expect("there is a first process");
        out.code(0).stdout_is(&format!("{first}\n\n"));
    } else {
        out.code(1).stderr_has("Syntax comm(PID) is not supported in this probe type yet. Type: special");
    }
}

#[test]
fn open_files_have_paths() {
    requires!(Bpf, Btf, Kernel(5, 10));
    let _open = std::fs::File::open("/proc/version").expect("every Linux has it");
    let program = r#"iter:task_file /ctx.task.tgid == $1/ { $long = path(ctx.file.f_path); if ($long == "/proc/version") { print(($long, path(ctx.file.f_path, 8), sizeof(path(ctx.file.f_path, 8)))); } }"#;
    let out = Run::program(program).arg("-q").parameter(std::process::id().to_string()).to_end();
    out.stdout_has("(/proc/version, version, 8)\n");
    let out = Run::program("iter:task { $f = ctx.task.mm.exe_file; print(path($f.f_path)); }").to_end();
    out.code(1).stderr_has("path() can only follow pointers from the event on");
}

#[test]
fn config_is_a_record() {
    requires!(Bpf);
    let program = "config = { max_map_keys = 77; missing_probes = warn } begin { $c = config; print(($c.max_map_keys, config().missing_probes, $c.license, default_str_length)); }";
    assert_eq!(printed(program), "(77, warn, GPL, 1024)");
    assert!(printed("begin { print(config); }").starts_with("{ .cpp_demangle = true, .lazy_symbolication = true, "));
}

#[test]
fn processes_are_counted_in_the_own_namespace() {
    requires!(Bpf, Root, Program("unshare"));
    let program = "begin { print((pid, pid(curr_ns), tid, tid(curr_ns), pid(init) > 1, tid(init) > 1)); }";
    let inside = Run::program(program).of("unshare").arg("--fork").arg("--pid").arg("--mount-proc").arg(rtrace());
    let out = inside.to_end();
    if out.stderr.contains("unshare:") {
        return skip("functions::processes_are_counted_in_the_own_namespace", "no namespace can be made here");
    }
    out.code(0).stdout_is("(1, 1, 1, 1, true, true)\n\n\n");
    assert_eq!(printed("begin { print((pid(init) == pid(curr_ns), tid == tid(init))); }"), "(true, true)");
}

#[test]
fn memory_of_any_length_is_compared() {
    requires!(Bpf);
    let program = r#"begin { $n = 2; $w = (uint32)1; print((memcmp("abc", "abd", $n), memcmp("abc", "abd", $n + 1), memcmp($w, (uint32)2, 4), memcmp((uint64)256, (uint64)1, 1), memcmp("a", "abc", 100), memcmp(comm, comm, 16), memcmp("x", "y", 0))); }"#;
    assert_eq!(printed(program), "(0, -1, -1, -1, -98, 0, 0)");
}

#[test]
fn aggregations_may_end_a_block() {
    requires!(Bpf);
    let program = "macro gather(@m, $by) { @m[1] = { $twice = $by * 2; sum($twice) } } begin { let $n = 4; @x = { let $a = 100; avg($a) }; @y = { count() }; gather(@z, $n); }";
    let out = Run::program(program).arg("-q").to_end();
    out.code(0).stdout_is("\n\n@x: 100\n@y: 1\n@z[1]: 8\n");
}

#[test]
fn told_errors_know_where_they_were_expanded() {
    requires!(Bpf);
    let program = r#"macro bad(x) { errorf("bad %d", x) } macro worse($x) { $x++; bad($x) } begin { $y = 1; worse($y); bad(5); }"#;
    let out = Run::program(program).to_end();
    let err = &out.code(0).stderr;
    let place = |text: &str| err.find(text).unwrap_or_else(|| panic!("{text} is missing: {out}"));
    let places = [
        "16-35: ERROR: bad 2",
        "62-69: ERROR: expanded from",
        "88-97: ERROR: expanded from",
        "16-35: ERROR: bad 5",
        "99-105: ERROR: expanded from",
    ]
    .map(place);
    assert!(places.is_sorted(), "{out}");
}

#[test]
fn what_an_event_hands_over_may_be_nothing() {
    requires!(Bpf);
    let out =
        Run::program("struct x { unsigned long n; } interval:ms:1 { @ = (is_ptr(ctx), ((struct x *)ctx).n); exit(); }")
            .arg("-q")
            .to_end();
    out.code(0).stdout_is("\n\n@: (true, 0)\n");
    let out = Run::program("begin { print(cpid); assert(cpid > 0, comm); }").arg("-q").to_end();
    out.code(1)
        .stdout_is("0\n\n\n")
        .stderr_has("No child command (`-c`); cpid is zero")
        .stderr_has("ERROR: assert failed: rtrace");
}

#[test]
fn names_of_numbers_are_texts() {
    requires!(Bpf);
    let program = r#"begin { $x = strerror(2); $s = 9; $n = pid > 0 ? signal_name($s) : "none";
        print((strlen($x), $x == "No such file or directory", $x != strerror(-2), strcontains($x, "file"), is_str($x)));
        print((str_concat($x, "!"), $n, strlen($n), strncmp(syscall_name(0), "read", 5), str(signal_name(2), 4)));
        print((strerror(0), strerror(5000) == "Unknown error", signal_name(64) == "Real-time signal 30", syscall_name(9999) == "Unknown syscall")); }"#;
    let expected =
        "(25, true, false, true, true)\n(No such file or directory!, Killed, 6, 0, Int)\n(Success, true, true, true)";
    assert_eq!(printed(program), expected);
    let program = r#"begin { @[strerror(2)] = 1; $e = "abc"; $e = strerror(1); $t = (strerror(1), 1); @t[1] = $t; @t[2] = ("abc", 2); @n = strerror(1); @n = signal_name(9);
        print((@["No such file or directory"], $e, @t[1] == ($e, 1), @t[2].0, @n == "Killed")); clear(@); clear(@t); clear(@n); }"#;
    assert_eq!(printed(program), "(1, Operation not permitted, true, abc, true)");
}

#[test]
fn traced_functions_tell_paths_and_sockets() {
    // comm(pid) takes 6.2.
    requires!(Bpf, Btf, Fentry, Kernel(6, 2));
    let program = r#"fentry:security_file_open /pid == cpid/ { $p = path(args.file.f_path); $s = path(args.file.f_path, 5); if (strcontains($p, "/proc/version")) { print(($p, $s, comm(pid) == comm)); } }"#;
    let out = Run::program(program).arg("-q").child("cat /proc/version").to_end();
    out.code(0).stdout_has("(/proc/version, sion, true)\n");
}

#[test]
fn sockets_have_cookies() {
    requires!(Bpf, Btf, Kernel(5, 12));
    let program = "rawtracepoint:inet_sock_set_state { $c = socket_cookie(args.sk); if ($c == socket_cookie(args.sk) && $c > 0) { @ok = 1; } @args = arg0 == (uint64)args.sk; }";
    let session = Run::program(program).arg("-q").start();
    session.wait_attached();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("the loopback is there");
    drop(std::net::TcpStream::connect(listener.local_addr().expect("it is bound")));
    let out = session.interrupt();
    out.code(0).stdout_is("\n\n@args: true\n@ok: 1\n");
    let out = Run::program("begin { print(socket_cookie(curtask)); }").to_end();
    out.code(1).stderr_has("socket_cookie can not be used with \"begin\" probes");
}

#[test]
fn every_cpu_has_its_own() {
    requires!(Bpf, Btf);
    let program = r#"begin { $rq = (struct rq *)percpu_kaddr("runqueues", 0); print(($rq.cpu, percpu_kaddr("runqueues", 100000), *percpu_kaddr("process_counts") == *percpu_kaddr("process_counts", cpu), ((struct rq *)percpu_kaddr("runqueues")).cpu == cpu)); }"#;
    let out = Run::program(program).arg("-q").to_end();
    if out.stderr.contains("built without CONFIG_KALLSYMS_ALL") {
        return skip("functions::every_cpu_has_its_own", "kallsyms has no variables");
    }
    out.code(0).stdout_is("(0, 0, true, true)\n\n\n");
}
