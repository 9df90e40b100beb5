//! What lies within a value or behind an address: members, elements, and addresses themselves.
//!
//! A chain such as `$task.mm.exe_file` is one place in memory; only what the chain ends in is read. Whose memory it is
//! follows from where the chain began: what a structure of a process points to belongs to the process.

use super::expr::{int, literal, text_literal, unknown};
use super::{Checker, ProbeState};
use crate::ast;
use crate::ctypes::Struct;
use crate::diag::Diagnostic;
use crate::nearest::nearest;
use crate::span::Span;
use crate::typed::{Expr, ExprKind};
use crate::types::{AddressSpace, IntType, Type};

impl Checker<'_> {
    /// `base.name`, `base->name`: a member of a structure or record, or an item of a tuple. Through a pointer, too.
    pub fn member(&mut self, state: &mut ProbeState<'_>, base: &ast::Expr, name: &ast::Name, span: Span) -> Expr {
        let base = self.value(state, base);
        let base = match &base.ty {
            Type::Pointer(to, _) if matches!(**to, Type::Struct(_) | Type::Tuple(_) | Type::Record(_)) => {
                let (ty, span) = ((**to).clone(), base.span);
                Expr { kind: ExprKind::Deref(Box::new(base)), ty, span }
            }
            _ => base,
        };
        match (base.ty.clone(), name.text.parse::<usize>()) {
            (Type::Unknown, _) => unknown(span),
            (Type::Struct(of), _) => self.struct_member(base, &of, name, span),
            (Type::Record(items), _) => match items.iter().position(|(known, _)| *known == name.text) {
                Some(index) => {
                    let ty = items[index].1.clone();
                    part(base, index, ty, span)
                }
                None => {
                    let title = format!("Record does not contain a field named '{}'", name.text);
                    let near = nearest(&name.text, items.iter().map(|(name, _)| name), 1);
                    let help = match near.first() {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("it has {}", list(items.iter().map(|(name, _)| name.as_str()))),
                    };
                    self.report(Diagnostic::error(span, title).with_help(help));
                    unknown(span)
                }
            },
            (Type::Tuple(items), Ok(index)) => self.item(base, &items, index, span),
            (ty, Ok(index)) => {
                let title = format!("Can not access index '{index}' on expression of type '{ty}'");
                // `10.0.0`, which somebody meant as an address.
                let is_number = matches!(ty, Type::Int(_)) && literal(&base).is_some();
                let help =
                    is_number.then(|| "an address has four numbers, 10.0.0.9, and so has a range, 10.0.0.0/24".into());
                self.report(Diagnostic::error(span, title).with_maybe_help(help));
                unknown(span)
            }
            (ty, Err(_)) => {
                let title = format!("Can not access field '{}' on expression of type '{ty}'", name.text);
                let error = Diagnostic::error(span, title);
                let help = match &ty {
                    Type::Int(_) => Some(format!("cast it to what it points to: ((struct NAME *)x).{}", name.text)),
                    Type::Pointer(to, _) if **to == Type::Void => Some(format!(
                        "nothing is known of what it points to: cast it, ((struct NAME *)x).{}",
                        name.text
                    )),
                    _ => None,
                };
                self.report(error.with_maybe_help(help));
                unknown(span)
            }
        }
    }

    fn item(&mut self, tuple: Expr, items: &[Type], index: usize, span: Span) -> Expr {
        match items.get(index).cloned() {
            Some(ty) => part(tuple, index, ty, span),
            None => {
                let found = items.len();
                self.refuse(span, format!("Invalid tuple index: {index}. Found {found} elements in tuple."))
            }
        }
    }

    fn struct_member(&mut self, base: Expr, of: &Struct, name: &ast::Name, span: Span) -> Expr {
        let Some(member) = of.member(&name.text) else {
            let names = of.member_names();
            let near = nearest(&name.text, &names, 1);
            let help = match near.first() {
                Some(near) => format!("did you mean `{near}`?"),
                None if names.is_empty() => "nothing is known of its members".into(),
                None if names.len() <= 12 => format!("it has {}", list(names.iter().map(String::as_str))),
                None => format!("it has {}, ...", list(names.iter().take(12).map(String::as_str))),
            };
            let title = format!("Struct/union of type '{}' does not contain a field named '{}'", of.name, name.text);
            self.report(Diagnostic::error(span, title).with_help(help));
            return unknown(span);
        };
        let ty = in_space(member.ty, space_of(&base));
        Expr { kind: ExprKind::Member { base: Box::new(base), offset: member.offset, bits: member.bits }, ty, span }
    }

    /// `base[index]` on anything but a map.
    pub fn index(&mut self, state: &mut ProbeState<'_>, base: &ast::Expr, index: &ast::Expr, span: Span) -> Expr {
        let base = self.value(state, base);
        let place = index.span;
        let index = self.value(state, index);
        if base.ty == Type::Unknown || index.ty == Type::Unknown {
            return unknown(span);
        }
        if let Type::Tuple(items) = &base.ty {
            let items = items.clone();
            let Some(number) = literal(&index) else {
                return self.refuse(span, "Array-style access for tuples only valid for integer literals");
            };
            return self.item(base, &items, usize::try_from(number).unwrap_or(usize::MAX), span);
        }
        if !matches!(base.ty, Type::Array(..) | Type::Pointer(..) | Type::Str(_)) {
            let title = format!(
                "The array index operator [] can only be used on arrays, pointers, and tuples, found {}.",
                base.ty
            );
            return self.refuse(span, title);
        }
        if index.ty.as_int().is_none() {
            let title = format!("The array index operator [] only accepts integer indices. Got type: {}", index.ty);
            return self.refuse(place, title);
        }
        match base.ty.clone() {
            Type::Pointer(to, space) => {
                let Some(address) = self.moved(base, index, true, span) else { return unknown(span) };
                self.deref(address, &to, space, span)
            }
            Type::Str(size) => {
                let char = Type::Int(IntType { bits: 8, signed: true });
                self.element(base, index, char, size, span)
            }
            Type::Array(element, length) => self.element(base, index, *element, length, span),
            _ => unknown(span),
        }
    }

    fn element(&mut self, base: Expr, index: Expr, element: Type, length: u32, span: Span) -> Expr {
        if let Some(number) = literal(&index)
            // An array without a length ends where its memory does.
            && length > 0
            && !(0..i128::from(length)).contains(&number)
        {
            return self.refuse(span, format!("the index {number} is out of bounds for array of size {length}"));
        }
        let ty = in_space(element, space_of(&base));
        Expr { kind: ExprKind::Element { base: Box::new(base), index: Box::new(index) }, ty, span }
    }

    /// `*pointer`
    pub fn dereferenced(&mut self, pointer: Expr, span: Span) -> Expr {
        match pointer.ty.clone() {
            Type::Unknown => unknown(span),
            Type::Pointer(to, space) => self.deref(pointer, &to, space, span),
            // An address as a number: what is there is a number, too.
            Type::Int(_) => {
                let address = Type::Pointer(Box::new(Type::U64), AddressSpace::Either);
                let pointer = Expr { kind: ExprKind::Cast(Box::new(pointer)), ty: address, span };
                Expr { kind: ExprKind::Deref(Box::new(pointer)), ty: Type::U64, span }
            }
            ty => self.refuse(span, format!("The * operator can not be used on expressions of type '{ty}'")),
        }
    }

    fn deref(&mut self, pointer: Expr, to: &Type, space: AddressSpace, span: Span) -> Expr {
        match to {
            Type::Void => {
                let error = Diagnostic::error(span, "The * operator can not be used on expressions of type 'void *'")
                    .with_help("cast it to what it points to: *(int32 *)x");
                self.report(error);
                unknown(span)
            }
            // A structure that is only declared.
            Type::Struct(of) if of.size == 0 && of.members().is_empty() => {
                self.refuse(span, format!("Cannot read a value of type '{}': nothing is known of it", of.name))
            }
            to => {
                let ty = in_space(to.clone(), Some(space));
                Expr { kind: ExprKind::Deref(Box::new(pointer)), ty, span }
            }
        }
    }

    /// `&place`
    pub fn address_of(&mut self, state: &mut ProbeState<'_>, place: &ast::Expr, span: Span) -> Expr {
        let place = self.value(state, place);
        let space = match &place.kind {
            ExprKind::Var(_) | ExprKind::MapGet(..) => AddressSpace::Kernel,
            ExprKind::Deref(_) | ExprKind::Member { bits: None, .. } | ExprKind::Element { .. } => {
                space_of(&place).unwrap_or(AddressSpace::Kernel)
            }
            ExprKind::Member { .. } => return self.refuse(span, "a bit-field has no address"),
            _ if place.ty == Type::Unknown => return unknown(span),
            _ => {
                let error = Diagnostic::error(span, "The & operator can only be used on maps and variables")
                    .with_help("or on a member or an element of what a pointer points to");
                self.report(error);
                return unknown(span);
            }
        };
        let ty = Type::Pointer(Box::new(place.ty.clone()), space);
        Expr { kind: ExprKind::AddressOf(Box::new(place)), ty, span }
    }

    /// `pointer + number` and `pointer - number`: by so many of what it points to.
    pub fn moved(&mut self, pointer: Expr, by: Expr, forward: bool, span: Span) -> Option<Expr> {
        let size = step_of(&pointer.ty)?;
        let ty = pointer.ty.clone();
        let bytes = match literal(&by) {
            Some(by) => int((by as i64).wrapping_mul(size), Type::I64, span),
            None if size == 1 => by,
            None => {
                let size = Box::new(int(size, Type::I64, span));
                let by = Box::new(by);
                Expr { kind: ExprKind::Binary(ast::BinaryOp::Mul, by, size), ty: Type::I64, span }
            }
        };
        let op = if forward { ast::BinaryOp::Add } else { ast::BinaryOp::Sub };
        Some(Expr { kind: ExprKind::Binary(op, Box::new(pointer), Box::new(bytes)), ty, span })
    }

    /// `container_of(pointer, typeof(struct NAME), member)`
    pub fn container_of(&mut self, state: &mut ProbeState<'_>, args: &[ast::Expr], span: Span) -> Expr {
        let (ast::ExprKind::TypeOf(of), Some(path)) = (&args[1].kind, member_path(&args[2])) else {
            let error = Diagnostic::error(span, "container_of() expects a pointer, a type and the name of a member");
            self.report(error.with_help("write container_of($pointer, typeof(struct NAME), member)"));
            return unknown(span);
        };
        let pointer = self.value(state, &args[0]);
        let Some(whole) = self.type_of(state, of) else { return unknown(span) };
        let offset = self.offset_of(state, of, &path, span);
        let space = match &pointer.ty {
            Type::Unknown => return unknown(span),
            Type::Pointer(_, space) => *space,
            Type::Int(_) => AddressSpace::Either,
            ty => {
                let title = format!("container_of() expects a pointer ({} provided)", ty.kind());
                return self.refuse(args[0].span, title);
            }
        };
        if offset.ty == Type::Unknown {
            return unknown(span);
        }
        let ty = Type::Pointer(Box::new(whole), space);
        let pointer = Box::new(Expr { kind: ExprKind::Cast(Box::new(pointer)), ty: ty.clone(), span });
        Expr { kind: ExprKind::Binary(ast::BinaryOp::Sub, pointer, Box::new(offset)), ty, span }
    }

    /// `offsetof(struct NAME, member.member)`
    pub fn offset_of(&mut self, state: &mut ProbeState<'_>, of: &ast::TypeOf, path: &[ast::Name], span: Span) -> Expr {
        let Some(mut ty) = self.type_of(state, of) else { return unknown(span) };
        let mut offset = 0;
        for name in path {
            let Type::Struct(of) = &ty else {
                return self.refuse(span, format!("'{ty}' is not a c_struct type."));
            };
            let Some(member) = of.member(&name.text) else {
                let of = of.clone();
                return self.struct_member(unknown(span), &of, name, span);
            };
            offset += i64::from(member.offset);
            ty = member.ty;
        }
        int(offset, Type::U64, span)
    }

    /// `typeinfo(x)`: what is known of a type, as a record of the script.
    pub fn type_info(&mut self, state: &mut ProbeState<'_>, of: &ast::TypeOf, span: Span) -> Expr {
        let Some(ty) = self.type_of(state, of).map(|ty| ty.settled()) else { return unknown(span) };
        let parts = [
            ("btf_id", int(0, Type::Int(IntType::smallest(0)), span)),
            ("base_type", text_literal(ty.kind().into_bytes(), span)),
            ("full_type", text_literal(ty.to_string().into_bytes(), span)),
        ];
        let ty = Type::Record(parts.iter().map(|(name, part)| (name.to_string(), part.ty.clone())).collect());
        Expr { kind: ExprKind::Tuple(parts.into_iter().map(|(_, part)| part).collect()), ty, span }
    }
}

/// The names of `member.member`, as it stands where a value could stand.
fn member_path(written: &ast::Expr) -> Option<Vec<ast::Name>> {
    let mut names = Vec::new();
    let mut part = written;
    while let ast::ExprKind::Field { base, name, .. } = &part.kind {
        names.push(name.clone());
        part = base;
    }
    let ast::ExprKind::Ident(first) = &part.kind else { return None };
    names.push(ast::Name { text: first.clone(), span: part.span });
    names.reverse();
    Some(names)
}

/// An item of a tuple or record; of one that is known now, the item itself.
fn part(mut whole: Expr, index: usize, ty: Type, span: Span) -> Expr {
    if let ExprKind::Tuple(items) = &mut whole.kind
        && items.iter().all(|item| matches!(item.kind, ExprKind::Int(_) | ExprKind::Str(_)))
    {
        return Expr { span, ..items.swap_remove(index) };
    }
    Expr { kind: ExprKind::Item(Box::new(whole), index), ty, span }
}

/// Bytes from one element behind a pointer to the next; `None` for what is no pointer.
pub fn step_of(ty: &Type) -> Option<i64> {
    match ty {
        Type::Pointer(to, _) => Some((to.size_of() as i64).max(1)),
        _ => None,
    }
}

/// Whose memory a place is in; `None` if the program's own.
pub fn space_of(place: &Expr) -> Option<AddressSpace> {
    match &place.kind {
        ExprKind::Deref(pointer) => match &pointer.ty {
            Type::Pointer(_, space) => Some(*space),
            _ => None,
        },
        ExprKind::Member { base, .. } | ExprKind::Element { base, .. } => space_of(base),
        _ => None,
    }
}

/// The type of something that was found in this memory: a pointer in a process's memory points to that memory.
///
/// In the kernel's memory a pointer points where its declaration says.
fn in_space(ty: Type, space: Option<AddressSpace>) -> Type {
    match (ty, space) {
        (Type::Pointer(to, _), Some(AddressSpace::User)) => Type::Pointer(to, AddressSpace::User),
        (Type::Pointer(to, AddressSpace::Kernel), Some(AddressSpace::Either)) => {
            Type::Pointer(to, AddressSpace::Either)
        }
        (Type::Pointer(to, AddressSpace::Either), Some(AddressSpace::Kernel)) => {
            Type::Pointer(to, AddressSpace::Kernel)
        }
        (Type::Array(element, length), space) => Type::Array(Box::new(in_space(*element, space)), length),
        (ty, _) => ty,
    }
}

fn list<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}
