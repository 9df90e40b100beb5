//! Loops.
//!
//! What the verifier lets repeat depends on the kernel. A short loop with a known number of turns is written out. From
//! Linux 6.9 on a loop is an ordinary one with `may_goto` at its head, which ends it after some millions of turns, so
//! that the verifier need not see that it ends by itself. Before, and always for the entries of a map, the kernel calls
//! the body as a function (`bpf_loop`, `bpf_for_each_map_elem`). Where there is neither, the verifier has to walk
//! through all turns, and does so if they are few.
//!
//! A function that is called by the kernel is given one pointer, to two words in the frame of the program: its event,
//! and its scratch memory. Variables that several functions use lie in the scratch memory, of whose contents the
//! verifier believes nothing: what it believes of a stack after it has walked through a called body once would not
//! hold after the second turn.

use super::Lowering;
use super::memory::{Addr, VarPlace};
use super::variables::Plan;
use crate::helpers::Helper;
use crate::layout::{MapPlace, SiteKind};
use crate::symbol::Symbol;
use cranelift_codegen::ir::{
    self, AbiParam, Block, ExtFuncData, ExternalName, InstBuilder, Signature, UserExternalName, Value,
    condcodes::IntCC, types,
};
use cranelift_codegen::isa::CallConv;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use hashbrown::{HashMap, HashSet};
use lang::diag::Diagnostic;
use lang::span::Span;
use lang::target::Features;
use lang::typed::{Expr, ExprKind, MapId, Stmt, StmtKind, VarId, any_in};
use lang::types::Type;

/// How often `bpf_loop` calls at most (`BPF_MAX_LOOPS`, include/linux/bpf.h).
const MOST_TURNS: i64 = 8 << 20;

/// Loops of so many turns at most are written out.
const MOST_WRITTEN_OUT: u64 = 8;

/// A program has at most this many functions beside itself (`BPF_MAX_SUBPROGS`, include/linux/bpf_verifier.h).
const MOST_FUNCTIONS: u64 = 255;

/// Calls of the kernel's go at most this deep (`MAX_CALL_FRAMES`), the program itself not counted.
const MOST_DEPTH: u32 = 7;

/// A loop that is being lowered.
#[derive(Clone, Copy)]
pub enum Loop {
    /// An ordinary one.
    Turns { next: Block, done: Block },
    /// Its body is the function that is being filled.
    Called,
}

/// What is lowered to code: the program, or the body of a loop.
pub struct Spare<'f> {
    pub func: &'f mut ir::Function,
    pub context: &'f mut FunctionBuilderContext,
}

/// Where a called body finds the program's own things.
#[derive(Clone, Copy)]
pub struct Frame {
    /// Points to the event and the scratch memory, a word each.
    pub words: Value,
    /// Whether this is a called body rather than the program.
    pub is_called: bool,
}

/// How a loop becomes code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// Turn by turn, beginning with this number.
    WrittenOut { from: i64, turns: u64 },
    /// With a jump back.
    Turns,
    /// The kernel calls the body.
    Called,
}

/// How a statement that is a loop becomes code on a kernel.
fn how(stmt: &Stmt, features: &Features) -> How {
    let repeated = if features.may_goto || !features.bpf_loop { How::Turns } else { How::Called };
    match &stmt.kind {
        StmtKind::ForMap { .. } => How::Called,
        StmtKind::ForRange { from, to, body, .. } => match (&from.kind, &to.kind) {
            (ExprKind::Int(first), ExprKind::Int(end))
                if is_short(body) && less_than([from, to]) == IntCC::SignedLessThan =>
            {
                let turns = if first < end { end.abs_diff(*first) } else { 0 };
                match turns <= MOST_WRITTEN_OUT {
                    true => How::WrittenOut { from: *first, turns },
                    false => repeated,
                }
            }
            _ => repeated,
        },
        _ => repeated,
    }
}

/// Whether a loop's body may be written out several times.
fn is_short(body: &[Stmt]) -> bool {
    const MOST_STMTS: usize = 4;
    let simple = |stmt: &Stmt| match &stmt.kind {
        StmtKind::While(..) | StmtKind::ForRange { .. } | StmtKind::ForMap { .. } | StmtKind::Unroll(..) => false,
        StmtKind::If(_, then, otherwise) => is_short(then) && is_short(otherwise),
        _ => true,
    };
    body.len() <= MOST_STMTS
        && body.iter().all(simple)
        && !any_in(body, &mut |expr| matches!(expr.kind, ExprKind::Block(..)))
}

/// The variables that statements set.
fn set_in(stmts: &[Stmt], found: &mut HashSet<VarId>) {
    for stmt in stmts {
        match &stmt.kind {
            StmtKind::SetVar(var, _) => {
                found.insert(*var);
            }
            StmtKind::If(_, then, otherwise) => {
                set_in(then, found);
                set_in(otherwise, found);
            }
            StmtKind::ForRange { var, body, .. } | StmtKind::ForMap { var, body, .. } => {
                found.insert(*var);
                set_in(body, found);
            }
            StmtKind::While(_, body) | StmtKind::Unroll(_, body) => set_in(body, found),
            _ => {}
        }
    }
    any_in(stmts, &mut |expr| {
        add_set(expr, found);
        false
    });
}

/// The variables that computing an expression sets.
fn set_by(expr: &Expr, found: &mut HashSet<VarId>) {
    expr.any(&mut |expr| {
        add_set(expr, found);
        false
    });
}

fn add_set(expr: &Expr, found: &mut HashSet<VarId>) {
    match &expr.kind {
        ExprKind::StepVar { var, .. } | ExprKind::Find { var, .. } => {
            found.insert(*var);
        }
        ExprKind::Block(stmts, _) => set_in(stmts, found),
        _ => {}
    }
}

/// What lowering needs to know of a probe before it begins, or why it cannot be compiled for this kernel.
pub fn plan(probe: &lang::typed::Probe, features: &Features) -> Result<Plan, Box<Diagnostic>> {
    let mut plan = Plan::of(probe, &|stmt| how(stmt, features) == How::Called);
    plan.cut(probe);
    let title = if plan.functions > MOST_FUNCTIONS {
        format!("this probe becomes {} functions; the kernel allows {MOST_FUNCTIONS}", plan.functions)
    } else if plan.depth > MOST_DEPTH {
        format!("the loops of this probe are {} deep; the kernel allows {MOST_DEPTH}", plan.depth)
    } else {
        return Ok(plan);
    };
    Err(Box::new(Diagnostic::error(probe.span, title).with_help("split the probe in two")))
}

impl<'f> Lowering<'_, 'f> {
    /// `while`
    pub fn while_loop(&mut self, stmt: &Stmt, cond: &Expr, body: &[Stmt]) {
        if how(stmt, &self.features) == How::Called {
            return self.called_while(cond, body, stmt.span);
        }
        let [check, turn, done] = [(); 3].map(|()| self.builder.create_block());
        let [stopped, next] = [(); 2].map(|()| self.builder.create_block());
        self.forget(Some(cond), body);
        self.jump(next);
        self.builder.switch_to_block(next);
        self.unless_used_up(check, stopped);
        self.builder.switch_to_block(check);
        self.in_branch(|this| this.branch(cond, turn, done));
        self.turn(turn, next, done, body);
        self.stopped(stopped, done, stmt.span);
    }

    /// `for $var : from..to`
    pub fn for_range(&mut self, stmt: &Stmt, var: VarId, bounds: [&Expr; 2], body: &[Stmt]) {
        match how(stmt, &self.features) {
            How::WrittenOut { from, turns } => self.written_out(var, from, turns, body),
            How::Called => self.called_range(var, bounds, body, stmt.span),
            How::Turns => self.range_turns(var, bounds, body, stmt.span),
        }
    }

    fn written_out(&mut self, var: VarId, from: i64, turns: u64, body: &[Stmt]) {
        let done = self.builder.create_block();
        for turn in 0..turns {
            let next = self.builder.create_block();
            let number = self.int(from.wrapping_add(turn as i64));
            self.set_variable_value(self.variables[var.index()], number);
            self.loops.push(Loop::Turns { next, done });
            self.in_branch(|this| this.stmts(body));
            self.loops.pop();
            if !self.returned {
                self.jump(next);
            }
            self.resume(next);
        }
        self.jump(done);
        self.resume(done);
    }

    fn range_turns(&mut self, var: VarId, bounds: [&Expr; 2], body: &[Stmt], span: Span) {
        let less = less_than(bounds);
        let [from, to] = bounds.map(|bound| self.scalar(bound));
        let [next, check, turn, step, stopped, done] = [(); 6].map(|()| self.builder.create_block());
        let number = self.builder.append_block_param(next, types::I64);
        let from = self.forgotten(from);
        self.forget(None, body);
        self.builder.ins().jump(next, &[from.into()]);
        self.builder.switch_to_block(next);
        self.unless_used_up(check, stopped);
        self.builder.switch_to_block(check);
        let goes_on = self.builder.ins().icmp(less, number, to);
        self.builder.ins().brif(goes_on, turn, &[], done, &[]);
        self.builder.switch_to_block(turn);
        self.set_variable_value(self.variables[var.index()], number);
        let inside = self.builder.create_block();
        self.jump(inside);
        self.turn(inside, step, done, body);
        self.builder.switch_to_block(step);
        let one = self.int(1);
        let following = self.builder.ins().iadd(number, one);
        self.builder.ins().jump(next, &[following.into()]);
        self.stopped(stopped, done, span);
    }

    /// The body of an ordinary loop.
    fn turn(&mut self, turn: Block, next: Block, done: Block, body: &[Stmt]) {
        self.resume(turn);
        self.loops.push(Loop::Turns { next, done });
        self.in_branch(|this| this.stmts(body));
        self.loops.pop();
        if !self.returned {
            self.jump(next);
        }
    }

    /// Tells that a loop was ended, and goes on behind it.
    fn stopped(&mut self, stopped: Block, done: Block, span: Span) {
        self.resume(stopped);
        if self.features.may_goto {
            self.at(span);
            self.in_branch(|this| this.report_site(SiteKind::LoopStopped, span));
        }
        self.jump(done);
        self.resume(done);
    }

    /// Goes to `go_on`, or to `stopped` when the kernel has had enough.
    fn unless_used_up(&mut self, go_on: Block, stopped: Block) {
        if !self.features.may_goto {
            return self.jump(go_on);
        }
        let may_goto = self.function(Symbol::MayGoto, 0);
        let call = self.builder.ins().call(may_goto, &[]);
        let is_used_up = self.builder.inst_results(call)[0];
        self.builder.ins().brif(is_used_up, stopped, &[], go_on, &[]);
    }

    /// Makes the verifier forget the values of the variables that a loop changes. If it knew that a counter begins
    /// with 0, it would follow it turn by turn.
    fn forget(&mut self, cond: Option<&Expr>, body: &[Stmt]) {
        if !self.features.may_goto {
            return;
        }
        let mut changed = HashSet::new();
        set_in(body, &mut changed);
        if let Some(cond) = cond {
            set_by(cond, &mut changed);
        }
        let mut changed: Vec<VarId> = changed.into_iter().collect();
        changed.sort();
        for var in changed {
            let place = self.variables[var.index()];
            match place {
                VarPlace::Register(variable) => {
                    let value = self.builder.use_var(variable);
                    let value = self.forgotten(value);
                    self.builder.def_var(variable, value);
                }
                // It knows what is on the stack, but not what is in scratch memory.
                VarPlace::Memory(_) | VarPlace::Stack(_) => {
                    let whole = self.variable_address(place);
                    self.forget_numbers(whole, &self.unit.probe.vars[var.index()].ty.clone());
                }
                VarPlace::Scratch(_) => {}
            }
        }
    }

    /// The same for the numbers in a slot.
    fn forget_numbers(&mut self, slot: Addr, ty: &Type) {
        if ty.is_scalar() {
            let value = self.load_word(slot);
            let value = self.forgotten(value);
            return self.store_word(value, slot);
        }
        let mut item_at = slot;
        for item in ty.items() {
            self.forget_numbers(item_at, item);
            item_at = item_at.plus(item.slot_size());
        }
    }

    /// The same value, of which the verifier knows nothing: a zero is added that it cannot see.
    fn forgotten(&mut self, value: Value) -> Value {
        if !self.features.may_goto {
            return value;
        }
        let zeros = self.layout.use_zeros(8);
        let bss = self.bss();
        let zero = self.load_word(Addr::new(bss).plus(zeros));
        self.builder.ins().iadd(value, zero)
    }

    /// `break`
    pub fn break_loop(&mut self) {
        match self.loops.last() {
            Some(Loop::Turns { done, .. }) => self.jump(*done),
            _ => self.return_number(1),
        }
        self.returned = true;
    }

    /// `continue`
    pub fn continue_loop(&mut self) {
        match self.loops.last() {
            Some(Loop::Turns { next, .. }) => self.jump(*next),
            _ => self.return_number(0),
        }
        self.returned = true;
    }

    pub fn return_number(&mut self, number: i64) {
        let number = self.int(number);
        self.builder.ins().return_(&[number]);
    }

    fn called_range(&mut self, var: VarId, bounds: [&Expr; 2], body: &[Stmt], span: Span) {
        let less = less_than(bounds);
        let mark = self.mark();
        let [from, to] = bounds.map(|bound| self.scalar(bound));
        let offset = self.take_scratch(8);
        let first = self.scratch_address(offset);
        self.store_word(from, first);
        let [some, short, after, done] = [(); 4].map(|()| self.builder.create_block());
        let goes_on = self.builder.ins().icmp(less, from, to);
        self.builder.ins().brif(goes_on, some, &[], done, &[]);
        // Not to be reached with no turns at all: the verifier would throw the function away and then miss it.
        self.builder.switch_to_block(some);
        let turns = self.builder.ins().isub(to, from);
        let (function, leaves) = self.called_body(2, |this, params| {
            let first = this.scratch_address(offset);
            let first = this.load_word(first);
            let number = this.builder.ins().iadd(first, params[0]);
            this.set_variable_value(this.variables[var.index()], number);
            this.stmts(body);
        });
        let most = self.int(MOST_TURNS);
        let granted = self.builder.ins().umin(turns, most);
        self.in_branch(|this| this.call_loop(granted, function));
        self.reset(mark);
        let too_many = self.compare(IntCC::UnsignedGreaterThan, turns, MOST_TURNS);
        self.builder.ins().brif(too_many, short, &[], after, &[]);
        self.builder.switch_to_block(short);
        self.in_branch(|this| this.report_site(SiteKind::LoopStopped, span));
        self.jump(after);
        self.builder.switch_to_block(after);
        self.leave_if_left(leaves);
        self.jump(done);
        self.resume(done);
    }

    fn called_while(&mut self, cond: &Expr, body: &[Stmt], span: Span) {
        let (function, leaves) = self.called_body(2, |this, _| {
            let [turn, enough] = [(); 2].map(|()| this.builder.create_block());
            this.branch(cond, turn, enough);
            this.builder.switch_to_block(enough);
            this.return_number(1);
            this.resume(turn);
            this.stmts(body);
        });
        let most = self.int(MOST_TURNS);
        let turns = self.call_loop(most, function);
        let [stopped, done] = [(); 2].map(|()| self.builder.create_block());
        let all = self.compare(IntCC::Equal, turns, MOST_TURNS);
        self.builder.ins().brif(all, stopped, &[], done, &[]);
        self.builder.switch_to_block(stopped);
        self.in_branch(|this| this.report_site(SiteKind::LoopStopped, span));
        self.jump(done);
        self.builder.switch_to_block(done);
        self.leave_if_left(leaves);
    }

    /// Has the kernel call a function so many times.
    pub fn call_loop(&mut self, turns: Value, function: Value) -> Value {
        let words = self.frame.expect("a program with called bodies has the words for them").words;
        let no_flags = self.int(0);
        self.call(Helper::Loop, &[turns, function, words, no_flags])
    }

    /// `for $var : @map`
    pub fn for_map(&mut self, var: VarId, map: MapId, body: &[Stmt], span: Span) {
        if !self.features.for_each_map_elem {
            let help = "Linux has it from 5.13 on; print(@map) works everywhere";
            self.refuse(span, "this kernel cannot go through a map's entries within a program", help);
            return;
        }
        let (MapPlace::Hash(kernel_map) | MapPlace::PerCpuHash(kernel_map)) = self.layout.of(map) else {
            unreachable!("checked: the map has keys")
        };
        let (function, leaves) = self.called_body(4, |this, params| {
            this.set_entry(var, map, Addr::new(params[1]), Addr::new(params[2]), span);
            this.stmts(body);
        });
        let words = self.frame.expect("a program with called bodies has the words for them").words;
        let (map, no_flags) = (self.map_pointer(kernel_map), self.int(0));
        self.call(Helper::ForEachMapElem, &[map, function, words, no_flags]);
        self.leave_if_left(leaves);
    }

    /// Copies a key and its value to the loop variable.
    fn set_entry(&mut self, var: VarId, map: MapId, key: Addr, value: Addr, span: Span) {
        let program = self.program;
        let info = &program.maps[map.index()];
        let parts = info.key.as_deref().unwrap_or_default();
        let key_ty = match parts {
            [one] => one.clone(),
            parts => Type::Tuple(parts.to_vec()),
        };
        let pair = self.unit.probe.vars[var.index()].ty.clone();
        let mut items = pair.items();
        let (Some(to_key), Some(to_value)) = (items.next(), items.next()) else {
            unreachable!("checked: the variable is a pair")
        };
        let to = self.variable_address(self.variables[var.index()]);
        self.copy_widening(key, &key_ty, to, to_key);
        let to = to.plus(to_key.slot_size());
        match &info.value {
            Type::Aggregate(aggregate) => {
                let MapPlace::PerCpuHash(kernel_map) = self.layout.of(map) else {
                    unreachable!("aggregations are kept per CPU")
                };
                let number = self.gathered(kernel_map, *aggregate, key.base, span);
                self.store_word(number, to);
            }
            ty => self.copy_widening(value, ty, to, to_value),
        }
    }

    /// After a loop whose body was called: leaves the probe if the body did.
    fn leave_if_left(&mut self, can_leave: bool) {
        if !can_leave {
            return;
        }
        let [gone, done] = [(); 2].map(|()| self.builder.create_block());
        let left = self.left_word();
        let left = self.load_word(left);
        let has_left = self.compare(IntCC::NotEqual, left, 0);
        self.builder.ins().brif(has_left, gone, &[], done, &[]);
        self.builder.switch_to_block(gone);
        self.leave_too();
        self.resume(done);
    }

    /// The word that says that a called body has left the probe.
    pub fn left_word(&mut self) -> Addr {
        // The first thing in the scratch memory of such a program; see `begin_memory`.
        self.scratch_address(0)
    }

    /// Makes a function for the kernel to call; its address, and whether it can leave the probe.
    fn called_body(&mut self, params: usize, fill: impl FnOnce(&mut Self, &[Value])) -> (Value, bool) {
        let (number, can_leave) = self.called_function(params, fill);
        let function = self.function(Symbol::Subprogram(number), params);
        (self.builder.ins().func_addr(types::I64, function), can_leave)
    }

    /// Makes a function for the kernel to call; its number, and whether it can leave the probe.
    pub fn called_function(&mut self, params: usize, fill: impl FnOnce(&mut Self, &[Value])) -> (u32, bool) {
        self.function_of(params, |this, values| {
            let words = *values.last().expect("the pointer comes last");
            this.event = this.load_word(Addr::new(words));
            this.frame = Some(Frame { words, is_called: true });
            this.find_called_memory(words);
            this.loops.push(Loop::Called);
            fill(this, values);
        })
    }

    /// Makes a function that `fill` fills; its number, and whether it can leave the probe.
    pub fn function_of(&mut self, params: usize, fill: impl FnOnce(&mut Self, &[Value])) -> (u32, bool) {
        let Spare { func, context } = self.spare.next().expect("the plan has counted the functions");
        let number = self.unit.first_function + self.functions;
        self.functions += 1;
        func.name = ir::UserFuncName::user(1, number);
        func.signature = signature(params);
        let mut builder = FunctionBuilder::new(func, context);
        let entry = builder.create_block();
        builder.append_block_params_for_function_params(entry);
        builder.switch_to_block(entry);
        builder.set_srcloc(self.location);
        let values = builder.block_params(entry).to_vec();

        let builder = std::mem::replace(&mut self.builder, builder);
        let (event, frame) = (self.event, self.frame);
        let known = std::mem::replace(&mut self.known, vec![HashMap::new()]);
        let imports = (std::mem::take(&mut self.imports), std::mem::take(&mut self.globals));
        let loops = std::mem::take(&mut self.loops);
        let returned = std::mem::replace(&mut self.returned, false);
        let has_left = std::mem::replace(&mut self.has_left, false);
        let variables = self.variables.clone();
        let memory = self.begin_function_memory();
        self.redeclare_registers();

        fill(self, &values);
        if !self.returned {
            self.return_number(0);
        }

        self.end_function_memory(memory);
        self.variables = variables;
        self.returned = returned;
        let can_leave = std::mem::replace(&mut self.has_left, has_left);
        self.loops = loops;
        (self.imports, self.globals) = imports;
        self.known = known;
        (self.event, self.frame) = (event, frame);
        super::finish(std::mem::replace(&mut self.builder, builder));
        (number, can_leave)
    }

    /// A function by its symbol.
    pub fn function(&mut self, symbol: Symbol, params: usize) -> ir::FuncRef {
        if let Some(func) = self.imports.get(&symbol) {
            return *func;
        }
        let signature = self.builder.import_signature(signature(params));
        let name = self.builder.func.declare_imported_user_function(UserExternalName::from(symbol));
        let func = self.builder.import_function(ExtFuncData {
            name: ExternalName::user(name),
            signature,
            colocated: false,
            patchable: false,
        });
        self.imports.insert(symbol, func);
        func
    }
}

/// How a loop over a range asks whether its number is below the end.
fn less_than(bounds: [&Expr; 2]) -> IntCC {
    let joined = bounds[0].ty.join(&bounds[1].ty);
    match joined.is_none_or(|ty| ty.settled().is_signed()) {
        true => IntCC::SignedLessThan,
        false => IntCC::UnsignedLessThan,
    }
}

/// A function of so many words that returns one.
pub fn signature(params: usize) -> Signature {
    let mut signature = Signature::new(CallConv::SystemV);
    signature.params.extend((0..params).map(|_| AbiParam::new(types::I64)));
    signature.returns.push(AbiParam::new(types::I64));
    signature
}
