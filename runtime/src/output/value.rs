//! A value in its usual text form: what `print`, `%s` and the keys of maps show.
//!
//! The bytes are laid out as `lang::types` says: eight for a scalar, a padded buffer for text, tuples one part after the
//! other. Bytes that are missing read as nothing: the value is left out, and nothing panics.

use lang::types::Type;

use super::number::Number;
use super::view::View;
use super::{Settings, opaque, push_fmt};

/// How deep values may nest. Types of the script never reach it, but a structure could claim to contain itself.
const DEPTH: u32 = 256;

/// How a value is shown.
#[derive(Clone, Copy, Debug)]
pub struct Style<'s> {
    /// What the user has set.
    pub settings: &'s Settings,
    /// Without blanks, as in the keys of JSON.
    pub compact: bool,
    /// All integers are divided by it, also those in tuples.
    pub div: u64,
    /// Signed integers that are not negative begin with a plus.
    pub plus: bool,
    /// How deep the value may still nest.
    pub depth: u32,
}

impl<'s> Style<'s> {
    /// The form that `print` shows.
    pub fn plain(settings: &'s Settings) -> Self {
        Self { settings, compact: false, div: 1, plus: false, depth: DEPTH }
    }

    /// For what is inside; `None` at the end of all patience.
    pub fn inner(self) -> Option<Self> {
        Some(Self { depth: self.depth.checked_sub(1)?, ..self })
    }

    fn separator(self) -> &'static str {
        if self.compact { "," } else { ", " }
    }
}

/// Appends a value in a slot.
pub fn write(out: &mut Vec<u8>, ty: &Type, bytes: &[u8], style: Style<'_>) {
    write_view(out, View::slot(ty, bytes), style);
}

fn write_view(out: &mut Vec<u8>, view: View<'_>, style: Style<'_>) {
    match view.ty {
        // An aggregate is not one value; `map` asks `aggregate` what to show for it.
        Type::Void | Type::Unknown | Type::Aggregate(_) => {}
        ty if ty.is_opaque() => opaque::write(out, ty, view.bytes, style.settings),
        Type::Bool | Type::Int(_) | Type::Pointer(..) | Type::Enum(_) => {
            if let Some(word) = view.word() {
                write_scalar(out, view.ty, word, style);
            }
        }
        Type::Str(size) => write_text(out, *size, view.bytes, style.settings),
        Type::Tuple(_) => {
            out.push(b'(');
            write_parts(out, view, style.separator(), style);
            out.push(b')');
        }
        // Without blanks in any form.
        Type::Array(..) => {
            out.push(b'[');
            write_parts(out, view, ",", style);
            out.push(b']');
        }
        Type::Record(_) | Type::Struct(_) => write_members(out, view, style),
        _ => {}
    }
}

/// Appends the parts of a key without the brackets around it. A key that is one tuple is the same as its parts.
pub fn write_key(out: &mut Vec<u8>, parts: &[Type], bytes: &[u8], style: Style<'_>) {
    match parts {
        [tuple @ Type::Tuple(_)] => write_parts(out, View::slot(tuple, bytes), style.separator(), style),
        _ => {
            let mut slots = Slots::new(bytes);
            for (i, part) in parts.iter().enumerate() {
                if i > 0 {
                    out.extend_from_slice(style.separator().as_bytes());
                }
                if let Some(bytes) = slots.take(part) {
                    write(out, part, bytes, style);
                }
            }
        }
    }
}

fn write_parts(out: &mut Vec<u8>, view: View<'_>, separator: &str, style: Style<'_>) {
    let Some(style) = style.inner() else { return };
    for (i, (_, part)) in view.parts().enumerate() {
        if i > 0 {
            out.extend_from_slice(separator.as_bytes());
        }
        write_view(out, part, style);
    }
}

/// Appends `{ .a = 1, .b = x }`.
fn write_members(out: &mut Vec<u8>, view: View<'_>, style: Style<'_>) {
    let Some(inner) = style.inner() else { return };
    let blank = if style.compact { "" } else { " " };
    out.push(b'{');
    let start = out.len();
    for (name, part) in view.parts() {
        if out.len() > start {
            out.push(b',');
        }
        push_fmt(out, format_args!("{blank}.{name}{blank}={blank}"));
        match part.ty {
            // A floating-point number.
            Type::Void => out.extend_from_slice(b"null"),
            _ => write_view(out, part, inner),
        }
    }
    if out.len() > start {
        out.extend_from_slice(blank.as_bytes());
    }
    out.push(b'}');
}

fn write_scalar(out: &mut Vec<u8>, ty: &Type, word: u64, style: Style<'_>) {
    match ty {
        Type::Bool => out.extend_from_slice(if word != 0 { b"true" } else { b"false" }),
        Type::Int(int) => Number::of_type(word, *int).divided_by(style.div).write(out, style.plus),
        Type::Enum(of) => match of.name_of(word as i64) {
            Some(name) => out.extend_from_slice(name.as_bytes()),
            None => Number::of_type(word, of.int).write(out, style.plus),
        },
        _ => push_fmt(out, format_args!("{word:#x}")),
    }
}

/// Appends the text in a buffer of `size` bytes.
pub fn write_text(out: &mut Vec<u8>, size: u32, bytes: &[u8], settings: &Settings) {
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
