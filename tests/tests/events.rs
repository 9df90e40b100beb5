//! Printed events: none vanishes without a word, and each comes in its place.

use std::time::Duration;

use rtrace_tests::workload::{allowed_cpus, finish_all};
use rtrace_tests::{Output, Reader, Run, Scratch, Work, Worker, requires, volume};

/// A `comm` that only this test process uses.
fn unique(name: &str) -> String {
    format!("{name}{}", std::process::id())
}

/// One worker on each processor, and how many calls of getppid they make together: `times` on a fast machine.
fn hammer(name: &str, times: u64) -> (Vec<Worker>, u64) {
    let cpus = allowed_cpus();
    let each = volume(times) / cpus.len() as u64;
    let workers = cpus.iter().map(|&cpu| Worker::on_cpu(cpu, name, Work::Getppid(each))).collect();
    (workers, each * cpus.len() as u64)
}

/// Each line whole, and lines plus events reported lost are what was fired.
#[track_caller]
fn assert_accounted(text: &str, line: &str, fired: u64, out: &Output) {
    let records = text.split_once("\n\n").map_or(text, |(records, _)| records);
    let whole = records.lines().filter(|found| *found == line).count() as u64;
    assert_eq!(whole, records.lines().count() as u64, "some lines are not whole; stderr: {}", out.stderr);
    assert_eq!((whole + out.lost(), out.code), (fired, Some(0)), "{whole} lines came; stderr: {}", out.stderr);
    assert!(text.ends_with(&format!("\n\n\n@: {fired}\n")), "stderr: {}", out.stderr);
}

#[test]
fn a_flood_into_a_file_is_accounted_for_to_the_last_event() {
    requires!(Bpf, Tracefs, Own);
    let (name, file) = (unique("f"), Scratch::new("flood"));
    let (workers, fired) = hammer(&name, 1_000_000);
    let text = format!(
        r#"tracepoint:syscalls:sys_enter_getppid /comm == "{name}"/ {{ printf("%s 0123456789\n", comm); @ = count(); }}"#
    );
    let run = Run::program(text).arg("-o").arg(file.path()).limit(Duration::from_secs(120));
    let out = run.run(|_| finish_all(workers));
    assert_accounted(&file.text(), &format!("{name} 0123456789"), fired, &out);
}

#[test]
fn a_flood_at_a_slow_reader_is_accounted_for_to_the_last_event() {
    requires!(Bpf, Tracefs, Own);
    let name = unique("s");
    let (workers, fired) = hammer(&name, 1_000_000);
    let text = format!(
        r#"tracepoint:syscalls:sys_enter_getppid /comm == "{name}"/ {{ printf("%s %s %s %s\n", comm, comm, comm, comm); @ = count(); }}"#
    );
    let run = Run::program(text).reader(Reader::Slow).limit(Duration::from_secs(120));
    let out = run.run(|_| finish_all(workers));
    assert!(out.lost() > 0, "the reader was meant to be too slow");
    assert_accounted(&out.stdout, &format!("{name} {name} {name} {name}"), fired, &out);
}

#[test]
fn a_flood_of_maps_does_not_lose_an_exit() {
    requires!(Bpf, Tracefs, Own);
    let name = unique("m");
    let step = volume(40_000);
    let worker = Worker::new(&name, Work::Getppid(4 * step));
    let text = format!(
        r#"tracepoint:syscalls:sys_enter_getppid /comm == "{name}"/ {{
            @n++;
            @many[@n % 100] = count();
            print(@many);
            if (@n == {exit}) {{ clear(@many); exit(5); }}
        }}"#,
        exit = 2 * step
    );
    let out = Run::program(text).limit(Duration::from_secs(120)).run(|_| worker.finish());
    assert!(out.lost() > 0, "the flood was meant to be too much");
    out.code(5);
}

#[test]
fn a_flood_does_not_lose_what_a_program_asks_for() {
    requires!(Bpf, Tracefs, Own);
    let name = unique("a");
    let cpu = allowed_cpus()[0];
    let step = volume(100_000);
    let worker = Worker::on_cpu(cpu, &name, Work::Getppid(6 * step));
    let (print, clear, exit) = (3 * step, 4 * step, 5 * step);
    let text = format!(
        r#"tracepoint:syscalls:sys_enter_getppid /comm == "{name}"/ {{
            @n++;
            printf("a line that fills the ring with others of its kind %s %s %s %s %s %s %s %s\n",
                comm, comm, comm, comm, comm, comm, comm, comm);
            if (@n == {print}) {{ print(@mark); }}
            if (@n == {clear}) {{ @zero = 5; zero(@zero); @clear = 5; clear(@clear); }}
            if (@n == {exit}) {{ exit(9); }}
        }}
        begin {{ @mark = 77; }}"#
    );
    let session = Run::program(text).reader(Reader::Slow).limit(Duration::from_secs(120)).start();
    session.wait_attached();
    worker.finish();
    let out = session.to_end();
    assert!(out.lost() > 0, "the reader was meant to be too slow; stderr: {}", out.stderr);
    let (records, maps) = out.stdout.split_once("\n\n").expect("maps follow the records");
    assert_eq!(records.lines().filter(|line| *line == "@mark: 77").count(), 1, "print(@mark); stderr: {}", out.stderr);
    assert_eq!(out.code, Some(9), "stderr: {}", out.stderr);
    assert!(maps.contains("@mark: 77\n") && maps.contains("@zero: 0\n") && !maps.contains("@clear"), "{maps}");
}

#[test]
fn lost_events_are_reported_while_they_are_lost() {
    requires!(Bpf, Tracefs, Own);
    let name = unique("l");
    let (workers, _) = hammer(&name, 400_000_000);
    let text =
        format!(r#"tracepoint:syscalls:sys_enter_getppid /comm == "{name}"/ {{ printf("%s 0123456789\n", comm); }}"#);
    let session = Run::program(text).reader(Reader::Slow).limit(Duration::from_secs(60)).start();
    session.wait_attached();
    workers.iter().for_each(Worker::release);
    session.wait_stderr("Lost ");
    // Nor does a flood that goes on keep it from ending.
    let out = session.interrupt();
    out.code(0);
}

#[test]
fn printed_maps_keep_their_place_among_printed_lines() {
    requires!(Bpf, Tracefs);
    const TIMES: u64 = 2000;
    let name = unique("o");
    let worker = Worker::on_cpu(allowed_cpus()[0], &name, Work::Getppid(TIMES));
    let text = format!(
        r#"tracepoint:syscalls:sys_enter_getppid /comm == "{name}"/ {{
            printf("before\n"); print(@m); printf("between\n"); clear(@c); print(@c); printf("after\n");
        }}
        begin {{ @m = 1; @c[1] = 1; }}"#
    );
    let out = Run::program(text).run(|_| worker.finish());
    let expected = "before\n@m: 1\nbetween\nafter\n".repeat(TIMES as usize) + "\n\n@m: 1\n";
    assert!(out.stdout == expected, "not in order: {} lines, {} expected", out.stdout.lines().count(), 4 * TIMES + 3);
    out.code(0);
}

#[test]
fn a_map_is_cleared_between_two_prints() {
    requires!(Bpf);
    let text = r#"begin { @[1] = 5; print(@); clear(@); print(@); printf("-\n"); @z[2] = 6; zero(@z); print(@z); }"#;
    Run::program(text).to_end().code(0).stdout_is("@[1]: 5\n-\n@z[2]: 0\n\n\n@z[2]: 0\n");
}

#[test]
fn a_large_beginning_is_complete_and_comes_after_the_announcement() {
    requires!(Bpf, Own);
    // Ten probes of a thousand lines: the verifier looks at a million instructions of one program at most.
    let each = volume(1000);
    let line = |number: u64| format!("line {number} of a long beginning");
    let probe = |probe: u64| {
        let prints: String = (0..each).map(|i| format!("printf(\"{}\\n\");", line(probe * each + i))).collect();
        format!("begin {{ {prints} }}\n")
    };
    let program: String = (0..10).map(probe).collect();
    let out = Run::file("-").input(program).limit(Duration::from_secs(120)).to_end();
    let expected: String = (0..10 * each).map(|number| line(number) + "\n").collect::<String>() + "\n\n";
    assert!(out.attached && out.before_attached.is_empty(), "before the announcement: {:?}", out.before_attached);
    assert!(out.stdout == expected, "{} lines came; stderr: {}", out.stdout.lines().count(), out.stderr);
    out.code(0);
}

#[test]
fn the_announcement_comes_first_in_every_form() {
    requires!(Bpf);
    let run = || Run::program(r#"begin { printf("x\n"); } interval:ms:10 { exit(); } end { printf("y\n"); }"#);
    let out = run().to_end();
    assert_eq!((out.attached, out.before_attached.as_str()), (true, ""), "{out}");
    let out = run().arg("-q").to_end();
    assert_eq!((out.attached, out.before_attached.as_str()), (true, ""), "{out}");
    let attached = "{\"type\": \"attached_probes\", \"count\": 3, \"data\": {\"probes\": 3}}\n";
    let out = run().arg("-f").arg("json").to_end();
    assert_eq!((out.attached, out.before_attached.as_str()), (true, attached), "{out}");
    let printed = ["x", "y"].map(|text| format!("{{\"type\": \"printf\", \"data\": \"{text}\\n\"}}\n")).concat();
    out.stdout_is(&format!("{attached}{printed}"));
    run().arg("-f").arg("json").arg("-q").to_end().stdout_is(&printed);
}

#[test]
fn every_line_of_json_is_an_object() {
    requires!(Bpf, Btf);
    // Each value is printed, kept in a map, and a key.
    let values = [
        "-1",
        "0xffffffffffffffff",
        "true",
        "\"q\\\"b\\\\n\\n\\t\\r\\x01\\x1f\\x7f\"",
        "\"\\xff\\xc3\\x28\"",
        "\"äöü\"",
        "comm",
        "(1,\"a\\n\",true)",
        "((1,2),(3,))",
        "((1,),)",
        "(((1,),),)",
        "(a=1,b=(c=\"\\\"\",d=(1,2)))",
        "buf(\"ab\\x00\\xff\",4)",
        "macaddr((int8*)0)",
        "ntop(0x0100007f)",
        "pton(\"::1\")",
        "(uint8*)16",
        "strerror(2)",
        "signal_name(9)",
        "strftime(\"%Y\",0)",
        "ksym(kaddr(\"_text\"))",
        "usym(0)",
        "kstack(3)",
        "ustack(perf, 3)",
        "(enum e)1",
        "*(struct s*)0",
        "(struct s*)0",
        "cgroup_path(cgroup)",
        "username",
        "probe",
        "(int8[4])0x04030201",
    ];
    let types = "enum e { A = 1 }; struct t { char c[4]; }; \
                 struct s { int a; struct t in[2]; enum e en; void *p; float f; union { int u; short v; }; int bits:3; }; ";
    for value in values {
        let program = format!(
            "{types} begin {{ print({value}); @kept = {value}; @key[{value}] = 1; @keys[{value}, 2] = 1; printf(\"%s\\n\", {value}); }}"
        );
        let out = Run::program(program).arg("-f").arg("json").arg("-q").to_end();
        out.code(0);
        assert_eq!(out.stdout.lines().count(), 5, "{out}");
        for line in out.stdout.lines() {
            assert_eq!(rtrace_tests::json::fault(line), None, "{value}: {line}");
        }
    }
    let program = r#"begin { time("%Y \"\n"); cat("/proc/self/cmdline"); system("printf '\\001\\377\"'"); errorf("\"%d", 1); warnf("\\");
        @h[1, "\""] = hist(5); @l = lhist(5, 0, 10, 1); @s["\\"] = stats(4); @a = avg(1); @m = min(1); print(@h); clear(@h);
        $zero = 0; print(1 / $zero); print(*(int8 *)0); }"#;
    let out = Run::program(program).arg("-f").arg("json").arg("-k").arg("--unsafe").to_end();
    out.code(0);
    assert!(out.stdout.lines().count() > 12, "{out}");
    for line in out.stdout.lines() {
        assert_eq!(rtrace_tests::json::fault(line), None, "{line}");
    }
}

#[test]
fn json_has_one_object_a_line() {
    requires!(Bpf);
    let text =
        r#"begin { @s = "a \"b\"\n"; @k[1, "x"] = 2; @h = hist(5); @c = count(); @st = stats(4); print((1, "two")); }"#;
    Run::program(text).arg("-f").arg("json").arg("-q").to_end().code(0).stdout_is(
        r#"{"type": "value", "data": [1,"two"]}
{"type": "map", "data": {"@c": 1}}
{"type": "hist", "data": {"@h": [{"min": 4, "max": 7, "count": 1}]}}
{"type": "map", "data": {"@k": {"1,x": 2}}}
{"type": "map", "data": {"@s": "a \"b\"\n"}}
{"type": "stats", "data": {"@st": {"count": 1, "average": 4, "total": 4}}}
"#,
    );
}
