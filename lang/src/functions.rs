//! The functions: one row each, read by the checker, the code generator, the REPL and the reference.

/// Which function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the rows below document each
pub enum FunctionId {
    Printf,
    Print,
    Clear,
    Zero,
    Delete,
    Exit,
    Str,
    Getopt,
    Count,
    Sum,
    Min,
    Max,
    Avg,
    Stats,
    Hist,
    LHist,
}

/// What the checker, the reference and completion know of a function.
#[derive(Debug)]
pub struct Function {
    /// As written.
    pub name: &'static str,
    /// Which one.
    pub id: FunctionId,
    /// Fewest arguments.
    pub min_args: usize,
    /// Most arguments.
    pub max_args: usize,
    /// How it is called, for help and error messages.
    pub usage: &'static str,
    /// May only stand on the right of `@map = `.
    pub aggregation: bool,
    /// One sentence.
    pub doc: &'static str,
    /// A script that uses it and compiles.
    pub example: &'static str,
}

const fn call(
    id: FunctionId,
    name: &'static str,
    (min_args, max_args): (usize, usize),
    usage: &'static str,
    doc: &'static str,
    example: &'static str,
) -> Function {
    Function { name, id, min_args, max_args, usage, aggregation: false, doc, example }
}

const fn aggregation(
    id: FunctionId,
    name: &'static str,
    args: (usize, usize),
    usage: &'static str,
    doc: &'static str,
    example: &'static str,
) -> Function {
    Function { aggregation: true, ..call(id, name, args, usage, doc, example) }
}

/// All functions.
#[rustfmt::skip]
pub static FUNCTIONS: &[Function] = &[
    call(FunctionId::Printf, "printf", (1, 100), "printf(\"format\", args...)", "Prints text as C's printf does.", r#"begin { printf("hello %d %s\n", 1 + 2, comm); }"#),
    call(FunctionId::Print, "print", (1, 3), "print(value), print(@map), print(@map, top), print(@map, top, div)", "Prints a value on a line of its own, or a map: its last `top` entries only, values divided by `div`.", "interval:s:1 { @n++; print(@n); }"),
    call(FunctionId::Clear, "clear", (1, 1), "clear(@map)", "Removes all entries of a map.", "interval:s:1 { @[cpu] = count(); clear(@); }"),
    call(FunctionId::Zero, "zero", (1, 1), "zero(@map)", "Sets all values of a map to zero and keeps its keys.", "interval:s:1 { @[cpu] = count(); zero(@); }"),
    call(FunctionId::Delete, "delete", (1, 2), "delete(@map, key), delete(@map[key]), delete(@map)", "Removes one entry; true if it was there.", "begin { @x[1] = 2; delete(@x, 1); }"),
    call(FunctionId::Exit, "exit", (0, 1), "exit(), exit(code)", "Ends tracing: `end` probes run, maps are printed.", "interval:s:5 { exit(); }"),
    call(FunctionId::Str, "str", (1, 2), "str(pointer), str(pointer, length)", "Reads text from memory, up to a zero byte, `length - 1` bytes or max_strlen.", "tracepoint:syscalls:sys_enter_openat { print(str(args.filename)); }"),
    call(FunctionId::Getopt, "getopt", (1, 3), "getopt(\"name\"), getopt(\"name\", default), getopt(\"name\", default, \"description\")", "The parameter `--name=value` given after `--`, or else its default, whose type it has.", r#"begin { print(getopt("seconds", 5, "how long to trace")); }"#),
    aggregation(FunctionId::Count, "count", (0, 0), "count()", "Counts how often it was called.", "tracepoint:syscalls:sys_enter_write { @[comm] = count(); }"),
    aggregation(FunctionId::Sum, "sum", (1, 1), "sum(n)", "Adds up its arguments.", "tracepoint:syscalls:sys_enter_write { @[comm] = sum(args.count); }"),
    aggregation(FunctionId::Min, "min", (1, 1), "min(n)", "Keeps the smallest of its arguments.", "tracepoint:syscalls:sys_enter_write { @ = min(args.count); }"),
    aggregation(FunctionId::Max, "max", (1, 1), "max(n)", "Keeps the largest of its arguments.", "tracepoint:syscalls:sys_enter_write { @ = max(args.count); }"),
    aggregation(FunctionId::Avg, "avg", (1, 1), "avg(n)", "Averages its arguments, towards zero.", "tracepoint:syscalls:sys_enter_write { @ = avg(args.count); }"),
    aggregation(FunctionId::Stats, "stats", (1, 1), "stats(n)", "Count, average and total of its arguments.", "tracepoint:syscalls:sys_enter_write { @ = stats(args.count); }"),
    aggregation(FunctionId::Hist, "hist", (1, 2), "hist(n), hist(n, k)", "Histogram with power-of-two buckets, each split into 2^k steps (k from 0 to 5).", "tracepoint:syscalls:sys_enter_write { @ = hist(args.count); }"),
    aggregation(FunctionId::LHist, "lhist", (4, 4), "lhist(n, min, max, step)", "Histogram with buckets of equal width.", "tracepoint:syscalls:sys_enter_write { @ = lhist(args.count, 0, 1000, 100); }"),
];

/// Functions of the language that are not here yet.
pub const NOT_YET: &[&str] = &[
    "assert",
    "bswap",
    "buf",
    "cat",
    "cgroup_path",
    "cgroupid",
    "comm",
    "container_of",
    "debugf",
    "errorf",
    "fail",
    "has_key",
    "join",
    "kaddr",
    "kptr",
    "kstack",
    "ksym",
    "len",
    "macaddr",
    "memcmp",
    "nsecs",
    "ntop",
    "offsetof",
    "override",
    "path",
    "percpu_kaddr",
    "pton",
    "reg",
    "signal",
    "skboutput",
    "strcap",
    "strcontains",
    "strerror",
    "strftime",
    "strlen",
    "strncmp",
    "strstr",
    "syscall_name",
    "system",
    "time",
    "tseries",
    "uaddr",
    "unwatch",
    "uptr",
    "ustack",
    "usym",
    "warnf",
];

/// The function of that name.
pub fn function(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|row| row.name == name)
}

/// Whether a call of this name is there only for its effect.
pub fn is_statement(name: &str) -> bool {
    const STATEMENTS: &[&str] = &[
        "assert",
        "cat",
        "clear",
        "debugf",
        "errorf",
        "exit",
        "fail",
        "join",
        "override",
        "print",
        "printf",
        "signal",
        "signal_thread",
        "skboutput",
        "system",
        "time",
        "unwatch",
        "warnf",
        "zero",
    ];
    STATEMENTS.contains(&name)
}
