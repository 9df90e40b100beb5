//! Aggregations as values: printed one by one, read, held in tuples and records.

use rtrace_tests::{Output, Run, requires};

fn run(format: &str, body: &str) -> Output {
    Run::program(format!("begin {{ {body} }}")).arg("-q").arg("-f").arg(format).to_end()
}

#[test]
fn stats_are_a_record() {
    requires!(Bpf);
    let body = "@s[1] = stats(5); @s[1] = stats(-8); print(@s[1]); print(@s[2]); print((1, @s[1], \"x\"));
        print((a=@s[1])); printf(\"%s|\\n\", @s[1]); $s = (@s[1], 2); print($s.0.total); clear(@s);
        @k = stats((uint64)18446744073709551615); print({ $x = 1; @k }); clear(@k);";
    run("text", body).code(0).stdout_is(
        "{ .count = 2, .average = -1, .total = -3 }
{ .count = 0, .average = 0, .total = 0 }
(1, { .count = 2, .average = -1, .total = -3 }, x)
{ .a = { .count = 2, .average = -1, .total = -3 } }
{ .count = 2, .average = -1, .total = -3 }|
-3
{ .count = 1, .average = 18446744073709551615, .total = 18446744073709551615 }


",
    );
    let json = run("json", "@s[1] = stats(5); print(@s[1]); clear(@s);");
    json.code(0).stdout_is("{\"type\": \"value\", \"data\": {\"count\": 1, \"average\": 5, \"total\": 5}}\n");
}

#[test]
fn numbers_that_aggregations_stand_for() {
    requires!(Bpf);
    let body =
        "@c = count(); @c = count(); @m = min(-3); @a = avg(-7); @a = avg(2); printf(\"%s %5s|%-4s|\\n\", @c, @m, @a);
        print((n=@c, m=@m)); @plain += @c; @plain[1] -= @m; print(@c > 1 ? @a : @m);
        print((sizeof(@c), sizeof(@m)));"
            .replace("@plain[1]", "@keyed[1]");
    run("text", &body).code(0).stdout_is(
        "2    -3|-2  |
{ .n = 2, .m = -3 }
-2
(8, 8)


@a: -2
@c: 2
@keyed[1]: 3
@m: -3
@plain: 2
",
    );
}

#[test]
fn one_entry_of_a_histogram() {
    requires!(Bpf);
    let body = "@h[1, \"ab\"] = hist(5); @h[2, \"abc\"] = hist(50); print(@h[1, \"ab\"]); print(@h[3, \"x\"]);
        $key = (2, \"abc\"); print(@h[$key]); print(\"after\"); clear(@h);
        @l[\"a long name, so that there is room in the key\"] = lhist(1, 0, 10, 5); @l[\"k\"] = lhist(7, 0, 10, 5);
        print(@l[\"k\"]); clear(@l);";
    let bar = "@".repeat(52);
    run("text", body).code(0).stdout_is(&format!(
        "@h[1, ab]:
[4, 8)                 1 |{bar}|

@h[2, abc]:
[32, 64)               1 |{bar}|

after
@l[k]:
[5, 10)                1 |{bar}|



"
    ));
    let json = run("json", "@h[1] = hist(5); @h[2] = hist(5); print(@h[1]); clear(@h);");
    json.code(0)
        .stdout_is("{\"type\": \"hist\", \"data\": {\"@h\": {\"1\": [{\"min\": 4, \"max\": 7, \"count\": 1}]}}}\n");
}

#[test]
fn entries_stand_in_order_with_what_else_is_printed() {
    requires!(Bpf);
    let body = "for ($i : 0..50) { @h[$i] = hist($i); printf(\"%d\\n\", (int64)$i); print(@h[$i]); } clear(@h);";
    let out = run("text", body);
    out.code(0);
    let names: Vec<&str> = out.stdout.lines().filter(|line| !line.contains('|') && !line.is_empty()).collect();
    let expected: Vec<String> = (0..50).flat_map(|i| [format!("{i}"), format!("@h[{i}]:")]).collect();
    assert_eq!(names, expected, "{out}");
}

#[test]
fn shares_of_a_total() {
    requires!(Bpf);
    let body =
        "@c[\"a\"] = sum(30); @c[\"b\"] = sum(70); @c[\"c\"] = sum(1); print(@c, \"pct\"); print(@c, 1, \"pct\");
        @i[1, 2] = -5; @i[3, 4] = 5; print(@i, \"pct\"); clear(@i); print(@i, \"pct\"); clear(@c);";
    run("text", body).code(0).stdout_is(
        "@c[c]: 1 (1.0%)
@c[a]: 30 (29.7%)
@c[b]: 70 (69.3%)
@c: 101 (total)
@c[b]: 70 (69.3%)
@c: 101 (total)
@i[1, 2]: -5 (-)
@i[3, 4]: 5 (-)
@i: 0 (total)


",
    );
    let shares = |entries: &str| {
        format!("{{\"type\": \"pct\", \"data\": {{\"@c\": {{\"total\": 101, \"entries\": {{{entries}}}}}}}}}\n")
    };
    let entry =
        |key: &str, value: u64, percent: &str| format!("\"{key}\": {{\"value\": {value}, \"percent\": {percent}}}");
    let all = [entry("c", 1, "1.0"), entry("a", 30, "29.7"), entry("b", 70, "69.3")].join(", ");
    let none = "{\"type\": \"pct\", \"data\": {\"@i\": {\"total\": 0, \"entries\": {\"1,2\": {\"value\": -5, \"percent\": null}, \
                \"3,4\": {\"value\": 5, \"percent\": null}}}}}\n";
    run("json", body).code(0).stdout_is(&[shares(&all), shares(&entry("b", 70, "69.3")), none.to_owned()].concat());
}

#[test]
fn histograms_with_a_summary() {
    requires!(Bpf);
    let script = "config = { hist_summary = true } begin { for ($i : 0..10) { @k[$i % 2] = lhist($i, 0, 8, 4); }
        @z = hist(1); zero(@z); @c = count(); }";
    let out = |format: &str| Run::program(script).arg("-q").arg("-f").arg(format).to_end();
    let bar = |count: usize| "@".repeat(count * 52 / 2);
    let rows = format!(
        "[0, 4)                 2 |{0}|\n[4, 8)                 2 |{0}|\n[8, ...)               1 |{1:<52}|",
        bar(2),
        bar(1)
    );
    out("text").code(0).stdout_is(&format!(
        "

@c: 1
@k[0]:
{rows}
count 5, mean 4.4, p50 5, p90 8, p99 8

@k[1]:
{rows}
count 5, mean 4.4, p50 5, p90 8, p99 8

@z:
count 0

"
    ));
    let rows = r#"[{"min": 0, "max": 3, "count": 2},{"min": 4, "max": 7, "count": 2},{"min": 8, "count": 1}]"#;
    let summary = r#"{"count": 5, "mean": 4.4, "p50": 5, "p90": 8, "p99": 8}"#;
    out("json").code(0).stdout_is(&format!(
        r#"{{"type": "map", "data": {{"@c": 1}}}}
{{"type": "hist", "data": {{"@k": {{"0": {rows}, "1": {rows}}}}}}}
{{"type": "hist_summary", "data": {{"@k": {{"0": {summary}, "1": {summary}}}}}}}
{{"type": "hist", "data": {{"@z": []}}}}
{{"type": "hist_summary", "data": {{"@z": {{"count": 0, "mean": null, "p50": null, "p90": null, "p99": null}}}}}}
"#
    ));
}

#[test]
fn a_block_may_end_in_an_aggregation() {
    requires!(Bpf);
    let script = "macro sizes(n) { let $m = n * 2; hist($m) } macro nested() { { { count() } } }
        begin { @a[1] = { let $a = 100; $a += 2; avg($a) }; @c = nested(); @h = sizes(3); $a = 5; @s = { sum($a) }; }";
    let expected = format!("\n\n@a[1]: 102\n@c: 1\n@h:\n[4, 8)                 1 |{}|\n\n@s: 5\n", "@".repeat(52));
    Run::program(script).arg("-q").to_end().code(0).stdout_is(&expected);
}
