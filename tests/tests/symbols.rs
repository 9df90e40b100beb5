//! Names of addresses: in C, C++ and Rust, of stripped programs, of code made at run time, in other mount namespaces, of
//! processes that have ended.
//!
//! Each program ends before its stacks are printed, by which time only what was noted of it is left.

use rtrace_tests::compile::{compiled, split};
use rtrace_tests::{Output, Run, Scratch, requires, sibling};

/// With frames that can be followed, and lines.
const FLAGS: &[&str] = &["-g", "-O1", "-fno-omit-frame-pointer", "-fno-optimize-sibling-calls"];

/// A system call that can be seen, made without a function of the C library between. The address after it is still in
/// `call`, and `FRAME` makes sure that a function which calls no other has a frame.
const CALL: &str = "
#include <sys/syscall.h>
#include <unistd.h>
#define FRAME asm volatile(\"\" : : \"r\"(__builtin_frame_address(0)))
#line 50
static inline __attribute__((always_inline)) void call(void) {
#ifdef __x86_64__
    long number = SYS_getppid;
    asm volatile(\"syscall; nop\" : \"+a\"(number) : : \"rcx\", \"r11\", \"memory\");
#else
    register long number asm(\"x8\") = SYS_getppid;
    register long result asm(\"x0\");
    asm volatile(\"svc 0; nop\" : \"=r\"(result) : \"r\"(number) : \"memory\");
#endif
}
#line 100
";

/// `main` calls `rt_outer`, part of which is `rt_small`, which makes the call.
fn small_program(outer: &str) -> String {
    format!(
        "{CALL}
static inline __attribute__((always_inline)) void rt_small(void) {{
    call();
}}
__attribute__((noinline)) void {outer}(void) {{
    FRAME;
    rt_small();
}}
int main(void) {{
    {outer}();
    usleep(100000);
    return 0;
}}
"
    )
}

/// Runs `command` and prints what `value` is at its call.
fn at_the_call(config: &str, value: &str, command: impl std::fmt::Display) -> Output {
    // A shell asks the same while it starts.
    let text = format!(
        "{config} tracepoint:syscalls:sys_enter_getppid /pid == cpid && comm != \"sh\"/ {{ @[{value}] = count(); }}"
    );
    Run::program(text).child(command.to_string()).to_end()
}

/// The lines between `@[` and `]`, without the blanks at their beginning, distances and folders left out.
fn frames(out: &Output) -> Vec<String> {
    let lines = out.stdout.lines().skip_while(|line| !line.starts_with("@[")).skip(1);
    let frames = lines.take_while(|line| !line.starts_with(']')).map(|line| {
        let (name, place) = line.trim_start().split_once('@').unwrap_or((line.trim_start(), ""));
        let name = name.split('+').next().unwrap_or(name);
        match place.rsplit('/').next().filter(|place| !place.is_empty()) {
            Some(place) => format!("{name}@{}", place.rsplit('.').next().unwrap_or(place)),
            None => name.to_owned(),
        }
    });
    frames.collect()
}

#[test]
fn functions_of_c_with_lines_and_inlined_ones() {
    requires!(Bpf, Tracefs, Program("gcc"));
    let (program, _source) = compiled("sym_c", "gcc", "c", FLAGS, &small_program("rt_outer"));
    let path = &program.path().display().to_string();
    let out = at_the_call("", "ustack(2)", path);
    let expected = ["[inlined] call@c:53", "[inlined] rt_small@c:102", "rt_outer@c:106", "main@c:110"];
    assert_eq!(frames(out.code(0)), expected, "{out}");
    out.stdout_has(&format!("@{path}.c:106\n"));
    let out = at_the_call("config = { show_debug_info = 0 }", "ustack(2)", path);
    assert_eq!(frames(&out), ["rt_outer", "main"], "{out}");
    let out = at_the_call("", "ustack(perf, 2)", path);
    out.stdout_has(" call (inlined)\n").stdout_has(" rt_small (inlined)\n");
    let last: Vec<&str> = out.stdout.lines().filter(|line| line.ends_with(&format!("({path})"))).collect();
    assert!(last.len() == 2 && last[0].starts_with('\t') && last[0].contains(" rt_outer+"), "{out}");
}

#[test]
fn functions_of_cpp_as_they_are_written() {
    requires!(Bpf, Tracefs, Program("g++"));
    let source = format!(
        "{CALL}
namespace app {{
template <class T> struct Server {{
    __attribute__((noinline)) int handle(const char *, T value) {{ FRAME; call(); return value; }}
}};
}}
int main() {{ app::Server<long> server; int n = server.handle(\"a\", 1); usleep(100000); return n - 1; }}
"
    );
    let (program, _source) = compiled("sym_cpp", "g++", "cpp", FLAGS, &source);
    let path = &program.path().display().to_string();
    let out = at_the_call("config = { show_debug_info = 0 }", "ustack(2)", path);
    assert_eq!(frames(&out), ["app::Server<long>::handle(char const*, long)", "main"], "{out}");
    let out = at_the_call("config = { cpp_demangle = 0; show_debug_info = 0 }", "ustack(2)", path);
    assert_eq!(frames(&out), ["_ZN3app6ServerIlE6handleEPKcl", "main"], "{out}");
    let out = at_the_call("", "ustack(1)", path);
    let expected = ["[inlined] call@cpp:53", "app::Server<long>::handle(char const*, long)@cpp:103"];
    assert_eq!(frames(&out), expected, "{out}");
}

#[test]
fn functions_of_rust_as_they_are_written() {
    requires!(Bpf, Tracefs, Program("rustc"));
    let source = "mod app {
    #[inline(never)]
    pub fn handle<T: Into<u64>>(value: T) -> u64 {
        #[cfg(target_arch = \"x86_64\")]
        unsafe { std::arch::asm!(\"syscall\", \"nop\", inlateout(\"rax\") 110 => _, out(\"rcx\") _, out(\"r11\") _) };
        #[cfg(target_arch = \"aarch64\")]
        unsafe { std::arch::asm!(\"svc 0\", \"nop\", in(\"x8\") 173, lateout(\"x0\") _) };
        std::hint::black_box(value.into())
    }
}
fn main() {
    std::hint::black_box(app::handle(1u32) + 1);
    std::thread::sleep(std::time::Duration::from_millis(100));
}
";
    let flags = ["-g", "-O", "-Cforce-frame-pointers=yes", "--crate-name=rt_symbols"];
    let (program, _source) = compiled("sym_rust", "rustc", "rs", &flags, source);
    let out = at_the_call("config = { show_debug_info = 0 }", "ustack(2)", program.path().display());
    let names = frames(&out);
    assert!(names[0].starts_with("rt_symbols::app::handle") && names[1].starts_with("rt_symbols::main"), "{out}");
    let out = at_the_call("", "ustack(1)", program.path().display());
    assert!(frames(&out).last().is_some_and(|frame| frame.ends_with("@rs:5") || frame.ends_with("@rs:7")), "{out}");
}

#[test]
fn stripped_programs_have_their_symbols_in_another_file() {
    requires!(Bpf, Tracefs, Program("gcc"), Program("objcopy"));
    // Without a build id only the link and its checksum lead there.
    for (name, id) in [("sym_split", "-Wl,--build-id"), ("sym_split_plain", "-Wl,--build-id=none")] {
        let flags = [FLAGS, &[id]].concat();
        let (program, _source) = compiled(name, "gcc", "c", &flags, &small_program("rt_outer"));
        let symbols = Scratch::new(&format!("{name}.debug"));
        split(program.path(), symbols.path(), true);
        let out = at_the_call("", "ustack(2)", program.path().display());
        let expected = ["[inlined] call@c:53", "[inlined] rt_small@c:102", "rt_outer@c:106", "main@c:110"];
        assert_eq!(frames(&out), expected, "{out}");
        let out = at_the_call("config = { show_debug_info = 0 }", "ustack(2)", program.path().display());
        assert_eq!(frames(&out), ["rt_outer", "main"], "{out}");
    }
}

#[test]
fn symbols_of_another_program_are_not_taken() {
    requires!(Bpf, Tracefs, Program("gcc"), Program("objcopy"));
    for (name, id) in [("sym_other", "-Wl,--build-id"), ("sym_other_plain", "-Wl,--build-id=none")] {
        let flags = [FLAGS, &[id]].concat();
        let (program, _source) = compiled(name, "gcc", "c", &flags, &small_program("rt_outer"));
        let (other, _other_source) = compiled(&format!("{name}_2"), "gcc", "c", &flags, &small_program("rt_else"));
        let symbols = Scratch::new(&format!("{name}.debug"));
        split(program.path(), symbols.path(), true);
        split(other.path(), symbols.path(), false);
        let out = at_the_call("", "ustack(2)", program.path().display());
        let frames = frames(&out);
        assert!(frames.len() == 2 && frames.iter().all(|frame| frame.starts_with("0x")), "{out}");
        let out = at_the_call("", "ustack(perf, 1)", program.path().display());
        out.stdout_has(" ([unknown])\n");
    }
}

#[test]
fn code_made_at_run_time_is_named_by_its_map_file() {
    requires!(Bpf, Tracefs, Program("gcc"));
    if cfg!(not(target_arch = "x86_64")) {
        return rtrace_tests::skip("symbols::code_made_at_run_time", "its code is for x86-64");
    }
    let source = format!(
        "{CALL}
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
__attribute__((noinline)) void rt_called(void) {{ FRAME; call(); }}
int main(void) {{
    /* push rbp; mov rbp, rsp; call rdi; pop rbp; ret */
    static const unsigned char code[] = {{0x55, 0x48, 0x89, 0xe5, 0xff, 0xd7, 0x5d, 0xc3}};
    char *made = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char name[64];
    memcpy(made + 64, code, sizeof code);
    sprintf(name, \"/tmp/perf-%d.map\", getpid());
    FILE *file = fopen(name, \"w\");
    fprintf(file, \"%lx %lx jitted:rt.js:12\\n\", (long)made + 64, (long)sizeof code);
    fclose(file);
    ((void (*)(void (*)(void)))(made + 64))(rt_called);
    puts(name);
    fflush(stdout);
    usleep(100000);
    return 0;
}}
"
    );
    let (program, _source) = compiled("sym_jit", "gcc", "c", FLAGS, &source);
    let out = at_the_call("config = { show_debug_info = 0 }", "ustack(3), ustack(perf, 3)", program.path().display());
    if let Some(map) = out.stdout.lines().find(|line| line.starts_with("/tmp/perf-")) {
        let _ = std::fs::remove_file(map);
    }
    out.code(0).stdout_has("        rt_called+").stdout_has("\n        jitted:rt.js:12+6\n        main+");
    out.stdout_has(" jitted:rt.js:12+6 ([unknown])\n");
}

#[test]
fn files_of_another_mount_namespace() {
    requires!(Bpf, Tracefs, Root, Program("gcc"), Program("unshare"), Program("sh"));
    let (program, _source) = compiled("sym_ns", "gcc", "c", FLAGS, &small_program("rt_outer"));
    let script = "mount -t tmpfs none /mnt && cp \"$1\" /mnt/rt_inside && exec /mnt/rt_inside";
    let script = Scratch::file("sym_ns.sh", script);
    let command = format!("unshare -m sh {} {}", script.path().display(), program.path().display());
    let out = at_the_call("", "ustack(2)", command);
    let expected = ["[inlined] call@c:53", "[inlined] rt_small@c:102", "rt_outer@c:106", "main@c:110"];
    assert_eq!(frames(&out), expected, "{out}");
    assert!(!std::path::Path::new("/mnt/rt_inside").exists());
}

#[test]
fn a_file_that_was_removed() {
    requires!(Bpf, Tracefs, Program("gcc"));
    let source = format!(
        "{CALL}
__attribute__((noinline)) void rt_outer(void) {{ FRAME; call(); }}
int main(int count, char **words) {{
    (void)count;
    rt_outer();
    usleep(100000);
    return unlink(words[0]);
}}
"
    );
    let (program, _source) = compiled("sym_gone", "gcc", "c", FLAGS, &source);
    let out = at_the_call("config = { show_debug_info = 0 }", "ustack(2)", program.path().display());
    assert_eq!(frames(&out), ["rt_outer", "main"], "{out}");
    assert!(!program.path().exists());
}

#[test]
fn programs_that_one_process_runs_one_after_the_other() {
    requires!(Bpf, Tracefs, Btf, Program("gcc"));
    // Both lie at the same addresses.
    let flags = [FLAGS, &["-no-pie"]].concat();
    let (second, _second_source) = compiled("sym_exec2", "gcc", "c", &flags, &small_program("rt_second"));
    let first = small_program("rt_first_")
        .replace("return 0;", &format!("execl(\"{0}\", \"{0}\", (char *)0); return 1;", second.path().display()));
    let (first, _first_source) = compiled("sym_exec1", "gcc", "c", &flags, &first);
    let out = at_the_call("config = { show_debug_info = 0 }", "ustack(2)", first.path().display());
    out.code(0).stdout_has("        rt_first_+").stdout_has("        rt_second+");
}

#[test]
fn a_library_that_is_loaded_later() {
    requires!(Bpf, Tracefs, Btf, Program("gcc"));
    let library = format!("{CALL} __attribute__((noinline)) void rt_plugin(void) {{ FRAME; call(); }}");
    let flags = [FLAGS, &["-shared", "-fPIC"]].concat();
    let (library, _library_source) = compiled("sym_plugin", "gcc", "c", &flags, &library);
    let source = format!(
        "{CALL}
#include <dlfcn.h>
int main(void) {{
    call();
    usleep(50000);
    void *plugin = dlopen(\"{}\", RTLD_NOW);
    if (!plugin) return 1;
    ((void (*)(void))dlsym(plugin, \"rt_plugin\"))();
    usleep(100000);
    return 0;
}}
",
        library.path().display()
    );
    let (program, _source) = compiled("sym_dlopen", "gcc", "c", FLAGS, &source);
    let out = at_the_call("config = { show_debug_info = 0 }", "ustack(1)", program.path().display());
    out.code(0).stdout_has("@[\n        main+").stdout_has("@[\n        rt_plugin+");
}

#[test]
fn a_process_that_has_ended_by_the_time_of_printing() {
    requires!(Bpf, Uprobes, Btf);
    let work = sibling("work").display().to_string();
    let text = format!(
        "config = {{ show_debug_info = 0 }} uprobe:{work}:work_step {{ @[ustack(1)] = count(); @s[usym(reg(\"REG\"))] = count(); }}"
    );
    let register = if cfg!(target_arch = "x86_64") { "ip" } else { "pc" };
    // Twenty thousand calls take long enough to be noticed.
    let out = Run::program(text.replace("REG", register)).child(format!("'{work}' call 20000")).to_end();
    out.code(0).stdout_has("@[\n        work_step+0\n]: 20000\n").stdout_has("@s[work_step]: 20000\n");
}

#[test]
fn processes_that_live_for_a_moment() {
    requires!(Bpf, Tracefs, Btf, Root, Program("gcc"));
    // Each ends right after the only event that it has.
    let source = small_program("rt_brief").replace("usleep(100000);", "");
    let (program, _source) = compiled("sym_brief", "gcc", "c", FLAGS, &source);
    let text = "config = { show_debug_info = 0 }
        tracepoint:syscalls:sys_enter_getppid /strncmp(comm, \"rtrace-\", 7) == 0/ { @[ustack(2)] = count(); }";
    let out = Run::program(text).run(|_| {
        for _ in 0..50 {
            let status = std::process::Command::new(program.path()).status();
            assert!(status.is_ok_and(|status| status.success()));
        }
    });
    let named = out.code(0).stdout.matches("        rt_brief+").count();
    let whole = out.stdout.matches("        main+").count();
    assert_eq!((named, whole), (50, 50), "{out}");
}

#[test]
fn symbols_need_not_be_kept() {
    requires!(Bpf, Tracefs, Program("gcc"));
    let (program, _source) = compiled("sym_cache", "gcc", "c", FLAGS, &small_program("rt_outer"));
    for cache in ["PER_PID", "PER_PROGRAM", "NONE"] {
        let config = format!("config = {{ cache_user_symbols = \"{cache}\"; show_debug_info = 0 }}");
        let out = at_the_call(&config, "ustack(2)", program.path().display());
        assert_eq!(frames(&out), ["rt_outer", "main"], "{cache}: {out}");
    }
}

#[test]
fn stacks_of_the_kernel_have_names() {
    requires!(Bpf, Tracefs);
    let out = Run::program("begin { print(kstack(perf, 3)); print(ksym(kaddr(\"vfs_read\"))); }").to_end();
    out.code(0).stdout_has("vfs_read\n");
    let frames: Vec<&str> = out.stdout.lines().filter(|line| line.starts_with('\t')).collect();
    assert!(!frames.is_empty() && frames.iter().all(|frame| frame.contains('+')), "{out}");
}
