//! Symbols of the kernel by address, its modules and BPF programs included.

use crate::output::world::Symbol;
use probes_ebpf::kallsyms::Kallsyms;
use std::ops::ControlFlow;

/// The symbols of the kernel by address.
#[derive(Default)]
pub struct KernelSymbols {
    /// Sorted: the address, and where the name is in `names`.
    places: Vec<(u64, u32, u8)>,
    names: String,
}

impl KernelSymbols {
    /// Where the list cannot be read, or the kernel hides its addresses, there are none.
    pub fn read() -> Self {
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

    /// The symbol that an address belongs to.
    pub fn find(&self, address: u64) -> Option<Symbol> {
        let end = self.places.partition_point(|(start, ..)| *start <= address);
        let (start, at, length) = *self.places.get(end.checked_sub(1)?)?;
        let name = self.names.get(at as usize..at as usize + usize::from(length))?.to_owned();
        Some(Symbol { name, offset: address - start, ..Symbol::default() })
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
}
