use super::*;

fn listed(search: &str, options: Options) -> String {
    let mut bytes = Vec::new();
    Lister::new(options, &mut bytes).list(search).expect("memory takes it");
    String::from_utf8(bytes).expect("probes are text")
}

fn list(search: &str) -> String {
    listed(search, Options::default())
}

fn list_with_arguments(search: &str) -> String {
    listed(search, Options { arguments: true, ..Options::default() })
}

#[test]
fn what_is_the_same_everywhere() {
    assert_eq!(list("interval:*"), "interval:hz:\ninterval:ms:\ninterval:s:\ninterval:us:\n");
    assert_eq!(list("p:h*,interval:s:"), "profile:hz:\ninterval:s:\n");
    assert_eq!(list("software:cpu*"), "software:cpu-clock:\nsoftware:cpu-migrations:\nsoftware:cpu:\n");
    let ware = list("*ware:c*");
    assert!(ware.starts_with("hardware:cache-misses:\n") && ware.ends_with("software:cs:\n"), "{ware}");
    assert_eq!(list(" Software:fa* , begin:*"), "software:faults:\nbegin\n");
    assert_eq!(list("self:"), "self:signal:SIGUSR1\n");
    assert_eq!(list("interval:"), list("interval:*"));
    assert_eq!(list("software:nonsense,self:signal:SIGKILL"), "");
}

#[test]
fn unknown_providers_are_told() {
    let mut bytes = Vec::new();
    let mut lister = Lister::new(Options::default(), &mut bytes);
    lister.list("kprob:vfs_*").expect("memory takes it");
    assert_eq!(lister.into_warnings(), ["there are no probes of the type 'kprob'; did you mean kprobe?"]);
    assert!(bytes.is_empty());
}

#[test]
fn a_closed_pipe_ends_it() {
    struct Closed(usize);
    impl Write for Closed {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += 1;
            match self.0 {
                1..=3 => Ok(bytes.len()),
                _ => Err(io::ErrorKind::BrokenPipe.into()),
            }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut closed = Closed(0);
    let result = Lister::new(Options::default(), &mut closed).list("hardware:*");
    assert_eq!(result.map_err(|error| error.kind()), Err(io::ErrorKind::BrokenPipe));
    assert_eq!(closed.0, 4);
}

#[test]
fn events_of_this_machine() {
    let all = list("tracepoint:*");
    if all.is_empty() {
        return println!("skipped: no tracefs");
    }
    let lines: Vec<&str> = all.lines().collect();
    assert!(lines.is_sorted(), "sorted as bytes");
    assert!(lines.contains(&"tracepoint:sched:sched_switch") && !all.contains("tracepoint:ftrace:"));
    assert_eq!(list("t:sched:sched_swi*"), "tracepoint:sched:sched_switch\n");
    assert_eq!(list("t:sched_switch"), "tracepoint:sched:sched_switch\n");
    let shown = list_with_arguments("tracepoint:sched:sched_switch");
    assert!(
        shown.starts_with("tracepoint:sched:sched_switch\n    char prev_comm[16]\n    pid_t prev_pid\n"),
        "{shown}"
    );
    assert!(!shown.contains("common_"), "{shown}");
}

#[test]
fn functions_and_types_of_this_kernel() {
    if Btf::vmlinux().is_err() {
        return println!("skipped: no BTF");
    }
    assert_eq!(list_with_arguments("enum pid_type").lines().nth(1), Some("\tPIDTYPE_PID = 0,"));
    assert_eq!(list("struct task_struc[t]"), "struct task_struct\n");
    let task = list_with_arguments("struct task_struct");
    assert!(task.starts_with("vmlinux: struct task_struct {\n") && task.ends_with("\n};\n\n"), "{task}");
    assert!(task.contains("\n\tstruct task_struct *real_parent;\n"), "{task}");
    let iter = list_with_arguments("iter:task");
    assert_eq!(iter, "iter:task\n    struct task_struct * task\n");
    let raw = list_with_arguments("rawtracepoint:vmlinux:sched_process_exit");
    assert!(raw.starts_with("rawtracepoint:vmlinux:sched_process_exit\n    struct task_struct * p\n"), "{raw}");
    let exit = list_with_arguments("fexit:vmlinux:vfs_read");
    if !exit.is_empty() {
        let lines: Vec<&str> = exit.lines().collect();
        assert_eq!(lines.last(), Some(&"    ssize_t retval"), "{exit}");
        assert_eq!(lines[..2], ["fexit:vmlinux:vfs_read", "    struct file * file"], "{exit}");
        assert_eq!(list_with_arguments("fentry:vfs_read").lines().count(), lines.len() - 1);
    }
}

#[test]
fn functions_of_our_own_program() {
    let own = std::env::current_exe().expect("the test has a file");
    let own = own.to_str().expect("its name is text");
    assert_eq!(list(&format!("uprobe:{own}:main")), format!("uprobe:{own}:main\n"));
    let process = Some(std::process::id());
    let mapped = listed("uretprobe:*:main", Options { process, ..Options::default() });
    assert!(mapped.contains(&format!("uretprobe:{own}:main\n")), "{mapped}");
    // With a file in the pattern, or a process, user space is covered as well.
    assert!(list(&format!("*:{own}:main")).contains("uprobe:"));
}

#[test]
fn places_sort_with_their_colon() {
    let mut places = ["a_b".to_owned(), "a".to_owned(), "a1".to_owned()];
    sort_places(&mut places);
    assert_eq!(places, ["a1", "a", "a_b"]);
}
