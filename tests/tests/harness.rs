//! The harness itself: that it removes the announcement, ends what it started, and fails when it should.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use rtrace_tests::workload::in_own_network;
use rtrace_tests::{Run, Session, patience, requires, sibling};

fn announce() -> Session {
    Run::bare().of(sibling("work")).arg("announce").start()
}

/// The child that `work announce` leaves behind.
fn child_of(session: &Session) -> u32 {
    session.wait_stdout("after");
    let text = session.stdout();
    let last = text.split_whitespace().last().expect("it says which");
    last.parse().expect("a process id follows the word")
}

/// Waits until a process is gone: an orphan is reaped by the first process, in its own time.
fn is_gone(pid: u32) -> bool {
    let deadline = Instant::now() + patience(Duration::from_secs(5));
    loop {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        if status.is_empty() || status.contains("State:\tZ") {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn message(panic: Box<dyn std::any::Any + Send>) -> String {
    *panic.downcast::<String>().expect("the harness panics with text")
}

#[test]
fn the_announcement_is_not_part_of_the_output() {
    let session = announce();
    session.wait_attached();
    let child = child_of(&session);
    let out = session.interrupt();
    assert!(out.attached);
    assert_eq!((out.code, out.signal), (None, Some(libc::SIGINT)));
    out.stdout_is(&format!("before\nafter {child}\n"));
}

#[test]
fn what_was_left_behind_is_ended() {
    let session = announce();
    session.wait_attached();
    let (parent, child) = (session.pid(), child_of(&session));
    assert_ne!(parent, child);
    drop(session);
    assert!(is_gone(parent) && is_gone(child), "{parent} or {child} is still there");
}

#[test]
fn a_panic_in_the_workload_ends_it_too() {
    let mut started = None;
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        Run::bare().of(sibling("work")).arg("announce").run(|session| {
            started = Some((session.pid(), child_of(session)));
            panic!("{}", String::from("on purpose"));
        })
    }));
    assert_eq!(message(outcome.expect_err("the workload panics")), "on purpose");
    let (parent, child) = started.expect("the workload ran");
    assert!(is_gone(parent) && is_gone(child), "{parent} or {child} is still there");
}

#[test]
fn a_run_that_takes_too_long_fails_and_shows_what_it_said() {
    let begun = Instant::now();
    let run = Run::bare().of(sibling("work")).arg("announce").limit(Duration::from_secs(2));
    let said = message(catch_unwind(AssertUnwindSafe(|| run.to_end())).expect_err("it never ends"));
    assert!(said.contains("did not get there in") && said.contains("before\nafter"), "{said}");
    assert!(begun.elapsed() < patience(Duration::from_secs(10)));
}

#[test]
fn a_program_that_never_attaches_fails_the_case() {
    let run = Run::bare().of(sibling("work")).arg("echo").arg("no");
    let said = message(catch_unwind(AssertUnwindSafe(|| run.run(|_| ()))).expect_err("no marker"));
    assert!(said.contains("ended before its probes were attached") && said.contains("no\n"), "{said}");
}

#[test]
fn the_checks_can_fail() {
    let out = Run::bare().of(sibling("work")).arg("echo").arg("@x: 5").to_end();
    out.code(0).stdout_is("@x: 5\n").stdout_has("x");
    assert_eq!(out.int("@x"), 5);
    for check in [
        &(|| {
            out.code(1);
        }) as &dyn Fn(),
        &|| {
            out.stdout_is("@x: 5");
        },
        &|| {
            out.stdout_has("y");
        },
        &|| {
            out.stderr_has("x");
        },
        &|| assert_eq!(out.int("@"), 5),
    ] {
        assert!(catch_unwind(AssertUnwindSafe(check)).is_err(), "a check passed that must not");
    }
    let failed = Run::bare().of(sibling("work")).arg("exit").arg("3").to_end();
    failed.code(3);
}

#[test]
fn a_network_of_its_own_has_a_loopback() {
    requires!(NetNamespaces);
    let outside = std::fs::read_link("/proc/thread-self/ns/net").expect("a thread has a network");
    in_own_network(|| {
        assert_ne!(std::fs::read_link("/proc/thread-self/ns/net").expect("this one too"), outside);
        let listener = std::net::TcpListener::bind("127.0.0.1:80").expect("nobody else listens here");
        std::net::TcpStream::connect(listener.local_addr().expect("it is bound")).expect("loopback is up");
    });
}
