//! The parameters of a script: what `$1` stands for, and `getopt("name", default)`.
//!
//! A positional parameter that reads as a number is one, in every spelling that numbers have in C and here; anything else is text.
//! `str($1)` asks for the text whatever it reads as.

use crate::lexer::number;

/// What a parameter's text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Param<'a> {
    /// Not given, or empty.
    Missing,
    /// A number that fits 64 bits, signed or unsigned.
    Number(i128),
    /// Anything else.
    Text(&'a str),
}

impl<'a> Param<'a> {
    /// Understands one argument of the command line.
    pub fn read(text: Option<&'a str>) -> Self {
        match text {
            None | Some("") => Self::Missing,
            Some(text) => parse(text).map_or(Self::Text(text), Self::Number),
        }
    }
}

/// The number that all of `text` spells. Blanks before it, a sign and base 2 are for arguments only: in a script they
/// are other tokens or mistakes.
fn parse(text: &str) -> Option<i128> {
    let text = text.trim_start();
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let value = match digits.strip_prefix("0b").or_else(|| digits.strip_prefix("0B")) {
        Some(bits) if bits.bytes().all(|bit| matches!(bit, b'0' | b'1')) => u64::from_str_radix(bits, 2).ok()?,
        Some(_) => return None,
        None => number::parse(digits).ok()?.0,
    };
    let value = if negative { -i128::from(value) } else { i128::from(value) };
    (value >= i128::from(i64::MIN)).then_some(value)
}

/// A named parameter that a script asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionDecl {
    /// As given, without the dashes.
    pub name: String,
    /// Its value unless it is given, which also says its type.
    pub default: Value,
    /// For whoever asks what there is.
    pub description: Option<String>,
}

/// The value of a named parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `true` or `false`.
    Bool(bool),
    /// A number, as its default is negative.
    Signed(i64),
    /// A number, as its default is not negative.
    Unsigned(u64),
    /// Text.
    Text(String),
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Signed(value) => value.fmt(f),
            Self::Unsigned(value) => value.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

/// What the user is told instead of running the script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong; empty if help was asked for.
    pub title: String,
    /// What there is.
    pub help: Option<String>,
}

/// Name and value of a parameter as given: `name=value`, or a name alone.
fn split(given: &str) -> (&str, Option<&str>) {
    given.split_once('=').map_or((given, None), |(name, value)| (name, Some(value)))
}

impl OptionDecl {
    /// Its value, from what was given on the command line (without the dashes); the last one counts. The error says
    /// what is wrong with it.
    pub fn value(&self, given: &[String]) -> Result<Value, String> {
        let last = given.iter().rev().map(|given| split(given)).find(|(name, _)| *name == self.name);
        let Some((_, text)) = last else { return Ok(self.default.clone()) };
        let wrong = |what: &str| {
            format!("program command line option --{} {what} (value: {})", self.name, text.unwrap_or("true"))
        };
        let value = match (&self.default, text) {
            (Value::Bool(_), None) => Some(Value::Bool(true)),
            (Value::Bool(_), Some(text)) => {
                let truth = crate::config::truth(text).ok_or_else(|| wrong("expects a boolean (e.g. 'true')"))?;
                Some(Value::Bool(truth))
            }
            (Value::Text(_), None) => return Err(wrong("expects a string")),
            (Value::Text(_), Some(text)) => Some(Value::Text(text.to_owned())),
            (Value::Signed(_) | Value::Unsigned(_), None) => return Err(wrong("expects an integer")),
            (Value::Signed(_), Some(text)) => {
                parse(text).and_then(|number| i64::try_from(number).ok()).map(Value::Signed)
            }
            // A negative number is taken as its bits.
            (Value::Unsigned(_), Some(text)) => parse(text).map(|number| Value::Unsigned(number as u64)),
        };
        value.ok_or_else(|| {
            let digits = text.unwrap_or_default().trim_start_matches(['-', '+']);
            wrong(match digits.bytes().next() {
                Some(b'0'..=b'9') if digits.bytes().all(|byte| byte.is_ascii_digit()) => "value is out of range",
                Some(b'0'..=b'9') => "invalid trailing bytes",
                _ => "invalid integer",
            })
        })
    }
}

/// Why a script that asks for `declared` cannot run with `given`, if it cannot: a parameter it does not know, a value of
/// the wrong type, or `--help`.
pub fn refusal(declared: &[OptionDecl], given: &[String]) -> Option<Refusal> {
    let known = |name: &str| declared.iter().any(|option| option.name == name);
    let unknown: Vec<&str> = given.iter().map(|given| split(given).0).filter(|name| !known(name)).collect();
    if unknown.contains(&"help") {
        let described = |option: &OptionDecl| match &option.description {
            Some(text) => format!("\n--{}: {text}", option.name),
            None => format!("\n--{}", option.name),
        };
        let options: String = declared.iter().map(described).collect();
        let help = match options.is_empty() {
            true => "no custom program options defined.".to_owned(),
            false => format!("expected program options:{options}"),
        };
        return Some(Refusal { title: String::new(), help: Some(help) });
    }
    if !unknown.is_empty() {
        let names = |names: Vec<&str>| names.iter().map(|name| format!("--{name}")).collect::<Vec<_>>().join(", ");
        let help = match declared.is_empty() {
            true => "no custom program options defined.".to_owned(),
            false => {
                let declared = declared.iter().map(|option| option.name.as_str()).collect();
                format!("expected program options: {}", names(declared))
            }
        };
        let title = format!("unexpected program command line options: {}", names(unknown));
        return Some(Refusal { title, help: Some(help) });
    }
    let wrong = declared.iter().find_map(|option| option.value(given).err())?;
    Some(Refusal { title: wrong, help: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_any_spelling() {
        let cases = [
            ("5", 5),
            ("-5", -5),
            ("+5", 5),
            (" 5", 5),
            ("0x10", 16),
            ("017", 15),
            ("0b101", 5),
            ("1e3", 1000),
            ("5ul", 5),
            ("5s", 5_000_000_000),
            ("1_000", 1000),
            ("18446744073709551615", i128::from(u64::MAX)),
            ("-9223372036854775808", i128::from(i64::MIN)),
        ];
        for (text, value) in cases {
            assert_eq!(Param::read(Some(text)), Param::Number(value), "{text}");
        }
    }

    #[test]
    fn anything_else_is_text() {
        for text in
            ["foo", "5x", "12e3", "-", "--5", "- 5", "0b2", "0b", "0x", "é", " ", "99999999999999999999", "0b+1"]
        {
            assert_eq!(Param::read(Some(text)), Param::Text(text), "{text}");
        }
        assert_eq!(Param::read(Some("-9223372036854775809")), Param::Text("-9223372036854775809"));
        assert_eq!(Param::read(Some("")), Param::Missing);
        assert_eq!(Param::read(None), Param::Missing);
    }

    fn declared() -> Vec<OptionDecl> {
        let option = |name: &str, default, description: Option<&str>| OptionDecl {
            name: name.into(),
            default,
            description: description.map(Into::into),
        };
        vec![
            option("n", Value::Unsigned(10), Some("how many")),
            option("s", Value::Signed(-1), None),
            option("b", Value::Bool(false), None),
            option("t", Value::Text("x".into()), None),
        ]
    }

    /// The values of all, or what is wrong.
    fn values(given: &[&str]) -> String {
        let given: Vec<String> = given.iter().map(|given| given.to_string()).collect();
        match refusal(&declared(), &given) {
            Some(refusal) => format!("{} | {}", refusal.title, refusal.help.unwrap_or_default()),
            None => {
                let values: Result<Vec<String>, String> =
                    declared().iter().map(|option| option.value(&given).map(|value| value.to_string())).collect();
                values.unwrap_or_else(|error| vec![error]).join(" ")
            }
        }
    }

    #[test]
    fn named_parameters_have_the_type_of_their_default() {
        assert_eq!(values(&[]), "10 -1 false x");
        assert_eq!(values(&["n=0xffffffffffffffff", "s=-10", "b", "t=a=b"]), "18446744073709551615 -10 true a=b");
        assert_eq!(values(&["n=5", "n=0x7", "b=False", "t="]), "7 -1 false ");
        assert_eq!(values(&["n=-1", "b=on"]), "18446744073709551615 -1 true x");
    }

    #[test]
    fn bad_named_parameters() {
        let wrong = |what: &str| format!("program command line option {what} | ");
        assert_eq!(values(&["n=False"]), wrong("--n invalid integer (value: False)"));
        assert_eq!(values(&["n"]), wrong("--n expects an integer (value: true)"));
        assert_eq!(values(&["n="]), wrong("--n invalid integer (value: )"));
        assert_eq!(values(&["n=5x"]), wrong("--n invalid trailing bytes (value: 5x)"));
        assert_eq!(
            values(&["s=99999999999999999999"]),
            wrong("--s value is out of range (value: 99999999999999999999)")
        );
        assert_eq!(values(&["b=5"]), wrong("--b expects a boolean (e.g. 'true') (value: 5)"));
        assert_eq!(values(&["t"]), wrong("--t expects a string (value: true)"));
        assert_eq!(
            values(&["nn", "zz=5"]),
            "unexpected program command line options: --nn, --zz | expected program options: --n, --s, --b, --t"
        );
        assert_eq!(values(&["help"]), " | expected program options:\n--n: how many\n--s\n--b\n--t");
        let given = ["help".to_owned()];
        let help = refusal(&[], &given).and_then(|refusal| refusal.help);
        assert_eq!(help.as_deref(), Some("no custom program options defined."));
    }
}
