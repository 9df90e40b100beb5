//! Each kind of variable with good and bad values, from the block and from the environment.

use super::*;
use crate::carets;
use crate::parse;

/// What the block of a script makes of the defaults; diagnostics as the remarks in the script say.
#[track_caller]
fn block(marked: &str) -> Config {
    carets::check(marked, |text| {
        let parsed = parse(text);
        let mut diagnostics = parsed.diagnostics;
        let config = Config::of_script(&parsed.script.config, &Environment::default(), &mut diagnostics);
        (config, diagnostics)
    })
}

#[test]
fn rows_are_sorted_and_say_what_the_defaults_are() {
    assert!(VARIABLES.is_sorted_by(|a, b| a.name < b.name));
    let in_config = |variable: &&Variable| !variable.default.is_empty() && !matches!(variable.kind, Kind::Environment);
    for variable in VARIABLES.iter().filter(in_config) {
        let mut config = Config::default();
        let value = ConfigValue::Text(variable.default.to_owned());
        assert_eq!(variable.set(&mut config, &value, ""), Ok(()), "{}", variable.name);
        assert_eq!(config, Config::default(), "{}", variable.name);
    }
    for variable in VARIABLES.iter().filter(|variable| !matches!(variable.kind, Kind::Gone)) {
        assert!(!variable.help.is_empty(), "{}", variable.name);
    }
}

#[test]
fn the_manual_lists_them_all() {
    const MANUAL: &str = include_str!("../../../docs/config.md");
    for variable in VARIABLES.iter().filter(|variable| !matches!(variable.kind, Kind::Gone)) {
        let shown = match variable.kind {
            Kind::Environment => MANUAL.contains(&format!("`BPFTRACE_{}`", variable.name.to_uppercase())),
            _ => {
                let row = MANUAL.lines().find(|line| line.starts_with(&format!("| `{}` |", variable.name)));
                row.is_some_and(|row| {
                    row.split('|').nth(2).map(|cell| cell.trim().trim_matches('`')) == Some(variable.default)
                })
            }
        };
        assert!(shown, "{} is not in docs/config.md as it is here", variable.name);
    }
}

#[test]
fn values_in_any_form() {
    let config = block(
        r#"
config = { max_map_keys = 0x10; cpp_demangle=false; lazy_symbolication = 0; license="Dual BSD/GPL"; log_size="1e6";
  str_trunc_trailer=5; stack_mode=PERF; missing_probes="Warn"; unstable_tseries=yes; unstable_typeinfo=1;
  cache_user_symbols=PER_PID }
"#,
    );
    let expected = Config {
        max_map_keys: 16,
        cpp_demangle: false,
        lazy_symbolication: false,
        license: "Dual BSD/GPL",
        str_trunc_trailer: "5".into(),
        stack_mode: StackMode::Perf,
        missing_probes: MissingProbes::Warn,
        unstable_tseries: Unstable::Enable,
        unstable_typeinfo: Unstable::Enable,
        cache_user_symbols: Some(SymbolCache::PerPid),
        ..Config::default()
    };
    assert_eq!(config, expected);
}

#[test]
fn names_in_any_form() {
    let config = block(
        r#"
config = { BPFTRACE_MAX_STRLEN=64; RTRACE_MAX_PROBES=2; Max_Cat_Bytes=3; MAX_MAP_KEYS=4; map_keys_max=5;
                                                                                       //^^^^^^^^^^^^^^ warning: map_keys_max has been renamed, please use max_map_keys
  symbol_source=6 }
//^^^^^^^^^^^^^^^ warning: symbol_source is deprecated and has no effect
"#,
    );
    let expected = Config { max_strlen: 64, max_probes: 2, max_cat_bytes: 3, max_map_keys: 5, ..Config::default() };
    assert_eq!(config, expected);
}

#[test]
fn bad_names_and_values() {
    block(
        r#"
config = { bad_config=raw; max_map_kesy=5; btf=1; max_map_keys=foo; max_map_keys=0; MAX_STRLEN=99999999;
         //^^^^^^^^^^^^^^ error: bad_config: not a known configuration option
                         //^^^^^^^^^^^^^^ error: max_map_kesy: not a known configuration option | did you mean max_map_keys?
                                         //^^^^^ error: btf: can only be set as an environment variable
                                                //^^^^^^^^^^^^^^^^ error: max_map_keys: expecting a number, got foo
                                                                  //^^^^^^^^^^^^^^ error: max_map_keys: 0 is out of range: 1 to 1073741824
                                                                                  //^^^^^^^^^^^^^^^^^^^ error: MAX_STRLEN: 99999999 is out of range: 1 to 1048576
  cpp_demangle=maybe; stack_mode=foo; stack_mode=1;
//^^^^^^^^^^^^^^^^^^ error: cpp_demangle: Invalid bool value: valid values are true, false, 1 or 0.
                    //^^^^^^^^^^^^^^ error: stack_mode: Invalid value for stack_mode: valid values are bpftrace, raw, perf, and build_id.
                                    //^^^^^^^^^^^^ error: stack_mode: Invalid value for stack_mode: valid values are bpftrace, raw, perf, and build_id.
  missing_probes=1; unstable_tseries=maybe; log_size="-5"; license=Potato }
//^^^^^^^^^^^^^^^^ error: missing_probes: Invalid value for missing_probes: valid values are ignore, warn, and error.
                  //^^^^^^^^^^^^^^^^^^^^^^ error: unstable_tseries: Invalid value for unstable config: valid values are enable, warn, and error.
                                          //^^^^^^^^^^^^^ error: log_size: expecting a number, got -5
                                                         //^^^^^^^^^^^^^^ error: Invalid value for license. Found: Potato. Valid values: Dual MIT/GPL, Dual BSD/GPL, Dual MPL/GPL, GPL and additional rights, GPL v2, GPL.
"#,
    );
}

#[test]
fn the_environment_beats_the_block_and_our_name_theirs() {
    let set = |name: &str| match name {
        "BPFTRACE_STACK_MODE" => Some("raw".to_owned()),
        "BPFTRACE_MAX_STRLEN" => Some("10".to_owned()),
        "RTRACE_MAX_STRLEN" => Some("20".to_owned()),
        _ => None,
    };
    let environment = Environment::read(set).expect("all values are good");
    let parsed = parse("config = { stack_mode=perf; max_probes=5 } begin { }");
    let mut diagnostics = Vec::new();
    let config = Config::of_script(&parsed.script.config, &environment, &mut diagnostics);
    assert_eq!(diagnostics, []);
    let expected = Config { stack_mode: StackMode::Raw, max_strlen: 20, max_probes: 5, ..Config::default() };
    assert_eq!(config, expected);
}

#[test]
fn a_bad_value_in_the_environment_is_told() {
    let set = |name: &str| (name == "BPFTRACE_MAX_MAP_KEYS").then(|| "0x10k".to_owned());
    let error = Environment::read(set).map(|_| ()).unwrap_err();
    assert_eq!(error, "max_map_keys: expecting a number, got 0x10k");
}

#[test]
fn what_is_preferred_gives_way_to_block_and_environment() {
    let lookup = |name: &str| (name == "RTRACE_MAX_PROBES").then(|| "7".to_owned());
    let mut environment = Environment::read(lookup).expect("it is a number");
    let mut prefer = |name: &str, text: &str| {
        let variable = preferable().find(|variable| variable.name == name).expect("there is one");
        environment.prefer(variable, text)
    };
    for (name, text) in [("max_probes", "5"), ("max_map_keys", "5"), ("max_strlen", "5"), ("stack_mode", "perf")] {
        assert_eq!(prefer(name, text), Ok(()));
    }
    assert_eq!(prefer("max_strlen", "none").map_err(|told| told.contains("expecting a number")), Err(true));
    let parsed = parse("config = { max_map_keys=6 } begin { }");
    let config = Config::of_script(&parsed.script.config, &environment, &mut Vec::new());
    assert_eq!((config.max_probes, config.max_map_keys, config.max_strlen), (7, 6, 5));
    assert_eq!(config.stack_mode, StackMode::Perf);
    assert!(preferable().all(|variable| variable.name != "vmlinux" && variable.name != "unstable_macro"));
}
