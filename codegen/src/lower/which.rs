//! For which of its attach points a shared program runs, and their names.

use super::memory::Addr;
use super::{Lowering, Stable};
use crate::helpers::Helper;
use crate::which::{Selector, Texts};
use cranelift_codegen::ir::{InstBuilder, Value, condcodes::IntCC};
use lang::builtins::BuiltinId;
use lang::names::ROOM;
use lang::target::Access;
use lang::typed::{Expr, ExprKind};
use lang::types::{IntType, Names, Type};

/// A text that an attach point has.
pub enum PointText {
    /// The only one there is.
    Known(Vec<u8>),
    /// In a table.
    Table(Texts),
}

impl Lowering<'_, '_> {
    /// Passes over system calls that none of the attach points means; what is left is known by its index.
    pub fn guard_number(&mut self, number: &Access, table: u32, length: u32) {
        let number = self.read_access(number);
        let number = self.launder(number);
        self.leave_unless(IntCC::UnsignedLessThan, number, i64::from(length));
        let word = self.row(number, table, 8);
        let found = self.load_word(word);
        self.leave_unless(IntCC::NotEqual, found, 0);
        let one = self.int(1);
        let index = self.builder.ins().isub(found, one);
        self.stable(Stable::Point, |_| index);
    }

    /// What `probe`, `func` or `probetype` says.
    pub fn point_text(&self, id: BuiltinId) -> PointText {
        let unit = self.unit;
        let shared = unit.shared.as_ref();
        let (known, table) = match id {
            BuiltinId::Func => {
                (unit.point.attach.function().unwrap_or_default(), shared.and_then(|shared| shared.functions))
            }
            BuiltinId::Probetype => (probetype(&unit.point.name), None),
            _ => (unit.point.name.as_str(), shared.and_then(|shared| shared.names)),
        };
        table.map_or_else(|| PointText::Known(known.as_bytes().to_vec()), PointText::Table)
    }

    /// Where the text of the attach point that fired lies.
    pub fn text_in_table(&mut self, texts: Texts) -> Addr {
        let shared = self.unit.shared.expect("only a shared program has tables");
        let index = self.stable(Stable::Point, |this| match shared.selector {
            Selector::Cookie => this.call(Helper::GetAttachCookie, &[this.event]),
            Selector::Number { .. } => unreachable!("the guard has found the index"),
        });
        // It is in the table; this is for the verifier, which believes only what is seen to be checked.
        let index = self.at_most(index, shared.count.saturating_sub(1));
        self.row(index, texts.offset, texts.stride)
    }

    /// Stores the name of a number as a text.
    pub fn name_of(&mut self, value: &Expr, names: Names, slot: u32, to: Addr) {
        let number = match &value.kind {
            ExprKind::Call(_, args) if args.len() == 1 => self.scalar(&args[0]),
            _ => {
                let mark = self.mark();
                let word = self.temporary(8);
                self.store(value, &value.ty, word);
                let number = self.load_word(word);
                self.reset(mark);
                number
            }
        };
        self.name_of_number(number, names, slot, to);
    }

    /// The same, of the number itself.
    pub fn name_of_number(&mut self, number: Value, names: Names, slot: u32, to: Addr) {
        let mut number = self.convert(number, &Type::Int(IntType { bits: 32, signed: true }));
        if names == Names::Errors {
            // What a call that failed returns is below zero.
            let all = self.int(63);
            let sign = self.builder.ins().sshr(number, all);
            let flipped = self.builder.ins().bxor(number, sign);
            number = self.builder.ins().isub(flipped, sign);
        }
        let (table, rows) = self.layout.use_names(names, self.target);
        let index = self.at_most(number, rows - 1);
        let from = self.row(index, table, ROOM);
        let bytes = ROOM.min(slot);
        self.copy(from, to, bytes);
        self.zero(to.plus(bytes), slot - bytes);
    }

    /// The address of an element of a table, by an index that was checked.
    fn row(&mut self, index: Value, table: u32, stride: u32) -> Addr {
        let stride = self.int(i64::from(stride));
        let distance = self.builder.ins().imul(index, stride);
        let bss = self.bss();
        Addr::new(self.builder.ins().iadd(bss, distance)).plus(table)
    }
}

/// The kind of a probe, by its name.
fn probetype(name: &str) -> &str {
    match name.split(':').next() {
        Some("begin" | "end" | "self") | None => "special",
        Some(kind) => kind,
    }
}
