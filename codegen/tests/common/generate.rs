//! Random functions of Cranelift IR: arithmetic of all widths, branches, bounded loops, variables that become block
//! parameters, a stack slot, atomics. The same seed gives the same function everywhere.

use codegen::symbol::Symbol;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::immediates::Imm64;
use cranelift_codegen::ir::{
    self, AbiParam, AtomicRmwOp, BlockArg, InstBuilder, JumpTableData, MemFlagsData, Signature, SourceLoc,
    StackSlotData, StackSlotKind, Type, UserFuncName, Value, types,
};
use cranelift_codegen::isa::{CallConv, TargetFrontendConfig};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext, Variable};

/// How many numbers a generated function computes with.
const ARGS: usize = 6;

/// How many it reads from its context: those, and the first values of its counters.
pub const CONTEXT_ARGS: usize = ARGS + COUNTERS_SIZE as usize / 8;

const TYPES: [Type; 4] = [types::I8, types::I16, types::I32, types::I64];
const SLOT_SIZE: i32 = 64;
const COUNTERS_SIZE: i32 = 16;

/// A generator of numbers (xorshift): small, and the same everywhere.
pub struct Numbers(u64);

impl Numbers {
    pub fn new(seed: u64) -> Self {
        Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 33) as usize % limit
    }

    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// A number that is likely to be interesting.
    pub fn constant(&mut self) -> u64 {
        match self.below(6) {
            0 => self.next(),
            1 => self.next() as u32 as u64,
            2 => 1 << self.below(64),
            3 => (1_u64 << self.below(64)).wrapping_sub(1),
            4 => (self.below(64) as u64).wrapping_neg(),
            _ => self.below(70) as u64,
        }
    }
}

/// Builds a function with the signature of a program: the context in, a number out.
pub fn build(body: impl FnOnce(&mut FunctionBuilder, Value) -> Value) -> ir::Function {
    let mut signature = Signature::new(CallConv::SystemV);
    signature.params.push(AbiParam::new(types::I64));
    signature.returns.push(AbiParam::new(types::I64));
    let mut func = ir::Function::with_name_signature(UserFuncName::user(0, 0), signature);
    let mut context = FunctionBuilderContext::new();
    let mut builder = FunctionBuilder::new(&mut func, &mut context);
    let entry = builder.create_block();
    builder.append_block_params_for_function_params(entry);
    builder.switch_to_block(entry);
    let context_value = builder.block_params(entry)[0];
    let result = body(&mut builder, context_value);
    builder.ins().return_(&[result]);
    builder.seal_all_blocks();
    builder.finalize(TargetFrontendConfig {
        default_call_conv: CallConv::SystemV,
        pointer_width: target_lexicon_width(),
        page_size_align_log2: 12,
    });
    func
}

fn target_lexicon_width() -> target_lexicon::PointerWidth {
    target_lexicon::PointerWidth::U64
}

/// A reference to a symbol of the object, as lowering makes it.
pub fn symbol_address(builder: &mut FunctionBuilder, symbol: Symbol) -> Value {
    let name = builder.func.declare_imported_user_function(symbol.into());
    let global = builder.create_global_value(ir::GlobalValueData::Symbol {
        name: ir::ExternalName::user(name),
        offset: Imm64::new(0),
        colocated: false,
        tls: false,
    });
    builder.ins().symbol_value(types::I64, global)
}

/// A function that can be called, as lowering declares it.
pub fn function(builder: &mut FunctionBuilder, symbol: Symbol, params: usize) -> ir::FuncRef {
    let mut signature = Signature::new(CallConv::SystemV);
    signature.params.extend((0..params).map(|_| AbiParam::new(types::I64)));
    signature.returns.push(AbiParam::new(types::I64));
    let signature = builder.import_signature(signature);
    let name = builder.func.declare_imported_user_function(symbol.into());
    builder.import_function(ir::ExtFuncData {
        name: ir::ExternalName::user(name),
        signature,
        colocated: false,
        patchable: false,
    })
}

/// The function of a seed.
pub fn random(seed: u64) -> ir::Function {
    build(|builder, context| {
        let mut generator = Generator {
            numbers: Numbers::new(seed),
            builder,
            scope: Vec::new(),
            variables: Vec::new(),
            slot: None,
            counters: None,
        };
        generator.function(context)
    })
}

struct Generator<'g, 'b> {
    numbers: Numbers,
    builder: &'g mut FunctionBuilder<'b>,
    /// Values that dominate the place where we are.
    scope: Vec<Value>,
    variables: Vec<(Variable, Type)>,
    slot: Option<ir::StackSlot>,
    /// What atomics work on. The verifier of Linux 6.18 loses track of which values it relies on when an atomic fetches
    /// a value from the stack that it knows, and then removes branches that are taken. So nothing is known of these:
    /// they hold parts of the context that nobody else looks at, and no store goes there.
    counters: Option<ir::StackSlot>,
}

impl Generator<'_, '_> {
    fn function(&mut self, context: Value) -> Value {
        for index in 0..ARGS as i32 {
            let value = self.builder.ins().load(types::I64, MemFlagsData::trusted(), context, index * 8);
            self.scope.push(value);
        }
        for ty in TYPES {
            let variable = self.builder.declare_var(ty);
            let value = self.value(ty);
            self.builder.def_var(variable, value);
            self.variables.push((variable, ty));
        }
        let slot =
            self.builder.create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, SLOT_SIZE as u32, 3));
        self.slot = Some(slot);
        for offset in (0..SLOT_SIZE).step_by(8) {
            let value = self.value(types::I64);
            let address = self.builder.ins().stack_addr(types::I64, slot, offset);
            self.builder.ins().store(MemFlagsData::trusted(), value, address, 0);
        }
        let counters = StackSlotData::new(StackSlotKind::ExplicitSlot, COUNTERS_SIZE as u32, 3);
        let counters = self.builder.create_sized_stack_slot(counters);
        self.counters = Some(counters);
        for offset in (0..COUNTERS_SIZE).step_by(8) {
            let place = ARGS as i32 * 8 + offset;
            let value = self.builder.ins().load(types::I64, MemFlagsData::trusted(), context, place);
            let address = self.builder.ins().stack_addr(types::I64, counters, offset);
            self.builder.ins().store(MemFlagsData::trusted(), value, address, 0);
        }
        let length = 6 + self.numbers.below(24);
        self.statements(length, 0, false);
        self.result()
    }

    /// Folds everything that may have changed into one number whose low half depends on all of it.
    fn result(&mut self) -> Value {
        let mut parts = Vec::new();
        for (variable, _) in self.variables.clone() {
            let value = self.builder.use_var(variable);
            parts.push(self.convert(value, types::I64));
        }
        for offset in (0..SLOT_SIZE).step_by(8) {
            let address = self.slot_address(offset);
            parts.push(self.builder.ins().load(types::I64, MemFlagsData::trusted(), address, 0));
        }
        let counters = self.counters.expect("the counters are made first");
        for offset in (0..COUNTERS_SIZE).step_by(8) {
            let address = self.builder.ins().stack_addr(types::I64, counters, offset);
            parts.push(self.builder.ins().load(types::I64, MemFlagsData::trusted(), address, 0));
        }
        for _ in 0..4 {
            parts.push(self.value(types::I64));
        }
        let mut sum = self.builder.ins().iconst(types::I64, 0x1234_5678);
        for part in parts {
            let by = self.builder.ins().iconst(types::I64, 7);
            let turned = self.builder.ins().rotl(sum, by);
            sum = self.builder.ins().bxor(turned, part);
        }
        let by = self.builder.ins().iconst(types::I64, 32);
        let high = self.builder.ins().ushr(sum, by);
        self.builder.ins().bxor(sum, high)
    }

    fn slot_address(&mut self, offset: i32) -> Value {
        let slot = self.slot.expect("the slot is made first");
        self.builder.ins().stack_addr(types::I64, slot, offset)
    }

    fn statements(&mut self, count: usize, depth: usize, is_in_loop: bool) {
        for line in 0..count {
            self.builder.set_srcloc(SourceLoc::new((depth * 100 + line) as u32 + 1));
            match self.numbers.below(20) {
                0..=9 => {
                    let ty = self.numbers.pick(&TYPES);
                    let value = self.operation(ty);
                    self.scope.push(value);
                }
                10..=12 => {
                    let (variable, ty) = self.numbers.pick(&self.variables.clone());
                    let value = self.value(ty);
                    self.builder.def_var(variable, value);
                }
                13..=14 => self.memory(),
                15 => self.atomic(),
                16 if depth < 3 => self.conditional(depth, is_in_loop),
                17 if depth < 2 && !is_in_loop => self.counted_loop(depth),
                18 if depth < 2 && !is_in_loop => self.table(depth, is_in_loop),
                _ => {
                    let (variable, _) = self.numbers.pick(&self.variables.clone());
                    let value = self.builder.use_var(variable);
                    self.scope.push(value);
                }
            }
        }
    }

    /// Some value of a type: one in scope, a variable, or a constant.
    fn value(&mut self, ty: Type) -> Value {
        if self.numbers.below(4) == 0 {
            let constant = self.numbers.constant() as i64;
            return self.builder.ins().iconst(ty, constant);
        }
        // What is new is used most.
        let age = self.numbers.below(self.scope.len()).min(self.numbers.below(self.scope.len()));
        let value = self.scope[self.scope.len() - 1 - age];
        self.convert(value, ty)
    }

    fn convert(&mut self, value: Value, ty: Type) -> Value {
        let from = self.builder.func.dfg.value_type(value);
        match from.bits().cmp(&ty.bits()) {
            std::cmp::Ordering::Equal => value,
            std::cmp::Ordering::Greater => self.builder.ins().ireduce(ty, value),
            std::cmp::Ordering::Less if self.numbers.below(2) == 0 => self.builder.ins().sextend(ty, value),
            std::cmp::Ordering::Less => self.builder.ins().uextend(ty, value),
        }
    }

    fn condition(&mut self) -> Value {
        let ty = self.numbers.pick(&TYPES);
        let (a, b) = (self.value(ty), self.value(ty));
        let cond = self.numbers.pick(&[
            IntCC::Equal,
            IntCC::NotEqual,
            IntCC::SignedLessThan,
            IntCC::SignedLessThanOrEqual,
            IntCC::SignedGreaterThan,
            IntCC::SignedGreaterThanOrEqual,
            IntCC::UnsignedLessThan,
            IntCC::UnsignedLessThanOrEqual,
            IntCC::UnsignedGreaterThan,
            IntCC::UnsignedGreaterThanOrEqual,
        ]);
        self.builder.ins().icmp(cond, a, b)
    }

    fn operation(&mut self, ty: Type) -> Value {
        let (a, b) = (self.value(ty), self.value(ty));
        let choice = self.numbers.below(37);
        match choice {
            0 | 1 => self.builder.ins().iadd(a, b),
            2 => self.builder.ins().isub(a, b),
            3 => self.builder.ins().imul(a, b),
            4 => self.builder.ins().band(a, b),
            5 => self.builder.ins().bor(a, b),
            6 => self.builder.ins().bxor(a, b),
            7 => self.builder.ins().bnot(a),
            8 => self.builder.ins().ineg(a),
            9 => self.builder.ins().ishl(a, b),
            10 => self.builder.ins().ushr(a, b),
            11 => self.builder.ins().sshr(a, b),
            12 => self.builder.ins().rotl(a, b),
            13 => self.builder.ins().rotr(a, b),
            14 => self.builder.ins().iabs(a),
            15 => self.builder.ins().clz(a),
            16 => self.builder.ins().ctz(a),
            17 => self.builder.ins().popcnt(a),
            18 if ty != types::I8 => self.builder.ins().bswap(a),
            19 => self.builder.ins().umulhi(a, b),
            20 => self.builder.ins().smulhi(a, b),
            21 => self.builder.ins().umin(a, b),
            22 => self.builder.ins().umax(a, b),
            23 => self.builder.ins().smin(a, b),
            24 => self.builder.ins().smax(a, b),
            25 => {
                let condition = self.condition();
                self.builder.ins().select(condition, a, b)
            }
            26 => self.builder.ins().bmask(ty, a),
            27 => {
                let condition = self.condition();
                self.convert(condition, ty)
            }
            28 => self.builder.ins().uadd_overflow(a, b).0,
            29 => {
                let zero = self.builder.ins().iconst(ty, 0);
                self.builder.ins().uadd_overflow(a, zero).0
            }
            30 => self.builder.ins().udiv(a, b),
            31 => self.builder.ins().urem(a, b),
            32 => self.builder.ins().sdiv(a, b),
            33 => self.builder.ins().srem(a, b),
            34 => {
                let carry = self.builder.ins().uadd_overflow(a, b).1;
                self.convert(carry, ty)
            }
            35 => self.load(),
            _ => {
                let flag = self.condition();
                let zero = self.builder.ins().iconst(types::I8, 0);
                let not = self.builder.ins().icmp(IntCC::Equal, flag, zero);
                self.builder.ins().select(not, a, b)
            }
        }
    }

    /// An address in the slot, as offset of the address and offset of the access, aligned to the access.
    fn place(&mut self, size: i32) -> (Value, i32) {
        let offset = self.numbers.below((SLOT_SIZE / size) as usize) as i32 * size;
        let first = self.numbers.below(offset as usize + 1) as i32;
        let address = self.slot_address(first);
        if self.numbers.below(2) == 0 {
            return (address, offset - first);
        }
        let rest = self.builder.ins().iconst(types::I64, i64::from(offset - first));
        (self.builder.ins().iadd(address, rest), 0)
    }

    fn load(&mut self) -> Value {
        let flags = MemFlagsData::trusted();
        match self.numbers.below(7) {
            0 => {
                let (address, offset) = self.place(1);
                self.builder.ins().uload8(types::I32, flags, address, offset)
            }
            1 => {
                let (address, offset) = self.place(1);
                self.builder.ins().sload8(types::I16, flags, address, offset)
            }
            2 => {
                let (address, offset) = self.place(2);
                self.builder.ins().sload16(types::I32, flags, address, offset)
            }
            3 => {
                let (address, offset) = self.place(4);
                self.builder.ins().sload32(flags, address, offset)
            }
            4 => {
                let (address, offset) = self.place(4);
                self.builder.ins().uload32(flags, address, offset)
            }
            _ => {
                let ty = self.numbers.pick(&TYPES);
                let (address, offset) = self.place(ty.bytes() as i32);
                self.builder.ins().load(ty, flags, address, offset)
            }
        }
    }

    fn memory(&mut self) {
        if self.numbers.below(2) == 0 {
            let value = self.load();
            return self.scope.push(value);
        }
        let flags = MemFlagsData::trusted();
        let ty = self.numbers.pick(&TYPES);
        let value = self.value(ty);
        if ty == types::I64 && self.numbers.below(3) == 0 {
            let (address, offset) = self.place(2);
            self.builder.ins().istore16(flags, value, address, offset);
        } else {
            let (address, offset) = self.place(ty.bytes() as i32);
            self.builder.ins().store(flags, value, address, offset);
        }
    }

    fn atomic(&mut self) {
        let ty = self.numbers.pick(&[types::I32, types::I64]);
        let slot = self.counters.expect("the counters are made first");
        let size = ty.bytes() as i32;
        let offset = self.numbers.below((COUNTERS_SIZE / size) as usize) as i32 * size;
        let first = self.numbers.below(offset as usize + 1) as i32;
        let address = self.builder.ins().stack_addr(types::I64, slot, first);
        let rest = self.builder.ins().iconst(types::I64, i64::from(offset - first));
        let address = self.builder.ins().iadd(address, rest);
        let value = self.value(ty);
        if self.numbers.below(5) == 0 {
            let expected = self.value(ty);
            let old = self.builder.ins().atomic_cas(MemFlagsData::trusted(), address, expected, value);
            return self.scope.push(old);
        }
        let op = self.numbers.pick(&[
            AtomicRmwOp::Add,
            AtomicRmwOp::Sub,
            AtomicRmwOp::And,
            AtomicRmwOp::Or,
            AtomicRmwOp::Xor,
            AtomicRmwOp::Xchg,
        ]);
        let old = self.builder.ins().atomic_rmw(ty, MemFlagsData::trusted(), op, address, value);
        if self.numbers.below(2) == 0 {
            self.scope.push(old);
        }
    }

    fn branch_body(&mut self, depth: usize, is_in_loop: bool) {
        let outer = self.scope.len();
        let count = 1 + self.numbers.below(4);
        self.statements(count, depth + 1, is_in_loop);
        self.scope.truncate(outer);
    }

    fn conditional(&mut self, depth: usize, is_in_loop: bool) {
        let [then, otherwise, join] = [(); 3].map(|()| self.builder.create_block());
        let ty = self.numbers.pick(&TYPES);
        let joined = self.builder.append_block_param(join, ty);
        let condition = self.condition();
        let to_join = self.numbers.below(3) == 0;
        if to_join {
            let value = self.value(ty);
            self.builder.ins().brif(condition, then, &[], join, &[BlockArg::Value(value)]);
        } else {
            self.builder.ins().brif(condition, then, &[], otherwise, &[]);
        }
        self.builder.switch_to_block(then);
        self.branch_body(depth, is_in_loop);
        let value = self.value(ty);
        self.builder.ins().jump(join, &[BlockArg::Value(value)]);
        self.builder.switch_to_block(otherwise);
        self.branch_body(depth, is_in_loop);
        let value = self.value(ty);
        self.builder.ins().jump(join, &[BlockArg::Value(value)]);
        self.builder.switch_to_block(join);
        self.scope.push(joined);
    }

    fn counted_loop(&mut self, depth: usize) {
        let [head, body, after] = [(); 3].map(|()| self.builder.create_block());
        let counter = self.builder.append_block_param(head, types::I64);
        let zero = self.builder.ins().iconst(types::I64, 0);
        self.builder.ins().jump(head, &[BlockArg::Value(zero)]);
        self.builder.switch_to_block(head);
        let limit = 1 + self.numbers.below(3) as i64;
        let limit = self.builder.ins().iconst(types::I64, limit);
        let goes_on = self.builder.ins().icmp(IntCC::UnsignedLessThan, counter, limit);
        self.builder.ins().brif(goes_on, body, &[], after, &[]);
        self.builder.switch_to_block(body);
        let outer = self.scope.len();
        self.scope.push(counter);
        self.branch_body(depth, true);
        self.scope.truncate(outer);
        let one = self.builder.ins().iconst(types::I64, 1);
        let next = self.builder.ins().iadd(counter, one);
        self.builder.ins().jump(head, &[BlockArg::Value(next)]);
        self.builder.switch_to_block(after);
    }

    fn table(&mut self, depth: usize, is_in_loop: bool) {
        let join = self.builder.create_block();
        let blocks: Vec<_> = (0..3).map(|_| self.builder.create_block()).collect();
        let index = self.value(types::I32);
        let mask = self.builder.ins().iconst(types::I32, 7);
        let index = self.builder.ins().band(index, mask);
        let pool = &mut self.builder.func.dfg.value_lists;
        let calls: Vec<_> =
            [0, 1, 0, 2].iter().map(|n: &usize| ir::BlockCall::new(blocks[*n], std::iter::empty(), pool)).collect();
        let default = ir::BlockCall::new(join, std::iter::empty(), pool);
        let table = self.builder.create_jump_table(JumpTableData::new(default, &calls));
        self.builder.ins().br_table(index, table);
        for block in blocks {
            self.builder.switch_to_block(block);
            self.branch_body(depth, is_in_loop);
            self.builder.ins().jump(join, &[]);
        }
        self.builder.switch_to_block(join);
    }
}
