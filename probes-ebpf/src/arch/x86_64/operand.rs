//! Operands as the AT&T assembler writes them: `%eax`, `$5`, `-16(%rbp,%rax,8)`, `counter+4(%rip)`.

use super::ARCH;
use crate::usdt::operand::{Address, Operand, Symbol, sum};
use lang::target::Slot;

/// Reads an operand; says why if it cannot be.
pub(super) fn parse(text: &str) -> Result<Operand, String> {
    if let Some(number) = text.strip_prefix('$') {
        return Ok(match sum(number)? {
            (number, None) => Operand::Number(number),
            (distance, Some(name)) => Operand::Address(Address { distance, symbol: whole(name), ..Address::default() }),
        });
    }
    if text.contains("%fs:") || text.contains("%gs:") {
        return Err("it is in memory that each thread has for itself".into());
    }
    if text.starts_with('%') {
        return register(text).map(Operand::Register);
    }
    if text.contains('@') {
        return Err("it is reached through the linker's tables".into());
    }
    let (distance, registers) = match text.split_once('(') {
        Some((distance, registers)) => match registers.strip_suffix(')') {
            Some(registers) => (distance, registers),
            None => return Err(format!("'{text}' is no operand")),
        },
        None => (text, ""),
    };
    let (distance, symbol) = sum(distance)?;
    let mut parts = registers.split(',').map(str::trim);
    let mut next = || parts.next().filter(|part| !part.is_empty());
    let (base, index, scale) = (next(), next(), next());
    let index = match (index, scale.unwrap_or("1")) {
        (None, _) => None,
        (Some(index), "1") => Some((register(index)?, 0)),
        (Some(index), "2") => Some((register(index)?, 1)),
        (Some(index), "4") => Some((register(index)?, 2)),
        (Some(index), "8") => Some((register(index)?, 3)),
        (Some(_), scale) => return Err(format!("'{scale}' is no scale")),
    };
    if base == Some("%rip") {
        return match symbol {
            Some(name) => Ok(Operand::Memory(Address { distance, symbol: whole(name), ..Address::default() })),
            None => Err(format!("'{text}' does not say which symbol it means")),
        };
    }
    let base = base.map(register).transpose()?;
    Ok(Operand::Memory(Address { base, index, distance, symbol: symbol.and_then(whole) }))
}

fn whole(name: String) -> Option<Symbol> {
    Some(Symbol { name, in_page: false })
}

/// A general register of any width.
fn register(text: &str) -> Result<Slot, String> {
    let unknown = || match ["%xmm", "%ymm", "%zmm", "%st"].iter().any(|prefix| text.starts_with(prefix)) {
        true => format!("{text} is not a general register"),
        false => format!("{text} is not a register"),
    };
    let name = text.strip_prefix('%').ok_or_else(unknown)?;
    let (whole, bytes, above) = split(name).ok_or_else(unknown)?;
    let slot = ARCH.register(whole).ok_or_else(unknown)?;
    Ok(Slot { offset: u32::from(slot.offset) + above, bytes, signed: false })
}

/// The kernel's name of a register, how many bytes of it are meant, and how many lie below them.
fn split(name: &str) -> Option<(&str, u32, u32)> {
    if let Some(number) = name.strip_prefix('r').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) {
        let whole = name.trim_end_matches(['d', 'w', 'b', 'l']);
        let bytes = match number.trim_start_matches(|c: char| c.is_ascii_digit()) {
            "" => 8,
            "d" => 4,
            "w" => 2,
            "b" | "l" => 1,
            _ => return None,
        };
        return Some((whole, bytes, 0));
    }
    Some(match name {
        "al" => ("ax", 1, 0),
        "bl" => ("bx", 1, 0),
        "cl" => ("cx", 1, 0),
        "dl" => ("dx", 1, 0),
        "ah" => ("ax", 1, 1),
        "bh" => ("bx", 1, 1),
        "ch" => ("cx", 1, 1),
        "dh" => ("dx", 1, 1),
        "sil" | "dil" | "bpl" | "spl" => (&name[..2], 1, 0),
        "ax" | "bx" | "cx" | "dx" | "si" | "di" | "bp" | "sp" => (name, 2, 0),
        "rip" => ("ip", 8, 0),
        _ => {
            let (width, whole) = name.split_at_checked(1)?;
            let is_whole = matches!(whole, "ax" | "bx" | "cx" | "dx" | "si" | "di" | "bp" | "sp");
            match width {
                "r" if is_whole => (whole, 8, 0),
                "e" if is_whole => (whole, 4, 0),
                _ => return None,
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(name: &str, bytes: u32) -> Slot {
        let register = ARCH.register(name).expect("a name of the table");
        Slot { offset: u32::from(register.offset), bytes, signed: false }
    }

    #[test]
    fn registers_of_every_width() {
        let cases = [
            ("%rax", slot("ax", 8)),
            ("%eax", slot("ax", 4)),
            ("%ax", slot("ax", 2)),
            ("%al", slot("ax", 1)),
            ("%ah", Slot { offset: 81, ..slot("ax", 1) }),
            ("%dh", Slot { offset: 97, ..slot("dx", 1) }),
            ("%sil", slot("si", 1)),
            ("%esp", slot("sp", 4)),
            ("%rbp", slot("bp", 8)),
            ("%r8", slot("r8", 8)),
            ("%r8d", slot("r8", 4)),
            ("%r15w", slot("r15", 2)),
            ("%r10b", slot("r10", 1)),
            ("%rip", slot("ip", 8)),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), Ok(Operand::Register(expected)), "{text}");
        }
        assert_eq!(parse("%xmm0"), Err("%xmm0 is not a general register".into()));
        for bad in ["%", "%r", "%r16", "%rxx", "%r8q", "%exx", "%orig_ax", "%cs", "%ä"] {
            assert!(parse(bad).is_err_and(|why| why.ends_with("is not a register")), "{bad}");
        }
    }

    #[test]
    fn numbers_and_symbols() {
        let symbol = || Some(Symbol { name: "counter".into(), in_page: false });
        assert_eq!(parse("$-579005069656919568"), Ok(Operand::Number(-579_005_069_656_919_568)));
        assert_eq!(parse("$0x10"), Ok(Operand::Number(16)));
        let at = |distance| Address { distance, symbol: symbol(), ..Address::default() };
        assert_eq!(parse("$counter+4"), Ok(Operand::Address(at(4))));
        assert_eq!(parse("counter(%rip)"), Ok(Operand::Memory(at(0))));
        assert_eq!(parse("-4+counter(%rip)"), Ok(Operand::Memory(at(-4))));
        assert_eq!(parse("counter"), Ok(Operand::Memory(at(0))));
        let indexed = Address { index: Some((slot("ax", 8), 2)), ..at(0) };
        assert_eq!(parse("counter(,%rax,4)"), Ok(Operand::Memory(indexed)));
        assert!(parse("8(%rip)").is_err() && parse("counter@GOTPCREL(%rip)").is_err());
        assert!(parse("%fs:-4").is_err() && parse("%fs:counter@tpoff").is_err());
    }

    #[test]
    fn memory_in_every_form() {
        let rbp = Some(slot("bp", 8));
        let cases = [
            ("(%rbp)", Address { base: rbp, ..Address::default() }),
            ("-16(%rbp)", Address { base: rbp, distance: -16, ..Address::default() }),
            ("-16+8(%rbp)", Address { base: rbp, distance: -8, ..Address::default() }),
            ("(%rbp,%rax)", Address { base: rbp, index: Some((slot("ax", 8), 0)), ..Address::default() }),
            ("8(%rbp,%r9,8)", Address { base: rbp, index: Some((slot("r9", 8), 3)), distance: 8, symbol: None }),
            ("8(%rbp, %rax, 4)", Address { base: rbp, index: Some((slot("ax", 8), 2)), distance: 8, symbol: None }),
            ("(,%rax,2)", Address { index: Some((slot("ax", 8), 1)), ..Address::default() }),
            ("(%ebx)", Address { base: Some(slot("bx", 4)), ..Address::default() }),
            ("0x601040", Address { distance: 0x60_1040, ..Address::default() }),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), Ok(Operand::Memory(expected)), "{text}");
        }
        for bad in ["8(%rbp", "8(%rbp,%rax,3)", "x y(%rbp)", "8(rbp)", "-16(%rbp)x", "(%rbp,8)"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
