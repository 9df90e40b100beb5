//! What a terminal gets and a file does not.

use rtrace_tests::{Run, requires};

#[test]
fn a_terminal_gets_colours_and_fine_bars_and_a_file_does_not() {
    requires!(Bpf);
    let text =
        "begin { @h[\"k\"] = hist(5); @h[\"k\"] = hist(5); @h[\"k\"] = hist(40); @n[1, 2] = 3; print(@n, \"pct\"); }";
    let shown = |color: &str, locale: &str, no_color: &str| {
        let run = Run::program(text).arg("--color").arg(color).env("LC_ALL", locale).env("NO_COLOR", no_color);
        run.to_end().code(0).stdout.clone()
    };
    let plain = shown("never", "C.UTF-8", "");
    assert!(plain.is_ascii() && !plain.contains('\x1b') && plain.contains("@h[k]:\n"), "{plain}");
    assert_eq!(shown("auto", "C.UTF-8", ""), plain, "this is no terminal");
    let fine = shown("always", "C.UTF-8", "1");
    assert!(fine.contains("\x1b[1m@h\x1b[0m[\x1b[36mk\x1b[0m]:\n"), "{fine}");
    assert!(fine.contains(&format!("|\x1b[32m{}\x1b[0m|\n", "█".repeat(52))), "{fine}");
    assert!(fine.contains("\x1b[1m@n\x1b[0m[\x1b[36m1, 2\x1b[0m]: 3\n"), "{fine}");
    assert!(fine.contains("\x1b[1m@n\x1b[0m: 3 (total)\n"), "{fine}");
    let ascii = shown("always", "C", "");
    assert!(ascii.contains('\x1b') && ascii.is_ascii(), "{ascii}");
    let json = Run::program(text).arg("--color").arg("always").arg("-f").arg("json").to_end();
    json.code(0);
    assert!(!json.stdout.contains('\x1b'), "{json}");
    let error = |color: &str, locale: &str| {
        Run::program("begin { nosuch(); }").arg("--color").arg(color).env("LC_ALL", locale).to_end()
    };
    error("always", "C").code(1).stderr_has("\x1b[1;31mERROR").nowhere("─");
    error("never", "C.UTF-8").code(1).stderr_has("─").nowhere("\x1b[");
}
