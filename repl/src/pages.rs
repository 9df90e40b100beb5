//! What comes with the `rtrace` command: its manual page, and the completions of bash, zsh and fish. All of it is made from
//! the command line's definition, by a command that is built for that and is not given away:
//!
//! `cargo run --features pages -- --write-pages FOLDER`

use crate::args::Args;
use clap::CommandFactory;
use clap_complete::{Shell, generate};
use clap_mangen::Man;
use std::io;

/// Writes the files, if that is what the command line asks for.
#[cfg(feature = "pages")]
pub fn write_if_asked() -> Option<std::process::ExitCode> {
    use std::process::ExitCode;
    let mut words = std::env::args_os().skip(1);
    let folder = (words.next()? == "--write-pages").then(|| words.next())??;
    let folder = std::path::Path::new(&folder);
    let write = |(name, text): (String, Vec<u8>)| std::fs::write(folder.join(name), text);
    let written = std::fs::create_dir_all(folder).and_then(|()| all()?.into_iter().try_for_each(write));
    Some(match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", folder.display());
            ExitCode::FAILURE
        }
    })
}

/// Every file with its name.
fn all() -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut files = vec![("rtrace.1".to_owned(), manual()?)];
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let mut text = Vec::new();
        generate(shell, &mut Args::command(), "rtrace", &mut text);
        // clap knows options; what can be traced, the tool itself does.
        text.extend_from_slice(match shell {
            Shell::Bash => BASH.as_bytes(),
            Shell::Fish => FISH.as_bytes(),
            _ => b"",
        });
        let name = match shell {
            Shell::Zsh => "_rtrace".to_owned(),
            shell => format!("rtrace.{shell}"),
        };
        files.push((name, text));
    }
    Ok(files)
}

/// Attach points, in or outside of quotes; files where there are none.
const BASH: &str = r#"
_rtrace_words() {
    if [[ ${COMP_WORDS[COMP_CWORD]} == -* ]]; then
        _rtrace "$@"
        return
    fi
    local typed=${COMP_LINE:0:COMP_POINT} quoted
    [[ $typed =~ [\'\"][^\'\"[:space:]]*$ ]] && quoted=1
    typed=${typed##*[[:space:]\'\"]}
    mapfile -t COMPREPLY < <(rtrace --complete-probe "$typed" 2>/dev/null)
    # Outside of quotes a colon begins a word of its own.
    [[ $quoted || $typed != *:* ]] || COMPREPLY=("${COMPREPLY[@]#"${typed%:*}:"}")
}
complete -o nospace -o default -F _rtrace_words rtrace
"#;

/// The same.
const FISH: &str = r#"
complete -c rtrace -a '(rtrace --complete-probe (commandline -ct | string trim -c "\'\"") 2>/dev/null)'
"#;

/// The manual page.
fn manual() -> io::Result<Vec<u8>> {
    let command = Args::command().version(env!("CARGO_PKG_VERSION"));
    let man = Man::new(command).title("RTRACE").section("1").manual("rtrace");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    page.extend_from_slice(SYNOPSIS.as_bytes());
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    page.extend_from_slice(AFTER.as_bytes());
    Ok(page)
}

/// clap would list all options.
const SYNOPSIS: &str = r".SH SYNOPSIS
\fBrtrace\fR [\fIoptions\fR] \fIfile\fR|\fIprogram\fR [\fIparameters\fR] [\-\- \-\-\fIname\fR=\fIvalue\fR ...]
.br
\fBrtrace\fR [\fIoptions\fR]
";

/// What the definition does not say.
const AFTER: &str = r#".SH EXIT STATUS
.TP
0
the program ended: by itself, by exit(), by Ctrl\-C or SIGTERM, with its command or process
.TP
n
it called exit(n)
.TP
1
the program, the command line or the machine is at fault, or a test failed
.SH ENVIRONMENT
.TP
RTRACE_\fINAME\fR, BPFTRACE_\fINAME\fR
a variable of the config block, in capitals; it beats the block
.TP
NO_COLOR
no colours, unless \-\-color says otherwise
.SH EXAMPLES
.TP
Who starts programs?
.nf
rtrace 'tracepoint:syscalls:sys_enter_execve { @[comm] = count(); }'
.fi
.TP
How large are the writes of each program?
.nf
rtrace 'tracepoint:syscalls:sys_enter_write { @bytes[comm] = hist(args.count); }'
.fi
.TP
Which events are there?
.nf
rtrace \-l 'tracepoint:sched:*'
.fi
.SH SEE ALSO
The book, in /usr/share/doc/rtrace/docs.
"#;

#[cfg(test)]
mod tests {
    use super::{Args, all};
    use clap::CommandFactory;

    #[test]
    fn every_option_is_in_every_text() {
        for (name, text) in all().expect("memory can be written") {
            let text = String::from_utf8(text).expect("they are text").replace('\\', "");
            for option in Args::command().get_arguments().filter(|option| !option.is_hide_set()) {
                let Some(long) = option.get_long() else { continue };
                assert!(text.contains(long), "{name} does not speak of --{long}");
            }
        }
    }
}
