//! What comes with the `rtrace` command: its manual page, and the completions of bash, zsh and fish. All of it is made from
//! the command line's definition, by a command that is built for that and is not given away:
//!
//! `cargo run --features pages -- --write-pages FOLDER`

use crate::args::Args;
use clap::{Command, CommandFactory};
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
        generate(shell, &mut offered(), "rtrace", &mut text);
        // clap knows options; what can be traced, the tool itself does.
        let name = match shell {
            Shell::Bash => {
                text.extend_from_slice(BASH.as_bytes());
                "rtrace.bash"
            }
            Shell::Fish => {
                text.extend_from_slice(FISH.as_bytes());
                "rtrace.fish"
            }
            _ => {
                text = with_words(text)?;
                "_rtrace"
            }
        };
        files.push((name.to_owned(), text));
    }
    Ok(files)
}

/// The command line without what is hidden, which clap would offer all the same.
fn offered() -> Command {
    let all = Args::command();
    let arguments = all.get_arguments().filter(|argument| !argument.is_hide_set());
    Command::new("rtrace").version(env!("CARGO_PKG_VERSION")).args(arguments)
}

/// zsh's file, with what completes the words that are no options in the place of clap's description of them.
fn with_words(text: Vec<u8>) -> io::Result<Vec<u8>> {
    let text = String::from_utf8(text).map_err(io::Error::other)?;
    let (mut all, mut is_put) = (String::new(), false);
    for line in text.lines() {
        if line.starts_with("'*::words -- ") {
            all += "'*:script, program or probe:_rtrace_words' \\\n";
            is_put = true;
        } else if line == "_rtrace() {" {
            all = all + ZSH + line + "\n";
        } else {
            // A program is completed as well where an option has it.
            all = all + &line.replace(":PROGRAM:_default'", ":PROGRAM:_rtrace_words'") + "\n";
        }
    }
    if is_put { Ok(all.into_bytes()) } else { Err(io::Error::other("clap writes zsh's file in another way by now")) }
}

/// Scripts, attach points, in or outside of quotes, and files. Outside of quotes a script's name may stand, or a file's.
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
    local file
    [[ $quoted || $typed == *:* ]] || while IFS= read -r file; do
        [[ -d $file ]] && file+=/
        COMPREPLY+=("$file")
    done < <(compgen -f -- "$typed")
}
complete -o nospace -o default -F _rtrace_words rtrace
"#;

/// The same; the last word within quotes is what is completed.
const ZSH: &str = r#"_rtrace_words() {
    local -a found
    compset -P '*[[:space:]]'
    found=("${(@f)$(rtrace --complete-probe "$PREFIX" 2>/dev/null)}")
    (( ${#found[1]} )) && compadd -S '' -a found
    _files
}

"#;

/// The same.
const FISH: &str = r#"
function __rtrace_words
    rtrace --complete-probe (commandline -ct | string trim -c "'\"") 2>/dev/null
end
complete -c rtrace -a '(__rtrace_words)'
complete -c rtrace -s e -l execute -r -f -a '(__rtrace_words)'
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
\fBrtrace\fR [\fIoptions\fR] \fIfile\fR|\fIprogram\fR|\fIname\fR [\fIparameters\fR] [\-\- \-\-\fIname\fR=\fIvalue\fR ...]
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
RTRACE_CONFIG
the file of preferences; none is read if it is empty
.TP
RTRACE_COLOR
auto, always or never; \-\-color comes first
.TP
NO_COLOR
no colours, unless \-\-color says otherwise
.SH FILES
.TP
~/.config/rtrace/config
what you prefer: variables of the config block, and color, hints, history_size and keys; under $XDG_CONFIG_HOME if that is
set
.TP
~/.local/state/rtrace/history
what was entered in sessions; under $XDG_STATE_HOME if that is set
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
            for hidden in ["--btf", "-l btf", "usdt-file-activation"] {
                assert!(!text.contains(hidden), "{name} speaks of {hidden}");
            }
            let is_completion = name != "rtrace.1";
            assert_eq!(text.contains("rtrace --complete-probe"), is_completion, "{name} and attach points");
        }
    }
}
