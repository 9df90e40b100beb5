//! What a probe may say of a packet, and what it may not ask at one.

use super::{Settings, checked};
use crate::typed::{ExprKind, StmtKind};

/// The first thing told of a script, if anything is.
fn told(text: &str, allow_unsafe: bool) -> Option<String> {
    let checked = checked(text, &Settings { allow_unsafe, ..Settings::default() });
    checked.diagnostics.first().map(|diagnostic| diagnostic.title.clone())
}

fn refused(text: &str) -> String {
    told(text, true).unwrap_or_else(|| panic!("{text} is accepted"))
}

#[test]
fn letting_pass_is_always_allowed() {
    for text in [
        "xdp:eth0 { return XDP_PASS; }",
        "xdp:eth0 { return 2; }",
        "xdp:eth0 { return; }",
        "tc:eth0:ingress { return TC_ACT_UNSPEC; }",
        "tc:eth0:egress { return TCX_NEXT; }",
        "cgroup_skb:/a:egress { return 1; }",
        "socket:eth0 { return; }",
        "xdp:eth0, tc:eth0:ingress { return; }",
        "interval:s:1 { return 77; }",
    ] {
        assert_eq!(told(text, false), None, "{text}");
    }
}

#[test]
fn anything_else_needs_to_be_permitted() {
    for (text, title) in [
        ("xdp:eth0 { return XDP_DROP; }", "XDP_DROP is unsafe: the packet is dropped"),
        ("xdp:eth0 { return 3; }", "this (XDP_TX) is unsafe: the packet goes out again where it came in"),
        ("cgroup_skb:/a:egress { return 0; }", "this (0) is unsafe: the packet is dropped"),
        ("tc:eth0:egress { return TC_ACT_SHOT; }", "TC_ACT_SHOT is unsafe: the packet is dropped"),
        (
            "tc:eth0:egress { return TC_ACT_OK; }",
            "TC_ACT_OK is unsafe: the packet goes its way, past the programs behind this one",
        ),
        ("xdp:eth0 { $x = 2; return $x; }", "it is not known that this lets the packet pass"),
        ("xdp:eth0 { return nsecs > 1 ? XDP_DROP : XDP_PASS; }", "it is not known that this lets the packet pass"),
        ("xdp:eth0 { redirect(\"eth1\"); }", "redirect() is an unsafe function being used in safe mode"),
        ("xdp:eth0 { return redirect(\"eth1\"); }", "redirect() is an unsafe function being used in safe mode"),
    ] {
        assert_eq!(told(text, false).as_deref(), Some(title), "{text}");
        assert_eq!(told(text, true), None, "{text}");
    }
}

#[test]
fn a_verdict_is_one_of_its_own_kind() {
    assert_eq!(refused("xdp:eth0 { return 9; }"), "9 is no verdict at xdp");
    assert_eq!(refused("xdp:eth0 { return -1; }"), "-1 is no verdict at xdp");
    assert_eq!(refused("tc:eth0:ingress { return TC_ACT_PIPE; }"), "3 is no verdict at tc");
    assert_eq!(refused("xdp:eth0 { return TC_ACT_SHOT; }"), "TC_ACT_SHOT is a verdict of tc, and this is xdp");
    assert_eq!(
        refused("tc:eth0:egress { return nsecs == 1 ? XDP_DROP : TC_ACT_OK; }"),
        "XDP_DROP is a verdict of xdp, and this is tc"
    );
    assert_eq!(refused("xdp:eth0 { return XDP_REDIRECT; }"), "XDP_REDIRECT says nothing of where the packet is to go");
    assert_eq!(refused("socket:eth0 { return 0; }"), "what a socket probe returns means nothing");
    assert_eq!(refused("xdp:eth0 { return \"x\"; }"), "Probe return values can only be integers. Found string[2]");
    assert_eq!(
        refused("xdp:eth0, tc:eth0:ingress { return 2; }"),
        "a return value does not mean the same at xdp:eth0 and tc:eth0:ingress"
    );
    assert_eq!(
        refused("xdp:eth0, interval:s:1 { return 2; }"),
        "a return value does not mean the same at xdp:eth0 and interval:s:1"
    );
}

#[test]
fn redirecting_names_an_interface_and_leaves() {
    assert_eq!(refused("xdp:eth0 { redirect(\"eth9\"); }"), "there is no network interface eth9");
    assert_eq!(refused("begin { redirect(\"eth1\"); }"), "redirect() can not be used with 'begin' probes");
    assert_eq!(
        refused("cgroup_skb:/a:egress { redirect(\"eth1\"); }"),
        "redirect() can not be used with 'cgroup_skb' probes"
    );
    assert_eq!(
        refused("xdp:eth0 { @x = redirect(\"eth1\"); }"),
        "redirect() is no value: it says what becomes of the packet"
    );
    assert_eq!(refused("xdp:eth0 { redirect(\"eth1\"); @x = 1; }"), "Unreachable statement.");
    let settings = Settings { allow_unsafe: true, ..Settings::default() };
    let program = checked("xdp:eth0 { redirect(\"eth1\"); }", &settings).program;
    let StmtKind::Return(Some(verdict)) = &program.probes[0].body[0].kind else { panic!("it returns") };
    assert!(matches!(&verdict.kind, ExprKind::Call(_, args) if matches!(args[0].kind, ExprKind::Int(7))));
}

#[test]
fn a_packet_has_no_process_and_no_stack() {
    for word in ["pid", "tid", "uid", "gid", "comm", "cgroup", "curtask", "username", "ppid", "pcomm"] {
        for point in ["xdp:eth0", "tc:eth0:egress", "cgroup_skb:/a:ingress", "socket:eth0", "begin, xdp:eth0"] {
            let kind = point.split([':', ' ']).find(|word| *word != "begin,").expect("there is one");
            let title = format!("{word} can not be used with '{kind}' probes");
            assert_eq!(refused(&format!("{point} {{ print({word}); }}")), title);
        }
    }
    for word in ["kstack", "ustack", "kstack(3)", "usermode", "reg(\"ip\")", "usym(1)", "comm(1)", "signal(9)"] {
        let name = word.split('(').next().unwrap_or(word);
        assert_eq!(
            refused(&format!("xdp:eth0 {{ print({word}); }}")),
            format!("{name} can not be used with 'xdp' probes")
        );
    }
    assert_eq!(told("xdp:eth0 { @[nsecs, cpu, probe, elapsed, rand, ncpus, jiffies] = count(); }", false), None);
}
