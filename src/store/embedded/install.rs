//! What to type to install PostgreSQL on this system.

/// The sentence for this machine.
pub(super) fn hint() -> String {
    let os_release = std::fs::read_to_string("/etc/os-release")
        .or_else(|_| std::fs::read_to_string("/usr/lib/os-release"));
    hint_for(std::env::consts::OS, &os_release.unwrap_or_default())
}

/// The sentence for an operating system and the text of its `/etc/os-release`, by `ID`, then by each word of
/// `ID_LIKE`.
pub(super) fn hint_for(os: &str, os_release: &str) -> String {
    if os == "macos" {
        return "install PostgreSQL: brew install postgresql@17".to_owned();
    }
    let value = |key: &str| {
        let line = os_release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.map(|value| value.trim_matches(['"', '\'']).to_lowercase()).unwrap_or_default()
    };
    let families = format!("{} {}", value("ID"), value("ID_LIKE"));
    match families.split_whitespace().find_map(command) {
        Some(command) => format!("install PostgreSQL: {command}"),
        None => "install PostgreSQL 14 or later (https://www.postgresql.org/download/), \
             or set SYNTHEX_PG_BINDIR to the folder with `postgres` and `initdb`"
            .to_owned(),
    }
}

fn command(family: &str) -> Option<&'static str> {
    Some(match family {
        "debian" | "ubuntu" => "sudo apt install postgresql",
        "fedora" | "rhel" | "centos" | "rocky" | "almalinux" | "ol" => "sudo dnf install postgresql-server",
        "amzn" => "sudo dnf install postgresql15-server",
        "alpine" => "apk add postgresql (as root)",
        "arch" | "archlinux" | "manjaro" => "sudo pacman -S postgresql",
        "suse" | "opensuse" | "opensuse-leap" | "opensuse-tumbleweed" | "sles" => {
            "sudo zypper install postgresql-server"
        }
        "nixos" => "nix profile install nixpkgs#postgresql",
        "void" => "sudo xbps-install postgresql",
        "gentoo" => "sudo emerge dev-db/postgresql",
        _ => return None,
    })
}
