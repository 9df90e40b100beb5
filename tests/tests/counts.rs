//! Exact numbers: what so many calls of known size make of counts, sums, histograms and plain map values.

use std::time::Duration;

use rtrace_tests::kernel::interrupts_tracepoints;
use rtrace_tests::workload::{crowd, finish_all};
use rtrace_tests::{Run, Scratch, Work, Worker, requires, sibling};

/// A `comm` that only this test process uses: the same cases may run elsewhere on the machine.
fn unique(name: &str) -> String {
    format!("{name}{}", std::process::id())
}

/// Runs `body` on each write of a process that makes `times` writes of `bytes` bytes.
fn on_writes(times: u64, bytes: usize, body: &str) -> rtrace_tests::Output {
    let writer = Worker::new("rt_writes", Work::write("/dev/null", times, bytes));
    let text = format!("tracepoint:syscalls:sys_enter_write /pid == {}/ {{ {body} }}", writer.pid());
    Run::program(text).run(|_| writer.finish())
}

#[test]
fn a_count_by_name_and_by_process() {
    requires!(Bpf, Tracefs);
    let name = unique("w");
    let writer = Worker::new(&name, Work::write("/dev/null", 777, 1));
    let pid = writer.pid();
    let text = format!(
        "tracepoint:syscalls:sys_enter_write /comm == \"{name}\"/ {{ @c[comm] = count(); @p[pid, tid, comm] = count(); }}"
    );
    let out = Run::program(text).run(|_| writer.finish());
    out.code(0).stdout_is(&format!("\n\n@c[{name}]: 777\n@p[{pid}, {pid}, {name}]: 777\n"));
}

#[test]
fn both_ways_to_write_a_field_mean_the_same() {
    requires!(Bpf, Tracefs);
    let out =
        on_writes(321, 11, "@dot = sum(args.count); @arrow = sum(args->count); @fd[args.fd == args->fd] = count();");
    out.code(0).stdout_is("\n\n@arrow: 3531\n@dot: 3531\n@fd[true]: 321\n");
}

#[test]
fn every_aggregation_of_equal_values() {
    requires!(Bpf, Tracefs);
    let body = "@count = count(); @sum = sum(args.count); @min = min(args.count); @max = max(args.count);
        @avg = avg(args.count); @stats = stats(args.count);";
    on_writes(90, 7, body).code(0).stdout_is(
        "\n\n@avg: 7\n@count: 90\n@max: 7\n@min: 7\n@stats: { .count = 90, .average = 7, .total = 630 }\n@sum: 630\n",
    );
}

#[test]
fn a_histogram_has_each_value_in_its_bucket() {
    requires!(Bpf, Tracefs);
    // 1 to 20 bytes, thrice each: one value in [1], 2 in [2, 4), 4 in [4, 8), 8 in [8, 16), 5 in [16, 32).
    let writer = Worker::new("rt_sizes", Work::write_sizes("/dev/null", 3, 20));
    let text = format!(
        "tracepoint:syscalls:sys_enter_write /pid == {}/ {{ @h = hist(args.count); @l = lhist(args.count, 5, 15, 5); }}",
        writer.pid()
    );
    let out = Run::program(text).run(|_| writer.finish());
    let row = |label: &str, count: usize, most: usize| {
        format!("{label:<16}{count:>8} |{:<52}|\n", "@".repeat(count * 52 / most))
    };
    let expected = format!(
        "\n\n@h:\n{}{}{}{}{}\n@l:\n{}{}{}{}\n",
        row("[1]", 3, 24),
        row("[2, 4)", 6, 24),
        row("[4, 8)", 12, 24),
        row("[8, 16)", 24, 24),
        row("[16, 32)", 15, 24),
        row("(..., 5)", 12, 18),
        row("[5, 10)", 15, 18),
        row("[10, 15)", 15, 18),
        row("[15, ...)", 18, 18),
    );
    out.code(0).stdout_is(&expected);
}

#[test]
fn a_predicate_on_an_argument() {
    requires!(Bpf, Tracefs);
    let writer = Worker::new("rt_pred", Work::write_sizes("/dev/null", 10, 100));
    let text = format!(
        "tracepoint:syscalls:sys_enter_write /pid == {} && args.count > 90 && args.count != 95/ {{ @ = count(); }}",
        writer.pid()
    );
    Run::program(text).run(|_| writer.finish()).code(0).stdout_is("\n\n@: 90\n");
}

#[test]
fn what_a_system_call_returns() {
    requires!(Bpf, Tracefs);
    let writer = Worker::new("rt_ret", Work::write_sizes("/dev/null", 5, 3));
    let text = format!("tracepoint:syscalls:sys_exit_write /pid == {}/ {{ @[args.ret] = count(); }}", writer.pid());
    let out = Run::program(text).run(|_| writer.finish());
    out.code(0);
    assert_eq!((out.int("@[1]"), out.int("@[2]"), out.int("@[3]")), (5, 5, 5), "{out}");
}

#[test]
fn a_failed_call_returns_a_negative_number() {
    requires!(Bpf, Tracefs);
    let command = format!("{} open /no/such/file 1", sibling("work").display());
    let text = "tracepoint:syscalls:sys_exit_openat /pid == cpid && args.ret < 0/ { @failed[args.ret] = count(); }";
    Run::program(text).child(command).to_end().code(0).stdout_has("@failed[-2]: ");
}

#[test]
fn the_text_behind_a_pointer_argument() {
    requires!(Bpf, Tracefs);
    let file = Scratch::file("opened", "");
    let opener = Worker::new("rt_open", Work::open(file.path(), 25));
    let text = format!(
        "tracepoint:syscalls:sys_enter_openat /pid == {}/ {{ @[str(args.filename)] = count(); }}",
        opener.pid()
    );
    let out = Run::program(text).run(|_| opener.finish());
    out.code(0).stdout_is(&format!("\n\n@[{}]: 25\n", file.path().display()));
}

#[test]
fn started_programs_by_their_file() {
    requires!(Bpf, Tracefs);
    let program = sibling("work");
    let command = format!("{} exit 0", program.display());
    let text = "tracepoint:sched:sched_process_exec /pid == cpid/
        { printf(\"%s %d %d\\n\", str(args.filename), args.pid == pid, args.old_pid == pid); }";
    let out = Run::program(text).child(command).to_end();
    out.code(0).stdout_is(&format!("{} 1 1\n\n\n", program.display()));
}

#[test]
fn names_in_events_of_the_scheduler() {
    requires!(Bpf, Tracefs);
    let name = unique("f");
    let forker = Worker::new(&name, Work::exec(sibling("work"), 12));
    let pid = forker.pid();
    let text = format!(
        "tracepoint:sched:sched_process_fork /args.parent_pid == {pid}/ {{ @fork[str(args.parent_comm), str(args.child_comm)] = count(); }}
         tracepoint:sched:sched_switch /args.prev_pid == {pid}/ {{ @away[args.prev_comm] = count(); }}
         tracepoint:sched:sched_switch /args.next_pid == {pid}/ {{ @back[args.next_comm] = count(); }}"
    );
    let out = Run::program(text).run(|_| forker.finish());
    out.code(0);
    assert_eq!(out.int(&format!("@fork[{name}, {name}]")), 12, "{out}");
    // It waits for each of its children, so it leaves the processor that often at least; its end is one more.
    let (away, back) = (out.int(&format!("@away[{name}]")), out.int(&format!("@back[{name}]")));
    assert!(away >= 12 && (away - back).abs() <= 1, "{out}");
}

#[test]
fn an_event_without_arguments_takes_the_short_way() {
    requires!(Bpf, Tracefs);
    let text = "tracepoint:sched:sched_process_exit /pid == 1/ { @ = count(); }";
    Run::program(text).arg("-d").arg("types").to_end().code(0).stdout_has("RawTracepoint");
    // The command of `-c` has ended when rtrace ends, and its exit was seen.
    let text = "tracepoint:sched:sched_process_exit /pid == cpid/ { @ = count(); }";
    let command = format!("{} exit 0", sibling("work").display());
    Run::program(text).child(command).to_end().code(0).stdout_is("\n\n@: 1\n");
}

#[test]
fn several_events_share_a_probe() {
    requires!(Bpf, Tracefs);
    let writer = Worker::new("rt_share", Work::write("/dev/null", 40, 2));
    let text = format!(
        "tracepoint:syscalls:sys_enter_write, tracepoint:syscalls:sys_exit_write /pid == {}/ {{ @[probe] = count(); }}",
        writer.pid()
    );
    let out = Run::program(text).run(|_| writer.finish());
    out.code(0).stderr_has("Attached 2 probes\n");
    let counts = ["enter", "exit"].map(|side| out.int(&format!("@[tracepoint:syscalls:sys_{side}_write]")));
    assert_eq!(counts, [40, 40], "{out}");
}

#[test]
fn no_update_is_lost_when_all_processors_hammer() {
    requires!(Bpf, Tracefs, Cpus(2), Own);
    const TIMES: u64 = 100_000;
    let name = unique("h");
    let workers = crowd(&name, &Work::Getppid(TIMES));
    let crowd = workers.len();
    let times = workers.len() as i64 * TIMES as i64;
    let text = format!(
        "tracepoint:syscalls:sys_enter_getppid /comm == \"{name}\"/ {{
            @plain++; @add += 5; @key[comm]++; @less[comm, 7] -= 2; @half[tid]++; @count = count(); @sum[comm] = sum(3);
        }}"
    );
    let out = Run::program(text).limit(Duration::from_secs(90)).run(|_| finish_all(workers));
    out.code(0);
    let all =
        ["@plain", "@add", &format!("@key[{name}]"), &format!("@less[{name}, 7]"), "@count", &format!("@sum[{name}]")]
            .map(|map| out.int(map));
    // From Linux 7.0 on a program may have to stand back in the middle, and the kernel passes over what happens
    // meanwhile; it must say so.
    let passed = out.passed_over() as i64;
    assert_eq!(passed > 0, interrupts_tracepoints(), "{out}");
    // It counts system calls of others, too.
    let seen = all[0];
    assert!(seen <= times && seen + passed >= times, "{out}");
    assert_eq!(all, [seen, 5 * seen, seen, -2 * seen, seen, 3 * seen], "{out}");
    let each: Vec<&str> = out.stdout.lines().filter(|line| line.starts_with("@half[")).collect();
    let each_has = |line: &&str| line.ends_with("]: 100000") || passed > 0;
    assert!(each.len() == crowd && each.iter().all(each_has), "{out}");
}
