//! A script made into programs of all kinds that see packets, and the kernel's test run, which gives them packets.

use codegen::layout::{EXIT, MapPlace};
use codegen::object::{Options, compile};
use lang::target::{Attach, Context, PacketContext, ProgramType};
use lang::typed::Program;
use lang::{Settings, Source, SourceMap, check, parse};
use probes_ebpf::KernelTarget;
use runtime::load::{LiveMaps, Loaded, load};
use runtime::store::Store;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::Ordering;

/// A kind of program, and whether what it is attached to has a link layer if others of its kind have one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    pub program: ProgramType,
    pub without_link: bool,
}

/// The kinds of program that see packets.
pub const KINDS: [Kind; 6] = [
    Kind::of(ProgramType::Xdp),
    Kind::of(ProgramType::Tc),
    Kind::of(ProgramType::CgroupSkb),
    Kind::of(ProgramType::SocketFilter),
    Kind { without_link: true, ..Kind::of(ProgramType::Xdp) },
    Kind { without_link: true, ..Kind::of(ProgramType::SocketFilter) },
];

impl Kind {
    pub const fn of(program: ProgramType) -> Self {
        Self { program, without_link: false }
    }

    fn context(self) -> Context {
        Context { without_link: self.without_link, ..Context::bare(self.program) }
    }

    /// How it sees packets.
    pub fn packet(self) -> &'static PacketContext {
        self.context().packet().expect("it sees packets")
    }
}

/// A script in the kernel.
pub struct Script {
    program: Program,
    layout: codegen::layout::Layout,
    loaded: Loaded,
    store: Store,
    kind: Kind,
}

/// Whether this process may load programs; a test that cannot says so.
pub fn is_available() -> bool {
    // SAFETY: asks for a number.
    let is_root = unsafe { libc::geteuid() } == 0;
    if !is_root {
        eprintln!("SKIPPED: only root may load programs");
    }
    is_root
}

impl Script {
    /// Compiles and loads a script of one probe as a program of this kind.
    pub fn new(text: &str, kind: Kind) -> Result<Self, String> {
        Self::compiled(text, kind, true)
    }

    /// The same, with or without the mid-end.
    pub fn compiled(text: &str, kind: Kind, optimise: bool) -> Result<Self, String> {
        let target = KernelTarget::new();
        let parsed = parse(text);
        let told = |found: &dyn std::fmt::Debug| format!("{text}\n{found:?}");
        if !parsed.diagnostics.is_empty() {
            return Err(told(&parsed.diagnostics));
        }
        let settings = Settings { allow_unsafe: true, ..Settings::default() };
        let checked = check(&parsed.script, &target, &settings);
        if !checked.is_ok() {
            return Err(told(&checked.diagnostics));
        }
        let mut program = checked.program;
        for point in program.probes.iter_mut().flat_map(|probe| &mut probe.points) {
            // What it is attached to does not matter, as it will not be.
            point.context = kind.context();
            if kind.program != ProgramType::Xdp {
                point.attach = Attach::Socket { interface: "lo".into(), index: 1 };
            }
        }
        let options = Options { optimise, ..Options::default() };
        let object = compile(&program, &target, &options).map_err(|found| told(&found))?;
        let elf = object.to_elf(&SourceMap::new(Source::new("script", text))).map_err(|error| told(&error))?;
        let mut maps = LiveMaps::default();
        let loaded = load(&object, &elf, 1 << 24, &maps).map_err(|error| match error {
            runtime::load::LoadError::Refused { refusal, .. } => {
                let tail: Vec<&str> = refusal.log.lines().rev().take(40).collect();
                let tail: Vec<&str> = tail.into_iter().rev().collect();
                format!("{text}\n{kind:?}\n{}", tail.join("\n"))
            }
            error => told(&error),
        })?;
        let opened = maps.adopt(&loaded, &object.layout);
        let store = opened.and_then(|()| Store::new(&maps, &object.layout, &program.maps));
        let store = store.map_err(|error| told(&error))?;
        Ok(Self { program, layout: object.layout, loaded, store, kind })
    }

    /// The program.
    pub fn descriptor(&self) -> &OwnedFd {
        &self.loaded.programs[0]
    }

    /// Gives it a packet, which begins with Ethernet; what it returns.
    pub fn run(&self, packet: &[u8]) -> io::Result<u32> {
        self.repeat(packet, 1).map(|(returned, _)| returned)
    }

    /// The same many times; what it returns, and nanoseconds of a run.
    pub fn repeat(&self, packet: &[u8], times: u32) -> io::Result<(u32, u32)> {
        let packet = match (self.kind.program, self.kind.without_link) {
            // A socket's program is given the packet without the header that the test run wants: so one more is put there.
            (ProgramType::SocketFilter, false) => [&[0; 12][..], &[0x88, 0xb5], packet].concat(),
            (ProgramType::Xdp, true) => packet[14..].to_vec(),
            _ => packet.to_vec(),
        };
        test_run(self.descriptor(), &packet, times)
    }

    /// The words of a keyless map; zeros if it has not been set.
    pub fn value(&self, map: &str) -> Vec<u64> {
        let index = self.program.maps.iter().position(|known| known.name == map).expect("the script has the map");
        let MapPlace::Global(offset) = self.layout.places[index] else { panic!("@{map} is not keyless") };
        let words = self.program.maps[index].value.slot_size() / 8;
        (1..=words).map(|word| self.store.word(offset + word * 8).load(Ordering::Acquire)).collect()
    }

    /// Whether something went wrong in the program.
    pub fn has_trouble(&self) -> bool {
        let word = |offset| self.store.word(offset).load(Ordering::Acquire);
        word(EXIT) != 0 || self.store.sites().iter().any(|site| self.store.count(site) != 0)
    }
}

const BPF_PROG_TEST_RUN: libc::c_long = 10;

/// The fields of `union bpf_attr` that a test run uses.
#[repr(C)]
#[derive(Default)]
struct TestRun {
    program: u32,
    returned: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    context: [u64; 4],
    more: [u64; 4],
}

/// Runs a program on a packet; what it returned, and nanoseconds of a run.
pub fn test_run(program: &OwnedFd, packet: &[u8], times: u32) -> io::Result<(u32, u32)> {
    let mut attr = TestRun {
        program: program.as_raw_fd() as u32,
        data_in: packet.as_ptr() as u64,
        data_size_in: packet.len() as u32,
        repeat: times,
        ..TestRun::default()
    };
    // SAFETY: `attr` is a live prefix of `union bpf_attr` of the size that is passed, and the packet outlives the call.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, BPF_PROG_TEST_RUN, std::ptr::from_mut(&mut attr), size_of::<TestRun>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok((attr.returned, attr.duration)) }
}
