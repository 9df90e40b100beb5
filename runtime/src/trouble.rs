//! What goes wrong while probes run, in words: a site of the program and its count become an error line, a diagnostic,
//! or at the end a summary.

use crate::output::Trouble;
use codegen::layout::{Site, SiteKind};
use lang::diag::Diagnostic;
use std::io;

/// `E2BIG`: what the kernel says when a map has no room.
const E2BIG: i64 = 7;

/// What has happened at a site, whose helper gave `code` the last time.
pub fn of(kind: SiteKind, code: u64) -> Trouble {
    // Helpers that are an `int` in the kernel leave the upper half as it happens to be: Linux 6.1 clears it.
    let code = i64::from(code as i32);
    let helper = |name, code| Trouble::Helper { name, code, reason: reason(code) };
    match kind {
        SiteKind::LostEvent | SiteKind::LostPacket => Trouble::Lost,
        SiteKind::MapFull => helper("map_update_elem", code),
        SiteKind::FailedRead(failed) | SiteKind::Failed(failed) => helper(failed.name(), code),
        SiteKind::MissingElement => helper("map_lookup_elem", 0),
        SiteKind::DivisionByZero => Trouble::Other(
            "Divide or modulo by 0 detected. This can lead to unexpected results. 1 is being used as the result.",
        ),
        SiteKind::OutOfBounds => Trouble::Other("Array access out of bounds. This can lead to unexpected results."),
        SiteKind::LoopStopped => Trouble::Other("The kernel ended this loop before it was through"),
        SiteKind::NoUnwinding => Trouble::Other("No DWARF unwind data available for this process."),
        SiteKind::NoSuchTask => Trouble::Other("No such process"),
        SiteKind::NoStack { user: false } => Trouble::Other("Error reading kstack."),
        SiteKind::NoStack { user: true } => Trouble::Other("Error reading ustack."),
    }
}

/// The warning that says so.
pub fn warning(site: &Site, trouble: &Trouble, times: u64) -> Diagnostic {
    let many = if times == 1 { String::new() } else { format!(" ({times} times)") };
    let (title, help) = match (site.kind, trouble) {
        (SiteKind::LostEvent, _) => (
            format!("Lost {}", counted(times, "event")),
            Some("the output was too slow for so many; print less, or gather in a map"),
        ),
        (SiteKind::LostPacket, _) => {
            let help = "they came faster than they could be written; keep less of each, or set perf_rb_pages to more";
            (format!("Lost {}", counted(times, "packet")), Some(help))
        }
        (SiteKind::MapFull, Trouble::Helper { code, .. }) if *code == -E2BIG => (
            format!("Map full; can't update element{many}"),
            Some(
                "Try increasing max_map_keys config or manually setting the max entries in a map declaration e.g. \
                 `let @a = hash(5000)`",
            ),
        ),
        (SiteKind::MissingElement, _) => (
            format!("Can't lookup map element because it does not exist.{many}"),
            Some("0 or an empty text is what it reads as; has_key() tells whether there is one"),
        ),
        (SiteKind::FailedRead(_), Trouble::Helper { reason, .. }) => (
            format!("{reason}{many}"),
            Some("this memory cannot be read here, or is not loaded yet; zeros are used instead"),
        ),
        (_, Trouble::Helper { reason, .. }) => (format!("{reason}{many}"), None),
        (SiteKind::OutOfBounds, Trouble::Other(text)) => (format!("{text}{many}"), Some("0 is used as the result")),
        (SiteKind::LoopStopped, Trouble::Other(text)) => (
            format!("{text}{many}"),
            Some("it allows some millions of turns, and from Linux 6.15 on a quarter of a second"),
        ),
        (SiteKind::NoSuchTask, Trouble::Other(text)) => {
            (format!("{text}{many}"), Some("its name is N/A; ids are counted as in the kernel's first namespace"))
        }
        (SiteKind::NoUnwinding, Trouble::Other(text)) => (
            format!("{text}{many}"),
            Some("Use -p or --dwarf-pid to specify target PIDs; those that they start are found when met"),
        ),
        (SiteKind::NoStack { .. }, Trouble::Other(text)) => {
            (format!("{text}{many}"), Some("a thread of the kernel has no stack of a process; the stack is empty"))
        }
        (_, Trouble::Other(text)) => (format!("{text}{many}"), None),
        (_, Trouble::Lost) => (format!("Lost {times} events"), None),
    };
    Diagnostic::warning(site.span, title).with_maybe_help(help.map(str::to_owned))
}

/// Which helper failed with what, if one did.
pub fn detail(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Helper { name, code, .. } => format!("Additional Info - helper: {name}, retcode: {code}"),
        Trouble::Lost | Trouble::Other(_) => String::new(),
    }
}

/// What the end of a run says of all sites together: a line each for what was lost and what was not told before.
pub fn summary<'a>(sites: impl Iterator<Item = (&'a Site, u64)>, tells_quiet: bool) -> Vec<String> {
    let (mut lost, mut unread) = (0, 0);
    for (site, count) in sites {
        match site.kind {
            SiteKind::LostEvent | SiteKind::LostPacket => lost += count,
            SiteKind::FailedRead(_) if !tells_quiet => unread += count,
            _ => {}
        }
    }
    let mut lines = Vec::new();
    if lost > 0 {
        lines.push(format!("Total lost event count: {lost}"));
    }
    match unread {
        0 => {}
        1 => lines.push("1 read of memory failed and gave zeros; -k tells where".into()),
        _ => lines.push(format!("{unread} reads of memory failed and gave zeros; -k tells where")),
    }
    lines
}

/// What is said of events for which the kernel did not run a program, because one was running on their processor.
pub fn passed_over(events: u64) -> Option<String> {
    let were = match events {
        0 => return None,
        1 => "was",
        _ => "were",
    };
    let what = counted(events, "event");
    Some(format!(
        "{what} happened while a program was running on the same processor, and {were} passed over by the kernel"
    ))
}

/// So many of something.
fn counted(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// What the system says to a negative error number, without the number.
fn reason(code: i64) -> String {
    let text = match i32::try_from(-code) {
        Ok(number) => io::Error::from_raw_os_error(number).to_string(),
        Err(_) => format!("error {code}"),
    };
    match text.split_once(" (os error") {
        Some((reason, _)) => reason.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use codegen::helpers::Helper;
    use lang::span::Span;

    fn site(kind: SiteKind) -> Site {
        Site { kind, span: Span::new(3, 5), counter: 0, code: None, owner: 0 }
    }

    #[test]
    fn a_helper_is_named_with_what_it_gave() {
        let read = site(SiteKind::FailedRead(Helper::ProbeReadUserStr));
        let trouble = of(read.kind, -14_i64 as u64);
        assert_eq!(trouble, Trouble::Helper { name: "probe_read_user_str", code: -14, reason: "Bad address".into() });
        assert_eq!(warning(&read, &trouble, 3).title, "Bad address (3 times)");
        assert_eq!(detail(&trouble), "Additional Info - helper: probe_read_user_str, retcode: -14");
    }

    #[test]
    fn a_map_is_full_only_if_the_kernel_says_so() {
        let full = site(SiteKind::MapFull);
        assert_eq!(warning(&full, &of(full.kind, -7_i64 as u64), 1).title, "Map full; can't update element");
        assert_eq!(warning(&full, &of(full.kind, 0xffff_fff4), 1).title, "Cannot allocate memory");
    }

    #[test]
    fn what_the_kernel_passed_over_is_told() {
        assert_eq!(passed_over(0), None);
        let told = passed_over(1).expect("one is worth a word");
        assert!(
            told.starts_with("1 event happened ") && told.ends_with(", and was passed over by the kernel"),
            "{told}"
        );
        assert!(passed_over(7).is_some_and(|told| told.starts_with("7 events ") && told.contains(" were ")));
    }

    #[test]
    fn the_end_tells_what_was_lost_and_what_was_not_told() {
        let sites = [
            (site(SiteKind::LostEvent), 2),
            (site(SiteKind::LostEvent), 3),
            (site(SiteKind::FailedRead(Helper::ProbeReadUser)), 1),
            (site(SiteKind::MissingElement), 9),
        ];
        let told = |quiet| summary(sites.iter().map(|(site, count)| (site, *count)), quiet);
        assert_eq!(told(true), ["Total lost event count: 5"]);
        assert_eq!(
            told(false),
            ["Total lost event count: 5", "1 read of memory failed and gave zeros; -k tells where"]
        );
        assert!(summary(sites.iter().map(|(site, _)| (site, 0)), false).is_empty());
    }
}
