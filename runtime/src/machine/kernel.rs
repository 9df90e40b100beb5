//! Symbols of the kernel by address, its modules and BPF programs included.
//!
//! The kernel makes the list up as it is read, which takes some 50 ms for the whole of it. It begins with the kernel
//! proper, by address, so it is read no further than the address that is asked for, and from there on for the next.

use crate::output::world::Symbol;
use probes_ebpf::kallsyms::{Kallsyms, Reader};
use std::fs::File;
use std::ops::ControlFlow;

/// The symbols of the kernel by address, as far as they have been read.
pub struct KernelSymbols<R = File> {
    /// What is still to be read.
    rest: Option<Reader<R>>,
    /// Sorted: the address, and where the name is in `names`.
    places: Vec<(u64, u32, u8)>,
    names: String,
}

impl KernelSymbols {
    /// Where the list cannot be read, or the kernel hides its addresses, there are none.
    pub fn open() -> Self {
        Self { rest: Kallsyms::new().reader().ok(), places: Vec::new(), names: String::new() }
    }
}

impl<R: std::io::Read> KernelSymbols<R> {
    /// The symbol that an address belongs to.
    pub fn find(&mut self, address: u64) -> Option<Symbol> {
        self.read_to(address);
        let end = self.places.partition_point(|(start, ..)| *start <= address);
        let (start, at, length) = *self.places.get(end.checked_sub(1)?)?;
        let name = self.names.get(at as usize..at as usize + usize::from(length))?.to_owned();
        Some(Symbol { name, offset: address - start, ..Symbol::default() })
    }

    /// Reads until it is known which symbol an address belongs to: it lies between two of the kernel proper. If the list
    /// is in another order than by address, or the address is beyond, all of it is read.
    fn read_to(&mut self, address: u64) {
        let is_between = |places: &[(u64, u32, u8)]| {
            let bounds = places.first().zip(places.last());
            bounds.is_some_and(|(first, last)| first.0 <= address && address < last.0)
        };
        if is_between(&self.places) {
            return;
        }
        let Some(mut rest) = self.rest.take() else { return };
        let mut is_sorted = true;
        let more = rest.read(|symbol| {
            if symbol.address == 0 || matches!(symbol.kind, 'A' | 'a') {
                return ControlFlow::Continue(());
            }
            is_sorted &= symbol.module.is_none() && self.places.last().is_none_or(|last| last.0 <= symbol.address);
            let length = symbol.name.len().min(255);
            self.places.push((symbol.address, self.names.len() as u32, length as u8));
            self.names.push_str(symbol.name.get(..length).unwrap_or(""));
            match is_sorted && is_between(&self.places) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        match more {
            Ok(true) => self.rest = Some(rest),
            // Of several at one address the last listed is taken: `__x64_sys_read` after `__do_sys_read`.
            Ok(false) => self.places.sort_by_key(|(address, ..)| *address),
            Err(_) => self.places.clear(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbols(text: &str) -> KernelSymbols<&[u8]> {
        KernelSymbols { rest: Some(Reader::new(text.as_bytes())), places: Vec::new(), names: String::new() }
    }

    fn found<R: std::io::Read>(symbols: &mut KernelSymbols<R>, address: u64) -> Option<(String, u64)> {
        symbols.find(address).map(|symbol| (symbol.name, symbol.offset))
    }

    const TEXT: &str =
        "0 A percpu\n10 T a\n10 t b\n20 T cde\n30 T f\n40 T g\n8 t m\t[mod]\n35 t n\t[mod]\n50 t p\t[bpf]\n";

    #[test]
    fn symbols_are_found_by_address() {
        let mut all = symbols(TEXT);
        for (address, name, offset) in [
            (0x10, "b", 0),
            (0x1f, "b", 15),
            (0x2f, "cde", 15),
            (0x99, "p", 0x49),
            (0x38, "n", 3),
            (8, "m", 0),
            (0x45, "g", 5),
        ] {
            assert_eq!(found(&mut all, address), Some((name.into(), offset)), "{address:#x}");
        }
        assert_eq!(found(&mut all, 7), None);
    }

    #[test]
    fn no_more_is_read_than_it_takes() {
        let mut few = symbols(TEXT);
        assert_eq!(found(&mut few, 0x15), Some(("b".into(), 5)));
        assert_eq!(few.places.len(), 3);
        assert_eq!(found(&mut few, 0x25), Some(("cde".into(), 5)));
        assert_eq!((few.places.len(), few.rest.is_some()), (4, true));
        assert_eq!(found(&mut few, 0x50), Some(("p".into(), 0)));
        assert!(few.rest.is_none());
    }

    #[test]
    fn hidden_addresses_are_none() {
        assert_eq!(found(&mut symbols("0 T a\n0 T b\n"), 0x10), None);
        assert_eq!(found(&mut symbols(""), 0x10), None);
    }

    #[test]
    fn the_running_kernel_is_read_in_pieces_as_in_one() {
        let (mut pieces, mut whole) = (KernelSymbols::open(), KernelSymbols::open());
        whole.find(u64::MAX);
        if whole.places.is_empty() {
            return println!("skipped: no addresses can be seen");
        }
        let addresses: Vec<u64> = whole.places.iter().step_by(997).map(|place| place.0 + 1).collect();
        for address in addresses {
            assert_eq!(pieces.find(address), whole.find(address), "{address:#x}");
        }
    }
}
