//! The type that the text of a C declaration spells, as in the `format` files of trace events: `const struct pollfd *`.
//!
//! Names of numbers that every event uses are known here; BTF is opened for the others only.

use super::Types;
use lang::ast::TypeTag;
use lang::types::{AddressSpace, IntType, Type};
use std::sync::Arc;

/// Names of integers that the kernel's events are declared with, by bits and sign.
const INTEGERS: &[(&str, u8, bool)] = &[
    ("u8", 8, false),
    ("u16", 16, false),
    ("u32", 32, false),
    ("u64", 64, false),
    ("s8", 8, true),
    ("s16", 16, true),
    ("s32", 32, true),
    ("s64", 64, true),
    ("__u8", 8, false),
    ("__u16", 16, false),
    ("__u32", 32, false),
    ("__u64", 64, false),
    ("__s32", 32, true),
    ("__s64", 64, true),
    ("uint", 32, false),
    ("size_t", 64, false),
    ("ssize_t", 64, true),
    ("loff_t", 64, true),
    ("off_t", 64, true),
    ("pid_t", 32, true),
    ("uid_t", 32, false),
    ("gid_t", 32, false),
    ("qid_t", 32, false),
    ("key_t", 32, true),
    ("clockid_t", 32, true),
    ("timer_t", 32, true),
    ("mqd_t", 32, true),
    ("rwf_t", 32, true),
    ("key_serial_t", 32, true),
    ("umode_t", 16, false),
];

/// Words that say nothing about a value.
const QUALIFIERS: &[&str] =
    &["const", "volatile", "restrict", "__restrict", "__user", "__kernel", "__rcu", "__percpu", "__seg_gs", "__seg_fs"];

/// The type that `text` spells, its pointers into `space`; `None` if it has a name that nobody knows. `types` opens the
/// kernel's BTF, if there is any.
pub fn declared<'t>(text: &str, space: AddressSpace, types: impl FnOnce() -> Option<&'t Arc<Types>>) -> Option<Type> {
    let stars = text.matches('*').count();
    let base = text.split('*').next().unwrap_or_default();
    let words: Vec<&str> = base.split_whitespace().filter(|word| !QUALIFIERS.contains(word)).collect();
    let base = match words[..] {
        ["void"] => Some(Type::Void),
        ["bool"] => Some(Type::Bool),
        ["struct", name] => types().and_then(|types| types.named(Some(TypeTag::Struct), name)),
        ["union", name] => types().and_then(|types| types.named(Some(TypeTag::Union), name)),
        ["enum", name] => types().and_then(|types| types.named(Some(TypeTag::Enum), name)),
        _ => integer(&words).or_else(|| match words[..] {
            [name] => types().and_then(|types| types.named(None, name)),
            _ => None,
        }),
    };
    let base = match base {
        // What a pointer points to need not be known.
        None if stars > 0 => Type::Void,
        base => base?,
    };
    Some((0..stars).fold(base, |to, _| Type::Pointer(Box::new(to), space)))
}

/// An integer by its words in C, or by a name that is known without BTF.
fn integer(words: &[&str]) -> Option<Type> {
    let int = |bits, signed| Some(Type::Int(IntType { bits, signed }));
    if let [name] = words
        && let Some((_, bits, signed)) = INTEGERS.iter().find(|(known, ..)| known == name)
    {
        return int(*bits, *signed);
    }
    if words.is_empty()
        || !words.iter().all(|word| ["signed", "unsigned", "char", "short", "int", "long"].contains(word))
    {
        return None;
    }
    let signed = !words.contains(&"unsigned");
    match words {
        _ if words.contains(&"char") => int(8, signed),
        _ if words.contains(&"short") => int(16, signed),
        _ if words.contains(&"long") => int(64, signed),
        _ => int(32, signed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let ty = declared(text, AddressSpace::User, || None);
        assert_eq!(ty.map_or("none".to_owned(), |ty| ty.to_string()), expected, "{text}");
    }

    #[test]
    fn integers_and_pointers_need_no_btf() {
        check("int", "int32");
        check("unsigned", "uint32");
        check("const unsigned char *", "uint8 *");
        check("unsigned long long", "uint64");
        check("long", "int64");
        check("u8", "uint8");
        check("const clockid_t", "int32");
        check("umode_t", "uint16");
        check("bool", "bool");
        check("const char *const *", "int8 * *");
        check("void __seg_gs *", "void *");
        check("const void *const", "void *");
    }

    #[test]
    fn without_btf_a_pointer_to_a_structure_is_an_address() {
        check("struct sk_buff *", "void *");
        check("enum zone_type", "none");
        check("some_t", "none");
        check("", "none");
        check("struct", "none");
        check("a b c", "none");
    }
}
