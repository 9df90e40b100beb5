//! The meaning of an attach point's text.

use super::net::{Direction, XdpMode};
use super::perf::{Rate, Source};
use super::{PROVIDERS, Place, Provider, ProviderId, Spec, Watch, Watched, provider};
use crate::ast::AttachPoint;
use crate::diag::Diagnostic;
use crate::glob;
use crate::lexer::number;
use crate::nearest::nearest;

/// Understands one attach point: its specification and the name that `probe` prints, unless the machine knows a fuller
/// one.
pub fn parse_attach_point(point: &AttachPoint) -> Result<(Spec, String), Diagnostic> {
    let error = |title: String| Diagnostic::error(point.span, title);
    let parts = parts(without_name(&point.text));
    let word = parts[0].as_str();
    let Some(provider) = provider(word) else { return Err(unknown_provider(point, word)) };
    let arguments: Vec<&str> = parts[1..].iter().map(String::as_str).collect();
    let usage = format!("write {}", provider.usage);
    if !provider.parts.contains(&arguments.len()) {
        let usage = match arguments.iter().position(|part| matches!(*part, "cpp" | "rust")) {
            Some(at) => format!("put the name in quotes: {}:\"{}\"", arguments[at], arguments[at + 1..].join(":")),
            None => usage,
        };
        return Err(error(wrong_count(provider, arguments.len())).with_help(usage));
    }
    specify(provider, &arguments).map_err(|wrong| error(wrong.title).with_maybe_help(wrong.help))
}

/// An attach point behind the name that it may be given: `NAME=`. What the name is for is not settled yet.
pub fn without_name(text: &str) -> &str {
    match text.split_once('=') {
        Some((name, point)) if !name.contains([':', '"']) => point,
        _ => text,
    }
}

/// Why a text is no attach point.
struct Wrong {
    title: String,
    /// What would work.
    help: Option<String>,
}

impl From<String> for Wrong {
    fn from(title: String) -> Self {
        Wrong { title, help: None }
    }
}

fn wrong<T>(title: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong::from(title.into()))
}

fn unknown_provider(point: &AttachPoint, word: &str) -> Diagnostic {
    let error = |title: String| Diagnostic::error(point.span, title);
    let known = PROVIDERS.iter().flat_map(|row| std::iter::once(row.name).chain(row.aliases.iter().copied()));
    let near = nearest(word, known.filter(|name| name.len() > 2), 1);
    let help = match near.first() {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("known are {}", PROVIDERS.iter().map(|row| row.name).collect::<Vec<_>>().join(", ")),
    };
    error(format!("Invalid probe type: {word}")).with_help(help)
}

fn wrong_count(provider: &Provider, found: usize) -> String {
    // What takes a function alone takes it only with a process to trace.
    let alone = matches!(provider.id, ProviderId::Uprobe | ProviderId::Uretprobe | ProviderId::Usdt);
    let (least, most) = (if alone { &2 } else { provider.parts.start() }, provider.parts.end());
    let count = if least == most { least.to_string() } else { format!("{least} or {most}") };
    format!("{} probe type requires {count} arguments, found {found}", provider.name)
}

/// The parts between colons. Quotes keep a part together and are not part of it; within them `\"` is a quote.
fn parts(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => quoted = !quoted,
            '\\' if quoted && matches!(letters.peek(), Some('"' | '\\')) => {
                parts.last_mut().expect("there is a first").extend(letters.next());
            }
            ':' if !quoted => parts.push(String::new()),
            letter => parts.last_mut().expect("there is a first").push(letter),
        }
    }
    parts
}

fn specify(provider: &Provider, arguments: &[&str]) -> Result<(Spec, String), Wrong> {
    let written = || std::iter::once(provider.name).chain(arguments.iter().copied()).collect::<Vec<_>>().join(":");
    let plain = |spec| Ok((spec, written()));
    match provider.id {
        ProviderId::Begin => plain(Spec::Begin),
        ProviderId::End => plain(Spec::End),
        ProviderId::Interval => {
            let (rate, name) = timed(provider, arguments)?;
            Ok((Spec::Interval { period_ns: rate.period_ns() }, name))
        }
        ProviderId::Profile => {
            let (rate, name) = timed(provider, arguments)?;
            Ok((Spec::Profile { rate }, name))
        }
        ProviderId::Software => counted(provider, Source::Software, arguments),
        ProviderId::Hardware => counted(provider, Source::Hardware, arguments),
        ProviderId::Tracepoint => {
            let [category, event] = named(arguments, "tracepoint probe must have a target")?;
            plain(Spec::Tracepoint { category, event })
        }
        ProviderId::RawTracepoint => {
            let (module, event) = in_module(arguments, "rawtracepoint should be attached to an event")?;
            plain(Spec::RawTracepoint { module, event })
        }
        ProviderId::Kprobe | ProviderId::Kretprobe => {
            let (module, function) = in_module(arguments, "should be attached to a function")?;
            let on_return = provider.id == ProviderId::Kretprobe;
            if let (None, Some(address)) = (&module, count(&function)) {
                let function = address.to_string();
                return Ok((
                    Spec::Kprobe { module, function, offset: 0, on_return },
                    format!("{}:{address}", provider.name),
                ));
            }
            let (function, offset) = with_offset(&function)?;
            if on_return && offset != 0 {
                return wrong("Offset not allowed");
            }
            plain(Spec::Kprobe { module, function, offset, on_return })
        }
        ProviderId::Fentry | ProviderId::Fexit if arguments[0] == "bpf" => {
            let on_return = provider.id == ProviderId::Fexit;
            let (program, function) = match arguments {
                [_, function] => (None, *function),
                [_, "*", function] => (None, *function),
                [_, id, function] => match count(id).and_then(|id| u32::try_from(id).ok()) {
                    Some(id) => (Some(id), *function),
                    None => return wrong("bpf program id must be a number or '*'"),
                },
                _ => (None, ""),
            };
            if function.is_empty() {
                let title = "the 'bpf' variant of this probe requires a bpf program name and optional bpf program id";
                return Err(Wrong {
                    title: title.into(),
                    help: Some(format!("rtrace -l '{}:bpf:*' lists them", provider.name)),
                });
            }
            plain(Spec::ProgramFentry { program, function: function.to_owned(), on_return })
        }
        ProviderId::Fentry | ProviderId::Fexit if arguments.len() > 2 => {
            wrong("Only the 'bpf' variant of this probe supports 4 arguments")
        }
        ProviderId::Fentry | ProviderId::Fexit => {
            let (module, function) = in_module(arguments, "should specify a function")?;
            plain(Spec::Fentry { module, function, on_return: provider.id == ProviderId::Fexit })
        }
        ProviderId::Uprobe | ProviderId::Uretprobe => {
            let on_return = provider.id == ProviderId::Uretprobe;
            if let Some((binary, place)) = source_line(arguments)? {
                if on_return {
                    return wrong("Source code location not allowed");
                }
                return plain(Spec::Uprobe { binary: Some(binary), place, on_return });
            }
            let mut of_cpp = false;
            let (binary, place) = match arguments {
                [place] => (None, *place),
                [binary, place] => (Some(binary.to_string()), *place),
                [binary, "cpp" | "rust", place] => {
                    of_cpp = true;
                    (Some(binary.to_string()), *place)
                }
                [_, language, ..] => {
                    let help = Some(
                        "there are cpp and rust; what is written in other languages goes by the linker's names".into(),
                    );
                    return Err(Wrong { title: format!("unsupported language type: {language}"), help });
                }
                [] => return wrong("should have a target"),
            };
            // `u:` is one part too few rather than one that is empty.
            if arguments == [""] {
                return wrong(wrong_count(provider, 1));
            }
            if binary.as_deref() == Some("") {
                return wrong(format!("{} should have a target", provider.name));
            }
            let place = if of_cpp { cpp_place(provider, place)? } else { user_place(provider, place)? };
            let moved =
                matches!(place, Place::Symbol { offset: 1.., .. } | Place::Cpp { offset: 1.., .. } | Place::Address(_));
            if on_return && moved {
                return wrong("Offset not allowed");
            }
            plain(Spec::Uprobe { binary, place, on_return })
        }
        ProviderId::Usdt => {
            let (binary, owner, name) = match arguments {
                [name] => (None, None, *name),
                [binary, name] => (Some(*binary), None, *name),
                [binary, owner, name] => (Some(*binary), Some(*owner), *name),
                _ => return wrong(wrong_count(provider, arguments.len())),
            };
            if arguments == [""] {
                return wrong(wrong_count(provider, 1));
            }
            if name.is_empty() {
                return wrong("usdt probe must have a target function or wildcard");
            }
            let owner = owner.filter(|owner| !owner.is_empty());
            let [binary, provider] = [binary, owner].map(|text| text.map(str::to_owned));
            plain(Spec::Usdt { binary, provider, name: name.to_owned() })
        }
        ProviderId::SelfSignal => match arguments {
            ["signal", "SIGUSR1"] => plain(Spec::SelfSignal),
            ["signal", signal] => Err(Wrong {
                title: format!("{signal} is not a supported signal"),
                help: Some("there is SIGUSR1".into()),
            }),
            _ => Err(Wrong {
                title: format!("{} is not a supported trigger", arguments.first().unwrap_or(&"")),
                help: Some("write self:signal:SIGUSR1".into()),
            }),
        },
        ProviderId::Watchpoint => {
            let watch = watch(arguments)?;
            plain(Spec::Watchpoint(watch))
        }
        ProviderId::Xdp => {
            let [interface, mode] = match arguments {
                [interface, mode] => [*interface, *mode],
                other => [other[0], ""],
            };
            let mode = match mode {
                "" if arguments.len() == 1 => XdpMode::Any,
                word => XdpMode::WRITTEN.into_iter().find(|mode| mode.word() == word).ok_or_else(|| Wrong {
                    title: format!("there is no XDP mode '{word}'"),
                    help: Some(one_of(word, XdpMode::WRITTEN.map(XdpMode::word))),
                })?,
            };
            plain(Spec::Xdp { interface: interface_name(provider, interface)?, mode })
        }
        ProviderId::Tc => {
            let (interface, direction) = directed(provider, arguments)?;
            plain(Spec::Tc { interface: interface_name(provider, &interface)?, direction })
        }
        ProviderId::CgroupSkb => {
            let (path, direction) = directed(provider, arguments)?;
            if path.is_empty() {
                return wrong("cgroup_skb should have a path");
            }
            plain(Spec::CgroupSkb { path, direction })
        }
        ProviderId::Socket => plain(Spec::Socket { interface: interface_name(provider, arguments[0])? }),
        ProviderId::Iter => {
            let (over, pin) = (arguments[0], arguments.get(1));
            match pin {
                Some(pin) if glob::is_pattern(pin) => return wrong("iter probe type does not support wildcards"),
                Some(&"") => {
                    let title = "the pin of an iterator has no name".to_owned();
                    return Err(Wrong { title, help: Some(format!("write iter:{over}:NAME")) });
                }
                _ => {}
            }
            plain(Spec::Iter { over: over.to_owned(), pin: pin.map(|pin| pin.to_string()) })
        }
        ProviderId::Test | ProviderId::Bench => match arguments {
            [name] if !name.is_empty() => plain(match provider.id {
                ProviderId::Test => Spec::Test { name: name.to_string() },
                _ => Spec::Bench { name: name.to_string() },
            }),
            _ => Err(Wrong {
                title: format!("{} probes must have a name", provider.name),
                help: Some(format!("write {}", provider.usage)),
            }),
        },
    }
}

/// Arguments that must all be there.
fn named<const N: usize>(arguments: &[&str], missing: &str) -> Result<[String; N], Wrong> {
    let all: Vec<String> = arguments.iter().map(|argument| argument.to_string()).collect();
    match <[String; N]>::try_from(all) {
        Ok(all) if all.iter().all(|argument| !argument.is_empty()) => Ok(all),
        _ => wrong(missing),
    }
}

/// `WHERE:DIRECTION`
fn directed(provider: &Provider, arguments: &[&str]) -> Result<(String, Direction), Wrong> {
    let [place, word] = named_or_empty(arguments).ok_or_else(|| wrong_count(provider, arguments.len()))?;
    match Direction::ALL.into_iter().find(|direction| direction.word() == word) {
        Some(direction) => Ok((place.to_owned(), direction)),
        None => {
            let title = format!("{} takes ingress or egress, not '{word}'", provider.name);
            Err(Wrong { title, help: Some(one_of(word, Direction::ALL.map(Direction::word))) })
        }
    }
}

/// Arguments of which some may be empty.
fn named_or_empty<'a, const N: usize>(arguments: &[&'a str]) -> Option<[&'a str; N]> {
    arguments.try_into().ok()
}

/// The name of a network interface, or a pattern.
fn interface_name(provider: &Provider, name: &str) -> Result<String, Wrong> {
    /// With the closing zero (`IFNAMSIZ`, include/uapi/linux/if.h).
    const ROOM: usize = 16;
    if name.is_empty() {
        let help = Some(format!("write {}", provider.usage));
        return Err(Wrong { title: format!("{} should have a network interface", provider.name), help });
    }
    if name.contains('/') || name.contains(char::is_whitespace) || !glob::is_pattern(name) && name.len() >= ROOM {
        return wrong(format!("{name} cannot be the name of a network interface"));
    }
    Ok(name.to_owned())
}

/// What would have been right: the nearest word, or all.
fn one_of<const N: usize>(word: &str, words: [&str; N]) -> String {
    match nearest(word, words, 1).first() {
        Some(near) => format!("did you mean {near}?"),
        None => format!("there are {}", words.join(", ")),
    }
}

/// `[MODULE:]NAME`
fn in_module(arguments: &[&str], missing: &str) -> Result<(Option<String>, String), Wrong> {
    match arguments {
        [name] if !name.is_empty() => Ok((None, name.to_string())),
        [module, name] if !module.is_empty() && !name.is_empty() => Ok((Some(module.to_string()), name.to_string())),
        _ => wrong(missing),
    }
}

/// `NAME[+OFFSET]`
fn with_offset(text: &str) -> Result<(String, u64), Wrong> {
    let Some((name, offset)) = text.split_once('+') else { return Ok((text.to_owned(), 0)) };
    let Some(offset) = count(offset) else { return wrong(format!("Invalid offset: invalid integer: {offset}")) };
    if name.is_empty() {
        return wrong("an offset needs a function to count from");
    }
    if glob::is_pattern(name) && offset != 0 {
        return wrong("Wildcards are not allowed with offsets");
    }
    Ok((name.to_owned(), offset))
}

/// `BINARY@FILE:LINE[:COLUMN]`
fn source_line(arguments: &[&str]) -> Result<Option<(String, Place)>, Wrong> {
    let Some((binary, file)) = arguments.first().and_then(|first| first.split_once('@')) else { return Ok(None) };
    let [line, column @ ..] = &arguments[1..] else { return wrong("a source file needs a line: BINARY@FILE:LINE") };
    let number = |text: &str| match count(text) {
        Some(number @ 1..) => Ok(number),
        _ => wrong(format!("Invalid line or column: {text}")),
    };
    if binary.is_empty() || file.is_empty() {
        return wrong("a line of source is written BINARY@FILE:LINE");
    }
    let column = column.first().map_or(Ok(0), |column| number(column))?;
    let place = Place::Line { file: file.to_owned(), line: number(line)?, column };
    Ok(Some((binary.to_owned(), place)))
}

/// `SYMBOL[+OFFSET]` or an address.
fn user_place(provider: &Provider, text: &str) -> Result<Place, Wrong> {
    if text.is_empty() {
        return wrong(format!("{} should be attached to a function and/or address", provider.name));
    }
    if text.starts_with(|c: char| c.is_ascii_digit())
        && let Some(address) = count(text)
    {
        return Ok(Place::Address(address));
    }
    let (name, offset) = with_offset(text)?;
    Ok(Place::Symbol { name, offset })
}

/// `FUNCTION[+OFFSET]` of C++. A plus may be an operator's.
fn cpp_place(provider: &Provider, text: &str) -> Result<Place, Wrong> {
    let (name, offset) = match text.rsplit_once('+').and_then(|(name, offset)| Some((name, count(offset)?))) {
        Some(place) => place,
        None => (text, 0),
    };
    if name.is_empty() {
        return wrong(format!("{} should be attached to a function", provider.name));
    }
    if name.contains('*') && offset != 0 {
        return wrong("Wildcards are not allowed with offsets");
    }
    Ok(Place::Cpp { name: name.to_owned(), offset })
}

/// A number without a sign.
fn count(text: &str) -> Option<u64> {
    let is_number = text.starts_with(|c: char| c.is_ascii_digit());
    number::parse(text).ok().filter(|_| is_number).map(|(value, _)| value)
}

/// The shortest time from one run of a timed probe to the next.
const SHORTEST_NS: u64 = 1_000;

/// `[UNIT:]COUNT` of a timed probe, and its name. Without a unit the count is a duration.
fn timed(provider: &Provider, arguments: &[&str]) -> Result<(Rate, String), Wrong> {
    let (unit, text) = match arguments {
        [duration] => (None, *duration),
        [unit, count, ..] => (Some(*unit), *count),
        [] => (None, ""),
    };
    let word = provider.name;
    if glob::is_pattern(text) || unit.is_some_and(glob::is_pattern) {
        return wrong(format!("wildcards are not allowed for {word} probe type"));
    }
    let amount = match count(text) {
        Some(amount) if unit.is_none() && amount < SHORTEST_NS => {
            let title = format!("Invalid rate of {word} probe. Minimum is 1000 or 1us. Found: {amount} nanoseconds");
            let help = match (provider.id, amount) {
                (_, 0) => format!("write {}", provider.usage),
                (ProviderId::Profile, _) => format!("so many times a second is {word}:hz:{amount}"),
                _ => format!("so many seconds are {word}:s:{amount}"),
            };
            return Err(Wrong { title, help: Some(help) });
        }
        Some(0) => return wrong(format!("{word} frequency should be a positive integer")),
        Some(amount) => amount,
        None => {
            let title = format!("Invalid rate of {word} probe: invalid integer: {text}");
            return Err(Wrong { title, help: Some(format!("write {}", provider.usage)) });
        }
    };
    let scaled = |unit_ns: u64| match amount.checked_mul(unit_ns) {
        Some(ns) => Ok(Rate::Period(ns)),
        None => wrong(format!("the {word} is too long")),
    };
    let rate = match unit {
        None => Rate::Period(amount),
        Some("hz") if amount > 1_000_000_000 / SHORTEST_NS => {
            return wrong(format!("Invalid rate of {word} probe. Maximum is 1000000 times a second"));
        }
        Some("hz") => Rate::Hertz(amount),
        Some("s") => scaled(1_000_000_000)?,
        Some("ms") => scaled(1_000_000)?,
        Some("us") => scaled(1_000)?,
        Some(unit) => {
            let title = format!("{unit} is not an accepted unit of time");
            return Err(Wrong { title, help: Some("there are hz, s, ms and us".into()) });
        }
    };
    let name = match unit {
        // What has no unit goes by microseconds.
        None => format!("{word}:us:{}", amount / 1_000),
        Some(unit) => format!("{word}:{unit}:{amount}"),
    };
    Ok((rate, name))
}

/// `ADDRESS:LENGTH:MODE`
fn watch(arguments: &[&str]) -> Result<Watch, Wrong> {
    let [address, length, mode] = arguments else { return wrong("watchpoint needs an address, a length and a mode") };
    let address = match count(address) {
        Some(address @ 1..) => address,
        Some(0) => return wrong("watchpoint must be attached to a non-zero address"),
        None => return wrong(format!("Invalid address of watchpoint: invalid integer: {address}")),
    };
    let length = match count(length) {
        Some(length @ (1 | 2 | 4 | 8)) => length as u8,
        Some(_) => return wrong("watchpoint length must be one of (1,2,4,8)"),
        None => return wrong(format!("Invalid length of watchpoint: invalid integer: {length}")),
    };
    if address % u64::from(length) != 0 {
        return wrong(format!(
            "the processor watches {length} bytes only where the address can be divided by {length}"
        ));
    }
    if mode.is_empty() || mode.contains(|letter| !"rwx".contains(letter)) {
        return wrong("watchpoint mode must be combination of (r,w,x)");
    }
    let has = |letter| mode.contains(letter);
    let access = Watched { read: has('r'), write: has('w'), execute: has('x') };
    if mode.len() > [access.read, access.write, access.execute].into_iter().filter(|is| *is).count() {
        return wrong("watchpoint modes may not be duplicated");
    }
    if access.execute && (access.read || access.write) {
        let help = Some("write a watchpoint for each of the two".into());
        return Err(Wrong { title: format!("invalid watchpoint mode: {mode}"), help });
    }
    Ok(Watch { address, length, access })
}

/// `EVENT[:COUNT]`
fn counted(provider: &Provider, source: Source, arguments: &[&str]) -> Result<(Spec, String), Wrong> {
    let word = provider.name;
    let name = arguments.first().copied().unwrap_or_default();
    if arguments.iter().any(|argument| glob::is_pattern(argument)) {
        return wrong(format!("wildcards are not allowed for {word} probe type"));
    }
    let Some(event) = source.event(name) else {
        let names = source.events().iter().flat_map(|event| [event.name, event.alias]).filter(|name| !name.is_empty());
        let help = match nearest(name, names.clone(), 1).first() {
            Some(near) => format!("did you mean {near}?"),
            None => format!("there are {}", names.collect::<Vec<_>>().join(", ")),
        };
        return Err(Wrong { title: format!("{name} is not a {word} probe"), help: Some(help) });
    };
    let after = match arguments.get(1) {
        // As `-l` shows it.
        None | Some(&"") => 0,
        Some(text) => match count(text) {
            Some(amount) => amount,
            None => return wrong(format!("Invalid count for {word} probe: invalid integer: {text}")),
        },
    };
    let spec = Spec::PerfEvent { source, event, count: if after == 0 { event.default_count } else { after } };
    Ok((spec, if after == 0 { format!("{word}:{name}") } else { format!("{word}:{name}:{after}") }))
}
