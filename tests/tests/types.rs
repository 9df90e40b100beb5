//! Records, arrays, structures and enums: what they look like, from the kernel's types to the last byte.

use rtrace_tests::{Run, requires};

#[test]
fn records_are_shown_with_their_names() {
    requires!(Bpf);
    let text = r#"begin {
        print((a=1,b="z"));
        printf("%s|\n", (a=(b=1,c=2),d=3));
        @[(x=1,y="k")] = (a=(b=1,c=(2,"t")),d=4);
        @n = (x=-7,y="s");
        print(@n, 0, 2);
    }"#;
    let expected = "{ .a = 1, .b = z }\n{ .a = { .b = 1, .c = 2 }, .d = 3 }|\n@n: { .x = -3, .y = s }\n\n\n\
        @[{ .x = 1, .y = k }]: { .a = { .b = 1, .c = (2, t) }, .d = 4 }\n@n: { .x = -7, .y = s }\n";
    Run::program(text).to_end().code(0).stdout_is(expected);
}

/// There the width is that of the first bracket.
#[test]
fn a_width_is_that_of_the_whole_value() {
    requires!(Bpf, Own);
    let text = r#"begin { printf("%14s|%-12s|%12s|\n", (x=1), (y=2), (1,"a")); }"#;
    Run::program(text).to_end().code(0).stdout_is("    { .x = 1 }|{ .y = 2 }  |      (1, a)|\n\n\n");
}

#[test]
fn records_are_objects_in_json() {
    requires!(Bpf);
    let text = r#"begin { print((a=1,b="z")); @[(x=1,y="k"),2] = (a=(b=1,c=2)); }"#;
    let expected = concat!(
        r#"{"type": "attached_probes", "count": 1, "data": {"probes": 1}}"#,
        "\n",
        r#"{"type": "value", "data": {"a": 1, "b": "z"}}"#,
        "\n",
        r#"{"type": "map", "data": {"@": {"{.x=1,.y=k},2": {"a": {"b": 1, "c": 2}}}}}"#,
        "\n"
    );
    Run::program(text).arg("-f").arg("json").to_end().code(0).stdout_is(expected);
}

#[test]
fn keys_with_names_are_sorted() {
    requires!(Bpf, Own);
    let text = r#"begin { @[(a=5,b="x")] = "v"; @[(a=-1,b="y")] = "v"; @[(a=-1,b="x")] = "v"; }"#;
    let expected = "\n\n@[{ .a = -1, .b = x }]: v\n@[{ .a = -1, .b = y }]: v\n@[{ .a = 5, .b = x }]: v\n";
    Run::program(text).to_end().code(0).stdout_is(expected);
}

#[test]
fn constants_of_the_kernel_have_names() {
    requires!(Bpf, Btf);
    let text = r#"begin {
        print(PIDTYPE_TGID);
        printf("%s %d %x\n", PIDTYPE_TGID, PIDTYPE_TGID, PIDTYPE_TGID);
        print((enum pid_type)0);
        print((1, PIDTYPE_TGID));
        @[PIDTYPE_PID] = PIDTYPE_TGID;
    }"#;
    let expected = "PIDTYPE_TGID\nPIDTYPE_TGID 1 1\nPIDTYPE_PID\n(1, PIDTYPE_TGID)\n\n\n@[PIDTYPE_PID]: PIDTYPE_TGID\n";
    Run::program(text).to_end().code(0).stdout_is(expected);
}

#[test]
fn in_json_only_keys_keep_the_names_of_enums() {
    requires!(Bpf, Btf);
    let out =
        Run::program("begin { print(PIDTYPE_TGID); @[PIDTYPE_PID] = PIDTYPE_TGID; }").arg("-f").arg("json").to_end();
    out.code(0).stdout_has(r#"{"type": "value", "data": 1}"#).stdout_has(r#"{"@": {"PIDTYPE_PID": 1}}"#);
}

#[test]
fn structures_of_the_kernel_show_their_members() {
    requires!(Bpf, Btf);
    // Nothing is at 0, and what cannot be read is zeros.
    let text = "begin { print(*(struct list_head *)0); print(*(struct __kernel_timespec *)0); \
        print(((struct __kernel_timespec *)0)->tv_nsec); print(sizeof(struct __kernel_timespec)); }";
    let expected = "{ .next = 0x0, .prev = 0x0 }\n{ .tv_sec = 0, .tv_nsec = 0 }\n0\n16\n\n\n";
    Run::program(text).to_end().code(0).stdout_is(expected);
}

#[test]
fn structures_that_a_system_call_is_given() {
    requires!(Bpf, Btf, Tracefs, File("/bin/sleep"));
    let text = r#"tracepoint:syscalls:sys_enter_clock_nanosleep /comm == "sleep"/ {
        print(*args.rqtp);
        print(args.rqtp->tv_nsec);
        printf("%s\n", (1, *args.rqtp));
        @[*args.rqtp] = (args.rqtp->tv_sec, *args.rqtp);
    }"#;
    let expected = "{ .tv_sec = 0, .tv_nsec = 10000000 }\n10000000\n(1, { .tv_sec = 0, .tv_nsec = 10000000 })\n\n\n\
        @[{ .tv_sec = 0, .tv_nsec = 10000000 }]: (0, { .tv_sec = 0, .tv_nsec = 10000000 })\n";
    Run::program(text).child("/bin/sleep 0.01").to_end().code(0).stdout_is(expected);
}

/// There the verifier refuses the program.
#[test]
fn arrays_in_the_record_of_an_event() {
    requires!(Bpf, Btf, Tracefs, Own, File("/bin/sleep"));
    // clock_nanosleep(CLOCK_REALTIME, 0, ...), by its number on this machine.
    let number = if cfg!(target_arch = "x86_64") { 230 } else { 115 };
    let text = format!(
        r#"tracepoint:raw_syscalls:sys_enter /comm == "sleep" && args.id == {number}/ {{
            $all = args.args;
            print($all[0]);
            printf("%d %d\n", args.args[0], $all[1]);
        }}"#
    );
    Run::program(text).child("/bin/sleep 0.01").to_end().code(0).stdout_is("0\n0 0\n\n\n");
}

#[test]
fn unknown_types_and_members_are_errors() {
    requires!(Bpf, Btf);
    let wrong = |text: &str, said: &str| {
        Run::program(text).to_end().code(1).stderr_has(said);
    };
    wrong("begin { print(*(struct no_such_struct *)0); }", "no_such_struct");
    wrong("begin { print(((struct list_head *)0)->nxt); }", "nxt");
    wrong(r#"begin { printf("%d", (a=1,b=2)); }"#, "record");
}

/// A value is made of the old one even if it is read in a roundabout way.
#[test]
fn a_value_made_of_its_old_parts() {
    requires!(Bpf);
    let text = r#"begin {
        $t = (1, 2); $p = &$t; $t = ((*$p).1, (*$p).0); print($t);
        @a = (1, 2); $q = &@a; @a = ((*$q).1, (*$q).0); print(@a);
        $t = (3, { $t = (7, 8); 4 }); print($t);
    }"#;
    Run::program(text).to_end().code(0).stdout_is("(2, 1)\n@a: (2, 1)\n(3, 4)\n\n\n@a: (2, 1)\n");
}

/// What a pointer points to has the type that the variable has in the end.
#[test]
fn a_variable_grows_after_its_address_was_taken() {
    requires!(Bpf);
    let text = r#"begin {
        $i = 1; $p = &$i; $i = 70000; print(*$p);
        $s = "a"; $q = &$s; $s = "abcdefghijklmnopqrst"; print(*$q);
        $t = (1, "a", 3); $r = &$t; $t = (1, "abcdefghijklmnopqrst", 4); print(*$r); print((*$r).2);
    }"#;
    let expected = "70000\nabcdefghijklmnopqrst\n(1, abcdefghijklmnopqrst, 4)\n4\n\n\n";
    Run::program(text).to_end().code(0).stdout_is(expected);
}
