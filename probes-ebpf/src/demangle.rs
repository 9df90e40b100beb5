//! Names of functions in C++ and Rust: from what the linker knows to what their author wrote, and patterns for the
//! latter.
//!
//! A pattern covers a function if it covers the linker's name or the demangled one. In C++ the type that a template's
//! name begins with may be left out, and parameters count only where the pattern has a bracket for them, so that a plain
//! name covers all overloads. In Rust types that a generic function was made for may be left out, and so may the angle
//! brackets around the type that a method belongs to, which only one of the two ways of mangling keeps; the number that
//! the other one adds to every name is never part of it.

use cpp_demangle::{DemangleOptions, Symbol};
use lang::glob;

/// A function's name as its author wrote it, in C++ with parameters; `None` for what is no mangled name.
pub fn demangled(symbol: &str) -> Option<String> {
    rust(symbol).or_else(|| with(symbol, &DemangleOptions::new()))
}

/// The word before such a name in an attach point.
pub fn language(symbol: &str) -> &'static str {
    if rust(symbol).is_some() { "rust" } else { "cpp" }
}

/// The name of a function in Rust.
fn rust(symbol: &str) -> Option<String> {
    let is_legacy = symbol.starts_with("_ZN");
    if !is_legacy && !symbol.starts_with("_R") {
        return None;
    }
    let name = rustc_demangle::try_demangle(symbol).ok()?;
    // C++ has such names, too, but none that ends with a number like this.
    let is_hash = |hash: &str| hash.len() == 16 && hash.bytes().all(|digit| digit.is_ascii_hexdigit());
    let full = name.to_string();
    let full = full.split(" (.").next().unwrap_or(&full);
    if is_legacy && !full.rsplit_once("::h").is_some_and(|(_, hash)| is_hash(hash)) {
        return None;
    }
    Some(format!("{name:#}"))
}

/// A name in Rust without the types that its generic parts were made for, and without the brackets around the type that
/// a method belongs to: `<a::B<u8>>::f::<u8>` is `a::B::f`.
fn without_types(name: &str) -> String {
    let mut out = String::new();
    let mut depth = 0_u32;
    // A method of a trait (`<a::B as a::T>::f`) stays as it is up to the end of that bracket.
    let (own, rest) = match name.strip_prefix('<').and_then(|inner| Some((inner, closing(inner)?))) {
        Some((inner, end)) if inner[..end].contains(" as ") => {
            out.push_str(&name[..end + 2]);
            ("", &inner[end + 1..])
        }
        Some((inner, end)) => (&inner[..end], &inner[end + 1..]),
        None => ("", name),
    };
    for part in [own, rest] {
        let mut before = ' ';
        for letter in part.chars() {
            match letter {
                '<' => {
                    if depth == 0 && out.ends_with("::") {
                        out.truncate(out.len() - 2);
                    }
                    depth += 1;
                }
                // The arrow of a function's type is no bracket, but stands only within some.
                '>' if before != '-' => depth = depth.saturating_sub(1),
                letter if depth == 0 => out.push(letter),
                _ => {}
            }
            before = letter;
        }
    }
    out
}

/// Where the bracket is that closes one before this text.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 1;
    let mut before = ' ';
    for (at, letter) in text.char_indices() {
        match letter {
            '<' => depth += 1,
            '>' if before != '-' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
        before = letter;
    }
    None
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

/// What an attach point says of a function in C++ or Rust.
pub struct Wanted {
    pattern: String,
    with_parameters: bool,
    /// Words that a mangled name cannot be without, if its demangled name is covered.
    words: Vec<String>,
}

impl Wanted {
    /// From what stands behind `cpp:` or `rust:`.
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
        if let Some(full) = rust(symbol) {
            return covers(&full) || covers(&without_types(&full));
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

    #[test]
    fn names_of_rust() {
        let legacy = "_ZN2rs4shop3add17hb2ba9e42b738c203E";
        let method = "_RNvMNtCsbFYJioi4cCO_2rs4shopNtB2_4Cart5order";
        let generic = "_RINvNtCsbFYJioi4cCO_2rs4shop7genericmEB4_";
        assert_eq!(demangled(legacy).as_deref(), Some("rs::shop::add"));
        assert_eq!(demangled(method).as_deref(), Some("<rs::shop::Cart>::order"));
        assert_eq!(demangled(generic).as_deref(), Some("rs::shop::generic::<u32>"));
        assert_eq!([legacy, method, BAR, "main", "R"].map(language), ["rust", "rust", "cpp", "cpp", "cpp"]);
        let covers = |pattern: &str, symbol: &str| Wanted::new(pattern).covers(symbol);
        for (pattern, symbol) in [
            ("rs::shop::add", legacy),
            ("rs::*", legacy),
            (legacy, legacy),
            ("rs::shop::Cart::order", method),
            ("<rs::shop::Cart>::order", method),
            ("*::Cart::*", method),
            ("rs::shop::generic", generic),
            ("rs::shop::generic::<u32>", generic),
        ] {
            assert!(covers(pattern, symbol), "{pattern} {symbol}");
        }
        for (pattern, symbol) in [
            ("rs::shop::ad", legacy),
            ("shop::add", legacy),
            ("rs::shop::Cart", method),
            ("rs::shop::generic::<u8>", generic),
        ] {
            assert!(!covers(pattern, symbol), "{pattern} {symbol}");
        }
        assert_eq!(without_types("<a::B<u8, fn(c::D) -> e::F>>::g::<u8>"), "a::B::g");
        assert_eq!(without_types("<a::B<u8> as c::D>::e::<u8>"), "<a::B<u8> as c::D>::e");
        for broken in ["<", "<<>", "a::<", ">a", "<a as", "<a>"] {
            let _ = without_types(broken);
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
