//! Time series: what is gathered over time, by the clock and by a map that stands in for it.

use std::time::Duration;

use rtrace_tests::kernel::interrupts_tracepoints;
use rtrace_tests::workload::{crowd, finish_all};
use rtrace_tests::{Output, Run, Work, requires};

/// Runs a script in which `@ts` is the clock, in nanoseconds since 1970, in text and in JSON.
fn by_stand_in(body: &str) -> [Output; 2] {
    ["text", "json"].map(|format| {
        let text = format!("config = {{ unstable_tseries = enable }} begin {{ {body} clear(@ts); }}");
        let run = Run::program(text).arg("-q").arg("-f").arg(format).env("BPFTRACE_DUMMY_TS_MAP", "@ts");
        run.env("TZ", "UTC").to_end()
    })
}

#[test]
fn a_chart_has_a_line_an_interval() {
    requires!(Bpf);
    let [text, json] = by_stand_in(
        "@ts = (uint64)10s; for ($i : 0..4) { @a = tseries((int64)$i * 5 - 5, 1s, 3); @ts += 1s; } @ts += 1s;
         @a = tseries(5, 1s, 3);",
    );
    text.code(0).stdout_is(
        "

@a:
         5                                                  10
hh:mm:ss |___________________________________________________|
00:00:13 |                                                   * 10
00:00:14 |                                                   | -
00:00:15 *                                                   | 5
         v___________________________________________________v
         5                                                  10

",
    );
    json.code(0).stdout_is(concat!(
        "{\"type\": \"tseries\", \"data\": {\"@a\": [",
        "{\"interval_start\":\"1970-01-01 00:00:13.000000000\",\"value\":10},",
        "{\"interval_start\":\"1970-01-01 00:00:15.000000000\",\"value\":5}]}}\n"
    ));
}

#[test]
fn each_way_to_sum_up_an_interval() {
    requires!(Bpf);
    let [text, json] = by_stand_in(
        "@ts = (uint64)500ms; for ($i : 0..6) { $n = (int64)$i * $i - 5;
            @last[7, \"k\"] = tseries($n, 500ms, 9); @sum = tseries($n, 500ms, 9, \"sum\");
            @min = tseries($n, 500ms, 9, \"min\"); @max = tseries($n, 500ms, 9, \"max\");
            @avg = tseries($n, 500ms, 9, \"avg\"); @ts += 200ms; }",
    );
    // -5 -4 -1 | 4 11 | 20
    let rows = |values: [i64; 3]| {
        let rows = values.iter().zip(["00.500", "01.000", "01.500"]);
        let row = |(value, at): (&i64, &str)| {
            format!("{{\"interval_start\":\"1970-01-01 00:00:{at}000000\",\"value\":{value}}}")
        };
        rows.map(row).collect::<Vec<_>>().join(",")
    };
    let line =
        |name: &str, values| format!("{{\"type\": \"tseries\", \"data\": {{\"@{name}\": [{}]}}}}\n", rows(values));
    let keyed = format!("{{\"type\": \"tseries\", \"data\": {{\"@last\": {{\"7,k\": [{}]}}}}}}\n", rows([-1, 11, 20]));
    let expected = [
        line("avg", [-3, 7, 20]),
        keyed,
        line("max", [-1, 11, 20]),
        line("min", [-5, 4, 20]),
        line("sum", [-10, 15, 20]),
    ];
    json.code(0).stdout_is(&expected.concat());
    text.code(0).stdout_has("@last[7, k]:\n").stdout_has("00:00:01.500 |                ");
}

#[test]
fn zero_and_clear_empty_a_series() {
    requires!(Bpf);
    let [text, json] = by_stand_in(
        "@ts = (uint64)5s; @z[1] = tseries(3, 1s, 4); zero(@z); @c[1] = tseries(3, 1s, 4); clear(@c); print(@c);
         @y = tseries(3, 1s, 4); zero(@y); @d = tseries(3, 1s, 4); delete(@d); @e[5] = tseries(3, 1s, 4); delete(@e, 5);
         print(has_key(@e, 5));",
    );
    text.code(0).stdout_is("false\n\n\n@y:\n<no data>\n@z[1]:\n<no data>\n");
    json.code(0).stdout_has(r#"{"type": "tseries", "data": {"@y": []}}"#);
    json.stdout_has(r#"{"type": "tseries", "data": {"@z": {"1": []}}}"#);
}

#[test]
fn a_long_series_is_kept_in_parts() {
    requires!(Bpf);
    let [_, json] = by_stand_in(
        "@ts = (uint64)10000s; @ = tseries(1, 1s, 5000, \"sum\"); @ts += 1366s; @ = tseries(2, 1s, 5000, \"sum\");
         @ts += 3633s; @ = tseries(3, 1s, 5000, \"sum\"); print(@); clear(@ts); clear(@);",
    );
    json.code(0).stdout_is(concat!(
        "{\"type\": \"tseries\", \"data\": {\"@\": [",
        "{\"interval_start\":\"1970-01-01 02:46:40.000000000\",\"value\":1},",
        "{\"interval_start\":\"1970-01-01 03:09:26.000000000\",\"value\":2},",
        "{\"interval_start\":\"1970-01-01 04:09:59.000000000\",\"value\":3}]}}\n"
    ));
}

#[test]
fn series_go_by_the_time_of_day() {
    requires!(Bpf);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let text = "config = { unstable_tseries = enable } begin { @ = tseries(3, 1h, 2); }";
    let out = Run::program(text).arg("-q").env("TZ", "UTC").to_end();
    // The clock counts leap seconds, of which there may be 37: only close to a new hour that makes a difference.
    let hours = [now - 60, now + 60].map(|time| format!("{:02}:00:00.000000000 ", time / 3600 % 24));
    out.code(0);
    assert!(hours.iter().any(|hour| out.stdout.contains(hour)), "{hours:?}: {out}");
}

#[test]
fn no_value_is_lost_when_all_processors_hammer() {
    requires!(Bpf, Tracefs, Cpus(2), Own);
    const TIMES: u64 = 50_000;
    let name = format!("s{}", std::process::id());
    let workers = crowd(&name, &Work::Getppid(TIMES));
    let times = workers.len() as u64 * TIMES;
    let text = format!(
        "config = {{ unstable_tseries = enable }} tracepoint:syscalls:sys_enter_getppid /comm == \"{name}\"/ {{
            @sum = tseries(3, 1ms, 100000, \"sum\"); @key[comm] = tseries(1, 1s, 600, \"sum\");
        }}"
    );
    let out = Run::program(text).arg("-f").arg("json").limit(Duration::from_secs(90)).run(|_| finish_all(workers));
    out.code(0);
    let total = |map: &str| -> u64 {
        let line = out.stdout.lines().find(|line| line.contains(map)).unwrap_or_default();
        let values = line.split("\"value\":").skip(1).map(|rest| rest.split('}').next().unwrap_or_default());
        values.map(|value| value.parse::<u64>().unwrap()).sum()
    };
    let (seen, passed) = (total("@key"), out.passed_over());
    assert_eq!(total("@sum"), 3 * seen, "{out}");
    // What the kernel passes over counts system calls of others, too.
    assert!(seen <= times && seen + passed >= times && (passed > 0) == interrupts_tracepoints(), "{out}");
}
