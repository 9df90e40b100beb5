//! What `args` has at an event of tracefs: the fields of its record, or a system call's arguments, with their types.
//!
//! A record says of each field where it is, how wide it is and whether it has a sign; what it means, the text of a C
//! type says. Where they differ the record is right: it is what is read.

use crate::format::{Field as FormatField, Location};
use crate::types::{Types, declared::declared};
use lang::target::{Access, Base, Field};
use lang::types::{AddressSpace, IntType, Type};
use std::sync::Arc;

/// A field of an event's record; pointers in it point into `space`. `types` opens the kernel's BTF, if there is any.
pub fn of_record<'t>(
    field: &FormatField,
    space: AddressSpace,
    types: impl FnOnce() -> Option<&'t Arc<Types>>,
) -> Field {
    // Names of numbers need not be looked up.
    let is_number = !field.is_pointer && !field.c_type.contains(' ') && matches!(field.size, 1 | 2 | 4 | 8);
    let element = declared(&field.c_type, space, || if is_number { None } else { types() });
    let access = |bytes, signed| Access { base: Base::Context, offset: field.offset, bytes, signed };
    let (ty, access) = match (field.location, field.array) {
        (Location::DataLoc | Location::RelLoc, _) => {
            let from = if field.location == Location::RelLoc { field.offset + field.size } else { 0 };
            let to = Box::new(element.unwrap_or(Type::Void));
            (Type::Pointer(to, AddressSpace::Kernel), Access { base: Base::DataLoc { from }, ..access(4, false) })
        }
        (Location::Inline, None) => {
            let ty = scalar(field, element);
            let signed = ty.is_signed();
            (ty, access(field.size, signed))
        }
        (Location::Inline, Some(length)) => (array(field, length, element), access(field.size, false)),
    };
    Field { name: field.name.clone(), ty, access }
}

/// The type and width of a system call's argument; its register widens all of them to 64 bits.
pub fn of_argument<'t>(field: &FormatField, types: impl FnOnce() -> Option<&'t Arc<Types>>) -> (Type, u32) {
    let is_pointer = field.is_pointer || field.c_type.ends_with('*');
    // Other names of numbers mean 64 bits, or were extended to them.
    match declared(&field.c_type, AddressSpace::User, || if is_pointer { types() } else { None }) {
        Some(ty @ Type::Pointer(..)) => (ty, 8),
        Some(Type::Int(int)) => (Type::Int(int), u32::from(int.bits / 8)),
        _ if is_pointer => (Type::Pointer(Box::new(Type::Void), AddressSpace::User), 8),
        _ => (Type::Int(IntType { bits: 64, signed: field.signed }), 8),
    }
}

/// The type of a field that is one value.
fn scalar(field: &FormatField, declared: Option<Type>) -> Type {
    match declared {
        Some(ty @ (Type::Pointer(..) | Type::Enum(_) | Type::Bool | Type::Struct(_)))
            if ty.size_of() == u64::from(field.size) =>
        {
            ty
        }
        _ => number(field.size, field.signed).unwrap_or_else(|| bytes(field.size)),
    }
}

/// The type of a field that is an array in the record itself, of `length` elements, or 0 if it is the record's rest.
fn array(field: &FormatField, length: u32, declared: Option<Type>) -> Type {
    let is_text = field.c_type.split_whitespace().all(|word| matches!(word, "char" | "const"));
    if is_text && length > 0 && length == field.size {
        return Type::Str(length);
    }
    let element = match (declared, field.size.checked_div(length).filter(|_| field.size > 0)) {
        (Some(Type::Int(int)), None) => Type::Int(int),
        (Some(Type::Int(_)) | None, Some(size)) => match number(size, field.signed) {
            Some(number) => number,
            None => return bytes(field.size),
        },
        (Some(ty), size) if size.is_none_or(|size| ty.size_of() == u64::from(size)) => ty,
        _ => return bytes(field.size),
    };
    Type::Array(Box::new(element), length)
}

fn number(size: u32, signed: bool) -> Option<Type> {
    matches!(size, 1 | 2 | 4 | 8).then(|| Type::Int(IntType { bits: (size * 8) as u8, signed }))
}

/// What is not understood is bytes.
fn bytes(size: u32) -> Type {
    Type::Array(Box::new(Type::Int(IntType { bits: 8, signed: false })), size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::btf::Btf;
    use crate::format::Format;
    use crate::tracefs::Tracefs;

    /// `line` as in a `format` file, its first part the declaration; what is expected is its type.
    fn check(declaration: &str, size: u32, signed: u32, expected: &str) -> Field {
        let line = format!("\tfield:{declaration};\toffset:8;\tsize:{size};\tsigned:{signed};");
        let format = Format::parse(&format!("name: x\nID: 1\nformat:\n{line}\n")).expect("a good file");
        let field = of_record(&format.fields[0], AddressSpace::Kernel, || None);
        assert_eq!(field.ty.to_string(), expected, "{declaration}");
        assert_eq!((field.access.offset, field.access.signed), (8, field.ty.is_signed()), "{declaration}");
        field
    }

    #[test]
    fn fields_of_records() {
        check("pid_t pid", 4, 1, "int32");
        check("dev_t dev", 4, 0, "uint32");
        check("long prev_state", 8, 1, "int64");
        check("bool success", 1, 0, "bool");
        check("char comm[16]", 16, 0, "string[16]");
        check("__u8 saddr[4]", 4, 0, "uint8[4]");
        check("unsigned char mac[6]", 6, 0, "uint8[6]");
        check("unsigned long args[6]", 48, 0, "uint64[6]");
        check("long deltas[3]", 24, 1, "int64[3]");
        check("odd_t odds[2]", 6, 0, "uint8[6]");
        check("u32 rest[]", 0, 0, "uint32[0]");
        check("char rest[]", 0, 0, "int8[0]");
        check("struct sk_buff * skb", 8, 0, "void *");
        check("struct foo * slots[2]", 16, 0, "void *[2]");
        check("enum unheard_of e", 4, 0, "uint32");
        check("odd_t odd", 12, 0, "uint8[12]");
        let text = check("__data_loc char[] name", 4, 0, "int8 *");
        assert_eq!(text.access.base, Base::DataLoc { from: 0 });
        let text = check("__rel_loc u64[] numbers", 4, 0, "uint64 *");
        assert_eq!(text.access.base, Base::DataLoc { from: 12 });
    }

    /// What the running kernel's events have, where it has them.
    #[test]
    fn types_of_the_running_kernel() {
        let (Ok(btf), Ok(tracefs)) = (Btf::vmlinux(), Tracefs::open()) else {
            return println!("skipped: no BTF, or no tracefs");
        };
        let types = Types::new(Arc::new(btf));
        let mut seen = 0;
        for (category, event, name, expected) in [
            ("skb", "kfree_skb", "reason", "enum skb_drop_reason"),
            ("sock", "inet_sock_set_state", "saddr_v6", "uint8[16]"),
            ("net", "net_dev_start_xmit", "name", "int8 *"),
            ("sched", "sched_switch", "next_comm", "string[16]"),
            ("filelock", "posix_lock_inode", "fl", "struct file_lock *"),
        ] {
            let Ok(format) = tracefs.format(category, event) else { continue };
            let Some(field) = format.field(name) else { continue };
            let field = of_record(field, AddressSpace::Kernel, || Some(&types));
            assert_eq!(field.ty.to_string(), expected, "{category}:{event}.{name}");
            seen += 1;
        }
        for (event, name, expected) in [
            ("poll", "ufds", "struct pollfd *"),
            ("nanosleep", "rqtp", "struct __kernel_timespec *"),
            ("execve", "argv", "int8 * *"),
            ("bpf", "uattr", "union bpf_attr *"),
            ("openat", "flags", "int32"),
            ("openat", "mode", "uint16"),
            ("read", "buf", "int8 *"),
        ] {
            let Ok(format) = tracefs.format("syscalls", &format!("sys_enter_{event}")) else { continue };
            let Some(field) = format.field(name) else { continue };
            assert_eq!(of_argument(field, || Some(&types)).0.to_string(), expected, "{event}.{name}");
            seen += 1;
        }
        println!("{seen} fields");
        assert!(seen > 6);
    }

    #[test]
    fn every_field_of_the_running_kernel_is_as_wide_as_its_type() {
        let (Ok(btf), Ok(tracefs)) = (Btf::vmlinux(), Tracefs::open()) else {
            return println!("skipped: no BTF, or no tracefs");
        };
        let types = Types::new(Arc::new(btf));
        let Ok(categories) = tracefs.categories() else { return println!("skipped: nothing is listed") };
        for category in categories.flatten() {
            for event in tracefs.events(&category).expect("a category").flatten() {
                let Ok(format) = tracefs.format(&category, &event) else { continue };
                for field in format.own_fields() {
                    let typed = of_record(field, AddressSpace::Kernel, || Some(&types));
                    if field.location == Location::Inline {
                        assert_eq!(typed.ty.size_of(), u64::from(field.size), "{category}:{event}: {field:?}");
                    }
                }
            }
        }
    }
}
