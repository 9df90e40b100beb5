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
begin { print(strncmp("a", 1, 1)); print(strncmp(comm, "b", pid)); print(memcmp(1, 2, pid)); }
            //^^^^^^^^^^^^^^^^^^ error: strncmp() only supports string arguments (int provided)
                                       //^^^^^^^^^^^^^^^^^^^^^^^ error: Builtin strncmp requires a non-negative literal
                                                                       //^^^^^^^^^^^^^^^^^ error: memcmp() expects a number up to 1024 that is known when compiling
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
fn packets() {
    check(
        r#"
kprobe:f { skboutput("a", arg0, 1, 0); }
         //^^^^^^^^^^^^^^^^^^^^^^^^^^ error: skboutput can not be used with "kprobe" probes | it takes the typed arguments of fentry, fexit or rawtracepoint
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
