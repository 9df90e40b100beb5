//! What a script says in C: types, enums, macros and headers.

use rtrace_tests::{Output, Run, requires};

fn run(program: &str) -> Output {
    Run::program(program).to_end()
}

/// A program that ends with this output.
#[track_caller]
fn prints(program: &str, stdout: &str) {
    run(program).code(0).stdout_is(stdout);
}

#[test]
fn types_have_the_size_that_c_gives_them() {
    requires!(Bpf);
    prints(
        "struct foo { int x; char y; int z; } struct bar { int x; char y; int z; } __attribute__((packed)) \
         union u { char c[13]; long l; }; typedef struct { struct foo f[2]; unsigned a : 3, b : 30; } t;
         begin { print((sizeof(struct foo), sizeof(struct bar), sizeof(union u), sizeof(t))); }",
        "(12, 9, 16, 32)\n\n\n",
    );
}

#[test]
fn enums_give_names_to_numbers() {
    requires!(Bpf);
    prints("enum { A = 3, B, C = A << 2 } begin { printf(\"%d %d %d\\n\", A, B, C + 1); }", "3 4 13\n\n\n");
}

#[test]
fn macros_stand_for_what_they_are_defined_as() {
    requires!(Bpf);
    prints(
        "#define SUM 1 + 2\n#define SQUARE(x) ((x) * (x))\n#define TEXT \"text\"\n\
         begin { print(SUM * 3); print(SQUARE(SUM)); print(TEXT); }",
        "9\n9\ntext\n\n\n",
    );
    prints(
        "#ifdef BPFTRACE_HAVE_BTF\n#define A 1\n#else\n#include <no/such.h>\n#define A 2\n#endif\nbegin { print(A); }",
        "1\n\n\n",
    );
}

#[test]
fn numbers_of_the_system_have_their_names() {
    requires!(Bpf);
    prints(
        "#include <linux/socket.h>\nbegin { printf(\"%d %d %d %d\\n\", AF_INET6, EAGAIN, O_CREAT, NSEC_PER_SEC); }",
        "10 11 64 1000000000\n\n\n",
    );
}

#[test]
fn headers_of_the_system_are_read() {
    requires!(Bpf, File("/usr/include/netinet/tcp.h"));
    let program =
        "#include <netinet/tcp.h>\n#include <syscall.h>\nbegin { print((sizeof(struct tcphdr), TCP_MAXSEG)); }";
    prints(program, "(20, 2)\n\n\n");
}

#[test]
fn headers_of_the_user_are_found() {
    requires!(Bpf);
    let folder = std::env::temp_dir().join(format!("rtrace-{}-headers", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the temporary folder can be written");
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).expect("a new file");
    write("a.h", "#pragma once\n#include \"b.h\"\nstruct a { struct b b[N]; };\n");
    write("b.h", "#ifndef B_H\n#define B_H\n#include \"a.h\"\n#define N 3\nstruct b { long l; char c; };\n#endif\n");
    write("script.bt", "#include \"a.h\"\n#include \"b.h\"\nbegin { print((sizeof(struct a), N)); }\n");
    Run::file(folder.join("script.bt")).to_end().code(0).stdout_is("(48, 3)\n\n\n");
    let program = "#include <a.h>\nbegin { print(sizeof(struct a)); }";
    Run::program(program).arg("-I").arg(&folder).to_end().code(0).stdout_is("48\n\n\n");
    let included = Run::program("begin { print(N); }").arg("--include").arg(folder.join("b.h"));
    included.to_end().code(0).stdout_is("3\n\n\n");
    Run::program(program).to_end().code(1).stderr_has("ERROR: 'a.h' file not found");
    std::fs::remove_dir_all(&folder).expect("it is our own folder");
}

#[test]
fn imported_headers_give_their_types() {
    requires!(Bpf);
    let folder = std::env::temp_dir().join(format!("rtrace-{}-imported", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the temporary folder can be written");
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).expect("a new file");
    write("types.h", "#define N 5\nstruct imported { int a[N]; };\n");
    write("script.bt", "import \"types.h\"; begin { print(sizeof(struct imported)); }");
    Run::file(folder.join("script.bt")).to_end().code(0).stdout_is("20\n\n\n");
    std::fs::remove_dir_all(&folder).expect("it is our own folder");
}

#[test]
fn mistakes_are_told_where_they_are() {
    run("struct a { foo_t x; }; begin { }").code(1).stderr_has("stdin:1:12-17: ERROR: unknown type name `foo_t`");
    run("#include <lol/no.h>\nbegin { }").code(1).stderr_has("stdin:1:1-20: ERROR: 'lol/no.h' file not found");
    run("#if 1\nbegin { }").code(1).stderr_has("ERROR: this condition has no `#endif`");
    run("#error too old\nbegin { }").code(1).stderr_has("stdin:1:1-15: ERROR: too old");
}
