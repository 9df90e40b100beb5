//! What depends on the processor: one table an architecture, and nothing about it anywhere else.
//!
//! Each submodule fills in one [`Arch`]: where registers lie in the kernel's `struct pt_regs`, which of them carry
//! arguments, how system calls are numbered and how a 32-bit caller is recognised. Both tables are always compiled,
//! so a test on one machine sees mistakes in the other's. Code generation, reading of registers and everything that
//! needs a running kernel are kept out.

pub mod aarch64;
pub mod x86_64;

use crate::usdt::operand::Operand;

/// The facts of one architecture. All offsets are in bytes.
#[derive(Debug)]
pub struct Arch {
    /// The name as `uname -m` prints it.
    pub name: &'static str,
    /// Its number in ELF files (`e_machine`).
    pub elf_machine: u16,
    /// Reads what its assembler writes in the notes of usdt probes, or says why it cannot be read.
    pub operand: fn(&str) -> Result<Operand, String>,
    /// The registers of `struct pt_regs` under the kernel's names, in memory order.
    pub registers: &'static [Register],
    /// Other spellings that users know, as (spelling, name in `registers`).
    pub aliases: &'static [(&'static str, &'static str)],
    /// The registers that carry a function's integer arguments, first argument first.
    pub arguments: &'static [&'static str],
    /// The same for functions written in Go, which has a calling convention of its own.
    pub go_arguments: &'static [&'static str],
    /// The registers that carry a system call's arguments, first argument first.
    pub syscall_arguments: &'static [&'static str],
    /// The slot that holds the system call's number from entry to exit.
    pub syscall_number: Register,
    /// The register that carries a function's return value.
    pub return_value: &'static str,
    /// The stack pointer.
    pub stack_pointer: &'static str,
    /// The frame pointer, where code is compiled with one.
    pub frame_pointer: &'static str,
    /// The instruction pointer.
    pub instruction_pointer: &'static str,
    /// Distance from the stack pointer at a function's first instruction to its first argument on the stack.
    pub stack_argument_offset: u32,
    /// The registers by the numbers that DWARF gives them, from 0 on.
    pub dwarf_registers: &'static [&'static str],
    /// What the kernel puts before `sys_<name>` in the names of its system call functions.
    pub syscall_prefix: &'static str,
    /// What a watchpoint can look out for, as `watchpoint` probes write it.
    pub watchpoint_modes: &'static [&'static str],
    /// How to recognise a system call made through another ABI, whose numbers mean something else.
    pub compat: Compat,
    /// System calls as (event name, number), sorted by name. See [`crate::syscalls`].
    pub syscalls: &'static [(&'static str, u16)],
    /// Where the name in the system call table, which manual pages use, is not the event's: (event name, table name).
    pub syscall_table_names: &'static [(&'static str, &'static str)],
}

/// One register's slot in `struct pt_regs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Register {
    /// The kernel's name of it.
    pub name: &'static str,
    /// Offset in `struct pt_regs`, in bytes.
    pub offset: u16,
    /// Width of the slot, in bytes.
    pub size: u8,
}

/// How a task shows that the system call it is in came through the 32-bit ABI.
///
/// The kernel's own system call events skip such calls (`arch_trace_is_compat_syscall`), for the numbers belong to
/// another table; a program on `raw_syscalls` has to do the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compat {
    /// The field to read, as members from `struct task_struct` inwards.
    pub field: &'static [&'static str],
    /// The call is a compat one if any of these bits is set in the field.
    pub mask: u64,
    /// The bit that marks the number itself as another ABI's (x32), or 0. A number with it equals none in the table.
    pub number_bit: u32,
}

/// The architecture rtrace was built for.
///
/// On one without a table this is `None`: no registers, no system call numbers.
pub fn native() -> Option<&'static Arch> {
    by_name(std::env::consts::ARCH)
}

/// The architecture that `uname -m` calls `name`.
pub fn by_name(name: &str) -> Option<&'static Arch> {
    ALL.iter().copied().find(|arch| arch.name == name)
}

/// Every architecture with a table.
pub static ALL: &[&Arch] = &[&x86_64::ARCH, &aarch64::ARCH];

impl Arch {
    /// The register called `name`, by the kernel's name or an alias.
    pub fn register(&self, name: &str) -> Option<Register> {
        let name = self.aliases.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, kernel)| kernel);
        self.registers.iter().copied().find(|register| register.name == name)
    }

    /// The register of a function's argument `index` (from 0); `None` when it is passed on the stack.
    pub fn argument(&self, index: usize) -> Option<Register> {
        self.register(self.arguments.get(index)?)
    }

    /// The register that DWARF knows by this number, if it is a general one.
    pub fn dwarf_register(&self, number: u16) -> Option<Register> {
        self.register(self.dwarf_registers.get(usize::from(number))?)
    }

    /// The register of a system call's argument `index` (0 to 5).
    pub fn syscall_argument(&self, index: usize) -> Option<Register> {
        self.register(self.syscall_arguments.get(index)?)
    }
}

/// A slot of 8 bytes, which is what nearly all of them are.
const fn slot(name: &'static str, offset: u16) -> Register {
    Register { name, offset, size: 8 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_in_a_table_is_a_register() {
        for arch in ALL {
            let single = [arch.return_value, arch.stack_pointer, arch.frame_pointer, arch.instruction_pointer];
            let named = arch
                .arguments
                .iter()
                .chain(arch.go_arguments)
                .chain(arch.syscall_arguments)
                .chain(&single)
                .chain(arch.dwarf_registers);
            for name in named.chain(arch.aliases.iter().map(|(_, kernel)| kernel)) {
                assert!(arch.register(name).is_some(), "{}: {name}", arch.name);
            }
            assert_eq!(arch.syscall_arguments.len(), 6, "{}", arch.name);
        }
    }

    #[test]
    fn slots_do_not_overlap() {
        for arch in ALL {
            for pair in arch.registers.windows(2) {
                assert!(pair[0].offset + u16::from(pair[0].size) <= pair[1].offset, "{}: {:?}", arch.name, pair);
            }
        }
    }

    #[test]
    fn syscall_tables_are_sorted_and_numbers_unique() {
        for arch in ALL {
            for pair in arch.syscalls.windows(2) {
                assert!(pair[0].0 < pair[1].0, "{}: {:?}", arch.name, pair);
            }
            let mut numbers: Vec<_> = arch.syscalls.iter().map(|(_, number)| number).collect();
            numbers.sort_unstable();
            numbers.dedup();
            assert_eq!(numbers.len(), arch.syscalls.len(), "{}", arch.name);
        }
    }

    #[test]
    fn known_places() {
        assert_eq!(x86_64::ARCH.argument(0).map(|r| r.offset), Some(112));
        assert_eq!(x86_64::ARCH.syscall_argument(3).map(|r| r.name), Some("r10"));
        assert_eq!(x86_64::ARCH.argument(3).map(|r| r.name), Some("cx"));
        assert_eq!(x86_64::ARCH.register("rdi"), x86_64::ARCH.register("di"));
        assert_eq!(aarch64::ARCH.argument(7).map(|r| r.offset), Some(56));
        assert_eq!(aarch64::ARCH.argument(8), None);
    }
}
