//! The probe providers, one row each, and the meaning of an attach point's text.
//!
//! What a provider offers to a probe's body (arguments by name, by position) is data in its row, so no second `match`
//! over providers grows up elsewhere. Whether a machine has the named event is the target's business.

use crate::ast::AttachPoint;
use crate::diag::Diagnostic;
use crate::nearest::nearest;

/// A family of probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the rows below document each
pub enum ProviderId {
    Begin,
    End,
    Interval,
    Tracepoint,
    Kprobe,
}

/// What the checker, the reference and completion know of a provider.
#[derive(Debug)]
pub struct Provider {
    /// Which one.
    pub id: ProviderId,
    /// As printed by `probe`.
    pub name: &'static str,
    /// Other spellings: short names and those of older scripts.
    pub aliases: &'static [&'static str],
    /// How an attach point is written.
    pub usage: &'static str,
    /// Has `args.NAME`.
    pub named_args: bool,
    /// Has `arg0` to `arg5`.
    pub numbered_args: bool,
    /// One sentence.
    pub doc: &'static str,
    /// A script that uses it and compiles.
    pub example: &'static str,
}

/// All providers.
pub static PROVIDERS: &[Provider] = &[
    Provider {
        id: ProviderId::Begin,
        name: "begin",
        aliases: &["BEGIN"],
        usage: "begin",
        named_args: false,
        numbered_args: false,
        doc: "Runs once, before all other probes are attached.",
        example: "begin { printf(\"tracing, end with Ctrl-C\\n\"); }",
    },
    Provider {
        id: ProviderId::End,
        name: "end",
        aliases: &["END"],
        usage: "end",
        named_args: false,
        numbered_args: false,
        doc: "Runs once, after all other probes are detached.",
        example: "end { printf(\"done\\n\"); }",
    },
    Provider {
        id: ProviderId::Interval,
        name: "interval",
        aliases: &["i"],
        usage: "interval:UNIT:COUNT, with the unit hz, s, ms or us; or interval:DURATION such as interval:5ms",
        named_args: false,
        numbered_args: false,
        doc: "Runs at a fixed rate, on one CPU.",
        example: "interval:s:1 { print(@n); @n++; }",
    },
    Provider {
        id: ProviderId::Tracepoint,
        name: "tracepoint",
        aliases: &["t"],
        usage: "tracepoint:CATEGORY:EVENT",
        named_args: true,
        numbered_args: false,
        doc: "Runs at an event that the kernel's authors placed, with its fields as `args.NAME`.",
        example: "tracepoint:syscalls:sys_enter_openat { printf(\"%s %s\\n\", comm, str(args.filename)); }",
    },
    Provider {
        id: ProviderId::Kprobe,
        name: "kprobe",
        aliases: &["k"],
        usage: "kprobe:FUNCTION",
        named_args: false,
        numbered_args: true,
        doc: "Runs when a kernel function is entered; `kprobe:sys_NAME` stands for the system call NAME.",
        example: "kprobe:vfs_read { @bytes = hist(arg2); }",
    },
];

/// Providers of the language that are not here yet.
const NOT_YET: &[&str] = &[
    "kretprobe",
    "kr",
    "uprobe",
    "u",
    "uretprobe",
    "ur",
    "usdt",
    "U",
    "rawtracepoint",
    "rt",
    "fentry",
    "fexit",
    "kfunc",
    "kretfunc",
    "f",
    "fr",
    "iter",
    "it",
    "profile",
    "p",
    "software",
    "s",
    "hardware",
    "h",
    "watchpoint",
    "w",
    "self",
    "test",
    "bench",
];

/// The provider of that name or alias.
pub fn provider(name: &str) -> Option<&'static Provider> {
    PROVIDERS.iter().find(|row| row.name == name || row.aliases.contains(&name))
}

impl ProviderId {
    /// Its row.
    pub fn row(self) -> &'static Provider {
        PROVIDERS.iter().find(|row| row.id == self).expect("every provider has a row")
    }
}

/// An attach point understood.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Spec {
    /// `begin`
    Begin,
    /// `end`
    End,
    /// `interval:UNIT:COUNT`
    Interval {
        /// Nanoseconds between two runs.
        period_ns: u64,
    },
    /// `tracepoint:CATEGORY:EVENT`
    Tracepoint {
        /// Such as `sched`.
        category: String,
        /// Such as `sched_switch`.
        event: String,
    },
    /// `kprobe:FUNCTION`
    Kprobe {
        /// The kernel function's symbol, or `sys_NAME`.
        function: String,
    },
}

impl Spec {
    /// The provider it belongs to.
    pub fn provider(&self) -> ProviderId {
        match self {
            Self::Begin => ProviderId::Begin,
            Self::End => ProviderId::End,
            Self::Interval { .. } => ProviderId::Interval,
            Self::Tracepoint { .. } => ProviderId::Tracepoint,
            Self::Kprobe { .. } => ProviderId::Kprobe,
        }
    }
}

/// Understands one attach point: its specification and the name that `probe` prints.
pub fn parse_attach_point(point: &AttachPoint) -> Result<(Spec, String), Diagnostic> {
    let error = |title: String| Diagnostic::error(point.span, title);
    let parts: Vec<&str> = point.text.split(':').collect();
    let Some(provider) = provider(parts[0]) else {
        if NOT_YET.contains(&parts[0]) {
            let known = PROVIDERS.iter().map(|row| row.name).collect::<Vec<_>>().join(", ");
            return Err(
                error(format!("{} probes are not supported yet", parts[0])).with_help(format!("there are {known}"))
            );
        }
        let known = PROVIDERS.iter().flat_map(|row| std::iter::once(row.name).chain(row.aliases.iter().copied()));
        let near = nearest(parts[0], known.filter(|name| name.len() > 1), 1);
        let help = match near.first() {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("known are {}", PROVIDERS.iter().map(|row| row.name).collect::<Vec<_>>().join(", ")),
        };
        return Err(error(format!("Invalid probe type: {}", parts[0])).with_help(help));
    };
    let usage =
        || error(format!("{} takes another form", provider.name)).with_help(format!("write {}", provider.usage));
    let no_wildcards = |name: &str| match name.contains(['*', '?', '[']) {
        true => Err(error("wildcards in probes are not supported yet".into())),
        false => Ok(()),
    };
    let mut name = point.text.clone();
    name.replace_range(..parts[0].len(), provider.name);
    let spec = match (provider.id, &parts[1..]) {
        (ProviderId::Begin, []) => Spec::Begin,
        (ProviderId::End, []) => Spec::End,
        (ProviderId::Interval, [unit, count]) => Spec::Interval { period_ns: period(unit, count).map_err(error)? },
        (ProviderId::Interval, [duration]) => Spec::Interval { period_ns: parse_duration(duration).map_err(error)? },
        (ProviderId::Tracepoint, [category, event]) if !category.is_empty() && !event.is_empty() => {
            no_wildcards(&parts[1..].concat())?;
            Spec::Tracepoint { category: category.to_string(), event: event.to_string() }
        }
        (ProviderId::Kprobe, [function]) if !function.is_empty() => {
            no_wildcards(function)?;
            if function.contains('+') {
                return Err(error("an offset into a function is not supported yet".into()));
            }
            Spec::Kprobe { function: function.to_string() }
        }
        (
            ProviderId::Begin | ProviderId::End | ProviderId::Interval | ProviderId::Tracepoint | ProviderId::Kprobe,
            _,
        ) => {
            return Err(usage());
        }
    };
    Ok((spec, name))
}

/// The period of `UNIT:COUNT` in nanoseconds.
fn period(unit: &str, count: &str) -> Result<u64, String> {
    let count: u64 = match count.parse() {
        Ok(0) => return Err("interval frequency should be a positive integer".into()),
        Ok(count) => count,
        Err(_) => return Err(format!("Invalid rate of interval probe: invalid integer: {count}")),
    };
    let scaled = |unit_ns: u64| count.checked_mul(unit_ns).ok_or("the interval is too long".to_string());
    match unit {
        "hz" if count > 1_000_000_000 => Err("the interval is too short".into()),
        "hz" => Ok(1_000_000_000 / count),
        "s" => scaled(1_000_000_000),
        "ms" => scaled(1_000_000),
        "us" => scaled(1_000),
        _ => Err(format!("{unit} is not an accepted unit of time")),
    }
}

/// A duration such as `5ms` in nanoseconds.
fn parse_duration(text: &str) -> Result<u64, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (count, unit) = text.split_at(digits);
    let unit_ns: u64 = match unit {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return Err(format!("Invalid rate of interval probe: invalid integer: {text}")),
    };
    match count.parse::<u64>().ok().and_then(|count| count.checked_mul(unit_ns)) {
        None => Err(format!("Invalid rate of interval probe: invalid integer: {text}")),
        Some(0) => Err("interval frequency should be a positive integer".into()),
        Some(ns) => Ok(ns),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::Span;

    fn parse(text: &str) -> Result<(Spec, String), String> {
        let point = AttachPoint { text: text.into(), span: Span::default() };
        parse_attach_point(&point).map_err(|d| match d.help {
            Some(help) => format!("{}; {help}", d.title),
            None => d.title,
        })
    }

    #[test]
    fn intervals_in_every_unit() {
        let ns = |text| match parse(text) {
            Ok((Spec::Interval { period_ns }, _)) => Ok(period_ns),
            Ok(other) => panic!("{other:?}"),
            Err(message) => Err(message),
        };
        assert_eq!(ns("interval:s:1"), Ok(1_000_000_000));
        assert_eq!(ns("interval:hz:100"), Ok(10_000_000));
        assert_eq!(ns("i:5ms"), Ok(5_000_000));
        assert_eq!(ns("interval:us:50"), Ok(50_000));
        assert_eq!(ns("interval:s:0").unwrap_err(), "interval frequency should be a positive integer");
        assert_eq!(ns("interval:x:1").unwrap_err(), "x is not an accepted unit of time");
        assert!(ns("interval:s").is_err());
        assert!(ns("interval:s:99999999999999").is_err());
    }

    #[test]
    fn aliases_print_the_full_name() {
        assert_eq!(parse("BEGIN").unwrap(), (Spec::Begin, "begin".into()));
        assert_eq!(parse("t:sched:sched_switch").unwrap().1, "tracepoint:sched:sched_switch");
    }

    #[test]
    fn a_near_miss_is_named() {
        assert_eq!(parse("tracepont:a:b").unwrap_err(), "Invalid probe type: tracepont; did you mean `tracepoint`?");
        assert!(parse("kprobe").unwrap_err().contains("kprobe:FUNCTION"));
    }
}
