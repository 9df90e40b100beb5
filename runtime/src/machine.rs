//! The running machine as output sees it: symbols of the kernel and of processes, control groups, users, the time of day.
//!
//! Nothing is read before it is asked for, and what costs much to read is kept.

mod cgroups;
pub(crate) mod clock;
mod debug_file;
mod elf;
mod files;
mod kernel;
mod past;
mod perf_map;
pub mod processes;
mod sideband;
pub mod symbols;
pub mod watch;

use crate::output::world::{Detail, Symbol, World};
use kernel::KernelSymbols;
use probes_ebpf::{arch, syscalls};
use processes::Processes;
use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use symbols::Symbols;

pub use files::MOST_OPEN;

/// This machine.
#[derive(Default)]
pub struct Machine {
    kernel: RefCell<Option<KernelSymbols>>,
    symbols: RefCell<Symbols>,
    clock: OnceCell<clock::Clock>,
}

impl Machine {
    /// This machine, as its clock is now: times since boot become times of day by it. Processes that have ended are known
    /// as they were noted.
    pub fn new(options: symbols::Options, processes: Processes) -> Self {
        let machine = Self { symbols: RefCell::new(Symbols::new(options, processes)), ..Self::default() };
        machine.clock.get_or_init(clock::Clock::now);
        machine
    }

    /// From now on symbols are looked up so.
    pub fn follow(&self, options: symbols::Options) {
        self.symbols.borrow_mut().follow(options);
    }
}

impl World for Machine {
    fn kernel_symbol(&self, address: u64) -> Option<Symbol> {
        self.kernel.borrow_mut().get_or_insert_with(KernelSymbols::open).find(address)
    }

    fn user_symbol(&self, process: u64, address: u64, detail: Detail) -> Option<Rc<Symbol>> {
        self.symbols.borrow_mut().find(process, address, detail)
    }

    fn build_id(&self, process: u64, address: u64) -> Option<(String, u64)> {
        self.symbols.borrow_mut().build_id(process, address)
    }

    fn time_since_boot(&self, nanoseconds: u64, format: &[u8]) -> Vec<u8> {
        self.clock.get_or_init(clock::Clock::now).since_boot(nanoseconds, format)
    }

    fn time_of_day(&self, format: &[u8]) -> Vec<u8> {
        clock::of_day(format)
    }

    fn local_offset(&self, seconds: i64) -> i64 {
        clock::local_offset(seconds)
    }

    fn cgroup_path(&self, id: u64, filter: &[u8]) -> String {
        cgroups::paths(id, &String::from_utf8_lossy(filter))
    }

    fn user_name(&self, id: u32) -> Option<String> {
        clock::user_name(id)
    }

    fn system_call(&self, number: i32) -> Option<String> {
        let number = u16::try_from(number).ok()?;
        Some(syscalls::by_number(arch::native()?, number)?.table_name.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_system_calls() {
        let machine = Machine::default();
        assert_eq!(machine.user_name(0).as_deref(), Some("root"));
        assert_eq!(machine.system_call(-1), None);
    }

    #[test]
    fn times_take_their_format() {
        let machine = Machine::default();
        let year: u32 = String::from_utf8_lossy(&machine.time_of_day(b"%Y")).parse().expect("a year");
        assert!(year >= 2024);
        let shown = machine.time_since_boot(5_000_123_000, b"%f");
        assert_eq!(shown.len(), 6);
        let [a, b] = [5_000_123_000, 5_000_000_000].map(|time| {
            String::from_utf8_lossy(&machine.time_since_boot(time, b"%s%f")).parse::<u64>().expect("microseconds")
        });
        assert_eq!(a - b, 123);
    }
}
