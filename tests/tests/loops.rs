//! Loops in every way in which they become code, and aggregations read inside the program.

use rtrace_tests::workload::allowed_cpus;
use rtrace_tests::{Need, Output, Run, Scratch, Work, Worker, missing, requires, volume};

/// The ways to compile: for the running kernel, and as for one whose loops are called bodies. The emulated kernels are
/// some with the one and some with the other.
fn kernels() -> &'static [&'static str] {
    if missing(&[Need::Quick]).is_some() { &[""] } else { &["", "6.1"] }
}

fn as_kernel(text: &str, kernel: &str) -> Output {
    let run = Run::program(text).arg("--no-warnings");
    let run = if kernel.is_empty() { run } else { run.env("RTRACE_AS_KERNEL", kernel) };
    run.to_end()
}

/// A `begin` probe with this body prints `expected`, in every way to compile it.
#[track_caller]
fn prints(body: &str, expected: &str) {
    for kernel in kernels() {
        let out = as_kernel(&format!("begin {{ {body} }}"), kernel);
        let printed = out.stdout.replace("\n\n\n", "\n");
        assert_eq!((printed.trim(), out.code), (expected, Some(0)), "kernel {kernel:?}, {body}\n{}", out.stderr);
    }
}

#[test]
fn a_range_goes_up_to_its_end() {
    requires!(Bpf);
    prints("for ($i : 0..5) { print($i); }", "0\n1\n2\n3\n4");
    prints("$a = -5; $b = 5; for ($i : $a..$b) { printf(\"%d \", $i); }", "-5 -4 -3 -2 -1 0 1 2 3 4");
    prints("for ($i : (-3)..(1 + 1)) { printf(\"%d \", $i); }", "-3 -2 -1 0 1");
    prints("$s = 0; for ($i : 1..1000) { $s += $i; } print($s);", "499500");
    prints("$s = 0; for ($i : 0..1000000) { $s += $i; } print($s);", "499999500000");
    prints("$x = (uint64)3; for ($i : (uint64)0..$x) { printf(\"%d \", $i); }", "0 1 2");
}

#[test]
fn an_empty_range_has_no_turn() {
    requires!(Bpf);
    prints("for ($i : 3..0) { print($i); } for ($i : 5..5) { print($i); } print(\"end\");", "end");
    prints("$a = 5; $b = -5; for ($i : $a..$b) { print($i); } print(\"end\");", "end");
    prints("@n = -7; for ($i : 0..@n) { print($i); } print(\"end\"); clear(@n);", "end");
}

#[test]
fn bounds_are_computed_once_and_the_variable_is_a_copy() {
    requires!(Bpf);
    prints("$n = 10; for ($i : 0..$n) { $n--; @c++; } print((@c, $n)); clear(@c);", "(10, 0)");
    prints("for ($i : 0..20) { $i = 100; @c++; } print(@c);", "@c: 20\n@c: 20");
    prints("@n = 10; for ($i : 0..@n) { @n += 1; } print(@n);", "@n: 20\n@n: 20");
}

#[test]
fn while_repeats_as_long_as_its_condition_holds() {
    requires!(Bpf);
    prints("$x = 0; while ($x < 1000000) { $x++; } print($x);", "1000000");
    prints("$x = 3; while ($x > 5) { print(1); } print($x);", "3");
    prints("$x = 0; while (1) { $x++; if ($x == 500) { break; } } print($x);", "500");
    prints("$x = 10; while ($x > 0) { $x--; if ($x % 2) { continue; } printf(\"%d \", $x); }", "8 6 4 2 0");
}

#[test]
fn nested_loops_are_left_one_by_one() {
    requires!(Bpf);
    prints(
        "$s = 0; for ($i : 0..100) { for ($j : $i..100) { if ($j == 50) { continue; } if ($j > 70) { break; } $s += $j; } } print($s);",
        "116730",
    );
    prints(
        "for ($i : 0..30) { for ($j : 0..30) { for ($k : 0..30) { for ($l : 0..30) { @n++; if ($l == 15) { break; } } } } }",
        "@n: 432000",
    );
    prints("for ($i : 0..3) { for ($j : 0..3) { for ($k : 0..30) { @n++ } } }", "@n: 270");
}

#[test]
fn return_and_exit_leave_all_loops() {
    requires!(Bpf);
    prints(
        "for ($i : 0..20) { for ($j : 0..20) { if ($j == 3) { return; } printf(\"%d.%d \", $i, $j); } } print(\"no\");",
        "0.0 0.1 0.2",
    );
    for kernel in kernels() {
        let out =
            as_kernel("begin { for ($i : 0..20) { @i = $i; if ($i == 13) { exit(3); } } print(\"no\"); }", kernel);
        out.code(3).stdout_is("\n\n@i: 13\n");
        let out = as_kernel("begin { @m[1] = 1; for ($kv : @m) { exit(4); } print(\"no\"); }", kernel);
        out.code(4).stdout_is("\n\n@m[1]: 1\n");
    }
}

#[test]
fn variables_keep_their_values_from_turn_to_turn() {
    requires!(Bpf);
    // A state that begins as a constant must not be believed to stay one.
    prints("$f = 0; for ($i : 0..100) { if ($f == 0) { if ($i == 42) { $f = 1; } } else { $f++; } } print($f);", "58");
    prints("$m = (uint64)0; for ($i : 0..64) { $m |= 1 << $i; } print($m);", "18446744073709551615");
    prints("let $z : uint8 = 250; for ($i : 0..20) { $z++; } print($z);", "14");
    prints(
        "$t = \"a\"; for ($i : 0..51) { if ($t == \"a\") { $t = \"bcd\"; } else { $t = \"a\"; } } print($t);",
        "bcd",
    );
    prints("$x = (1, \"abc\", 3); for ($i : 0..30) { $x = ($i, \"abd\", $x.2 + $i); } print($x);", "(29, abd, 438)");
    prints(
        "$v = 0; $once = 0; for ($i : 0..0) { $v = 1; } for ($i : 0..20) { $once = 1; } if ($v == 1) { print(\"no\"); } if ($once > 0) { print(\"yes\"); }",
        "yes",
    );
}

#[test]
fn what_a_body_declares_is_new_in_each_turn() {
    requires!(Bpf);
    prints("for ($i : 0..12) { let $y; printf(\"%d \", $y); $y = $i + 5; }", "0 0 0 0 0 0 0 0 0 0 0 0");
    prints("for ($i : 0..3) { let $y; printf(\"%d \", $y); $y = $i + 5; }", "0 0 0");
    prints("for ($i : 0..12) { let $s : string; printf(\"<%s>\", $s); $s = \"abc\"; }", &"<>".repeat(12));
    prints("unroll(3) { let $y; printf(\"%d \", $y); $y = 5; }", "0 0 0");
    prints(
        "for ($i : 0..2) { $a = 1; print($a); } for ($i : 0..20) { $a = \"x\"; if ($i == 7) { print($a); } }",
        "1\n1\nx",
    );
}

#[test]
fn unroll_writes_its_body_out() {
    requires!(Bpf);
    prints("$a = 1; unroll(10) { $a = $a + 1; } print($a);", "11");
    prints("unroll(100) { @++ }", "@: 100");
    prints("unroll(3) { for ($i : 0..20) { @c[$i % 2]++; } }", "@c[0]: 30\n@c[1]: 30");
    prints("for ($i : 0..20) { unroll(3) { if ($i == 2) { break; } @n++; } }", "@n: 6");
    let out = Run::program("begin { unroll($1) { @++; } }").parameter("7").to_end();
    out.code(0).stdout_is("\n\n@: 7\n");
}

#[test]
fn a_map_is_gone_through_entry_by_entry() {
    requires!(Bpf);
    prints("@m[16] = 32; for ($kv : @m) { print($kv); print($kv.1); }", "(16, 32)\n32\n@m[16]: 32");
    prints("@m[1, \"ab\"] = \"x\"; for ($kv : @m) { print($kv); print($kv.0.1); }", "((1, ab), x)\nab\n@m[1, ab]: x");
    prints("@m[1] = (2, \"three\"); for ($kv : @m) { print($kv.1.1); }", "three\n@m[1]: (2, three)");
    prints(
        "for ($i : 0..200) { @m[$i] = $i; } $s = 0; for ($kv : @m) { $s += $kv.1 * 2; } print($s); clear(@m);",
        "39800",
    );
    prints("@m[1] = 1; delete(@m[1]); for ($kv : @m) { print($kv); } print(\"end\");", "end");
    prints(
        "@x[\"a\"] = 1; @x[\"bb\"] = 2; for ($kv : @x) { for ($kw : @x) { @y[$kv.0, $kw.0] = $kv.1 * 10 + $kw.1; } } clear(@x);",
        "@y[a, a]: 11\n@y[a, bb]: 12\n@y[bb, a]: 21\n@y[bb, bb]: 22",
    );
    prints("@m[1] = 1; @m[2] = 2; for ($kv : @m) { @n++; break; } clear(@m);", "@n: 1");
    prints("@m[1] = 1; @m[2] = 2; for ($kv : @m) { if ($kv.0 == 1) { continue; } print($kv); } clear(@m);", "(2, 2)");
}

#[test]
fn the_entry_at_hand_may_be_deleted_or_changed() {
    requires!(Bpf);
    prints(
        "for ($i : 0..200) { @k[$i] = $i; } for ($kv : @k) { if ($kv.1 % 2) { delete(@k, $kv.0); } } $n = 0; for ($kv : @k) { $n++; } print($n); clear(@k);",
        "100",
    );
    prints("@k[0, 1] = 1; @k[1, 1] = 2; for ($kv : @k) { if ($kv.0.0 == 1) { delete(@k, $kv.0); } }", "@k[0, 1]: 1");
    prints("@m[1] = 2; for ($kv : @m) { @m[1] = 5; print($kv); }", "(1, 2)\n@m[1]: 5");
}

#[test]
fn the_event_is_at_hand_in_a_loop() {
    requires!(Bpf, Tracefs);
    for kernel in kernels() {
        let writer = Worker::new("rt_loops", Work::write("/dev/null", 40, 7));
        let text = format!(
            "tracepoint:syscalls:sys_enter_write /pid == {0}/ {{
                for ($i : 0..20) {{ @[args.count, pid == {0}] = count(); }}
                @m[1] = 1; for ($kv : @m) {{ @s = sum(args.count + $kv.1); }}
            }}",
            writer.pid()
        );
        let run =
            if kernel.is_empty() { Run::program(text) } else { Run::program(text).env("RTRACE_AS_KERNEL", kernel) };
        let out = run.run(|_| writer.finish());
        out.code(0).stdout_is("\n\n@[7, true]: 800\n@m[1]: 1\n@s: 320\n");
    }
}

#[test]
fn loops_in_several_probes_do_not_meet() {
    requires!(Bpf);
    for kernel in kernels() {
        let text = "begin { for ($i : 0..20) { @a[$i % 2]++; } for ($kv : @a) { @s += $kv.1; } }
            end { for ($kv : @a) { @t += $kv.1; } for ($i : 0..10) { @u += $i; } }";
        as_kernel(text, kernel).code(0).stdout_is("\n\n@a[0]: 10\n@a[1]: 10\n@s: 20\n@t: 20\n@u: 45\n");
    }
}

#[test]
fn what_is_printed_in_a_loop_comes_in_order() {
    requires!(Bpf);
    let expected: Vec<String> = (0..300).map(|i| i.to_string()).collect();
    prints("for ($i : 0..300) { print($i); }", &expected.join("\n"));
}

#[test]
fn a_loop_that_the_kernel_ends_is_told_of() {
    requires!(Bpf);
    for kernel in kernels() {
        let text = "begin { $x = 0; while (1) { $x++; } print($x > 100000); }";
        let run = Run::program(text);
        let run = if kernel.is_empty() { run } else { run.env("RTRACE_AS_KERNEL", kernel) };
        run.to_end()
            .code(0)
            .stdout_is("true\n\n\n")
            .stderr_has("WARNING: The kernel ended this loop before it was through");
    }
}

#[test]
fn kernels_without_what_a_loop_needs_say_so() {
    requires!(Bpf);
    let out = as_kernel("begin { @m[1] = 1; for ($kv : @m) { print($kv); } }", "5.10");
    out.code(1).stderr_has("this kernel cannot go through a map's entries within a program");
    let out = as_kernel("begin { @m = count(); print(@m + 1); }", "5.10");
    out.code(1).stderr_has("this kernel cannot read an aggregation within a program");
    // Here the verifier walks through all turns.
    let out = as_kernel("begin { for ($i : 0..100) { @ = $i; } }", "5.10");
    out.code(0).stdout_is("\n\n@: 99\n");
}

#[test]
fn aggregations_are_read_as_numbers() {
    requires!(Bpf);
    prints("@c = count(); @c = count(); print(@c + 1); print((int64)@c); print((uint8)@c); clear(@c);", "3\n2\n2");
    prints("@c = count(); $x = @c; @z[@c] = (@c, $x); clear(@c);", "@z[1]: (1, 1)");
    prints(
        "@a = avg(10); @a = avg(-15); @s = sum(-5); @mi = min(-5); @ma = max(-7); @ma = max(-5);
         printf(\"%d %d %d %d\", (int64)@a, (int64)@s, (int64)@mi, (int64)@ma); print((@a - 1, @s * 2));
         clear(@a); clear(@s); clear(@mi); clear(@ma);",
        "-2 -5 -5 -5(-3, -10)",
    );
    prints("@c = count(); @g[1] = (int64)5; @g[1] = (int64)@c; print(@g[1]); clear(@c); clear(@g);", "1");
    prints("@h[1] = count(); print(@h[1]); print((int64)@h[2]); print(@h[1] + @h[2]); clear(@h);", "1\n0\n1");
    prints("@m = min(5); @m = min(3); if (@m == 3 && @m < 4) { print(\"yes\"); } clear(@m);", "yes");
    prints("@m[1] = max((uint64)5); @m[1] = max(9); print((uint64)@m[1]); print((uint64)@m[2]); clear(@m);", "9\n0");
    prints("@c = count(); $i = 0; while (@c < 50) { @c = count(); $i++; } print($i); clear(@c);", "49");
    prints(
        "@q[1] = count(); @q[2] = count(); @q[1] = count(); for ($kv : @q) { if ($kv.1 > 1) { print($kv); } } clear(@q);",
        "(1, 2)",
    );
    prints("@q[1] = avg(-3); @q[1] = avg(-4); for ($kv : @q) { print($kv.1); } clear(@q);", "-3");
}

#[test]
fn an_aggregation_is_read_over_all_processors() {
    requires!(Bpf, Tracefs);
    let workers: Vec<Worker> =
        allowed_cpus().iter().map(|&cpu| Worker::on_cpu(cpu, "rt_percpu", Work::Getppid(100))).collect();
    let count = workers.len() as u64 * 100;
    let text = "tracepoint:syscalls:sys_enter_getppid /comm == \"rt_percpu\"/ { @c[1] = count(); @s = sum(2); }
        end { printf(\"%d %d\\n\", (int64)@c[1], (int64)@s); clear(@c); clear(@s); }";
    let out = Run::program(text).run(|_| rtrace_tests::workload::finish_all(workers));
    out.code(0).stdout_is(&format!("{count} {}\n\n\n", count * 2));
}

/// Runs a script too long for a command line.
fn long_script(text: &str, kernel: &str) -> Output {
    let script = Scratch::file("long.bt", text);
    let run = Run::file(script.path()).arg("--no-warnings");
    if kernel.is_empty() { run } else { run.env("RTRACE_AS_KERNEL", kernel) }.to_end()
}

#[test]
fn a_probe_of_thousands_of_statements_is_cut_into_functions() {
    requires!(Bpf);
    // Each with a branch or three, which makes more than the verifier follows in a row.
    let count = volume(3000).max(300);
    let stmts: String = (0..count).map(|i| format!("$s += {i}; @a[{i}, \"x\"] = $s;\n")).collect();
    let (last, sum) = (count - 1, count * (count - 1) / 2);
    for kernel in kernels() {
        let text = format!("begin {{ $s = 0; {stmts} print(($s, @a[{last}, \"x\"], @a[7, \"x\"])); clear(@a); }}");
        long_script(&text, kernel).code(0).stdout_is(&format!("({sum}, {sum}, 28)\n\n\n"));
    }
    let stmts: String = (0..500).map(|i| format!("@a[{i}, \"x\"] = $s;\n")).collect();
    let text = format!("begin {{ $s = 0; {stmts} exit(9); print(1); @b = 1; }} end {{ clear(@a); print(2); }}");
    long_script(&text, "").code(9).stdout_is("2\n\n\n");
    for kernel in kernels() {
        let text = "begin { $s = 0; print($s); clear(@n);
            unroll(100) { for ($i : 0..10) { $s += $i; } unroll(3) { @n[$s % 10] = count(); } }
            print($s); clear(@n); }";
        as_kernel(text, kernel).code(0).stdout_is("0\n4500\n\n\n");
    }
}

#[test]
fn a_long_probe_still_reads_its_event() {
    requires!(Bpf, Tracefs);
    let stmts: String =
        (0..700).map(|i| format!("if ($s == {i}) {{ @same[args.count, pid == {i}] = count(); }}\n")).collect();
    let writer = Worker::new("rt_long", Work::write("/dev/null", 10, 7));
    let text = format!(
        "tracepoint:syscalls:sys_enter_write /pid == {}/ {{ $s = args.count; {stmts} $s++; @last = $s; }}",
        writer.pid()
    );
    let out = Run::program(text).run(|_| writer.finish());
    out.code(0).stdout_is("\n\n@last: 8\n@same[7, false]: 10\n");
}

/// The verifier would not let a number that it does not know be added to an address that it does.
#[test]
fn addresses_in_loops() {
    requires!(Bpf, Btf);
    for kernel in kernels() {
        let text = "begin { @g = 1; $x = &@g; $a = 5; $p = &$a; $t = curtask; $n = 0;
            for ($i : 0..20) { $y = &@g; $x = $y; $p = &$i; $t = curtask; $u = $t + $i; $n += *$p; }
            print((*$x, *$p, $n, $t.pid == pid)); }";
        as_kernel(text, kernel).code(0).stdout_is("(1, 19, 190, true)\n\n\n@g: 1\n");
    }
}

/// Nor that it is counted with like any number.
#[test]
fn addresses_are_numbers() {
    requires!(Bpf, Btf);
    let text = "begin { $a = 5; $i = (uint64)&$a; $t = (uint64)curtask;
        print(($i * 2 / 2 != 7, $i ^ $i, $t * 3 > 0, ($t << 3) != 0, -$t + $t, ~$t + $t + 1, (uint8)$t - ($t & 255))); }";
    Run::program(text).to_end().code(0).stdout_is("(true, 0, true, true, 0, 0, 0)\n\n\n");
}

/// What counts the turns may be changed by the condition itself, or be part of a value.
#[test]
fn loops_whose_turns_are_counted_elsewhere() {
    requires!(Bpf);
    for kernel in kernels() {
        let text = "begin { $i = 0; while ($i++ < 1000) { $j = 0; while ($j++ < 100) { if ($j % 2) { @n++; } } }
            $k = 0; while ({ $k += 1; $k } < 100000) { @m++; } }";
        as_kernel(text, kernel).code(0).stdout_is("\n\n@m: 99999\n@n: 50000\n");
        let text = "begin { $t = (0, (a=1, b=\"x\"));
            while ($t.0 < 60000) { $t = ($t.0 + 1, (a=$t.1.a + 1, b=\"y\")); } print($t); }";
        as_kernel(text, kernel).code(0).stdout_is("(60000, { .a = 60001, .b = y })\n\n\n");
        let text = "begin { $i = 0; $p = &$i; while ($i < 100000) { $i++; } print(*$p); }";
        as_kernel(text, kernel).code(0).stdout_is("100000\n\n\n");
    }
}
