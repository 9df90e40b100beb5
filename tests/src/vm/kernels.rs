//! Debian's kernels, fetched through the machine's own package sources without touching its package system.
//!
//! apt is given a private configuration: the machine's source for its main archive with another suite's name, and
//! state and cache of our own under the target folder. Nothing is installed, packages are only unpacked. A kernel
//! that was fetched once is used again without asking, unless a fresh one is wanted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An unpacked kernel.
#[derive(Debug)]
pub struct Kernel {
    /// As `uname -r` says it in the guest.
    pub release: String,
    /// What qemu boots.
    pub image: PathBuf,
    /// Its configuration, as `CONFIG_X=y` lines.
    pub config: String,
    /// Modules for the guest, in the order of loading.
    pub modules: Vec<PathBuf>,
}

/// Where kernels come from and where they are kept.
pub struct Store {
    folder: PathBuf,
    refresh: bool,
}

/// What cases may want of the network, in the order of loading; none of these needs another module that is not here.
const MODULES: &[&str] = &["dummy", "veth", "sch_ingress", "cls_bpf"];

/// Suites in which Debian keeps a series, best first.
fn suites(series: &str) -> &'static [&'static str] {
    match series {
        "6.1" => &["bookworm"],
        "6.12" => &["trixie", "bookworm-backports"],
        _ => &["sid"],
    }
}

impl Store {
    /// Keeps kernels under `folder`; with `refresh`, looks for newer ones even if there is one.
    pub fn new(folder: PathBuf, refresh: bool) -> Store {
        Store { folder, refresh }
    }

    /// The newest kernel of a series such as `6.12`.
    pub fn kernel(&self, series: &str) -> Result<Kernel, String> {
        let place = self.folder.join(series);
        if !self.refresh
            && let Ok(kernel) = Kernel::open(&place)
        {
            return Ok(kernel);
        }
        let mut problems = Vec::new();
        for suite in suites(series) {
            match self.fetch_kernel(series, suite, &place) {
                Ok(kernel) => return Ok(kernel),
                Err(problem) => problems.push(format!("{suite}: {problem}")),
            }
        }
        // A refresh that failed is no reason to do without what is there.
        Kernel::open(&place).map_err(|_| problems.join("; "))
    }

    /// A statically linked busybox, for cases that want a shell or a common command.
    pub fn busybox(&self) -> Result<PathBuf, String> {
        let place = self.folder.join("busybox");
        let program = place.join("bin/busybox");
        if !program.is_file() {
            let apt = Apt::new(&self.folder.join("apt"), "bookworm")?;
            apt.unpack(&["busybox-static"], &place, &[])?;
        }
        let merged = place.join("usr/bin/busybox");
        [program, merged].into_iter().find(|path| path.is_file()).ok_or("the package has no busybox".to_owned())
    }

    fn fetch_kernel(&self, series: &str, suite: &str, place: &Path) -> Result<Kernel, String> {
        let apt = Apt::new(&self.folder.join("apt"), suite)?;
        let packages = apt.newest_kernel(series)?;
        // Unpacked aside and moved when complete: a run that was cut short leaves nothing that looks like a kernel.
        let fresh = self.folder.join(format!("{series}.new"));
        let _ = fs::remove_dir_all(&fresh);
        let packages: Vec<&str> = packages.iter().map(String::as_str).collect();
        // Only a few of the modules are wanted, and all of them would be a hundred megabytes.
        let mut wanted = vec!["*/vmlinuz*".to_owned(), "*/config*".to_owned()];
        wanted.extend(MODULES.iter().map(|name| format!("*/kernel/*/{name}.ko*")));
        apt.unpack(&packages, &fresh, &wanted)?;
        Kernel::open(&fresh)?;
        let _ = fs::remove_dir_all(place);
        fs::rename(&fresh, place).map_err(|error| format!("{}: {error}", place.display()))?;
        Kernel::open(place)
    }
}

impl Kernel {
    fn open(place: &Path) -> Result<Kernel, String> {
        let all = walk(place);
        let named = |start: &str| {
            let path = all.iter().find(|path| file_name(path).starts_with(start) && !file_name(path).contains(".ko"));
            path.ok_or_else(|| format!("no {start} in {}", place.display()))
        };
        let image = named("vmlinuz")?.clone();
        let config = read(named("config")?)?;
        let release = match file_name(&image).strip_prefix("vmlinuz-") {
            Some(release) => release.to_owned(),
            // Newer packages keep the image in the folder of its modules.
            None => image.parent().map(|folder| file_name(folder).to_owned()).unwrap_or_default(),
        };
        let mut modules = Vec::new();
        for name in MODULES {
            let start = format!("{name}.ko");
            if let Some(path) = all.iter().find(|path| file_name(path).starts_with(&start)) {
                modules.push(plain_module(path)?);
            }
        }
        Ok(Kernel { release, image, config, modules })
    }

    /// Whether the configuration has this built in.
    pub fn has(&self, option: &str) -> bool {
        self.config.lines().any(|line| line.strip_prefix(option) == Some("=y"))
    }
}

/// A module as the kernel takes it: the guest's kernel may not know how to unpack its own modules.
fn plain_module(path: &Path) -> Result<PathBuf, String> {
    let tool = match path.extension().and_then(|kind| kind.to_str()) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        _ => return Ok(path.to_owned()),
    };
    let plain = path.with_extension("");
    if !plain.is_file() {
        run(Command::new(tool).args(["--decompress", "--keep", "--force", "--quiet"]).arg(path))?;
    }
    Ok(plain)
}

/// apt with a configuration and folders of its own, looking at one suite.
struct Apt {
    folder: PathBuf,
    options: Vec<String>,
}

impl Apt {
    fn new(base: &Path, suite: &str) -> Result<Apt, String> {
        let folder = base.join(suite);
        for part in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(folder.join(part)).map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        let sources = folder.join("suite.sources");
        let source = main_archive()?.with_suite(suite);
        fs::write(&sources, source).map_err(|error| format!("{}: {error}", sources.display()))?;
        let mut options = Vec::new();
        for (name, value) in [
            ("Dir::State::lists", folder.join("lists").display().to_string()),
            ("Dir::Cache", folder.join("cache").display().to_string()),
            ("Dir::Etc::sourcelist", sources.display().to_string()),
            ("Dir::Etc::sourceparts", "/dev/null".to_owned()),
            ("Acquire::Languages", "none".to_owned()),
            ("Acquire::IndexTargets::deb::DEP-11::DefaultEnabled", "false".to_owned()),
            // Without it an index that cannot be had is only a warning, and the kernel seems not to exist.
            ("APT::Update::Error-Mode", "any".to_owned()),
            ("Acquire::Retries", "2".to_owned()),
            ("Acquire::http::Timeout", "30".to_owned()),
            // Our folders need not be readable for the user that apt would change to.
            ("APT::Sandbox::User", "root".to_owned()),
        ] {
            options.extend(["-o".to_owned(), format!("{name}={value}")]);
        }
        let apt = Apt { folder, options };
        run(apt.command("apt-get").args(["--quiet=2", "update"]))?;
        Ok(apt)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.args(&self.options).env("LC_ALL", "C").env("DEBIAN_FRONTEND", "noninteractive");
        command
    }

    /// The packages that make up the newest kernel of a series.
    fn newest_kernel(&self, series: &str) -> Result<Vec<String>, String> {
        let pattern = format!("^linux-(image|binary)-{}[.].*-cloud-amd64$", series.replace('.', "[.]"));
        let found = run(self.command("apt-cache").args(["search", "--names-only", &pattern]))?;
        let names: Vec<&str> = found.lines().filter_map(|line| line.split(' ').next()).collect();
        let releases = names.iter().filter_map(|name| release_of(name));
        let newest =
            releases.max_by_key(|release| numbers(release)).ok_or(format!("there is no cloud kernel {series}"))?;
        // Since 7.x the image is an empty package that depends on three others.
        if names.contains(&format!("linux-binary-{newest}").as_str()) {
            return Ok(["binary", "base", "modules"].iter().map(|part| format!("linux-{part}-{newest}")).collect());
        }
        Ok(vec![format!("linux-image-{newest}")])
    }

    /// Downloads packages and unpacks the files that match a pattern, or all, into `place`.
    fn unpack(&self, packages: &[&str], place: &Path, patterns: &[String]) -> Result<(), String> {
        let download = self.folder.join("download");
        let _ = fs::remove_dir_all(&download);
        for folder in [&download, place] {
            fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        run(self.command("apt-get").args(["--quiet=2", "download"]).args(packages).current_dir(&download))?;
        for package in walk(&download) {
            let archive = place.join("package.tar");
            let tar = fs::File::create(&archive).map_err(|error| format!("{}: {error}", archive.display()))?;
            run(Command::new("dpkg-deb").arg("--fsys-tarfile").arg(&package).stdout(tar))?;
            // tar reports a pattern without a match as failure, so names are chosen from the list first.
            let listed = run(Command::new("tar").arg("--list").arg("--file").arg(&archive))?;
            let chosen: Vec<&str> = listed
                .lines()
                .filter(|name| !name.ends_with('/'))
                .filter(|name| patterns.is_empty() || patterns.iter().any(|pattern| matches(pattern, name)))
                .collect();
            if !chosen.is_empty() {
                run(Command::new("tar")
                    .arg("--extract")
                    .arg("--file")
                    .arg(&archive)
                    .arg("--directory")
                    .arg(place)
                    .args(chosen))?;
            }
            let _ = fs::remove_file(&archive);
        }
        let _ = fs::remove_dir_all(&download);
        Ok(())
    }
}

/// `6.12.9-cloud-amd64` of `linux-image-6.12.9-cloud-amd64`.
fn release_of(package: &str) -> Option<&str> {
    package.strip_prefix("linux-image-").or_else(|| package.strip_prefix("linux-binary-"))
}

/// The numbers in a version, for comparing: 6.12.9 comes before 6.12.10.
fn numbers(version: &str) -> Vec<u64> {
    version.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

/// Whether `name` matches `pattern`, in which `*` stands for anything.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name
            .strip_prefix(start)
            .is_some_and(|tail| (0..=tail.len()).any(|at| tail.is_char_boundary(at) && matches(rest, &tail[at..]))),
    }
}

/// Where this machine gets its main packages.
#[derive(Debug, PartialEq, Eq)]
struct Source {
    uri: String,
    signed_by: Option<String>,
}

impl Source {
    fn with_suite(&self, suite: &str) -> String {
        let signed = self.signed_by.as_ref().map(|key| format!("Signed-By: {key}\n")).unwrap_or_default();
        format!("Types: deb\nURIs: {}\nSuites: {suite}\nComponents: main\n{signed}", self.uri)
    }
}

/// The machine's source for the archive of its own release.
fn main_archive() -> Result<Source, String> {
    let system = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let value = |key: &str| system.lines().find_map(|line| line.strip_prefix(key)).map(|value| value.trim_matches('"'));
    if value("ID=") != Some("debian") {
        return Err("this machine is no Debian, so it has no source for Debian's kernels".to_owned());
    }
    let codename = value("VERSION_CODENAME=").unwrap_or("sid");
    let mut files = walk(Path::new("/etc/apt/sources.list.d"));
    files.push(PathBuf::from("/etc/apt/sources.list"));
    for file in files {
        let text = fs::read_to_string(&file).unwrap_or_default();
        let source = match file.extension().and_then(|kind| kind.to_str()) {
            Some("sources") => in_stanzas(&text, codename),
            Some("list") => in_lines(&text, codename),
            _ => None,
        };
        if let Some(source) = source {
            return Ok(source);
        }
    }
    Err(format!("no apt source for {codename} main on this machine"))
}

/// In the deb822 form: stanzas of `Field: value` lines.
fn in_stanzas(text: &str, codename: &str) -> Option<Source> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    lines.split(|line| line.trim().is_empty()).find_map(|stanza| {
        let field = |name: &str| {
            let found =
                stanza.iter().find_map(|line| line.split_once(':').filter(|(key, _)| key.eq_ignore_ascii_case(name)));
            found.map(|(_, value)| value.trim())
        };
        let has = |name: &str, word: &str| field(name).is_some_and(|value| value.split_whitespace().any(|w| w == word));
        let enabled = field("Enabled").is_none_or(|value| value != "no");
        let fits = enabled && has("Types", "deb") && has("Suites", codename) && has("Components", "main");
        let uri = field("URIs")?.split_whitespace().next()?;
        // A key given in full would span lines; apt then falls back on the keys it trusts anyway.
        let signed_by = field("Signed-By").filter(|key| key.starts_with('/')).map(str::to_owned);
        fits.then(|| Source { uri: uri.to_owned(), signed_by })
    })
}

/// In the one-line form: `deb [options] uri suite components...`.
fn in_lines(text: &str, codename: &str) -> Option<Source> {
    text.lines().find_map(|line| {
        let rest = line.trim().strip_prefix("deb ")?.trim_start();
        let (options, rest) = match rest.strip_prefix('[') {
            Some(inside) => inside.split_once(']')?,
            None => ("", rest),
        };
        let words: Vec<&str> = rest.split_whitespace().collect();
        let [uri, suite, components @ ..] = &words[..] else {
            return None;
        };
        let signed_by =
            options.split_whitespace().find_map(|option| option.strip_prefix("signed-by=")).map(str::to_owned);
        (*suite == codename && components.contains(&"main")).then(|| Source { uri: (*uri).to_owned(), signed_by })
    })
}

/// Every file below a folder, sorted.
fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files.extend(walk(&entry.path())),
            Ok(kind) if kind.is_file() => files.push(entry.path()),
            _ => {}
        }
    }
    files.sort();
    files
}

fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Runs a command to its end and returns what it printed; if it failed, the last words it had for that.
fn run(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(std::process::Stdio::null()).output().map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said.lines().rev().take(3).collect();
    Err(format!("{name} failed: {}", lines.into_iter().rev().collect::<Vec<_>>().join(" / ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_source_are_read() {
        let stanzas = "# comment\nTypes: deb\nURIs: http://one.test/debian-security\nSuites: trixie-security\nComponents: main\n\n\
                       Types: deb deb-src\nURIs: http://two.test/debian\nSuites: trixie trixie-updates\nComponents: main contrib\n\
                       Signed-By: /usr/share/keyrings/x.gpg\n";
        let two = Source {
            uri: "http://two.test/debian".to_owned(),
            signed_by: Some("/usr/share/keyrings/x.gpg".to_owned()),
        };
        assert_eq!(in_stanzas(stanzas, "trixie").as_ref(), Some(&two));
        assert_eq!(in_stanzas(stanzas, "sid"), None);
        assert_eq!(
            two.with_suite("sid"),
            "Types: deb\nURIs: http://two.test/debian\nSuites: sid\nComponents: main\nSigned-By: /usr/share/keyrings/x.gpg\n"
        );
        let lines = "#deb http://no.test/debian sid main\ndeb http://one.test/debian-security trixie-security main\n\
                     deb [arch=amd64 signed-by=/k.gpg] http://two.test/debian trixie contrib main\n";
        let listed = Source { uri: "http://two.test/debian".to_owned(), signed_by: Some("/k.gpg".to_owned()) };
        assert_eq!(in_lines(lines, "trixie"), Some(listed));
        assert_eq!(in_lines(lines, "sid"), None);
        assert_eq!(
            in_lines("deb http://a.test/debian sid main", "sid"),
            Some(Source { uri: "http://a.test/debian".to_owned(), signed_by: None })
        );
    }

    #[test]
    fn versions_compare_by_number() {
        let mut versions = ["6.12.107+deb13-cloud-amd64", "6.12.95+deb12-cloud-amd64", "6.12.107+deb12-cloud-amd64"];
        versions.sort_by_key(|version| numbers(version));
        assert_eq!(versions, ["6.12.95+deb12-cloud-amd64", "6.12.107+deb12-cloud-amd64", "6.12.107+deb13-cloud-amd64"]);
    }

    #[test]
    fn a_star_stands_for_anything() {
        assert!(matches("*/kernel/*/veth.ko*", "./lib/modules/6/kernel/drivers/net/veth.ko.xz"));
        assert!(matches("*/vmlinuz*", "./boot/vmlinuz-6.1"));
        assert!(!matches("*/kernel/*/veth.ko*", "./lib/modules/6/kernel/drivers/net/xveth.ko"));
        assert!(!matches("a", "ab"));
    }
}
