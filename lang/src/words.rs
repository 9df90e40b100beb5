//! The words of the language that are neither builtins nor functions: statements, definitions, and what asks for types.
//! One row each, read by the parser, the prompt and the reference.

/// What the parser and the reference know of a word.
#[derive(Debug)]
pub struct Word {
    /// As written.
    pub name: &'static str,
    /// Words that go with it and are explained by the same row.
    pub also: &'static [&'static str],
    /// Neither it nor what goes with it can be the name of anything else.
    pub is_reserved: bool,
    /// How it is written.
    pub usage: &'static str,
    /// One or two sentences.
    pub doc: &'static str,
    /// A script that uses it and compiles.
    pub example: &'static str,
}

const fn reserved(name: &'static str, usage: &'static str, doc: &'static str, example: &'static str) -> Word {
    Word { name, also: &[], is_reserved: true, usage, doc, example }
}

const fn free(name: &'static str, usage: &'static str, doc: &'static str, example: &'static str) -> Word {
    Word { is_reserved: false, ..reserved(name, usage, doc, example) }
}

/// All of them.
#[rustfmt::skip]
pub static WORDS: &[Word] = &[
    Word { also: &["else"], ..reserved("if", "if (condition) { ... } else { ... }", "Runs one of two blocks. With blocks that end in a value, one for each case, it is a value itself.", r#"begin { if (pid > 1) { print("more"); } else { print("one"); } }"#) },
    reserved("for", "for ($i : from..to) { ... }, for ($kv : @map) { ... }", "Repeats its block for each number from the first to the one before the second, or for each entry of a map, whose key is `$kv.0` and whose value `$kv.1`.", "begin { @x[1] = 2; for ($kv : @x) { print(($kv.0, $kv.1)); } for ($i : 0..3) { print($i); } }"),
    reserved("while", "while (condition) { ... }", "Repeats its block as long as the condition holds. Deprecated in favour of `for`, and says so.", "begin { $i = 0; while ($i < 3) { $i++; } }"),
    reserved("unroll", "unroll(n) { ... }", "Writes its block out 1 to 100 times.", "begin { $i = 0; unroll(3) { $i++; } print($i); }"),
    reserved("break", "break;", "Leaves the innermost `for` or `while`.", "begin { for ($i : 0..9) { if ($i == 3) { break; } print($i); } }"),
    reserved("continue", "continue;", "Goes on with the next turn of the innermost `for` or `while`.", "begin { for ($i : 0..3) { if ($i == 1) { continue; } print($i); } }"),
    reserved("return", "return;, return value;", "Leaves the probe. The value is that of a test, or what becomes of a packet.", "begin { if (pid == 0) { return; } print(pid); }"),
    reserved("let", "let $x;, let $x : type = value;, let @map = kind(entries);", "Declares a variable, with a type that it keeps if one is given; outside of probes it says how a map is kept: `hash`, `lruhash`, `percpuhash` or `percpulruhash`.", "let @last = lruhash(100); begin { let $n : uint8 = 255; $n++; @last[1] = $n; }"),
    reserved("macro", "macro name(value, $variable, @map) { ... }", "A piece of a program with a name, which stands for its body wherever it is called.", "macro twice(n) { n * 2 } begin { print(twice(4)); }"),
    reserved("import", "import \"path\";", "Takes in the probes and definitions of another script, of a header of C, or of all in a folder. It stands before everything but `config`.", ""),
    free("config", "config = { name = value; ... }", "Sets config variables for the script, before its probes.", "config = { max_map_keys = 100 } begin { print(config.max_map_keys); }"),
    Word { also: &["union"], ..reserved("struct", "struct name { type member; ... };", "Defines a structure or union as C does. Those of the kernel are known without a definition.", "struct pair { int a; int b; } begin { print(((struct pair *)0).b); }") },
    reserved("enum", "enum name { NAME, NAME = number, ... };", "Defines names for numbers as C does.", "enum color { RED, GREEN = 5 } begin { print(GREEN); }"),
    free("typedef", "typedef type name;", "Gives a type another name as C does.", "typedef unsigned int number; begin { print(sizeof(number)); }"),
    reserved("sizeof", "sizeof(type), sizeof(expression)", "How many bytes a type or a value has.", "begin { print(sizeof(uint32)); }"),
    reserved("offsetof", "offsetof(type, member), offsetof(expression, member)", "Where in a structure a member begins, in bytes.", "struct pair { int a; int b; } begin { print(offsetof(struct pair, b)); }"),
    reserved("typeof", "typeof(expression), typeof(type)", "The type of an expression, wherever a type may stand.", "begin { let $n : typeof(pid) = 5; print($n); }"),
    reserved("typeinfo", "typeinfo(expression), typeinfo(type)", "A record with the kind and the name of a type as texts. Its names may change.", "begin { print(typeinfo(pid)); }"),
    reserved("comptime", "comptime expression", "The value of an expression, which must be known when compiling.", r#"begin { unroll(comptime (1 + 1)) { print("twice"); } }"#),
    Word { also: &["false"], ..reserved("true", "true, false", "The two values of the type `bool`.", "begin { @seen = true; }") },
    free("args", "args.NAME, args", "A field of the event or an argument of the traced function by its name, or a record of all. `:fields PROBE` and `rtrace -lv PROBE` list them.", "tracepoint:syscalls:sys_enter_openat { print(str(args.filename)); }"),
    Word { also: &["$#"], ..free("$1", "$1, $2, ..., str($1), $#", "The parameters that are given after the script, and how many there are.", "begin { print(($1, $#)); }") },
    Word { also: &["define", "#include", "include", "#ifdef"], ..free("#define", "#define NAME text, #include <header.h>", "Directives of C's preprocessor, before and between the probes.", "#define LIMIT 3\nbegin { print(LIMIT); }") },
];

/// The row that explains a word.
pub fn word(name: &str) -> Option<&'static Word> {
    WORDS.iter().find(|row| row.name == name || row.also.contains(&name))
}

/// The words that cannot be the name of anything.
pub fn reserved_names() -> impl Iterator<Item = &'static str> {
    WORDS.iter().filter(|row| row.is_reserved).flat_map(|row| [row.name].into_iter().chain(row.also.iter().copied()))
}

/// Whether a word cannot be the name of anything.
pub fn is_reserved(name: &str) -> bool {
    word(name).is_some_and(|row| row.is_reserved)
}
