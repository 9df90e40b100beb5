//! A value in its usual text form: what `print`, `%s` and the keys of maps show.
//!
//! The bytes are laid out as `lang::types` says: eight for a scalar, a padded buffer for text, tuples one part after the
//! other. Bytes that are missing read as nothing: the value is left out, and nothing panics.

use lang::types::Type;

use super::number::{Number, first_word};
use super::{Settings, push_fmt};

/// How a value is shown.
#[derive(Clone, Copy, Debug)]
pub struct Style<'s> {
    /// What the user has set.
    pub settings: &'s Settings,
    /// Between the parts of a tuple or key.
    pub separator: &'static str,
    /// All integers are divided by it, also those in tuples.
    pub div: u64,
    /// Signed integers that are not negative begin with a plus.
    pub plus: bool,
}

impl<'s> Style<'s> {
    /// The form that `print` shows.
    pub fn plain(settings: &'s Settings) -> Self {
        Self { settings, separator: ", ", div: 1, plus: false }
    }
}

/// Appends a value.
pub fn write(out: &mut Vec<u8>, ty: &Type, bytes: &[u8], style: Style<'_>) {
    match ty {
        // An aggregate is not one value; `map` asks `aggregate` what to show for it.
        Type::Void | Type::Unknown | Type::Aggregate(_) => {}
        // Made by no checker yet.
        Type::Record(_) | Type::Array(..) | Type::Struct(_) | Type::Enum(_) => {}
        Type::Bool | Type::Int(_) | Type::Pointer(..) => {
            if let Some(word) = first_word(bytes) {
                write_scalar(out, ty, word, style);
            }
        }
        Type::Str(size) => write_text(out, *size, bytes, style.settings),
        Type::Tuple(items) => {
            out.push(b'(');
            write_parts(out, items, bytes, style);
            out.push(b')');
        }
    }
}

/// Appends the parts of a key without the brackets around it. A key that is one tuple is the same as its parts.
pub fn write_key(out: &mut Vec<u8>, parts: &[Type], bytes: &[u8], style: Style<'_>) {
    match parts {
        [Type::Tuple(items)] => write_parts(out, items, bytes, style),
        _ => write_parts(out, parts, bytes, style),
    }
}

fn write_parts(out: &mut Vec<u8>, parts: &[Type], bytes: &[u8], style: Style<'_>) {
    let mut slots = Slots::new(bytes);
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            out.extend_from_slice(style.separator.as_bytes());
        }
        if let Some(bytes) = slots.take(part) {
            write(out, part, bytes, style);
        }
    }
}

fn write_scalar(out: &mut Vec<u8>, ty: &Type, word: u64, style: Style<'_>) {
    match ty {
        Type::Bool => out.extend_from_slice(if word != 0 { b"true" } else { b"false" }),
        Type::Int(int) => Number::of_type(word, *int).divided_by(style.div).write(out, style.plus),
        _ => push_fmt(out, format_args!("{word:#x}")),
    }
}

fn write_text(out: &mut Vec<u8>, size: u32, bytes: &[u8], settings: &Settings) {
    let text = text(size, bytes);
    match text.get(..settings.max_strlen) {
        Some(start) => {
            out.extend_from_slice(start);
            out.extend_from_slice(&settings.str_trunc_trailer);
        }
        None => out.extend_from_slice(text),
    }
}

/// The text in a buffer of `size` bytes: up to the closing zero, or all of it.
pub fn text(size: u32, bytes: &[u8]) -> &[u8] {
    let buffer = bytes.get(..size as usize).unwrap_or(bytes);
    let end = buffer.iter().position(|&byte| byte == 0).unwrap_or(buffer.len());
    &buffer[..end]
}

/// Takes values one after the other from the bytes of a record, key or tuple.
#[derive(Clone, Debug)]
pub struct Slots<'a> {
    rest: &'a [u8],
}

impl<'a> Slots<'a> {
    /// All values of these bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The bytes of the next value, if they are all there.
    pub fn take(&mut self, ty: &Type) -> Option<&'a [u8]> {
        let (slot, rest) = self.rest.split_at_checked(ty.slot_size() as usize)?;
        self.rest = rest;
        Some(slot)
    }
}
