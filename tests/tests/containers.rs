//! Processes that see another file system than rtrace does.

use rtrace_tests::{Run, Scratch, requires};
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command};

/// A directory with one program in it, and the program running with the directory as its root.
struct Container {
    root: PathBuf,
    process: Child,
}

impl Container {
    /// `command` is given the directory and starts `/program` in it.
    fn start(name: &str, command: &[&str]) -> Container {
        // It needs nothing of a file system, and ends by itself should the case not come to its end.
        let source = "#include <unistd.h>
            __attribute__((noinline)) int tick(int n) { __asm__(\"\"); return n; }
            int main(void) { for (int i = 0; i < 3000; i++) { tick(3); usleep(10000); } }";
        let program = Scratch::compiled(&format!("{name}_program"), source, &["-O1", "-static"]);
        let root = std::env::temp_dir().join(format!("rtrace-root-{}-{name}", std::process::id()));
        fs::create_dir_all(root.join("old")).expect("the temporary folder can be written");
        fs::copy(program.path(), root.join("program")).expect("both are our own");
        let command = command.iter().map(|word| word.replace("ROOT", &root.display().to_string()));
        let command: Vec<String> = command.collect();
        let process = Command::new(&command[0]).args(&command[1..]).spawn().expect("the case asks for it");
        let container = Container { root, process };
        // Until then it is the shell.
        let link = format!("/proc/{}/exe", container.process.id());
        while !fs::read_link(&link).is_ok_and(|program| program.ends_with("program")) {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        container
    }

    fn finds_its_own_files(&self) {
        let pid = self.process.id().to_string();
        for place in ["/program:tick", "tick", "*:tick", "/prog*:tic[k]"] {
            let text = format!("uprobe:{place} {{ print((probe, arg0)); exit(); }}");
            let out = Run::program(text).arg("-p").arg(&pid).to_end();
            out.code(0).stdout_is("(uprobe:/program:tick, 3)\n\n\n");
        }
        let listed = Run::bare().arg("-l").arg("uprobe:*:tick").arg("-p").arg(&pid).to_end();
        listed.code(0).stdout_is("uprobe:/program:tick\n");
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = self.process.kill().and_then(|()| self.process.wait());
        let _ = fs::remove_dir_all(&self.root);
    }
}

#[test]
fn a_root_of_its_own() {
    requires!(Bpf, Uprobes, Root, Program("cc"), Program("chroot"));
    Container::start("chroot", &["chroot", "ROOT", "/program"]).finds_its_own_files();
}

#[test]
fn a_mount_namespace_of_its_own() {
    requires!(Bpf, Uprobes, Root, Program("cc"), Program("unshare"), Program("pivot_root"));
    let script = "mount --make-rprivate / && mount --bind ROOT ROOT && cd ROOT && pivot_root . old && exec /program";
    Container::start("pivot", &["unshare", "-m", "sh", "-c", script]).finds_its_own_files();
    let within = "mount --make-rprivate / && exec chroot ROOT /program";
    Container::start("within", &["unshare", "-m", "sh", "-c", within]).finds_its_own_files();
}

#[test]
fn a_library_in_an_archive() {
    requires!(Bpf, Uprobes, Program("cc"), Program("python3"));
    let library = Scratch::compiled("archived", "int answer(void) { return 42; }", &["-shared", "-fPIC"]);
    let archive = Scratch::new("archive.zip");
    let script = "import sys, zipfile
with zipfile.ZipFile(sys.argv[2], 'w') as archive:
    archive.write(sys.argv[1], 'lib/stored.so', zipfile.ZIP_STORED)
    archive.write(sys.argv[1], 'lib/packed.so', zipfile.ZIP_DEFLATED)";
    let done = Command::new("python3").args(["-c", script]).args([library.path(), archive.path()]).status();
    assert!(done.is_ok_and(|status| status.success()));
    let archive = archive.path().display().to_string();
    // It is called where it lies: the file is mapped at the place of its code.
    let bytes = fs::read(&archive).expect("it was written");
    let elf = bytes.windows(4).position(|bytes| bytes == b"\x7fELF").expect("it is stored");
    let call = format!(
        "import ctypes, mmap, os
fd = os.open('{archive}', os.O_RDONLY)
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
at = libc.mmap(None, {}, mmap.PROT_READ | mmap.PROT_EXEC, mmap.MAP_PRIVATE, fd, 0)
assert ctypes.CFUNCTYPE(ctypes.c_int)(at + {})() == 42",
        bytes.len(),
        elf as u64 + offset_of_answer(library.path()),
    );
    let caller = Scratch::file("caller.py", call);
    let text = format!("uprobe:\"{archive}!/lib/stored.so\":answer {{ print((probe, func)); }}");
    let out = Run::program(text).child(format!("python3 {}", caller.path().display())).to_end();
    out.code(0).stdout_is(&format!("(uprobe:{archive}!/lib/stored.so:answer, answer)\n\n\n"));
    for missing in ["packed", "other"] {
        let out = Run::program(format!("uprobe:\"{archive}!/lib/{missing}.so\":answer {{}}")).to_end();
        out.code(1).stderr_has("does not exist or is not executable").stderr_has("stored without compression");
    }
}

/// Where in its file the function is, by its own symbol table as `nm` shows it.
fn offset_of_answer(library: &std::path::Path) -> u64 {
    let out = Command::new("nm").arg(library).output().expect("it comes with the compiler");
    let text = String::from_utf8(out.stdout).expect("it is text");
    let line = text.lines().find(|line| line.ends_with(" T answer")).expect("it is there");
    // The first parts of a small library are at the same place in the file as in memory.
    u64::from_str_radix(line.split(' ').next().unwrap_or_default(), 16).expect("an address")
}
