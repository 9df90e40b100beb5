//! What functions say of arguments that do not suit them.

use super::check;

#[test]
fn arguments_of_the_wrong_kind() {
    check(
        r#"
begin { print(bswap("a")); print(ksym("a")); print(strlen(1)); print(len(1)); print(strerror("x")); }
            //^^^^^^^^^^ error: bswap() only supports integer arguments (string provided)
                               //^^^^^^^^^ error: ksym() expects an integer or pointer argument
                                                        //^ error: string-like values must be either strings, arrays or pointers
                                                                   //^^^^^^ error: call to len() expects a map, ustack, or kstack
                                                                                  //^^^^^^^^^^^^^ error: strerror() only supports integer arguments (string provided)
"#,
    );
    check(
        r#"
begin { print(strncmp("a", 1, 1)); print(strncmp(comm, "b", pid)); print(memcmp(1, 2, comm)); }
            //^^^^^^^^^^^^^^^^^^ error: strncmp() only supports string arguments (int provided)
                                       //^^^^^^^^^^^^^^^^^^^^^^^ error: Builtin strncmp requires a non-negative literal
                                                                                    //^^^^ error: memcmp() expects a number that is not negative (string provided)
"#,
    );
    check(
        r#"
begin { print(buf(1)); print(buf("a", "b")); print(macaddr("abcdef")); print(pton("1.2.3")); print(pton(1)); }
            //^^^^^^ error: buf() expects a length argument for non-array type int
                           //^^^^^^^^^^^^^ error: buf() only supports int arguments (string provided)
                                                 //^^^^^^^^^^^^^^^^^ error: macaddr() does not support literal string arguments
                                                                           //^^^^^^^^^^^^^ error: pton() expects an string argument of an IPv4/IPv6 address, got 1.2.3
                                                                                                 //^^^^^^^ error: pton() expects an string literal at the first argument
"#,
    );
}

#[test]
fn names_as_arguments() {
    check(
        r#"
begin { print(nsecs(foo)); print(pid(foo)); print(kstack(foo)); print(kstack(build_id)); print(ustack(1, 2)); print(kstack("x")); }
                  //^^^ error: Invalid timestamp mode: foo | there are monotonic, boot, tai, sw_tai
                                   //^^^ error: Invalid PID namespace mode: foo (expects: curr_ns or init)
                                                       //^^^ error: Error parsing stack mode: kstack: Invalid value for stack_mode: valid values are bpftrace, raw, perf, and build_id.
                                                                    //^^^^^^^^^^^^^^^^ error: 'build_id' stack mode can only be used for ustack
                                                                                                    //^ error: ustack() takes the mode first, then the limit | usage: ustack, ustack(limit), ustack(bpftrace|perf|raw|build_id, limit)
                                                                                                                  //^^^^^^^^^^^ error: kstack: invalid limit value
"#,
    );
}

#[test]
fn what_must_be_known_when_compiling() {
    check(
        r#"
begin { time(1); print(strftime(1, 1)); print(strftime("%s", -1)); print(kaddr(1)); print(kaddr("nope")); }
      //^^^^^^^ error: time() expects a string literal (int provided)
                     //^^^^^^^^^^^^^^ error: strftime() expects a string literal (int provided)
                                            //^^^^^^^^^^^^^^^^^^ error: strftime() does not accept negative timestamps
                                                                       //^^^^^^^^ error: kaddr() expects a string literal (int provided)
                                                                                        //^^^^^^^^^^^^^ error: Failed to resolve kernel symbol: nope
"#,
    );
    check(
        r#"
begin { fail("no %d and %s", 3, "x"); static_assert(1 == 2, "never"); static_assert(pid == 2, "unknown"); }
      //^^^^^^^^^^^^^^^^^^^^^^^^^^^^ error: no 3 and x
                                    //^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ error: never
                                                                                  //^^^^^^^^ error: this is not known when compiling | assert() tests while the script runs
"#,
    );
    check(
        r#"
begin { print(reg("sp")); }
            //^^^^^^^^^ error: reg can not be used with "begin" probes
"#,
    );
    check(
        r#"
begin { print(ctx); }
            //^^^ error: The ctx builtin can not be used with 'begin' probes
tracepoint:syscalls:sys_enter_write { print(ctx); }
                                          //^^^ error: Use args instead of ctx in tracepoint
kprobe:f, iter:task { print(ctx); }
                          //^^^ error: ctx has another type at each of these probes
iter:map { print(ctx); }
               //^^^ error: this kernel does not tell what a struct bpf_iter__map is
iter:task { print((ctx.task.comm, ctx.task.pid)); }
kprobe:f { $c = ctx; print($c.ip); }
"#,
    );
}

#[test]
fn what_needs_permission() {
    check(
        r#"
begin { system("x"); signal(9); }
      //^^^^^^^^^^^ error: system() is an unsafe function being used in safe mode | --unsafe permits it
                   //^^^^^^^^^ error: signal() is an unsafe function being used in safe mode | --unsafe permits it
"#,
    );
}

#[test]
fn values_that_only_user_space_can_show() {
    check(
        r#"
begin { printf("%d", buf("abc", 3)); printf("%r", 1); printf("%p", ksym(1)); }
              //^^ error: unsupported format specifier for type 'buffer[3]': d | use %s
                                           //^^ error: unsupported format specifier for type 'int8': r | use %s
                                                            //^^ error: unsupported format specifier for type 'ksym_t': p | use %s
"#,
    );
    check(
        r#"
begin { @ = kstack(2); @ = kstack(3); if (kstack) { print(1); } }
                     //^^^^^^^^^^^^^ error: Type mismatch for @: trying to assign value of type 'kstack_bpftrace_3' when map already has a type 'kstack_bpftrace_2'
                                       //^^^^^^^^ error: Invalid condition: kstack
"#,
    );
}

#[test]
fn addresses_have_four_or_sixteen_bytes() {
    check(
        r#"
begin { print(ntop("abcd")); print(ntop("abc")); print(ntop(pton("::1"))); print(ntop(comm)); print(ntop("abcdef")); }
                                                                                                  //^^^^^^^^^^^^^^ error: ntop() argument must be 4 or 16 bytes in size | this one has 7
"#,
    );
}

#[test]
fn packets() {
    check(
        r#"
kprobe:f { skboutput("a", arg0, 1, 0); }
         //^^^^^^^^^^^^^^^^^^^^^^^^^^ error: skboutput can not be used with "kprobe" probes | it takes the typed arguments of fentry, fexit or rawtracepoint
"#,
    );
    check(
        r#"
rawtracepoint:f { skboutput("a", (void *)arg0, 1, 0); skboutput("a", curtask, 1, 0); }
                                                                   //^^^^^^^ error: skboutput() expects a pointer to a packet (struct task_struct * provided) | write args.skb, or (struct sk_buff *)arg0
"#,
    );
    check(
        r#"
rawtracepoint:f { $p = (struct sk_buff *)arg0; skboutput("a", arg0, 1, 0); skboutput("", $p, 1, 0); skboutput("a", $p, 65536, 0); skboutput("a", $p, 1, -1); skboutput("a", $p, pid, 14); }
                                                            //^^^^ error: skboutput() expects a pointer to a packet (int provided) | write args.skb, or (struct sk_buff *)arg0
                                                                                   //^^ error: skboutput() takes the name of a file
                                                                                                                     //^^^^^ error: skboutput() takes a length up to 65535
                                                                                                                                                      //^^ error: skboutput() takes no negative number here
"#,
    );
}

#[test]
fn functions_of_the_kernel() {
    check(
        r#"
begin { print(comm(1)); print(kfunc_exist(1)); print(kfunc_allowed(comm)); print(percpu_kaddr("nope")); print(percpu_kaddr("runqueues", "x")); print(path(1)); }
            //^^^^^^^ error: Syntax comm(PID) is not supported in this probe type yet. Type: special | the kernel lets no program of this probe call bpf_task_from_pid; those of iter, fentry and rawtracepoint may
                            //^^^^^^^^^^^^^^ error: kfunc_exist() accepts a string literal only
                                                   //^^^^^^^^^^^^^^^^^^^ error: kfunc_allowed() accepts a string literal only
                                                                               //^^^^^^^^^^^^^^^^^^^^ error: Could not resolve variable "nope" from BTF
                                                                                                            //^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ error: percpu_kaddr() only supports int arguments (string provided)
                                                                                                                                                   //^^^^^^^ error: The path function can only be used with 'fentry', 'fexit', 'iter' probes
"#,
    );
    check(
        r#"
iter:task_file { print(path(ctx.file.f_path, 0)); print(path(ctx.file)); print(path(ctx.file.f_path, 12)); print(comm("x")); print(comm(1, 2)); }
                     //^^^^^^^^^^^^^^^^^^^^^^^^ error: path: invalid size value, need non-negative literal
                                                      //^^^^^^^^^^^^^^ error: path() only supports pointer or C type argument (pointer provided) | give it a struct path of the kernel, such as file.f_path
                                                                                                                    //^^^ error: Only integer supported for comm()'s pid
                                                                                                                                 //^^^^^^^^^^ error: comm() takes up to one argument (2 provided) | usage: comm, comm(pid)
"#,
    );
}

#[test]
fn members_and_entries_that_are_looked_for() {
    check(
        r#"
begin { $m = container_of(curtask, typeof(struct task_struct), pid); print($m.comm); print(container_of(curtask, pid, pid)); print(container_of(curtask, typeof(struct task_struct), pidd)); print(container_of("x", typeof(struct task_struct), pid)); }
                                                                                         //^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ error: container_of() expects a pointer, a type and the name of a member | write container_of($pointer, typeof(struct NAME), member)
                                                                                                                                 //^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ error: Struct/union of type 'struct task_struct' does not contain a field named 'pidd' | did you mean `pid`?
                                                                                                                                                                                                              //^^^ error: container_of() expects a pointer (string provided)
"#,
    );
    check(
        r#"
begin { @m[1] = 2; @s = 1; @c[1] = count(); $text = "a"; print(find(@m, 1, $new)); print($new + 1); print(find(@s, 1, $new)); print(find(@m, 1, 5)); print(find(@m, 1, $text)); print(find(@m, "a", $new)); print(find(@c, $new++, $n)); }
                                                                                                        //^^^^^^^^^^^^^^^^^ error: call to find() expects a map with explicit keys (non-scalar map)
                                                                                                                                  //^^^^^^^^^^^^^^ error: find() expects a map, a key and a variable | write find(@map, key, $variable)
                                                                                                                                                         //^^^^^^^^^^^^^^^^^^ error: Type mismatch for $text: trying to assign value of type 'int8' when variable already has a type 'string[2]'
                                                                                                                                                                                    //^^^^^^^^^^^^^^^^^^^ error: Argument mismatch for @m: trying to access with arguments: 'string[2]' when map expects arguments: 'int8'
                                                                                                                                                                                                                         //^^^^^^ error: this key of an aggregation would be computed twice | keep it in a variable first: $key = ...; find(@map, $key, $variable)
"#,
    );
}

#[test]
fn what_may_be_read_as_text() {
    check(
        r#"
begin { assert_str(comm); assert_str("a"); assert_str((int8 *)0); assert_str(1); assert_str((int32 *)0); print(str_concat(1, "a")); print(sizeof(str_concat(comm, "abc"))); }
                                                                //^^^^^^^^^^^^^ error: string-like values must be either strings, arrays or pointers
                                                                               //^^^^^^^^^^^^^^^^^^^^^^ error: string-like pointers must point to a char-like type
                                                                                                                        //^ error: string-like values must be either strings, arrays or pointers
"#,
    );
}

#[test]
fn aggregations_that_are_no_number() {
    check(
        r#"
begin { @h[1] = hist(5); let $v; print(find(@h, 1, $v)); }
                                     //^^^^^^^^^^^^^^^ error: Value 'hist_t' cannot be assigned to a scratch variable. | has_key() tells whether it is there; print() shows the map, or one of its entries
"#,
    );
}

#[test]
fn stacks_by_tables_may_still_change() {
    check(
        r#"
config = { unstable_dw_ustack=enable } begin { print(dw_ustack("x")); print(dw_ustack(foo)); @ = dw_ustack(2); @ = dw_ustack(3); }
                                                   //^^^^^^^^^^^^^^ error: dw_ustack: invalid limit value
                                                                                    //^^^ error: Error parsing stack mode: dw_ustack: Invalid value for stack_mode: valid values are bpftrace, raw, perf, and build_id.
                                                                                                             //^^^^^^^^^^^^^^^^ error: Type mismatch for @: trying to assign value of type 'ustack_bpftrace_3' when map already has a type 'ustack_bpftrace_2'
"#,
    );
    check(
        r#"
config = { unstable_dw_ustack=error } begin { print(dw_ustack); print(dw_ustack(3)); }
                                                  //^^^^^^^^^ error: dw_ustack (DWARF stack unwinding) feature is not enabled by default. To enable this unstable feature, set the config flag to enable. unstable_dw_ustack=enable
"#,
    );
}

#[test]
fn filters_are_about_packets_and_told_of_at_their_place() {
    check(
        r#"
xdp:lo /filter("tcp and portt 80")/ { @ = count(); }
                      //^^^^^ error: `portt` is no word of the filter language | did you mean `port`?
tc:lo:ingress { @ = filter("ip proto \\tcp or \\x") ? count() : 0; }
"#
        .lines()
        .take(3)
        .collect::<Vec<_>>()
        .join("\n")
        .as_str(),
    );
    check(
        r#"
cgroup_skb:/sys:ingress /filter("vlan 5")/ { @ = count(); }
                               //^^^^^^ error: packets have no VLAN tags here (packets begin with IP's header here) | only Ethernet's have
"#,
    );
    check(
        r#"
begin { print(filter("tcp")); }
            //^^^^^^^^^^^^^ error: filter() can not be used with "begin" | it is about packets, which xdp, tc, cgroup_skb and socket see
"#,
    );
    check(
        r#"
xdp:lo { $text = "tcp"; print(filter($text)); }
                            //^^^^^^^^^^^^^ error: filter() expects a string literal (string provided)
"#,
    );
    // Where the text has escapes, its bytes are not at their places.
    check(
        r#"
xdp:lo /filter("ip proto \\tpc")/ { @ = count(); }
             //^^^^^^^^^^^^^^^^ error: no protocol of IP is known by the name `tpc` | did you mean `tcp`?
"#,
    );
}
