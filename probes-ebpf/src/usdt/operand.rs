//! Where the values are that a program passes to a probe: `-4@%eax 8@-16(%rbp) 1@$3`.
//!
//! Each argument is a size, negative for a signed number, and an operand as the assembler of the processor writes it.
//! What is common to all assemblers is here; the operands themselves are read in [`crate::arch`].

use lang::target::Slot;

/// An argument of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// 1, 2, 4 or 8.
    pub bytes: u32,
    /// Widened by its sign.
    pub signed: bool,
    /// Where it is.
    pub operand: Operand,
}

/// What an assembler's operand says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operand {
    /// This number.
    Number(i64),
    /// What a register holds, or that part of it.
    Register(Slot),
    /// What lies in memory.
    Memory(Address),
    /// An address.
    Address(Address),
}

/// An address as an operand writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// A register.
    pub base: Option<Slot>,
    /// Another one, and by how many bits it is shifted to the left.
    pub index: Option<(Slot, u8)>,
    /// In bytes.
    pub distance: i64,
    /// A symbol of the file, whose address is added.
    pub symbol: Option<Symbol>,
}

/// A symbol in an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// Its name.
    pub name: String,
    /// Of its address only the low 12 bits are meant: the rest is in the register.
    pub in_page: bool,
}

/// The arguments of a note, each of them or why it cannot be read.
pub fn arguments(
    text: &str,
    operand: fn(&str) -> Result<Operand, String>,
) -> impl Iterator<Item = Result<Argument, String>> {
    split(text).into_iter().map(move |text| argument(text, operand))
}

/// `[SIZE@]OPERAND`
fn argument(text: &str, operand: fn(&str) -> Result<Operand, String>) -> Result<Argument, String> {
    let is_size = |size: &str| {
        let digits = size.trim_start_matches('-').trim_end_matches('f');
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    // Without a size it is a word.
    let Some((size, place)) = text.split_once('@').filter(|(size, _)| is_size(size)) else {
        return Ok(Argument { bytes: 8, signed: false, operand: operand(text)? });
    };
    if size.ends_with('f') {
        return Err("it is a floating-point number".into());
    }
    let bytes = match size.trim_start_matches('-') {
        "1" => 1,
        "2" => 2,
        "4" => 4,
        "8" => 8,
        other => return Err(format!("it has {other} bytes; values of 1, 2, 4 and 8 bytes can be read")),
    };
    Ok(Argument { bytes, signed: size.starts_with('-'), operand: operand(place)? })
}

/// The arguments, which blanks separate unless they are in brackets.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0u32;
    let pieces = text.split(|letter: char| {
        match letter {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter.is_ascii_whitespace() && depth == 0
    });
    pieces.filter(|piece| !piece.is_empty()).collect()
}

/// A sum of numbers and at most one symbol: `8`, `-16+4`, `counter+8`. Nothing is 0.
pub fn sum(text: &str) -> Result<(i64, Option<String>), String> {
    let unreadable = || format!("'{text}' is no number or symbol");
    let (mut total, mut symbol) = (0i64, None);
    let mut rest = text.trim();
    while !rest.is_empty() {
        let signs = rest.len() - rest.trim_start_matches(['+', '-']).len();
        let is_negative = rest[..signs].matches('-').count() % 2 == 1;
        rest = &rest[signs..];
        let end = rest.find(['+', '-']).unwrap_or(rest.len());
        let (term, after) = rest.split_at(end);
        rest = after;
        match number(term) {
            Some(number) if is_negative => total = total.wrapping_sub(number),
            Some(number) => total = total.wrapping_add(number),
            None if !is_negative && symbol.is_none() && is_symbol(term) => symbol = Some(term.to_owned()),
            None => return Err(unreadable()),
        }
    }
    Ok((total, symbol))
}

/// A number without a sign, of up to 64 bits.
fn number(text: &str) -> Option<i64> {
    let (digits, base) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if text.len() > 1 && text.starts_with('0') => (text, 8),
        None => (text, 10),
    };
    u64::from_str_radix(digits, base).ok().filter(|_| !digits.starts_with('+')).map(|number| number as i64)
}

fn is_symbol(text: &str) -> bool {
    let ordinary = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '.' | '$');
    text.starts_with(|letter: char| ordinary(letter) && !letter.is_ascii_digit()) && text.chars().all(ordinary)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An assembler that knows numbers only.
    fn plain(text: &str) -> Result<Operand, String> {
        match sum(text)? {
            (number, None) => Ok(Operand::Number(number)),
            _ => Err("a symbol".into()),
        }
    }

    #[test]
    fn sizes_say_width_and_sign() {
        let read =
            |text: &str| arguments(text, plain).map(|found| found.map(|a| (a.bytes, a.signed))).collect::<Vec<_>>();
        assert_eq!(read(""), []);
        assert_eq!(read("1@1 -2@1  4@1 -8@1"), [Ok((1, false)), Ok((2, true)), Ok((4, false)), Ok((8, true))]);
        assert_eq!(read("7"), [Ok((8, false))]);
        assert_eq!(read("8f@1"), [Err("it is a floating-point number".into())]);
        assert_eq!(read("-4f@1"), [Err("it is a floating-point number".into())]);
        assert!(read("16@1")[0].as_ref().is_err_and(|why| why.starts_with("it has 16 bytes")));
        assert_eq!(read("4@5@5"), [Err("'5@5' is no number or symbol".into())]);
    }

    #[test]
    fn blanks_within_brackets_belong_to_the_operand() {
        assert_eq!(split(" 8@[sp, 16]  4@(%rax, %rbx) 1@$3 "), ["8@[sp, 16]", "4@(%rax, %rbx)", "1@$3"]);
        assert_eq!(split("1@) 2@]"), ["1@)", "2@]"]);
    }

    /// Whatever a note says is an operand or an error, for every processor.
    #[test]
    fn broken_operands_do_no_harm() {
        let whole = "-4@-8+counter(%rbp, %r9d, 4) 8@[x0, w1, sxtw 2] 2@%ah 8@$-0x10 ä@é 8@%ß 1@[x0, #:lo12:c+4] -@ f@x";
        let letters: Vec<char> = whole.chars().collect();
        for arch in crate::arch::ALL {
            for start in 0..letters.len() {
                for end in start..letters.len() {
                    let piece: String = letters[start..end].iter().collect();
                    let read = arguments(&piece, arch.operand).flatten();
                    assert!(read.into_iter().all(|argument| matches!(argument.bytes, 1 | 2 | 4 | 8)), "{piece}");
                    let _ = (arch.operand)(&piece);
                }
            }
        }
    }

    #[test]
    fn sums() {
        let number = |text: &str| sum(text).ok();
        let symbol = |name: &str| Some(name.to_owned());
        assert_eq!(number(""), Some((0, None)));
        assert_eq!(number("-16+8"), Some((-8, None)));
        assert_eq!(number("4+-8--1"), Some((-3, None)));
        assert_eq!(number("0x10+010"), Some((24, None)));
        assert_eq!(number("18446744073709551615"), Some((-1, None)));
        assert_eq!(number("-9223372036854775808"), Some((i64::MIN, None)));
        assert_eq!(number("counter"), Some((0, symbol("counter"))));
        assert_eq!(number("8+a.b$1_c-4"), Some((4, symbol("a.b$1_c"))));
        for bad in ["-counter", "a+b", "a@b", "1x", "0x", "18446744073709551616", "+", "%rax"] {
            assert!(sum(bad).is_err(), "{bad}");
        }
    }
}
