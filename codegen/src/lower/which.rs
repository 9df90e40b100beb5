//! For which of its attach points a shared program runs, and their names.

use super::memory::Addr;
use super::{Lowering, Stable};
use crate::helpers::Helper;
use crate::which::{Selector, Texts};
use cranelift_codegen::ir::{InstBuilder, Value, condcodes::IntCC, types};
use lang::builtins::BuiltinId;
use lang::target::Access;

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
        let index = self.in_table(index, shared.count);
        self.row(index, texts.offset, texts.stride)
    }

    /// An index that is in the table, in a form that the verifier follows. It may not leave the program for that: a record
    /// may be waiting to be sent.
    fn in_table(&mut self, index: Value, length: u32) -> Value {
        let index = self.launder(index);
        let (outside, done) = (self.builder.create_block(), self.builder.create_block());
        let inside = self.builder.append_block_param(done, types::I64);
        let is_inside = self.compare(IntCC::UnsignedLessThan, index, i64::from(length));
        self.builder.ins().brif(is_inside, done, &[index.into()], outside, &[]);
        self.builder.switch_to_block(outside);
        let zero = self.int(0);
        self.builder.ins().jump(done, &[zero.into()]);
        self.builder.switch_to_block(done);
        inside
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
