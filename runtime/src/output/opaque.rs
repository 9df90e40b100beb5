//! Values that the program only passes on, and that get their form here: addresses of the network, buffers, symbols,
//! stacks, times.
//!
//! Their layout is that of `codegen`: a stack has the number of its frames first, a process's stack then the word of the
//! process; a buffer the number of its bytes.

use super::world::{Detail, Symbol};
use super::{Settings, names, push_fmt};
use lang::types::{Stack, StackMode, Type};
use std::net::{Ipv4Addr, Ipv6Addr};

/// `AF_INET6` (include/linux/socket.h).
const AF_INET6: u64 = 10;

/// How bytes are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bytes {
    /// Text where they are text, `\xNN` elsewhere.
    Text,
    /// `\xNN`
    Escaped,
    /// Hexadecimal, with blanks between.
    Spaced,
}

/// Appends a value that is [opaque](Type::is_opaque). Bytes that are missing read as zeros.
pub fn write(out: &mut Vec<u8>, ty: &Type, bytes: &[u8], settings: &Settings) {
    let world = &settings.world;
    let word = |index: usize| word(bytes, index);
    match ty {
        Type::Inet => write_inet(out, word(0), bytes.get(8..24).unwrap_or_default()),
        Type::Buffer(_) => write_bytes(out, buffer(bytes), Bytes::Text),
        Type::MacAddr => {
            for (i, byte) in word(0).to_ne_bytes()[..6].iter().enumerate() {
                push_fmt(out, format_args!("{}{byte:02X}", if i > 0 { ":" } else { "" }));
            }
        }
        Type::KSym => match world.kernel_symbol(word(0)) {
            Some(symbol) => out.extend_from_slice(symbol.name.as_bytes()),
            None => write_address(out, word(0)),
        },
        Type::USym => match world.user_symbol(word(1), word(0), Detail::Name) {
            Some(symbol) => out.extend_from_slice(symbol.name.as_bytes()),
            None => write_address(out, word(0)),
        },
        Type::Stack(stack) => write_stack(out, *stack, bytes, settings),
        Type::Timestamp => {
            out.extend(world.time_since_boot(word(0), &settings.texts.get(word(1))));
        }
        Type::CgroupPath => {
            out.extend_from_slice(world.cgroup_path(word(0), &settings.texts.get(word(1))).as_bytes());
        }
        Type::Username => match world.user_name(word(0) as u32) {
            Some(name) => out.extend_from_slice(name.as_bytes()),
            None => push_fmt(out, format_args!("{}", word(0))),
        },
        Type::Named(table) => names::write(out, *table, word(0), settings),
        _ => {}
    }
}

/// The bytes that a buffer has.
pub fn buffer(bytes: &[u8]) -> &[u8] {
    let data = bytes.get(8..).unwrap_or_default();
    let length = usize::try_from(word(bytes, 0)).unwrap_or(usize::MAX);
    data.get(..length).unwrap_or(data)
}

/// Appends bytes.
pub fn write_bytes(out: &mut Vec<u8>, bytes: &[u8], form: Bytes) {
    for (i, byte) in bytes.iter().enumerate() {
        match (form, byte) {
            (Bytes::Text, b' '..=b'~') => out.push(*byte),
            (Bytes::Text | Bytes::Escaped, _) => push_fmt(out, format_args!("\\x{byte:02x}")),
            (Bytes::Spaced, _) => push_fmt(out, format_args!("{}{byte:02x}", if i > 0 { " " } else { "" })),
        }
    }
}

fn word(bytes: &[u8], index: usize) -> u64 {
    let word = bytes.get(index * 8..index * 8 + 8).and_then(|word| word.try_into().ok());
    word.map_or(0, u64::from_ne_bytes)
}

fn write_inet(out: &mut Vec<u8>, family: u64, bytes: &[u8]) {
    match (family, bytes.first_chunk::<16>(), bytes.first_chunk::<4>()) {
        (AF_INET6, Some(bytes), _) => push_fmt(out, format_args!("{}", Ipv6Addr::from(*bytes))),
        (2, _, Some(bytes)) => push_fmt(out, format_args!("{}", Ipv4Addr::from(*bytes))),
        // A family that has no such form.
        _ => {}
    }
}

/// An address without a symbol. That of nothing is a plain zero.
fn write_address(out: &mut Vec<u8>, address: u64) {
    match address {
        0 => out.push(b'0'),
        _ => push_fmt(out, format_args!("{address:#x}")),
    }
}

/// Appends the frames, each on a line of its own, after a line of nothing.
fn write_stack(out: &mut Vec<u8>, stack: Stack, bytes: &[u8], settings: &Settings) {
    let first = stack.header() as usize / 8;
    let count = usize::try_from(word(bytes, 0)).unwrap_or(usize::MAX).min(stack.depth as usize);
    out.push(b'\n');
    for index in first..first + count {
        let address = word(bytes, index);
        match stack.user {
            true if address == Stack::FAILURE => out.extend_from_slice(b"        <unwind failure>\n"),
            false => write_kernel_frame(out, stack.mode, address, settings),
            true => write_user_frame(out, stack.mode, word(bytes, 1), address, settings),
        }
    }
}

fn write_kernel_frame(out: &mut Vec<u8>, mode: StackMode, address: u64, settings: &Settings) {
    match mode {
        StackMode::Raw => push_fmt(out, format_args!("{address:x}")),
        StackMode::Perf => push_fmt(out, format_args!("\t{address:x} ")),
        _ => out.extend_from_slice(b"        "),
    }
    if mode != StackMode::Raw {
        match settings.world.kernel_symbol(address) {
            Some(symbol) => push_fmt(out, format_args!("{}+{}", symbol.name, symbol.offset)),
            None => write_address(out, address),
        }
    }
    out.push(b'\n');
}

fn write_user_frame(out: &mut Vec<u8>, mode: StackMode, process: u64, address: u64, settings: &Settings) {
    let world = &settings.world;
    let symbol = || world.user_symbol(process, address, Detail::Frame);
    match mode {
        StackMode::Raw => push_fmt(out, format_args!("{address:x}\n")),
        StackMode::BuildId => match world.build_id(process, address) {
            Some((id, place)) => push_fmt(out, format_args!("{id} {place:#x}\n")),
            None => push_fmt(out, format_args!("{address:x}\n")),
        },
        StackMode::Bpftrace => match symbol() {
            Some(symbol) => write_with_lines(out, &symbol),
            None => {
                out.extend_from_slice(b"        ");
                write_address(out, address);
                out.push(b'\n');
            }
        },
        StackMode::Perf => match symbol() {
            Some(symbol) => {
                for function in symbol.inlined.iter().rev() {
                    push_fmt(out, format_args!("\t{address:x} {} (inlined)\n", function.name));
                }
                let file = symbol.file.as_deref().unwrap_or("[unknown]");
                push_fmt(out, format_args!("\t{address:x} {}+{} ({file})\n", symbol.name, symbol.offset));
            }
            None => {
                push_fmt(out, format_args!("\t{address:x} "));
                write_address(out, address);
                out.extend_from_slice(b" ([unknown])\n");
            }
        },
    }
}

/// A frame, after the functions that are part of it: the innermost first.
fn write_with_lines(out: &mut Vec<u8>, symbol: &Symbol) {
    let end = |out: &mut Vec<u8>, line: &Option<String>| {
        if let Some(line) = line {
            push_fmt(out, format_args!("@{line}"));
        }
        out.push(b'\n');
    };
    for function in symbol.inlined.iter().rev() {
        push_fmt(out, format_args!("        [inlined] {}", function.name));
        end(out, &function.line);
    }
    push_fmt(out, format_args!("        {}+{}", symbol.name, symbol.offset));
    end(out, &symbol.line);
}

#[cfg(test)]
mod tests {
    use super::super::world::{Inlined, Shared, World};
    use super::*;
    use std::rc::Rc;

    struct Made;

    impl World for Made {
        fn kernel_symbol(&self, address: u64) -> Option<Symbol> {
            let symbol = Symbol { name: "vfs_read".into(), offset: address.checked_sub(0x100)?, ..Symbol::default() };
            Some(symbol)
        }

        fn user_symbol(&self, process: u64, address: u64, detail: Detail) -> Option<Rc<Symbol>> {
            let file = (address != 0x30).then(|| "/bin/x".to_owned());
            let symbol = Symbol { name: "main".into(), offset: 3, file, ..Symbol::default() };
            let line = |line| (detail == Detail::Frame).then(|| format!("/src/x.c:{line}"));
            match (process, address) {
                (7, 0x10 | 0x30) => Some(Rc::new(symbol)),
                (7, 0x18) => {
                    let inlined = |name: &str, at| Inlined { name: name.into(), line: line(at) };
                    let inlined = vec![inlined("outer", 5), inlined("inner", 6)];
                    Some(Rc::new(Symbol { line: line(7), inlined, ..symbol }))
                }
                _ => None,
            }
        }
    }

    fn shown(ty: &Type, words: &[u64]) -> String {
        let settings = Settings { world: Shared::new(Made), ..Settings::default() };
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let mut out = Vec::new();
        write(&mut out, ty, &bytes, &settings);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn addresses_of_the_network() {
        assert_eq!(shown(&Type::Inet, &[2, 0x0100_007f, 0]), "127.0.0.1");
        assert_eq!(shown(&Type::Inet, &[10, 0, 1 << 56]), "::1");
        assert_eq!(shown(&Type::Inet, &[5, 1, 0]), "");
        assert_eq!(shown(&Type::MacAddr, &[0x00fe_ff0a_0201]), "01:02:0A:FF:FE:00");
    }

    #[test]
    fn buffers_show_what_they_have() {
        assert_eq!(shown(&Type::Buffer(8), &[3, u64::from_ne_bytes(*b"a\x01c\0\0\0\0\0")]), "a\\x01c");
        assert_eq!(shown(&Type::Buffer(8), &[99, u64::from_ne_bytes(*b"abcdefgh")]), "abcdefgh");
        assert_eq!(shown(&Type::Buffer(8), &[]), "");
    }

    #[test]
    fn symbols_and_what_has_none() {
        assert_eq!(shown(&Type::KSym, &[0x101]), "vfs_read");
        assert_eq!((shown(&Type::KSym, &[1]), shown(&Type::KSym, &[0])), ("0x1".into(), "0".into()));
        assert_eq!((shown(&Type::USym, &[0x10, 7]), shown(&Type::USym, &[0x20, 7])), ("main".into(), "0x20".into()));
    }

    #[test]
    fn stacks_in_all_modes() {
        let stack = |user, mode| Type::Stack(Stack { user, mode, depth: 3 });
        let kernel = &[2, 0x105, 1, 0];
        assert_eq!(shown(&stack(false, StackMode::Bpftrace), kernel), "\n        vfs_read+5\n        0x1\n");
        assert_eq!(shown(&stack(false, StackMode::Perf), kernel), "\n\t105 vfs_read+5\n\t1 0x1\n");
        assert_eq!(shown(&stack(false, StackMode::Raw), kernel), "\n105\n1\n");
        let user = &[2, 7, 0x10, 0x20, 0];
        assert_eq!(shown(&stack(true, StackMode::Bpftrace), user), "\n        main+3\n        0x20\n");
        assert_eq!(shown(&stack(true, StackMode::Perf), user), "\n\t10 main+3 (/bin/x)\n\t20 0x20 ([unknown])\n");
        assert_eq!(shown(&stack(true, StackMode::Perf), &[1, 7, 0x30]), "\n\t30 main+3 ([unknown])\n");
        assert_eq!(shown(&stack(true, StackMode::BuildId), user), "\n10\n20\n");
        assert_eq!(shown(&stack(true, StackMode::Perf), &[1, 8, 0x10]), "\n\t10 0x10 ([unknown])\n");
        let failed = [2, 7, 0x10, Stack::FAILURE];
        assert_eq!(shown(&stack(true, StackMode::Raw), &failed), "\n10\n        <unwind failure>\n");
        assert_eq!(shown(&stack(false, StackMode::Bpftrace), &[]), "\n");
    }

    #[test]
    fn lines_and_inlined_functions() {
        let stack = |mode| Type::Stack(Stack { user: true, mode, depth: 3 });
        let lines =
            "\n        [inlined] inner@/src/x.c:6\n        [inlined] outer@/src/x.c:5\n        main+3@/src/x.c:7\n";
        assert_eq!(shown(&stack(StackMode::Bpftrace), &[1, 7, 0x18]), lines);
        let lines = "\n\t18 inner (inlined)\n\t18 outer (inlined)\n\t18 main+3 (/bin/x)\n";
        assert_eq!(shown(&stack(StackMode::Perf), &[1, 7, 0x18]), lines);
        assert_eq!(shown(&Type::USym, &[0x18, 7]), "main");
    }
}
