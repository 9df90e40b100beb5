//! Operands as the Arm assembler writes them: `x0`, `w1`, `5`, `[sp, 16]`, `[x0, w1, sxtw 2]`.

use super::ARCH;
use crate::usdt::operand::{Address, Operand, Symbol, sum};
use lang::target::Slot;

/// Reads an operand; says why if it cannot be.
pub(super) fn parse(text: &str) -> Result<Operand, String> {
    if let Some(inner) = text.strip_prefix('[') {
        let inner = inner.strip_suffix(']').ok_or_else(|| format!("'{text}' is no operand"))?;
        return memory(inner).map(Operand::Memory);
    }
    if matches!(text, "xzr" | "wzr") {
        return Ok(Operand::Number(0));
    }
    if let Some(slot) = register(text) {
        return Ok(Operand::Register(slot));
    }
    if is_vector(text) {
        return Err(format!("{text} is not a general register"));
    }
    Ok(match sum(plain(text))? {
        (number, None) => Operand::Number(number),
        (distance, Some(name)) => {
            let symbol = Some(Symbol { name, in_page: false });
            Operand::Address(Address { distance, symbol, ..Address::default() })
        }
    })
}

/// What is within brackets: a register, then a distance, or another register that may be extended and shifted.
fn memory(text: &str) -> Result<Address, String> {
    let unreadable = || format!("'[{text}]' is no operand");
    let mut parts = text.split(',').map(str::trim);
    let base = parts.next().and_then(register).filter(|base| base.bytes == 8).ok_or_else(unreadable)?;
    let address = Address { base: Some(base), ..Address::default() };
    let (second, how) = (parts.next(), parts.next());
    if parts.next().is_some() {
        return Err(unreadable());
    }
    let Some(second) = second else { return Ok(address) };
    if let Some(index) = register(second) {
        return Ok(Address {
            index: Some(extended(index, how.unwrap_or_default()).ok_or_else(unreadable)?),
            ..address
        });
    }
    if how.is_some() {
        return Err(unreadable());
    }
    let (in_page, distance) = match plain(second).strip_prefix(":lo12:") {
        Some(symbol) => (true, symbol),
        None => (false, plain(second)),
    };
    match sum(distance)? {
        (distance, None) if !in_page => Ok(Address { distance, ..address }),
        (distance, Some(name)) if in_page => {
            Ok(Address { distance, symbol: Some(Symbol { name, in_page }), ..address })
        }
        _ => Err(unreadable()),
    }
}

/// `lsl 3`, `sxtw 2`, `uxtw`: the register as it is added, and its shift.
fn extended(index: Slot, how: &str) -> Option<(Slot, u8)> {
    let (word, amount) = how.split_once(' ').unwrap_or((how, "0"));
    let bits = plain(amount.trim()).parse().ok().filter(|bits| *bits <= 4)?;
    match (word, index.bytes) {
        ("" | "lsl" | "sxtx" | "uxtx", 8) => Some((index, bits)),
        ("uxtw", 4) => Some((index, bits)),
        ("sxtw", 4) => Some((Slot { signed: true, ..index }, bits)),
        _ => None,
    }
}

/// A number may have a mark before it.
fn plain(text: &str) -> &str {
    text.strip_prefix('#').unwrap_or(text)
}

/// A general register of either width.
fn register(name: &str) -> Option<Slot> {
    let (whole, bytes) = match name {
        "sp" | "fp" | "lr" => (name, 8),
        "wsp" => ("sp", 4),
        _ => {
            let number = name.get(1..)?;
            if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            let register = ARCH.aliases.iter().find(|(alias, _)| alias.strip_prefix('x') == Some(number))?;
            match name.as_bytes()[0] {
                b'x' => (register.0, 8),
                b'w' => (register.0, 4),
                _ => return None,
            }
        }
    };
    let register = ARCH.register(whole)?;
    Some(Slot { offset: u32::from(register.offset), bytes, signed: false })
}

/// Whether it is a register for floating-point numbers and vectors.
fn is_vector(name: &str) -> bool {
    name.strip_prefix(['b', 'h', 's', 'd', 'q', 'v'])
        .is_some_and(|number| number.parse::<u8>().is_ok_and(|number| number < 32))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn slot(offset: u32, bytes: u32) -> Slot {
        Slot { offset, bytes, signed: false }
    }

    #[test]
    fn registers_and_numbers() {
        let cases = [("x0", slot(0, 8)), ("w0", slot(0, 4)), ("x29", slot(232, 8)), ("w30", slot(240, 4))];
        for (text, expected) in cases.into_iter().chain([("sp", slot(248, 8)), ("wsp", slot(248, 4))]) {
            assert_eq!(parse(text), Ok(Operand::Register(expected)), "{text}");
        }
        for (text, number) in [("5", 5), ("-5", -5), ("#0x10", 16), ("xzr", 0), ("wzr", 0)] {
            assert_eq!(parse(text), Ok(Operand::Number(number)), "{text}");
        }
        let symbol = Some(Symbol { name: "counter".into(), in_page: false });
        assert_eq!(parse("counter+4"), Ok(Operand::Address(Address { distance: 4, symbol, ..Address::default() })));
        for vector in ["d0", "s31", "q2", "v7"] {
            assert_eq!(parse(vector), Err(format!("{vector} is not a general register")));
        }
    }

    #[test]
    fn memory_in_every_form() {
        let (x0, x1, w1, sp) = (slot(0, 8), slot(8, 8), slot(8, 4), Some(slot(248, 8)));
        let base = |base: Slot| Address { base: Some(base), ..Address::default() };
        let low = Some(Symbol { name: "counter".into(), in_page: true });
        let cases = [
            ("[x0]", base(x0)),
            ("[sp, 16]", Address { base: sp, distance: 16, ..Address::default() }),
            ("[sp,#-16]", Address { base: sp, distance: -16, ..Address::default() }),
            ("[x0, x1]", Address { index: Some((x1, 0)), ..base(x0) }),
            ("[x0, x1, lsl 3]", Address { index: Some((x1, 3)), ..base(x0) }),
            ("[x0, x1, lsl #3]", Address { index: Some((x1, 3)), ..base(x0) }),
            ("[x0, w1, uxtw]", Address { index: Some((w1, 0)), ..base(x0) }),
            ("[x0, w1, sxtw 2]", Address { index: Some((Slot { signed: true, ..w1 }, 2)), ..base(x0) }),
            ("[x0, #:lo12:counter]", Address { symbol: low.clone(), ..base(x0) }),
            ("[x0, :lo12:counter+4]", Address { symbol: low, distance: 4, ..base(x0) }),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), Ok(Operand::Memory(expected)), "{text}");
        }
        for bad in [
            "[x0",
            "[]",
            "[w0]",
            "[x0, w1]",
            "[x0, x1, lsl 9]",
            "[x0, 4, 4]",
            "[x0, counter]",
            "[x0, x1, x2, x3]",
            "%x0",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
