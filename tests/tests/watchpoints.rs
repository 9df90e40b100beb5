//! Watchpoints: memory that the processor watches.

use rtrace_tests::{Run, Scratch, requires};

/// Writes ten times to one word, reads it five times, and writes once from another thread.
const PROGRAM: &str = r#"
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>
static volatile long *word = (long *)0x10000000;
static void *other(void *unused) { word[0] = 11; return unused; }
int main(void)
{
    if (mmap((void *)word, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
        return 1;
    long sum = 0;
    for (int i = 1; i <= 10; i++) { word[0] = i; word[1] = i; }
    for (int i = 0; i < 5; i++) sum += word[0];
    usleep(300000);
    pthread_t thread;
    if (pthread_create(&thread, 0, other, 0)) return 1;
    pthread_join(thread, 0);
    return sum != 50;
}
"#;

fn watched(name: &str, text: &str) -> String {
    let program = Scratch::compiled(name, PROGRAM, &["-O1", "-pthread"]);
    let out = Run::program(text).child(program.path().display().to_string()).to_end();
    out.code(0);
    out.stdout.clone()
}

#[test]
fn writes_are_counted_in_every_thread() {
    requires!(Bpf, Program("cc"), Watchpoints);
    assert_eq!(watched("writes", "watchpoint:0x10000000:8:w { @ = count(); }"), "\n\n@: 11\n");
    assert_eq!(
        watched("byte", "w:0x10000008:1:w { @[probetype, probe] = count(); }"),
        "\n\n@[watchpoint, watchpoint:0x10000008:1:w]: 10\n"
    );
}

#[test]
fn reads_come_with_the_writes() {
    requires!(Bpf, Program("cc"), Watchpoints);
    assert_eq!(watched("reads", "watchpoint:0x10000000:8:rw { @ = count(); }"), "\n\n@: 16\n");
}

#[test]
fn a_watchpoint_can_be_ended_by_the_script() {
    requires!(Bpf, Program("cc"), Watchpoints);
    let text = "watchpoint:0x10000000:8:w { @first = count(); unwatch(0x10000000); } watchpoint:0x10000008:8:w { @second = count(); }";
    let out = watched("unwatch", text);
    assert!(out.contains("@second: 10\n"), "{out}");
    // What happens until the request is read still counts, but the thread at the end is far behind.
    assert!(!out.contains("@first: 11\n"), "{out}");
}

#[test]
fn what_no_processor_watches_is_refused() {
    let refused = |point: &str, why: &str| {
        Run::program(format!("{point} {{ @ = 1; }}")).to_end().code(1).stderr_has(why);
    };
    refused("watchpoint:0:8:w", "watchpoint must be attached to a non-zero address");
    refused("watchpoint:0x1000:3:w", "watchpoint length must be one of (1,2,4,8)");
    refused("watchpoint:0x1001:8:w", "only where the address can be divided by 8");
    refused("watchpoint:0x1000:8:a", "watchpoint mode must be combination of (r,w,x)");
    refused("watchpoint:0x1000:8:ww", "watchpoint modes may not be duplicated");
    refused("watchpoint:0x1000:8:wx", "write a watchpoint for each of the two");
    refused("watchpoint:0x1000:8", "requires 3 arguments, found 2");
    refused("watchpoint:where:8:w", "invalid integer: where");
}

#[test]
fn more_than_the_processor_has_is_an_error_that_says_so() {
    requires!(Bpf, Program("cc"), Watchpoints);
    let program = Scratch::compiled("many", PROGRAM, &["-O1", "-pthread"]);
    let text: String = (0..40).map(|i| format!("watchpoint:{}:8:w {{ @ = 1; }} ", 0x1000_0000 + i * 8)).collect();
    let out = Run::program(text).child(program.path().display().to_string()).to_end();
    out.code(1).stderr_has("debug registers");
}
