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
