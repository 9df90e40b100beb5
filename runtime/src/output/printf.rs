//! What `printf` makes of a record: the text of its format with the values put in.
//!
//! Conversions do what they do in bpftrace, and where bpftrace shows another number than was meant or ignores what was
//! asked for, what they do in C: zeros go between the sign or `0x` and the digits and never behind them, a precision and
//! the blank flag are honoured. Around text the zero flag fills with zeros, as there.

use lang::printf::{Conversion, Format, Piece, Verb};
use lang::types::Type;

use super::number::{Number, first_word};
use super::opaque::{self, Bytes};
use super::value::{self, Slots, Style};
use super::{Settings, ShortRecord, gfp, push_fmt};

/// Appends a record in its format. Nothing is appended when the record is too short.
pub fn write_record(out: &mut Vec<u8>, format: &Format, record: &[u8], settings: &Settings) -> Result<(), ShortRecord> {
    check_length(format, record)?;
    let mut values = Slots::new(record);
    let mut types = format.args.iter();
    for piece in &format.pieces {
        match piece {
            Piece::Text(text) => out.extend_from_slice(text),
            Piece::Value(conversion) => {
                if let Some((ty, bytes)) = types.next().and_then(|ty| Some((ty, values.take(ty)?))) {
                    write_value(out, *conversion, ty, bytes, settings);
                }
            }
        }
    }
    Ok(())
}

/// Whether a record has all the values of its format.
pub fn check_length(format: &Format, record: &[u8]) -> Result<(), ShortRecord> {
    let need = format.args.iter().map(|ty| ty.slot_size() as usize).sum();
    match record.len() {
        have if have < need => Err(ShortRecord { have, need }),
        _ => Ok(()),
    }
}

/// Appends one value by its conversion.
fn write_value(out: &mut Vec<u8>, conversion: Conversion, ty: &Type, bytes: &[u8], settings: &Settings) {
    let start = out.len();
    if let Some(form) = form_of_bytes(conversion.verb) {
        opaque::write_bytes(out, opaque::buffer(bytes), form);
        return pad(out, start, conversion, fill_byte(conversion.zero));
    }
    let fill = match first_word(bytes) {
        Some(word) if ty.is_scalar() && conversion.verb != Verb::Text => write_number(out, conversion, word),
        _ => {
            let plus = conversion.plus;
            value::write(out, ty, bytes, Style { plus, ..Style::plain(settings) });
            if let Some(most) = conversion.precision {
                out.truncate(start + (out.len() - start).min(most as usize));
            }
            fill_byte(conversion.zero)
        }
    };
    pad(out, start, conversion, fill);
}

/// How a conversion shows bytes, if it is for bytes.
fn form_of_bytes(verb: Verb) -> Option<Bytes> {
    match verb {
        Verb::Bytes => Some(Bytes::Text),
        Verb::EscapedBytes => Some(Bytes::Escaped),
        Verb::HexBytes => Some(Bytes::Spaced),
        _ => None,
    }
}

/// Appends the body of a number and gives the byte that fills its field.
fn write_number(out: &mut Vec<u8>, conversion: Conversion, word: u64) -> u8 {
    let Conversion { verb, bits, .. } = conversion;
    match verb {
        Verb::Char => {
            out.push(word as u8);
            return fill_byte(conversion.zero);
        }
        Verb::PageFlags => {
            gfp::write(out, word);
            return fill_byte(conversion.zero);
        }
        Verb::Pointer => {
            match word {
                0 => out.push(b'0'),
                _ => push_fmt(out, format_args!("{word:#x}")),
            }
            return fill_byte(conversion.zero);
        }
        Verb::Signed => {
            let Number::Signed(value) = Number::low_bits(word, bits, true) else { return b' ' };
            match value {
                ..0 => out.push(b'-'),
                _ if conversion.plus => out.push(b'+'),
                _ if conversion.blank => out.push(b' '),
                _ => {}
            }
            write_digits(out, conversion, value.unsigned_abs());
        }
        _ => {
            let Number::Unsigned(value) = Number::low_bits(word, bits, false) else { return b' ' };
            write_digits(out, conversion, value);
        }
    }
    // As in C, a precision says how many zeros there are, and the rest of the field is blank.
    fill_byte(conversion.zero && conversion.precision.is_none())
}

/// Appends the digits in the conversion's base, with the prefix of the `#` flag and the zeros of a precision.
fn write_digits(out: &mut Vec<u8>, conversion: Conversion, value: u64) {
    if conversion.alternate && value != 0 {
        match conversion.verb {
            Verb::Hex => out.extend_from_slice(b"0x"),
            Verb::UpperHex => out.extend_from_slice(b"0X"),
            _ => {}
        }
    }
    let start = out.len();
    // No digit at all is C's form of zero with a precision of zero.
    if value != 0 || conversion.precision != Some(0) {
        match conversion.verb {
            Verb::Hex => push_fmt(out, format_args!("{value:x}")),
            Verb::UpperHex => push_fmt(out, format_args!("{value:X}")),
            Verb::Octal => push_fmt(out, format_args!("{value:o}")),
            _ => push_fmt(out, format_args!("{value}")),
        }
    }
    let digits = out.len() - start;
    let zeros = (conversion.precision.unwrap_or(0) as usize).saturating_sub(digits);
    insert(out, start, zeros, b'0');
    // The prefix of an octal number is a zero that a precision may have brought already.
    if conversion.alternate && conversion.verb == Verb::Octal && out.get(start) != Some(&b'0') {
        insert(out, start, 1, b'0');
    }
}

/// Fills what was appended since `start` to the width of the field.
fn pad(out: &mut Vec<u8>, start: usize, conversion: Conversion, fill: u8) {
    let missing = (conversion.width as usize).saturating_sub(out.len() - start);
    let is_text = matches!(conversion.verb, Verb::Text | Verb::PageFlags) || form_of_bytes(conversion.verb).is_some();
    match (conversion.left, fill) {
        // Zeros behind a number would make it another number.
        (true, b'0') if !is_text => out.resize(out.len() + missing, b' '),
        (true, fill) => out.resize(out.len() + missing, fill),
        (false, b'0') if !is_text => {
            let prefix = sign_and_base(&out[start..]);
            insert(out, start + prefix, missing, b'0');
        }
        (false, fill) => insert(out, start, missing, fill),
    }
}

/// Bytes of a number before its digits.
fn sign_and_base(number: &[u8]) -> usize {
    let sign = usize::from(matches!(number.first(), Some(b'-' | b'+' | b' ')));
    match number.get(sign..sign + 2) {
        Some(b"0x" | b"0X") => sign + 2,
        _ => sign,
    }
}

fn fill_byte(zero: bool) -> u8 {
    if zero { b'0' } else { b' ' }
}

/// Puts `count` bytes before what stands at `start`.
fn insert(out: &mut Vec<u8>, start: usize, count: usize, byte: u8) {
    if count > 0 {
        out.resize(out.len() + count, byte);
        out[start..].rotate_right(count);
    }
}
