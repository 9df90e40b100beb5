//! From a typed program to Cranelift IR, one function a program.
//!
//! Every value is 64 bits wide here, sign- or zero-extended as its type says. Guarded values (an index, a pointer that
//! may be null) are laundered between computing and checking them, so that the mid-end cannot separate the check from
//! the access that relies on it; see [`Lowering::launder`].

mod access;
mod address;
mod aggregate;
mod builtin;
mod bytes;
mod call;
mod event;
mod expr;
mod kernel;
mod loops;
mod map;
mod memory;
mod operators;
mod packet;
mod parts;
mod place;
mod process;
mod stack;
mod stmt;
mod strings;
mod task;
mod text;
mod unwind;
mod variables;
mod verdict;
mod which;

use crate::helpers::Helper;
use crate::layout::Layout;
use crate::symbol::{Section, Symbol};
use crate::which::{Selector, Shared};
use cranelift_codegen::ir::{
    self, ExternalName, GlobalValueData, InstBuilder, MemFlagsData, SourceLoc, Value, condcodes::IntCC, types,
};
use cranelift_codegen::isa::{CallConv, TargetFrontendConfig};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext, Variable};
use hashbrown::HashMap;
use lang::builtins::BuiltinId;
use lang::diag::Diagnostic;
use lang::span::Span;
use lang::target::{Access, Context, Features, ProgramType, Target};
use lang::typed;
use loops::{Frame, Loop, Spare};
use memory::Memory;
use variables::Plan;

/// One program to be: a probe's body for the attach points that see their event the same way.
pub struct Unit<'a> {
    /// The probe.
    pub probe: &'a typed::Probe,
    /// How the event is seen.
    pub context: &'a Context,
    /// The first of its attach points.
    pub point: &'a typed::Point,
    /// What it knows of the others.
    pub shared: Option<Shared>,
    /// Events of other processes are passed over.
    pub process: Option<u32>,
    /// The number of the program in its object.
    pub number: u32,
    /// How many programs the object has.
    pub programs: u32,
    /// The number that the program's first function beside itself has in the object.
    pub first_function: u32,
}

/// A lowered program.
pub struct Lowered {
    /// The function.
    pub func: ir::Function,
    /// Functions that the kernel calls for it, by their numbers from the unit's first on.
    pub functions: Vec<ir::Function>,
    /// Those of them, by their numbers in the object, that the verifier is to look at by themselves.
    pub global_functions: Vec<u32>,
    /// Where its instructions come from: a source location is an index here.
    pub spans: Vec<Span>,
}

/// Lowers one program.
///
/// Fails only with what the kernel cannot do at all.
pub fn lower(
    unit: &Unit<'_>,
    program: &typed::Program,
    layout: &mut Layout,
    target: &dyn Target,
) -> Result<Lowered, Box<Diagnostic>> {
    let plan = loops::plan(unit.probe, &target.features())?;
    // Whether scratch memory is needed shows only at the end, and it must be had at the start: then do it again.
    let mut attempts = [false, true].into_iter().filter(|with_scratch| *with_scratch || plan.functions == 0);
    let lowered = attempts.find_map(|with_scratch| attempt(unit, program, layout, target, &plan, with_scratch));
    lowered.expect("with scratch memory at hand nobody asks for it")
}

/// Nothing if scratch memory is needed that the program has not got.
fn attempt(
    unit: &Unit<'_>,
    program: &typed::Program,
    layout: &mut Layout,
    target: &dyn Target,
    plan: &Plan,
    with_scratch: bool,
) -> Option<Result<Lowered, Box<Diagnostic>>> {
    let name = ir::UserFuncName::user(0, unit.number);
    let mut func = ir::Function::with_name_signature(name, loops::signature(1));
    let mut functions: Vec<(ir::Function, FunctionBuilderContext)> =
        (0..plan.functions).map(|_| (ir::Function::new(), FunctionBuilderContext::new())).collect();
    let spare: Vec<Spare> = functions.iter_mut().map(|(func, context)| Spare { func, context }).collect();
    let mut builder_context = FunctionBuilderContext::new();
    let mut builder = FunctionBuilder::new(&mut func, &mut builder_context);
    let entry = builder.create_block();
    builder.append_block_params_for_function_params(entry);
    builder.switch_to_block(entry);
    let event = builder.block_params(entry)[0];
    let mut lowering = Lowering {
        unit,
        program,
        layout,
        target,
        features: target.features(),
        event,
        builder,
        variables: Vec::new(),
        known: vec![HashMap::new()],
        imports: HashMap::new(),
        globals: HashMap::new(),
        spans: Vec::new(),
        location: SourceLoc::default(),
        memory: Memory::default(),
        plan,
        spare: spare.into_iter(),
        functions: 0,
        global_functions: Vec::new(),
        frame: None,
        unwinder: None,
        unwind_state: None,
        loops: Vec::new(),
        refusal: None,
        returned: false,
        has_left: false,
        in_part: false,
        guesses: false,
        saved: HashMap::new(),
        verdict_word: None,
        takes_verdict: false,
    };
    lowering.begin_memory(with_scratch);
    lowering.guard();
    lowering.body();
    let needs_scratch = lowering.end_memory() && !with_scratch;
    let Lowering { spans, builder, functions: made, global_functions, refusal, .. } = lowering;
    finish(builder);
    if needs_scratch {
        return None;
    }
    let functions = functions.into_iter().take(made as usize).map(|(func, _)| func).collect();
    Some(refusal.map_or(Ok(Lowered { func, functions, global_functions, spans }), Err))
}

/// Ends a function.
fn finish(mut builder: FunctionBuilder<'_>) {
    builder.seal_all_blocks();
    builder.finalize(TargetFrontendConfig {
        default_call_conv: CallConv::SystemV,
        pointer_width: target_lexicon::PointerWidth::U64,
        page_size_align_log2: 12,
    });
}

/// A value that stays the same while a program runs, so that one computation serves all uses it dominates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Stable {
    PidTgid,
    /// The same in rtrace's own namespace.
    OwnPidTgid,
    UidGid,
    Cpu,
    Task,
    /// The index of the attach point that fired.
    Point,
    /// A pointer in the context's word at this offset.
    EventWord(u32),
}

struct Lowering<'a, 'f> {
    unit: &'a Unit<'a>,
    program: &'a typed::Program,
    layout: &'a mut Layout,
    target: &'a dyn Target,
    features: Features,
    /// The program's argument.
    event: Value,
    builder: FunctionBuilder<'f>,
    variables: Vec<memory::VarPlace>,
    /// Stable values by the branch that is being lowered, innermost last.
    known: Vec<HashMap<Stable, Value>>,
    imports: HashMap<Symbol, ir::FuncRef>,
    globals: HashMap<Symbol, ir::GlobalValue>,
    spans: Vec<Span>,
    /// What is being filled comes from here.
    location: SourceLoc,
    memory: Memory,
    plan: &'a Plan,
    /// Room for functions not made yet.
    spare: std::vec::IntoIter<Spare<'f>>,
    /// How many are made.
    functions: u32,
    /// Those of them that the verifier is to look at by themselves.
    global_functions: Vec<u32>,
    /// How called bodies reach what belongs to the program, if there are any.
    frame: Option<Frame>,
    /// The function that walks a stack by tables, once it is made.
    unwinder: Option<u32>,
    /// Where in the scratch memory it keeps what it knows.
    unwind_state: Option<u32>,
    /// The loops that are open in the function being filled, innermost last.
    loops: Vec<Loop>,
    /// What the kernel cannot do.
    refusal: Option<Box<Diagnostic>>,
    /// The block being filled has returned; what follows is never run.
    returned: bool,
    /// Something in the function being filled leaves the probe.
    has_left: bool,
    /// The function being filled, or one around it, is a part, which has no event.
    in_part: bool,
    /// Reads that are being made may fail as a matter of course.
    guesses: bool,
    /// Where in the scratch memory parts find numbers of the event.
    saved: HashMap<Access, u32>,
    /// Where in the scratch memory functions leave what becomes of the packet.
    verdict_word: Option<u32>,
    /// The program leaves because one of its functions has.
    takes_verdict: bool,
}

/// Memory accesses here never trap and are aligned. They must not move across the checks that make them valid, so the
/// flag that allows moving is never set.
fn flags() -> MemFlagsData {
    MemFlagsData::trusted()
}

impl Lowering<'_, '_> {
    /// The whole program after its guard.
    fn body(&mut self) {
        let probe = self.unit.probe;
        self.declare_variables();
        self.read_packet();
        if let Some(predicate) = &probe.predicate {
            self.at(predicate.span);
            let (go_on, leave) = (self.builder.create_block(), self.builder.create_block());
            self.branch(predicate, go_on, leave);
            self.builder.switch_to_block(leave);
            self.leave();
            self.resume(go_on);
        }
        match self.plan.is_cut {
            true => self.pieces(probe),
            false => self.stmts(&probe.body),
        }
        if !self.returned {
            self.leave();
        }
    }

    /// Passes over events that are not meant: other system calls, other processes.
    fn guard(&mut self) {
        self.guard_event();
        if let Some(process) = self.unit.process {
            self.at(self.unit.probe.span);
            let pid = self.builtin(BuiltinId::Pid);
            self.leave_unless(IntCC::Equal, pid, i64::from(process));
        }
    }

    fn guard_event(&mut self) {
        if self.unit.context.program == ProgramType::Iter {
            /// Every `struct bpf_iter__KIND` has the facts of the run first and then the object.
            const OBJECT: i32 = 8;
            self.at(self.unit.probe.span);
            // The kernel runs the program once more when there are no more objects.
            let object = self.builder.ins().load(types::I64, flags(), self.event, OBJECT);
            self.leave_unless(IntCC::NotEqual, object, 0);
        }
        let Some(guard) = &self.unit.context.guard else { return };
        self.at(self.unit.probe.span);
        match self.unit.shared.map(|shared| shared.selector) {
            Some(Selector::Number { table, length }) => self.guard_number(&guard.number, table, length),
            _ => {
                let number = self.read_access(&guard.number);
                self.leave_unless(IntCC::Equal, number, i64::from(guard.expected));
            }
        }
        if let Some((offset, mask)) = guard.compat
            && self.features.current_task_btf
        {
            let task = self.current_task();
            let status = self.builder.ins().uload32(flags(), task, offset as i32);
            let mask = self.int(i64::from(mask));
            let compat = self.builder.ins().band(status, mask);
            self.leave_unless(IntCC::Equal, compat, 0);
        }
    }

    /// Returns from the program if the comparison fails.
    fn leave_unless(&mut self, condition: IntCC, value: Value, constant: i64) {
        let (go_on, leave) = (self.builder.create_block(), self.builder.create_block());
        let holds = self.compare(condition, value, constant);
        self.builder.ins().brif(holds, go_on, &[], leave, &[]);
        self.builder.switch_to_block(leave);
        self.leave();
        self.resume(go_on);
    }

    /// Notes that the kernel cannot do something; nothing will come of the program.
    fn refuse(&mut self, span: Span, title: &str, help: &str) {
        self.refusal.get_or_insert_with(|| Box::new(Diagnostic::error(span, title).with_help(help)));
    }

    /// Ends the program.
    fn leave(&mut self) {
        if self.frame.is_some_and(|frame| frame.is_called) {
            let (one, left) = (self.int(1), self.left_word());
            self.store_word(one, left);
            self.return_number(1);
        } else {
            let verdict = self.verdict();
            self.builder.ins().return_(&[verdict]);
        }
        self.has_left = true;
        self.returned = true;
    }

    /// Goes on in `block`, which has been jumped to.
    fn resume(&mut self, block: ir::Block) {
        self.builder.switch_to_block(block);
        self.returned = false;
    }

    /// What follows comes from `span`.
    fn at(&mut self, span: Span) {
        if self.spans.last() != Some(&span) {
            self.spans.push(span);
        }
        self.location = SourceLoc::new(self.spans.len() as u32 - 1);
        self.builder.set_srcloc(self.location);
    }

    /// What the code that is being made comes from.
    fn here(&self) -> Span {
        self.spans.get(self.location.bits() as usize).copied().unwrap_or_default()
    }

    fn int(&mut self, value: i64) -> Value {
        self.builder.ins().iconst(types::I64, value)
    }

    fn compare(&mut self, condition: IntCC, value: Value, constant: i64) -> Value {
        let constant = self.int(constant);
        self.builder.ins().icmp(condition, value, constant)
    }

    /// The same value under a name of its own, which the mid-end can neither merge with another nor see through.
    ///
    /// The verifier knows of a register only what was checked on that very register. The first result of an addition
    /// of zero with overflow is a move that the mid-end leaves alone, because the instruction has two results.
    fn launder(&mut self, value: Value) -> Value {
        let zero = self.int(0);
        self.builder.ins().uadd_overflow(value, zero).0
    }

    /// The same address as a plain number. The verifier lets nobody multiply an address of which it knows what it points
    /// to, nor add a number to it that may be anything; of one that has been negated it knows nothing.
    fn forget_target(&mut self, address: Value) -> Value {
        let address = self.launder(address);
        let negative = self.builder.ins().ineg(address);
        let negative = self.launder(negative);
        self.builder.ins().ineg(negative)
    }

    /// Runs `lower` for a branch: what becomes known in it is not known after it.
    fn in_branch<T>(&mut self, lower: impl FnOnce(&mut Self) -> T) -> T {
        self.known.push(HashMap::new());
        let result = lower(self);
        self.known.pop();
        result
    }

    /// The stable value, computed where it is not known yet.
    fn stable(&mut self, which: Stable, compute: impl FnOnce(&mut Self) -> Value) -> Value {
        if let Some(value) = self.known.iter().rev().find_map(|known| known.get(&which)) {
            return *value;
        }
        let value = compute(self);
        if let Some(known) = self.known.last_mut() {
            known.insert(which, value);
        }
        value
    }

    /// The current task, as a pointer whose target the verifier knows.
    fn current_task(&mut self) -> Value {
        self.stable(Stable::Task, |this| this.call(Helper::GetCurrentTaskBtf, &[]))
    }

    /// Calls a helper.
    fn call(&mut self, helper: Helper, args: &[Value]) -> Value {
        let func = self.function(Symbol::Helper(helper.number()), args.len());
        let call = self.builder.ins().call(func, args);
        self.builder.inst_results(call)[0]
    }

    /// Calls a function of the kernel that has a BTF id instead of a number; the checker has seen that it is there.
    fn call_kfunc(&mut self, name: &str, args: &[Value]) -> Value {
        let id = self.target.kfunc(name).expect("checked: the kernel has the function");
        let symbol = Symbol::Kfunc(self.layout.use_kfunc(id));
        let func = self.function(symbol, args.len());
        let call = self.builder.ins().call(func, args);
        self.builder.inst_results(call)[0]
    }

    /// The address of a map or of `.bss`.
    fn symbol(&mut self, symbol: Symbol) -> Value {
        let global = match self.globals.get(&symbol) {
            Some(global) => *global,
            None => {
                let name = self.builder.func.declare_imported_user_function(symbol.into());
                let global = self.builder.create_global_value(GlobalValueData::Symbol {
                    name: ExternalName::user(name),
                    offset: 0.into(),
                    colocated: false,
                    tls: false,
                });
                self.globals.insert(symbol, global);
                global
            }
        };
        self.builder.ins().symbol_value(types::I64, global)
    }

    fn map_pointer(&mut self, map: u32) -> Value {
        self.symbol(Symbol::Map(map))
    }

    fn bss(&mut self) -> Value {
        self.symbol(Symbol::Data(Section::Bss))
    }
}

/// A variable of Cranelift's front end for a scalar of the script.
fn scalar_variable(builder: &mut FunctionBuilder<'_>) -> Variable {
    builder.declare_var(types::I64)
}

impl Lowering<'_, '_> {
    fn jump(&mut self, block: ir::Block) {
        self.builder.ins().jump(block, &[]);
    }
}
