//! Names of C++ functions: from what the linker knows to what their author wrote, and patterns for the latter.
//!
//! A pattern covers a function if it covers the linker's name or the demangled one, with or without the type that a
//! template's name begins with. Parameters count only where the pattern has a bracket for them, so that a plain name
//! covers all overloads.

use cpp_demangle::{DemangleOptions, Symbol};
use lang::glob;

/// A function's name as its author wrote it, with parameters; `None` for what is no mangled name.
pub fn demangled(symbol: &str) -> Option<String> {
    with(symbol, &DemangleOptions::new())
}

fn with(symbol: &str, options: &DemangleOptions) -> Option<String> {
    // Other letters begin mangled names, too, but they are those of types: `i` would be `int`.
    if !symbol.starts_with("_Z") {
        return None;
    }
    Symbol::new(symbol.as_bytes()).ok()?.demangle_with_options(options).ok()
}

/// A demangled name as it is written since C++11: closing brackets stand side by side.
pub fn compact(name: &str) -> String {
    let mut out = name.replace("> >", ">>");
    while out.contains("> >") {
        out = out.replace("> >", ">>");
    }
    out
}

/// What an attach point says of a C++ function.
pub struct Wanted {
    pattern: String,
    with_parameters: bool,
    /// Words that a mangled name cannot be without, if its demangled name is covered.
    words: Vec<String>,
}

impl Wanted {
    /// From what stands behind `cpp:`.
    pub fn new(pattern: &str) -> Wanted {
        let pattern = compact(pattern);
        let words = words(&pattern);
        // These have brackets of their own.
        let rest = pattern.replace("operator()", "").replace("(anonymous namespace)", "");
        let with_parameters = rest.contains('(');
        Wanted { with_parameters, words, pattern }
    }

    /// Whether it means the function that the linker knows by this name.
    pub fn covers(&self, symbol: &str) -> bool {
        // Not by `matches` alone: what is in brackets may be `[]` of an operator.
        let covers = |name: &str| name == self.pattern || glob::matches(&self.pattern, name);
        if covers(symbol) {
            return true;
        }
        if is_fragment(symbol) || !self.words.iter().all(|word| symbol.contains(word.as_str())) {
            return false;
        }
        let Some(full) = demangled(symbol) else { return false };
        let fits = |full: &str| {
            let name = compact(full);
            covers(if self.with_parameters { &name } else { without_parameters(&name) })
        };
        fits(&full) || with(symbol, &DemangleOptions::new().no_return_type()).is_some_and(|name| fits(&name))
    }
}

/// Whether it is a piece of a function that the compiler put elsewhere: nobody calls it.
fn is_fragment(symbol: &str) -> bool {
    symbol.contains(".part.") || symbol.ends_with(".cold") || symbol.contains(".cold.")
}

/// A demangled name up to the bracket that opens its parameters.
pub fn without_parameters(name: &str) -> &str {
    let mut depth = 0;
    let Some(last) = name.rfind(')') else { return name };
    for (at, letter) in name[..=last].char_indices().rev() {
        match letter {
            ')' => depth += 1,
            '(' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &name[..at];
        }
    }
    name
}

/// The names of namespaces and classes in a pattern: what stands in full before `::`. Mangled names have them letter by
/// letter, except for those with an abbreviation.
fn words(pattern: &str) -> Vec<String> {
    // Parameters are no matter of what the function is in, and brackets may be a set of letters.
    let scope = pattern.split(['(', '<', '[', ' ']).next().unwrap_or_default();
    let mut pieces: Vec<&str> = scope.split("::").collect();
    pieces.pop();
    let is_word = |piece: &&str| !piece.is_empty() && piece.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let abbreviated = ["std", "string", "allocator", "basic_string", "istream", "ostream", "iostream"];
    pieces.retain(|piece| is_word(piece) && !abbreviated.contains(piece));
    pieces.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BAR: &str = "_ZN2ns3Foo3barEi";
    const GET: &str = "_ZNK2ns3Foo3getEv";
    const TEMPLATE: &str = "_ZN2ns4tmplIiLi4EEET_S1_";
    const STRING: &str = "_Z5plainNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE";

    #[test]
    fn names_as_their_authors_wrote_them() {
        assert_eq!(demangled(BAR).as_deref(), Some("ns::Foo::bar(int)"));
        assert_eq!(demangled(GET).as_deref(), Some("ns::Foo::get() const"));
        assert_eq!(demangled(TEMPLATE).as_deref(), Some("int ns::tmpl<int, 4>(int)"));
        for other in ["main", "i", "", "_Z", "_ZN", "__Z3foov", "\u{e4}"] {
            assert_eq!(demangled(other), None, "{other}");
        }
        let string = compact(&demangled(STRING).expect("a name"));
        assert!(string.ends_with("std::allocator<char>>)"), "{string}");
    }

    #[test]
    fn a_plain_name_covers_all_overloads() {
        let covers = |pattern: &str, symbol: &str| Wanted::new(pattern).covers(symbol);
        for (pattern, symbol) in [
            ("ns::Foo::bar", BAR),
            ("ns::Foo::bar(int)", BAR),
            ("ns::Foo::*", BAR),
            ("ns::*", BAR),
            ("*bar*", BAR),
            ("*::bar", BAR),
            ("ns::F*::bar(*", BAR),
            ("ns::Foo::b[a-c]r", BAR),
            (BAR, BAR),
            ("_ZN2ns*", BAR),
            ("*", "main"),
            ("main", "main"),
            ("ns::Foo::get", GET),
            ("ns::Foo::get() const", GET),
            ("int ns::tmpl<int, 4>", TEMPLATE),
            ("ns::tmpl<int, 4>", TEMPLATE),
            ("ns::tmpl<int, 4>(int)", TEMPLATE),
            ("ns::tmpl<*", TEMPLATE),
            ("plain", STRING),
            ("plain(std::*", STRING),
            ("ns::Foo::operator[]", "_ZN2ns3FooixEi"),
            ("ns::Foo::operator()", "_ZN2ns3FooclEi"),
            ("ns::Foo::operator()(int)", "_ZN2ns3FooclEi"),
            ("(anonymous namespace)::help", "_ZN12_GLOBAL__N_14helpEi"),
            ("(anonymous namespace)::help(int)", "_ZN12_GLOBAL__N_14helpEi"),
            ("std::vector<int, std::allocator<int>>::push_back", "_ZNSt6vectorIiSaIiEE9push_backERKi"),
            ("std::vector<int, std::allocator<int> >::push_back", "_ZNSt6vectorIiSaIiEE9push_backERKi"),
            ("std::string::*", "_ZNSs6appendEPKc"),
            ("ns::Foo::bar", "_ZN2ns3Foo3barEi.constprop.0"),
        ] {
            assert!(covers(pattern, symbol), "{pattern} {symbol} {:?}", demangled(symbol));
        }
        for (pattern, symbol) in [
            ("ns::Foo::ba", BAR),
            ("Foo::bar", BAR),
            ("ns::Foo::bar(long)", BAR),
            ("ns::Foo::bar()", BAR),
            ("ns::Foo::get()", GET),
            ("ns::tmpl", TEMPLATE),
            ("", BAR),
            ("int", "i"),
            ("ns::Foo::bar", "_ZN2ns3Foo3barEi.cold"),
            ("ns::Foo::bar", "_ZN2ns3Foo3barEi.part.0"),
        ] {
            assert!(!covers(pattern, symbol), "{pattern} {symbol}");
        }
    }

    /// Whatever a file has for names does no harm.
    #[test]
    fn broken_names() {
        for text in [STRING, TEMPLATE, "_ZN2ns3FooixEi"] {
            for cut in 0..text.len() {
                let _ = demangled(&text[..cut]);
                let _ = Wanted::new(&text[..cut]).covers(text);
            }
        }
        let _ = demangled(&format!("_Z{}", "N".repeat(100_000)));
        let _ = demangled(&format!("_Z1f{}i", "P".repeat(100_000)));
        let _ = Wanted::new(&"(".repeat(1000)).covers(&format!("_Z1f{}", "FivE".repeat(1000)));
        assert_eq!(without_parameters("a(b)(c(d))"), "a(b)");
        assert_eq!(without_parameters("a)"), "a)");
    }
}
