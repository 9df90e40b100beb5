//! The running machine as output sees it: symbols of the kernel and of processes, control groups, users, the time of day.
//!
//! Nothing is read before it is asked for, and what costs much to read is kept.

mod cgroups;
mod clock;
mod elf;
mod processes;

use crate::output::world::{Symbol, World};
use probes_ebpf::kallsyms::Kallsyms;
use probes_ebpf::{arch, syscalls};
use std::cell::{OnceCell, RefCell};
use std::ops::ControlFlow;

/// This machine.
#[derive(Default)]
pub struct Machine {
    kernel: OnceCell<KernelSymbols>,
    processes: RefCell<processes::Processes>,
    clock: OnceCell<clock::Clock>,
}

impl Machine {
    /// This machine, as its clock is now: times since boot become times of day by it. In `programs` the symbols of
    /// processes that have ended are looked for.
    pub fn new(programs: Vec<String>) -> Self {
        let machine = Self { processes: RefCell::new(processes::Processes::new(programs)), ..Self::default() };
        machine.clock.get_or_init(clock::Clock::now);
        machine
    }
}

impl World for Machine {
    fn kernel_symbol(&self, address: u64) -> Option<Symbol> {
        self.kernel.get_or_init(KernelSymbols::read).find(address)
    }

    fn user_symbol(&self, process: u32, address: u64) -> Option<Symbol> {
        self.processes.borrow_mut().symbol(process, address)
    }

    fn build_id(&self, process: u32, address: u64) -> Option<(String, u64)> {
        self.processes.borrow_mut().build_id(process, address)
    }

    fn time_since_boot(&self, nanoseconds: u64, format: &[u8]) -> Vec<u8> {
        self.clock.get_or_init(clock::Clock::now).since_boot(nanoseconds, format)
    }

    fn time_of_day(&self, format: &[u8]) -> Vec<u8> {
        clock::of_day(format)
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

/// The symbols of the kernel by address.
#[derive(Default)]
struct KernelSymbols {
    /// Sorted: the address, and where the name is in `names`.
    places: Vec<(u64, u32, u8)>,
    names: String,
}

impl KernelSymbols {
    /// Where the list cannot be read, or the kernel hides its addresses, there are none.
    fn read() -> Self {
        let mut symbols = Self::default();
        let read = Kallsyms::new().for_each(|symbol| {
            if symbol.address != 0 && !matches!(symbol.kind, 'A' | 'a') {
                let length = symbol.name.len().min(255);
                symbols.places.push((symbol.address, symbols.names.len() as u32, length as u8));
                symbols.names.push_str(symbol.name.get(..length).unwrap_or(""));
            }
            ControlFlow::Continue(())
        });
        if read.is_err() {
            return Self::default();
        }
        // Of several at one address the last listed is taken: `__x64_sys_read` after `__do_sys_read`.
        symbols.places.sort_by_key(|(address, ..)| *address);
        symbols
    }

    fn find(&self, address: u64) -> Option<Symbol> {
        let end = self.places.partition_point(|(start, ..)| *start <= address);
        let (start, at, length) = *self.places.get(end.checked_sub(1)?)?;
        let name = self.names.get(at as usize..at as usize + usize::from(length))?.to_owned();
        Some(Symbol { name, offset: address - start, file: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_symbols_are_found_by_address() {
        let symbols = KernelSymbols { places: vec![(16, 0, 1), (16, 1, 1), (32, 2, 3)], names: "abcde".into() };
        assert_eq!(symbols.find(15), None);
        assert_eq!(symbols.find(20).map(|symbol| (symbol.name, symbol.offset)), Some(("b".into(), 4)));
        assert_eq!(symbols.find(99).map(|symbol| (symbol.name, symbol.offset)), Some(("cde".into(), 67)));
    }

    #[test]
    fn this_process_has_symbols() {
        #[inline(never)]
        fn here() -> u64 {
            here as *const () as u64
        }
        let machine = Machine::new(Vec::new());
        let symbol = machine.user_symbol(std::process::id(), here() + 1).expect("this very function");
        assert!(symbol.name.contains("here") && symbol.offset == 1, "{symbol:?}");
        assert!(symbol.file.is_some_and(|file| file.starts_with('/')));
        assert_eq!(machine.user_symbol(std::process::id(), 1), None);
        assert_eq!(machine.user_name(0).as_deref(), Some("root"));
        assert_eq!(machine.system_call(-1), None);
    }

    #[test]
    fn times_take_their_format() {
        let machine = Machine::new(Vec::new());
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
